package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dane"
	"github.com/miekg/dns"
)

// door makes the checks of one address that a service listens at.
func (r *runner) door(ctx context.Context, d *door) {
	subject := d.service + " " + d.addr
	if d.tls {
		subject += " (TLS)"
	}
	l, err := r.dial(ctx, d)
	if err != nil {
		r.fail(greeting, d.thing, subject, "start the service, and let the network through to it; "+applying, "%v", err)
		return
	}
	defer l.close()
	var offer offer
	switch d.service {
	case "smtp", "submission":
		offer, err = l.smtpOffer()
	case "imap":
		offer, err = l.imapOffer()
	case "pop3":
		offer, err = l.pop3Offer()
	case "managesieve":
		offer, err = l.sieveOffer()
	case "web":
		if !d.tls {
			r.pass(greeting, d.thing, subject, "answers")
			return
		}
	default:
		return
	}
	if err != nil {
		r.fail(greeting, d.thing, subject, "see in the service's log why", "%v", err)
		return
	}
	if d.service == "smtp" && !strings.EqualFold(offer.name, d.hostname) {
		r.fail(greeting, d.thing, subject, applying, "it calls itself %q, and the server is %q", offer.name, d.hostname)
	} else {
		r.pass(greeting, d.thing, subject, "answers")
	}
	if !d.tls {
		r.clearAuth(d, subject, offer)
		if !offer.starttls {
			r.fail(starttls, d.thing, subject, "give the server a certificate", "TLS is not offered")
		} else if err = l.upgrade(ctx, d); err != nil {
			r.fail(starttls, d.thing, subject, "see in the service's log why", "TLS is offered and cannot be had: %v", err)
		}
	}
	if chain := l.chain(); chain != nil {
		r.pass(starttls, d.thing, subject, "%s", versionOf(l))
		r.certify(d, subject, chain)
		if d.service == "smtp" {
			r.dane(ctx, d, chain)
		}
	}
	switch d.service {
	case "smtp":
		r.relays(ctx, d, subject)
		r.recipients(ctx, d, subject)
	case "submission":
		r.submits(ctx, d, subject)
	}
}

func versionOf(l *line) string {
	s := l.conn.(*tls.Conn).ConnectionState()
	return tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
}

// An offer is what a service says that it can, before TLS or with it.
type offer struct {
	name     string
	starttls bool
	// login tells of what passwords are asked by; empty: by nothing.
	login string
}

func (r *runner) clearAuth(d *door, subject string, o offer) {
	if o.login != "" && d.loopback() {
		r.pass(clearAuth, d.thing, subject, "passwords are asked for in the clear, of this machine alone")
		return
	}
	if o.login != "" {
		r.fail(clearAuth, d.thing, subject, "let the service ask for passwords after TLS alone", "passwords are asked for in the clear: %s", o.login)
		return
	}
	r.pass(clearAuth, d.thing, subject, "no password is asked for in the clear")
}

// certify judges the certificates that a service shows.
func (r *runner) certify(d *door, subject string, chain []*x509.Certificate) {
	const renew = "give the server a certificate for that name, from an authority that its clients believe, and a new one before the old one ends"
	leaf := chain[0]
	now := r.Now()
	if err := leaf.VerifyHostname(d.hostname); err != nil {
		r.fail(certificate, d.thing, subject, renew, "it is not for %s: %v", d.hostname, err)
		return
	}
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		r.fail(certificate, d.thing, subject, renew, "it holds from %s to %s, and now is %s", day(leaf.NotBefore), day(leaf.NotAfter), day(now))
		return
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: d.hostname, Roots: r.Roots, Intermediates: between, CurrentTime: now})
	left := leaf.NotAfter.Sub(now)
	switch {
	case err != nil && d.loopback():
		r.warn(certificate, d.thing, subject, renew, "nobody else would believe it: %v", err)
	case err != nil && d.service == "smtp":
		// Other servers take what they get, where no policy asks for more.
		r.warn(certificate, d.thing, subject, renew, "no authority that is believed here has made it: %v", err)
	case err != nil:
		r.fail(certificate, d.thing, subject, renew, "mail programs do not believe it: %v", err)
	case left < soon:
		r.warn(certificate, d.thing, subject, renew, "it ends on %s, in %d days", day(leaf.NotAfter), int(left.Hours()/24))
	default:
		r.pass(certificate, d.thing, subject, "for %s, until %s", d.hostname, day(leaf.NotAfter))
	}
}

// soon is when a certificate has to be renewed at the latest: those of 90 days are
// renewed after 60.
const soon = 14 * 24 * time.Hour

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// dane holds the certificates of an MX host to its TLSA records.
func (r *runner) dane(ctx context.Context, d *door, chain []*x509.Certificate) {
	name := "_25._tcp." + d.hostname
	rrs, err := r.lookup(ctx, name, dns.TypeTLSA)
	if err != nil || len(rrs) == 0 {
		return // nobody has to have any
	}
	subject := name + " and " + d.addr
	if err := dane.Verify(dane.Usable(rrs), chain, []string{d.hostname}, r.Now()); err != nil {
		r.fail(daneCheck, d.thing, subject, "publish the record of the certificate that the server shows, and take others away only when it shows them no more", "%v: servers that know DANE send no mail", err)
		return
	}
	r.pass(daneCheck, d.thing, subject, "the certificate fits")
}

// upgrade begins TLS.
func (l *line) upgrade(ctx context.Context, d *door) error {
	var err error
	switch d.service {
	case "smtp", "submission":
		var p reply
		if p, err = l.smtp("STARTTLS"); err == nil && !p.ok() {
			err = errors.New("the answer is " + p.String())
		}
	case "imap":
		_, err = l.imap("STARTTLS")
	case "pop3":
		_, err = l.pop3("STLS")
	case "managesieve":
		if err = l.send("STARTTLS"); err == nil {
			_, err = l.sieveOK()
		}
	}
	if err != nil {
		return err
	}
	return l.secure(ctx, d.hostname)
}

// clientName is what the client calls itself: it has no name of its own.
const clientName = "[127.0.0.1]"

func (l *line) smtpOffer() (offer, error) {
	p, err := l.reply()
	if err == nil && p.code != 220 {
		err = fmt.Errorf("the greeting is %s", p)
	}
	if err != nil {
		return offer{}, err
	}
	o := offer{}
	o.name, _, _ = strings.Cut(p.lines[0], " ")
	return o, l.ehlo(&o)
}

func (l *line) ehlo(o *offer) error {
	p, err := l.smtp("EHLO %s", clientName)
	if err == nil && !p.ok() {
		err = fmt.Errorf("EHLO is answered by %s", p)
	}
	if err != nil {
		return err
	}
	for _, can := range p.lines[1:] {
		word, _, _ := strings.Cut(strings.ToUpper(can), " ")
		switch {
		case word == "STARTTLS":
			o.starttls = true
		case word == "AUTH" || strings.HasPrefix(word, "AUTH="):
			o.login = can
		}
	}
	return nil
}

func (l *line) imapOffer() (offer, error) {
	s, err := l.read()
	if err == nil && !strings.HasPrefix(s, "* OK") {
		err = fmt.Errorf("the greeting is %q", s)
	}
	if err != nil {
		return offer{}, err
	}
	lines, err := l.imap("CAPABILITY")
	o := offer{login: "LOGIN"}
	for _, s := range lines {
		for _, c := range strings.Fields(strings.ToUpper(s)) {
			switch {
			case c == "STARTTLS":
				o.starttls = true
			case c == "LOGINDISABLED":
				o.login = ""
			}
		}
	}
	for _, s := range lines {
		if i := strings.Index(strings.ToUpper(s), "AUTH=PLAIN"); i >= 0 {
			o.login = "AUTH=PLAIN"
		}
	}
	return o, err
}

func (l *line) pop3Offer() (offer, error) {
	if _, err := l.pop3OK(); err != nil {
		return offer{}, err
	}
	if _, err := l.pop3("CAPA"); err != nil {
		return offer{}, err
	}
	can, err := l.dotted()
	var o offer
	for _, c := range can {
		c = strings.ToUpper(c)
		switch {
		case c == "STLS":
			o.starttls = true
		case c == "USER" || strings.HasPrefix(c, "SASL ") && slices.ContainsFunc(strings.Fields(c), func(m string) bool { return m == "PLAIN" || m == "LOGIN" }):
			o.login = c
		}
	}
	return o, err
}

func (l *line) sieveOffer() (offer, error) {
	lines, err := l.sieveOK()
	var o offer
	for _, s := range lines {
		s = strings.ToUpper(s)
		switch {
		case strings.HasPrefix(s, `"STARTTLS"`):
			o.starttls = true
		case strings.HasPrefix(s, `"SASL"`) && strings.Contains(s, "PLAIN"):
			o.login = s
		}
	}
	return o, err
}

// sieveOK reads an answer of ManageSieve (RFC 5804 §1.2) to its end.
func (l *line) sieveOK() ([]string, error) {
	var lines []string
	for {
		s, err := l.read()
		switch {
		case err != nil:
			return lines, err
		case strings.HasPrefix(s, "OK"):
			return lines, nil
		case strings.HasPrefix(s, "NO"), strings.HasPrefix(s, "BYE"):
			return lines, fmt.Errorf("the answer is %q", s)
		}
		lines = append(lines, s)
	}
}
