package httpstate

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/state"
)

// A server speaks the protocol as GitLab does: a write needs the ID of the lock
// that is held.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	doc    []byte
	lock   []byte
	lockID string
	writes int
	// cut says what happens to the connection of the next request that is no GET:
	// "before" it is done, or "after" it and before the answer.
	cut string
	// fail answers so many requests with 503.
	fail int
}

func newServer(t testing.TB) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(s.Close)
	return s
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "runner" || password != "pass word" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.fail > 0 {
		s.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone: nothing is done
	}
	var id struct{ ID string }
	cut := s.cut
	if r.Method != http.MethodGet {
		s.cut = ""
	}
	if r.Method != http.MethodGet && cut == "before" {
		panic(http.ErrAbortHandler)
	}
	status, answer := http.StatusOK, []byte(nil)
	switch r.URL.Path + " " + r.Method {
	case "/state GET":
		if s.doc == nil {
			status = http.StatusNotFound
		}
		answer = s.doc
	case "/state POST":
		var doc struct{ Serial *uint64 }
		switch {
		case s.lockID == "" || r.URL.Query().Get("ID") != s.lockID:
			status, answer = http.StatusConflict, s.lock
		case json.Unmarshal(body, &doc) != nil || doc.Serial == nil:
			status = http.StatusBadRequest
		default:
			s.doc = body
			s.writes++
		}
	case "/lock LOCK":
		if err := json.Unmarshal(body, &id); err != nil || id.ID == "" {
			status = http.StatusBadRequest
		} else if s.lockID != "" {
			status, answer = http.StatusLocked, s.lock
		} else {
			s.lock, s.lockID = body, id.ID
		}
	case "/lock UNLOCK":
		if err := json.Unmarshal(body, &id); err != nil {
			status = http.StatusBadRequest
		} else if s.lockID != "" && id.ID != s.lockID {
			status, answer = http.StatusConflict, s.lock
		} else {
			s.lock, s.lockID = nil, ""
		}
	default:
		status = http.StatusMethodNotAllowed
	}
	if r.Method != http.MethodGet && cut == "after" {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	w.Write(answer)
}

// set changes how the server behaves.
func (s *server) set(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// open is the backend of another runner: it shares nothing with the others.
func open(t testing.TB, address string) *Backend {
	t.Helper()
	b, err := Open(Options{
		Address: address + "/state", LockAddress: address + "/lock", Username: "runner", Password: "pass word",
		RetryWait: time.Millisecond, LockPoll: time.Millisecond, Timeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lock(t testing.TB, b *Backend) func() {
	t.Helper()
	unlock, err := b.Lock(t.Context(), state.LockInfo{Operation: "apply", Who: "ci@runner", Created: time.Now()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}
