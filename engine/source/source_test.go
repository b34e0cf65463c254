package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"./a":                               "./a",
		"../a/b":                            "../a/b",
		".":                                 ".",
		"git::https://example.com/mail.git": "git::https://example.com/mail.git",
		"git::https://example.com/mail.git//sub/dir/?ref=v1.2":   "git::https://example.com/mail.git//sub/dir?ref=v1.2",
		"git::https://example.com:8443/a/mail.git?ref=feature/x": "git::https://example.com:8443/a/mail.git?ref=feature/x",
		"git::ssh://git@example.com:22/mail.git":                 "git::ssh://git@example.com:22/mail.git",
		"git::git@github.com:org/repo.git//sub":                  "git::ssh://git@github.com/org/repo.git//sub",
		"git@github.com:org/repo.git":                            "git::ssh://git@github.com/org/repo.git",
		"git::file:///srv/git/mail.git//a/../b?ref=v1":           "git::file:///srv/git/mail.git//b?ref=v1",
		"github.com/org/repo":                                    "git::https://github.com/org/repo.git",
		"github.com/org/repo.git//sub?ref=main":                  "git::https://github.com/org/repo.git//sub?ref=main",
		"github.com/org/repo/sub?ref=main":                       "git::https://github.com/org/repo.git//sub?ref=main",
	} {
		s, err := Parse(text)
		if err != nil || s.String() != want {
			t.Errorf("%s: got %q, %v", text, s, err)
		}
		if again, err := Parse(s.String()); err != nil || again.String() != want {
			t.Errorf("%s is not read again: %v", s, err)
		}
	}
	for text, problem := range map[string]string{
		"":                                             "empty",
		" ./a":                                         "white space",
		"./a\n":                                        "white space",
		"a/b":                                          "./a/b",
		"/a":                                           "begins with ./",
		"hashicorp/consul/aws":                         "no registry",
		"https://example.com/x.git":                    "git::https://example.com/x.git",
		"https://u:p@example.com/x":                    "credentials",
		"git::http://example.com/x":                    "neither encrypted",
		"git::git://example.com/x":                     "neither encrypted",
		"git::ext::sh -c x":                            "a URL with https, ssh or file",
		"git::ext://sh/x":                              "none of https, ssh and file",
		"git::https://example.com":                     "names no repository",
		"git::https:///x.git":                          "no host",
		"git::file://host/x.git":                       "absolute path",
		"git::file:///":                                "names no repository",
		"git::--upload-pack=x":                         "a URL",
		"git::ssh://-oProxyCommand=x/y.git":            "dash",
		"git::ssh://-x@example.com/y.git":              "dash",
		"git::ssh://example.com/-x.git":                "dash",
		"git::-x@example.com:y.git":                    "a URL",
		"git::https://u:p@example.com/x.git":           "credentials",
		"git::https://u@example.com/x.git":             "credentials",
		"git::https://u:p%zz@example.com/x.git":        "credentials",
		"git::https://example.com/x.git?ref=--x":       "no name",
		"git::https://example.com/x.git?ref=-x":        "no name",
		"git::https://example.com/x.git?ref=a..b":      "no name",
		"git::https://example.com/x.git?ref=a@{1}":     "no name",
		"git::https://example.com/x.git?ref=%2Bmain:x": "no name",
		"git::https://example.com/x.git?ref=":          "no name",
		"git::https://example.com/x.git?ref=a&ref=b":   "more than one",
		"git::https://example.com/x.git?depth=1":       "there is only ref",
		"git::https://example.com/x.git//../y":         "does not lie",
		"git::https://example.com/x.git//a/../../y":    "does not lie",
		"github.com/org":                               "ORG/REPO",
		"git::https://example.com/x.git#frag":          "not well formed",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(text, "u:p") && (!errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "u:p")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is read is never an option, and reads the same again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"./a", "git::https://example.com/x.git//sub?ref=v1", "github.com/a/b", "git@example.com:a/b.git", "git::ssh://-x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil || s.Git == nil {
			return
		}
		if strings.HasPrefix(s.Git.URL, "-") || strings.HasPrefix(s.Git.Ref, "-") || !filepath.IsLocal("x/"+s.Git.Sub) || strings.ContainsAny(s.Git.Ref, " :~^?*[\\") {
			t.Errorf("%q became %#v", text, s.Git)
		}
		again, err := Parse(s.String())
		if err != nil || *again.Git != *s.Git {
			t.Errorf("%q became %q, and that %v, %v", text, s, again.Git, err)
		}
	})
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, err := ReadLock(dir)
	if err != nil || len(l.Modules) != 0 {
		t.Fatalf("%v, %v", l, err)
	}
	if changed, err := l.Write(dir); changed || err != nil {
		t.Errorf("an empty lock is written: %v", err)
	}
	l.Modules["git::https://example.com/${x}%{y}\".git"] = Locked{strings.Repeat("a", 40), "sha256:" + strings.Repeat("0", 64)}
	l.Modules["git::https://example.com/b.git?ref=v1"] = Locked{strings.Repeat("b", 64), "sha256:" + strings.Repeat("1", 64)}
	for _, want := range []bool{true, false} {
		if changed, err := l.Write(dir); changed != want || err != nil {
			t.Errorf("changed: %v, %v", changed, err)
		}
	}
	again, err := ReadLock(dir)
	if err != nil || again.Differs(l) != "" || l.Differs(again) != "" || len(again.Modules) != 2 {
		t.Errorf("%v, %v", again, err)
	}
	delete(again.Modules, "git::https://example.com/b.git?ref=v1")
	if l.Differs(again) == "" || again.Differs(l) == "" {
		t.Error("a module less is no difference")
	}
	l.Modules = nil
	if changed, err := l.Write(dir); !changed || err != nil {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, LockName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock of nothing is there: %v", err)
	}
	for name, text := range map[string]string{
		"no hcl":           "module {",
		"no commit":        `module "x" { hash = "sha256:0" }`,
		"another commit":   `module "x" {` + "\n commit = \"main\"\n hash = \"sha256:" + strings.Repeat("0", 64) + "\"\n}",
		"another argument": `module "x" { y = 1 }`,
		"too deep":         "a = " + strings.Repeat("[", 1<<15),
		"no text":          "\x00",
	} {
		if _, err := parseLock([]byte(text)); err == nil || !strings.Contains(err.Error(), LockName) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLock(f *testing.F) {
	f.Add([]byte("module \"x\" {\n commit = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n hash = \"sha256:0\"\n}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := parseLock(src)
		if err != nil {
			return
		}
		again, err := parseLock(l.encode())
		if err != nil || again.Differs(l) != "" || l.Differs(again) != "" {
			t.Errorf("%s\n%v", l.encode(), err)
		}
	})
}

func TestHash(t *testing.T) {
	make := func(prepare func(dir string) error) (string, error) {
		dir := t.TempDir()
		for name, text := range map[string]string{"a.mf.hcl": "1", "sub/b.mf.hcl": "2"} {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if prepare != nil {
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
		}
		return Hash(dir)
	}
	first, err := make(nil)
	if err != nil || !hashes.MatchString(first) {
		t.Fatalf("%q, %v", first, err)
	}
	if second, _ := make(nil); second != first {
		t.Error("equal directories have different hashes")
	}
	for name, prepare := range map[string]func(string) error{
		"another content": func(dir string) error { return os.WriteFile(filepath.Join(dir, "a.mf.hcl"), []byte("2"), 0o644) },
		"another name": func(dir string) error {
			return os.Rename(filepath.Join(dir, "a.mf.hcl"), filepath.Join(dir, "c.mf.hcl"))
		},
		"one more":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "c"), nil, 0o644) },
		"executable": func(dir string) error { return os.Chmod(filepath.Join(dir, "a.mf.hcl"), 0o755) },
		"a link":     func(dir string) error { return os.Symlink("../a.mf.hcl", filepath.Join(dir, "sub/c")) },
	} {
		if got, err := make(prepare); err != nil || got == first {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, to := range []string{"/etc/passwd", "../../x", "..", "x/../../y", "sub/../../x", "sub/../a.mf.hcl"} {
		if _, err := make(func(dir string) error { return os.Symlink(to, filepath.Join(dir, "link")) }); err == nil {
			t.Errorf("a link to %s is taken", to)
		}
	}
}
