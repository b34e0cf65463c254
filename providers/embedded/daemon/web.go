package daemon

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/mailform/mailform/providers/embedded/certs"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/web"
	"github.com/mailform/mailform/schema/clients"
)

// websites are what the web servers tell, by their labels.
type websites struct {
	byOwner atomic.Pointer[map[string]*website]
}

type website struct {
	domains map[string]*web.Domain
	port    uint16 // with TLS; 0: none
}

func (w *websites) of(owner string) *website {
	if all := w.byOwner.Load(); all != nil {
		if site := (*all)[owner]; site != nil {
			return site
		}
	}
	return &website{}
}

// loadWeb takes over what the web servers tell.
func (d *daemon) loadWeb(ctx context.Context) error {
	domains, err := d.store.WebDomains(ctx)
	if err != nil {
		return err
	}
	listeners, err := d.store.Listeners(ctx)
	if err != nil {
		return err
	}
	all := map[string]*website{}
	site := func(owner string) *website {
		if all[owner] == nil {
			all[owner] = &website{domains: map[string]*web.Domain{}}
		}
		return all[owner]
	}
	for _, l := range listeners {
		if l.Service == "web" {
			site(l.Owner).port = firstPort(l.ListenTLS)
		}
	}
	for _, a := range domains {
		out := &web.Domain{Name: a.Domain, Policy: a.Policy, Authority: a.Authority}
		for _, text := range a.Doors {
			door, err := clients.ParseDoor(text) // it was one when it was stored
			if err != nil {
				return fmt.Errorf("what the web server tells about %s: %w", a.Domain, err)
			}
			out.Doors = append(out.Doors, door)
		}
		site(a.Owner).domains[a.Domain] = out
	}
	d.websites.byOwner.Store(&all)
	return nil
}

func firstPort(listen []string) uint16 {
	for _, l := range listen {
		if _, text, err := net.SplitHostPort(l); err == nil {
			if port, err := strconv.ParseUint(text, 10, 16); err == nil {
				return uint16(port)
			}
		}
	}
	return 0
}

// maxName is how long a name in the DNS is at most (RFC 1035 §2.3.4).
const maxName = 253

// webNames are the names that web servers need certificates for: their own, and those that
// domains have for them. A certificate from files is for all of them.
func (d *daemon) webNames(ctx context.Context) ([]certs.Name, error) {
	sites, err := d.store.Websites(ctx)
	if err != nil {
		return nil, err
	}
	domains, err := d.store.WebDomains(ctx)
	if err != nil {
		return nil, err
	}
	var names []certs.Name
	for _, s := range sites {
		own := certs.Name{Hostname: s.Hostname, Addresses: s.Addresses, CertificateFile: s.TLSCertificate, KeyFile: s.TLSKey}
		names = append(names, own)
		if s.TLSCertificate != "" {
			continue // whoever asks for another name gets it too
		}
		for _, a := range domains {
			if a.Owner != s.Owner {
				continue
			}
			for _, label := range []string{"mta-sts.", "autoconfig.", "autodiscover."} {
				if len(label+a.Domain) <= maxName {
					names = append(names, certs.Name{Hostname: label + a.Domain})
				}
			}
		}
	}
	return names, nil
}

func (d *daemon) newWebService(l store.Listener, log *slog.Logger) webService {
	config := d.certs.Config(l.Hostname)
	return webService{web.New(web.Options{
		TLS: config,
		Domain: func(name string) *web.Domain {
			return d.websites.of(l.Owner).domains[name]
		},
		Authority: func() ([]byte, error) { return authorityOf(d.certs.CAFile()) },
		Certificate: func() (*tls.Certificate, error) {
			return config.GetCertificate(&tls.ClientHelloInfo{ServerName: l.Hostname})
		},
		Port: func() uint16 { return d.websites.of(l.Owner).port },
		Log:  log,
	})}
}

// authorityOf reads the certificate of an authority, in DER.
func authorityOf(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(file + " has no certificate")
	}
	return block.Bytes, nil
}

type webService struct{ *web.Server }

func (s webService) serve(sock *socket) error {
	if sock.id.tls {
		return unless(http.ErrServerClosed, s.ServeTLS(sock.stream))
	}
	return unless(http.ErrServerClosed, s.Serve(sock.stream))
}
func (s webService) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s webService) connections() int                   { return s.Connections() }
func (s webService) connectionsOf(sock *socket) int     { return s.ConnectionsOver(sock.id.tls) }
