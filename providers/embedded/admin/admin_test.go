package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeDaemon is the store and the hooks, and notes what is called.
type fakeDaemon struct {
	resources  []Resource
	prepareErr error
	applyErr   error
	listErr    error
	calls      []string
	stop       func()
}

func (d *fakeDaemon) Resources(context.Context) ([]Resource, error) { return d.resources, d.listErr }

func (d *fakeDaemon) Find(_ context.Context, ids []ID) ([]Resource, error) {
	return slices.DeleteFunc(slices.Clone(d.resources), func(r Resource) bool { return !slices.Contains(ids, ID{r.Kind, r.Key}) }), d.listErr
}

func (d *fakeDaemon) ApplyChanges(_ context.Context, changes []Change) ([]Resource, error) {
	d.calls = append(d.calls, "store")
	var rs []Resource
	for _, c := range changes {
		rs = append(rs, Resource{Kind: c.Kind, Key: c.Key, Owner: c.Owner, Revision: "r1", Attrs: c.Attrs})
	}
	return rs, d.applyErr
}

func (d *fakeDaemon) Prepare(context.Context, []Change) (commit, rollback func(), err error) {
	d.calls = append(d.calls, "prepare")
	note := func(what string) func() { return func() { d.calls = append(d.calls, what) } }
	return note("commit"), note("rollback"), d.prepareErr
}

func (d *fakeDaemon) Status(context.Context) (Status, error) {
	return Status{Version: "1.2.3", PID: 7, Accounts: 3}, nil
}
func (d *fakeDaemon) Stop()           { d.stop() }
func (d *fakeDaemon) Version() string { return `1.2.3 "x"` }

func (d *fakeDaemon) SignedZones(_ context.Context, zone string) ([]SignedZone, error) {
	return []SignedZone{{Zone: zone, Serial: 3, Keys: []SignedKey{{Role: "ksk", Tag: 7, State: "ready"}}, DS: []string{"7 13 2 AB"}}}, nil
}

func (d *fakeDaemon) Queue(context.Context) ([]QueueEntry, error) {
	return []QueueEntry{{ID: 7, To: "bob@example.net", Size: 5}}, nil
}

func (d *fakeDaemon) Message(_ context.Context, id int64, w io.Writer) error {
	if id != 7 {
		return &Error{Code: "invalid", Message: "there is no such entry"}
	}
	_, err := io.WriteString(w, "hello")
	return err
}

func (d *fakeDaemon) Slowed() []SlowedLogin {
	return []SlowedLogin{{Who: "192.0.2.7", Failures: 20, Locked: "2026-11-26T12:15:00Z", Forgotten: "2026-11-26T12:20:00Z"}}
}

func (d *fakeDaemon) Unlock(who []string) []string { return who[:1] }

func (d *fakeDaemon) AppPasswords(_ context.Context, user string) ([]AppPassword, error) {
	return []AppPassword{{User: user, Name: "phone", Services: []string{"imap"}}}, nil
}

func (d *fakeDaemon) ChangeAppPassword(_ context.Context, r AppPasswordRequest) (AppPassword, error) {
	if r.Action != "add" {
		return AppPassword{}, &Error{Code: CodeNoUser, Message: "there is no user " + r.User}
	}
	return AppPassword{User: r.User, Name: r.Name, Services: r.Services, Secret: "secret"}, nil
}

func (d *fakeDaemon) ChangeQueue(_ context.Context, r QueueRequest) (int, error) {
	if r.Action != "hold" {
		return 0, &Error{Code: "invalid", Message: "the action is strange"}
	}
	return len(r.IDs), nil
}

func (d *fakeDaemon) Sign(_ context.Context, r SigningRequest) error {
	d.calls = append(d.calls, r.Action+" "+r.Role+" "+r.Zone)
	if r.Action != "roll" {
		return &Error{Code: "invalid", Message: "no key waits"}
	}
	return nil
}

// serve runs the server in a data directory until the test ends.
func serve(t *testing.T, dir string, d *fakeDaemon) *http.Server {
	t.Helper()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: NewServer(d, d, slog.New(slog.NewTextHandler(io.Discard, nil)))}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return srv
}

var someChanges = []Change{
	{Action: "create", Kind: "maildomain", Key: "example.com", Owner: "domain.example", Lineage: "L", Attrs: json.RawMessage(`{"name":"example.com"}`)},
	{Action: "delete", Kind: "zone", Key: "example.net", Revision: "r0"},
}

func TestClientAndServer(t *testing.T) {
	short := t.TempDir()
	long := filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 10))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a short path": short, "a path longer than a socket's may be": long} {
		t.Run(name, func(t *testing.T) {
			d := &fakeDaemon{}
			for i := range 3 {
				d.resources = append(d.resources, Resource{Kind: "maildomain", Key: fmt.Sprint("d", i), Revision: "r", Retained: i == 1, Attrs: json.RawMessage(`{"name":"<&>"}`)})
			}
			serve(t, dir, d)
			info, err := os.Stat(filepath.Join(dir, socketFile))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("socket: %v, %v; want mode 0600", info.Mode(), err)
			}
			c := NewClient(dir)
			if v, err := c.Version(t.Context()); err != nil || v != d.Version() {
				t.Errorf("version %q, %v", v, err)
			}
			if st, err := c.Status(t.Context()); err != nil || st.PID != 7 || st.Accounts != 3 {
				t.Errorf("status %+v, %v", st, err)
			}
			got, err := c.Resources(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Resources {
				var want, have map[string]string
				if err := errors.Join(json.Unmarshal(d.resources[i].Attrs, &want), json.Unmarshal(got.Resources[i].Attrs, &have)); err != nil || !cmp.Equal(want, have) {
					t.Errorf("attributes %v, want %v (%v)", have, want, err)
				}
				got.Resources[i].Attrs = d.resources[i].Attrs
			}
			if diff := cmp.Diff(&Resources{Version: d.Version(), Resources: d.resources}, got); diff != "" {
				t.Error(diff)
			}
			res, err := c.Apply(t.Context(), ApplyRequest{Changes: someChanges})
			if err != nil || len(res.Resources) != 2 || res.Resources[0].Owner != "domain.example" {
				t.Errorf("apply: %+v, %v", res, err)
			}
			if want := []string{"prepare", "store", "commit"}; !slices.Equal(d.calls, want) {
				t.Errorf("calls %v, want %v", d.calls, want)
			}
		})
	}
}

func TestSomeResourcesAlone(t *testing.T) {
	dir := t.TempDir()
	d := &fakeDaemon{resources: []Resource{{Kind: "mailbox", Key: "a@b"}, {Kind: "mailbox", Key: "c@d"}}}
	serve(t, dir, d)
	got, err := NewClient(dir).Find(t.Context(), []ID{{"mailbox", "c@d"}, {"route", "c@d"}})
	if err != nil || len(got.Resources) != 1 || got.Resources[0].Key != "c@d" || got.Version != d.Version() {
		t.Errorf("found %v, %v", got, err)
	}
}

// A daemon of a version from before this call says so, and is asked for all.
func TestAnOlderDaemonDoesNotFind(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	if _, err := NewClient(dir).Find(t.Context(), []ID{{"mailbox", "a@b"}}); !errors.Is(err, ErrNoSuchCall) {
		t.Errorf("got %v", err)
	}
}

func TestNoResources(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, &fakeDaemon{})
	if rs, err := NewClient(dir).Resources(t.Context()); err != nil || len(rs.Resources) != 0 {
		t.Errorf("%v, %v", rs, err)
	}
}

func TestRefusals(t *testing.T) {
	conflict := &Error{Code: "conflict", Kind: "zone", Key: "example.net", Message: "it was changed meanwhile"}
	port := &Error{Code: "invalid", Kind: "listener", Key: "main/smtp", Message: "address already in use"}
	for _, c := range []struct {
		name   string
		daemon fakeDaemon
		want   *Error
		calls  []string
	}{
		{"a conflict in the store undoes the preparation", fakeDaemon{applyErr: fmt.Errorf("apply: %w", conflict)}, conflict, []string{"prepare", "store", "rollback"}},
		{"what cannot be prepared is not stored", fakeDaemon{prepareErr: fmt.Errorf("bind: %w", port)}, port, []string{"prepare"}},
		{"another error is an internal one", fakeDaemon{applyErr: errors.New("disk full")}, &Error{Code: "internal", Message: "disk full"}, []string{"prepare", "store", "rollback"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			serve(t, dir, &c.daemon)
			_, err := NewClient(dir).Apply(t.Context(), ApplyRequest{Changes: someChanges})
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want an Error", err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if !slices.Equal(c.daemon.calls, c.calls) {
				t.Errorf("calls %v, want %v", c.daemon.calls, c.calls)
			}
		})
	}
	t.Run("a list that fails", func(t *testing.T) {
		dir := t.TempDir()
		serve(t, dir, &fakeDaemon{listErr: errors.New("damaged")})
		if _, err := NewClient(dir).Resources(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("error %v", err)
		}
	})
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	d := &fakeDaemon{}
	h := NewServer(d, d, slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"no JSON", "POST", "/v1/apply", "hello", 422},
		{"an unknown field", "POST", "/v1/apply", `{"changes":[],"force":true}`, 422},
		{"a wrong type, with a secret", "POST", "/v1/apply", `{"changes":"s3cret"}`, 422},
		{"half a request", "POST", "/v1/apply", `{"changes":[{"action":"create"`, 422},
		{"no body", "POST", "/v1/apply", "", 422},
		{"a wrong method", "GET", "/v1/apply", "", 405},
		{"an unknown path", "GET", "/v2/apply", "", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newRecorder()
			r, err := http.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			h.ServeHTTP(w, r)
			if w.status != c.status || strings.Contains(w.body.String(), "s3cret") {
				t.Errorf("status %d, %s; want %d", w.status, &w.body, c.status)
			}
		})
	}
	t.Run("a request that is too large", func(t *testing.T) {
		w := newRecorder()
		body := `{"changes":[{"action":"create","kind":"maildomain","key":"` + strings.Repeat("x", 1000) + `"}]}`
		r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/apply", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		newServer(d, d, slog.New(slog.DiscardHandler), 100).ServeHTTP(w, r)
		if w.status != 422 || !strings.Contains(w.body.String(), "too large") {
			t.Errorf("status %d, %s; want 422", w.status, &w.body)
		}
	})
	if len(d.calls) > 0 {
		t.Errorf("something was called: %v", d.calls)
	}
}

type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func newRecorder() *recorder                    { return &recorder{header: http.Header{}, status: 200} }
func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func TestWithoutADaemon(t *testing.T) {
	t.Run("no data directory", func(t *testing.T) {
		_, err := NewClient(filepath.Join(t.TempDir(), "none")).Version(t.Context())
		if !errors.Is(err, ErrNotRunning) {
			t.Errorf("error %v, want ErrNotRunning", err)
		}
	})
	t.Run("no socket", func(t *testing.T) {
		if err := NewClient(t.TempDir()).Stop(t.Context()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("error %v, want ErrNotRunning", err)
		}
	})
	t.Run("a socket that was left behind", func(t *testing.T) {
		dir := t.TempDir()
		l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, socketFile)})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		if _, err := NewClient(dir).Status(t.Context()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("error %v, want ErrNotRunning", err)
		}
		serve(t, dir, &fakeDaemon{})
		if _, err := NewClient(dir).Status(t.Context()); err != nil {
			t.Errorf("it was not replaced: %v", err)
		}
	})
	t.Run("one that ends late leaves the socket of its successor alone", func(t *testing.T) {
		dir := t.TempDir()
		old, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		serve(t, dir, &fakeDaemon{})
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		if _, err := NewClient(dir).Status(t.Context()); err != nil {
			t.Errorf("the successor is not reached: %v", err)
		}
	})
	t.Run("a context that ends", func(t *testing.T) {
		dir := t.TempDir()
		l, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := NewClient(dir).Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want DeadlineExceeded", err)
		}
	})
}

func TestStop(t *testing.T) {
	dir := t.TempDir()
	stopped := make(chan struct{})
	d := &fakeDaemon{stop: func() { close(stopped) }}
	srv := serve(t, dir, d)
	if err := NewClient(dir).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-stopped
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, socketFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := NewClient(dir).Version(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v, want ErrNotRunning", err)
	}
}

func TestKeysOfSignedZones(t *testing.T) {
	dir := t.TempDir()
	d := &fakeDaemon{}
	serve(t, dir, d)
	c := NewClient(dir)
	zones, err := c.SignedZones(t.Context(), "a&b.example")
	if err != nil || len(zones) != 1 || zones[0].Zone != "a&b.example" || zones[0].Keys[0].Tag != 7 || zones[0].DS[0] != "7 13 2 AB" {
		t.Errorf("%+v (%v)", zones, err)
	}
	if err := c.Sign(t.Context(), SigningRequest{Zone: "example.com", Action: "roll", Role: "zsk"}); err != nil {
		t.Error(err)
	}
	var refusal *Error
	if err := c.Sign(t.Context(), SigningRequest{Zone: "example.com", Action: "confirm"}); !errors.As(err, &refusal) || refusal.Message != "no key waits" {
		t.Errorf("error is %v", err)
	}
	if !slices.Equal(d.calls, []string{"roll zsk example.com", "confirm  example.com"}) {
		t.Errorf("it was called %q", d.calls)
	}
}

func TestQueue(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, &fakeDaemon{})
	c := NewClient(dir)
	entries, err := c.Queue(t.Context())
	if err != nil || len(entries) != 1 || entries[0].ID != 7 {
		t.Errorf("the queue is %+v, %v", entries, err)
	}
	var text strings.Builder
	if err := c.Message(t.Context(), 7, &text); err != nil || text.String() != "hello" {
		t.Errorf("the message is %q, %v", text.String(), err)
	}
	text.Reset()
	var refusal *Error
	if err := c.Message(t.Context(), 8, &text); !errors.As(err, &refusal) || refusal.Message != "there is no such entry" || text.Len() > 0 {
		t.Errorf("a message that there is not: %q, %v", text.String(), err)
	}
	if n, err := c.ChangeQueue(t.Context(), QueueRequest{Action: "hold", IDs: []int64{7, 8}}); err != nil || n != 2 {
		t.Errorf("changed %d, %v", n, err)
	}
	if _, err := c.ChangeQueue(t.Context(), QueueRequest{Action: "eat"}); !errors.As(err, &refusal) {
		t.Errorf("a strange action: %v", err)
	}
}

func TestLoginsThatAreSlowedDown(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, &fakeDaemon{})
	c := NewClient(dir)
	list, err := c.Slowed(t.Context())
	if err != nil || len(list) != 1 || list[0].Who != "192.0.2.7" || list[0].Failures != 20 {
		t.Errorf("%+v, %v", list, err)
	}
	if who, err := c.Unlock(t.Context(), []string{"192.0.2.7", "bob@example.com"}); err != nil || len(who) != 1 || who[0] != "192.0.2.7" {
		t.Errorf("%v, %v", who, err)
	}
}

func TestAppPasswords(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, &fakeDaemon{})
	c := NewClient(dir)
	list, err := c.AppPasswords(t.Context(), "a+b@example.com")
	if err != nil || len(list) != 1 || list[0].User != "a+b@example.com" || list[0].Name != "phone" {
		t.Errorf("%+v, %v", list, err)
	}
	p, err := c.ChangeAppPassword(t.Context(), AppPasswordRequest{Action: "add", User: "a@example.com", Name: "phone", Services: []string{"imap"}})
	if err != nil || p.Secret != "secret" || p.User != "a@example.com" {
		t.Errorf("%+v, %v", p, err)
	}
	var refusal *Error
	if _, err := c.ChangeAppPassword(t.Context(), AppPasswordRequest{Action: "remove", User: "a@example.com"}); !errors.As(err, &refusal) || refusal.Code != CodeNoUser {
		t.Errorf("%v", err)
	}
}
