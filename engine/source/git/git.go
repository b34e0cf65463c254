// Package git fetches modules out of git repositories, with the git program.
//
// [Fetch] is all there is. The program is run so that nothing in a repository,
// a URL or a name can make it do anything but fetch: no shell, no options out of
// data, no protocol but the one of the URL, no hooks, no submodules, no prompt.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mailform/mailform/engine/source"
)

// ErrNoGit is the error where there is no git program.
var ErrNoGit = errors.New("the program git is not installed, or not in the PATH")

var commitID = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// ErrContent is the error for a repository whose content at a locked commit is
// not what was locked.
var ErrContent = errors.New("its content is not what the lock file says")

// Unfinished is the pattern of names of directories that a fetch works in, beside
// the one that it fills. One that was killed leaves its own behind.
const Unfinished = ".fetch-*"

// Fetch puts the content of a repository at its ref, or as it is locked where
// want is not empty, into a directory, whose content it replaces. Nothing is left
// of a fetch that fails. What is in place then has no history and no .git.
func Fetch(ctx context.Context, r source.Repository, want source.Locked, dir string) (source.Locked, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return source.Locked{}, ErrNoGit
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return source.Locked{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), Unfinished)
	if err != nil {
		return source.Locked{}, err
	}
	defer os.RemoveAll(tmp) // of no use to anyone; what is in place is elsewhere by then
	g := repository{program: program, dir: filepath.Join(tmp, "module"), scheme: r.URL[:strings.Index(r.URL, "://")]}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return source.Locked{}, err
	}
	got, err := g.fetch(ctx, r, want.Commit)
	if err != nil {
		return source.Locked{}, fmt.Errorf("fetch %s: %w", r.URL, err)
	}
	if err := os.RemoveAll(filepath.Join(g.dir, ".git")); err != nil {
		return source.Locked{}, err
	}
	hash, err := source.Hash(g.dir)
	if err != nil {
		return source.Locked{}, fmt.Errorf("fetch %s: %w", r.URL, err)
	}
	if want.Hash != "" && hash != want.Hash {
		return source.Locked{}, fmt.Errorf("fetch %s: commit %s: %w: %s, and not %s", r.URL, got, ErrContent, hash, want.Hash)
	}
	if err := os.RemoveAll(dir); err != nil {
		return source.Locked{}, err
	}
	return source.Locked{Commit: got, Hash: hash}, os.Rename(g.dir, dir)
}

// A repository is one that is being fetched.
type repository struct {
	program, dir, scheme string
}

// fetch checks out a ref or a commit, and says which commit it is.
func (g *repository) fetch(ctx context.Context, r source.Repository, commit string) (string, error) {
	if _, err := g.run(ctx, "init", "-q", "--template="); err != nil {
		return "", err
	}
	want := commit
	if want == "" {
		want = r.Ref
	}
	if want == "" {
		want = "HEAD"
	}
	_, err := g.run(ctx, "fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", r.URL, want)
	at := "FETCH_HEAD"
	if err != nil && (commitID.MatchString(want) || isHex(want)) && ctx.Err() == nil {
		// Not every server hands out a commit by its name alone.
		_, again := g.run(ctx, "fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", r.URL,
			"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/remotes/tags/*")
		if again == nil {
			err, at = nil, want
		}
	}
	if err != nil {
		return "", err
	}
	out, err := g.run(ctx, "rev-parse", "--verify", "-q", "--end-of-options", at+"^{commit}")
	got := strings.TrimSpace(out)
	if err != nil || !commitID.MatchString(got) {
		return "", fmt.Errorf("there is no commit %s in it", want)
	}
	if commit != "" && got != commit {
		return "", fmt.Errorf("asked for the commit %s, it gave %s", commit, got)
	}
	_, err = g.run(ctx, "-c", "advice.detachedHead=false", "checkout", "-q", "--detach", got)
	return got, err
}

// isHex reports whether a ref may be a commit by the beginning of its name.
func isHex(ref string) bool {
	return len(ref) >= 7 && strings.Trim(ref, "0123456789abcdef") == ""
}

// maxOutput bounds what is shown of an error of git, in bytes.
const maxOutput = 2000

// run runs git in the new repository.
func (g *repository) run(ctx context.Context, args ...string) (string, error) {
	settings := []string{
		"-c", "protocol.allow=never", "-c", "protocol." + g.scheme + ".allow=always", "-c", "protocol.ext.allow=never",
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false",
		"-c", "core.autocrlf=false", "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
	}
	cmd := exec.CommandContext(ctx, g.program, append(settings, args...)...)
	cmd.Dir = g.dir
	cmd.Env = environment(os.Environ(), g.scheme)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		text := strings.TrimSpace(stderr.String())
		if len(text) > maxOutput {
			text = text[:maxOutput] + "…"
		}
		if text == "" {
			return "", fmt.Errorf("git %s: %w", verb(args), err)
		}
		return "", fmt.Errorf("git says: %s", text)
	}
	return stdout.String(), nil
}

// verb is the command among the arguments of git.
func verb(args []string) string {
	if args[0] == "-c" {
		return args[2]
	}
	return args[0]
}

// environment is ours without what would lead git to another repository or let
// it ask, and with what keeps it to one protocol.
func environment(environ []string, scheme string) []string {
	out := make([]string, 0, len(environ)+6)
	ssh := false
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "GIT_SSH_COMMAND" || name == "GIT_SSH":
			ssh = true
		case name == "GIT_CONFIG_GLOBAL" || name == "GIT_CONFIG_SYSTEM" || name == "GIT_CONFIG_NOSYSTEM",
			strings.HasPrefix(name, "GIT_CONFIG_COUNT"), strings.HasPrefix(name, "GIT_CONFIG_KEY_"), strings.HasPrefix(name, "GIT_CONFIG_VALUE_"),
			strings.HasPrefix(name, "GIT_SSL_"), strings.HasPrefix(name, "GIT_HTTP_"):
		case strings.HasPrefix(name, "GIT_") || name == "SSH_ASKPASS" || name == "LC_ALL":
			continue
		}
		out = append(out, kv)
	}
	if !ssh {
		out = append(out, "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
	}
	return append(out, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GIT_ALLOW_PROTOCOL="+scheme,
		"GIT_LFS_SKIP_SMUDGE=1", "GIT_NO_REPLACE_OBJECTS=1", "LC_ALL=C")
}
