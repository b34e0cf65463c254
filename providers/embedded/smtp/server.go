package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// A Server receives mail on any number of listeners.
type Server struct {
	o   Options
	ctx context.Context // ends when running transactions are to be given up

	cancel context.CancelFunc
	wg     sync.WaitGroup // connections

	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]struct{}
	wires     map[*wire]struct{}
	perAddr   map[netip.Addr]int
}

// New makes a server. It does nothing until Serve.
func New(o Options) *Server {
	o.setDefaults()
	s := &Server{
		o:         o,
		listeners: map[net.Listener]struct{}{},
		wires:     map[*wire]struct{}{},
		perAddr:   map[netip.Addr]int{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections on l, which offer STARTTLS where there is TLS. It
// returns nil once l was closed, by Shutdown or by its owner; open connections
// live on.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, (*Server).serveConn) }

// ServeTLS is Serve with TLS from the first byte (RFC 8314 §3.3).
func (s *Server) ServeTLS(l net.Listener) error { return s.serve(l, (*Server).serveTLSConn) }

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.wires)
}

// Shutdown closes the listeners, tells idle clients 421, and waits for
// transactions under way. When ctx ends first, it cuts them off and returns
// ctx's error. No goroutine of the server is left when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for l := range s.listeners {
		l.Close()
	}
	for w := range s.wires {
		w.drain()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wg.Wait()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		s.cancel()
		s.mu.Lock()
		for w := range s.wires {
			w.raw.Close()
		}
		s.mu.Unlock()
		<-done
	}
	s.cancel()
	return err
}

func (s *Server) serve(l net.Listener, handle func(*Server, *wire)) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		l.Close()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()

	const maxPause = time.Second
	pause := 5 * time.Millisecond
	for {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of file descriptors, most likely: others need time to go.
			s.o.Logger.Warn("accept failed", "listener", l.Addr().String(), "error", err)
			if !s.sleep(pause) {
				return nil
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = 5 * time.Millisecond
		s.start(raw, handle)
	}
}

// start serves a connection, or turns it away when there are too many.
func (s *Server) start(raw net.Conn, handle func(*Server, *wire)) {
	w := newWire(s, raw)
	addr := clientNetwork(raw.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	full := len(s.wires) >= s.o.Limits.Connections
	greedy := !w.loop && s.perAddr[addr] >= s.o.Limits.ConnectionsPerAddress
	if s.stopping || full || greedy {
		if !s.stopping {
			s.o.Logger.Info("connection refused", "remote", raw.RemoteAddr().String(), "full", full)
		}
		// A few bytes into an empty socket buffer do not block.
		raw.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(raw, "421 4.7.0 Too many connections, try again later\r\n")
		raw.Close()
		return
	}
	s.wires[w] = struct{}{}
	s.perAddr[addr]++
	s.wg.Go(func() {
		defer s.forget(w, addr)
		handle(s, w)
	})
}

func (s *Server) forget(w *wire, addr netip.Addr) {
	w.raw.SetDeadline(time.Now().Add(time.Second))
	w.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	if s.perAddr[addr]--; s.perAddr[addr] == 0 {
		delete(s.perAddr, addr)
	}
}

func (s *Server) serveTLSConn(w *wire) {
	w.tlsConf = s.o.Settings().TLS
	if w.tlsConf == nil {
		s.o.Logger.Error("TLS listener without a certificate", "listener", w.LocalAddr().String())
		return
	}
	if err := w.handshake(s.ctx); err != nil {
		s.o.Logger.Info("TLS handshake failed", "remote", w.RemoteAddr().String(), "error", err)
		return
	}
	s.converse(w)
}

func (s *Server) serveConn(w *wire) {
	if s.o.Mode == MTA && !w.loop && s.earlyTalker(w) {
		return
	}
	s.converse(w)
	if !w.upgrade || w.dead {
		return
	}
	if err := w.startTLS(s.ctx); err != nil {
		s.o.Logger.Info("TLS handshake failed", "remote", w.RemoteAddr().String(), "error", err)
		return
	}
	w.begin()
	s.converse(w)
}

// earlyTalker holds the greeting back a moment and refuses clients that do not
// wait for it (RFC 5321 §4.3.1); those are robots as a rule.
func (s *Server) earlyTalker(w *wire) bool {
	w.raw.SetReadDeadline(time.Now().Add(s.o.Limits.GreetDelay))
	_, err := w.br.Peek(1)
	if err == nil {
		s.o.Logger.Info("client talks before the greeting", "remote", w.RemoteAddr().String())
		w.end("554 5.5.1 Protocol error, wait for the greeting\r\n")
		return true
	}
	// bufio keeps no error after a Peek that returned it.
	return !isTimeout(err)
}

// converse runs a go-smtp engine over the wire until one of them ends. Each
// conversation has its own engine: go-smtp's fields cannot change while it
// serves, and its sessions keep state across STARTTLS.
func (s *Server) converse(w *wire) {
	settings := s.o.Settings()
	if w.tls == nil {
		w.tlsConf = settings.TLS
	}
	engine := gosmtp.NewServer(nil)
	engine.Backend = gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return &session{srv: s, w: w, conn: c, engine: engine, hostname: settings.Hostname}, nil
	})
	engine.Domain = settings.Hostname
	engine.MaxMessageBytes = settings.maxSize()
	engine.MaxRecipients = s.o.Limits.Recipients
	engine.MaxLineLength = 0 // the wire and the session look at lines
	engine.EnableSMTPUTF8 = true
	engine.AllowInsecureAuth = true // the session knows better: go-smtp cannot see the wire's TLS
	if w.tls == nil {
		engine.TLSConfig = w.tlsConf // only to have STARTTLS announced
	}
	engine.ErrorLog = engineLog{s.o.Logger, w}

	l := &onceListener{w: w}
	if err := engine.Serve(l); !errors.Is(err, io.EOF) && err != nil {
		s.o.Logger.Warn("smtp engine", "remote", w.RemoteAddr().String(), "error", err)
	}
	// Serve has returned because the wire has ended; this waits for the handler.
	engine.Shutdown(context.Background())
	w.flush()
}

// sleep waits, and says whether it did so to the end.
func (s *Server) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// postmasterDomain is the domain of a bare <postmaster>, empty if there is none.
func (s *Server) postmasterDomain() string {
	settings := s.o.Settings()
	if settings.PostmasterDomain != "" {
		return settings.PostmasterDomain
	}
	for name := settings.Hostname; name != ""; _, name, _ = strings.Cut(name, ".") {
		if ok, err := s.o.Store.LocalDomain(s.ctx, name); ok && err == nil {
			return name
		}
	}
	return ""
}

// clientNetwork is what connections are counted by: an IPv4 address, or a /64.
func clientNetwork(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := t.AddrPort().Addr().Unmap()
	if ip.Is6() {
		p, err := ip.WithZone("").Prefix(64)
		if err != nil {
			return ip
		}
		return p.Addr()
	}
	return ip
}

// A onceListener hands one wire to an engine and ends with it.
type onceListener struct {
	w     *wire
	given bool
}

func (l *onceListener) Accept() (net.Conn, error) {
	if l.given {
		<-l.w.ended
		return nil, io.EOF
	}
	l.given = true
	return l.w, nil
}

func (l *onceListener) Close() error   { return nil }
func (l *onceListener) Addr() net.Addr { return l.w.LocalAddr() }

// engineLog takes what go-smtp reports: panics, and errors of the connection.
type engineLog struct {
	log *slog.Logger
	w   *wire
}

func (l engineLog) Printf(format string, v ...any) {
	l.log.Warn("smtp engine: "+fmt.Sprintf(format, v...), "remote", l.w.RemoteAddr().String())
}

func (l engineLog) Println(v ...any) {
	l.log.Warn("smtp engine: "+fmt.Sprintln(v...), "remote", l.w.RemoteAddr().String())
}
