package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A running daemon of a test.
type running struct {
	*admin.Client
	t   *testing.T
	dir string
	log *lines
	end func() error // ends it and waits; its result
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// runIn runs a daemon in a data directory until the test or end ends it.
func runIn(t *testing.T, dir string) *running {
	t.Helper()
	r := &running{Client: admin.NewClient(dir), t: t, dir: dir, log: &lines{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{DataDir: dir, Version: "1.2.3", Log: r.log}) }()
	r.end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
		if t.Failed() {
			t.Log(r.log)
		}
	})
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err := r.Version(t.Context()); err == nil {
			return r
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the daemon ended at once: %v\n%s", err, r.log)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the daemon does not answer\n%s", r.log)
		}
	}
}

func change(action, kind, key, attrs string) admin.Change {
	return admin.Change{Action: action, Kind: kind, Key: key, Attrs: json.RawMessage(attrs)}
}

func create(kind, key, attrs string) admin.Change { return change("create", kind, key, attrs) }

// send applies a batch, with the revisions that are there.
func (r *running) send(changes ...admin.Change) error {
	r.t.Helper()
	have, err := r.Resources(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range changes {
		for _, h := range have.Resources {
			if changes[i].Action != "create" && h.Kind == changes[i].Kind && h.Key == changes[i].Key {
				changes[i].Revision = h.Revision
			}
		}
	}
	_, err = r.Apply(r.t.Context(), admin.ApplyRequest{Changes: changes})
	return err
}

func (r *running) must(changes ...admin.Change) {
	r.t.Helper()
	if err := r.send(changes...); err != nil {
		r.t.Fatalf("%v\n%s", err, r.log)
	}
}

const (
	settingText = `{"hostname":"mail.example.com","addresses":["127.0.0.1"],"message_size_limit":%d,"retention":%d,"tls_certificate":"%s","tls_key":"%s","relay_host":"","retry":[60]}`
	zoneText    = `{"name":%q,"primary":"ns1.example.net.","contact":"hostmaster.example.net.","refresh":7200,"retry":900,"expire":1209600,"negative_ttl":300}`
	rrsetText   = `{"zone":%q,"name":%q,"type":%q,"ttl":60,"values":[%q]}`
)

func setting(limit int) string {
	return fmt.Sprintf(settingText, limit, 3600, "", "")
}

func listenerText(service, listen string) string {
	return fmt.Sprintf(`{"owner":"main","service":%q,"hostname":"mail.example.com","listen":[%q],"listen_tls":[]}`, service, listen)
}

func ask(t *testing.T, address, name string, qtype uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, qtype)
	c := dns.Client{Timeout: time.Minute}
	a, _, err := c.Exchange(q, address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestZonesFollowTheStore(t *testing.T) {
	for name, zone := range map[string]string{
		"an ordinary zone":           "example.com.",
		"a zone with a / (RFC 2317)": "0/25.2.0.192.in-addr.arpa.",
		"a zone with an escaped dot": `a\.b.example.com.`,
		"a zone of a single label":   "test.",
	} {
		t.Run(name, func(t *testing.T) {
			r, a := runIn(t, t.TempDir()), addresses(t, 1)[0]
			key := strings.TrimSuffix(zone, ".")
			owner := "host." + zone
			set := func(value string) admin.Change {
				return create("rrset", key+"/"+owner+"/TXT", fmt.Sprintf(rrsetText, zone, owner, "TXT", value))
			}
			r.must(create("listener", "main/dns", listenerText("dns", a)), create("zone", key, fmt.Sprintf(zoneText, zone)), set("one"))
			if got := ask(t, a, owner, dns.TypeTXT); len(got.Answer) != 1 || !got.Authoritative {
				t.Fatalf("answer %v", got)
			}
			serial := func() uint32 { return ask(t, a, zone, dns.TypeSOA).Answer[0].(*dns.SOA).Serial }
			first := serial()

			second := set("two")
			second.Action = "update"
			r.must(second)
			if got := ask(t, a, owner, dns.TypeTXT).Answer; len(got) != 1 || got[0].(*dns.TXT).Txt[0] != "two" {
				t.Errorf("after an update: %v", got)
			}
			if serial() != first+1 {
				t.Errorf("the serial went from %d to %d", first, serial())
			}
			r.must(change("delete", "rrset", key+"/"+owner+"/TXT", ""))
			if got := ask(t, a, owner, dns.TypeTXT); got.Rcode != dns.RcodeNameError {
				t.Errorf("after a deletion: %v", got)
			}
			if serial() != first+2 {
				t.Errorf("after a deletion the serial is %d, the first was %d", serial(), first)
			}
			r.must(change("delete", "zone", key, ""))
			if got := ask(t, a, zone, dns.TypeSOA); got.Rcode != dns.RcodeRefused {
				t.Errorf("after the zone went: %v", got)
			}
		})
	}
}

// dialSMTP opens a session and says EHLO; the lines are the answer.
func dialSMTP(t *testing.T, address string) (*textproto.Conn, string) {
	t.Helper()
	c, err := textproto.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	return c, ehlo(t, c)
}

func ehlo(t *testing.T, c *textproto.Conn) string {
	t.Helper()
	if err := c.PrintfLine("EHLO client.example.net"); err != nil {
		t.Fatal(err)
	}
	_, text, err := c.ReadResponse(250)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSettingsAreTakenOverLive(t *testing.T) {
	r, a := runIn(t, t.TempDir()), addresses(t, 2)
	r.must(create("setting", "main", setting(1000000)), create("listener", "main/smtp", listenerText("smtp", a[0])),
		create("listener", "main/imap", listenerText("imap", a[1])),
		create("maildomain", "example.com", `{"name":"example.com"}`))
	open, text := dialSMTP(t, a[0])
	if !strings.Contains(text, "SIZE 1000000") {
		t.Errorf("at first: %q", text)
	}
	r.must(change("update", "setting", "main", setting(2000000)))
	if _, text := dialSMTP(t, a[0]); !strings.Contains(text, "SIZE 2000000") {
		t.Errorf("after the change: %q", text)
	}
	// The session of before goes on, and knows a user who has come since.
	r.must(create("mailbox", "alice@example.com", `{"address":"alice@example.com","password_hash":[],"quota":0,"protocols":["imap"],"mail":"enabled"}`))
	for _, step := range []struct {
		command string
		code    int
	}{{"MAIL FROM:<a@example.net>", 250}, {"RCPT TO:<alice@example.com>", 250}, {"RCPT TO:<bob@example.com>", 550}, {"QUIT", 221}} {
		if err := open.PrintfLine("%s", step.command); err != nil {
			t.Fatal(err)
		}
		if _, _, err := open.ReadResponse(step.code); err != nil {
			t.Errorf("%s: %v", step.command, err)
		}
	}
}

func TestABatchIsRefusedWhole(t *testing.T) {
	r, a := runIn(t, t.TempDir()), addresses(t, 2)
	taken, err := net.Listen("tcp", a[1])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	domain := create("maildomain", "example.com", `{"name":"example.com"}`)
	for _, c := range []struct {
		name   string
		change admin.Change
		want   string
	}{
		{"a port that is taken", create("listener", "main/smtp", listenerText("smtp", a[1])), "in use"},
		{"a listener that is none", create("listener", "main/smtp", `{"listen":"x"}`), "listen"},
		{"a service that is none", create("listener", "main/ftp", listenerText("ftp", a[0])), "service"},
		{"a certificate that is not there", create("setting", "main", fmt.Sprintf(settingText, 0, 0, "/nowhere/cert.pem", "/nowhere/key.pem")), "tls_certificate"},
		{"half a certificate", create("setting", "main", fmt.Sprintf(settingText, 0, 0, "/nowhere/cert.pem", "")), "tls_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := r.send(domain, c.change)
			var e *admin.Error
			if !errors.As(err, &e) || e.Code != "invalid" || e.Kind != c.change.Kind || e.Key != c.change.Key || !strings.Contains(e.Message, c.want) {
				t.Errorf("the error is %v, want one of %s that speaks of %q", err, c.change.Key, c.want)
			}
			rs, err := r.Resources(t.Context())
			if err != nil || len(rs.Resources) != 0 {
				t.Errorf("there is %v (%v)", rs, err)
			}
			if greeting(t, a[0]) != "" {
				t.Error("a socket is open")
			}
		})
	}
	// What was prepared for a refused batch does not stand in the way.
	r.must(domain, create("listener", "main/smtp", listenerText("smtp", a[0])))
	if got := greeting(t, a[0]); !strings.HasPrefix(got, "220 mail.example.com") {
		t.Errorf("at the end: %q", got)
	}
	if st, err := r.Status(t.Context()); err != nil || len(st.Listeners) != 1 || st.PID != os.Getpid() || st.Version != "1.2.3" {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestTheDaemonStartsAndEnds(t *testing.T) {
	dir, a := t.TempDir(), addresses(t, 1)[0]
	r := runIn(t, dir)
	r.must(create("setting", "main", setting(0)), create("listener", "main/smtp", listenerText("smtp", a)),
		create("zone", "example.com", fmt.Sprintf(zoneText, "example.com.")))

	t.Run("a second one does not start", func(t *testing.T) {
		if err := Run(t.Context(), Options{DataDir: dir, Log: &lines{}}); !errors.Is(err, store.ErrLocked) {
			t.Errorf("error %v, want ErrLocked", err)
		}
		if _, err := r.Version(t.Context()); err != nil {
			t.Errorf("the first one: %v", err)
		}
	})
	t.Run("a stop ends it, and then the store is free", func(t *testing.T) {
		c, _ := dialSMTP(t, a)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadResponse(421); err != nil {
			t.Errorf("the open session reads %v, want 421", err)
		}
		deadline := time.Now().Add(time.Minute)
		for {
			_, err := r.Version(t.Context())
			if errors.Is(err, admin.ErrNotRunning) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not end")
			}
			time.Sleep(time.Millisecond)
		}
		st, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	t.Run("the next one serves what was declared", func(t *testing.T) {
		// A certificate that has gone since must not keep the mail down.
		st, err := store.Open(t.Context(), dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rs, err := st.Resources(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, have := range rs {
			if have.Kind == "setting" {
				c := change("update", "setting", "main", fmt.Sprintf(settingText, 0, 3600, filepath.Join(dir, "gone.pem"), filepath.Join(dir, "gone.key")))
				c.Revision = have.Revision
				if _, err := st.ApplyChanges(t.Context(), []admin.Change{c}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		next := runIn(t, dir)
		if _, text := dialSMTP(t, a); !strings.Contains(text, "STARTTLS") {
			t.Errorf("it says %q", text)
		}
		if !strings.Contains(next.log.String(), "gone.pem") {
			t.Error("the log says nothing of the certificate")
		}
	})
}

func TestExpiredMailIsPurgedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mailbox := create("mailbox", "alice@example.com", `{"address":"alice@example.com","password_hash":[],"quota":0,"protocols":[],"mail":"enabled"}`)
	rs, err := st.ApplyChanges(t.Context(), []admin.Change{
		create("setting", "main", fmt.Sprintf(settingText, 0, 1, "", "")), create("maildomain", "example.com", `{"name":"example.com"}`), mailbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	gone := change("delete", "mailbox", "alice@example.com", "")
	gone.Revision = rs[2].Revision
	if _, err := st.ApplyChanges(t.Context(), []admin.Change{gone}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the shortest retention time is a second
	r := runIn(t, dir)
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(r.log.String(), "purged") {
		if time.Now().After(deadline) {
			t.Fatal("the mail is not purged")
		}
		time.Sleep(2 * time.Millisecond)
	}
}
