package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func create(r schema.Resource) providers.Change {
	return providers.Change{Action: providers.Create, Resource: r}
}

func (d *dataDir) delete(lineage string, r schema.Resource) providers.Change {
	d.t.Helper()
	o, ok := d.read(lineage)[r.Kind+" "+r.Key]
	if !ok {
		d.t.Fatalf("%s %s is not there", r.Kind, r.Key)
	}
	return providers.Change{Action: providers.Delete, Resource: r, Prior: &o}
}

// is checks what is read of the process.
func (d *dataDir) is(running bool, version string) {
	d.t.Helper()
	o, ok := d.read("L")["process "+d.path]
	if !ok {
		d.t.Fatal("there is no process")
	}
	want := cty.ObjectVal(map[string]cty.Value{
		"data_dir": cty.StringVal(d.path), "running": cty.BoolVal(running), "version": cty.StringVal(version),
	})
	if !o.Attrs.RawEquals(want) || o.Owner != "provider.embedded.process" {
		d.t.Errorf("the process is %#v of %q, want %#v", o.Attrs, o.Owner, want)
	}
}

func TestLifeOfTheDaemon(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	if got := d.read("L"); len(got) != 0 {
		t.Errorf("before anything was applied there is %v", got)
	}
	o := d.start()
	if !o.Attrs.GetAttr("running").True() || o.Owner != "provider.embedded.process" {
		t.Errorf("after the start: %#v of %q", o.Attrs, o.Owner)
	}
	d.is(true, testVersion)
	first := d.pid()

	// To start what runs leaves it alone.
	d.start()
	if d.pid() != first {
		t.Error("it was started anew")
	}
	d.do("L", create(mailDomain("example.com")), create(mailbox("alice@example.com", nil)))

	// A daemon that was killed is a stopped one, not an empty one.
	d.kill(t)
	d.is(false, testVersion)
	if got := d.read("L"); len(got) != 3 {
		t.Errorf("after the crash there is %v", got)
	}
	before := d.read("L")["process "+d.path]
	d.do("L", providers.Change{Action: providers.Update, Resource: d.process(), Prior: &before})
	d.is(true, testVersion)
	if d.pid() == first {
		t.Error("it has the same process id")
	}

	// Stopped, and stopped again.
	for range 2 {
		d.do("L", providers.Change{Action: providers.Delete, Resource: d.process()})
		if d.pid() != 0 {
			t.Error("it still runs")
		}
	}
	d.is(false, testVersion)

	// A store that only keeps the mail of closed accounts has no process.
	d.do("L", d.delete("L", mailbox("alice@example.com", nil)), d.delete("L", mailDomain("example.com")))
	if got := d.read("L"); len(got) != 1 || !got["mailbox alice@example.com"].Retained {
		t.Errorf("after the end there is %v", got)
	}
}

func TestStartingTogether(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		p := d.provider("L")
		wg.Go(func() {
			errs[i] = p.Apply(t.Context(), []providers.Change{create(d.process())},
				func(_ providers.Change, _ providers.Observed, err error) error { return err })
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	d.is(true, testVersion)
}

func TestAnotherVersionIsReplaced(t *testing.T) {
	d := newDir(t)
	t.Setenv(versionVariable, "0.9.0")
	d.version = "0.9.0"
	d.start()
	d.do("L", create(mailDomain("example.com")))
	old := d.pid()

	t.Setenv(versionVariable, "")
	d.version = testVersion
	d.is(true, "0.9.0")
	before := d.read("L")["process "+d.path]
	d.do("L", providers.Change{Action: providers.Update, Resource: d.process(), Prior: &before})
	d.is(true, testVersion)
	if d.pid() == old {
		t.Error("it is the old process")
	}
	if _, ok := d.read("L")["maildomain example.com"]; !ok {
		t.Error("what it had is gone")
	}
}

func TestADaemonThatCannotStart(t *testing.T) {
	d := newDir(t)
	t.Setenv(versionVariable, "broken")
	reports, err := d.apply("L", create(d.process()), create(mailDomain("example.com")))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(reports[0].err); !strings.Contains(got, "this binary is broken") || strings.Contains(got, "first line") {
		t.Errorf("the error is %q, want the last line of the log in it", got)
	}
	if reports[1].err == nil || len(d.read("L")) != 0 {
		t.Errorf("the rest of the batch was done: %v", reports[1].err)
	}

	p := &embedded.Provider{Executable: filepath.Join(t.TempDir(), "none"), Version: testVersion}
	p.Configure(t.Context(), providers.Config{Value: cty.NullVal(cty.DynamicPseudoType), Dir: d.path, Lineage: "L"})
	r := d.process()
	r.Key = filepath.Join(d.path, "mail")
	var got error
	if err := p.Apply(t.Context(), []providers.Change{create(r)}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	}); err != nil || !errors.Is(got, os.ErrNotExist) {
		t.Errorf("without a binary: %v, %v", err, got)
	}
}

func TestALongPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12))
	d := dirAt(t, path)
	d.start()
	d.do("L", create(mailDomain("example.com")))
	d.kill(t)
	d.is(false, testVersion)
	d.start()
	d.is(true, testVersion)
	if _, ok := d.read("L")["maildomain example.com"]; !ok {
		t.Error("the domain is not there")
	}
}

func TestThePathComesFromTheConfiguration(t *testing.T) {
	object := func(path cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"data_dir": path}) }
	for name, c := range map[string]struct {
		value cty.Value
		want  string
	}{
		"no block":           {cty.NullVal(cty.DynamicPseudoType), "/conf/mail"},
		"a relative path":    {object(cty.StringVal("../data/./mail")), "/data/mail"},
		"an absolute path":   {object(cty.StringVal("/var/lib/mail/")), "/var/lib/mail"},
		"null":               {object(cty.NullVal(cty.String)), "/conf/mail"},
		"not known":          {object(cty.UnknownVal(cty.String)), "/conf/mail"},
		"a sensitive path":   {object(cty.StringVal("/secret").Mark("sensitive")), "/secret"},
		"a block without it": {cty.EmptyObjectVal, "/conf/mail"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := embedded.DataDir(c.value, "/conf").Path; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// accepts reports whether somebody greets at an address.
func accepts(t *testing.T, address string) bool {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	greeting := make([]byte, 4)
	n, _ := c.Read(greeting)
	return string(greeting[:n]) == "220 "
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	d.start()
	p := freePorts(t, 3)
	first := listener("main", "smtp", list(p[0]), list())
	d.do("L", create(setting("main", nil)), create(first))
	taken, err := net.Listen("tcp", p[2])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	second := listener("main", "submission", list(p[1], p[2]), list())
	reports, err := d.apply("L", create(mailDomain("example.com")), create(second), d.delete("L", first))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range reports {
		if r.err == nil {
			t.Errorf("change %d is reported as done", i)
		}
	}
	if got := fmt.Sprint(reports[1].err); !strings.Contains(got, "main/submission") || !strings.Contains(got, p[2]) || !strings.Contains(got, "in use") {
		t.Errorf("the error is %q: want the listener, the address and the reason", got)
	}
	if got := fmt.Sprint(reports[0].err); !strings.Contains(got, "main/submission") {
		t.Errorf("the error of another change is %q: want the one that was the reason", got)
	}
	if !accepts(t, p[0]) {
		t.Error("the socket of before does not serve any more")
	}
	if accepts(t, p[1]) {
		t.Error("a socket of the refused batch is open")
	}
	if got := d.read("L"); len(got) != 3 {
		t.Errorf("there is %v, want process, setting and listener", got)
	}

	// A daemon that starts while a port is taken runs all the same, and says so.
	d.do("L", create(listener("other", "smtp", list(p[1]), list())))
	d.kill(t)
	blocker, err := net.Listen("tcp", p[1])
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close()
	d.start()
	if !accepts(t, p[0]) {
		t.Error("the free port is not served")
	}
	shown := d.read("L")["listener other/smtp"].Attrs.GetAttr("listen")
	if shown.LengthInt() != 0 {
		t.Errorf("the port that could not be had is shown as open: %#v", shown)
	}
	// Batches that do not speak of that listener go on.
	d.do("L", create(listener("third", "imap", list(), list())))
	blocker.Close()
	eventually(t, "the port is opened once it is free", func() bool { return accepts(t, p[1]) })
	if shown := d.read("L")["listener other/smtp"].Attrs.GetAttr("listen"); shown.LengthInt() != 1 {
		t.Errorf("the port is open and shown as %#v", shown)
	}
}

// deliver puts a message into a mailbox, by way of the store.
func (d *dataDir) deliver(address string) {
	d.t.Helper()
	st := openStore(d.t, d.path)
	defer st.Close()
	res, err := st.Resolve(d.t.Context(), address)
	if err != nil {
		d.t.Fatal(err)
	}
	draft := st.NewDraft(1 << 20)
	defer draft.Close()
	if _, err := draft.Write([]byte("Subject: kept\r\n\r\nHello.\r\n")); err != nil {
		d.t.Fatal(err)
	}
	if err := st.Accept(d.t.Context(), &store.Envelope{Draft: draft, Accounts: res.Accounts, ID: "1", Received: time.Now()}); err != nil {
		d.t.Fatal(err)
	}
}

func TestMailComesBackWithItsMailbox(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"with a running daemon": true, "with the store where it lies": false} {
		t.Run(name, func(t *testing.T) {
			d := newDir(t)
			alice := mailbox("alice@example.com", nil)
			d.do("L", create(setting("main", nil)), create(mailDomain("example.com")), create(alice))
			d.deliver("alice@example.com")
			if running {
				d.start()
			}
			counts := func(o providers.Observed) string {
				return o.Attrs.GetAttr("messages").AsBigFloat().String() + "/" + o.Attrs.GetAttr("bytes").AsBigFloat().String()
			}
			have := d.read("L")["mailbox alice@example.com"]
			if counts(have) != "1/25" {
				t.Fatalf("before: %s", counts(have))
			}
			d.do("L", d.delete("L", alice))
			left := d.read("L")["mailbox alice@example.com"]
			if !left.Retained || counts(left) != "1/25" {
				t.Errorf("closed: retained %v, %s", left.Retained, counts(left))
			}
			if n := left.Attrs.GetAttr("password_hash").LengthInt(); n != 1 {
				t.Errorf("closed: %d verifiers for one that is to come back", n)
			}
			// The old password is good again only where it is declared again.
			locked := mailbox("alice@example.com", attrs{"password_hash": list()})
			back := d.do("L", providers.Change{Action: providers.Create, Resource: locked, Prior: &left})[0]
			if n := back.Attrs.GetAttr("password_hash").LengthInt(); n != 0 {
				t.Errorf("open again without a password: %d verifiers", n)
			}
			if back.Retained || counts(back) != "1/25" || back.Owner != alice.Address {
				t.Errorf("open again: retained %v, %s, owner %q", back.Retained, counts(back), back.Owner)
			}
		})
	}
}

func TestTwoStatesInOneDirectory(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	d.start()
	p := freePorts(t, 2)
	oneListens, otherListens := listener("one", "smtp", list(p[0]), list()), listener("other", "smtp", list(p[1]), list())
	d.do("L", create(setting("one", nil)), create(mailDomain("one.example")), create(mailbox("a@one.example", nil)), create(oneListens))
	d.do("M", create(d.process()), create(setting("other", nil)), create(mailDomain("other.example")), create(otherListens))

	for lineage, own := range map[string]string{"L": "one.example", "M": "other.example"} {
		seen := d.read(lineage)
		for _, name := range []string{"one.example", "other.example"} {
			owner := seen["maildomain "+name].Owner
			if (owner != "") != (name == own) {
				t.Errorf("to %s the owner of %s is %q", lineage, name, owner)
			}
		}
	}
	reports, err := d.apply("M", create(mailDomain("one.example")))
	if err != nil || !errors.Is(reports[0].err, providers.ErrConflict) {
		t.Errorf("creating what the other has: %v, %v", err, reports)
	}
	reports, err = d.apply("M", create(listener("third", "smtp", list(p[0]), list())))
	if err != nil || reports[0].err == nil || !strings.Contains(reports[0].err.Error(), "one/smtp") {
		t.Errorf("taking the port of the other: %v, %v", err, reports)
	}

	// One goes: all of it, and not the process that serves the other.
	d.do("L", d.delete("L", oneListens), d.delete("L", mailbox("a@one.example", nil)), d.delete("L", mailDomain("one.example")),
		d.delete("L", setting("one", nil)), providers.Change{Action: providers.Delete, Resource: d.process()})
	if !accepts(t, p[1]) {
		t.Error("the other is not served any more")
	}
	if accepts(t, p[0]) {
		t.Error("the first is still served")
	}
	d.do("M", d.delete("M", otherListens), d.delete("M", mailDomain("other.example")),
		d.delete("M", setting("other", nil)), providers.Change{Action: providers.Delete, Resource: d.process()})
	if d.pid() != 0 {
		t.Error("the daemon still runs")
	}
}

func TestWhatIsNotStopped(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	d.start()
	d.do("L", create(mailDomain("example.com")))
	stale := providers.Observed{Kind: schema.KindMailDomain, Key: "example.com", Revision: "stale"}
	reports, err := d.apply("L",
		providers.Change{Action: providers.Delete, Resource: mailDomain("example.com"), Prior: &stale},
		providers.Change{Action: providers.Delete, Resource: d.process()})
	if err != nil || !errors.Is(reports[0].err, providers.ErrConflict) || reports[1].err == nil {
		t.Errorf("a batch whose changes were refused: %v, %v", err, reports)
	}
	if d.pid() == 0 {
		t.Error("the daemon was stopped")
	}
	other := d.process()
	other.Key += "/elsewhere"
	if reports, err := d.apply("L", create(other)); err != nil || reports[0].err == nil {
		t.Errorf("the process of another data directory: %v, %v", err, reports)
	}
}

func TestADirectoryInUse(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	st := openStore(t, d.path)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := d.provider("L").Apply(ctx, []providers.Change{create(mailDomain("example.com"))},
		func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another process has the store: %v, want the end of the wait", err)
	}
	// Whoever has it goes away: then it is done.
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(50 * time.Millisecond) // somewhere in the middle of the wait
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	d.do("L", create(mailDomain("example.com")))
	wg.Wait()
}

func TestDamagedAnswers(t *testing.T) {
	t.Parallel()
	d := newDir(t)
	d.do("L", create(mailDomain("example.com")))
	if err := os.WriteFile(filepath.Join(d.path, "mailform.db"), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.provider("L").Read(t.Context(), providers.Scope{}); err == nil || !strings.Contains(err.Error(), d.path) {
		t.Errorf("the error of a damaged store is %v, want its path", err)
	}
	if _, err := admin.NewClient(d.path).Version(t.Context()); !errors.Is(err, admin.ErrNotRunning) {
		t.Error(err)
	}
}
