package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// prior is a scope that knows a process of the last apply.
func prior(dir string) providers.Scope {
	return providers.Scope{Prior: []schema.ID{{Target: "embedded", Kind: schema.KindProcess, Key: dir}}}
}

func configured(t *testing.T, value cty.Value, dir string) *embedded.Provider {
	t.Helper()
	p := &embedded.Provider{Version: testVersion}
	if diags := p.Configure(t.Context(), providers.Config{Value: value, Dir: dir}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func dataDirIs(path string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"data_dir": cty.StringVal(path)})
}

func TestAnotherDataDirectory(t *testing.T) {
	t.Run("is refused while the old one holds a store", func(t *testing.T) {
		old := t.TempDir()
		openStore(t, old)
		_, err := configured(t, dataDirIs("new"), t.TempDir()).Read(t.Context(), prior(old))
		if err == nil || !strings.Contains(err.Error(), old) || !strings.Contains(err.Error(), "mailform stop") {
			t.Errorf("error %v, want one that names %s and says what to do", err, old)
		}
	})
	t.Run("is taken when the old one was moved there", func(t *testing.T) {
		dir := t.TempDir()
		openStore(t, filepath.Join(dir, "new"))
		if _, err := configured(t, dataDirIs("new"), dir).Read(t.Context(), prior(filepath.Join(dir, "old"))); err != nil {
			t.Error(err)
		}
	})
	t.Run("is none when it is the same by another name", func(t *testing.T) {
		dir := t.TempDir()
		openStore(t, filepath.Join(dir, "mail"))
		if err := os.Symlink("mail", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if _, err := configured(t, dataDirIs("link"), dir).Read(t.Context(), prior(filepath.Join(dir, "mail"))); err != nil {
			t.Error(err)
		}
	})
	t.Run("is not guessed for a provider that has left the files", func(t *testing.T) {
		old, dir := t.TempDir(), t.TempDir()
		openStore(t, filepath.Join(dir, "mail")) // that of another provider
		p := configured(t, cty.NullVal(cty.DynamicPseudoType), dir)
		st, err := store.Open(t.Context(), old, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		attrs := []byte(`{"name":"example.com"}`)
		_, err = st.ApplyChanges(t.Context(), []admin.Change{{Action: "create", Kind: schema.KindMailDomain, Key: "example.com", Attrs: attrs}})
		if err := errors.Join(err, st.Close()); err != nil {
			t.Fatal(err)
		}
		list, err := p.Read(t.Context(), prior(old))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if o.Kind == schema.KindProcess && o.Key == old {
				return
			}
		}
		t.Errorf("read %v, want the process of %s", list, old)
	})
	t.Run("that others use is refused before anything is planned", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := configured(t, dataDirIs("."), dir).Read(t.Context(), providers.Scope{})
		if !errors.Is(err, store.ErrForeign) {
			t.Errorf("error %v, want ErrForeign", err)
		}
	})
}

func TestDaemonEndsWithItsDataDirectory(t *testing.T) {
	d := dirAt(t, filepath.Join(t.TempDir(), "mail"))
	d.start()
	pid := d.pid()
	if err := os.RemoveAll(d.path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon ends", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}
