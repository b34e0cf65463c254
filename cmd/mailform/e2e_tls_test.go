package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Every door has a certificate that a client which trusts the server's CA finds
// right, and speaks nothing older than TLS 1.2.
func TestEveryDoorSpeaksTLS(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl")
	w := newHouse(t, "1MiB")
	ca := filepath.Join(w.dir, "mail", "tls", "ca.pem")
	for name, door := range map[string]struct{ port, starttls string }{
		"smtp":        {"smtp", "smtp"},
		"submission":  {"submission", "smtp"},
		"submissions": {"smtps", ""},
		"imap":        {"imap", "imap"},
		"imaps":       {"imaps", ""},
		"pop3":        {"pop3", "pop3"},
		"pop3s":       {"pop3s", ""},
	} {
		connect := func(w *world, args ...string) result {
			args = append([]string{"s_client", "-connect", w.addr(door.port), "-CAfile", ca, "-verify_return_error"}, args...)
			if door.starttls != "" {
				args = append(args, "-starttls", door.starttls)
			}
			return w.run(openssl, args...)
		}
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for version, protocol := range map[string]string{"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"} {
				r := connect(w, "-verify_hostname", "mail.example.com", version)
				if r.code != 0 || !strings.Contains(r.stdout, "Verify return code: 0 (ok)") || !strings.Contains(r.stdout, protocol) {
					t.Errorf("openssl s_client %s: %v", version, r)
				}
			}
			for _, version := range []string{"-tls1_1", "-tls1"} {
				if r := connect(w, version, "-cipher", "DEFAULT@SECLEVEL=0"); r.code == 0 && strings.Contains(r.stdout, "Verify return code: 0") && !strings.Contains(r.stdout, "Cipher is (NONE)") {
					t.Errorf("openssl s_client %s: %v", version, r)
				}
			}
			key := sha256.Sum256(w.certificate("imaps").RawSubjectPublicKeyInfo)
			dane := []string{"-dane_tlsa_domain", "mail.example.com", "-dane_tlsa_rrdata"}
			if r := connect(w, append(dane, fmt.Sprintf("3 1 1 %x", key))...); r.code != 0 || !strings.Contains(r.stdout, "matched the EE certificate") && !strings.Contains(r.stdout, "matched EE certificate") {
				t.Errorf("DANE: %v", r)
			}
			key[0]++
			if r := connect(w, append(dane, fmt.Sprintf("3 1 1 %x", key))...); r.code == 0 {
				t.Errorf("DANE with another key: %v", r)
			}
			if r := connect(w, "-verify_hostname", "mail.example.org"); r.code == 0 {
				t.Errorf("the certificate is also for another name: %v", r)
			}
			if r := connect(w, "-tls1_2", "-cipher", "RC4:3DES:aNULL:eNULL:EXPORT@SECLEVEL=0"); r.code == 0 && !strings.Contains(r.stdout, "Cipher is (NONE)") {
				t.Errorf("a weak cipher is taken: %v", r)
			}
		})
	}

	// Clients that have pinned the CA or the key find both again after a restart.
	before := w.certificate("imaps")
	w.ok("stop")
	w.ok("start")
	if after := w.certificate("imaps"); !after.Equal(before) {
		t.Errorf("another certificate after a restart: serial %v, was %v", after.SerialNumber, before.SerialNumber)
	}
}

// certificate is the one that a door shows, unverified.
func (w *world) certificate(port string) *x509.Certificate {
	w.t.Helper()
	// Only looked at: nothing is sent over this connection.
	c, err := tls.Dial("tcp", w.addr(port), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// What somebody in the middle puts behind STARTTLS in the clear is never run
// within TLS (CVE-2011-0411).
func TestNothingIsInjectedBeforeTLS(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	for name, tc := range map[string]struct {
		port     string
		hello    []string // what comes before
		starttls string
		injected string
		ok       string // answer to STARTTLS
		then     string
		want     string // the first answer within TLS
	}{
		"SMTP":       {"smtp", []string{"EHLO x"}, "STARTTLS", "EHLO evil\r\nMAIL FROM:<i@j.test>\r\n", "220 ", "RSET", "250 2.0.0"},
		"submission": {"submission", []string{"EHLO x"}, "STARTTLS", "MAIL FROM:<i@j.test>\r\n", "220 ", "NOOP", "250 2.0.0"},
		"IMAP":       {"imap", nil, "a STARTTLS", "b NOOP\r\nc CAPABILITY\r\n", "a OK", "d NOOP", "d OK"},
		"POP3":       {"pop3", nil, "STLS", "USER injected\r\nCAPA\r\n", "+OK", "PASS quickstart", "-ERR"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dial(t, w.addr(tc.port))
			greeting := s.line()
			for _, cmd := range tc.hello {
				s.smtp(cmd)
			}
			// All in one packet.
			if _, err := fmt.Fprintf(s.c, "%s\r\n%s", tc.starttls, tc.injected); err != nil {
				t.Fatal(err)
			}
			if got := s.line(); !strings.HasPrefix(got, tc.ok) {
				t.Fatalf("%s was answered %q", tc.starttls, got)
			}
			if n := s.r.Buffered(); n > 0 {
				rest, _ := s.r.Peek(n)
				t.Fatalf("more than one answer before TLS: %q", rest)
			}
			// What came with the command may not be taken for the handshake either.
			s.secure(w.in(t).trust())
			s.send(tc.then)
			if got := s.line(); !strings.HasPrefix(got, tc.want) {
				t.Errorf("after %q, %s within TLS was answered %q, want %s", greeting, tc.then, got, tc.want)
			}
		})
	}
}

// A certificate from files is served as soon as it is applied, without an end of
// sessions; files that do not fit together are refused and the old one stays.
func TestACertificateFromFiles(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	pool := x509.NewCertPool()
	own := makeCertificate(t, w.dir, "own")
	pool.AddCert(own)
	makeCertificate(t, w.dir, "other")
	open := w.mailbox("alice@example.com", "INBOX")

	block := "  tls {\n    certificate = \"own.pem\"\n    key = \"own.key\"\n  }\n"
	w.edit("main.mf.hcl", "  relay {", block+"  relay {")
	w.apply()
	w.noChanges()
	for _, port := range []string{"smtps", "imaps", "pop3s"} {
		c, err := tls.Dial("tcp", w.addr(port), &tls.Config{RootCAs: pool, ServerName: "mail.example.com"})
		if err != nil {
			t.Errorf("%s: %v", port, err)
			continue
		}
		c.Close()
	}
	if got := open.imap("a", "NOOP"); !strings.Contains(got, "a OK") {
		t.Errorf("a session from before: %s", got)
	}

	// Other files under the same names are taken at a SIGHUP, and sessions go on.
	own = makeCertificate(t, w.dir, "own")
	if err := syscall.Kill(w.pid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"smtps", "imaps", "pop3s"} {
		eventually(t, port+" has the new certificate", func() bool { return w.certificate(port).Equal(own) })
	}
	if got := open.imap("a", "NOOP"); !strings.Contains(got, "a OK") {
		t.Errorf("a session from before the reload: %s", got)
	}

	w.edit("main.mf.hcl", `key = "own.key"`, `key = "other.key"`)
	r := w.mailform("apply", "-auto-approve")
	if r.code != 1 || !strings.Contains(r.stderr, "private key does not match public key") {
		t.Errorf("a key of another certificate: %v", r)
	}
	if got := w.certificate("imaps"); !got.Equal(own) {
		t.Errorf("after a refused certificate another is served: %v", got.Subject)
	}
	if got := w.certificate("smtps"); !got.Equal(own) {
		t.Errorf("after a refused certificate another is served: %v", got.Subject)
	}
}

// makeCertificate writes NAME.pem and NAME.key.
func makeCertificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{"mail.example.com"}, IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// A port that somebody else has refuses the apply, and what ran runs on.
func TestAPortInUseLeavesTheOldConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.deliver("alice@example.com", "before")
	open := w.mailbox("alice@example.com", "INBOX")
	smtp := w.greet()
	pid := w.pid()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.edit("main.mf.hcl", w.addr("imap"), "127.0.0.1:"+port)
	w.edit("main.mf.hcl", "preference = 10", "preference = 30")
	r := w.mailform("apply", "-auto-approve")
	if r.code != 1 || !strings.Contains(r.stderr, port) || !regexp.MustCompile(`address already in use|is taken|in use`).MatchString(r.stderr) {
		t.Errorf("apply with a port that is taken: %v", r)
	}
	if got := w.pid(); got != pid {
		t.Errorf("the daemon is process %d, was %d", got, pid)
	}
	if got := open.imap("a", "NOOP"); !strings.Contains(got, "a OK") {
		t.Errorf("the open IMAP session: %s", got)
	}
	smtp.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", "Subject: after\r\n\r\nx\r\n.", "250")
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "before,after" {
		t.Errorf("by the old port: %v", got)
	}

	// Once the port is free, the rest is done.
	taken.Close()
	w.apply()
	w.noChanges()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	old := w.addr("imap")
	w.port["imap"] = n
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "before,after" {
		t.Errorf("by the new port: %v", got)
	}
	if reachable(old) {
		t.Errorf("%s is still open", old)
	}
	if got := open.imap("b", "NOOP"); !strings.Contains(got, "b OK") {
		t.Errorf("the session that came in by the old port: %s", got)
	}
}

// A service that is moved, switched off and on again does not disturb the others.
func TestServicesComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	smtp := w.greet()
	pop := dial(t, w.addr("pop3"))
	pop.until("+OK")
	text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	w.edit("main.mf.hcl", "pop3 { listen = [\""+w.addr("pop3")+"\"] }", "pop3 {\n    listen  = [\""+w.addr("pop3")+"\"]\n    enabled = false\n  }")
	w.apply()
	w.noChanges()
	if reachable(w.addr("pop3")) {
		t.Error("POP3 can still be reached")
	}
	if got := pop.ended(); !strings.Contains(got, "-ERR") && got != "" {
		t.Errorf("the open POP3 session ends with %q", got)
	}
	// Two services change places.
	w.write("main.mf.hcl", strings.NewReplacer(w.addr("pop3"), w.addr("imap"), w.addr("imap"), w.addr("pop3")).Replace(text))
	w.apply()
	w.noChanges()
	if got := dial(t, w.addr("pop3")).line(); !strings.HasPrefix(got, "* OK") {
		t.Errorf("IMAP at POP3's old port says %q", got)
	}
	if got := dial(t, w.addr("imap")).line(); !strings.HasPrefix(got, "+OK") {
		t.Errorf("POP3 at IMAP's old port says %q", got)
	}
	smtp.expect("NOOP", "250")
}

// While changes are applied, whoever knocks is let in, and a new user can log in
// as soon as apply has ended.
func TestTheDoorsStayOpenDuringApply(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		tries := 0
		defer func() { done <- tries }()
		for {
			for _, port := range []string{"smtp", "imap", "pop3", "smtps"} {
				c, err := net.DialTimeout("tcp", w.addr(port), time.Minute)
				if err != nil {
					t.Errorf("%s during apply: %v", port, err)
					return
				}
				c.Close()
				tries++
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	for i, name := range []string{"eve", "dan", "kim"} {
		w.write(name+".mf.hcl", "user \""+name+"\" {\n  domain = domain.example\n  name = \""+name+"\"\n  password_hash = local.hash\n}\n")
		w.edit("main.mf.hcl", fmt.Sprintf(`message_size_limit = "%dMiB"`, i+1), fmt.Sprintf(`message_size_limit = "%dMiB"`, i+2))
		w.apply()
		w.mailbox(name+"@example.com", "INBOX")
	}
	close(stop)
	if tries := <-done; tries < 20 {
		t.Errorf("only %d tries", tries)
	}
}

// A stop is quick and tells everybody.
func TestAStopSaysGoodbye(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	idle := w.mailbox("alice@example.com", "INBOX")
	idle.send("a IDLE")
	idle.until("+")
	imap, smtp, submission, pop := w.mailbox("bob@example.com", "INBOX"), w.greet(), w.submit("alice@example.com"), w.pop("alice@example.com")
	fresh := dial(t, w.addr("imaps")) // has not begun its handshake
	start := time.Now()
	w.ok("stop")
	if took := time.Since(start); took > time.Minute {
		t.Errorf("the stop took %v", took)
	}
	for name, s := range map[string]struct {
		*session
		want string
	}{
		"IMAP in IDLE": {idle, "* BYE"}, "IMAP": {imap, "* BYE"}, "SMTP": {smtp, "421 4.3.2"},
		"submission": {submission, "421 4.3.2"}, "POP3": {pop, "-ERR"}, "before TLS": {fresh, ""},
	} {
		if got := s.ended(); !strings.HasPrefix(got, s.want) {
			t.Errorf("%s ends with %q, want %s", name, got, s.want)
		}
	}
}
