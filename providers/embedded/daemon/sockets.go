package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sort"
	"sync"
	"syscall"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
)

// A service speaks one protocol on any number of sockets.
type service interface {
	// serve handles a socket until it is closed.
	serve(s *socket) error
	// shutdown ends all sessions: idle ones with a farewell, running
	// transactions when they are done or when ctx ends.
	shutdown(ctx context.Context) error
	// connections are those that there are, connectionsOf those that came by a socket.
	connections() int
	connectionsOf(s *socket) int
}

// sockets keeps the open sockets in step with the declared listeners.
type sockets struct {
	log *slog.Logger
	// makeService builds the service of a listener.
	makeService func(store.Listener) (service, error)
	// given are the sockets that the service manager has opened; nil: none.
	given *systemd.Pool

	mu       sync.Mutex
	declared map[string]store.Listener // by key: owner/service
	services map[string]service
	open     map[string]map[socketID]*socket // by listener key
	failed   map[string]map[socketID]error
	closed   bool           // for good
	running  sync.WaitGroup // serve loops, and shutdowns of services taken away
}

func newSockets(log *slog.Logger, makeService func(store.Listener) (service, error)) *sockets {
	return &sockets{
		log: log, makeService: makeService,
		declared: map[string]store.Listener{},
		services: map[string]service{},
		open:     map[string]map[socketID]*socket{},
		failed:   map[string]map[socketID]error{},
	}
}

// listenerKey is the key of a listener as a resource.
func listenerKey(l store.Listener) string { return l.Owner + "/" + l.Service }

func ids(l store.Listener) []socketID {
	var out []socketID
	for _, a := range l.Listen {
		out = append(out, socketID{address: a})
	}
	for _, a := range l.ListenTLS {
		out = append(out, socketID{address: a, tls: true})
	}
	return out
}

// A bindError says which listener could not get its address.
type bindError struct {
	key string
	err error
}

func (e *bindError) Error() string { return e.err.Error() }
func (e *bindError) Unwrap() error { return e.err }

// prepare opens what the listeners in touched need and is not open yet, and
// leaves the rest alone; wanted are all listeners as they are to be. Nothing
// serves on the new sockets until they are committed; where one cannot be
// opened, all new ones are closed again and the error is a *bindError.
//
// What only a socket stands in the way of that goes with this very batch is left
// for commit to open.
func (s *sockets) prepare(ctx context.Context, wanted []store.Listener, touched map[string]bool) (map[socketID]*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := claimedTwice(wanted, touched); err != nil {
		return nil, err
	}
	leaving := s.leavingPorts(wanted)
	fresh := map[socketID]*socket{}
	for _, l := range wanted {
		key := listenerKey(l)
		if !touched[key] {
			continue
		}
		for _, id := range ids(l) {
			if s.open[key][id] != nil {
				continue
			}
			sock, err := bind(ctx, s.given, id, l)
			if errors.Is(err, syscall.EADDRINUSE) && leaving[portOf(id)] {
				continue
			}
			if err != nil {
				closeAll(fresh)
				return nil, &bindError{key, err}
			}
			fresh[id] = sock
		}
	}
	return fresh, nil
}

// claimedTwice refuses a listener that is to get the address of another one.
func claimedTwice(wanted []store.Listener, touched map[string]bool) error {
	claims := map[string]string{} // key by address
	for _, l := range wanted {
		key := listenerKey(l)
		for _, id := range ids(l) {
			other, taken := claims[id.address]
			claims[id.address] = key
			switch {
			case !taken:
			case touched[key]:
				return &bindError{key, fmt.Errorf("%s belongs to the listener %s", id.address, other)}
			case touched[other]:
				return &bindError{other, fmt.Errorf("%s belongs to the listener %s", id.address, key)}
			}
		}
	}
	return nil
}

// leavingPorts are the ports of open sockets that are no longer wanted where
// they are.
func (s *sockets) leavingPorts(wanted []store.Listener) map[string]bool {
	stays := map[string]map[socketID]bool{}
	for _, l := range wanted {
		m := map[socketID]bool{}
		for _, id := range ids(l) {
			m[id] = true
		}
		stays[listenerKey(l)] = m
	}
	ports := map[string]bool{}
	for key, byID := range s.open {
		for id := range byID {
			if !stays[key][id] {
				ports[portOf(id)] = true
			}
		}
	}
	return ports
}

func portOf(id socketID) string {
	_, port, err := net.SplitHostPort(id.address)
	if err != nil {
		return id.address
	}
	return port
}

func closeAll(socks map[socketID]*socket) {
	for _, sock := range socks {
		sock.close()
	}
}

// commit makes wanted the declared listeners: services are made and ended,
// fresh sockets served, others closed. Sessions of a service that stays go on,
// also those that came in by a socket that is closed now. What cannot be opened
// is tried again by retry. After close it only closes the fresh ones.
func (s *sockets) commit(wanted []store.Listener, fresh map[socketID]*socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeAll(fresh)
		return
	}
	keep := map[string]store.Listener{}
	for _, l := range wanted {
		keep[listenerKey(l)] = l
	}
	// An address may go from one listener to another, or from plain to TLS: what
	// is not where it belongs is closed first.
	for key, byID := range s.open {
		want := map[socketID]bool{}
		for _, id := range ids(keep[key]) {
			want[id] = true
		}
		for id, sock := range byID {
			if !want[id] {
				sock.close()
				delete(byID, id)
			}
		}
	}
	for key, srv := range s.services {
		if _, ok := keep[key]; ok && keep[key].Hostname == s.declared[key].Hostname {
			continue
		}
		s.retire(key, srv)
	}
	s.declared = keep
	for _, key := range sortedKeys(keep) {
		s.start(key, keep[key], fresh)
	}
	closeAll(fresh)
}

// retire ends a service that is no longer declared, or declared otherwise, while
// the daemon goes on. Its sockets close at once, its sessions end by themselves.
func (s *sockets) retire(key string, srv service) {
	for _, sock := range s.open[key] {
		sock.close()
	}
	delete(s.open, key)
	delete(s.services, key)
	delete(s.failed, key)
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := srv.shutdown(ctx); err != nil {
			s.log.Warn("end a service", "listener", key, "error", err)
		}
	})
}

// start serves a listener on the sockets that it has and those it finds in
// fresh, which it takes out. What is missing is noted as failed.
func (s *sockets) start(key string, l store.Listener, fresh map[socketID]*socket) {
	s.failed[key] = map[socketID]error{}
	srv := s.services[key]
	if srv == nil {
		var err error
		if srv, err = s.makeService(l); err != nil {
			s.log.Error("set up a service", "listener", key, "error", err)
			for _, id := range ids(l) {
				s.failed[key][id] = err
			}
			return
		}
		s.services[key] = srv
	}
	if s.open[key] == nil {
		s.open[key] = map[socketID]*socket{}
	}
	for _, id := range ids(l) {
		if s.open[key][id] != nil {
			continue
		}
		sock := fresh[id]
		if sock == nil {
			var err error
			if sock, err = bind(context.Background(), s.given, id, l); err != nil {
				s.failed[key][id] = err
				s.log.Error("open a socket", "listener", key, "error", err)
				continue
			}
		}
		delete(fresh, id)
		s.open[key][id] = sock
		s.log.Info("listening", "listener", key, "address", id.address, "tls", id.tls, "given", len(sock.given) > 0)
		s.running.Go(func() {
			if err := srv.serve(sock); err != nil && !errors.Is(err, net.ErrClosed) {
				s.log.Error("serve", "listener", key, "address", id.address, "error", err)
				s.broken(key, sock, err)
			}
		})
	}
}

// broken takes a socket out whose service has given it up, so that it does not
// pass for open; retry opens it anew.
func (s *sockets) broken(key string, sock *socket, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key][sock.id] != sock {
		return
	}
	sock.close()
	delete(s.open[key], sock.id)
	s.failed[key][sock.id] = err
}

// retry opens what could not be opened before.
func (s *sockets) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sortedKeys(s.declared) {
		if len(s.failed[key]) > 0 {
			s.start(key, s.declared[key], map[socketID]*socket{})
		}
	}
}

// isOpen reports which addresses of a listener are really open.
func (s *sockets) isOpen(key string) (plain, tls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.open[key] {
		if id.tls {
			tls = append(tls, id.address)
		} else {
			plain = append(plain, id.address)
		}
	}
	sort.Strings(plain)
	sort.Strings(tls)
	return plain, tls
}

// status lists all sockets, open or not.
func (s *sockets) status() []admin.ListenerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []admin.ListenerStatus
	for _, key := range sortedKeys(s.declared) {
		l := s.declared[key]
		for _, id := range ids(l) {
			st := admin.ListenerStatus{Owner: l.Owner, Service: l.Service, Address: id.address, TLS: id.tls}
			if srv, sock := s.services[key], s.open[key][id]; srv != nil && sock != nil {
				st.Connections = srv.connectionsOf(sock)
			}
			if err := s.failed[key][id]; err != nil {
				st.Error = err.Error()
			}
			out = append(out, st)
		}
	}
	return out
}

// A serviceOf names a service of a server.
type serviceOf struct{ Owner, Service string }

// connections are those of each service, by whichever of its sockets they came.
func (s *sockets) connections() map[serviceOf]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[serviceOf]int{}
	for key, srv := range s.services {
		l := s.declared[key]
		n[serviceOf{l.Owner, l.Service}] = srv.connections()
	}
	return n
}

// count is how many sockets are open, how many should be and are not, and how many
// connections there are.
func (s *sockets) count() (open, shut, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, socks := range s.open {
		open += len(socks)
	}
	for _, errs := range s.failed {
		shut += len(errs)
	}
	for _, srv := range s.services {
		connections += srv.connections()
	}
	return open, shut, connections
}

// close ends everything: no new connections, sessions as shutdown says.
func (s *sockets) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for key, srv := range s.services {
		for _, sock := range s.open[key] {
			sock.close()
		}
		wg.Go(func() {
			if err := srv.shutdown(ctx); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("end %s: %w", key, err))
				mu.Unlock()
			}
		})
	}
	s.services = map[string]service{}
	s.open = map[string]map[socketID]*socket{}
	s.declared = map[string]store.Listener{}
	s.mu.Unlock()
	wg.Wait()
	s.running.Wait()
	return errors.Join(errs...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// shutdownGrace is how long running transactions have at the end.
const shutdownGrace = 20 * time.Second
