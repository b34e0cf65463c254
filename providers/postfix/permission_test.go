package postfix_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A user of the machine who may read what Postfix has and not write it can plan. What
// he applies fails with the file that he may not write, and leaves everything as it
// was; whoever may write it does the same afterwards.
func TestWithoutPermission(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setpriv"); err != nil {
		mailtest.Missing(t, "setpriv", err)
	}
	i, s := newInstance(t), hosttest.SSHD(t)
	file, key := s.NewKey(t, "anybody")
	s.Admit(t, key, `restrict,command="exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs -- sh -c \"$SSH_ORIGINAL_COMMAND\""`)
	on, err := host.Open(t.Context(), s.Value(map[string]cty.Value{"private_key_file": cty.StringVal(file)}), s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close() })
	i.apply(t, slices.DeleteFunc(i.everything("alice"), func(c providers.Change) bool {
		return c.Resource.Kind == schema.KindService || c.Resource.Kind == schema.KindSetting // with a key that root alone may read
	})...)
	nobody := func() *postfix.Provider {
		p := i.provider("L").(*postfix.Provider)
		p.Through(on)
		return p
	}
	seen, err := nobody().Read(t.Context(), providers.Scope{})
	if err != nil || len(seen) == 0 {
		t.Fatalf("who may read sees %d things: %v", len(seen), err)
	}
	before := i.tree(t)
	for what, tt := range map[string]struct {
		r    schema.Resource
		file string
	}{
		"a map": {recipient("bob@example.com"), filepath.Join(i.ConfigDir, "mailform")},
		// Whether Postfix runs, and so has to read them, he cannot see either.
		"main.cf":   {parameter("smtpd_helo_required", "yes"), "/pid: "},
		"master.cf": {listener("smtp", strs(i.listens[0]), strs()), "/pid: "},
	} {
		t.Run(what, func(t *testing.T) {
			var got error
			err := nobody().Apply(t.Context(), create(tt.r), func(_ providers.Change, _ providers.Observed, err error) error {
				got = errors.Join(got, err)
				return nil
			})
			if err = errors.Join(err, got); err == nil || !strings.Contains(strings.ToLower(err.Error()), "permission denied") || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("it says: %v", err)
			}
			if now := i.tree(t); now != before {
				t.Errorf("there is now:\n%s\nthere was:\n%s", now, before)
			}
		})
	}
	i.apply(t, create(recipient("bob@example.com"), parameter("smtpd_helo_required", "yes"), listener("smtp", strs(i.listens[0]), strs()))...)
	if err := i.Check(); err != nil {
		t.Error(err)
	}
}

// tree is every file of the instance's configuration with its content.
func (i *instance) tree(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(i.ConfigDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		b.WriteString(path + ":\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
