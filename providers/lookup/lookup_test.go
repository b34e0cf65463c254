package lookup

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
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// zone is a name server on loopback that has a few names.
func zone(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", porttest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]string{
		"example.com. MX":  {"example.com. 60 IN MX 20 b.example.com.", "example.com. 60 IN MX 10 A.example.com."},
		"example.com. TXT": {`example.com. 60 IN TXT "v=spf1 " "-all"`},
		"www.example.com. A": {"www.example.com. 60 IN CNAME example.com.",
			"example.com. 60 IN A 192.0.2.1"},
		"empty.example.com. A":  {},
		"broken.example.com. A": nil,
	}
	for i := range 100 { // does not fit a datagram
		records["many.example.com. A"] = append(records["many.example.com. A"], fmt.Sprintf("many.example.com. 60 IN A 192.0.2.%d", i))
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		key := q.Question[0].Name + " " + dns.TypeToString[q.Question[0].Qtype]
		lines, ok := records[key]
		switch {
		case !ok:
			m.Rcode = dns.RcodeNameError
		case lines == nil:
			m.Rcode = dns.RcodeServerFailure
		}
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Error(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		if w.LocalAddr().Network() == "udp" {
			m.Truncate(1232)
		}
		w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func dnsArgs(name, rrtype, server string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "type": cty.StringVal(rrtype), "server": cty.StringVal(server)})
}

func TestRecordsAreAnsweredAsARecordBlockTakesThem(t *testing.T) {
	server := zone(t)
	for what, c := range map[string]struct {
		name, rrtype string
		exists       bool
		want         []string
	}{
		"names in lower case, sorted": {"Example.COM", "mx", true, []string{"10 a.example.com.", "20 b.example.com."}},
		"a text that was split":       {"example.com.", "TXT", true, []string{"v=spf1 -all"}},
		"what a CNAME leads to":       {"www.example.com", "A", true, []string{"192.0.2.1"}},
		"a name without such records": {"empty.example.com", "A", true, nil},
		"no such name":                {"nowhere.example.com", "A", false, nil},
	} {
		got, err := new(DNS).Query(context.Background(), dnsArgs(c.name, c.rrtype, server))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if v := got.GetAttr("values"); !v.RawEquals(schema.StringList(c.want)) {
			t.Errorf("%s: %#v", what, v)
		}
		if got.GetAttr("exists").True() != c.exists {
			t.Errorf("%s: exists is %v", what, !c.exists)
		}
	}
}

func TestALongAnswerComesOverTCP(t *testing.T) {
	got, err := new(DNS).Query(context.Background(), dnsArgs("many.example.com", "A", zone(t)))
	if err != nil {
		t.Fatal(err)
	}
	if n := got.GetAttr("values").LengthInt(); n != 100 {
		t.Errorf("%d of 100 records", n)
	}
}

func TestAnAnswerThatIsNoneIsAnError(t *testing.T) {
	server := zone(t)
	for what, c := range map[string]struct {
		args cty.Value
		want string
	}{
		"a server that fails":        {dnsArgs("broken.example.com", "A", server), "SERVFAIL"},
		"a type that is none":        {dnsArgs("example.com", "FROB", server), "FROB"},
		"a question for all":         {dnsArgs("example.com", "ANY", server), "ANY"},
		"a server that is not there": {dnsArgs("example.com", "A", porttest.Addr(t)), "refused"},
	} {
		_, err := (&DNS{Timeout: time.Minute}).Query(context.Background(), c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx"},
		DNSNames: []string{"mx.example.com", "a.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func certArgs(file, address, starttls string) cty.Value {
	value := func(s string) cty.Value {
		if s == "" {
			return cty.NullVal(cty.String)
		}
		return cty.StringVal(s)
	}
	return cty.ObjectVal(map[string]cty.Value{"file": value(file), "address": value(address), "starttls": value(starttls), "server_name": cty.NullVal(cty.String)})
}

// speak serves one connection: it says and expects the given lines by turns,
// then TLS.
func speak(t *testing.T, cert tls.Certificate, lines ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		for i, line := range lines {
			if i%2 == 0 {
				io.WriteString(conn, line)
				continue
			}
			buf := make([]byte, len(line))
			if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != line {
				return
			}
		}
		tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
	}()
	return l.Addr().String()
}

func TestACertificateIsSeenWhereItIs(t *testing.T) {
	cert := selfSigned(t)
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.Certificate[0])
	for what, args := range map[string]cty.Value{
		"in a file":                     certArgs(file, "", ""),
		"in a file below the directory": certArgs("cert.pem", "", ""),
		"at once":                       certArgs("", speak(t, cert), ""),
		"in SMTP":                       certArgs("", speak(t, cert, "220-hello\r\n220 mx\r\n", "EHLO localhost\r\n", "250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n", "220 go on\r\n"), "smtp"),
		"in IMAP":                       certArgs("", speak(t, cert, "* OK hello\r\n", "a STARTTLS\r\n", "* CAPABILITY IMAP4rev1\r\na OK go on\r\n"), "imap"),
		"in POP3":                       certArgs("", speak(t, cert, "+OK hello\r\n", "STLS\r\n", "+OK go on\r\n"), "pop3"),
	} {
		got, err := (&Certificate{Dir: filepath.Dir(file)}).Query(context.Background(), args)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for name, want := range map[string]cty.Value{
			"subject":   cty.StringVal("CN=mx"),
			"names":     schema.StringList([]string{"127.0.0.1", "a.example.com", "mx.example.com"}),
			"not_after": cty.StringVal("2027-01-01T00:00:00Z"),
			"sha256":    cty.StringVal(hex.EncodeToString(sum[:])),
		} {
			if v := got.GetAttr(name); !v.RawEquals(want) {
				t.Errorf("%s: %s is %#v", what, name, v)
			}
		}
	}
}

func TestACertificateThatCannotBeSeenIsAnError(t *testing.T) {
	cert := selfSigned(t)
	dir := t.TempDir()
	for what, c := range map[string]struct {
		args cty.Value
		want string
	}{
		"neither file nor server":  {certArgs("", "", ""), "one of file and address"},
		"both":                     {certArgs("a", "b:1", ""), "one of file and address"},
		"no such file":             {certArgs("nothing.pem", "", ""), "no such file"},
		"a directory":              {certArgs(dir, "", ""), "regular file"},
		"a server that has no TLS": {certArgs("", speak(t, cert, "220 mx\r\n", "EHLO localhost\r\n", "250 mx\r\n", "STARTTLS\r\n", "502 no\r\n"), "smtp"), "502 no"},
		"a server that talks on":   {certArgs("", speak(t, cert, strings.Repeat("220-x\r\n", 20000)), "smtp"), "too much"},
		"a server that hangs up":   {certArgs("", speak(t, cert, "220 mx\r\n", "something else\r\n"), "smtp"), "before TLS"},
	} {
		_, err := (&Certificate{Dir: dir, Timeout: time.Minute}).Query(context.Background(), c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
