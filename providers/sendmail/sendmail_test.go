package sendmail_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/sendmail"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// apply creates resources one phase after the other, as their ranks say.
func apply(t testing.TB, s *mailtest.SendmailInstance, action providers.Action, rs ...schema.Resource) {
	t.Helper()
	applyBy(t, s, provider(t, s, "L"), action, rs...)
}

func applyBy(t testing.TB, s *mailtest.SendmailInstance, p *sendmail.Provider, action providers.Action, rs ...schema.Resource) {
	t.Helper()
	rank := func(r schema.Resource) int { return schema.KindByName(r.Kind).Rank }
	slices.SortStableFunc(rs, func(a, b schema.Resource) int { return rank(a) - rank(b) })
	for len(rs) > 0 {
		n := 1
		for n < len(rs) && rs[n].Kind == rs[0].Kind {
			n++
		}
		have := observed(t, s)
		batch := make([]providers.Change, n)
		for i, r := range rs[:n] {
			batch[i] = providers.Change{Action: action, Resource: r}
			if o, ok := have[r.Kind+" "+r.Key]; ok && action != providers.Create {
				batch[i].Prior = &o
			}
		}
		err := p.Apply(t.Context(), batch, func(c providers.Change, _ providers.Observed, err error) error {
			if err != nil {
				t.Errorf("%s %s: %v", c.Action, c.Resource.Address, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		rs = rs[n:]
	}
}

func observed(t testing.TB, s *mailtest.SendmailInstance) map[string]providers.Observed {
	t.Helper()
	all, err := provider(t, s, "L").Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]providers.Observed{}
	for _, o := range all {
		out[o.Kind+" "+o.Key] = o
	}
	return out
}

// A keeper takes mail by LMTP and remembers the recipients.
type keeper struct {
	addr string
	mu   sync.Mutex
	got  []string
	// subjects of all messages.
	subjects []string
	// hold, if it is not nil, is closed when messages may be answered; held counts those
	// that wait for that.
	hold chan struct{}
	held int
}

// waitHeld waits until some messages are here and not answered.
func (k *keeper) waitHeld(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		k.mu.Lock()
		held := k.held
		k.mu.Unlock()
		if held >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages have come, want %d", held, n)
		}
	}
}

// dialog is a connection to a server that has greeted.
func dialog(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKeeper(t *testing.T) *keeper {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{addr: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.serve(c)
		}
	}()
	return k
}

func (k *keeper) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
	fmt.Fprint(c, "220 keeper LMTP\r\n")
	var to []string
	in := bufio.NewScanner(c)
	for in.Scan() {
		line := in.Text()
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "RCPT":
			to = append(to, strings.ToLower(line[strings.Index(line, "<")+1:strings.Index(line, ">")]))
			fmt.Fprint(c, "250 ok\r\n")
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			subject := ""
			for in.Scan() && in.Text() != "." {
				if s, ok := subjectOf(in.Bytes()); ok {
					subject = s
				}
			}
			k.mu.Lock()
			k.subjects = append(k.subjects, subject)
			k.got = append(k.got, to...)
			k.held++
			k.mu.Unlock()
			if k.hold != nil {
				<-k.hold
			}
			fmt.Fprint(c, strings.Repeat("250 ok\r\n", len(to)))
			to = nil
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		case "RSET":
			to = nil
			fmt.Fprint(c, "250 ok\r\n")
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

// takes expects mail for exactly these, and forgets it.
func (k *keeper) takes(t *testing.T, want ...string) bool {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		k.mu.Lock()
		got := slices.Clone(k.got)
		k.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, want) || time.Now().After(deadline) {
			if !slices.Equal(got, want) {
				t.Errorf("mail has come for %v, want %v", got, want)
			}
			k.mu.Lock()
			k.got = nil
			k.mu.Unlock()
			return slices.Equal(got, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// swaks speaks from an address that Sendmail does not trust, as it does 127.0.0.1.
func swaks(t *testing.T, server string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("swaks"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("swaks is missing; .ci/peers installs it")
		}
		t.Skip("SKIPPED: swaks is missing")
	}
	out, _ := exec.Command("swaks", append([]string{"--server", server, "--timeout", "180", "--local-interface", "127.0.0.2"}, args...)...).CombinedOutput()
	return string(out)
}

// waitFor waits until something listens: Sendmail reads its configuration again a
// moment after it was told to.
func waitFor(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// A server as it is in a configuration: mail in, mail on, refusals, log-ins.
func TestMail(t *testing.T) {
	t.Parallel()
	s, k := mailtest.Sendmail(t), newKeeper(t)
	smtp, submission, tls := porttest.Addr(t), porttest.Addr(t), porttest.Addr(t)
	apply(t, s, providers.Create, setting("mail.example.com"), delivery(k.addr, "authd"), service(), domain("example.com"), domain("example.net"),
		recipient("alice@example.com", quickstart), recipient("bob@example.com", quickstart), recipient("both@example.com"),
		route("sales@example.com", "alias", false, "alice@example.com", "bob@example.com"), route("al@example.com", "alias", false, "alice@example.com"),
		route("both@example.com", "forward", true, "bob@example.com"), route("away@example.com", "forward", false, "bob@example.com"),
		route("@example.net", "catch_all", false, "alice@example.com"),
		listener("smtp", []string{smtp}, nil), listener("submission", []string{submission}, []string{tls}))
	for _, a := range []string{smtp, submission, tls, s.Foreign} {
		waitFor(t, a)
	}
	for to, want := range map[string][]string{
		"alice@example.com": {"alice@example.com"}, "ALICE@Example.COM": {"alice@example.com"}, "sales@example.com": {"alice@example.com", "bob@example.com"},
		"al@example.com": {"alice@example.com"}, "both@example.com": {"bob@example.com", "both@example.com"}, "away@example.com": {"bob@example.com"},
		"anybody@example.net": {"alice@example.com"}, "x%other.test@example.net": {"alice@example.com"},
	} {
		if out := swaks(t, smtp, "--from", "a@remote.test", "--to", to); !strings.Contains(out, "Message accepted for delivery") {
			t.Errorf("mail for %s: %s", to, out)
		}
		k.takes(t, want...)
	}
	for to, want := range map[string]string{"nosuch@example.com": "550 5.1.1", "b@other.test": "550 5.7.1", "*@example.com": "550 5.1.1", "al%other.test@example.com": "550 5."} {
		if out := swaks(t, smtp, "--from", "a@remote.test", "--to", to, "--quit-after", "RCPT"); !strings.Contains(out, want) {
			t.Errorf("mail for %s is not answered %s: %s", to, want, out)
		}
	}
	if out := swaks(t, smtp, "--from", "a@remote.test", "--to", "alice@example.com", "-tls"); !strings.Contains(out, "TLS started") || !strings.Contains(out, "accepted for delivery") {
		t.Errorf("over TLS: %s", out)
	}
	k.takes(t, "alice@example.com")
	login := []string{"--auth", "PLAIN", "--auth-user", "alice@example.com", "--auth-password", "quickstart", "--to", "bob@example.com"}
	for addr, how := range map[string]string{submission: "-tls", tls: "-tlsc"} {
		for _, from := range []string{"alice@example.com", "al@example.com"} {
			if out := swaks(t, addr, append(login, how, "--from", from)...); !strings.Contains(out, "accepted for delivery") {
				t.Errorf("submission %s: %s", how, out)
			}
			k.takes(t, "bob@example.com")
		}
	}
	for why, args := range map[string][]string{
		"without a log-in":       {"-tls", "--from", "alice@example.com", "--to", "bob@example.com"},
		"in another's name":      append(slices.Clone(login), "-tls", "--from", "bob@example.com"),
		"without TLS":            append(slices.Clone(login), "--from", "alice@example.com"),
		"with a wrong password":  {"-tls", "--auth", "PLAIN", "--auth-user", "alice@example.com", "--auth-password", "wrong", "--from", "alice@example.com", "--to", "bob@example.com"},
		"of one without a hash":  {"-tls", "--auth", "PLAIN", "--auth-user", "both@example.com", "--auth-password", "quickstart", "--from", "both@example.com", "--to", "bob@example.com"},
		"with a foreign mailbox": append(slices.Clone(login), "-tls", "--from", "x@elsewhere.test"),
	} {
		if out := swaks(t, submission, append(args, "--quit-after", "RCPT")...); strings.Contains(out, "Recipient ok") {
			t.Errorf("mail is submitted %s: %s", why, out)
		}
	}
	if problems, err := provider(t, s, "L").Validate(t.Context(), []schema.Resource{setting("mail.example.com")}); err != nil || len(problems) > 0 {
		t.Errorf("validate: %v, %v", problems, err)
	}
	pid := s.PID()
	apply(t, s, providers.Create, recipient("new@example.com", quickstart))
	if out := swaks(t, smtp, "--from", "a@remote.test", "--to", "new@example.com"); !strings.Contains(out, "accepted for delivery") {
		t.Errorf("mail for a new user: %s", out)
	}
	k.takes(t, "new@example.com")
	apply(t, s, providers.Delete, service())
	if s.PID() != 0 || pid == 0 {
		t.Errorf("it runs as %d, was %d", s.PID(), pid)
	}
}

// What is taken away leaves the administrator's source as it was, to the byte, and
// while it is there every line stays.
func TestForeignConfigurationStays(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(s.ConfigDir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	source := read("sendmail.mc")
	rs := []schema.Resource{setting("mail.example.com"), delivery("127.0.0.1:24", ""), domain("example.com"), recipient("alice@example.com"), listener("smtp", []string{s.Foreign}, nil)}
	apply(t, s, providers.Create, rs...)
	if got := read("sendmail.mc"); !strings.HasPrefix(got, source) || strings.Count(got, "\n") != strings.Count(source, "\n")+1 {
		t.Errorf("sendmail.mc is now:\n%s", got)
	}
	if got := read("sendmail.cf"); !strings.Contains(got, "\n#mailform listens there: O DaemonPortOptions=Name=MTA") {
		t.Error("the listener of the administrator is still there")
	}
	// Drift by hand: an option in sendmail.cf, a row of a map.
	edited := strings.Replace(read("sendmail.cf"), "O MaxMessageSize=1000000", "O MaxMessageSize=5", 1)
	if err := os.WriteFile(filepath.Join(s.ConfigDir, "sendmail.cf"), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	makemap := exec.Command(filepath.Join(s.ProgramDir, "makemap"), "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "hash", filepath.Join(s.ConfigDir, "mailform/addresses"))
	makemap.Stdin = strings.NewReader("mallory@example.com\tmallory@example.com\n")
	if out, err := makemap.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	have := observed(t, s)
	if o, ok := have["setting main"]; !ok || !o.Attrs.GetAttr("message_size_limit").RawEquals(num(5)) {
		t.Errorf("the setting is seen as %#v", o.Attrs)
	}
	if _, ok := have["recipient alice@example.com"]; ok {
		t.Error("alice, whose row is gone, is still seen")
	}
	if o, ok := have["recipient mallory@example.com"]; !ok || o.Owner != "" {
		t.Error("a row of somebody else's is not seen as such")
	}
	apply(t, s, providers.Update, rs[0])
	apply(t, s, providers.Create, recipient("alice@example.com"))
	if o := observed(t, s)["setting main"]; !o.Attrs.RawEquals(rs[0].Attrs) {
		t.Errorf("the setting is seen as %#v", o.Attrs)
	}
	apply(t, s, providers.Delete, rs...)
	if got := read("sendmail.mc"); got != source {
		t.Errorf("sendmail.mc is now:\n%s", got)
	}
	if got := read("sendmail.cf"); strings.Contains(got, "##### mailform") || strings.Contains(got, "#mailform") {
		t.Error("sendmail.cf still has something of mailform")
	}
}

// A configuration that Sendmail refuses is put back, and the old one goes on.
func TestRefusedConfigurationIsPutBack(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	apply(t, s, providers.Create, setting("mail.example.com"), service())
	before := observed(t, s)
	bad := resource(schema.KindParameter, "NoSuchOption", attrs{"name": str("NoSuchOption"), "value": str("1")})
	var refused error
	err := provider(t, s, "L").Apply(t.Context(), []providers.Change{{Action: providers.Create, Resource: bad}}, func(_ providers.Change, _ providers.Observed, err error) error {
		refused = err
		return nil
	})
	if err != nil || refused == nil || !strings.Contains(refused.Error(), "unknown option name NoSuchOption") {
		t.Errorf("the errors are %v, %v", err, refused)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := listener("smtp", []string{l.Addr().String()}, nil)
	refused = nil
	err = provider(t, s, "L").Apply(t.Context(), []providers.Change{{Action: providers.Create, Resource: taken}}, func(_ providers.Change, _ providers.Observed, err error) error {
		refused = err
		return nil
	})
	if err != nil || refused == nil || !strings.Contains(refused.Error(), "another program") {
		t.Errorf("a port that another program has: the errors are %v, %v", err, refused)
	}
	after := observed(t, s)
	if len(after) != len(before) || s.PID() == 0 {
		t.Errorf("there is %v, was %v; it runs as %d", after, before, s.PID())
	}
	waitFor(t, s.Foreign)
}

// A source that lets in mail for anywhere is refused before anything is changed.
func TestOpenRelay(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	path := filepath.Join(s.ConfigDir, "sendmail.mc")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := strings.Replace(string(text), "FEATURE(`no_default_msa')", "FEATURE(`promiscuous_relay')dnl\nFEATURE(`no_default_msa')", 1)
	if err := os.WriteFile(path, []byte(open), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, made := range []bool{false, true} {
		if made { // and where only sendmail.cf says so
			out, err := exec.Command("m4", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(s.ConfigDir, "sendmail.cf"), out, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		problems, err := provider(t, s, "L").Validate(t.Context(), []schema.Resource{setting("mail.example.com")})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Detail, "open relay") {
			t.Errorf("validate: %v, %v", problems, err)
		}
	}
}

func TestManyUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("large")
	}
	s := mailtest.Sendmail(t)
	apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", "authd"), domain("example.com"))
	var rs []schema.Resource
	for i := range 10000 {
		rs = append(rs, recipient(fmt.Sprintf("user%d@example.com", i), quickstart))
	}
	begin := time.Now()
	apply(t, s, providers.Create, rs...)
	t.Logf("10,000 users: %s", time.Since(begin))
	begin = time.Now()
	if n := len(observed(t, s)); n < 10000 {
		t.Errorf("%d are seen", n)
	}
	t.Logf("read: %s", time.Since(begin))
	begin = time.Now()
	apply(t, s, providers.Update, providertest.With(rs[0], "password_hash", cty.ListValEmpty(cty.String)))
	t.Logf("one changed: %s", time.Since(begin))
}
