package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// HAProxy stands before the server, and says whose its connections are, in both
// versions of the PROXY protocol, before plain text and before TLS.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	haproxy := need(t, "haproxy")
	w := newHouse(t, "1MiB")
	fronts := []struct{ name, service, version string }{
		{"smtp", "smtp", "send-proxy"}, {"imap", "imap", "send-proxy-v2"}, {"pop3", "pop3", "send-proxy"}, {"imaps", "imaps", "send-proxy-v2"},
	}
	at := map[string]string{}
	config := "defaults\n  mode tcp\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n"
	for _, f := range fronts {
		at[f.name] = porttest.Addr(t)
		config += fmt.Sprintf("listen %s\n  bind %s\n  server mailform %s %s\n", f.name, at[f.name], w.addr(f.service), f.version)
	}
	w.write("haproxy.cfg", config)
	end := w.background(haproxy, "-db", "-f", "haproxy.cfg")
	for _, addr := range at {
		eventually(t, "haproxy listens at "+addr, func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	// from connects as a client that is not where the proxy is.
	from := func(addr string) *session {
		s, err := dialFrom("127.0.0.9", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return speak(t, s)
	}

	// Nobody has named the proxy: what it says is a mistake, and no address.
	if got := from(at["smtp"]).smtp(""); !strings.HasPrefix(got, "220") {
		t.Fatalf("before: %q", got)
	}

	w.edit("main.mf.hcl", "\n  smtp ", "\n  proxy_protocol { from = [\"127.0.0.1\"] }\n  smtp ")
	w.apply()
	w.noChanges()
	s := from(at["smtp"])
	s.expect("", "220", "EHLO client.remote.test", "250", "MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", "Subject: by a proxy\r\n\r\nhello\r\n.", "250", "QUIT", "221")
	if !strings.Contains(w.log(), "remote=127.0.0.9:") {
		t.Errorf("the log does not have the client: %s", w.log())
	}
	m := from(at["imap"])
	m.until("* OK")
	m.imap("a", "LOGIN alice@example.com quickstart")
	m.imap("b", "SELECT INBOX")
	if got := m.imap("c", "FETCH 1 BODY.PEEK[HEADER]"); !strings.Contains(got, "[127.0.0.9]") {
		t.Errorf("Received does not have the client: %s", got)
	}
	from(at["pop3"]).until("+OK")
	secure, err := tls.Dial("tcp", at["imaps"], &tls.Config{InsecureSkipVerify: true}) // whose it is, other tests ask
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	speak(t, secure).until("* OK")

	// The proxy itself has to say whose it is, and nobody else may.
	bare := dial(t, w.addr("smtp"))
	bare.send("EHLO client.remote.test")
	if got, err := bare.r.ReadString('\n'); err == nil {
		t.Errorf("the proxy is served without a header: %q", got)
	}
	other, err := dialFrom("127.0.0.8", w.addr("smtp"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	o := speak(t, other)
	o.send("PROXY TCP4 192.0.2.66 192.0.2.2 4096 25")
	if got := []string{o.smtp(""), o.smtp("")}; slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "250") }) {
		t.Errorf("somebody else is answered %q", got)
	}
	if strings.Contains(w.log(), "192.0.2.66") {
		t.Errorf("somebody else is believed: %s", w.log())
	}
	end()
}

// dialFrom connects from an address of this machine.
func dialFrom(ip, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: time.Minute}
	return d.Dial("tcp", addr)
}

// speak is a session over a connection that is there.
func speak(t testing.TB, c net.Conn) *session { return &session{t, c, bufio.NewReader(c)} }
