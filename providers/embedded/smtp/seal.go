package smtp

import (
	"context"
	"io"
	"strings"

	"github.com/mailform/mailform/providers/embedded/arc"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// A Sealer makes ARC sets for mail that is handed on; *dkim.Signer is one. A Signer that
// is none seals nothing.
type Sealer interface {
	Seal(ctx context.Context, domain string, message io.Reader, chain *arc.Chain, results string) ([]byte, error)
}

// sealing makes what seals a message that is handed on from an address here (RFC 8617):
// whoever gets it can believe what we saw, although it no longer comes from where its
// sender said. It is nil where we saw nothing, or what came before us does not hold.
func (s *session) sealing(v verify.Verdict, sealed bool) store.Seal {
	sealer, ok := s.srv.o.Signer.(Sealer)
	if !ok || !s.srv.o.Settings().Checks.ARC {
		return nil
	}
	chain := v.ARC.Chain
	if !sealed {
		chain = &arc.Chain{Status: arc.None}
	}
	if chain == nil {
		return nil // it could not be told
	}
	results := s.hostname + ";\r\n\t" + strings.Join(v.Results(), ";\r\n\t")
	return func(ctx context.Context, from string, d *store.Draft) error {
		set, err := sealer.Seal(ctx, from[strings.LastIndexByte(from, '@')+1:], d.Reader(), chain, results)
		if err == nil && len(set) > 0 {
			d.Prepend(set)
		}
		return err
	}
}

// seal seals what goes on elsewhere because an address here forwards it. Without a seal it
// goes, too.
func (s *session) seal(ctx context.Context, tx *transaction, d *store.Draft) {
	if tx.seal == nil || len(tx.forwarders) == 0 {
		return
	}
	if err := tx.seal(ctx, tx.forwarders[0].path(), d); err != nil {
		s.srv.o.Logger.Warn("a message is handed on without a seal", "id", tx.id, "error", err)
	}
}
