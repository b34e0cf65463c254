package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A Bridge speaks for a data directory to whoever runs it, by its input and its
// output: HTTP, as the daemon speaks it. What is meant for the daemon is handed
// on; where none runs, it answers for the store that lies there.
type Bridge struct {
	DataDir    string
	Executable string // what is started as the daemon
	Version    string
	// ReadOnly lets nothing be changed, whatever is asked.
	ReadOnly bool
}

// Run serves one connection to its end.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, admin.BridgeGreeting); err != nil {
		return err
	}
	near, far := net.Pipe() // which has the deadlines that a server needs
	var copies sync.WaitGroup
	copies.Go(func() { _, _ = io.Copy(out, near) })
	go func() { // ends with the process where the input does not
		_, _ = io.Copy(near, in)
		_ = near.Close()
	}()
	l := &oneListener{conn: far, closed: make(chan struct{})}
	srv := &http.Server{Handler: b.handler(), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			_ = l.Close()
		}
	}}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(l)
	_ = near.Close()
	copies.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// oneListener has one connection, and then none.
type oneListener struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
	given  bool
}

func (l *oneListener) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return l.conn.LocalAddr() }

func (b *Bridge) handler() http.Handler {
	daemon := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "mailform" },
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return admin.Dial(ctx, b.DataDir) },
			DisableKeepAlives: true,
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, admin.ErrNotRunning) {
				refuse(w, &admin.Error{Code: admin.CodeNotRunning, Message: err.Error()})
				return
			}
			refuse(w, err)
		},
	}
	mux := http.NewServeMux()
	for _, call := range []string{"GET /v1/resources", "POST /v1/resources/find", "GET /v1/status", "GET /v1/version", "GET /v1/dnssec"} {
		mux.Handle(call, daemon)
	}
	at := here{dataDir: b.DataDir, executable: b.Executable}
	mux.HandleFunc("GET /v1/place", func(w http.ResponseWriter, r *http.Request) {
		owner, err := at.workspace(r.Context())
		answer(w, admin.Place{Version: b.Version, Workspace: owner}, err)
	})
	mux.HandleFunc("GET /v1/place/holds", func(w http.ResponseWriter, r *http.Request) {
		holds, err := at.holds(r.Context(), r.URL.Query().Get("dir"))
		answer(w, admin.Holds{Store: holds}, err)
	})
	mux.HandleFunc("POST /v1/place/resources", take(func(ctx context.Context, r admin.FindRequest) (any, error) {
		rs, err := at.lying(ctx, r.IDs)
		return admin.Resources{Version: b.Version, Resources: rs}, err
	}))
	if b.ReadOnly {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			refuse(w, &admin.Error{Code: "refused", Message: "this access is for reading alone: " + r.Method + " " + r.URL.Path + " is not let through"})
		})
		return mux
	}
	mux.Handle("/", daemon)
	mux.HandleFunc("POST /v1/place/apply", take(func(ctx context.Context, r admin.ApplyRequest) (any, error) {
		rs, err := at.applyLying(ctx, r.Changes)
		return admin.ApplyResponse{Resources: rs}, err
	}))
	mux.HandleFunc("POST /v1/place/claim", take(func(ctx context.Context, r admin.ClaimRequest) (any, error) {
		return struct{}{}, at.prepare(ctx, r.Workspace)
	}))
	mux.HandleFunc("POST /v1/place/start", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, at.start(r.Context()))
	})
	return mux
}

// take answers a call that has a body.
func take[T any](call func(ctx context.Context, in T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(w, &admin.Error{Code: "invalid", Message: "decode the request: " + err.Error()})
			return
		}
		out, err := call(r.Context(), in)
		answer(w, out, err)
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked may be gone
}

func refuse(w http.ResponseWriter, err error) {
	var e *admin.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, fs.ErrNotExist):
		e = &admin.Error{Code: "absent", Message: err.Error()}
	case errors.Is(err, store.ErrLocked):
		e = &admin.Error{Code: "locked", Message: err.Error()}
	default:
		e = &admin.Error{Code: "internal", Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(e)
}
