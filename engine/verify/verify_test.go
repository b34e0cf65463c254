package verify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A mailServer does what an SMTP server does, but for its faults.
type mailServer struct {
	addr, name   string
	certificate  tls.Certificate
	relays       bool // takes mail for anybody
	bareEnds     bool // LF . LF ends a message
	noPostmaster bool
	noTLS        bool
	accepts      []string
}

func (s *mailServer) serve(t *testing.T) {
	s.addr = porttest.Addr(t)
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
}

func (s *mailServer) talk(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(c)
	say := func(line string) { _, _ = fmt.Fprintf(c, "%s\r\n", line) }
	say("220 " + s.name + " ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			if s.noTLS {
				say("250 " + s.name)
			} else {
				say("250-" + s.name + "\r\n250 STARTTLS")
			}
		case "STARTTLS":
			say("220 go on")
			secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.certificate}})
			if secure.Handshake() != nil {
				return
			}
			c, r = secure, bufio.NewReader(secure)
		case "RCPT":
			to := strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
			switch {
			case s.relays, slices.Contains(s.accepts, to), to == "postmaster@example.com" && !s.noPostmaster:
				say("250 ok")
			default:
				say("550 5.1.1 no")
			}
		case "DATA":
			say("354 go on")
			last := ""
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" && strings.HasSuffix(last, "\r\n") || s.bareEnds && strings.TrimRight(l, "\r\n") == "." {
					break
				}
				last = l
			}
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		case ".":
			say("502 what")
		default:
			say("250 ok")
		}
	}
}

// certificateFor makes one that is its own authority.
func certificateFor(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

// nameServer serves records, which are lines of a zone file.
func nameServer(t *testing.T, lines ...string) string {
	t.Helper()
	addr := porttest.Addr(t)
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var rrs []dns.RR
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		for _, rr := range rrs {
			if rr.Header().Rrtype == q.Question[0].Qtype && strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return addr
}

func resource(kind, key, address string, line int, attrs map[string]cty.Value) schema.Resource {
	k := schema.KindByName(kind)
	for _, a := range k.Attributes {
		if _, ok := attrs[a.Name]; !ok {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	return schema.Resource{Kind: kind, Target: "embedded", Key: key, Address: address, Attrs: k.Object(attrs),
		Range: hcl.Range{Filename: "main.mf.hcl", Start: hcl.Pos{Line: line}}}
}

func str(s string) cty.Value { return cty.StringVal(s) }

func strs(ss ...string) cty.Value {
	vs := make([]cty.Value, len(ss))
	for i, s := range ss {
		vs[i] = str(s)
	}
	return cty.ListVal(vs)
}

func set1(typ, name, value string) schema.Resource {
	return resource(schema.KindRRset, "example.com/"+name+"/"+typ, "record."+typ, 7, map[string]cty.Value{
		"zone": str("example.com."), "name": str(name), "type": str(typ), "ttl": cty.NumberIntVal(300), "values": strs(value)})
}

// A service that is as it has to be passes; each fault in it is found, by the check
// that it is a fault for, and by no other.
func TestEachFaultIsFound(t *testing.T) {
	const key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	records := []string{
		"example.com. 300 SOA ns1.example.com. hostmaster.example.com. 7 3600 600 604800 300",
		"example.com. 300 MX 10 mail.example.com.",
		"mail.example.com. 300 A 127.0.0.1",
		`example.com. 300 TXT "v=spf1 mx -all"`,
		`_dmarc.example.com. 300 TXT "v=DMARC1; p=reject"`,
		`s1._domainkey.example.com. 300 TXT "` + key + `"`,
	}
	good, root := certificateFor(t, "mail.example.com", now.AddDate(1, 0, 0))
	old, oldRoot := certificateFor(t, "mail.example.com", now.AddDate(0, 0, -1))
	ending, endingRoot := certificateFor(t, "mail.example.com", now.AddDate(0, 0, 3))
	other, otherRoot := certificateFor(t, "other.example.com", now.AddDate(1, 0, 0))
	roots := x509.NewCertPool()
	for _, c := range []*x509.Certificate{root, oldRoot, endingRoot, otherRoot} {
		roots.AddCert(c)
	}
	for name, c := range map[string]struct {
		records func([]string) []string
		second  []string // records of a second name server
		change  func(*mailServer)
		probe   bool
		check   string
		status  Status
		says    string
	}{
		"nothing":                {},
		"an open relay":          {change: func(s *mailServer) { s.relays = true }, check: "recipients relay", status: Fail, says: "from <> to <user@" + elsewhere + ">: 250 ok"},
		"no postmaster":          {change: func(s *mailServer) { s.noPostmaster = true }, check: "postmaster", status: Fail, says: "mail for postmaster@example.com is not accepted: 550"},
		"a user who is missing":  {change: func(s *mailServer) { s.accepts = nil }, check: "recipients", status: Fail, says: "mail is not accepted: 550"},
		"another name":           {change: func(s *mailServer) { s.name = "mx.example.net" }, check: "greeting", status: Fail, says: `it calls itself "mx.example.net"`},
		"no TLS":                 {change: func(s *mailServer) { s.noTLS = true }, check: "tls", status: Fail, says: "TLS is not offered"},
		"an expired certificate": {change: func(s *mailServer) { s.certificate = old }, check: "certificate", status: Fail, says: "and now is 2026-03-01"},
		"one that ends soon":     {change: func(s *mailServer) { s.certificate = ending }, check: "certificate", status: Warn, says: "it ends on 2026-03-04, in 3 days"},
		"one for another name":   {change: func(s *mailServer) { s.certificate = other }, check: "certificate", status: Fail, says: "it is not for mail.example.com"},
		"smuggling":              {change: func(s *mailServer) { s.bareEnds = true }, probe: true, check: "smuggling", status: Fail, says: `"\n.\n" ends a message`},
		"another value":          {records: replaced("MX 10 mail", "MX 20 mail"), check: "record-served", status: Fail, says: "it is 20 mail.example.com.; declared: 10 mail.example.com."},
		"another time to live":   {records: replaced("300 MX", "60 MX"), check: "record-served", status: Warn, says: "its time to live is 60 s; declared: 300 s"},
		"a second SPF policy": {records: func(rs []string) []string { return append(rs, `example.com. 300 TXT "v=spf1 +all"`) },
			check: "spf", status: Fail, says: "there are 2 policies"},
		"a policy without the server": {records: replaced("spf1 mx -all", "spf1 -all"), check: "spf", status: Fail, says: "its own server is not among those that may send (fail)"},
		"no DMARC":                    {records: without("_dmarc"), check: "dmarc", status: Warn, says: "there is no policy"},
		"DMARC that nobody can read":  {records: replaced("p=reject", "p=sometimes"), check: "dmarc", status: Fail, says: "the policy cannot be read"},
		"another DKIM key":            {records: replaced("p=11qY", "p=22qY"), check: "dkim", status: Fail, says: "another than the one that signs"},
		"no DKIM key":                 {records: without("s1._domainkey"), check: "dkim", status: Fail, says: "the key is not published"},
		"a TLSA record of another key": {records: func(rs []string) []string {
			return append(rs, "_25._tcp.mail.example.com. 300 TLSA 3 1 1 "+strings.Repeat("ab", 32))
		}, check: "dane", status: Fail, says: "servers that know DANE send no mail"},
		"a policy that cannot be fetched": {records: func(rs []string) []string { return append(rs, `_mta-sts.example.com. 300 TXT "v=STSv1; id=1"`) },
			check: "mta-sts", status: Fail, says: "https://mta-sts.example.com/.well-known/mta-sts.txt: "},
		"a secondary that is behind": {second: replaced(" 7 3600", " 6 3600")(records), check: "zone-serial", status: Fail, says: "the serials differ: 6 at "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{name: "mail.example.com", certificate: good, accepts: []string{"alice@example.com"}}
			if c.change != nil {
				c.change(s)
			}
			s.serve(t)
			served := slices.Clone(records)
			if c.records != nil {
				served = c.records(served)
			}
			servers := []string{nameServer(t, served...)}
			if c.second != nil {
				servers = append(servers, nameServer(t, c.second...))
			}
			o := Options{Now: func() time.Time { return now }, Roots: roots, NameServers: NameServers{"embedded": servers}, Timeout: time.Minute,
				Resources: []schema.Resource{
					resource(schema.KindSetting, "main", "server.main.setting", 1, map[string]cty.Value{"hostname": str("mail.example.com"), "addresses": strs("127.0.0.1")}),
					resource(schema.KindListener, "main/smtp", "server.main.smtp", 2, map[string]cty.Value{"service": str("smtp"), "hostname": str("mail.example.com"), "listen": strs(s.addr), "listen_tls": cty.ListValEmpty(cty.String)}),
					resource(schema.KindMailDomain, "example.com", "domain.example.mail", 3, map[string]cty.Value{"name": str("example.com")}),
					resource(schema.KindMailbox, "alice@example.com", "user.alice.mailbox", 4, map[string]cty.Value{"address": str("alice@example.com"), "mail": str("enabled"), "protocols": cty.ListValEmpty(cty.String)}),
					resource(schema.KindMailbox, "off@example.com", "user.off.mailbox", 5, map[string]cty.Value{"address": str("off@example.com"), "mail": str("disabled")}),
					resource(schema.KindRoute, "closed@example.com", "alias.closed.route", 5, map[string]cty.Value{"address": str("closed@example.com"), "type": str("alias"), "members": strs("off@example.com")}),
					resource(schema.KindRoute, "gone@example.com", "user.gone.forward", 5, map[string]cty.Value{"address": str("gone@example.com"), "type": str("refused"), "members": cty.ListValEmpty(cty.String)}),
					resource(schema.KindMailbox, "gone@example.com", "user.gone.mailbox", 5, map[string]cty.Value{"address": str("gone@example.com"), "mail": str("forward")}),
					resource(schema.KindDKIMKey, "example.com/s1", `domain.example.dkim["s1"]`, 6, map[string]cty.Value{"domain": str("example.com"), "selector": str("s1"), "txt": str(key)}),
					resource(schema.KindZone, "example.com", "domain.example.zone", 7, map[string]cty.Value{"name": str("example.com.")}),
					set1("MX", "example.com.", "10 mail.example.com."), set1("A", "mail.example.com.", "127.0.0.1"),
				}}
			if c.probe {
				o.Probe = &Probe{Address: "alice@example.com", Password: "secret"}
			}
			rep := Run(context.Background(), o)
			found := map[string]bool{}
			for _, r := range rep.Results {
				if r.Status != Fail && r.Status != Warn {
					continue
				}
				found[r.Check.ID] = true
				if strings.Contains(c.check, r.Check.ID) && r.Status == c.status && strings.Contains(r.Detail, c.says) {
					c.says = ""
				} else if !strings.Contains(c.check, r.Check.ID) {
					t.Errorf("%s %s: %s", r.Status, r.Check.ID, r.Detail)
				}
				if r.Fix == "" || r.Range.Start.Line == 0 {
					t.Errorf("%s: neither what to do nor where: %+v", r.Check.ID, r)
				}
			}
			if c.check != "" && c.says != "" {
				t.Errorf("it is not found; found are %v", found)
			}
			if rep.Failed() != (c.status == Fail) {
				t.Errorf("the report has failed: %v", rep.Failed())
			}
		})
	}
}

func replaced(old, new string) func([]string) []string {
	return func(rs []string) []string {
		out := slices.Clone(rs)
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], old, new)
		}
		return out
	}
}

func without(name string) func([]string) []string {
	return func(rs []string) []string {
		return slices.DeleteFunc(slices.Clone(rs), func(l string) bool { return strings.HasPrefix(l, name) })
	}
}

// What a server says is shown and never obeyed: whatever its bytes are, there is an
// answer, and no more of them are read than are good for anybody.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{"220 a\r\n250-a\r\n250 STARTTLS\r\n", "* OK a\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nv1 OK\r\n", "+OK\r\n+OK\r\nSTLS\r\n.\r\n", `"SASL" "PLAIN"` + "\r\nOK\r\n", "220", "\x00\r\n-1 -\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, ask := range []func(*line) (offer, error){(*line).smtpOffer, (*line).imapOffer, (*line).pop3Offer, (*line).sieveOffer} {
			client, server := net.Pipe()
			l := &line{timeout: time.Minute}
			l.over(client)
			go func() {
				go func() { // what is said to it is not heard
					b := make([]byte, 512)
					for {
						if _, err := server.Read(b); err != nil {
							return
						}
					}
				}()
				_, _ = server.Write(said)
				_ = server.Close()
			}()
			_, _ = ask(l)
			l.close()
		}
	})
}

// The documentation has all checks, in the words that are here.
func TestTheDocumentationHasAllChecks(t *testing.T) {
	text, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Checks() {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", c.ID, c.Doc, c.RFC); !strings.Contains(string(text), row) {
			t.Errorf("docs/verify.md lacks the row\n%s", row)
		}
	}
}
