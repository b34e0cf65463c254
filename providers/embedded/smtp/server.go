package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/rate"
	"github.com/mailform/mailform/providers/embedded/sessions"
)

// A Server receives mail on any number of listeners.
type Server struct {
	o     Options
	group *sessions.Group
	work  sync.WaitGroup // look-ups on behalf of sessions
	// messages and recipients are those of an hour.
	messages, recipients *rate.Counter
}

// New makes a server. It does nothing until Serve.
func New(o Options) *Server {
	o.setDefaults()
	s := &Server{o: o, messages: rate.New(time.Hour, o.Now), recipients: rate.New(time.Hour, o.Now)}
	s.group = sessions.New(sessions.Options{
		Limits:        func() sessions.Limits { return s.limits().bounds() },
		CountLoopback: o.Limits.ThrottleLoopback,
		Refuse:        refuse,
		Limited:       s.o.Limited,
		Log:           o.Logger,
	})
	return s
}

// refuse does not block: these are a few bytes into an empty socket buffer.
func refuse(raw net.Conn) {
	raw.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(raw, "421 4.7.0 Too many connections, try again later\r\n")
}

// Serve accepts connections on l, which offer STARTTLS where there is TLS. It
// returns nil once l was closed, by Shutdown or by its owner; open connections
// live on.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, (*Server).serveConn) }

// ServeTLS is Serve with TLS from the first byte (RFC 8314 §3.3).
func (s *Server) ServeTLS(l net.Listener) error { return s.serve(l, (*Server).serveTLSConn) }

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.group.Len() }

// ConnectionsOf is how many of them came by a listener.
func (s *Server) ConnectionsOf(l net.Listener) int { return s.group.LenOf(l) }

// Shutdown closes the listeners, tells idle clients 421, and waits for
// transactions under way. When ctx ends first, it cuts them off and returns
// ctx's error. No goroutine of the server is left when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.group.Shutdown(ctx)
	s.work.Wait() // their sessions have ended, and stopped them
	return err
}

func (s *Server) serve(l net.Listener, handle func(*Server, *wire)) error {
	err := s.group.Serve(l, func(raw net.Conn) sessions.Session {
		return &connection{wire: newWire(s, raw), handle: handle}
	})
	if errors.Is(err, sessions.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// A connection is a wire with what is done on it.
type connection struct {
	*wire
	handle func(*Server, *wire)
}

// Run implements sessions.Session.
func (c *connection) Run() {
	c.handle(c.srv, c.wire)
	c.raw.SetDeadline(time.Now().Add(time.Second))
	c.conn.Close()
}

// Interrupt implements sessions.Session.
func (c *connection) Interrupt() { c.drain() }

func (s *Server) serveTLSConn(w *wire) {
	w.tlsConf = s.o.Settings().TLS
	if w.tlsConf == nil {
		s.o.Logger.Error("TLS listener without a certificate", "listener", w.LocalAddr().String())
		return
	}
	if err := w.handshake(s.group.Context()); err != nil {
		s.o.Logger.Info("TLS handshake failed", "remote", w.RemoteAddr().String(), "error", err)
		return
	}
	s.startLists(w)
	s.converse(w)
}

func (s *Server) serveConn(w *wire) {
	s.startLists(w)
	if s.o.Mode == MTA && !w.loop && s.earlyTalker(w) {
		return
	}
	s.converse(w)
	if !w.upgrade || w.dead {
		return
	}
	if err := w.startTLS(s.group.Context()); err != nil {
		s.o.Logger.Info("TLS handshake failed", "remote", w.RemoteAddr().String(), "error", err)
		return
	}
	w.begin()
	s.converse(w)
}

// earlyTalker holds the greeting back a moment and refuses clients that do not
// wait for it (RFC 5321 §4.3.1); those are robots as a rule.
func (s *Server) earlyTalker(w *wire) bool {
	w.raw.SetReadDeadline(time.Now().Add(w.limits.GreetDelay))
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
	w.hostname = settings.Hostname
	if w.tls == nil {
		w.tlsConf = settings.TLS
	}
	engine := gosmtp.NewServer(nil)
	engine.Backend = gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return &session{srv: s, w: w, conn: c, engine: engine, hostname: settings.Hostname}, nil
	})
	engine.Domain = settings.Hostname
	engine.MaxMessageBytes = settings.maxSize()
	engine.MaxRecipients = w.limits.Recipients
	engine.MaxLineLength = 0 // the wire and the session look at lines
	engine.EnableSMTPUTF8 = true
	engine.EnableDSN = true
	engine.EnableREQUIRETLS = w.tls != nil // announced by the wire, which knows
	engine.AllowInsecureAuth = true        // the session knows better: go-smtp cannot see the wire's TLS
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

// postmasterDomain is the domain of a bare <postmaster>, empty if there is none.
func (s *Server) postmasterDomain() string {
	settings := s.o.Settings()
	if settings.PostmasterDomain != "" {
		return settings.PostmasterDomain
	}
	for name := settings.Hostname; name != ""; _, name, _ = strings.Cut(name, ".") {
		if ok, err := s.o.Store.LocalDomain(s.group.Context(), name); ok && err == nil {
			return name
		}
	}
	return ""
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
