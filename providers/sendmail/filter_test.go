package sendmail_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
)

// overTCP leads a port to a socket: Sendmail asks no filter at a socket in a
// directory where anybody can write.
func overTCP(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				to, err := net.Dial("unix", strings.TrimPrefix(address, "unix:"))
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(c, to); c.Close() }()
				_, _ = io.Copy(to, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return l.Addr().String()
}

// Sendmail asks the real rspamd and clamav-milter, in the order declared; what
// somebody changes by hand is seen.
func TestFilters(t *testing.T) {
	t.Parallel()
	s, keep, mx := mailtest.Sendmail(t), newKeeper(t), porttest.Addr(t)
	spam := filter("smtp", "spam", 1, overTCP(t, mailtest.Rspamd(t)))
	viruses := filter("smtp", "viruses", 2, overTCP(t, mailtest.Clamav(t, "Reject")))
	apply(t, s, providers.Create, setting("mail.example.com"), delivery(keep.addr, ""), domain("example.com"), recipient("alice@example.com"),
		listener("smtp", []string{mx}, nil), service(), spam, viruses)
	waitFor(t, mx)
	for _, r := range []schema.Resource{spam, viruses} {
		if o, ok := observed(t, s)["filter "+r.Key]; !ok || !o.Attrs.RawEquals(r.Attrs) {
			t.Errorf("%s is %#v", r.Key, o.Attrs)
		}
	}
	for line, want := range map[string]string{"Hello.": "250 2.0.0", mailtest.GtubeReject: "554 5.7.1", mailtest.GtubeAddHeader: "250 2.0.0", mailtest.Eicar: "550 5.7.1 Virus found"} {
		out := swaks(t, mx, "--from", "someone@remote.example", "--to", "alice@example.com", "--body", line)
		if !strings.Contains(out, " "+want) {
			t.Errorf("%.20s was answered: %s", line, out)
		}
	}
	keep.takes(t, "alice@example.com", "alice@example.com")

	// By hand.
	path := filepath.Join(s.ConfigDir, "sendmail.cf")
	edit := func(old, new string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), old) {
			t.Fatalf("sendmail.cf has no %q", old)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit(", F=T, T=C:60s;S:60s", ", T=C:60s;S:60s")
	if o := observed(t, s)["filter "+spam.Key]; o.Attrs.IsNull() || o.Attrs.GetAttr("on_failure").AsString() != "accept" {
		t.Errorf("without its flag the filter is seen as %#v", o.Attrs)
	}
	edit(", InputMailFilters=mailform_smtp_1;mailform_smtp_2", "")
	have := observed(t, s)
	if _, there := have["filter "+spam.Key]; there {
		t.Error("a service without its filters is not seen")
	}
	if _, there := have["listener main/smtp"]; !there {
		t.Error("the listener is not seen")
	}
	apply(t, s, providers.Create, spam, viruses)

	// A filter that is down.
	for choice, want := range map[string]string{"tempfail": "451 4.3.2", "reject": "554 mail.example.com ESMTP not accepting", "accept": "250 2.0.0"} {
		r := providertest.With(providertest.With(spam, "address", str("127.0.0.1:1")), "on_failure", str(choice))
		apply(t, s, providers.Update, r)
		waitFor(t, mx)
		out := swaks(t, mx, "--from", "someone@remote.example", "--to", "alice@example.com")
		if !strings.Contains(out, " "+want) {
			t.Errorf("with %s it is answered: %s", choice, out)
		}
	}
	keep.takes(t, "alice@example.com")
	apply(t, s, providers.Delete, viruses, spam)
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "mailform_smtp") || strings.Contains(string(text), "Milter.macros") {
		t.Errorf("sendmail.cf still has filters: %v", err)
	}
}
