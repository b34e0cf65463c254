// Package ldaptest starts a real OpenLDAP for tests: a private slapd in a
// directory of its own, on a port that it has asked the kernel for.
package ldaptest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// Names in the directory of a [Server].
const (
	Base    = "dc=example,dc=com"
	People  = "ou=people," + Base
	Aliases = "ou=aliases," + Base
	// WriterDN may write everything below Base, ReaderDN read all of it, OtherDN only
	// what is no password.
	WriterDN = "cn=mailform," + Base
	ReaderDN = "cn=reader," + Base
	OtherDN  = "cn=other," + Base
	// Password of each of them, and of RootDN.
	Password = "correct-horse-battery"
	RootDN   = "cn=admin," + Base
)

// Options say what a server has.
type Options struct {
	// Plain: without mailform's schema, as Debian's slapd comes.
	Plain bool
	// TLS is set for one with a certificate, which also listens on URLs[ldaps].
	TLS bool
	// Global and Database are further lines of slapd.conf.
	Global, Database string
}

// A Server is one that runs.
type Server struct {
	// Dir is its directory, URL where it answers in clear text, TLSURL with TLS,
	// SocketURL by a socket, whose owner may do all.
	Dir, URL, TLSURL, SocketURL string
	// CAFile holds the certificate, for the name localhost.
	CAFile string

	program string
	cmd     *exec.Cmd
	ended   chan struct{}
	log     buffer
}

// A buffer is what a process writes and a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Need finds a program, also where only root has it in the PATH. Without it the
// test is skipped; in CI, where .ci/peers has installed it, that is a failure.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed; .ci/peers installs it", program)
		}
		t.Skipf("SKIPPED: %s is not installed", program)
	}
	return path
}

// Start makes a directory with the entries of this package and starts its server.
// It ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), program: Need(t, "slapd")}
	for _, p := range []string{"slapadd", "ldapmodify", "ldapsearch"} {
		Need(t, p)
	}
	s.configure(t, o)
	s.Start(t)
	t.Cleanup(func() {
		s.End(t)
		if t.Failed() {
			t.Logf("slapd:\n%s", s.log.String())
		}
	})
	return s
}

// SchemaFile is the path of mailform's schema as slapd.conf includes it.
func SchemaFile() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "docs", "ldap", "mailform.schema")
}

func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) configure(t testing.TB, o Options) {
	t.Helper()
	if err := os.Mkdir(s.path("db"), 0o700); err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	for _, name := range []string{"core", "cosine", "nis", "inetorgperson"} {
		fmt.Fprintf(&conf, "include /etc/ldap/schema/%s.schema\n", name)
	}
	if !o.Plain {
		fmt.Fprintf(&conf, "include %s\n", SchemaFile())
	}
	if o.TLS {
		s.certify(t)
		fmt.Fprintf(&conf, "TLSCertificateFile %s\nTLSCertificateKeyFile %s\n", s.CAFile, s.path("key.pem"))
	}
	owner := fmt.Sprintf("gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth", os.Getgid(), os.Getuid())
	const unlimited = "size.soft=unlimited size.hard=unlimited size.prtotal=unlimited time=unlimited"
	fmt.Fprintf(&conf, `modulepath /usr/lib/ldap
moduleload back_mdb
moduleload argon2
%[1]s
access to dn.base="" by * read
access to dn.subtree="cn=Subschema" by * read
database mdb
maxsize 1073741824
suffix %[2]q
rootdn %[3]q
rootpw %[4]s
directory %[5]s
index objectClass,mail,uid,cn eq
limits dn.exact=%[6]q %[9]s
limits dn.exact=%[7]q %[9]s
limits dn.exact=%[8]q %[9]s
access to attrs=userPassword by dn.exact=%[6]q write by dn.exact=%[8]q write by dn.exact=%[7]q read by anonymous auth by * none
access to * by dn.exact=%[6]q write by dn.exact=%[8]q write by users read by anonymous auth
%[10]s
`, o.Global, Base, RootDN, Password, s.path("db"), WriterDN, ReaderDN, owner, unlimited, o.Database)
	s.write(t, "slapd.conf", conf.String())
	ldif := fmt.Sprintf("dn: %s\nobjectClass: organization\nobjectClass: dcObject\no: x\ndc: example\n\n", Base)
	for _, ou := range []string{"people", "aliases"} {
		ldif += fmt.Sprintf("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n", ou, Base, ou)
	}
	for _, dn := range []string{WriterDN, ReaderDN, OtherDN} {
		ldif += fmt.Sprintf("dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: %s\n\n", dn, Password)
	}
	s.write(t, "base.ldif", ldif)
	if out, err := exec.Command(Need(t, "slapadd"), "-f", s.path("slapd.conf"), "-l", s.path("base.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.SocketURL = "ldapi://" + strings.ReplaceAll(s.path("ldapi"), "/", "%2F")
	s.URL = "ldap://" + porttest.Addr(t)
	if o.TLS {
		s.TLSURL = "ldaps://" + strings.Replace(porttest.Addr(t), "127.0.0.1", "localhost", 1)
	}
}

func (s *Server) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify makes a certificate that is its own authority.
func (s *Server) certify(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	s.CAFile = s.path("cert.pem")
}

// Start starts the server, again where it has ended, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	urls := strings.TrimSpace(s.URL + " " + s.SocketURL + " " + strings.Replace(s.TLSURL, "localhost", "127.0.0.1", 1))
	s.cmd = exec.Command(s.program, "-d", "0", "-f", s.path("slapd.conf"), "-h", urls)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = &s.log, &s.log, endWithTests()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, cmd := make(chan struct{}), s.cmd
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it may be told to die
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "ldap://"))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("slapd has ended: %s", s.log.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("slapd does not answer: %s", s.log.String())
		}
	}
}

// Kill ends the server as kill -9 does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// End ends the server in order.
func (s *Server) End(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		s.Kill(t)
	}
}

// Modify carries out LDIF by ldapmodify, as the administrator.
func (s *Server) Modify(t testing.TB, ldif string) {
	t.Helper()
	cmd := exec.Command(Need(t, "ldapmodify"), "-x", "-H", s.URL, "-D", RootDN, "-w", Password)
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ldapmodify: %v\n%s", err, out)
	}
}

// Search is what ldapsearch finds below Base, as the administrator sees it: LDIF
// with long lines.
func (s *Server) Search(t testing.TB, filter string, attributes ...string) string {
	t.Helper()
	args := append([]string{"-x", "-H", s.URL, "-D", RootDN, "-w", Password, "-b", Base, "-LLL", "-o", "ldif-wrap=no", filter}, attributes...)
	out, err := exec.Command(Need(t, "ldapsearch"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ldapsearch: %v\n%s", err, out)
	}
	return string(out)
}
