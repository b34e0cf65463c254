package cyrus_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/cyrus"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// try carries out one change that may fail.
func try(t *testing.T, p providers.Provider, c providers.Change) error {
	t.Helper()
	var told error
	err := p.Apply(t.Context(), []providers.Change{c}, func(_ providers.Change, _ providers.Observed, err error) error {
		told = err
		return nil
	})
	return errors.Join(err, told)
}

// A configuration that Cyrus refuses is not there afterwards: it goes on with the one
// that it had, and the next apply takes the rest. So it is where mailform is killed
// before it can put anything back.
func TestRefusedConfiguration(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 2)
	begin(t, p, listener("imap", list(ps[0]), list()))
	change(t, p, creates(mailbox("alice@example.com", nil))...)
	files := func() string {
		return read(t, filepath.Join(c.ConfigDir, "imapd.conf")) + read(t, filepath.Join(c.ConfigDir, "cyrus.conf")) + read(t, filepath.Join(c.ConfigDir, "mailform-cyrus/marks.json"))
	}
	logsIn := func() {
		t.Helper()
		if out, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+ps[0]+"/"); !ok {
			t.Errorf("alice cannot log in: %s", out)
		}
	}
	before := files()

	l, err := net.Listen("tcp", ps[1]) // another program
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 another\r\n"))
			conn.Close()
		}
	}()
	for _, bad := range []struct {
		r    schema.Resource
		says string
	}{
		{parameter("no_such_option", "1"), "Cyrus knows no option no_such_option"},
		{listener("pop3", list(ps[1]), list()), "pop3 on " + ps[1] + " does not answer"},
	} {
		err := try(t, p, providers.Change{Action: providers.Create, Resource: bad.r})
		if err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v", bad.r.Key, err)
		}
		if got := files(); got != before {
			t.Errorf("%s is not put back, but\n%s", bad.r.Key, got)
		}
		logsIn()
	}
	l.Close()
	change(t, p, creates(listener("pop3", list(ps[1]), list()))...)
	if out, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "pop3://"+ps[1]+"/"); !ok {
		t.Errorf("alice cannot log in by POP3: %s", out)
	}

	before = files()
	dying := provider(t, c, "L")
	dying.Through(&hosttest.Dying{Host: host.Local(), Left: 2, Counts: func(line string) bool { return strings.Contains(line, "conf-lint") }})
	if err := try(t, dying, providers.Change{Action: providers.Create, Resource: parameter("no_such_option", "1")}); !errors.Is(err, hosttest.ErrDied) {
		t.Fatalf("it is not killed: %v", err)
	}
	if !strings.Contains(files(), "no_such_option") {
		t.Fatal("it is not half way")
	}
	p = provider(t, c, "L")
	if o := find(t, p, schema.KindMailbox, "alice@example.com"); o == nil || o.Owner == "" {
		t.Errorf("half way alice is %v", o)
	}
	change(t, p, creates(parameter("timeout", "45"))...)
	if got := files(); strings.Contains(got, "no_such_option") || !strings.Contains(got, "timeout: 45") {
		t.Errorf("the next apply leaves\n%s", got)
	}
	logsIn()
}

// Mailboxes are made on the partition that the provider names, and those of it are
// moved where the files say that it lies; others stay.
func TestPartition(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	at := freePorts(t, 2)
	imap, lmtp := at[0], at[1]
	p := provider(t, c, "L")
	dir := filepath.Dir(c.ConfigDir)
	fast := filepath.Join(dir, "fast")
	owned(t, filepath.Join(dir, "spool"), fast)
	begin(t, p, listener("imap", list(imap), list()), listener("lmtp", list(lmtp), list()))
	do(t, p, parameter("partition-fast", fast))
	change(t, p, creates(mailbox("old@example.com", nil))...)
	p = onPartition(t, c, "fast")
	change(t, p, creates(mailbox("new@example.com", nil))...)
	lies := func(place string, users ...string) {
		t.Helper()
		for _, user := range []string{"old", "new"} {
			found := 0
			err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || !strings.HasSuffix(path, ".") { // which messages end in
					return err
				}
				if strings.Contains(read(t, path), "\nTo: "+user+"@example.com") {
					found++
				}
				return nil
			})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if (found == 1) != (len(users) == 1 && users[0] == user) {
				t.Errorf("%s has %d messages of %s", place, found, user)
			}
		}
	}
	for _, user := range []string{"old", "new"} {
		if out, ok := ask(t, "swaks", "--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", user+"@example.com"); !ok {
			t.Fatalf("LMTP: %s", out)
		}
	}
	lies(filepath.Join(dir, "spool"), "old")
	lies(fast, "new")

	// Where imapd.conf had it as a parameter, a block says it now.
	change(t, p, providers.Change{Action: providers.Delete, Resource: parameter("partition-fast", fast), Prior: find(t, p, schema.KindParameter, "partition-fast")})
	edit(t, filepath.Join(c.ConfigDir, "imapd.conf"), "umask: ", "077\npartition-fast: "+fast)
	want := storageAt(filepath.Join(dir, "vol"))
	have, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range have {
		if have[i].Kind == schema.KindLocation && have[i].Key == want.Key {
			change(t, p, providers.Change{Action: providers.Update, Resource: want, Prior: &have[i]})
		}
	}
	lies(filepath.Join(dir, "spool"), "old")
	lies(filepath.Join(dir, "vol"), "new")
	lies(fast)
	for _, user := range []string{"old", "new"} {
		out, ok := ask(t, "curl", "-sS", "-u", user+"@example.com:quickstart", "imap://"+imap+"/", "-X", "STATUS INBOX (MESSAGES)")
		if !ok || !strings.Contains(out, "MESSAGES 1") {
			t.Errorf("%s: %s", user, out)
		}
	}
}

// owned makes a directory that belongs to whom another one does.
func owned(t *testing.T, like, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if out, ok := ask(t, "chown", "--reference="+like, dir); !ok {
		t.Fatal(out)
	}
}

// onPartition is a provider that makes mailboxes on a partition.
func onPartition(t *testing.T, c *mailtest.CyrusInstance, partition string) *cyrus.Provider {
	t.Helper()
	p := provider(t, c, "L")
	block := cty.ObjectVal(attrs{"config_dir": str(c.ConfigDir), "program_dir": str(c.ProgramDir), "pid_file": str(c.PIDFile), "partition": str(partition)})
	if diags := p.Configure(t.Context(), providers.Config{Value: block, Dir: c.ConfigDir, Lineage: "L"}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}
