package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCheckDir(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  error
	}{
		"an empty directory will do":             {},
		"so will what a first start left behind": {files: []string{"lock", "mailform.log", "tmp", "tls"}},
		"and a fresh volume":                     {files: []string{"lost+found"}},
		"a store may have company":               {files: []string{"mailform.db", "note.txt"}},
		"a home is none":                         {files: []string{"tmp", ".profile"}, want: ErrForeign},
		"nor is a configuration's directory":     {files: []string{"main.mf.hcl"}, want: ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := CheckDir(dir); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	t.Run("a missing one is made", func(t *testing.T) {
		if err := CheckDir(filepath.Join(t.TempDir(), "mail")); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing of others is touched", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		precious := filepath.Join(dir, "tmp", "precious")
		if err := os.Mkdir(filepath.Dir(precious), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{precious, filepath.Join(dir, "other")} {
			if err := os.WriteFile(f, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrForeign) {
			t.Errorf("error %v, want ErrForeign", err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o755 {
			t.Errorf("the mode is %v now (%v)", st.Mode(), err)
		}
	})
}

func TestIntact(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(dir string) error
		want error
	}{
		"nothing happened":           {do: func(string) error { return nil }},
		"the directory was moved":    {do: func(dir string) error { return os.Rename(dir, dir+"2") }},
		"the directory was removed":  {do: os.RemoveAll, want: ErrRemoved},
		"the database was removed":   {do: func(dir string) error { return os.Remove(filepath.Join(dir, databaseFile)) }, want: ErrRemoved},
		"another lock lies there":    {do: func(dir string) error { return replace(filepath.Join(dir, lockFile)) }, want: ErrRemoved},
		"a backup was put in place":  {do: func(dir string) error { return replace(filepath.Join(dir, databaseFile)) }, want: ErrRemoved},
		"something else was removed": {do: func(dir string) error { return os.RemoveAll(filepath.Join(dir, tmpDir)) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mail")
			s, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if err := c.do(dir); err != nil {
				t.Fatal(err)
			}
			if err := s.Intact(); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// replace puts another file in the place of one.
func replace(path string) error {
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
