package smtp

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

var (
	errDMARC      = reply(550, 5, 7, 1, "Refused by the DMARC policy of the author's domain")
	errSPF        = reply(550, 5, 7, 23, "SPF validation failed: this host may not send for the sender's domain")
	errCheckLater = reply(451, 4, 4, 3, "Who sent this cannot be told now, try again later")
)

// checkTime is how long all look-ups for a message may take. What has no result
// by then is "temperror".
const checkTime = 20 * time.Second

// junk is the use of the mailbox for what its author's domain wants treated with suspicion.
const junk = `\Junk`

// A Checker finds out who mail is from; *verify.Checker is one.
type Checker interface {
	SPF(ctx context.Context, client netip.Addr, helo, sender string) verify.SPF
	Message(ctx context.Context, p verify.Policy, m verify.Message) verify.Verdict
}

// client is the address of the client, without a port; invalid where it has none.
func (s *session) client() netip.Addr { return clientOf(s.w) }

func clientOf(w *wire) netip.Addr {
	if t, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// exempt says whether a client is taken at its word.
func exempt(networks []netip.Prefix, client netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

// checked says whether the sender of a transaction is looked at.
func (s *session) checked() bool {
	if s.srv.o.Mode != MTA || s.srv.o.Checker == nil {
		return false
	}
	settings := s.srv.o.Settings()
	return settings.Checks.Any() && !exempt(settings.Exempt, s.client())
}

// An spfLook is a look at the sender that is under way, or done.
type spfLook struct {
	done   chan struct{}
	result verify.SPF // once it is done
	stop   func()     // gives it up
}

// wait is the result; without a look there is none.
func (l *spfLook) wait() verify.SPF {
	if l == nil {
		return verify.SPF{}
	}
	<-l.done
	return l.result
}

// startSPF looks at the sender while the client is still talking: at the first
// recipient that is taken, so that nobody is asked about mail that is refused
// anyway.
func (s *session) startSPF(tx *transaction) {
	if tx.spf != nil || s.srv.o.Checker == nil {
		return
	}
	ctx, stop := context.WithTimeout(s.srv.group.Context(), checkTime)
	look := &spfLook{done: make(chan struct{}), stop: stop}
	tx.spf = look
	client, helo, sender := s.client(), tx.helo, tx.from.path()
	s.srv.work.Go(func() {
		defer stop()
		defer close(look.done)
		look.result = s.srv.o.Checker.SPF(ctx, client, helo, sender)
	})
}

// check makes the checks of a message, and keeps what they have found for the
// message and for where it goes. The answer is one of refusal.
func (s *session) check(ctx context.Context, tx *transaction, h *header, d *store.Draft) *gosmtp.SMTPError {
	tx.junk = s.listed().Junk()
	if !s.checked() {
		tx.results = verify.Field(s.hostname, tx.listed)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	m := verify.Message{Client: s.client(), Authors: h.authors, Signed: h.signed, Sealed: h.sealed, Content: d, Size: d.Size()}
	checks := s.srv.o.Settings().Checks
	if checks.SPF != verify.Off {
		m.SPF = tx.spf.wait()
	}
	v := s.srv.o.Checker.Message(ctx, checks, m)
	tx.results = verify.Field(s.hostname, append(v.Results(), tx.listed...))
	tx.junk = tx.junk || v.Disposition == verify.Junk
	tx.seal = s.sealing(v, h.sealed)
	var refusal *gosmtp.SMTPError
	switch {
	case v.Disposition == verify.Defer:
		refusal = errCheckLater
	case v.Disposition == verify.Refuse && v.RefusedBy() == "spf":
		refusal = errSPF
	case v.Disposition == verify.Refuse:
		refusal = errDMARC
	default:
		return nil
	}
	s.srv.o.Logger.Info("checks", "id", tx.id, "results", strings.Join(v.Results(), "; "))
	return refusal
}

// authorDomains are the domains of all addresses in the From fields, each once. A
// field that no grammar fits is searched for what could be an address: a reader's
// program may be just as kind to it.
func authorDomains(fields []field) []string {
	var domains []string
	add := func(d string) {
		if d, err := normalDomain(d); err == nil && !strings.HasPrefix(d, "[") && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	for _, f := range fields {
		if as, err := parseFrom(f); err == nil {
			for _, a := range as {
				add(a.Domain)
			}
			continue
		}
		v := f.value()
		for at := strings.IndexByte(v, '@'); at >= 0; at = strings.IndexByte(v, '@') {
			v = v[at+1:]
			end := strings.IndexAny(v, " \t<>()[],;:\"@\\")
			if end < 0 {
				end = len(v)
			}
			add(v[:end])
		}
	}
	return domains
}
