package smtp

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"net/mail"

	"github.com/mailform/mailform/providers/embedded/store"
)

var (
	errNoFrom    = reply(550, 5, 6, 0, "From field is missing, given twice or unreadable")
	errFromOther = reply(550, 5, 7, 1, "From field names a local address that is not yours")
)

// complete does for a message what a user's mail program may leave out
// (RFC 6409 §8), and takes away what recipients must not see. A From field may
// name any address elsewhere, but of the local ones only the sender's own: the
// message is going to be signed for that domain.
func (s *session) complete(ctx context.Context, tx *transaction, h *header) error {
	h.remove("bcc")
	h.remove("resent-bcc")
	if len(h.all("date")) == 0 {
		h.add("Date", s.srv.o.Now().Format(dateFormat))
	}
	if len(h.all("message-id")) == 0 {
		domain := tx.from.Domain
		if domain == "" {
			domain = s.hostname
		}
		h.add("Message-ID", "<"+rand.Text()+"@"+domain+">")
	}
	from := h.all("from")
	if len(from) == 0 && tx.from != (address{}) {
		h.add("From", "<"+tx.from.path()+">")
		return nil
	}
	if len(from) != 1 {
		return errNoFrom
	}
	authors, err := parseFrom(from[0])
	if err != nil {
		return errNoFrom
	}
	for _, a := range authors {
		local, err := s.srv.o.Store.LocalDomain(ctx, a.Domain)
		if err != nil {
			return fmt.Errorf("look up domain of From: %w", err)
		}
		if local && !tx.owns(a) {
			return errFromOther
		}
	}
	return nil
}

// parseFrom returns the addresses of a From field, at least one.
func parseFrom(f field) ([]address, error) {
	// Display names in unknown character sets do not matter here.
	p := mail.AddressParser{WordDecoder: &mime.WordDecoder{
		CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil },
	}}
	list, err := p.ParseList(f.value())
	if err != nil {
		return nil, err
	}
	var as []address
	for _, m := range list {
		a, err := parseAddress(m.Address)
		if err != nil {
			return nil, err
		}
		as = append(as, a)
	}
	if len(as) == 0 {
		return nil, errAddress
	}
	return as, nil
}

// sign puts DKIM-Signature fields on top of the draft: for the author's domain,
// or where there is no key for it, for the envelope sender's.
func (s *session) sign(ctx context.Context, tx *transaction, h *header, d *store.Draft) error {
	if s.srv.o.Signer == nil {
		return nil
	}
	var domains []string
	if len(h.authors) > 0 {
		domains = append(domains, h.authors[0])
	}
	if tx.from.Domain != "" && (len(domains) == 0 || domains[0] != tx.from.Domain) {
		domains = append(domains, tx.from.Domain)
	}
	for _, domain := range domains {
		fields, err := s.srv.o.Signer.Sign(ctx, domain, d.Reader())
		if err != nil {
			return err
		}
		if len(fields) > 0 {
			d.Prepend(fields)
			return nil
		}
	}
	return nil
}
