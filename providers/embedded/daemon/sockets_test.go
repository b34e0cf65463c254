package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/porttest"
)

// A namingService tells whoever connects its name, and ends sessions when it
// is shut down.
type namingService struct {
	name string
	mu   sync.Mutex
	open map[net.Conn]*socket
	down bool
	fail chan error // makes serve give its socket up
}

func (s *namingService) serve(sock *socket) error {
	failed := make(chan error, 1)
	if s.fail != nil {
		go func() {
			if err, ok := <-s.fail; ok {
				failed <- err
				sock.stream.Close()
			}
		}()
	}
	for {
		c, err := sock.stream.Accept()
		if err != nil {
			select {
			case err = <-failed:
			default:
			}
			return err
		}
		s.mu.Lock()
		s.open[c] = sock
		if s.down {
			c.Close()
		}
		s.mu.Unlock()
		fmt.Fprintf(c, "%s tls=%v\n", s.name, sock.id.tls)
	}
}

func (s *namingService) shutdown(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	for c := range s.open {
		c.Close()
	}
	return nil
}

func (s *namingService) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *namingService) connectionsOf(sock *socket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, by := range s.open {
		if by == sock {
			n++
		}
	}
	return n
}

// A rig is a set of sockets with services that say their names.
type rig struct {
	t *testing.T
	*sockets
	made []*namingService
	fail chan error // for the services that are made from now on
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t}
	r.sockets = newSockets(slog.New(slog.DiscardHandler), func(l store.Listener) (service, error) {
		if l.Service == "none" {
			return nil, errors.New("there is no such service")
		}
		s := &namingService{name: listenerKey(l) + " " + l.Hostname, open: map[net.Conn]*socket{}, fail: r.fail}
		r.made = append(r.made, s)
		return s, nil
	})
	t.Cleanup(func() {
		if err := r.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// take makes wanted the listeners, all of which the batch speaks of.
func (r *rig) take(wanted ...store.Listener) {
	r.t.Helper()
	fresh, err := r.prepare(r.t.Context(), wanted, keys(wanted))
	if err != nil {
		r.t.Fatal(err)
	}
	r.commit(wanted, fresh)
}

func keys(ls []store.Listener) map[string]bool {
	m := map[string]bool{}
	for _, l := range ls {
		m[listenerKey(l)] = true
	}
	return m
}

// refuses expects that a batch is refused because of one listener.
func (r *rig) refuses(key string, wanted ...store.Listener) error {
	r.t.Helper()
	fresh, err := r.prepare(r.t.Context(), wanted, keys(wanted))
	var be *bindError
	if !errors.As(err, &be) || be.key != key {
		closeAll(fresh)
		r.t.Fatalf("the error is %v, want one of the listener %s", err, key)
	}
	return err
}

func on(owner, service string, listen ...string) store.Listener {
	return store.Listener{Owner: owner, Service: service, Hostname: "mail", Listen: listen}
}

func addresses(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		out = append(out, porttest.Addr(t))
	}
	slices.Sort(out)
	return out
}

// greeting is what somebody at an address says; empty: nobody is there.
func greeting(t *testing.T, address string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	line := make([]byte, 100)
	n, err := c.Read(line)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n]))
}

func says(t *testing.T, address, want string) {
	t.Helper()
	if got := greeting(t, address); got != want {
		t.Errorf("at %s: %q, want %q", address, got, want)
	}
}

func TestSocketsAreServedAfterTheCommit(t *testing.T) {
	r, a := newRig(t), addresses(t, 2)
	wanted := []store.Listener{{Owner: "main", Service: "smtp", Hostname: "mail", Listen: a[:1], ListenTLS: a[1:]}}
	fresh, err := r.prepare(t.Context(), wanted, keys(wanted))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.made) != 0 {
		t.Error("a service was made before the commit")
	}
	r.commit(wanted, fresh)
	says(t, a[0], "main/smtp mail tls=false")
	says(t, a[1], "main/smtp mail tls=true")
	if plain, encrypted := r.isOpen("main/smtp"); !slices.Equal(plain, a[:1]) || !slices.Equal(encrypted, a[1:]) {
		t.Errorf("open are %v and %v", plain, encrypted)
	}
	if st := r.status(); len(st) != 2 || st[0].Address != a[0] || st[0].Connections != 1 || st[1].Connections != 1 || !st[1].TLS || st[0].Error != "" {
		t.Errorf("status %+v", st)
	}
	if n := r.connections()[serviceOf{"main", "smtp"}]; n != 2 {
		t.Errorf("%d connections", n)
	}
	r.take()
	says(t, a[0], "")
	if st := r.status(); len(st) != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestARefusedBatchOpensNothing(t *testing.T) {
	r, a := newRig(t), addresses(t, 3)
	r.take(on("main", "smtp", a[0]))
	taken, err := net.Listen("tcp", a[2])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = r.refuses("main/imap", on("main", "smtp", a[0], a[1]), on("main", "imap", a[2]))
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), a[2]) {
		t.Errorf("the error is %v, want the address and the reason", err)
	}
	says(t, a[0], "main/smtp mail tls=false")
	says(t, a[1], "")
	if len(r.made) != 1 || r.made[0].down {
		t.Error("services were made or ended")
	}
}

func TestARolledBackBatchOpensNothing(t *testing.T) {
	r, a := newRig(t), addresses(t, 1)
	wanted := []store.Listener{on("main", "smtp", a[0])}
	fresh, err := r.prepare(t.Context(), wanted, keys(wanted))
	if err != nil {
		t.Fatal(err)
	}
	closeAll(fresh)
	says(t, a[0], "")
	r.take(wanted...)
	says(t, a[0], "main/smtp mail tls=false")
}

func TestAddressesMove(t *testing.T) {
	a := addresses(t, 2)
	_, port, _ := net.SplitHostPort(a[0])
	for _, c := range []struct {
		name         string
		before, then []store.Listener
		address      string
		want         string
	}{
		{"from one listener to another", []store.Listener{on("a", "smtp", a[0])}, []store.Listener{on("a", "smtp"), on("b", "smtp", a[0])}, a[0], "b/smtp mail tls=false"},
		{"from one that goes", []store.Listener{on("a", "smtp", a[0])}, []store.Listener{on("b", "smtp", a[0])}, a[0], "b/smtp mail tls=false"},
		{"both ways", []store.Listener{on("a", "smtp", a[0]), on("b", "smtp", a[1])}, []store.Listener{on("a", "smtp", a[1]), on("b", "smtp", a[0])}, a[1], "a/smtp mail tls=false"},
		{"from plain to TLS", []store.Listener{on("a", "smtp", a[0])}, []store.Listener{{Owner: "a", Service: "smtp", Hostname: "mail", ListenTLS: a[:1]}}, a[0], "a/smtp mail tls=true"},
		{"to every address", []store.Listener{on("a", "smtp", a[0])}, []store.Listener{on("a", "smtp", "0.0.0.0:"+port)}, a[0], "a/smtp mail tls=false"},
		{"from every address", []store.Listener{on("a", "smtp", "0.0.0.0:"+port)}, []store.Listener{on("a", "smtp", a[0])}, a[0], "a/smtp mail tls=false"},
		{"to another name", []store.Listener{on("a", "smtp", a[0])}, []store.Listener{{Owner: "a", Service: "smtp", Hostname: "mx", Listen: a[:1]}}, a[0], "a/smtp mx tls=false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.take(c.before...)
			r.take(c.then...)
			says(t, c.address, c.want)
			for _, st := range r.status() {
				if st.Error != "" {
					t.Errorf("%s at %s: %s", st.Owner, st.Address, st.Error)
				}
			}
		})
	}
}

func TestAnAddressHasOneListener(t *testing.T) {
	a := addresses(t, 2)
	both := store.Listener{Owner: "a", Service: "smtp", Listen: a[:1], ListenTLS: a[:1]}
	for _, c := range []struct {
		name   string
		wanted []store.Listener
		key    string
	}{
		{"two new ones", []store.Listener{on("a", "smtp", a[0]), on("b", "smtp", a[0])}, "b/smtp"},
		{"plain and TLS", []store.Listener{both}, "a/smtp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.refuses(c.key, c.wanted...)
			says(t, a[0], "")
		})
	}
	t.Run("one that is not part of the batch", func(t *testing.T) {
		for _, name := range []string{"a", "z"} { // before and after the other
			r, a := newRig(t), addresses(t, 1)
			r.take(on("m", "smtp", a[0]))
			wanted := []store.Listener{on("m", "smtp", a[0]), on(name, "imap", a[0])}
			slices.SortFunc(wanted, func(x, y store.Listener) int { return strings.Compare(listenerKey(x), listenerKey(y)) })
			_, err := r.prepare(t.Context(), wanted, map[string]bool{name + "/imap": true})
			var be *bindError
			if !errors.As(err, &be) || be.key != name+"/imap" || !strings.Contains(err.Error(), "m/smtp") {
				t.Errorf("the error is %v, want %s/imap refused because of m/smtp", err, name)
			}
			says(t, a[0], "m/smtp mail tls=false")
		}
	})
}

func TestSessionsOutliveTheirSocket(t *testing.T) {
	r, a := newRig(t), addresses(t, 2)
	r.take(on("main", "smtp", a[0]), on("main", "imap"))
	c, err := net.Dial("tcp", a[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line := make([]byte, 100)
	if _, err := c.Read(line); err != nil {
		t.Fatal(err)
	}
	r.take(on("main", "smtp", a[1]), on("main", "imap"))
	says(t, a[0], "")
	says(t, a[1], "main/smtp mail tls=false")
	if r.made[0].down || len(r.made) != 2 {
		t.Error("the service of the session was ended")
	}
	r.take(on("main", "imap"))
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Read(line); !errors.Is(err, io.EOF) {
		t.Errorf("when its listener goes the session reads %v, want its end", err)
	}
}

func TestWhatCouldNotBeOpenedIsTriedAgain(t *testing.T) {
	r, a := newRig(t), addresses(t, 2)
	taken, err := net.Listen("tcp", a[1])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r.commit([]store.Listener{on("main", "smtp", a...)}, map[socketID]*socket{}) // as at the start
	says(t, a[0], "main/smtp mail tls=false")
	r.retry()
	if st := r.status(); len(st) != 2 || st[0].Error != "" || !strings.Contains(st[1].Error, "in use") {
		t.Errorf("status %+v", st)
	}
	if plain, _ := r.isOpen("main/smtp"); !slices.Equal(plain, a[:1]) {
		t.Errorf("open are %v", plain)
	}
	// A batch that does not speak of the listener is not refused for its sake.
	wanted := []store.Listener{on("main", "imap"), on("main", "smtp", a...)}
	fresh, err := r.prepare(t.Context(), wanted, map[string]bool{"main/imap": true})
	if err != nil {
		t.Fatal(err)
	}
	r.commit(wanted, fresh)

	taken.Close()
	r.retry()
	says(t, a[1], "main/smtp mail tls=false")
	if st := r.status(); st[1].Error != "" {
		t.Errorf("status %+v", st)
	}
}

func TestASocketThatWasGivenUpIsOpenedAnew(t *testing.T) {
	r, a := newRig(t), addresses(t, 1)
	r.fail = make(chan error)
	defer close(r.fail)
	r.take(on("main", "smtp", a[0]))
	says(t, a[0], "main/smtp mail tls=false")
	r.fail <- errors.New("out of order")
	deadline := time.Now().Add(time.Minute)
	for st := r.status(); st[0].Error == ""; st = r.status() {
		if time.Now().After(deadline) {
			t.Fatalf("status %+v", st)
		}
		time.Sleep(time.Millisecond)
	}
	if plain, _ := r.isOpen("main/smtp"); len(plain) != 0 {
		t.Errorf("open are %v", plain)
	}
	r.retry()
	says(t, a[0], "main/smtp mail tls=false")
}

func TestNothingIsOpenedAfterTheEnd(t *testing.T) {
	r, a := newRig(t), addresses(t, 2)
	r.take(on("main", "smtp", a[0]))
	wanted := []store.Listener{on("main", "smtp", a...)}
	fresh, err := r.prepare(t.Context(), wanted, keys(wanted))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.commit(wanted, fresh)
	r.retry()
	says(t, a[0], "")
	says(t, a[1], "")
	if !r.made[0].down {
		t.Error("the service was not ended")
	}
}

func TestAServiceThatCannotBeMade(t *testing.T) {
	r, a := newRig(t), addresses(t, 2)
	wanted := []store.Listener{on("main", "none", a[0]), on("main", "smtp", a[1])}
	fresh, err := r.prepare(t.Context(), wanted, keys(wanted))
	if err != nil {
		t.Fatal(err)
	}
	r.commit(wanted, fresh)
	says(t, a[0], "")
	says(t, a[1], "main/smtp mail tls=false")
	if st := r.status(); len(st) != 2 || st[0].Error == "" || st[1].Error != "" {
		t.Errorf("status %+v, want an error for the first", st)
	}
}
