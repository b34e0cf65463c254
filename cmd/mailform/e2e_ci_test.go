package main

// What the tests of examples/pipelines share: runners, which begin with nothing
// but a checkout, and the server that they talk to.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// readYAML decodes an example as JSON is decoded.
func readYAML(t testing.TB, file string, into any) {
	t.Helper()
	v, err := yaml.Standard.Unmarshal([]byte(readFile(t, "../../examples/pipelines/"+file)), cty.DynamicPseudoType)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// A ci is a repository and the machine of the mail server beside it: its runners
// come and go, the services stay.
type ci struct {
	*world
	repo      map[string]string // files of the repository, by path
	tools     string            // a folder with the programs that a runner has
	artifacts string            // what jobs hand to others
	server    *forge
}

// The tokens of a forge.
const (
	readToken  = "token-that-reads"
	writeToken = "token-that-writes"
)

// newCI is a repository with the quickstart in mail/, and the given text for
// where its state is.
func newCI(t *testing.T, backend string) *ci {
	t.Helper()
	need(t, "jq")
	need(t, "curl")
	conftest := need(t, "conftest")
	c := &ci{world: newWorld(t, nil), tools: t.TempDir(), artifacts: t.TempDir(), server: newForge(t)}
	for name, program := range map[string]string{"mailform": binary, "conftest": conftest} {
		if err := os.Symlink(program, filepath.Join(c.tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	main := strings.Replace(quickstart(t), `"./mail"`, fmt.Sprintf("%q", filepath.Join(c.dir, "mail")), 1)
	c.repo = map[string]string{
		"mail/main.mf.hcl":    c.withPorts(main),
		"mail/backend.mf.hcl": strings.ReplaceAll(backend, "SERVER", c.server.URL),
	}
	policies, err := filepath.Glob("../../examples/pipelines/policy/*.rego")
	if err != nil || len(policies) == 0 {
		t.Fatalf("policies: %v", err)
	}
	for _, p := range policies {
		c.repo["mail/policy/"+filepath.Base(p)] = readFile(t, p)
	}
	return c
}

// change replaces a text in the files, as a commit does.
func (c *ci) change(old, new string) {
	c.t.Helper()
	text := c.repo["mail/main.mf.hcl"]
	if !strings.Contains(text, old) {
		c.t.Fatalf("the files have no %q", old)
	}
	c.repo["mail/main.mf.hcl"] = strings.Replace(text, old, new, 1)
}

// A runner is a fresh machine for one job.
type runner struct {
	ci   *ci
	dir  string // of the checkout
	temp string
	env  []string
}

func (c *ci) runner(env map[string]string) *runner {
	c.t.Helper()
	r := &runner{ci: c, dir: c.t.(*testing.T).TempDir(), temp: c.t.(*testing.T).TempDir()}
	r.env = []string{"HOME=" + r.temp, "PATH=" + c.tools + ":" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	for name, value := range env {
		r.env = append(r.env, name+"="+value)
	}
	return r
}

// checkout writes the files of the repository.
func (r *runner) checkout() {
	r.ci.t.Helper()
	if err := os.Mkdir(filepath.Join(r.dir, ".git"), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		r.ci.t.Fatal(err)
	}
	for name, text := range r.ci.repo {
		path := filepath.Join(r.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			r.ci.t.Fatal(err)
		}
	}
}

// shell runs a script as the services do: it ends at the first error.
func (r *runner) shell(script string, env ...string) result {
	r.ci.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = r.dir
	cmd.Env = append(append([]string{}, r.env...), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.ci.t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A post is a comment, a note or an issue.
type post struct {
	ID     int      `json:"id"`
	Number int      `json:"number"`
	Body   string   `json:"body"`
	State  string   `json:"state,omitempty"`
	Labels []string `json:"labels,omitempty"`
	User   struct {
		Login string `json:"login"`
	} `json:"user"`
	edits int
}

// A forge keeps a state behind Terraform's protocol, and comments, notes and
// issues as GitHub and GitLab do.
type forge struct {
	*httptest.Server
	mu            sync.Mutex
	state         []byte
	lock          []byte
	holder        string
	writes, locks int
	posts         map[string][]*post // by the path that lists them
}

func newForge(t *testing.T) *forge {
	f := &forge{posts: map[string][]*post{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(r.URL.Path, "/state/"):
			f.serveState(w, r, body)
		case r.Header.Get("Authorization") != "Bearer "+writeToken && r.Header.Get("PRIVATE-TOKEN") != writeToken:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			f.servePosts(w, r, body)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *forge) serveState(w http.ResponseWriter, r *http.Request, body []byte) {
	var id struct{ ID string }
	if len(body) > 0 && json.Unmarshal(body, &id) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, password, _ := r.BasicAuth()
	onLock := strings.HasSuffix(r.URL.Path, "/lock")
	switch {
	case r.Method == http.MethodGet && (password == readToken || password == writeToken):
		if f.state == nil {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write(f.state)
	case password != writeToken:
		w.WriteHeader(http.StatusForbidden)
	case onLock && r.Method == http.MethodPost && f.holder == "":
		f.lock, f.holder = body, id.ID
		f.locks++
	case onLock && r.Method == http.MethodDelete && id.ID == f.holder:
		f.holder = ""
	case !onLock && r.Method == http.MethodPost && r.URL.Query().Get("ID") == f.holder && f.holder != "":
		f.state = body
		f.writes++
	default:
		w.WriteHeader(http.StatusLocked)
		w.Write(f.lock)
	}
}

// servePosts serves …/comments, …/notes and …/issues: a list by pages, a new
// one, and one that is changed.
func (f *forge) servePosts(w http.ResponseWriter, r *http.Request, body []byte) {
	var in post
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	list, last := filepath.Split(r.URL.Path)
	list = strings.TrimSuffix(list, "/")
	switch r.Method {
	case http.MethodGet:
		var page, per int
		fmt.Sscan(r.URL.Query().Get("page"), &page)
		fmt.Sscan(r.URL.Query().Get("per_page"), &per)
		all := []*post{}
		for _, p := range f.posts[r.URL.Path] {
			if state := r.URL.Query().Get("state"); state == "" || p.State == state {
				all = append(all, p)
			}
		}
		from := min(max(page-1, 0)*per, len(all))
		json.NewEncoder(w).Encode(all[from:min(from+per, len(all))])
	case http.MethodPost:
		f.add(r.URL.Path, in, "github-actions[bot]")
		w.WriteHeader(http.StatusCreated)
	case http.MethodPatch, http.MethodPut:
		for path, posts := range f.posts {
			for _, p := range posts {
				// A comment of GitHub's is changed without the number of its request.
				if fmt.Sprint(p.ID) == last && (path == list || strings.HasSuffix(list, "/issues/comments") && strings.HasSuffix(path, "/comments")) {
					p.edits++
					if in.Body != "" {
						p.Body = in.Body
					}
					if in.State != "" {
						p.State = in.State
					}
					return
				}
			}
		}
		w.WriteHeader(http.StatusNotFound)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (f *forge) add(path string, p post, login string) {
	p.ID = 1000*len(f.posts) + len(f.posts[path]) + 1
	p.Number, p.State = p.ID, "open"
	p.User.Login = login
	f.posts[path] = append(f.posts[path], &p)
}
