package sendmail_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
	"golang.org/x/sys/unix"
)

// Where a change cannot be made, the service goes on as it was, nothing is half-written,
// the error says why, and the next apply does it: on a disk that is full, with a file
// that nobody may change, with a source that m4 or Sendmail does not take.
func TestTheOldServiceGoesOn(t *testing.T) {
	t.Parallel()
	s, k := mailtest.Sendmail(t), newKeeper(t)
	path := func(name string) string { return filepath.Join(s.ConfigDir, name) }
	small := onSmallDisk(t, s.ConfigDir)
	smtp := porttest.Addr(t)
	is := setting("mail.example.com")
	apply(t, s, providers.Create, is, delivery(k.addr, ""), service(), domain("example.com"), recipient("alice@example.com"), listener("smtp", []string{smtp}, nil))
	waitFor(t, smtp)
	names := []string{"sendmail.cf", "sendmail.mc", "mailform/mailform.m4", "mailform/ledger.json"}
	hosts := []string{"mx1.example.com", "mx2.example.com", "mx3.example.com", "mx4.example.com"}
	for i, c := range []struct {
		about, says string
		// break has it fail, and returns what ends that.
		breaks func() (func(), error)
	}{
		{"a full disk", "no space left on device", func() (func(), error) {
			if small != nil {
				return nil, small
			}
			return fill(s.ConfigDir)
		}},
		{"a file that nobody may change", "sendmail.cf", func() (func(), error) {
			out, err := exec.Command("chattr", "+i", path("sendmail.cf")).CombinedOutput()
			if err != nil {
				return nil, errors.New(string(out))
			}
			mend := func() { _ = exec.Command("chattr", "-i", path("sendmail.cf")).Run() }
			t.Cleanup(mend)
			return mend, nil
		}},
		{"a source that m4 does not take", "m4", func() (func(), error) {
			text := content(t, path("sendmail.mc"))
			appendTo(t, path("sendmail.mc"), "include(`/no/such/file.m4')dnl\n")
			younger(t, path("sendmail.mc"))
			return func() { replace(t, path("sendmail.mc"), text) }, nil
		}},
		{"a source that Sendmail does not take", "NoSuchOption", func() (func(), error) {
			text := content(t, path("sendmail.mc"))
			appendTo(t, path("sendmail.mc"), "LOCAL_CONFIG\nO NoSuchOption=1\n")
			younger(t, path("sendmail.mc"))
			return func() { replace(t, path("sendmail.mc"), text) }, nil
		}},
	} {
		t.Run(c.about, func(t *testing.T) {
			mend, err := c.breaks()
			if err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			before := map[string]string{}
			for _, name := range names {
				before[name] = content(t, path(name))
			}
			was := observed(t, s)["setting main"]
			change := providers.Change{Action: providers.Update, Resource: setting(hosts[i]), Prior: &was}
			var told error
			err = provider(t, s, "L").Apply(t.Context(), []providers.Change{change}, func(_ providers.Change, _ providers.Observed, err error) error {
				told = err
				return nil
			})
			if err := errors.Join(err, told); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
				t.Errorf("the error is %v, and does not say %s", err, c.says)
			}
			for _, name := range names {
				if content(t, path(name)) != before[name] {
					t.Errorf("%s is another one", name)
				}
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			if out := swaks(t, smtp, "--from", "a@remote.test", "--to", "alice@example.com"); !strings.Contains(out, "Message accepted for delivery") {
				t.Errorf("mail for alice: %s", out)
			}
			k.takes(t, "alice@example.com")
			mend()
			apply(t, s, providers.Update, setting(hosts[i]))
			if o := observed(t, s)["setting main"]; o.Owner != is.Address || o.Attrs.GetAttr("hostname").AsString() != hosts[i] {
				t.Errorf("afterwards the setting is %#v", o)
			}
			leftOver(t, s.ConfigDir)
		})
	}
	if o, there := observed(t, s)[schema.KindListener+" main/smtp"]; !there {
		t.Errorf("the listener is %#v", o)
	}
}

// onSmallDisk has a directory be on a disk of its own; the error says why it is not.
func onSmallDisk(t *testing.T, dir string) error {
	t.Helper()
	beside := dir + ".was"
	if err := os.Rename(dir, beside); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=755")
	if err == nil {
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	if out, cerr := exec.Command("cp", "-a", beside+"/.", dir).CombinedOutput(); cerr != nil {
		t.Fatalf("%v: %s", cerr, out)
	}
	return err
}

// fill leaves no room on the disk of a directory.
func fill(dir string) (func(), error) {
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return nil, err
	}
	for size := 1 << 20; size > 0; { // a whole page more has to find no room
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		return nil, err
	}
	return func() { _ = os.Remove(ballast) }, f.Close()
}

// leftOver expects no files that were begun and not put in their place.
func leftOver(t *testing.T, dir string) {
	t.Helper()
	for _, in := range []string{dir, filepath.Join(dir, "mailform")} {
		entries, err := os.ReadDir(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || e.Name() == "unfinished.json" {
				t.Errorf("%s has %s", in, e.Name())
			}
		}
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
