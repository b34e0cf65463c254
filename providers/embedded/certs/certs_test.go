package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t *testing.T, dir string) (*Manager, *clock) {
	t.Helper()
	m, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: time.Now()}
	m.now = c.now
	return m, c
}

func mustSet(t *testing.T, m *Manager, names ...Name) {
	t.Helper()
	if err := m.Set(names); err != nil {
		t.Fatal(err)
	}
}

// handshake connects to a server with a configuration and returns what the client
// saw. The client looks at the time of c.
func handshake(t *testing.T, server *tls.Config, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(time.Minute))
		// The client reports how it went.
		_ = tls.Server(nc, server).Handshake()
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(nc, client)
	err = tc.Handshake()
	return tc.ConnectionState(), err
}

// trusting is a client that trusts the authority of a manager.
func trusting(t *testing.T, m *Manager, name string) *tls.Config {
	t.Helper()
	data, err := os.ReadFile(m.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatal("the authority's file holds no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: name, Time: m.now}
}

func TestClientsThatTrustTheAuthorityTrustTheServer(t *testing.T) {
	m, _ := open(t, t.TempDir())
	mustSet(t, m,
		Name{Hostname: "Mail.Example.com.", Addresses: []string{"127.0.0.1", "192.0.2.1", "0.0.0.0", "not an address"}},
		Name{Hostname: "mx.example.net", Addresses: []string{"2001:db8::1"}})
	for name, tc := range map[string]struct {
		server, asks string
		ok           bool
	}{
		"by its name":                       {"mail.example.com", "mail.example.com", true},
		"by an address":                     {"mail.example.com", "192.0.2.1", true},
		"on the loopback":                   {"mail.example.com", "127.0.0.1", true},
		"as localhost":                      {"mail.example.com", "localhost", true},
		"by another name":                   {"mail.example.com", "other.example.com", false},
		"a second server":                   {"mx.example.net", "mx.example.net", true},
		"a second server by IPv6":           {"mx.example.net", "2001:db8::1", true},
		"a second server has no loopback":   {"mx.example.net", "localhost", false},
		"one server by the name of another": {"mail.example.com", "mx.example.net", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := handshake(t, m.Config(tc.server), trusting(t, m, tc.asks))
			if (err == nil) != tc.ok {
				t.Errorf("handshake: %v, want success: %v", err, tc.ok)
			}
		})
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	m, _ := open(t, t.TempDir())
	mustSet(t, m, Name{Hostname: "mail.example.com"})
	c := trusting(t, m, "mail.example.com")
	c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := handshake(t, m.Config("mail.example.com"), c); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := handshake(t, m.Config("mail.example.com"), c); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
}

func TestConfigIsAlwaysTheSameSoThatSessionsResume(t *testing.T) {
	m, _ := open(t, t.TempDir())
	if m.Config("mail.example.com") != m.Config("MAIL.example.com.") {
		t.Error("another configuration each time")
	}
	if _, err := m.certificate("mail.example.com"); err == nil {
		t.Error("a server that was never set has a certificate")
	}
}

func TestFilesAreKeptOverRestarts(t *testing.T) {
	dir := t.TempDir()
	n := Name{Hostname: "mail.example.com", Addresses: []string{"127.0.0.1"}}
	leaf := func() *x509.Certificate {
		m, _ := open(t, dir)
		mustSet(t, m, n)
		cert, err := m.certificate("mail.example.com")
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	first := leaf()
	if !bytes.Equal(first.Raw, leaf().Raw) {
		t.Error("a restart makes another certificate")
	}
	for _, name := range []string{"ca.key", "mail.example.com.key"} {
		fi, err := os.Stat(filepath.Join(dir, "tls", name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, fi.Mode())
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "tls"))
	if err != nil || len(entries) != 4 {
		t.Errorf("%d files, want 4: %v, %v", len(entries), entries, err)
	}
	n.Addresses = []string{"192.0.2.1"}
	if changed := leaf(); changed.VerifyHostname("192.0.2.1") != nil || changed.VerifyHostname("localhost") == nil {
		t.Errorf("other addresses, and the certificate is for %v %v", changed.DNSNames, changed.IPAddresses)
	}
}

func TestRenewalKeepsTheKey(t *testing.T) {
	m, c := open(t, t.TempDir())
	mustSet(t, m, Name{Hostname: "mail.example.com"})
	config := m.Config("mail.example.com")
	oldTrust := trusting(t, m, "mail.example.com")
	see := func() *x509.Certificate {
		t.Helper()
		state, err := handshake(t, config, oldTrust)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0]
	}
	first := see()
	c.pass(serverLife - serverRenew - 2*day)
	if !bytes.Equal(first.Raw, see().Raw) {
		t.Error("renewed too early")
	}
	c.pass(3 * day)
	second := see()
	if bytes.Equal(first.Raw, second.Raw) || !second.NotAfter.After(first.NotAfter.Add(300*day)) {
		t.Errorf("not renewed: %v, then %v", first.NotAfter, second.NotAfter)
	}
	if !first.PublicKey.(*ecdsa.PublicKey).Equal(second.PublicKey) {
		t.Error("the key has changed")
	}
	// The authority is renewed, too; who trusts the old one goes on.
	c.pass(caLife - caRenew - serverLife + 60*day)
	third := see()
	if third.CheckSignatureFrom(readCA(t, m)) != nil {
		t.Error("not signed by the authority as it lies in the folder")
	}
	if end := readCA(t, m).NotAfter; end.Before(c.now().Add(caLife - day)) {
		t.Errorf("the authority ends %v", end)
	}
}

func readCA(t *testing.T, m *Manager) *x509.Certificate {
	t.Helper()
	cert, err := readCertificate(m.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issueFor makes certificate files for a name, by an authority of their own.
func issueFor(t *testing.T, host string) (certFile, keyFile string) {
	t.Helper()
	m, _ := open(t, t.TempDir())
	mustSet(t, m, Name{Hostname: host})
	return filepath.Join(m.dir, host+".pem"), filepath.Join(m.dir, host+".key")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestGivenFilesAreServedAndLoadedAgain(t *testing.T) {
	firstCert, firstKey := issueFor(t, "mail.example.com")
	secondCert, secondKey := issueFor(t, "mail.example.com")
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	copyFile(t, firstCert, cert)
	copyFile(t, firstKey, key)
	m, c := open(t, t.TempDir())
	mustSet(t, m, Name{Hostname: "mail.example.com", CertificateFile: cert, KeyFile: key})
	serves := func(file string) {
		t.Helper()
		want, err := readCertificate(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.certificate("", "mail.example.com")
		if err != nil || !bytes.Equal(got.Leaf.Raw, want.Raw) {
			t.Errorf("another certificate is served (%v)", err)
		}
	}
	serves(firstCert)
	if _, err := os.Stat(m.CAFile()); !os.IsNotExist(err) {
		t.Errorf("an authority was made though none was needed: %v", err)
	}

	// Half replaced: certificate and key do not belong together.
	copyFile(t, secondCert, cert)
	touch(t, cert)
	c.pass(checkEvery + time.Second)
	serves(firstCert)
	copyFile(t, secondKey, key)
	touch(t, key)
	serves(firstCert) // not looked at yet
	c.pass(checkEvery + time.Second)
	serves(secondCert)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	c.pass(checkEvery + time.Second)
	serves(secondCert)
}

// touch gives a file a time that differs from the one before on any file system.
func touch(t *testing.T, file string) {
	t.Helper()
	at := time.Now().Add(time.Hour)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestABadFileDoesNotStopTheServer(t *testing.T) {
	cert, _ := issueFor(t, "mail.example.com")
	_, foreign := issueFor(t, "mail.example.com")
	nonsense := filepath.Join(t.TempDir(), "nonsense.pem")
	if err := os.WriteFile(nonsense, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cert, key string
		want      string
	}{
		"there is no such file":       {"/nonexistent/cert.pem", "/nonexistent/key.pem", "no such file"},
		"the key is not its key":      {cert, foreign, "private key does not match"},
		"the certificate is nonsense": {nonsense, foreign, "failed to find any PEM data"},
		"the key is missing":          {cert, "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := open(t, t.TempDir())
			bad := Name{Hostname: "mail.example.com", CertificateFile: tc.cert, KeyFile: tc.key}
			err := m.Set([]Name{bad, {Hostname: "mx.example.net"}})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "mail.example.com") {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			for _, host := range []string{"mail.example.com", "mx.example.net"} {
				if _, err := handshake(t, m.Config(host), trusting(t, m, host)); err != nil {
					t.Errorf("%s is not served: %v", host, err)
				}
			}
		})
	}
}

func TestABadFileLeavesTheOldCertificate(t *testing.T) {
	cert, key := issueFor(t, "mail.example.com")
	m, _ := open(t, t.TempDir())
	n := Name{Hostname: "mail.example.com", CertificateFile: cert, KeyFile: key}
	mustSet(t, m, n)
	before, _ := m.certificate("mail.example.com")
	n.CertificateFile = "/nonexistent/cert.pem"
	if err := m.Set([]Name{n}); err == nil {
		t.Fatal("no error")
	}
	if after, err := m.certificate("mail.example.com"); err != nil || after != before {
		t.Errorf("the certificate has changed: %v", err)
	}
}

func TestFilesOfOursThatCannotBeReadAreNotOverwritten(t *testing.T) {
	for _, name := range []string{"ca.key", "ca.pem", "mail.example.com.key", "mail.example.com.pem"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m, _ := open(t, dir)
			mustSet(t, m, Name{Hostname: "mail.example.com"})
			path := filepath.Join(dir, "tls", name)
			if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
				t.Fatal(err)
			}
			m, _ = open(t, dir)
			if err := m.Set([]Name{{Hostname: "mail.example.com"}}); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one about %s", err, path)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "torn" {
				t.Errorf("the file is now %q, %v", data, err)
			}
		})
	}
}

func TestACrashAfterTheKeyWasWrittenIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	m, _ := open(t, dir)
	mustSet(t, m, Name{Hostname: "mail.example.com"})
	for _, name := range []string{"ca.pem", "mail.example.com.pem"} {
		if err := os.Remove(filepath.Join(dir, "tls", name)); err != nil {
			t.Fatal(err)
		}
	}
	m, _ = open(t, dir)
	mustSet(t, m, Name{Hostname: "mail.example.com"})
	if _, err := handshake(t, m.Config("mail.example.com"), trusting(t, m, "mail.example.com")); err != nil {
		t.Error(err)
	}
}

func TestHostNamesThatAreNoFileNames(t *testing.T) {
	for _, host := range []string{"", "..", "../x", "a/b", `a\b`, "ca", "mail.example.com\x00", strings.Repeat("a", 300)} {
		dir := t.TempDir()
		m, _ := open(t, dir)
		if err := m.Set([]Name{{Hostname: host}}); err == nil {
			t.Errorf("%q is taken", host)
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				t.Errorf("%q made %s", host, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestLogAndErrorsHoldNoKey(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	m, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	mustSet(t, m, Name{Hostname: "mail.example.com"})
	key, err := os.ReadFile(filepath.Join(dir, "tls", "mail.example.com.key"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(key), "\n")[1]
	err = m.Set([]Name{{Hostname: "mail.example.com", CertificateFile: filepath.Join(dir, "tls", "mail.example.com.key"), KeyFile: m.CAFile()}})
	if err == nil {
		t.Fatal("a key is taken for a certificate")
	}
	if strings.Contains(log.String()+err.Error(), secret) {
		t.Error("the private key is in the log or in an error")
	}
}
