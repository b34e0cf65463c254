package smtp

import (
	"maps"
	"strings"
	"testing"
)

func TestForwardedMail(t *testing.T) {
	const rewritten = "SRS0=a=remote.test@d.test"
	for name, c := range map[string]struct {
		from, header string
		to           []string
		reply        string
		senders      map[string]string
		delivered    string // Delivered-To on top
	}{
		"a forward":                      {"a@remote.test", "", []string{"fwd"}, "250", map[string]string{"fwd@elsewhere.test": rewritten}, "fwd@d.test"},
		"a forward with a copy":          {"a@remote.test", "", []string{"both"}, "250", map[string]string{"fwd@elsewhere.test": rewritten}, "both@d.test"},
		"a mailbox":                      {"a@remote.test", "", []string{"alice"}, "250", nil, ""},
		"a bounce":                       {"", "", []string{"fwd"}, "250", nil, "fwd@d.test"},
		"a sender of ours":               {"bob@d.test", "", []string{"fwd"}, "250", nil, "fwd@d.test"},
		"two ways to one address":        {"a@remote.test", "", []string{"fwd", "both"}, "250", map[string]string{"fwd@elsewhere.test": rewritten}, ""},
		"one that comes back":            {"a@remote.test", "Delivered-To: FWD@d.test\r\n", []string{"fwd"}, "554 5.4.6", nil, ""},
		"one that was somewhere else":    {"a@remote.test", "Delivered-To: x@y.test\r\nDelivered-To: ?\r\n", []string{"fwd"}, "250", map[string]string{"fwd@elsewhere.test": rewritten}, "fwd@d.test"},
		"one that ends where it came by": {"a@remote.test", "Delivered-To: alice@d.test\r\n", []string{"alice"}, "250", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range senders {
				r := newRig(t, MTA, nil)
				cl := r.hello()
				cl.say("MAIL FROM:<"+c.from+">", "250")
				for _, to := range c.to {
					cl.say("RCPT TO:<"+to+"@d.test>", "250")
				}
				if got := s.send(cl, c.header+"Subject: x\r\n\r\ny"); !strings.HasPrefix(got, c.reply) {
					t.Fatalf("%s: got %q, want %s", s.name, got, c.reply)
				}
				if c.reply != "250" {
					continue
				}
				d := r.store.deliveries()[0]
				if !maps.Equal(d.senders, c.senders) {
					t.Errorf("%s: senders %v, want %v", s.name, d.senders, c.senders)
				}
				if d.from != c.from {
					t.Errorf("%s: from %q", s.name, d.from)
				}
				if len(d.remote) == 0 {
					continue
				}
				want := ""
				if c.delivered != "" {
					want = "Delivered-To: " + c.delivered + "\r\n"
				}
				if !strings.Contains(d.remoteText, want) || want == "" && strings.Contains(d.remoteText, "Delivered-To") {
					t.Errorf("%s: it goes on as\n%s", s.name, d.remoteText)
				}
			}
		})
	}
}
