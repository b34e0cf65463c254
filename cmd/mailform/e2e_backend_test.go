package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// stateServer speaks Terraform's protocol for one state.
func stateServer(t *testing.T) *httptest.Server {
	var (
		mu        sync.Mutex
		doc, lock []byte
		holder    string
	)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		var id struct{ ID string }
		if err == nil && len(body) > 0 {
			err = json.Unmarshal(body, &id)
		}
		_, password, _ := r.BasicAuth()
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case password != "token-of-the-runner":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet && doc == nil:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodGet:
			w.Write(doc)
		case r.Method == http.MethodPost && r.URL.Query().Get("ID") == holder && holder != "":
			doc = body
		case r.Method == "LOCK" && holder == "":
			lock, holder = body, id.ID
		case r.Method == "UNLOCK" && id.ID == holder:
			holder = ""
		default:
			w.WriteHeader(http.StatusLocked)
			w.Write(lock)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestARunnerWithAnEmptyDirectoryGoesOn(t *testing.T) {
	s := stateServer(t)
	first := newWorld(t, nil)
	main := strings.Replace(quickstart(t), `"./mail"`, fmt.Sprintf("%q", filepath.Join(first.dir, "mail")), 1)
	first.write("main.mf.hcl", main)
	backend := fmt.Sprintf(`
variable "state_token" { sensitive = true }
variable "state" {}
mailform {
  backend "http" {
    address      = "%s/${var.state}"
    lock_address = "%[1]s/${var.state}"
    username     = "runner"
    password     = var.state_token
  }
}
`, s.URL)
	first.write("backend.mf.hcl", backend)
	first.env = append(first.env, "MF_VAR_state_token=token-of-the-runner", "MF_VAR_state=mail")
	first.ok("plan", "-out=p.mfplan")
	first.ok("apply", "p.mfplan")
	if _, err := os.Stat(filepath.Join(first.dir, "mailform.mfstate")); err == nil {
		t.Error("there is a state file as well")
	}
	if strings.Contains(readFile(t, filepath.Join(first.dir, "p.mfplan")), "token-of-the-runner") {
		t.Error("the plan holds the password of the backend")
	}

	second := newWorld(t, nil)
	second.port, second.env = first.port, first.env
	second.write("main.mf.hcl", main)
	second.write("backend.mf.hcl", backend)
	second.noChanges()
	if list := second.ok("state", "list"); !strings.Contains(list, "user.alice.mailbox") {
		t.Errorf("state list:\n%s", list)
	}
	if pulled := second.ok("state", "pull"); strings.Contains(pulled, "$argon2id") || strings.Contains(pulled, "token-of-the-runner") {
		t.Error("the state holds a secret")
	}
	// Without the variable: said in the words of the file.
	second.env = second.env[:len(second.env)-2]
	if r := second.mailform("state", "list"); r.code != 1 || !strings.Contains(r.stderr, "has to be known before anything else") {
		t.Errorf("without the variables: %v", r)
	}
}
