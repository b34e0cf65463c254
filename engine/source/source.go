package source

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// A Source is where a module's files come from: a directory beside the one that
// calls it, or one in a git repository.
type Source struct {
	// Local is a relative path that begins with ./ or ../; empty for git.
	Local string
	// Git is nil for a local path.
	Git *Repository
}

// A Repository is a place in a git repository.
type Repository struct {
	// URL as git takes it: https, ssh or file.
	URL string
	// Sub is the directory within the repository, clean and relative; empty for
	// its root.
	Sub string
	// Ref is a branch, a tag or a commit; empty for the default branch.
	Ref string
}

// String is the source as it is written.
func (s Source) String() string {
	if s.Git == nil {
		return s.Local
	}
	return s.Git.Package().string("//" + s.Git.Sub)
}

// Package is the repository as a whole: what is fetched, locked and hashed.
func (r Repository) Package() Repository { r.Sub = ""; return r }

// String is the package as the lock file names it.
func (r Repository) String() string { return r.string("//" + r.Sub) }

func (r Repository) string(sub string) string {
	s := "git::" + r.URL
	if sub != "//" {
		s += sub
	}
	if r.Ref != "" {
		s += "?ref=" + r.Ref
	}
	return s
}

// scpLike is the short form of an ssh address: git@github.com:org/repo.git.
var scpLike = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^:]+)$`)

// ErrCredentials is the error for a source that holds a password, which must not
// be shown.
var ErrCredentials = errors.New("its URL holds credentials, which would stand in files and messages. Leave them to git: a credential helper, or an ssh key")

// Parse reads the argument source. The error says what is wrong in words that
// follow "the source … cannot be used:".
func Parse(s string) (Source, error) {
	switch {
	case s == "":
		return Source{}, errors.New("it is empty")
	case s != strings.TrimSpace(s) || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return Source{}, errors.New("it holds white space or control characters where none belong")
	case s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../"):
		return Source{Local: s}, nil
	case strings.HasPrefix(s, "git::"):
		return parseGit(strings.TrimPrefix(s, "git::"))
	case strings.HasPrefix(s, "github.com/"):
		return parseGitHub(s)
	case strings.HasPrefix(s, "git@"):
		return parseGit(s)
	case strings.Contains(s, "://") && strings.Contains(s, "@") && !strings.HasPrefix(s, "ssh://"):
		return Source{}, ErrCredentials
	case strings.HasPrefix(s, "https://"), strings.HasPrefix(s, "ssh://"), strings.HasPrefix(s, "file://"):
		return Source{}, fmt.Errorf("modules come out of git repositories, and that is said in front: git::%s", s)
	case strings.HasPrefix(s, "/"):
		return Source{}, errors.New("a local path is relative to the module that calls: it begins with ./ or ../")
	}
	return Source{}, fmt.Errorf("it is neither a local path, which begins with ./ or ../ (\"./%s\"), nor a git repository (\"git::https://example.com/mail.git?ref=v1\", \"github.com/org/repo\"); there is no registry of modules", s)
}

// parseGitHub reads github.com/org/repo//sub?ref=v1.
func parseGitHub(s string) (Source, error) {
	rest, query, _ := strings.Cut(s, "?")
	rest, sub, _ := strings.Cut(rest, "//")
	parts := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if len(parts) > 3 { // github.com/org/repo/sub, as Terraform takes it
		sub = path.Join(append(parts[3:], sub)...)
		parts = parts[:3]
	}
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return Source{}, errors.New("a module at GitHub is named github.com/ORG/REPO")
	}
	text := "https://" + strings.TrimSuffix(strings.Join(parts, "/"), ".git") + ".git"
	if sub != "" {
		text += "//" + sub
	}
	if query != "" {
		text += "?" + query
	}
	return parseGit(text)
}

// parseGit reads what follows git::.
func parseGit(s string) (Source, error) {
	rest, query, _ := strings.Cut(s, "?")
	r := &Repository{}
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		var sub string
		after, sub, _ = strings.Cut(after, "//")
		if scheme == "file" && strings.HasPrefix(sub, "/") {
			return Source{}, errors.New("its path has more than two slashes in a row")
		}
		rest, r.Sub = scheme+"://"+after, sub
	} else {
		m := scpLike.FindStringSubmatch(rest)
		if m == nil {
			return Source{}, errors.New("a git repository is named by a URL with https, ssh or file")
		}
		p, sub, _ := strings.Cut(m[3], "//")
		rest, r.Sub = "ssh://"+m[1]+"@"+m[2]+"/"+strings.TrimPrefix(p, "/"), sub
	}
	if err := r.parseURL(rest); err != nil {
		return Source{}, err
	}
	if r.Sub != "" {
		clean := path.Clean(r.Sub)
		if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(clean, "\\") {
			return Source{}, fmt.Errorf("the directory %q behind // does not lie in the repository", r.Sub)
		}
		if r.Sub = clean; clean == "." {
			r.Sub = ""
		}
	}
	return Source{Git: r}, r.parseQuery(query)
}

func (r *Repository) parseURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		if strings.Contains(text, "@") { // nobody knows what stands before it
			return ErrCredentials
		}
		return errors.New("its URL is not well formed")
	}
	if _, has := u.User.Password(); has || u.User != nil && u.Scheme != "ssh" {
		return ErrCredentials
	}
	switch u.Scheme {
	case "https", "ssh":
		if u.Hostname() == "" {
			return errors.New("its URL names no host")
		}
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return errors.New("a repository in a directory is named by an absolute path: git::file:///srv/git/mail.git")
		}
	case "http", "git":
		return fmt.Errorf("%s is neither encrypted nor authenticated; use https or ssh", u.Scheme)
	default:
		return fmt.Errorf("the scheme %q is none of https, ssh and file", u.Scheme)
	}
	// What begins with a dash could be taken for an option by one of the
	// programs that git starts.
	user := ""
	if u.User != nil {
		user = u.User.Username()
	}
	if strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(user, "-") || strings.HasPrefix(strings.TrimPrefix(u.Path, "/"), "-") {
		return errors.New("a part of its URL begins with a dash")
	}
	if strings.Trim(u.Path, "/") == "" {
		return errors.New("its URL names no repository")
	}
	r.URL = text
	return nil
}

// refs are the names of branches, tags and commits that are taken: a part of
// what git allows (git-check-ref-format).
var refs = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+@/-]*$`)

func (r *Repository) parseQuery(query string) error {
	if query == "" {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows ? is not well formed")
	}
	for name, list := range values {
		if name != "ref" {
			return fmt.Errorf("behind ? it says %q; there is only ref, a branch, a tag or a commit", name)
		}
		if len(list) != 1 {
			return errors.New("it has more than one ref")
		}
		ref := list[0]
		if len(ref) > 255 || !refs.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//") || strings.HasSuffix(ref, ".lock") {
			return fmt.Errorf("%q is no name of a branch, a tag or a commit", ref)
		}
		r.Ref = ref
	}
	return nil
}
