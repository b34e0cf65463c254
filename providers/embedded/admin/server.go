package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
)

// A Store is what the server reads from and writes to.
type Store interface {
	Resources(ctx context.Context) ([]Resource, error)
	// Find lists those of some resources that are there.
	Find(ctx context.Context, ids []ID) ([]Resource, error)
	ApplyChanges(ctx context.Context, changes []Change) ([]Resource, error)
}

// Hooks are the daemon's part in the server's work.
type Hooks interface {
	// Prepare is called before changes are committed. It does what can fail
	// (binds new sockets), and returns what makes that take effect after the
	// commit, or undoes it. Its error refuses the batch; a *[Error] goes to the
	// client as it is.
	Prepare(ctx context.Context, changes []Change) (commit, rollback func(), err error)
	Status(ctx context.Context) (Status, error)
	// Stop asks the daemon to end. It returns at once.
	Stop()
	// Version of the binary.
	Version() string
	// SignedZones tells how far signed zones have come: all, or the one that is named.
	SignedZones(ctx context.Context, zone string) ([]SignedZone, error)
	// Sign does what a [SigningRequest] asks for.
	Sign(ctx context.Context, r SigningRequest) error
	// Slowed lists whose logins have to wait.
	Slowed() []SlowedLogin
	// Unlock forgets failed logins, and returns of whom there were any.
	Unlock(who []string) []string
	// AppPasswords lists the app passwords of a user; of all for an empty name.
	AppPasswords(ctx context.Context, user string) ([]AppPassword, error)
	// ChangeAppPassword does what an [AppPasswordRequest] asks for.
	ChangeAppPassword(ctx context.Context, r AppPasswordRequest) (AppPassword, error)
	// Queue lists the queue.
	Queue(ctx context.Context) ([]QueueEntry, error)
	// Message writes the message of a queue entry.
	Message(ctx context.Context, id int64, w io.Writer) error
	// ChangeQueue does what a [QueueRequest] asks for.
	ChangeQueue(ctx context.Context, r QueueRequest) (int, error)
}

// Version is the answer of GET /v1/version.
type Version struct {
	Version string `json:"version"`
}

// maxRequest bounds a batch: far above one of 100,000 mailboxes.
const maxRequest = 1 << 30

// NewServer serves the admin API.
func NewServer(h Hooks, s Store, log *slog.Logger) http.Handler {
	return newServer(h, s, log, maxRequest)
}

func newServer(h Hooks, s Store, log *slog.Logger, limit int64) http.Handler {
	srv := &server{h, s, log, limit}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/resources", srv.resources)
	mux.HandleFunc("POST /v1/resources/find", srv.find)
	mux.HandleFunc("POST /v1/apply", srv.apply)
	mux.HandleFunc("GET /v1/status", srv.status)
	mux.HandleFunc("POST /v1/stop", srv.stop)
	mux.HandleFunc("GET /v1/version", srv.version)
	mux.HandleFunc("GET /v1/dnssec", srv.signedZones)
	mux.HandleFunc("POST /v1/dnssec", srv.sign)
	mux.HandleFunc("GET /v1/queue", srv.queue)
	mux.HandleFunc("GET /v1/slowed", srv.slowed)
	mux.HandleFunc("POST /v1/unlock", srv.unlock)
	mux.HandleFunc("GET /v1/app-passwords", srv.appPasswords)
	mux.HandleFunc("POST /v1/app-passwords", srv.changeAppPassword)
	mux.HandleFunc("GET /v1/queue/{id}", srv.message)
	mux.HandleFunc("POST /v1/queue", srv.changeQueue)
	return mux
}

type server struct {
	hooks Hooks
	store Store
	log   *slog.Logger
	limit int64 // of a request, in bytes
}

func (s *server) resources(w http.ResponseWriter, r *http.Request) {
	rs, err := s.store.Resources(r.Context())
	s.list(w, rs, err)
}

func (s *server) find(w http.ResponseWriter, r *http.Request) {
	var req FindRequest
	if !s.decode(w, r, "find", &req) {
		return
	}
	rs, err := s.store.Find(r.Context(), req.IDs)
	s.list(w, rs, err)
}

// list answers with resources, or with the error of listing them.
func (s *server) list(w http.ResponseWriter, rs []Resource, err error) {
	if err != nil {
		s.fail(w, "list resources", err)
		return
	}
	if err := writeResources(w, s.hooks.Version(), rs); err != nil {
		s.log.Debug("answer over the admin socket", "error", err)
		panic(http.ErrAbortHandler) // so that the client does not take a part for all
	}
}

// writeResources writes a [Resources] one by one: the text of a large store is
// never in memory as a whole.
func writeResources(w http.ResponseWriter, version string, rs []Resource) error {
	w.Header().Set("Content-Type", "application/json")
	quoted, err := json.Marshal(version)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, `{"version":%s,"resources":[`, quoted)
	enc := json.NewEncoder(out)
	for i := range rs {
		if i > 0 {
			out.WriteByte(',') // bufio keeps the first error for Flush
		}
		if err := enc.Encode(&rs[i]); err != nil {
			return err
		}
	}
	out.WriteString("]}\n")
	return out.Flush()
}

func (s *server) apply(w http.ResponseWriter, r *http.Request) {
	var req ApplyRequest
	if !s.decode(w, r, "apply", &req) {
		return
	}
	commit, rollback, err := s.hooks.Prepare(r.Context(), req.Changes)
	if err != nil {
		s.fail(w, "prepare changes", err)
		return
	}
	done := rollback
	defer func() { done() }() // whatever happens in the store
	rs, err := s.store.ApplyChanges(r.Context(), req.Changes)
	if err != nil {
		s.fail(w, "apply changes", err)
		return
	}
	done = func() {}
	commit()
	s.answer(w, ApplyResponse{Resources: rs})
}

// decode reads a request; where that fails it answers so.
func (s *server) decode(w http.ResponseWriter, r *http.Request, what string, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, s.limit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		s.fail(w, what, &Error{Code: "invalid", Message: "decode the request: " + err.Error()})
		return false
	}
	return true
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.hooks.Status(r.Context())
	if err != nil {
		s.fail(w, "status", err)
		return
	}
	s.answer(w, st)
}

func (s *server) version(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, Version{s.hooks.Version()})
}

func (s *server) signedZones(w http.ResponseWriter, r *http.Request) {
	zones, err := s.hooks.SignedZones(r.Context(), r.URL.Query().Get("zone"))
	if err != nil {
		s.fail(w, "tell of signed zones", err)
		return
	}
	s.answer(w, SignedZones{zones})
}

func (s *server) sign(w http.ResponseWriter, r *http.Request) {
	var req SigningRequest
	if !s.decode(w, r, "change keys", &req) {
		return
	}
	if err := s.hooks.Sign(r.Context(), req); err != nil {
		s.fail(w, "change keys", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) queue(w http.ResponseWriter, r *http.Request) {
	entries, err := s.hooks.Queue(r.Context())
	if err != nil {
		s.fail(w, "list the queue", err)
		return
	}
	s.answer(w, Queue{entries})
}

func (s *server) slowed(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, Slowed{s.hooks.Slowed()})
}

func (s *server) unlock(w http.ResponseWriter, r *http.Request) {
	var req UnlockRequest
	if !s.decode(w, r, "unlock", &req) {
		return
	}
	s.answer(w, Unlocked{s.hooks.Unlock(req.Who)})
}

func (s *server) appPasswords(w http.ResponseWriter, r *http.Request) {
	list, err := s.hooks.AppPasswords(r.Context(), r.URL.Query().Get("user"))
	if err != nil {
		s.fail(w, "list app passwords", err)
		return
	}
	s.answer(w, AppPasswords{list})
}

func (s *server) changeAppPassword(w http.ResponseWriter, r *http.Request) {
	var req AppPasswordRequest
	if !s.decode(w, r, "change an app password", &req) {
		return
	}
	p, err := s.hooks.ChangeAppPassword(r.Context(), req)
	if err != nil {
		s.fail(w, "change an app password", err)
		return
	}
	s.answer(w, p)
}

func (s *server) message(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		s.fail(w, "show a message", &Error{Code: "invalid", Message: "the ID of an entry is a number"})
		return
	}
	out := &lazyWriter{w: w}
	err = s.hooks.Message(r.Context(), id, out)
	switch {
	case err != nil && out.begun:
		s.log.Error("show a message", "error", err)
		panic(http.ErrAbortHandler) // so that the client does not take a part for all
	case err != nil:
		s.fail(w, "show a message", err)
	}
}

// A lazyWriter begins an answer with its first byte: until then it can be an
// error.
type lazyWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lazyWriter) Write(p []byte) (int, error) {
	if !l.begun {
		l.w.Header().Set("Content-Type", "message/rfc822")
		l.begun = true
	}
	return l.w.Write(p)
}

func (s *server) changeQueue(w http.ResponseWriter, r *http.Request) {
	var req QueueRequest
	if !s.decode(w, r, "change the queue", &req) {
		return
	}
	n, err := s.hooks.ChangeQueue(r.Context(), req)
	if err != nil {
		s.fail(w, "change the queue", err)
		return
	}
	s.answer(w, QueueChanged{n})
}

func (s *server) stop(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
	s.hooks.Stop()
}

func (s *server) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("answer over the admin socket", "error", err)
	}
}

// fail answers with an error. One that is none of ours is logged here and told
// to the client as internal.
func (s *server) fail(w http.ResponseWriter, doing string, err error) {
	var e *Error
	status := http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &e) && e.Code == "conflict":
		status = http.StatusConflict
	case e == nil:
		s.log.Error(doing, "error", err)
		status = http.StatusInternalServerError
		e = &Error{Code: "internal", Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(e); err != nil {
		s.log.Debug("answer over the admin socket", "error", err)
	}
}
