package daemon

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/schema"
)

// plainly logs in by PLAIN and returns the last line.
func (c *caller) plainly(user, password string) string {
	c.t.Helper()
	c.send(fmt.Sprintf(c.login, auth.Plain, base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))))
	return c.line()
}

func (f front) appPassword(name string, services ...string) string {
	f.t.Helper()
	p, err := f.ChangeAppPassword(f.t.Context(), admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: name, Services: services})
	if err != nil {
		f.t.Fatal(err)
	}
	return p.Secret
}

func TestAppPasswordsAtEveryService(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": {verifier(t, "secret")}})
	secure := func(service string) *caller {
		c := f.call(t, service)
		c.startTLS(&tls.Config{})
		return c
	}
	if c := secure("imap"); !strings.Contains(c.said, "SCRAM") {
		t.Errorf("SCRAM is not offered:\n%s", c.said)
	}
	all := f.appPassword("all")
	sessions := map[string]*caller{}
	for service, d := range dialects {
		only := f.appPassword("only "+service, service)
		for other := range dialects {
			c := secure(other)
			want := dialects[other].in
			got := c.plainly("alice@example.com", only)
			if in := strings.HasPrefix(got, want); in != (other == service) {
				t.Errorf("the app password for %s at %s: %q", service, other, got)
			}
			c.conn.Close()
		}
		bySCRAM := func(password string) string {
			t.Helper()
			c := secure(service)
			defer c.conn.Close()
			if !strings.Contains(c.said, auth.SCRAMPlus) {
				t.Errorf("%s does not offer SCRAM, which app passwords have verifiers for:\n%s", service, c.said)
			}
			client, err := scram.SHA256.NewClient("alice@example.com", password, "")
			if err != nil {
				t.Fatal(err)
			}
			binding, err := scram.NewTLSExporterBinding(c.tls)
			if err != nil {
				t.Fatal(err)
			}
			return c.authenticate(auth.SCRAMPlus, client.NewConversationWithChannelBinding(binding))
		}
		if got := bySCRAM(all + "x"); !strings.HasPrefix(got, d.out) {
			t.Errorf("%s by SCRAM: a wrong one: %q", service, got)
		}
		if service != "pop3" {
			for name, password := range map[string]string{"the password of the account": "secret", "one for all": all, "one for this": only} {
				if got := bySCRAM(password); !strings.HasPrefix(got, d.in) {
					t.Errorf("%s by SCRAM: %s: %q", service, name, got)
				}
			}
			if got := bySCRAM(f.appPassword("not "+service, "pop3")); strings.HasPrefix(got, d.in) {
				t.Errorf("%s by SCRAM: one for something else: %q", service, got)
			}
		}
		c := secure(service)
		if got := c.plainly("alice@example.com", all+"x"); !strings.HasPrefix(got, d.out) {
			t.Errorf("%s: a wrong one: %q", service, got)
		}
		if service == "pop3" {
			continue // one session at a time: the others need the mailbox free
		}
		if got := c.plainly("alice@example.com", all); !strings.HasPrefix(got, d.in) {
			t.Errorf("%s: %q", service, got)
		}
		sessions[service] = c
	}

	list, err := f.AppPasswords(t.Context(), "Alice@example.com")
	if err != nil || len(list) != 8 {
		t.Fatalf("%+v, %v", list, err)
	}
	if p := list[0]; p.Name != "all" || p.Used == "" || p.Created == "" || p.Secret != "" || !slices.Equal(p.Services, schema.AppServices) {
		t.Errorf("%+v", p)
	}
	for _, p := range list {
		if _, err := f.ChangeAppPassword(t.Context(), admin.AppPasswordRequest{Action: "remove", User: p.User, Name: p.Name}); err != nil {
			t.Error(err)
		}
	}
	for service, d := range dialects {
		if got := secure(service).plainly("alice@example.com", all); !strings.HasPrefix(got, d.out) {
			t.Errorf("%s: the app password is gone, and logs in: %q", service, got)
		}
	}
	for service, tc := range map[string]struct{ ask, want string }{
		"submission":  {"MAIL FROM:<alice@example.com>", "530 5.7.0"},
		"managesieve": {"LISTSCRIPTS", "BYE "},
	} {
		c := sessions[service]
		c.send(tc.ask)
		if got := c.line(); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: a session that it has opened goes on: %q", service, got)
		}
	}
	if c := secure("imap"); !strings.Contains(c.said, "SCRAM") {
		t.Errorf("SCRAM is not offered again:\n%s", c.said)
	}
}

// Somebody who has app passwords alone logs in by SCRAM, too, and where they are good.
func TestAppPasswordsAloneBySCRAM(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": nil, "bob@example.com": {verifier(t, "bob's")}})
	first, second := f.appPassword("first", "pop3"), f.appPassword("second", "imap")
	for password, in := range map[string]bool{first: false, second: true, "": false, "bob's": false} {
		c := f.call(t, "imap")
		c.startTLS(&tls.Config{})
		client, err := scram.SHA256.NewClient("alice@example.com", password, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.authenticate(auth.SCRAM, client.NewConversation()); strings.HasPrefix(got, c.in) != in {
			t.Errorf("%q, want to be in: %t", got, in)
		}
	}
}

// One that is declared is the administrator's to take away, and stands before the
// user's own of its name.
func TestDeclaredAppPassword(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": {verifier(t, "secret")}})
	own := f.appPassword("phone")
	declared := f.appPassword("declared") // for its hash alone
	if _, err := f.ChangeAppPassword(t.Context(), admin.AppPasswordRequest{Action: "remove", User: "alice@example.com", Name: "declared"}); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(declared + "salt"))
	hash := "{SSHA256}" + base64.StdEncoding.EncodeToString(append(digest[:], "salt"...))
	text := func(expires string) string {
		return fmt.Sprintf(`{"user":"alice@example.com","name":"phone","password_hash":[%q],"services":["imap"],"expires":%q}`, hash, expires)
	}
	scramToo := true
	login := func(password string, in bool) *caller {
		t.Helper()
		c := f.call(t, "imap")
		c.startTLS(&tls.Config{})
		if strings.Contains(c.said, "SCRAM") != scramToo {
			t.Errorf("SCRAM is offered, or not, and ought to be: %t\n%s", scramToo, c.said)
		}
		if got := c.plainly("alice@example.com", password); strings.HasPrefix(got, c.in) != in {
			t.Errorf("%q", got)
		}
		return c
	}
	login(own, true)
	f.must(create("apppassword", "alice@example.com/phone", text("")))
	scramToo = false // it has no verifier for that
	login(own, false)
	login(declared, true)
	list, err := f.AppPasswords(t.Context(), "")
	if err != nil || len(list) != 1 || !list[0].Declared || list[0].Used == "" {
		t.Errorf("%+v, %v", list, err)
	}
	for action, want := range map[string]string{"add": "has an app password", "remove": "is declared: take its block out of the configuration"} {
		if _, err := f.ChangeAppPassword(t.Context(), admin.AppPasswordRequest{Action: action, User: "alice@example.com", Name: "phone"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", action, err)
		}
	}
	f.must(change("update", "apppassword", "alice@example.com/phone", text("2020-01-01T00:00:00Z")))
	login(declared, false)
	f.must(change("delete", "apppassword", "alice@example.com/phone", ""))
	scramToo = true
	login(own, true)
	if list, err := f.AppPasswords(t.Context(), ""); err != nil || len(list) != 1 || list[0].Declared {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAppPasswordRequests(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": nil, "bob@example.com": nil})
	f.appPassword("phone")
	for name, tc := range map[string]struct {
		request admin.AppPasswordRequest
		want    string
	}{
		"a user who is not there":  {admin.AppPasswordRequest{Action: "add", User: "nobody@example.com", Name: "x"}, "there is no user nobody@example.com"},
		"no name":                  {admin.AppPasswordRequest{Action: "add", User: "alice@example.com"}, `"" cannot be the name of an app password: it is empty`},
		"a name that is taken":     {admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: "phone"}, `alice@example.com has an app password "phone" already: take that one away first, or choose another name`},
		"a service that is none":   {admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: "x", Services: []string{"smtp"}}, `there is no service "smtp"; there are imap, managesieve, pop3, submission`},
		"an end that is no time":   {admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: "x", Expires: "soon"}, `"soon" is no time as RFC 3339 writes it`},
		"an end that is past":      {admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: "x", Expires: "2020-01-01T00:00:00Z"}, "the app password would have expired at 2020-01-01T00:00:00Z, which is past"},
		"taking away what is none": {admin.AppPasswordRequest{Action: "remove", User: "bob@example.com", Name: "phone"}, `bob@example.com has no app password "phone"`},
		"another action":           {admin.AppPasswordRequest{Action: "eat", User: "bob@example.com", Name: "phone"}, `the action is "eat": expected add or remove`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.ChangeAppPassword(t.Context(), tc.request)
			var refusal *admin.Error
			if !errors.As(err, &refusal) || refusal.Message != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
	for i := range 31 {
		f.appPassword(fmt.Sprint("number ", i))
	}
	if _, err := f.ChangeAppPassword(t.Context(), admin.AppPasswordRequest{Action: "add", User: "alice@example.com", Name: "one more"}); err == nil || !strings.Contains(err.Error(), "32 app passwords at most") {
		t.Errorf("one more: %v", err)
	}
	if list, err := f.AppPasswords(t.Context(), ""); err != nil || len(list) != 32 {
		t.Errorf("%d app passwords, %v", len(list), err)
	}
	// They come and go with the account, which is kept for a while.
	f.must(change("delete", "mailbox", "alice@example.com", ""))
	if list, err := f.AppPasswords(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%d app passwords of nobody, %v", len(list), err)
	}
}
