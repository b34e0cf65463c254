package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/managesieve"
	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/pop3"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// makeService builds the service of a listener.
func (d *daemon) makeService(l store.Listener) (service, error) {
	log := d.log.With("service", l.Service, "server", l.Owner)
	tlsConfig := func() *tls.Config { return d.certs.Config(l.Hostname) }
	limited := func(limit string) { d.metrics.limited(l.Owner, l.Service, limit) }
	switch l.Service {
	case "smtp", "submission":
		o := smtp.Options{
			Store: d.store, Auth: d.authOf(l.Owner), Signer: d.signer, Logger: log, Limited: limited,
			Now:     d.clocks.of(l.Owner),
			Filters: func() []milter.Filter { return d.live.filtersOf(l.Owner, l.Service) },
			Settings: func() smtp.Settings {
				s := smtp.Settings{Hostname: l.Hostname, TLS: tlsConfig(), MaxSize: d.live.setting(l.Owner).MessageSizeLimit}
				d.inbound.treat(l.Owner, &s)
				d.clientLimits.limit(l.Owner, l.Service, &s)
				return s
			},
			Checker: &verify.Checker{Resolver: d.inbound.resolver(l.Owner)},
			Lists:   d.inbound.resolver(l.Owner), Greylist: d.store,
		}
		if l.Service == "submission" {
			o.Mode = smtp.Submission
		}
		return d.behindProxies(smtpService{smtp.New(o)}, l.Owner, log), nil
	case "imap":
		return d.behindProxies(imapService{imap.New(imap.Options{
			Hostname: l.Hostname, Version: d.opts.Version, TLS: tlsConfig,
			Store: d.store, Auth: d.authOf(l.Owner), Log: log, Index: d.index,
			Zone:        func() *time.Location { return d.clocks.zone(l.Owner) },
			MessageSize: func() int64 { return d.live.setting(l.Owner).MessageSizeLimit },
			LiveLimits:  func() imap.Limits { return d.clientLimits.imap(l.Owner) }, Limited: limited,
		})}, l.Owner, log), nil
	case "pop3":
		return d.behindProxies(pop3Service{pop3.New(pop3.Options{
			Hostname: l.Hostname, TLS: tlsConfig, Store: d.store, Auth: d.authOf(l.Owner), Logger: log,
			LiveLimits: func() pop3.Limits { return d.clientLimits.pop3(l.Owner) }, Limited: limited,
		})}, l.Owner, log), nil
	case "managesieve":
		return d.behindProxies(sieveService{managesieve.New(managesieve.Options{
			Hostname: l.Hostname, TLS: tlsConfig, Store: d.store, Auth: d.authOf(l.Owner), Logger: log,
			Limits: func() managesieve.Limits { return d.clientLimits.managesieve(l.Owner) }, Limited: limited,
		})}, l.Owner, log), nil
	case "metrics":
		return d.newMetricsService(log), nil
	case "web":
		return d.newWebService(l, log), nil
	case "dns":
		return dnsService{d.dns, d.limiters.of(l.Owner)}, nil
	default:
		return nil, fmt.Errorf("there is no service %q", l.Service)
	}
}

type smtpService struct{ *smtp.Server }

func (s smtpService) serve(sock *socket) error {
	if sock.id.tls {
		return s.ServeTLS(sock.stream)
	}
	return s.Serve(sock.stream)
}
func (s smtpService) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s smtpService) connections() int                   { return s.Connections() }
func (s smtpService) connectionsOf(sock *socket) int     { return s.ConnectionsOf(sock.stream) }

type imapService struct{ *imap.Server }

func (s imapService) serve(sock *socket) error {
	return unless(imap.ErrServerClosed, s.Serve(sock.stream, sock.id.tls))
}
func (s imapService) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s imapService) connections() int                   { return s.Connections() }
func (s imapService) connectionsOf(sock *socket) int     { return s.ConnectionsOf(sock.stream) }

type pop3Service struct{ *pop3.Server }

func (s pop3Service) serve(sock *socket) error {
	return unless(pop3.ErrServerClosed, s.Serve(sock.stream, sock.id.tls))
}
func (s pop3Service) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s pop3Service) connections() int                   { return s.Connections() }
func (s pop3Service) connectionsOf(sock *socket) int     { return s.ConnectionsOf(sock.stream) }

type sieveService struct{ *managesieve.Server }

func (s sieveService) serve(sock *socket) error {
	return unless(managesieve.ErrServerClosed, s.Serve(sock.stream, sock.id.tls))
}
func (s sieveService) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s sieveService) connections() int                   { return s.Connections() }
func (s sieveService) connectionsOf(sock *socket) int     { return s.ConnectionsOf(sock.stream) }

// dnsService is one listener's share of the name server, which all listeners
// have in common: they serve the same zones.
type dnsService struct {
	server  *dns.Server
	limiter *dns.Limiter
}

func (s dnsService) serve(sock *socket) error {
	return unless(dns.ErrServerClosed, s.server.Serve(sock.packet, sock.stream, s.limiter))
}

// shutdown has nothing to wait for: serve ends when its sockets are closed. What
// came by TCP, for whichever listener, ends with the server.
func (s dnsService) shutdown(context.Context) error { return nil }
func (s dnsService) connections() int               { return 0 }
func (s dnsService) connectionsOf(*socket) int      { return 0 }

// unless is err, but nil for the error of a server that was told to end.
func unless(closed, err error) error {
	if errors.Is(err, closed) {
		return nil
	}
	return err
}
