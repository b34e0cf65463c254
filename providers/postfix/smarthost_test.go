package postfix_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func smarthost(host string, change map[string]cty.Value) schema.Resource {
	a := map[string]cty.Value{
		"owner": cty.StringVal("main"), "host": cty.StringVal(host), "senders": strs(), "recipients": strs(),
		"username": cty.StringVal(""), "password": cty.StringVal(""), "tls": cty.StringVal("opportunistic"),
	}
	for name, v := range change {
		a[name] = v
	}
	return resource(schema.KindSmarthost, "main/"+host, a)
}

// login is what a smarthost has that is logged in at.
func login(username, password string, more map[string]cty.Value) map[string]cty.Value {
	a := map[string]cty.Value{"username": cty.StringVal(username), "password": cty.StringVal(password), "tls": cty.StringVal("verified")}
	for name, v := range more {
		a[name] = v
	}
	return a
}

func smarthosts() providertest.Sample {
	var many []schema.Resource
	for n := range 5 {
		many = append(many, smarthost(fmt.Sprintf("smtp%d.example.net:587", n), map[string]cty.Value{"recipients": strs(fmt.Sprintf("a%d.example", n), fmt.Sprintf("b%d.example", n))}))
	}
	return providertest.Sample{
		Good: smarthost("smtp.example.net:587", login("us", "secret", map[string]cty.Value{"senders": strs("example.com")})),
		Changed: map[string]cty.Value{
			"senders": strs("a.example", "b.example"), "username": cty.StringVal("others"), "password": cty.StringVal("o:t her"), "tls": cty.StringVal("implicit"),
		},
		Alike: []string{"recipients"}, // beside senders there are none
		Odd: map[string]schema.Resource{
			"for all mail":         smarthost("[2001:db8::7]:25", nil),
			"for recipients":       smarthost("192.0.2.7:25", map[string]cty.Value{"recipients": strs("a.example", "xn--ndaaa.example")}),
			"TLS from the start":   smarthost("smtp.example.net:465", map[string]cty.Value{"tls": cty.StringVal("implicit")}),
			"signs in a password":  smarthost("smtp.example.net:465", login("a@b.example", `#"\$x{}' ü`, nil)),
			"a name of one letter": smarthost("a:25", nil),
		},
		Refused: map[string][]cty.Value{
			"host":       {cty.StringVal(""), cty.StringVal("smtp.example.net"), cty.StringVal("a:25\nb = c"), cty.StringVal("[$x]:25")},
			"senders":    {strs("Example.com"), strs("b.example", "a.example"), strs("a b")},
			"recipients": {strs("a.example")},
			"username":   {cty.StringVal(""), cty.StringVal("a:b"), cty.StringVal("a b")},
			"password":   {cty.StringVal(""), cty.StringVal("a\nb"), cty.StringVal("secret\t")},
			"tls":        {cty.StringVal("maybe"), cty.StringVal("opportunistic")},
		},
		Many: many,
	}
}

// tamperSmarthost makes the maps and the service what an administrator would.
func (i *instance) tamperSmarthost(t *testing.T, r schema.Resource) {
	t.Helper()
	value := func(name string) string { return r.Attrs.GetAttr(name).AsString() }
	name := value("host")[:strings.LastIndexByte(value("host"), ':')]
	hop := "[" + name + "]" + value("host")[len(name):]
	var rows string
	for _, d := range r.Attrs.GetAttr("senders").AsValueSlice() {
		rows += "@" + d.AsString() + "\tmailform-verified:" + hop + "\n"
	}
	for path, text := range map[string]string{"sender-transport": rows, "passwords": hop + "\t" + value("username") + ":" + value("password") + "\n"} {
		i.write("mailform/"+path, text)
		i.Tool(t, "postmap", "hash:"+filepath.Join(i.ConfigDir, "mailform", path))
	}
	if value("tls") != "verified" {
		i.Tool(t, "postconf", "-Pe", "mailform-verified/unix/smtp_tls_security_level=may")
	}
}

// A relaySink takes mail by SMTP as a smarthost does, and remembers who logged in and
// for whom it was.
type relaySink struct {
	port string
	mu   sync.Mutex
	took []string
}

// newRelay listens on loopback, with TLS from the first byte if there is a certificate.
func newRelay(t *testing.T, certificate *tls.Certificate) *relaySink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &relaySink{}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
				s.serve(c, certificate != nil)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return s
}

func (s *relaySink) serve(c net.Conn, secure bool) {
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 relay")
	in, who := bufio.NewScanner(c), ""
	for data := false; in.Scan(); {
		line := in.Text()
		verb := strings.ToUpper(line)
		switch {
		case data:
			if line == "." {
				data = false
				say("250 taken")
			}
		case strings.HasPrefix(verb, "EHLO") && secure:
			say("250-relay")
			say("250 AUTH PLAIN")
		case strings.HasPrefix(verb, "AUTH PLAIN "):
			text, _ := base64.StdEncoding.DecodeString(line[len("AUTH PLAIN "):])
			who = strings.ReplaceAll(string(text), "\x00", " ")
			say("235 welcome")
		case strings.HasPrefix(verb, "RCPT"):
			_, to, _ := strings.Cut(line, "<")
			to, _, _ = strings.Cut(to, ">")
			s.mu.Lock()
			s.took = append(s.took, to+who)
			s.mu.Unlock()
			say("250 ok")
		case verb == "DATA":
			data = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// certified makes a certificate for localhost, and a file with it for those who are
// to trust it.
func certified(t *testing.T, dir string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "relay-ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// Mail for elsewhere takes the way of the recipient's domain, else that of the
// sender's, else that of all, and none of that is the way of our own users. Ways of
// others stay, in use, and are shown.
func TestSmarthosts(t *testing.T) {
	t.Parallel()
	i, local := newInstance(t), newSink(t)
	mx := porttest.Addr(t)
	certificate, ca := certified(t, i.Dir)
	relays := map[string]*relaySink{"recipient": newRelay(t, nil), "sender": newRelay(t, nil), "all": newRelay(t, nil), "theirs": newRelay(t, nil), "login": newRelay(t, &certificate)}
	at := func(name string) string { return "127.0.0.1:" + relays[name].port }
	i.write("ways", "theirs.example\tsmtp:[127.0.0.1]:"+relays["theirs"].port+"\nNone.example error:5.1.2 nobody is there\n")
	i.Tool(t, "postmap", "hash:"+i.ConfigDir+"/ways")
	i.Tool(t, "postconf", "-e", "transport_maps = hash:"+i.ConfigDir+"/ways", "smtp_host_lookup = native", "smtp_tls_CAfile = "+ca, "default_transport = smtp")
	before, ways := i.read("main.cf"), i.read("ways")
	master := i.read("master.cf")
	batch := i.everything("alice")
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindDelivery {
			batch[n].Resource = providertest.With(delivery(""), "lmtp", cty.StringVal(local.addr))
		}
	}
	login := smarthost("localhost:"+relays["login"].port, login("us", "se cret", map[string]cty.Value{"recipients": strs("login.example"), "tls": cty.StringVal("implicit")}))
	byRecipient := smarthost(at("recipient"), map[string]cty.Value{"recipients": strs("a.example", "example.com")})
	i.apply(t, append(batch, create(listener("smtp", strs(mx), strs()), login, byRecipient,
		smarthost(at("sender"), map[string]cty.Value{"senders": strs("sender.example")}), smarthost(at("all"), nil))...)...)

	for _, tt := range []struct{ from, to, relay, as string }{
		{"x@elsewhere.example", "u@a.example", "recipient", ""}, {"x@sender.example", "u@a.example", "recipient", ""},
		{"x@sender.example", "u@b.example", "sender", ""}, {"x@elsewhere.example", "u@sub.a.example", "all", ""},
		{"x@sender.example", "u@theirs.example", "theirs", ""}, {"x@elsewhere.example", "u@login.example", "login", " us se cret"},
	} {
		sendFrom(t, mx, tt.from, tt.to)
		relays[tt.relay].has(t, tt.to+tt.as)
	}
	sendFrom(t, mx, "x@sender.example", "alice@example.com")
	local.took(t, "alice@example.com")
	if info, err := os.Stat(filepath.Join(i.ConfigDir, "mailform/passwords.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("who can read the passwords: %v, %v", info.Mode(), err)
	}
	if strings.Contains(i.read("mailform/ledger.json")+i.read("main.cf")+i.read("master.cf"), "se cret") {
		t.Error("the password is where everybody reads it")
	}

	// A row that is put in by hand is somebody else's, one that is changed is put right.
	i.editMap(t, "transport", func(text string) string {
		return strings.Replace(text, "a.example\tmailform-opportunistic:", "a.example\tmailform-verified:", 1) + "hand.example\tsmtp:[192.0.2.9]\n"
	})
	now := i.observed(t, byRecipient)
	o := now["smarthost "+byRecipient.Key]
	if !o.Attrs.GetAttr("recipients").RawEquals(strs("example.com")) {
		t.Errorf("the way of a.example by hand is seen as %#v", o.Attrs)
	}
	for _, key := range []string{"theirs.example by smtp:[127.0.0.1]:" + relays["theirs"].port, "none.example by error:5.1.2 nobody is there", "hand.example by smtp:[192.0.2.9]"} {
		if o, there := now["smarthost "+key]; !there || o.Owner != "" {
			t.Errorf("%s is not seen as somebody else's", key)
		}
	}
	i.apply(t, providers.Change{Action: providers.Update, Resource: byRecipient, Prior: &o})
	if got := i.Tool(t, "postmap", "-s", "hash:"+i.ConfigDir+"/mailform/transport"); !strings.Contains(got, "hand.example\tsmtp:[192.0.2.9]\n") || !strings.Contains(got, "a.example\tmailform-opportunistic:") {
		t.Errorf("the map has now:\n%s", got)
	}
	for _, c := range i.removals(t) {
		i.apply(t, c)
	}
	if i.read("main.cf") != before || i.read("master.cf") != master || i.read("ways") != ways {
		t.Errorf("main.cf is now:\n%s\nwas:\n%s\nmaster.cf:\n%s", i.read("main.cf"), before, i.read("master.cf"))
	}
}

// sendFrom hands in a message from the address that may send anywhere.
func sendFrom(t *testing.T, addr, from, to string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(to); err != nil {
		t.Fatalf("%s: %v", to, err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "Subject: a\r\n\r\nb\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// has waits until exactly that has come, and forgets it.
func (s *relaySink) has(t *testing.T, want string) {
	t.Helper()
	var have []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		have = slices.Clone(s.took)
		s.mu.Unlock()
		if slices.ContainsFunc(have, func(got string) bool { return strings.Join(strings.Fields(got), " ") == want }) && len(have) == 1 {
			s.mu.Lock()
			s.took = nil
			s.mu.Unlock()
			return
		}
	}
	t.Errorf("the relay has %q, want %q", have, want)
}
