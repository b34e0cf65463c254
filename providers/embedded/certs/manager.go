package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// checkEvery is how often renewal and changed files are looked for.
const checkEvery = time.Minute

// A Name is the need of one server.
type Name struct {
	// Hostname is what clients call the server: a host name without trailing dot.
	Hostname string
	// Addresses are IP addresses that clients may use instead of the name. They
	// matter only for certificates that are made here. With a loopback address the
	// certificate is also good for "localhost".
	Addresses []string
	// CertificateFile and KeyFile are PEM files: the certificate with its chain,
	// and its key. Both empty: the server's certificate is made here.
	CertificateFile, KeyFile string
}

// A Manager holds the current certificate of each server. It is safe for
// concurrent use.
type Manager struct {
	dir string
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex // held while certificates are loaded or made
	configs map[string]*tls.Config
	current atomic.Pointer[map[string]*entry] // by lower-case host name; the map is never changed
	// nextCheck is when to look again, in nanoseconds since 1970.
	nextCheck atomic.Int64
}

// An entry is the current certificate of one server. It is never changed.
type entry struct {
	name  Name
	cert  *tls.Certificate
	files fileState // of certificate and key, for those that are loaded
}

// Open prepares the folder "tls" of a data directory. Nothing is made before a
// server needs it. log may be nil.
func Open(dataDir string, log *slog.Logger) (*Manager, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		dir: filepath.Join(dataDir, "tls"), log: log, now: time.Now,
		configs: map[string]*tls.Config{},
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	m.current.Store(&map[string]*entry{})
	return m, nil
}

// CAFile is the path of the certificate of the authority that signs what is made
// here. It is there once a server has needed it.
func (m *Manager) CAFile() string { return filepath.Join(m.dir, caName+".pem") }

// Set says which servers there are. It loads or makes what is missing and forgets
// the others; files in the data directory stay.
//
// A server whose files cannot be used goes on with the certificate that it had,
// or for want of one with a certificate made here, so that a bad file never stops
// the mail. The error joins what is wrong, after everything else has been done.
func (m *Manager) Set(names []Name) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.current.Load()
	next := make(map[string]*entry, len(names))
	var errs []error
	for _, n := range merge(names) {
		e, err := m.load(n, old[n.Hostname])
		if err != nil {
			errs = append(errs, fmt.Errorf("certificate of %s: %w", n.Hostname, err))
		}
		if e != nil {
			next[n.Hostname] = e
		}
	}
	m.current.Store(&next)
	m.nextCheck.Store(m.now().Add(checkEvery).UnixNano())
	return errors.Join(errs...)
}

// merge brings host names into lower case and several servers of one name
// together.
func merge(names []Name) []Name {
	var out []Name
	for _, n := range names {
		n.Hostname = strings.ToLower(strings.TrimSuffix(n.Hostname, "."))
		at := slices.IndexFunc(out, func(o Name) bool { return o.Hostname == n.Hostname })
		if at < 0 {
			n.Addresses = slices.Clone(n.Addresses)
			out = append(out, n)
			continue
		}
		out[at].Addresses = append(out[at].Addresses, n.Addresses...)
		if out[at].CertificateFile == "" {
			out[at].CertificateFile, out[at].KeyFile = n.CertificateFile, n.KeyFile
		}
	}
	return out
}

// load returns the certificate for a server: old, where that still does. An entry
// may come together with an error.
func (m *Manager) load(n Name, old *entry) (*entry, error) {
	if n.CertificateFile == "" && n.KeyFile == "" {
		cert, err := m.ownCertificate(n)
		if err != nil {
			return old, err
		}
		return &entry{name: n, cert: cert}, nil
	}
	files, err := stat(n.CertificateFile, n.KeyFile)
	if err == nil && old != nil && old.files == files {
		return &entry{name: n, cert: old.cert, files: files}, nil
	}
	var cert *tls.Certificate
	if err == nil {
		cert, err = loadPair(n.CertificateFile, n.KeyFile)
	}
	if err == nil {
		m.complain(n, cert)
		return &entry{name: n, cert: cert, files: files}, nil
	}
	if old != nil {
		// With its new name but without its old files, so that it is tried again.
		return &entry{name: n, cert: old.cert}, err
	}
	own, ownErr := m.ownCertificate(n)
	if ownErr != nil {
		return nil, errors.Join(err, ownErr)
	}
	return &entry{name: n, cert: own}, err
}

// complain logs what will make clients refuse a certificate that was given. It
// is used nevertheless: who sets up a server may be ahead of its certificate.
func (m *Manager) complain(n Name, cert *tls.Certificate) {
	if err := cert.Leaf.VerifyHostname(n.Hostname); err != nil {
		m.log.Warn("certs: the certificate is not for this name", "hostname", n.Hostname, "file", n.CertificateFile)
	}
	if now := m.now(); now.After(cert.Leaf.NotAfter) || now.Before(cert.Leaf.NotBefore) {
		m.log.Warn("certs: the certificate is not valid at this time", "hostname", n.Hostname, "file", n.CertificateFile,
			"from", cert.Leaf.NotBefore, "to", cert.Leaf.NotAfter)
	}
}

// Config is the TLS configuration of the server with this host name: TLS 1.2 and
// later. It always is the same one, and always has the current certificates. A
// client that asks for the name of another server of ours gets that one's
// certificate.
func (m *Manager) Config(hostname string) *tls.Config {
	hostname = strings.ToLower(strings.TrimSuffix(hostname, "."))
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.configs[hostname]
	if c == nil {
		c = &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return m.certificate(hello.ServerName, hostname)
			},
		}
		m.configs[hostname] = c
	}
	return c
}

// certificate is that of the first of the names which has one.
func (m *Manager) certificate(names ...string) (*tls.Certificate, error) {
	m.refresh()
	current := *m.current.Load()
	for _, n := range names {
		if e := current[strings.ToLower(n)]; e != nil {
			return e.cert, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate for %s", names[len(names)-1])
}

// Status is when each certificate ends, by host.
func (m *Manager) Status() []admin.Certificate {
	m.refresh()
	var out []admin.Certificate
	for host, e := range *m.current.Load() {
		out = append(out, admin.Certificate{Host: host, NotAfter: e.cert.Leaf.NotAfter, Own: e.name.CertificateFile == ""})
	}
	slices.SortFunc(out, func(a, b admin.Certificate) int { return strings.Compare(a.Host, b.Host) })
	return out
}

// refresh does what is due. Where somebody does it already, it does not wait.
func (m *Manager) refresh() {
	if m.now().UnixNano() < m.nextCheck.Load() || !m.mu.TryLock() {
		return
	}
	defer m.mu.Unlock()
	m.nextCheck.Store(m.now().Add(checkEvery).UnixNano())
	old := *m.current.Load()
	next := make(map[string]*entry, len(old))
	for host, e := range old {
		fresh, err := m.load(e.name, e)
		if err != nil {
			m.log.Error("certs: the certificate stays as it is", "hostname", host, "error", err)
		}
		if fresh == nil {
			fresh = e
		}
		next[host] = fresh
	}
	m.current.Store(&next)
}

// addresses are the IP addresses of a certificate, without those that stand for
// every address.
func (n Name) addresses() []netip.Addr {
	var out []netip.Addr
	for _, s := range n.Addresses {
		a, err := netip.ParseAddr(s)
		if err != nil || a.IsUnspecified() {
			continue
		}
		out = append(out, a.Unmap().WithZone(""))
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
