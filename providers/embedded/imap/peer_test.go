package imap_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/store"
)

// TestWithAnotherLibrary drives the server with go-imap's client, which knows
// nothing of it.
func TestWithAnotherLibrary(t *testing.T) {
	conf, pool := certificate(t)
	w := newWorld(t, func(o *imap.Options) { o.TLS = func() *tls.Config { return conf } })
	news := make(chan uint32, 10)
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := imapclient.NewStartTLS(nc, &imapclient.Options{
		TLSConfig: &tls.Config{RootCAs: pool, ServerName: "mail.example.com"},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(d *imapclient.UnilateralDataMailbox) {
				if d.NumMessages != nil {
					news <- *d.NumMessages
				}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("login", c.Login("alice@example.com", password).Wait())
	_, err = c.Enable(goimap.CapIMAP4rev2).Wait()
	check("enable", err)
	check("create", c.Create("Entwürfe/2026", nil).Wait())
	list, err := c.List("", "*", &goimap.ListOptions{ReturnStatus: &goimap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	check("list", err)
	if len(list) != 7 || list[0].Mailbox != "INBOX" || list[0].Status == nil {
		t.Errorf("list is %+v", list)
	}

	cmd := c.Append("INBOX", int64(len(letter)), &goimap.AppendOptions{Flags: []goimap.Flag{goimap.FlagFlagged}})
	io.WriteString(cmd, letter)
	check("append", cmd.Close())
	appended, err := cmd.Wait()
	check("append", err)
	selected, err := c.Select("INBOX", nil).Wait()
	check("select", err)
	if selected.NumMessages != 1 || selected.UIDValidity != appended.UIDValidity || selected.UIDNext != appended.UID+1 {
		t.Errorf("selected %+v after appending %+v", selected, appended)
	}
	msgs, err := c.Fetch(goimap.UIDSetNum(appended.UID), &goimap.FetchOptions{
		Envelope: true, Flags: true, BodyStructure: &goimap.FetchItemBodyStructure{Extended: true},
		BodySection: []*goimap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	check("fetch", err)
	m := msgs[0]
	if m.Envelope.Subject != "Grüße and more" || m.Envelope.From[0].Name != "Jürgen" || len(m.Envelope.To) != 5 {
		t.Errorf("envelope is %+v", m.Envelope)
	}
	if got := string(m.FindBodySection(&goimap.FetchItemBodySection{Peek: true})); got != letter {
		t.Errorf("body is %q", got)
	}
	parts := 0
	m.BodyStructure.Walk(func([]int, goimap.BodyStructure) bool { parts++; return true })
	if parts != 5 { // the client does not walk into the message in a part
		t.Errorf("%d parts in %+v", parts, m.BodyStructure)
	}
	found, err := c.UIDSearch(&goimap.SearchCriteria{Text: []string{"schöne"}}, &goimap.SearchOptions{ReturnAll: true}).Wait()
	check("search", err)
	if uids := found.AllUIDs(); len(uids) != 1 || uids[0] != appended.UID {
		t.Errorf("found %v", uids)
	}
	changed, err := c.Store(goimap.SeqSetNum(1), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagSeen}}, nil).Collect()
	check("store", err)
	if len(changed) != 1 || len(changed[0].Flags) != 2 {
		t.Errorf("flags after STORE: %+v", changed)
	}

	idle, err := c.Idle()
	check("idle", err)
	accept(t, w, mail("delivered"))
	select {
	case n := <-news:
		if n != 2 {
			t.Errorf("told of %d messages", n)
		}
	case <-time.After(patience):
		t.Error("not told of the delivery")
	}
	check("idle", idle.Close())
	check("idle", idle.Wait())

	moved, err := c.Move(goimap.SeqSetNum(1), "Entwürfe/2026").Wait()
	check("move", err)
	if moved.SourceUIDs.String() != "1" || moved.DestUIDs.String() != "1" {
		t.Errorf("moved %+v", moved)
	}
	quota, err := c.GetQuotaRoot("INBOX").Wait()
	check("quota", err)
	if len(quota) != 0 {
		t.Errorf("quota of an account without: %+v", quota)
	}
	check("logout", c.Logout().Wait())
}

// accept delivers a message to alice as the SMTP server does.
func accept(t *testing.T, w *world, message string) {
	t.Helper()
	ctx := context.Background()
	a, err := w.store.Account(ctx, "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	d := w.store.NewDraft(1 << 20)
	defer d.Close()
	io.WriteString(d, message)
	err = w.store.Accept(ctx, &store.Envelope{
		Draft: d, From: "bob@example.com", Accounts: []int64{a.ID}, ID: "test", Received: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// program runs a mail program of the system; where it is not installed the test
// is skipped.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestWithCurl(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("for curl"))
	user := "alice@example.com:" + password
	if got := program(t, "curl", "-sS", "imap://"+w.addr+"/INBOX;MAILINDEX=1", "-u", user); got != mail("for curl") {
		t.Errorf("message is %q", got)
	}
	if got := program(t, "curl", "-sS", "imap://"+w.addr+"/", "-u", user); !strings.Contains(got, `"INBOX"`) {
		t.Errorf("list is %q", got)
	}
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, []byte(letter), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "curl", "-sS", "-T", file, "imap://"+w.addr+"/Sent", "-u", user)
	if n := w.count("Sent"); n != 1 {
		t.Errorf("%d messages in Sent after the upload", n)
	}
}

// TestWithMbsync mirrors an account, twice, and takes a new message back up.
func TestWithMbsync(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.deliver("INBOX", mail(fmt.Sprintf("number %d", i)))
	}
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(w.addr)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "mbsyncrc")
	text := fmt.Sprintf(`IMAPAccount server
Host %s
Port %s
User alice@example.com
Pass %s
SSLType None
AuthMechs LOGIN

IMAPStore far
Account server

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`, host, port, password, dir, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	here := func() int {
		names, err := filepath.Glob(filepath.Join(dir, "mail/INBOX/*/*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	program(t, "mbsync", "-c", conf, "-a")
	if n := here(); n != 30 {
		t.Fatalf("%d messages came down", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "mail/INBOX/new/1.local"), []byte(strings.ReplaceAll(mail("local"), "\r\n", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		program(t, "mbsync", "-c", conf, "-a")
		if here, there := here(), w.count("INBOX"); here != 31 || there != 31 {
			t.Errorf("%d messages here and %d there", here, there)
		}
	}
}
