package managesieve

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/embedded/store"
)

// anyone lets in who says that the password is "secret".
type anyone struct{ s *store.Store }

func (a anyone) Login(ctx context.Context, address, password, _ string, _ net.Addr) (*store.Account, error) {
	if password != "secret" {
		return nil, auth.ErrInvalid
	}
	return a.s.Account(ctx, address)
}

// serve runs a server with alice, who has no script, and bob, who has a declared one.
func serve(t testing.TB, change ...func(*Options)) (*store.Store, string) {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	create := func(kind, key, attrs string) admin.Change {
		return admin.Change{Action: "create", Kind: kind, Key: key, Attrs: []byte(attrs)}
	}
	if _, err := s.ApplyChanges(ctx, []admin.Change{
		create("maildomain", "d.test", `{"name":"d.test"}`),
		create("mailbox", "alice@d.test", `{"address":"alice@d.test","protocols":["imap"]}`),
		create("mailbox", "bob@d.test", `{"address":"bob@d.test","protocols":["imap"],"sieve":"keep;"}`),
	}); err != nil {
		t.Fatal(err)
	}
	o := Options{Hostname: "mail.d.test", Store: s, Auth: anyone{s}}
	for _, f := range change {
		f(&o)
	}
	srv := New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l, false) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &client{t, nc, bufio.NewReader(nc)}
	c.answer()
	return c
}

// answer reads up to the line that ends an answer.
func (c *client) answer() string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%v after %q", err, all.String())
		}
		all.WriteString(line)
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "OK" || word == "NO" || word == "BYE" {
			return strings.ReplaceAll(strings.TrimSuffix(all.String(), "\r\n"), "\r\n", "|")
		}
	}
}

func (c *client) say(line string) string {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	return c.answer()
}

func (c *client) login(user string) {
	c.t.Helper()
	if got := c.say(`AUTHENTICATE "PLAIN" "` + plain(user, "secret") + `"`); got != `OK "Logged in"` {
		c.t.Fatal(got)
	}
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func TestAConversation(t *testing.T) {
	t.Parallel()
	s, address := serve(t)
	c := dial(t, address)
	const good = `require "fileinto"; fileinto "Trash";`
	for _, step := range []struct{ say, want string }{
		{`LISTSCRIPTS`, `NO "Log in first"`},
		{`AUTHENTICATE "PLAIN" "` + plain("alice@d.test", "wrong") + `"`, `NO "Wrong user or password"`},
		{`AUTHENTICATE "GSSAPI"`, `NO "Unknown mechanism"`},
		{`AUTHENTICATE "PLAIN" {28+}` + "\r\n" + plain("alice@d.test", "secret1"), `NO "Wrong user or password"`},
		{`authenticate "plain" "` + plain("alice@d.test", "secret") + `"`, `OK "Logged in"`},
		{`LISTSCRIPTS`, `OK "That is all"`},
		{`NOOP "a\"b"`, `OK (TAG "a\"b") "Done"`},
		{`CHECKSCRIPT "kepe;"`, `NO "line 1, column 1: there is no command \"kepe\". Did you mean \"keep\"?"`},
		{`PUTSCRIPT "a" "kepe;"`, `NO "line 1, column 1: there is no command \"kepe\". Did you mean \"keep\"?"`},
		{fmt.Sprintf("PUTSCRIPT \"Grüße\" {%d+}\r\n%s", len(good), good), `OK "Done"`},
		{`PUTSCRIPT "b" "discard;"`, `OK "Done"`},
		{`PUTSCRIPT "mailform" "keep;"`, `NO "The administrator has declared the script of this account, and it can only be changed there"`},
		{`PUTSCRIPT "" "keep;"`, `NO "This is no name for a script"`},
		{`SETACTIVE "none"`, `NO (NONEXISTENT) "There is no such script"`},
		{`SETACTIVE "Grüße"`, `OK "Done"`},
		{`LISTSCRIPTS`, `"Grüße" ACTIVE|"b"|OK "That is all"`},
		{`DELETESCRIPT "Grüße"`, `NO (ACTIVE) "The script is active"`},
		{`RENAMESCRIPT "Grüße" "b"`, `NO (ALREADYEXISTS) "There is a script of that name"`},
		{`RENAMESCRIPT "Grüße" "c"`, `OK "Done"`},
		{`GETSCRIPT "c"`, fmt.Sprintf(`{%d}|%s|OK "Done"`, len(good), good)},
		{`GETSCRIPT "Grüße"`, `NO (NONEXISTENT) "There is no such script"`},
		{`HAVESPACE "d" 1000`, `OK "Done"`},
		{`HAVESPACE "d" 99999999`, `NO (QUOTA/MAXSIZE) "A script may have 131072 bytes"`},
		{`HAVESPACE "d" "1"`, `NO "The size is no number"`},
		{fmt.Sprintf("PUTSCRIPT \"d\" {%d+}\r\n%s", sieve.MaxScript+2, strings.Repeat("#", sieve.MaxScript+2)), `NO (QUOTA/MAXSIZE) "This is longer than a script may be"`},
		{`FOO`, `NO "Unknown command"`},
		{`GETSCRIPT "a`, `NO "A quoted string has no end"`},
		{"GETSCRIPT a\x00", `NO "A word is of printable ASCII"`},
		{`GETSCRIPT`, `NO "Wrong number of arguments"`},
		{`SETACTIVE ""`, `OK "Done"`},
		{`DELETESCRIPT "c"`, `OK "Done"`},
		{`LISTSCRIPTS`, `"b"|OK "That is all"`},
		{`UNAUTHENTICATE`, `OK "Nobody is logged in"`},
		{`LISTSCRIPTS`, `NO "Log in first"`},
		{`LOGOUT`, `OK "Bye"`},
	} {
		if got := c.say(step.say); got != step.want {
			t.Errorf("%.80s\nanswer: %s\nwant:   %s", step.say, got, step.want)
		}
	}
	a, err := s.Account(context.Background(), "alice@d.test")
	if err != nil {
		t.Fatal(err)
	}
	if a.Scripted {
		t.Error("mail is sorted, though no script is active")
	}
}

func TestWhatIsDeclaredIsForReadingAlone(t *testing.T) {
	t.Parallel()
	_, address := serve(t)
	c := dial(t, address)
	c.login("bob@d.test")
	const declared = `NO "The administrator has declared the script of this account, and it can only be changed there"`
	for _, step := range []struct{ say, want string }{
		{`LISTSCRIPTS`, `"mailform" ACTIVE|OK "That is all"`},
		{`GETSCRIPT "mailform"`, `{5}|keep;|OK "Done"`},
		{`PUTSCRIPT "own" "discard;"`, `OK "Done"`},
		{`SETACTIVE "own"`, declared},
		{`SETACTIVE ""`, declared},
		{`SETACTIVE "mailform"`, `OK "Done"`},
		{`DELETESCRIPT "mailform"`, declared},
		{`RENAMESCRIPT "mailform" "x"`, declared},
		{`LISTSCRIPTS`, `"mailform" ACTIVE|"own"|OK "That is all"`},
	} {
		if got := c.say(step.say); got != step.want {
			t.Errorf("%s\nanswer: %s\nwant:   %s", step.say, got, step.want)
		}
	}
}

func TestScriptsAreBounded(t *testing.T) {
	t.Parallel()
	_, address := serve(t)
	c := dial(t, address)
	c.login("alice@d.test")
	for i := range 32 {
		if got := c.say(fmt.Sprintf(`PUTSCRIPT "s%d" "keep;"`, i)); got != `OK "Done"` {
			t.Fatal(got)
		}
	}
	if got, want := c.say(`PUTSCRIPT "more" "keep;"`), `NO (QUOTA/MAXSCRIPTS) "There may be 32 scripts"`; got != want {
		t.Errorf("answer: %s, want %s", got, want)
	}
	if got := c.say(`PUTSCRIPT "s1" "stop;"`); got != `OK "Done"` {
		t.Errorf("in place of another: %s", got)
	}
}

func TestWhoErrsTooOftenIsCutOff(t *testing.T) {
	t.Parallel()
	_, address := serve(t)
	c := dial(t, address)
	for range DefaultLimits().BadCommands {
		c.say("NONSENSE")
	}
	if got := c.answer(); !strings.HasPrefix(got, "BYE") {
		t.Error(got)
	}
}

func FuzzCommands(f *testing.F) {
	f.Add("PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nLISTSCRIPTS\r\n")
	f.Add("X {9999999999+}\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(strings.NewReader(text))
		for range 100 {
			_, _, err := readCommand(r)
			var wrong syntaxError
			if err != nil && !errors.As(err, &wrong) {
				return
			}
		}
	})
}
