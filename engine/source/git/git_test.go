package git

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/source"
)

// program runs git for a test, as nobody in particular.
func program(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is not installed")
		}
		t.Skip("git is not installed")
	}
	cmd := exec.Command("git", append([]string{"-c", "init.defaultBranch=main", "-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgSign=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GIT_") }), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repositoryOf makes a bare repository whose branch main has two commits, the
// first with the tag v1, and returns its URL and the commits.
func repositoryOf(t *testing.T) (url string, commits []string) {
	t.Helper()
	dir := t.TempDir()
	work, bare := filepath.Join(dir, "work"), filepath.Join(dir, "mail.git")
	program(t, dir, "init", "-q", work)
	for i, text := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(work, "main.mf.hcl"), []byte("# "+text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		program(t, work, "add", ".")
		program(t, work, "commit", "-qm", text)
		if i == 0 {
			program(t, work, "tag", "-a", "-m", "v1", "v1")
		}
		commits = append(commits, program(t, work, "rev-parse", "HEAD"))
	}
	program(t, dir, "clone", "-q", "--bare", work, bare)
	return "file://" + bare, commits
}

func TestFetch(t *testing.T) {
	url, commits := repositoryOf(t)
	for name, c := range map[string]struct {
		ref    string
		locked int // index of the commit that is locked; -1: none
		want   int
	}{
		"the default branch":              {"", -1, 1},
		"a branch":                        {"main", -1, 1},
		"a tag":                           {"v1", -1, 0},
		"a commit":                        {commits[0], -1, 0},
		"a commit by its beginning":       {commits[0][:10], -1, 0},
		"a locked commit, not the branch": {"main", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "modules", "mail")
			if err := os.MkdirAll(filepath.Join(dir, "left"), 0o755); err != nil {
				t.Fatal(err)
			}
			var want source.Locked
			if c.locked >= 0 {
				want.Commit = commits[c.locked]
			}
			got, err := Fetch(context.Background(), source.Repository{URL: url, Ref: c.ref}, want, dir)
			if err != nil || got.Commit != commits[c.want] {
				t.Fatalf("%v, %v", got, err)
			}
			entries, _ := os.ReadDir(dir)
			if len(entries) != 1 || entries[0].Name() != "main.mf.hcl" {
				t.Errorf("there is %v", entries)
			}
			if hash, err := source.Hash(dir); hash != got.Hash || err != nil {
				t.Errorf("%s, %v", hash, err)
			}
			if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
				t.Errorf("something is left: %v", around)
			}
		})
	}
}

// What fails leaves in place what was there.
func TestFetchThatFails(t *testing.T) {
	url, commits := repositoryOf(t)
	dir := filepath.Join(t.TempDir(), "modules", "mail")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    source.Repository
		want source.Locked
		text string
	}{
		"no such repository": {r: source.Repository{URL: "file:///nonexistent/mail.git"}, text: "does not appear to be a git repository"},
		"no such ref":        {r: source.Repository{URL: url, Ref: "v9"}, text: "v9"},
		"no such commit":     {r: source.Repository{URL: url}, want: source.Locked{Commit: strings.Repeat("a", 40)}, text: strings.Repeat("a", 40)},
		"another content":    {r: source.Repository{URL: url}, want: source.Locked{Commit: commits[0], Hash: "sha256:0"}, text: "lock file"},
		"cancelled":          {ctx: cancelled, r: source.Repository{URL: url}, text: "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = context.Background()
			}
			_, err := Fetch(c.ctx, c.r, c.want, dir)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "old")); err != nil {
				t.Error(err)
			}
			if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
				t.Errorf("something is left: %v", around)
			}
		})
	}
}

// Nothing in a repository makes git do more than fetch: no hooks, no submodules,
// no links out of it, no filters of its own.
func TestHostileRepository(t *testing.T) {
	dir := t.TempDir()
	work, mark := filepath.Join(dir, "work"), filepath.Join(dir, "mark")
	program(t, dir, "init", "-q", work)
	for name, text := range map[string]string{
		"main.mf.hcl":    "",
		".gitattributes": "*.mf.hcl filter=evil\n",
		".gitmodules":    "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% " + mark + "\n",
		".gitconfig":     "[filter \"evil\"]\n\tsmudge = touch " + mark + "\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program(t, work, "add", ".")
	program(t, work, "commit", "-qm", "one")
	// A template with a hook, such as an administrator may have set up.
	template := filepath.Join(dir, "template")
	if err := os.MkdirAll(filepath.Join(template, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(template, "hooks", "post-checkout"), []byte("#!/bin/sh\ntouch "+mark+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_TEMPLATE_DIR", template)
	t.Setenv("GIT_DIR", filepath.Join(dir, "elsewhere")) // as within a hook of git itself
	to := filepath.Join(dir, "modules", "mail")
	if _, err := Fetch(context.Background(), source.Repository{URL: "file://" + work}, source.Locked{}, to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("something of the repository was run")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(work, "names")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", "")
	program(t, work, "add", ".")
	program(t, work, "commit", "-qm", "two")
	if _, err := Fetch(context.Background(), source.Repository{URL: "file://" + work}, source.Locked{}, to); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("%v", err)
	}
}

// The environment cannot lead git elsewhere, and git cannot ask.
func TestEnvironment(t *testing.T) {
	got := environment([]string{"PATH=/bin", "GIT_DIR=/x", "GIT_ASKPASS=/x", "GIT_PROXY_COMMAND=x", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/root"}, "https")
	for _, kv := range []string{"PATH=/bin", "HOME=/root", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https", "GIT_SSH_COMMAND=ssh -oBatchMode=yes"} {
		if !slices.Contains(got, kv) {
			t.Errorf("%s is missing", kv)
		}
	}
	for _, kv := range []string{"GIT_DIR=/x", "GIT_ASKPASS=/x", "GIT_PROXY_COMMAND=x"} {
		if slices.Contains(got, kv) {
			t.Errorf("%s is there", kv)
		}
	}
	if got := environment([]string{"GIT_SSH_COMMAND=ssh -i key"}, "ssh"); slices.Contains(got, "GIT_SSH_COMMAND=ssh -oBatchMode=yes") || !slices.Contains(got, "GIT_SSH_COMMAND=ssh -i key") {
		t.Errorf("%v", got)
	}
}

func TestNoGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Fetch(context.Background(), source.Repository{URL: "file:///x"}, source.Locked{}, filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrNoGit) {
		t.Errorf("%v", err)
	}
}
