package cyrus_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// need finds a program that .ci/peers installs.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; .ci/peers installs it", name)
		}
		t.Skipf("SKIPPED: %s is not installed; .ci/peers installs it", name)
	}
	return path
}

// ask runs a client, and reports what it says and whether it is content.
func ask(t *testing.T, program string, args ...string) (string, bool) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need(t, program), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

func find(t *testing.T, p providers.Provider, kind, key string) *providers.Observed {
	t.Helper()
	have, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range have {
		if o.Kind == kind && o.Key == key {
			return &o
		}
	}
	return nil
}

// TestClients asks of a server what people's programs do.
func TestClients(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 5)
	imap, pop3, imaps, pop3s, lmtp := ps[0], ps[1], ps[2], ps[3], ps[4]
	begin(t, p, listener("imap", list(imap), list(imaps)), listener("pop3", list(pop3), list(pop3s)), listener("lmtp", list(lmtp), list()))
	do(t, p, parameter("failedloginpause", "0s")) // seconds for each that fails
	only := func(protocol string) attrs { return attrs{"protocols": list(protocol)} }
	change(t, p, creates(
		mailbox("alice@example.com", nil), mailbox("j.doe@example.com", nil), mailbox("pia@example.com", only("pop3")), mailbox("ida@example.com", only("imap")),
		mailbox("off@example.com", attrs{"mail": str("disabled")}), mailbox("tiny@example.com", attrs{"quota": num(16 << 10)}),
		mailbox("new@example.com", attrs{"password_hash": list(anotherHash)}))...)

	send := func(to string, args ...string) (string, bool) {
		return ask(t, "swaks", append([]string{"--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", to, "--header", "Subject: for " + to}, args...)...)
	}
	for _, to := range []string{"alice@example.com", "j.doe@example.com", "ALICE@Example.COM", "pia@example.com"} {
		if out, ok := send(to); !ok {
			t.Errorf("mail for %s: %s", to, out)
		}
	}
	if out, ok := send("nosuch@example.com"); ok || !strings.Contains(out, "<** 550") {
		t.Errorf("mail for nobody: %s", out)
	}
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte(strings.Repeat("sixty-four bytes of text, or nearly so, in each of these lines\n", 500)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, ok := send("tiny@example.com", "--body", "@"+body); ok || !strings.Contains(out, "<** 552") {
		t.Errorf("mail beyond the quota: %s", out)
	}
	for _, tt := range []struct {
		user, password, url string
		ok                  bool
	}{
		{"alice", "quickstart", "imap://" + imap, true}, {"alice", "quickstart", "pop3://" + pop3, true},
		{"alice", "quickstart", "imaps://" + imaps, true}, {"alice", "quickstart", "pop3s://" + pop3s, true},
		{"j.doe", "quickstart", "imap://" + imap, true},
		{"alice", "wrong", "imap://" + imap, false}, {"alice", "", "imap://" + imap, false},
		{"pia", "quickstart", "pop3://" + pop3, true}, {"pia", "quickstart", "imap://" + imap, false}, {"pia", "quickstart", "imaps://" + imaps, false},
		{"ida", "quickstart", "imap://" + imap, true}, {"ida", "quickstart", "pop3://" + pop3, false},
		{"off", "quickstart", "imap://" + imap, false}, {"off", "quickstart", "pop3://" + pop3, false},
		{"new", "quickstart", "imap://" + imap, false}, {"nosuch", "quickstart", "imap://" + imap, false},
	} {
		out, ok := ask(t, "curl", "-sSk", "-u", tt.user+"@example.com:"+tt.password, tt.url+"/")
		if ok != tt.ok {
			t.Errorf("%s with %q at %s: %v: %s", tt.user, tt.password, tt.url, ok, out)
		}
	}
	if out, ok := ask(t, "curl", "-sSk", "--ssl-reqd", "-u", "alice@example.com:quickstart", "imap://"+imap+"/INBOX", "-X", "SEARCH SUBJECT alice"); !ok || !strings.Contains(out, "SEARCH 1") {
		t.Errorf("alice's mail by IMAP with STARTTLS: %s", out)
	}
	if out, ok := ask(t, "curl", "-sS", "-u", "pia@example.com:quickstart", "pop3://"+pop3+"/1"); !ok || !strings.Contains(out, "Subject: for pia@example.com") {
		t.Errorf("pia's mail by POP3: %s", out)
	}

	// A plan that takes her away says what she has.
	held, err := p.Count(t.Context(), []string{"alice@example.com", "off@example.com", "nosuch@example.com"})
	if alice := held["alice@example.com"]; err != nil || alice.Messages != 2 || alice.Bytes < 400 || len(held) != 2 {
		t.Errorf("what mailboxes hold: %v, %v", held, err)
	}

	// She goes with all folders, and comes back with her mail.
	if out, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+imap+"/", "-X", "CREATE INBOX/Kept.things"); !ok {
		t.Errorf("make a folder: %s", out)
	}
	alice := mailbox("alice@example.com", nil)
	change(t, p, providers.Change{Action: providers.Delete, Resource: alice, Prior: find(t, p, schema.KindMailbox, alice.Key)})
	if _, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+imap+"/"); ok {
		t.Error("alice is let in after she has gone")
	}
	if out, ok := send("alice@example.com"); ok {
		t.Errorf("mail for alice after she has gone: %s", out)
	}
	gone := find(t, p, schema.KindMailbox, alice.Key)
	if gone == nil || !gone.Retained {
		t.Fatalf("what is left of alice: %v", gone)
	}
	c.Tool(t, "cyr_expire", "-D", "0") // as a careless administrator's
	change(t, p, providers.Change{Action: providers.Create, Resource: alice, Prior: gone})
	out, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+imap+"/INBOX", "-X", "SEARCH ALL")
	if !ok || !strings.Contains(out, "SEARCH 1 2") {
		t.Errorf("alice's mail after she has come back: %s", out)
	}
	if out, _ := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+imap+"/", "-X", `LIST "" "*"`); !strings.Contains(out, "Kept.things") {
		t.Errorf("alice's folders after she has come back: %s", out)
	}
	now := find(t, p, schema.KindMailbox, alice.Key)
	if now.Retained || !now.Attrs.GetAttr("quota").RawEquals(num(1<<30)) {
		t.Errorf("alice is %#v", now.Attrs)
	}
}

func creates(rs ...schema.Resource) []providers.Change {
	batch := make([]providers.Change, len(rs))
	for i, r := range rs {
		batch[i] = providers.Change{Action: providers.Create, Resource: r}
	}
	return batch
}

// TestForeignThingsStay looks at the files byte by byte.
func TestForeignThingsStay(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	files := []string{filepath.Join(c.ConfigDir, "imapd.conf"), filepath.Join(c.ConfigDir, "cyrus.conf")}
	before := map[string]string{}
	for _, f := range files {
		before[f] = read(t, f)
	}
	p := provider(t, c, "L")
	ps := freePorts(t, 1)
	imap := listener("imap", list(ps[0]), list())
	timeout := parameter("timeout", "45")
	begin(t, p, imap, timeout)
	// An option that Cyrus does not know is refused, and leaves everything as it was.
	was := read(t, files[0])
	err := p.Apply(t.Context(), creates(parameter("tiemout", "45")), func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err == nil || !strings.Contains(err.Error(), "Cyrus knows no option tiemout") {
		t.Errorf("an option that there is not: %v", err)
	}
	if diff := cmp.Diff(was, read(t, files[0])); diff != "" {
		t.Errorf("what was refused has left: %s", diff)
	}
	// A mailbox of somebody's own is seen, and left alone.
	foreign := mailbox("foreign@example.com", nil)
	other := provider(t, c, "another")
	change(t, other, creates(foreign)...)
	if o := find(t, p, schema.KindMailbox, foreign.Key); o == nil || o.Owner != "" || o.Origin != foreign.Address {
		t.Errorf("a foreign mailbox is %+v", o)
	}
	// The server is stopped, and all that was made is let go of.
	for _, r := range []schema.Resource{imap, {Kind: schema.KindService, Key: "cyrus"}, timeout, store("mail.example.com", nil)} {
		o := find(t, p, r.Kind, r.Key)
		r.Address, r.Attrs = r.Kind+".test", o.Attrs
		change(t, p, providers.Change{Action: providers.Delete, Resource: r, Prior: o})
	}
	for _, f := range files {
		if diff := cmp.Diff(before[f], read(t, f)); diff != "" {
			t.Errorf("%s is another: %s", filepath.Base(f), diff)
		}
		if diff := cmp.Diff(before[f], read(t, f+".before-mailform")); diff != "" {
			t.Errorf("the copy of %s is another: %s", filepath.Base(f), diff)
		}
	}
	if o := find(t, p, schema.KindMailbox, foreign.Key); o == nil {
		t.Error("a foreign mailbox is not seen while Cyrus does not run")
	}
}

// TestServiceIsStartedAndWatched: what has ended is seen, and started again.
func TestServiceIsStartedAndWatched(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	begin(t, p)
	service := providertest.Resource(schema.KindService, "cyrus", attrs{"name": str("cyrus"), "running": cty.True})
	c.Kill(t)
	o := find(t, p, schema.KindService, "cyrus")
	if o == nil || o.Attrs.GetAttr("running").True() {
		t.Fatalf("after a kill the server is %+v", o)
	}
	change(t, p, providers.Change{Action: providers.Update, Resource: service, Prior: o})
	if o = find(t, p, schema.KindService, "cyrus"); o.Attrs.GetAttr("running").False() {
		t.Error("it was not started")
	}
	// As after the machine has started: whoever starts Cyrus starts authd too.
	c.Kill(t)
	dir := filepath.Join(c.ConfigDir, "mailform-cyrus", "authd")
	if err := authd.Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if o = find(t, p, schema.KindService, "cyrus"); o.Attrs.GetAttr("running").True() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("authd was not started with Cyrus")
		}
	}
}

// TestReloadKeepsSessions: whoever reads mail goes on while settings change.
func TestReloadKeepsSessions(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 2)
	begin(t, p, listener("imap", list(ps[0]), list()))
	change(t, p, creates(mailbox("alice@example.com", nil))...)
	conn, err := net.Dial("tcp", ps[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	say := func(tag, command string) {
		t.Helper()
		fmt.Fprintf(conn, "%s %s\r\n", tag, command)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			if strings.HasPrefix(line, tag+" OK") || strings.HasPrefix(line, "+ ") {
				return
			}
			if strings.HasPrefix(line, tag+" ") {
				t.Fatalf("%s: %s", command, line)
			}
		}
	}
	say("a", "LOGIN alice@example.com quickstart")
	say("b", "SELECT INBOX")
	say("c", "IDLE")
	change(t, p, creates(mailbox("bob@example.com", nil))...)
	do(t, p, listener("pop3", list(ps[1]), list()), parameter("timeout", "45"))
	fmt.Fprint(conn, "DONE\r\n")
	say("d", "NOOP")
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
