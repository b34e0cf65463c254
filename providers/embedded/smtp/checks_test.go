package smtp

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/mailform/mailform/providers/embedded/verify"
)

// texts are the TXT records that there are; names below silent.test are not
// answered.
type texts map[string]string

func (z texts) LookupTXT(_ context.Context, name string) ([]string, error) {
	if t, ok := z[strings.TrimSuffix(name, ".")]; ok {
		return []string{t}, nil
	}
	return nil, &net.DNSError{Err: "none", Name: name, IsNotFound: !strings.HasSuffix(name, "silent.test"), IsTemporary: strings.HasSuffix(name, "silent.test")}
}

func (texts) LookupMX(context.Context, string) ([]*net.MX, error)        { return nil, nil }
func (texts) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) { return nil, nil }
func (texts) LookupAddr(context.Context, string) ([]string, error)       { return nil, nil }

// checking makes a server check its clients.
func checking(change func(*Settings)) func(*Options) {
	return func(o *Options) {
		o.Checker = &verify.Checker{Resolver: texts{
			"good.test":        "v=spf1 ip4:127.0.0.1 -all",
			"bad.test":         "v=spf1 -all",
			"_dmarc.good.test": "v=DMARC1; p=reject",
			"_dmarc.junk.test": "v=DMARC1; p=quarantine",
			"mute.test":        "v=spf1 include:silent.test -all",
			"_dmarc.mute.test": "v=DMARC1; p=reject",
		}}
		settings := o.Settings
		o.Settings = func() Settings {
			s := settings()
			s.Checks = verify.Policy{SPF: verify.Report, DKIM: true, ARC: true, DMARC: verify.Enforce}
			if change != nil {
				change(&s)
			}
			return s
		}
	}
}

func TestSendersAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		from, header string
		change       func(*Settings)
		reply        string
		results      string // of the stored message; empty: there is no field
		mailbox      string
	}{
		"a sender as he should be": {"a@good.test", "From: A <a@good.test>", nil, "250",
			"spf=pass smtp.mailfrom=a@good.test; dkim=none; dmarc=pass (p=reject) header.from=good.test; arc=none", ""},
		"a forged author":                    {"a@bad.test", "From: a@good.test", nil, "550 5.7.1 ", "", ""},
		"a forged author behind an odd name": {"a@bad.test", "From: A. Person, Dr. <a@good.test", nil, "550 5.7.1 ", "", ""},
		"a forged author in a second field":  {"a@bad.test", "From: a@bad.test\r\nFrom: a@good.test", nil, "550 5.7.1 ", "", ""},
		"a forged author of a domain that is patient": {"a@bad.test", "From: a@junk.test", nil, "250",
			"spf=fail smtp.mailfrom=a@bad.test; dkim=none; dmarc=fail (p=quarantine) header.from=junk.test; arc=none", `\Junk`},
		"SPF that is enforced":       {"a@bad.test", "From: a@bad.test", func(s *Settings) { s.Checks.SPF = verify.Enforce }, "550 5.7.23 ", "", ""},
		"a DNS that does not answer": {"a@mute.test", "From: a@mute.test", nil, "451 4.4.3 ", "", ""},
		"reports alone": {"a@bad.test", "From: a@good.test", func(s *Settings) { s.Checks.DMARC = verify.Report }, "250",
			"spf=fail smtp.mailfrom=a@bad.test; dkim=none; dmarc=fail (p=reject) header.from=good.test; arc=none", ""},
		"one check alone": {"a@bad.test", "From: a@good.test", func(s *Settings) { s.Checks = verify.Policy{DKIM: true} }, "250", "dkim=none", ""},
		"no checks":       {"a@bad.test", "From: a@good.test", func(s *Settings) { s.Checks = verify.Policy{} }, "250", "", ""},
		"a client that is trusted": {"a@bad.test", "From: a@good.test",
			func(s *Settings) { s.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, "250", "", ""},
		"results that claim to be ours": {"a@good.test", "From: a@good.test\r\nAuthentication-Results: (x) \"MX.d.test\" 1; dkim=pass\r\nAuthentication-Results: other.test; spf=fail", nil, "250",
			"spf=pass smtp.mailfrom=a@good.test; dkim=none; dmarc=pass (p=reject) header.from=good.test; arc=none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range senders {
				r := newRig(t, MTA, checking(c.change))
				cl := r.hello()
				cl.say("MAIL FROM:<"+c.from+">", "250")
				cl.say("RCPT TO:<nobody@d.test>", "550")
				cl.say("RCPT TO:<alice@d.test>", "250")
				cl.say("RCPT TO:<bob@d.test>", "250")
				got := s.send(cl, c.header+"\r\nSubject: hi\r\n\r\nbody")
				if !strings.HasPrefix(got, c.reply) {
					t.Fatalf("%s: reply %q, want %s", s.name, got, c.reply)
				}
				ds := r.store.deliveries()
				if (len(ds) == 1) != (c.reply == "250") {
					t.Fatalf("%s: %d deliveries", s.name, len(ds))
				}
				if len(ds) == 0 {
					// The connection serves on.
					cl.say("NOOP", "250")
					continue
				}
				want := ""
				if c.results != "" {
					want = "Authentication-Results: mx.d.test;\r\n\t" + strings.ReplaceAll(c.results, "; ", ";\r\n\t") + "\r\nReceived: "
				}
				if strings.Count(strings.ToLower(ds[0].text), "mx.d.test\" 1;") > 0 || !strings.Contains(ds[0].text, want) ||
					want == "" && strings.Contains(ds[0].text, "Authentication-Results") {
					t.Errorf("%s: stored\n%s\nwant\n%s", s.name, ds[0].text, want)
				}
				if ds[0].mailbox != c.mailbox {
					t.Errorf("%s: it is in %q, want %q", s.name, ds[0].mailbox, c.mailbox)
				}
			}
		})
	}
}

// A slowDNS answers nothing until it is given up.
type slowDNS struct {
	texts
	waits sync.WaitGroup
}

func (z *slowDNS) LookupTXT(ctx context.Context, name string) ([]string, error) {
	z.waits.Done()
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTemporary: true}
}

func TestLookUpsEndWithTheirTransaction(t *testing.T) {
	z := &slowDNS{}
	z.waits.Add(1)
	r := newRig(t, MTA, func(o *Options) {
		checking(nil)(o)
		o.Checker = &verify.Checker{Resolver: z}
	})
	c := r.hello()
	c.say("MAIL FROM:<a@good.test>", "250")
	c.say("RCPT TO:<alice@d.test>", "250")
	z.waits.Wait()
	c.say("RSET", "250")
	r.srv.work.Wait() // hangs if the look-up goes on
	c.say("QUIT", "221")
}
