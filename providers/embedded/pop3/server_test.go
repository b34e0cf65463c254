package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

const (
	first  = "Subject: one\r\n\r\nHello\r\n.dot\r\n..two\r\n.\r\nend\r\n"
	second = "Subject: two\r\nX: y\r\n\r\nline 1\r\nline 2\r\nline 3\r\n"
)

func TestSession(t *testing.T) {
	st := newFakeStore(first, second, "")
	c := start(t, st, Options{}).login()
	steps := []struct{ say, want string }{
		{"STAT", fmt.Sprintf("+OK 3 %d", len(first)+len(second))},
		{"stat", fmt.Sprintf("+OK 3 %d", len(first)+len(second))},
		{"NOOP", "+OK Here"},
		{"LIST 1", fmt.Sprintf("+OK 1 %d", len(first))},
		{"LIST 3", "+OK 3 0"},
		{"LIST 4", "-ERR No such message"},
		{"LIST 0", "-ERR No such message"},
		{"LIST -1", "-ERR No such message"},
		{"LIST 99999999999999999999", "-ERR No such message"},
		{"UIDL 2", "+OK 2 0000002a00000008"},
		{"DELE 1", "+OK Marked"},
		{"DELE 1", "-ERR No such message"},
		{"RETR 1", "-ERR No such message"},
		{"TOP 1 0", "-ERR No such message"},
		{"LIST 1", "-ERR No such message"},
		{"UIDL 1", "-ERR No such message"},
		{"STAT", fmt.Sprintf("+OK 2 %d", len(second))},
		{"RSET", fmt.Sprintf("+OK 3 %d", len(first)+len(second))},
		{"DELE 2", "+OK Marked"},
	}
	for _, s := range steps {
		if got := c.ask(s.say); got != s.want {
			t.Errorf("%s: %q, want %q", s.say, got, s.want)
		}
	}
	c.send("LIST")
	c.want(fmt.Sprintf("+OK 2 messages (%d octets)", len(first)))
	if got, want := c.body(), fmt.Sprintf("1 %d\r\n3 0\r\n", len(first)); got != want {
		t.Errorf("LIST: %q, want %q", got, want)
	}
	c.send("UIDL")
	c.wantPrefix("+OK")
	if got, want := c.body(), "1 0000002a00000007\r\n3 0000002a00000009\r\n"; got != want {
		t.Errorf("UIDL: %q, want %q", got, want)
	}
	if _, expunged := st.state(); len(expunged) > 0 {
		t.Errorf("deleted before QUIT: %v", expunged)
	}
	c.send("DELE 1", "QUIT")
	c.want("+OK Marked", "+OK Bye, 2 messages deleted")
	c.wantEnd()
	locked, expunged := st.state()
	if locked || len(expunged) != 1 || !slices.Equal(expunged[0], []uint32{7, 8}) {
		t.Errorf("locked %v, deleted %v, want 7 and 8 in one go", locked, expunged)
	}
}

func TestMessagesOnTheWire(t *testing.T) {
	long := "Subject: long\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 2000) + strings.Repeat("y", 100_000) + "\r\n"
	for name, tc := range map[string]struct {
		body, say, want string
	}{
		"dots are doubled":                    {first, "RETR 1", "Subject: one\r\n\r\nHello\r\n..dot\r\n...two\r\n..\r\nend\r\n"},
		"nothing":                             {"", "RETR 1", ""},
		"a dot alone":                         {".", "RETR 1", "..\r\n"},
		"no line end at the end":              {"A: b\r\n\r\nend", "RETR 1", "A: b\r\n\r\nend\r\n"},
		"CR at the end":                       {"A: b\r\n\r\nend\r", "RETR 1", "A: b\r\n\r\nend\r\n"},
		"bare LF with an end in it":           {"A: b\n\n.\n-ERR\n", "RETR 1", "A: b\r\n\r\n..\r\n-ERR\r\n"},
		"a bare CR stays":                     {"A: b\r\n\r\na\rb\r\n", "RETR 1", "A: b\r\n\r\na\rb\r\n"},
		"a long message":                      {long, "RETR 1", long},
		"TOP 0 is the header":                 {second, "TOP 1 0", "Subject: two\r\nX: y\r\n\r\n"},
		"TOP 2 has two lines":                 {second, "TOP 1 2", "Subject: two\r\nX: y\r\n\r\nline 1\r\nline 2\r\n"},
		"TOP with more lines than there are":  {second, "TOP 1 2147483647", second},
		"TOP with a header alone":             {"A: b\r\n", "TOP 1 5", "A: b\r\n"},
		"TOP with dots":                       {first, "TOP 1 2", "Subject: one\r\n\r\nHello\r\n..dot\r\n"},
		"TOP with bare LF":                    {"A: b\n\nx\ny\n", "TOP 1 1", "A: b\r\n\r\nx\r\n"},
		"TOP with a very long header line":    {"A: " + strings.Repeat("z", 10_000) + "\r\n\r\nx\r\n", "TOP 1 0", "A: " + strings.Repeat("z", 10_000) + "\r\n\r\n"},
		"TOP with a line that fills a buffer": {strings.Repeat("z", 4096) + "\r\n\r\nx\r\ny\r\n", "TOP 1 1", strings.Repeat("z", 4096) + "\r\n\r\nx\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, newFakeStore(tc.body), Options{}).login()
			c.send(tc.say, "NOOP")
			c.want(fmt.Sprintf("+OK %d octets", len(tc.body)))
			if got := c.body(); got != tc.want {
				t.Errorf("got %.200q, want %.200q", got, tc.want)
			}
			c.want("+OK Here")
		})
	}
}

func TestRETRSendsTheOctetsThatLISTTells(t *testing.T) {
	c := start(t, newFakeStore(first, second), Options{}).login()
	for i, body := range []string{first, second} {
		var n, size int
		if _, err := fmt.Sscanf(c.ask(fmt.Sprintf("LIST %d", i+1)), "+OK %d %d", &n, &size); err != nil {
			t.Fatal(err)
		}
		c.send(fmt.Sprintf("RETR %d", i+1))
		c.wantPrefix("+OK")
		got := strings.ReplaceAll("\r\n"+c.body(), "\r\n.", "\r\n")[2:]
		if got != body || len(got) != size {
			t.Errorf("message %d: %d octets %q, LIST has %d", i+1, len(got), got, size)
		}
	}
}

func TestLogin(t *testing.T) {
	plain := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const wrong = "-ERR [AUTH] Wrong user or password"
	in := fmt.Sprintf("+OK 1 messages (%d octets)", len(first))
	user := func(name, password string) []string { return []string{"USER " + name, "PASS " + password} }
	for name, tc := range map[string]struct {
		say  []string
		want string // the last answer
	}{
		"USER and PASS with a space in it":    {user("alice@example.com", "secret word"), in},
		"the wrong password":                  {user("alice@example.com", "secret"), wrong},
		"a space too many":                    {user("alice@example.com", " secret word"), wrong},
		"no such user":                        {user("nobody@example.com", "secret word"), wrong},
		"a user without POP3":                 {user("ida@example.com", "secret word"), "-ERR [AUTH] POP3 is not available for this account"},
		"a user without POP3, wrong password": {user("ida@example.com", "x"), wrong},
		"the store fails":                     {user("broken@example.com", "x"), "-ERR [SYS/TEMP] Temporary failure"},
		"too many failures from there":        {user("busy@example.com", "x"), "-ERR [SYS/TEMP] Too many failed logins, try later"},
		"PASS without USER":                   {[]string{"PASS secret word"}, "-ERR Send USER first"},
		"PASS again after a failure":          {[]string{"USER alice@example.com", "PASS x", "PASS secret word"}, "-ERR Send USER first"},
		"USER without a name":                 {[]string{"USER"}, "-ERR Wrong number of arguments"},
		"PASS without a password":             {[]string{"USER alice@example.com", "PASS "}, "-ERR Wrong number of arguments"},
		"AUTH PLAIN with an initial response": {[]string{"AUTH PLAIN " + plain("\x00alice@example.com\x00secret word")}, in},
		"AUTH PLAIN with a challenge":         {[]string{"auth plain", plain("\x00alice@example.com\x00secret word")}, in},
		"AUTH PLAIN as oneself":               {[]string{"AUTH PLAIN " + plain("ALICE@example.com\x00alice@example.com\x00secret word")}, in},
		"AUTH PLAIN as another":               {[]string{"AUTH PLAIN " + plain("bob@example.com\x00alice@example.com\x00secret word")}, wrong},
		"AUTH PLAIN with the wrong password":  {[]string{"AUTH PLAIN " + plain("\x00alice@example.com\x00x")}, wrong},
		"AUTH PLAIN with an empty response":   {[]string{"AUTH PLAIN ="}, "-ERR The response is not one of PLAIN"},
		"AUTH PLAIN with two fields":          {[]string{"AUTH PLAIN " + plain("alice\x00secret")}, "-ERR The response is not one of PLAIN"},
		"AUTH PLAIN that is not base64":       {[]string{"AUTH PLAIN !!"}, "-ERR The response is not base64"},
		"AUTH PLAIN that is cancelled":        {[]string{"AUTH PLAIN", "*"}, "-ERR Authentication cancelled"},
		"AUTH with another mechanism":         {[]string{"AUTH GSSAPI"}, "-ERR Unknown mechanism"},
		"AUTH without a mechanism":            {[]string{"AUTH"}, "-ERR Wrong number of arguments"},
		"APOP, which is not offered":          {[]string{"APOP alice c4c9334bac560ecc979e58001b3e22fb"}, "-ERR Unknown command"},
		"LAST, which is no longer there":      {[]string{"LAST"}, "-ERR Unknown command"},
		"a mailbox command":                   {[]string{"STAT"}, "-ERR Log in first"},
		"an empty line":                       {[]string{""}, "-ERR Unknown command"},
		"a line of spaces":                    {[]string{"   "}, "-ERR Unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, newFakeStore(first), Options{}).dial()
			var got string
			for _, s := range tc.say {
				got = c.ask(s)
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			c.send("QUIT")
			c.wantPrefix("+OK Bye")
		})
	}
}

func TestArgumentsThatAreWrong(t *testing.T) {
	for _, say := range []string{
		"STAT 1", "NOOP x", "RSET 1", "QUIT now", "LIST 1 2", "UIDL 1 2", "RETR", "RETR 1 2", "DELE", "TOP 1", "TOP", "TOP 1 2 3", "CAPA x",
		"TOP 1 x", "TOP 1 -1", "XYZZY", "RETR1", "USER alice", "PASS x", "AUTH PLAIN", "STLS", "",
	} {
		t.Run(say, func(t *testing.T) {
			c := start(t, newFakeStore(first), Options{}).login()
			c.send(say, "NOOP")
			c.wantPrefix("-ERR ")
			c.want("+OK Here")
		})
	}
}

func TestCapabilities(t *testing.T) {
	f := start(t, newFakeStore(), Options{InsecureAuth: InsecureAuthNever})
	caps := func(c *client) []string {
		t.Helper()
		c.send("CAPA")
		c.wantPrefix("+OK")
		return strings.Split(strings.TrimSuffix(c.body(), "\r\n"), "\r\n")
	}
	c := f.dial()
	plain := caps(c)
	for _, must := range []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "STLS"} {
		if !slices.Contains(plain, must) {
			t.Errorf("before TLS %s is missing in %q", must, plain)
		}
	}
	for _, mustNot := range []string{"USER", "SASL PLAIN"} {
		if slices.Contains(plain, mustNot) {
			t.Errorf("before TLS %s is offered", mustNot)
		}
	}
	for _, say := range []string{"USER alice@example.com", "PASS x", "AUTH PLAIN", "AUTH PLAIN AGEAYg=="} {
		if got := c.ask(say); got != "-ERR Use STLS first" {
			t.Errorf("%s: %q", say, got)
		}
	}
	c.send("STLS")
	c.wantPrefix("+OK")
	c = c.startTLS(f)
	secure := caps(c)
	if slices.Contains(secure, "STLS") || !slices.Contains(secure, "USER") || !slices.Contains(secure, "SASL PLAIN") {
		t.Errorf("after TLS: %q", secure)
	}
	if got := c.ask("STLS"); got != "-ERR TLS is active already" {
		t.Errorf("STLS within TLS: %q", got)
	}
	c.send("USER alice@example.com", "PASS secret word")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK 0 messages")
	if after := caps(c); !slices.Contains(after, "SASL PLAIN") || slices.Contains(after, "STLS") {
		t.Errorf("after the login: %q", after)
	}
	if got := c.ask("STLS"); got != "-ERR Not after the login" {
		t.Errorf("STLS after the login: %q", got)
	}
}

func TestSTLSIsRefusedAfterALoginInClear(t *testing.T) {
	c := start(t, newFakeStore(), Options{}).login()
	if got := c.ask("STLS"); !strings.HasPrefix(got, "-ERR") {
		t.Errorf("STLS: %q", got)
	}
}

func TestNothingThatCameBeforeTLSIsExecutedAfterIt(t *testing.T) {
	f := start(t, newFakeStore(first), Options{})
	c := f.dial()
	// In one packet, so that it lies in the server's buffer.
	c.send("USER alice@example.com", "STLS", "PASS secret word", "DELE 1", "QUIT")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK Begin")
	c = c.startTLS(f)
	if got := c.ask("PASS secret word"); got != "-ERR Send USER first" {
		t.Errorf("the USER that came in clear counts: %q", got)
	}
	c.send("USER alice@example.com", "PASS secret word", "STAT")
	c.wantPrefix("+OK Send")
	c.wantPrefix("+OK 1 messages")
	c.want(fmt.Sprintf("+OK 1 %d", len(first)))
}

func TestImplicitTLS(t *testing.T) {
	f := startOn(t, Options{Store: newFakeStore(first), Auth: fakeAuth{}, InsecureAuth: InsecureAuthNever}, true)
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, nc).startTLS(f)
	c.want("+OK mail.example.com POP3 server ready")
	c.send("USER alice@example.com", "PASS secret word", "QUIT")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK 1 messages")
	c.wantPrefix("+OK Bye")
}

func TestPipelining(t *testing.T) {
	st := newFakeStore(first, second)
	c := start(t, st, Options{}).dial()
	c.send("USER alice@example.com", "PASS secret word", "STAT", "RETR 2", "DELE 2", "LIST", "QUIT")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK 2 messages")
	c.wantPrefix("+OK 2 ")
	c.wantPrefix("+OK ")
	if got := c.body(); got != second {
		t.Errorf("RETR: %q", got)
	}
	c.want("+OK Marked")
	c.wantPrefix("+OK 1 messages")
	c.body()
	c.wantPrefix("+OK Bye")
	c.wantEnd()
}

func TestOneSessionAtATime(t *testing.T) {
	f := start(t, newFakeStore(first), Options{})
	one := f.login()
	two := f.dial()
	two.send("USER alice@example.com", "PASS secret word")
	two.wantPrefix("+OK")
	two.wantPrefix("-ERR [IN-USE]")
	one.send("QUIT")
	one.wantPrefix("+OK Bye")
	// The mailbox is free as soon as the answer to QUIT is there.
	two.send("USER alice@example.com", "PASS secret word")
	two.wantPrefix("+OK")
	two.wantPrefix("+OK 1 messages")
}

func TestADroppedSessionDeletesNothing(t *testing.T) {
	st := newFakeStore(first)
	f := start(t, st, Options{})
	c := f.login()
	if got := c.ask("DELE 1"); got != "+OK Marked" {
		t.Fatal(got)
	}
	c.nc.Close()
	eventually(t, "the mailbox is free", func() bool { locked, _ := st.state(); return !locked })
	if _, expunged := st.state(); len(expunged) > 0 {
		t.Errorf("deleted: %v", expunged)
	}
	f.login().send("QUIT")
}

func TestTheStoreFails(t *testing.T) {
	gone := errors.New("disk gone")
	st := newFakeStore(first, second)
	f := start(t, st, Options{})

	st.fail(gone)
	c := f.dial()
	c.send("USER alice@example.com", "PASS secret word")
	c.wantPrefix("+OK")
	c.wantPrefix("-ERR [SYS/TEMP]")
	if locked, _ := st.state(); locked {
		t.Error("the mailbox stays locked after a login that failed")
	}
	st.fail(nil)
	c.send("USER alice@example.com", "PASS secret word", "DELE 1")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK")
	c.wantPrefix("+OK")
	st.fail(gone)
	if got := c.ask("RETR 2"); !strings.HasPrefix(got, "-ERR [SYS/TEMP]") {
		t.Errorf("RETR: %q", got)
	}
	if got := c.ask("QUIT"); !strings.HasPrefix(got, "-ERR [SYS/TEMP]") {
		t.Errorf("QUIT: %q", got)
	}
	c.wantEnd()
	if locked, expunged := st.state(); locked || len(expunged) > 0 {
		t.Errorf("locked %v, deleted %v", locked, expunged)
	}
}

func TestTheSnapshotOutlivesWhatOthersDo(t *testing.T) {
	st := newFakeStore(first, second)
	c := start(t, st, Options{}).login()
	st.mu.Lock()
	st.messages = append(st.messages, store.Message{UID: 50, Size: 5, Body: 1})
	delete(st.bodies, 100) // message 1 is expunged over IMAP
	st.mu.Unlock()
	if got, want := c.ask("STAT"), fmt.Sprintf("+OK 2 %d", len(first)+len(second)); got != want {
		t.Errorf("STAT: %q, want %q", got, want)
	}
	if got := c.ask("RETR 1"); got != "-ERR The message is gone" {
		t.Errorf("RETR: %q", got)
	}
}

func TestLongLines(t *testing.T) {
	c := start(t, newFakeStore(), Options{}).login()
	c.send(strings.Repeat("x", maxLine+1), "NOOP")
	c.want("-ERR Line too long", "+OK Here")
	c.send(strings.Repeat("y", maxLine-2), "NOOP")
	c.want("-ERR Unknown command", "+OK Here")
	if _, err := c.nc.Write([]byte(strings.Repeat("z", maxDrain+2*maxLine))); err == nil {
		c.wantEnd()
	}
}

func TestTooManyErrorsEndTheConnection(t *testing.T) {
	f := start(t, newFakeStore(), Options{Limits: Limits{BadCommands: 3, FailedLogins: 2}})
	c := f.dial()
	c.send("X", "Y", "Z", "CAPA")
	c.want("-ERR Unknown command", "-ERR Unknown command", "-ERR Too many errors")
	c.wantEnd()
	c = f.dial()
	c.send("USER a", "PASS b", "USER a", "PASS c", "CAPA")
	for range 2 {
		c.wantPrefix("+OK")
		c.want("-ERR [AUTH] Wrong user or password")
	}
	c.wantEnd()
}

func TestSilentClientsAreCutOff(t *testing.T) {
	st := newFakeStore(first)
	// On a busy machine a client is later than the shortest of these allows.
	for idle, told := 50*time.Millisecond, ""; told != "+OK Marked\r\n"; idle *= 5 {
		if idle > time.Minute {
			t.Fatal("the client never is in time")
		}
		f := start(t, st, Options{Limits: Limits{Idle: idle, Greeting: time.Minute}})
		c := f.login()
		_, _ = io.WriteString(c.nc, "DELE 1\r\n") // it may have been cut off by now
		told, _ = c.r.ReadString('\n')
		c.wantEnd()
	}
	eventually(t, "the mailbox is free", func() bool { locked, _ := st.state(); return !locked })
	if _, expunged := st.state(); len(expunged) > 0 {
		t.Errorf("deleted: %v", expunged)
	}
	f := start(t, st, Options{Limits: Limits{Greeting: 50 * time.Millisecond}})
	f.dial().wantEnd()
}

func TestAPanicEndsOneConnection(t *testing.T) {
	f := start(t, newFakeStore(), Options{})
	c := f.dial()
	c.send("USER panic@example.com", "PASS x")
	c.skipToEnd()
	f.login()
}

func TestConnectionsAreCountedAndLimited(t *testing.T) {
	f := start(t, newFakeStore(), Options{Limits: Limits{Connections: 2}})
	one, two := f.dial(), f.dial()
	if n := f.srv.Connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	three := newClient(t, nc)
	three.want("-ERR [SYS/TEMP] Too many connections")
	three.wantEnd()
	for _, c := range []*client{one, two} {
		c.send("QUIT")
		c.want("+OK Bye")
	}
	eventually(t, "no connections", func() bool { return f.srv.Connections() == 0 })
	f.dial()
}

func TestShutdown(t *testing.T) {
	st := newFakeStore(first)
	f := start(t, st, Options{})
	stranger, c := f.dial(), f.login()
	c.send("DELE 1")
	c.want("+OK Marked")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.srv.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{stranger, c} {
		c.want("-ERR [SYS/TEMP] The server is shutting down")
		c.wantEnd()
	}
	if locked, expunged := st.state(); locked || len(expunged) > 0 {
		t.Errorf("locked %v, deleted %v", locked, expunged)
	}
	if nc, err := net.Dial("tcp", f.addr); err == nil {
		nc.Close()
		t.Error("a connection is taken after the shutdown")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.srv.Serve(l, false); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve after the shutdown: %v", err)
	}
}

func TestShutdownWaitsForACommandThatRuns(t *testing.T) {
	st := newFakeStore(first)
	st.gate, st.reading = make(chan struct{}), make(chan struct{})
	f := start(t, st, Options{})
	c := f.login()
	c.send("RETR 1")
	<-st.reading
	ended := make(chan error, 1)
	go func() { ended <- f.srv.Shutdown(context.Background()) }()
	eventually(t, "the server is closing", f.srv.group.Closing)
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	close(st.gate)
	c.wantPrefix("+OK")
	if got := c.body(); !strings.HasSuffix(got, "end\r\n") {
		t.Errorf("the message is cut off: %q", got)
	}
	c.want("-ERR [SYS/TEMP] The server is shutting down")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdownThatHasNoTimeCutsOff(t *testing.T) {
	// A client that reads nothing: the answer fills all buffers.
	st := newFakeStore(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 1_000_000))
	st.gate, st.reading = make(chan struct{}), make(chan struct{})
	close(st.gate)
	f := start(t, st, Options{})
	c := f.login()
	c.send("RETR 1")
	<-st.reading
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if n := f.srv.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
