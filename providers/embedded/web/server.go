package web

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailform/mailform/schema/clients"
	"golang.org/x/net/netutil"
)

// A Domain is what is told about a domain.
type Domain struct {
	Name  string // A-labels, without trailing dot
	Doors []clients.Door
	// Authority is set where mail programs have to be told of the authority that has
	// signed the certificates of the mail servers.
	Authority bool
	// Policy is the MTA-STS policy; empty: there is none.
	Policy string
}

// Options say how a server works.
type Options struct {
	// TLS is the configuration of connections with TLS; it chooses the certificate by the
	// name that a client asks for.
	TLS *tls.Config
	// Domain finds a domain by its name; nil for one that the server has nothing about.
	Domain func(name string) *Domain
	// Authority is the certificate of that authority, in DER.
	Authority func() ([]byte, error)
	// Certificate is that of the server, which signs profiles.
	Certificate func() (*tls.Certificate, error)
	// Port is the port with TLS that people without are sent to; 0: none.
	Port func() uint16
	// Connections is how many there can be at once at one address; more wait. 0: 1000.
	Connections int
	Log         *slog.Logger
}

// Limits of what a client can take up.
const (
	maxHeader   = 16 << 10
	maxRequest  = 64 << 10
	readTimeout = 10 * time.Second
	idleTimeout = 15 * time.Second
)

// A Server answers. Its methods can be used by several goroutines.
type Server struct {
	opts   Options
	server *http.Server // with TLS
	plain  *http.Server
	// How many connections there are, with TLS and without.
	openTLS, open atomic.Int64
}

// New makes a server that does not listen yet.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Connections == 0 {
		o.Connections = 1000
	}
	s := &Server{opts: o}
	s.server, s.plain = s.make(s.Handler(), &s.openTLS), s.make(http.HandlerFunc(s.sendOn), &s.open)
	return s
}

func (s *Server) make(h http.Handler, open *atomic.Int64) *http.Server {
	return &http.Server{
		Handler: logged{h, s.opts.Log}, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: time.Minute, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug), // what strangers do wrong
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
}

// Serve answers without TLS until the listener is closed or the server is told to end; the
// error is then [http.ErrServerClosed].
func (s *Server) Serve(l net.Listener) error {
	return s.plain.Serve(netutil.LimitListener(l, s.opts.Connections))
}

// ServeTLS is Serve with TLS.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.server.Serve(tls.NewListener(netutil.LimitListener(l, s.opts.Connections), s.opts.TLS))
}

// Shutdown waits for what is being answered, and ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.plain.Shutdown(ctx)
	if e := s.server.Shutdown(ctx); err == nil {
		err = e
	}
	return err
}

// Connections is how many there are now.
func (s *Server) Connections() int { return s.ConnectionsOver(true) + s.ConnectionsOver(false) }

// ConnectionsOver is how many of them are over TLS, or are not.
func (s *Server) ConnectionsOver(tls bool) int {
	if tls {
		return int(s.openTLS.Load())
	}
	return int(s.open.Load())
}

// Handler answers what comes with TLS. It knows the paths. Outlook writes those of Autodiscover in two ways.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/mta-sts.txt", s.policy)
	for _, path := range []string{"/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"} {
		mux.HandleFunc("GET "+path, s.thunderbird)
	}
	for _, path := range []string{"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"} {
		mux.HandleFunc("GET "+path, s.outlook)
		mux.HandleFunc("POST "+path, s.outlook)
	}
	for _, path := range []string{"/autodiscover/autodiscover.json", "/Autodiscover/Autodiscover.json"} {
		mux.HandleFunc("GET "+path, s.outlookProtocol)
	}
	mux.HandleFunc("GET /mailform.mobileconfig", s.apple)
	mux.HandleFunc("GET /style.css", s.style)
	mux.HandleFunc("GET /{$}", s.page)
	return secured(mux)
}

// secured says to browsers what the pages are made of, and that they belong nowhere else.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		h.ServeHTTP(w, r)
	})
}

// sendOn sends those without TLS to the address with TLS.
func (s *Server) sendOn(w http.ResponseWriter, r *http.Request) {
	port := s.opts.Port()
	host := hostOf(r)
	if port == 0 || host == "" {
		http.Error(w, "There is nothing here without TLS.", http.StatusForbidden)
		return
	}
	if port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

// hostOf is the name that a client asked for, in lower case and without port.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(strings.ToLower(strings.TrimSuffix(host, ".")), "[]")
	for _, c := range host {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':') {
			return ""
		}
	}
	return host
}

// logged writes a line for each request, without what was asked in it: there is an address.
type logged struct {
	http.Handler
	log *slog.Logger
}

func (l logged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &answer{ResponseWriter: w, status: http.StatusOK}
	l.Handler.ServeHTTP(out, r)
	l.log.Info("request", "client", r.RemoteAddr, "method", r.Method, "host", hostOf(r), "path", r.URL.Path, "status", out.status, "tls", r.TLS != nil)
}

// An answer remembers its status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
