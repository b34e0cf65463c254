package smtp

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/dnsbl"
	"github.com/mailform/mailform/providers/embedded/store"
)

// blocklists are what lists answer about 127.0.0.1, by their zones.
type blocklists map[string]string

func (b blocklists) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	zone, ok := strings.CutPrefix(host, "1.0.0.127.")
	if !ok || b[zone] == "" {
		return nil, &net.DNSError{Err: "none", Name: host, IsNotFound: true}
	}
	if b[zone] == "silent" {
		return nil, &net.DNSError{Err: "time out", Name: host, IsTimeout: true}
	}
	return []netip.Addr{netip.MustParseAddr(b[zone])}, nil
}

func (b blocklists) LookupTXT(context.Context, string) ([]string, error) {
	return []string{"https://bl.test/?ip=127.0.0.1\r\nor\x00 not"}, nil
}

// listing makes a server ask lists.
func asking(answers blocklists, change func(*Settings), lists ...dnsbl.List) func(*Options) {
	return func(o *Options) {
		o.Lists = answers
		settings := o.Settings
		o.Settings = func() Settings {
			s := settings()
			s.Lists = lists
			if change != nil {
				change(&s)
			}
			return s
		}
	}
}

func TestClientsOnLists(t *testing.T) {
	bad := blocklists{"bl.test": "127.0.0.2", "wl.test": "127.0.5.1", "down.test": "silent", "other.test": "192.0.2.80"}
	reject := dnsbl.List{Zone: "bl.test", Action: dnsbl.Reject, Weight: 10}
	cases := map[string]struct {
		lists   []dnsbl.List
		change  func(*Settings)
		to      string // empty: alice@d.test
		reply   string
		results string // of the stored message
		mailbox string
		log     string
	}{
		"a listed client is refused, and told why": {lists: []dnsbl.List{reject},
			reply: "550 5.7.1 Client [127.0.0.1] is listed at bl.test: https://bl.test/?ip=127.0.0.1 or? not", log: `msg="client is listed"`},
		"but for who looks after the mail": {lists: []dnsbl.List{reject}, to: "postmaster@d.test",
			reply: "250", results: "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"},
		"an unknown recipient is one first": {lists: []dnsbl.List{reject}, to: "nosuch@d.test", reply: "550 5.1.1"},
		"a list that marks": {lists: []dnsbl.List{{Zone: "bl.test", Action: dnsbl.Mark}},
			reply: "250", results: "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"},
		"a list that lays mail apart": {lists: []dnsbl.List{{Zone: "bl.test", Action: dnsbl.Junk}},
			reply: "250", results: "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2", mailbox: `\Junk`},
		"a list of good clients": {lists: []dnsbl.List{reject, {Zone: "wl.test", Action: dnsbl.Allow}},
			reply: "250", results: "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2;\r\n\tdnswl=pass dns.zone=wl.test policy.ip=127.0.5.1"},
		"a list that does not answer": {lists: []dnsbl.List{{Zone: "down.test", Action: dnsbl.Reject, Weight: 10}},
			reply: "250", log: `msg="a list does not answer"`},
		"a list that has become a web site": {lists: []dnsbl.List{{Zone: "other.test", Action: dnsbl.Reject, Weight: 10}}, reply: "250"},
		"a client that is exempt": {lists: []dnsbl.List{reject}, reply: "250",
			change: func(s *Settings) { s.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, MTA, asking(bad, c.change, c.lists...))
			to := c.to
			if to == "" {
				to = "alice@d.test"
			}
			k := r.hello()
			k.say("MAIL FROM:<a@remote.test>", "250")
			if k.say("RCPT TO:<"+to+">", c.reply); c.reply == "250" {
				k.say("DATA", "354")
				k.say("X: x\r\nAuthentication-Results: mx.d.test; dnswl=pass\r\n\r\nx\r\n.", "250")
				d := r.store.deliveries()[0]
				_, results, found := strings.Cut(d.text, "Authentication-Results: mx.d.test;\r\n\t")
				results, _, _ = strings.Cut(results, "\r\nReceived:")
				if results != c.results || found != (c.results != "") || d.mailbox != c.mailbox {
					t.Errorf("results %q in %q, want %q in %q", results, d.mailbox, c.results, c.mailbox)
				}
				if strings.Count(d.text, "Authentication-Results") != strings.Count(d.text, "Authentication-Results: mx.d.test;\r\n\t") {
					t.Errorf("results of others are left:\n%s", d.text)
				}
			}
			if log := r.log.String(); !strings.Contains(log, c.log) {
				t.Errorf("the log has no %s:\n%s", c.log, log)
			}
		})
	}
}

// memory is a greylist that puts off a sender once, and notes whom it was asked about.
type memory struct {
	mu    sync.Mutex
	asked []string
	fail  error
}

func (m *memory) Greylist(_ context.Context, g store.Greylisting, client netip.Addr, sender, recipient string) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, client.String()+" "+sender+" "+recipient)
	if m.fail != nil || len(m.asked) > 1 {
		return 0, m.fail
	}
	return g.Delay, nil
}

func TestSendersThatNobodyKnows(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cases := map[string]struct {
		from, to string
		change   func(*Settings)
		answers  blocklists
		fail     error
		reply    string
		asked    string
	}{
		"are put off":                         {"a@remote.test", "alice@d.test", nil, nil, nil, "451 4.7.1 Greylisted, try again in 300 seconds", "127.0.0.1 a@remote.test alice@d.test"},
		"unless they write to nobody":         {"a@remote.test", "nosuch@d.test", nil, nil, nil, "550 5.1.1", ""},
		"or to who looks after the mail":      {"a@remote.test", "postmaster@d.test", nil, nil, nil, "250", ""},
		"or are exempt":                       {"a@remote.test", "alice@d.test", func(s *Settings) { s.Exempt = networks }, nil, nil, "250", ""},
		"or are exempt from this":             {"a@remote.test", "alice@d.test", func(s *Settings) { s.Greylist.Exempt = networks }, nil, nil, "250", ""},
		"or are known to a list":              {"a@remote.test", "alice@d.test", nil, blocklists{"wl.test": "127.0.5.1"}, nil, "250", ""},
		"or pass SPF":                         {"a@good.test", "alice@d.test", func(s *Settings) { s.Greylist.PassSPF = true }, nil, nil, "250", ""},
		"but not who does not":                {"a@bad.test", "alice@d.test", func(s *Settings) { s.Greylist.PassSPF = true }, nil, nil, "451 4.7.1", "127.0.0.1 a@bad.test alice@d.test"},
		"and not where that does not count":   {"a@good.test", "alice@d.test", nil, nil, nil, "451 4.7.1", "127.0.0.1 a@good.test alice@d.test"},
		"nobody is while the store is ailing": {"a@remote.test", "alice@d.test", nil, nil, io.ErrNoProgress, "250", "127.0.0.1 a@remote.test alice@d.test"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{fail: c.fail}
			checked := checking(nil)
			r := newRig(t, MTA, func(o *Options) {
				o.Greylist = m
				checked(o)
				asking(c.answers, func(s *Settings) {
					s.Greylist = &Greylisting{Greylisting: store.Greylisting{Delay: 5 * time.Minute}}
					if c.change != nil {
						c.change(s)
					}
				}, dnsbl.List{Zone: "wl.test", Action: dnsbl.Allow})(o)
			})
			k := r.hello()
			k.say("MAIL FROM:<"+c.from+">", "250")
			k.say("RCPT TO:<"+c.to+">", c.reply)
			if got := strings.Join(m.asked, ", "); got != c.asked {
				t.Errorf("the greylist was asked about %q, want %q", got, c.asked)
			}
			if strings.HasPrefix(c.reply, "451") {
				k.say("RCPT TO:<"+c.to+">", "250")
			}
		})
	}
}
