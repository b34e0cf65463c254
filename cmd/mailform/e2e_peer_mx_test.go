package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// peerHouse sends by the MX of each domain, as unbound finds and validates them in
// the zone that the same server signs.
const peerHouse = `
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  retry     = ["1h", "1h"]

  smtp       { listen = ["127.0.0.1:2525"] }
  submission { listen_tls = ["127.0.0.1:2465"] }
  imap       { listen = ["127.0.0.1:2143"] }
  resolver   { servers = ["RESOLVER"] }

  smarthost {
    host       = "127.0.0.1:SASL"
    recipients = ["login.test"]
    username   = "house"
    password   = "a good one"
  }
  smarthost {
    host       = "localhost:SASL"
    recipients = ["locked.test"]
    username   = "house"
    password   = "a wrong one"
  }
  smarthost {
    host       = "LOOPBACK:SASL"
    recipients = ["stranger.test"]
    username   = "house"
    password   = "a good one"
  }
}

nameserver "ns1" {
  hostname  = "ns1.example.com"
  addresses = ["127.0.0.1"]
  listen    = ["127.0.0.1:2053"]
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.main }
}

user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = "HASH"
}

zone "peers" {
  name       = "peers.test"
  nameserver = nameserver.ns1
  dnssec {}
}

locals {
  right = "3 1 1 DIGEST"
  wrong = "3 1 1 0000000000000000000000000000000000000000000000000000000000000000"
  tlsa  = { right = [local.right], wrong = [local.wrong], rolls = [local.wrong, local.right] }
  mx = {
    plain  = ["10 mx-plain"]
    right  = ["10 mx-right"]
    wrong  = ["10 mx-wrong"]
    rolls  = ["10 mx-rolls"]
    null   = ["0 ."]
    second = ["10 mx-away", "20 mx-plain"]
    kept   = ["10 mx"]
    other  = ["10 mx-plain"]
    tries  = ["10 mx-plain"]
    gone   = ["10 mx-plain"]
    busy   = ["10 mx-busy", "20 mx-plain"]
    quiet  = ["10 mx-quiet"]
    strict = ["10 mx-strict"]
  }
  sts = { kept = "1", other = "1", tries = "1", gone = "1" }
}

record "mx" {
  for_each = local.mx
  zone     = zone.peers
  name     = each.key
  type     = "MX"
  values   = each.value
}

record "hosts" {
  for_each = { "mx" = 1, "mx-plain" = 1, "mx-right" = 1, "mx-wrong" = 1, "mx-rolls" = 1, "mta-sts.kept" = 1, "mta-sts.other" = 1, "mta-sts.tries" = 1 }
  zone     = zone.peers
  name     = each.key
  type     = "A"
  values   = ["LOOPBACK"]
}

record "others" {
  for_each = { "mx-away" = "AWAY", "mx-busy" = "BUSY", "mx-quiet" = "QUIET", "mx-strict" = "STRICT" }
  zone     = zone.peers
  name     = each.key
  type     = "A"
  values   = [each.value]
}

record "tlsa" {
  for_each = local.tlsa
  zone     = zone.peers
  name     = "_25._tcp.mx-${each.key}"
  type     = "TLSA"
  values   = each.value
}

record "sts" {
  for_each = local.sts
  zone     = zone.peers
  name     = "_mta-sts.${each.key}"
  type     = "TXT"
  values   = ["v=STSv1; id=${each.value};"]
}
`

// Mail to a real Postfix, found by a resolver that validates: what DANE, MTA-STS, MX
// records and certificates say of it decides what it gets, and how.
func TestMailToRealServers(t *testing.T) {
	t.Parallel()
	unbound := need(t, "unbound")
	// The peers listen on 25 and 443, at an address of loopback of their own.
	net24 := fmt.Sprintf("127.%d.%d.", 64+mathrand.IntN(64), mathrand.IntN(256))
	loopback, away, busy, quiet, strict := net24+"1", net24+"254", net24+"2", net24+"3", net24+"4"
	pf := newPostfix(t) // skips where that cannot be
	w := newWorld(t, nil)
	w.port["smtps"] = porttest.Port(t)
	cert, digest := peerCertificate(t, w.dir)
	peer := newPeerPostfix(t, pf, w, loopback)
	// One that has no time for anybody, and one that tells nobody what became of mail.
	peer.listens(busy+":25", "smtpd_client_restrictions=defer", "smtpd_delay_reject=no")
	peer.listens(quiet+":25", "smtpd_discard_ehlo_keywords=dsn")
	peer.restart(loopback+":25", fmt.Sprintf("127.0.0.1:%d", peer.sasl))
	strictly := strictPeer(t, w.dir, strict)
	endPolicies := servePolicies(t, cert, loopback)

	resolver := porttest.Addr(t)
	w.env = append(w.env, "SSL_CERT_FILE="+filepath.Join(w.dir, "peer.pem"))
	w.write("main.mf.hcl", w.withPorts(strings.NewReplacer("RESOLVER", resolver, "SASL", strconv.Itoa(peer.sasl), "LOOPBACK", loopback, "AWAY", away, "BUSY", busy, "QUIET", quiet, "STRICT", strict,
		"DIGEST", digest, "HASH", hashInQuickstart(t), "127.0.0.1:2465", w.addr("smtps")).Replace(peerHouse)))
	w.apply()
	w.resolve(unbound, resolver)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon's log:\n%s\nPostfix's:\n%s", w.log(), readFile(t, peer.log))
		}
	})

	type entry struct{ to, status, err string }
	want := []entry{
		// What arrives, and over what, in the words of Postfix's log.
		{"opportunistic@plain.peers.test", "sent", ""},
		{"dane@right.peers.test", "sent", ""},
		{"dane@rolls.peers.test", "sent", ""},
		{"fallback@second.peers.test", "sent", ""},
		{"refused@busy.peers.test", "sent", ""},
		{"quietly@quiet.peers.test", "sent", ""},
		{"sts@kept.peers.test", "sent", ""},
		{"sts@tries.peers.test", "sent", ""},
		{"sts@gone.peers.test", "sent", ""},
		{"sasl@login.test", "sent", ""},
		// What has to wait, and why.
		{"dane@wrong.peers.test", "waits", "TLSA"},
		{"sts@other.peers.test", "waits", "not among the mail servers of other.peers.test's MTA-STS policy"},
		{"sasl@locked.test", "waits", "authentication failed"},
		{"sasl@stranger.test", "waits", "certificate"},
		// What is given back.
		{"nobody@null.peers.test", "returned", "Status: 5.1.10"},
	}
	s := w.submit("alice@example.com")
	for _, e := range want {
		if got := s.message("alice@example.com", e.to, "From: alice@example.com\r\nTo: "+e.to+"\r\nSubject: for "+e.to+"\r\n\r\nhello"); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	var left []queued
	soon(t, "each has been sent, tried or given back", func() bool {
		left = nil
		if err := json.Unmarshal([]byte(w.ok("queue", "list", "-json")), &left); err != nil {
			t.Fatal(err)
		}
		for _, e := range left {
			if e.Attempts == 0 {
				return false
			}
		}
		return len(left) <= 4
	})
	waits := map[string]string{}
	for _, e := range left {
		waits[e.To] = e.Error
	}
	arrived := peer.messages()
	returned := w.newest("alice@example.com", "INBOX")
	for _, e := range want {
		text, there := arrived[e.to]
		why, waiting := waits[e.to]
		switch {
		case there != (e.status == "sent"), waiting != (e.status == "waits"):
			t.Errorf("%s: arrived %v, waits %v (%s)", e.to, there, waiting, why)
		case e.status == "waits" && !strings.Contains(why, e.err):
			t.Errorf("%s waits because of %q, which has no %q", e.to, why, e.err)
		case e.status == "returned" && (!strings.Contains(returned, e.err) || !strings.Contains(returned, e.to)):
			t.Errorf("%s: the report:\n%s", e.to, returned)
		case e.status == "sent" && !regexp.MustCompile(`using TLSv1\.3 with cipher`).MatchString(text):
			t.Errorf("%s did not come over TLS:\n%s", e.to, text)
		}
	}
	if log := readFile(t, peer.log); !regexp.MustCompile(`sasl_method=SCRAM-SHA-256, sasl_username=house`).MatchString(log) {
		t.Errorf("nobody logged in by SCRAM:\n%s", log)
	}
	w.sendersAreTold(peer)
	w.onlyWhereTLSIsPromised(strictly)
	w.policiesAreRemembered(endPolicies)
}

// soon waits as eventually does, for what takes several servers on a busy machine.
func soon(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}

// peerCertificate makes what the peers show, in peer.pem and peer.key: a certificate
// that signs itself, with the names of some of them. It returns the digest of its key.
func peerCertificate(t *testing.T, dir string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.peers.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames:    []string{"mx.peers.test", "mta-sts.kept.peers.test", "mta-sts.other.peers.test", "mta-sts.tries.peers.test", "mx-strict.peers.test", "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"peer.pem": {Type: "CERTIFICATE", Bytes: der}, "peer.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(public)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:])
}

// servePolicies serves the MTA-STS policies of the peers, until it is ended; that of
// gone.peers.test is announced, and not there.
func servePolicies(t *testing.T, cert tls.Certificate, loopback string) (end func()) {
	t.Helper()
	l, err := tls.Listen("tcp", net.JoinHostPort(loopback, "443"), &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ErrorLog: log.New(os.Stderr, "policies: ", 0), ReadTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		policy := map[string]string{
			"mta-sts.kept.peers.test":  "mode: enforce\nmx: mx.peers.test\n",
			"mta-sts.other.peers.test": "mode: enforce\nmx: mx.elsewhere.test\n",
			"mta-sts.tries.peers.test": "mode: testing\nmx: mx.elsewhere.test\n",
		}[r.Host]
		if policy == "" || r.URL.Path != "/.well-known/mta-sts.txt" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(rw, "version: STSv1\n"+policy+"max_age: 86400\n")
	})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	end = sync.OnceFunc(func() {
		srv.Close()
		<-done
	})
	t.Cleanup(end)
	return end
}

// resolve runs unbound, which trusts the key of peers.test that the name server shows.
func (w *world) resolve(program, addr string) {
	w.t.Helper()
	m := regexp.MustCompile(`(?m)^257 3 13 .*$`).FindString(w.dig("+short", "+nosplit", "peers.test", "DNSKEY"))
	if m == "" {
		w.t.Fatal("peers.test has no key")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("unbound.conf", fmt.Sprintf(`server:
  directory: %q
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: %s@%s
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "validator iterator"
  local-zone: "test." nodefault
  trust-anchor: "peers.test. DNSKEY %s"
remote-control:
  control-enable: no
stub-zone:
  name: "peers.test"
  stub-addr: 127.0.0.1@%d
stub-zone:
  name: "example.com"
  stub-addr: 127.0.0.1@%d
`, w.dir, host, port, m, w.port["dns"], w.port["dns"]))
	cmd := w.command(context.WithoutCancel(w.t.Context()), program, "-d", "-c", filepath.Join(w.dir, "unbound.conf"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	soon(w.t, "unbound answers", func() bool { return reachable(addr) })
}
