package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
)

// maxRequest bounds the body of a request. A batch of 100,000 users has about
// 60 MiB.
const maxRequest = 256 << 20

// A Store is what the server reads from and writes to.
type Store interface {
	Resources(ctx context.Context) ([]Resource, error)
	// ApplyChanges is all or nothing. An *[Error] goes to the client as it is.
	ApplyChanges(ctx context.Context, changes []Change) ([]Resource, error)
}

// Hooks are the daemon's part in the server's work.
type Hooks interface {
	// Prepare is called before changes are stored. It does what can fail (binds
	// new sockets) and returns what makes that take effect once they are stored,
	// and what undoes it; exactly one of the two is called. An error refuses the
	// changes; an *[Error] goes to the client as it is.
	Prepare(ctx context.Context, changes []Change) (commit, rollback func(), err error)
	// Applied is called after changes were stored, and after commit.
	Applied(ctx context.Context, changes []Change)
	Status(ctx context.Context) (Status, error)
	// Stop asks the daemon to end. It returns at once.
	Stop()
	// Version of the binary.
	Version() string
}

// versionAnswer is the answer of GET /v1/version.
type versionAnswer struct {
	Version string `json:"version"`
}

// NewServer serves the admin API. Who reaches the socket may do everything:
// access is a matter of its file mode.
func NewServer(h Hooks, s Store, log *slog.Logger) http.Handler {
	srv := &server{hooks: h, store: s, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/version", srv.version)
	mux.HandleFunc("GET /v1/status", srv.status)
	mux.HandleFunc("GET /v1/resources", srv.resources)
	mux.HandleFunc("POST /v1/apply", srv.apply)
	mux.HandleFunc("POST /v1/stop", srv.stop)
	return mux
}

type server struct {
	hooks Hooks
	store Store
	log   *slog.Logger
	// applying keeps one batch from coming between the preparation of another
	// and its commit.
	applying sync.Mutex
}

func (s *server) version(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, versionAnswer{s.hooks.Version()})
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.hooks.Status(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.answer(w, r, st)
}

func (s *server) stop(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, struct{}{})
	s.hooks.Stop()
}

// resources writes one resource after the other, in the form of [Resources]:
// the text of all of them is never in memory as a whole.
func (s *server) resources(w http.ResponseWriter, r *http.Request) {
	rs, err := s.store.Resources(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	version, err := json.Marshal(s.hooks.Version())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, `{"version":%s,"resources":[`, version)
	enc := json.NewEncoder(out)
	for i := range rs {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := enc.Encode(&rs[i]); err != nil {
			s.cut(r, err)
		}
	}
	out.WriteString("]}\n")
	if err := out.Flush(); err != nil {
		s.cut(r, err)
	}
}

// cut ends an answer that is under way so that the client sees that it is not
// whole.
func (s *server) cut(r *http.Request, err error) {
	s.log.Warn("write an answer of the admin interface", "path", r.URL.Path, "error", err)
	panic(http.ErrAbortHandler) // the way that net/http has for it
}

func (s *server) apply(w http.ResponseWriter, r *http.Request) {
	var req ApplyRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		s.refuse(w, r, &Error{Code: "invalid", Message: fmt.Sprintf("decode request: %v", withoutValue(err))})
		return
	}
	rs, err := s.applyChanges(r.Context(), req.Changes)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if rs == nil {
		rs = []Resource{}
	}
	s.answer(w, r, ApplyResponse{Resources: rs})
}

// withoutValue keeps values of the request, which may be secret, out of errors.
func withoutValue(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		return fmt.Errorf("%s should be of type %s", te.Field, te.Type)
	}
	return err
}

func (s *server) applyChanges(ctx context.Context, changes []Change) (rs []Resource, err error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	commit, rollback, err := s.hooks.Prepare(ctx, changes)
	if err != nil {
		return nil, err
	}
	stored := false
	defer func() {
		if !stored {
			rollback()
		}
	}()
	rs, err = s.store.ApplyChanges(ctx, changes)
	if err != nil {
		return nil, err
	}
	stored = true
	commit()
	s.hooks.Applied(ctx, changes)
	return rs, nil
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.cut(r, err)
	}
}

func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := &Error{}
	if !errors.As(err, &e) {
		s.log.Error("answer on the admin interface", "path", r.URL.Path, "error", err)
		e = &Error{Code: "internal", Message: err.Error()}
	}
	status := http.StatusInternalServerError
	switch e.Code {
	case "conflict":
		status = http.StatusConflict
	case "invalid":
		status = http.StatusUnprocessableEntity
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(e); err != nil {
		s.cut(r, err)
	}
}
