package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/web"
	"github.com/mailform/mailform/schema/clients"
)

const policy = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 86400\r\n"

var doors = []clients.Door{
	{Service: "imap", Host: "mail.example.com", Port: 993, TLS: true},
	{Service: "submission", Host: "mail.example.com", Port: 587},
}

// start opens a server with TLS and one without, and a client that reaches the first
// under any name.
func start(t *testing.T, certificate func() (*tls.Certificate, error)) (client *http.Client, plain string) {
	t.Helper()
	cert := selfSigned(t)
	if certificate == nil {
		certificate = func() (*tls.Certificate, error) { return cert, nil }
	}
	known := map[string]*web.Domain{
		"example.com":      {Name: "example.com", Doors: doors, Policy: policy, Authority: true},
		"send.example":     {Name: "send.example", Doors: doors[1:]},
		"silent.example":   {Name: "silent.example"},
		"xn--bcher-kva.de": {Name: "xn--bcher-kva.de", Doors: doors},
	}
	open := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l, p := open(), open()
	s := web.New(web.Options{
		TLS:         &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12},
		Domain:      func(name string) *web.Domain { return known[name] },
		Authority:   func() ([]byte, error) { return []byte("authority"), nil },
		Certificate: certificate,
		Port:        func() uint16 { return 443 },
	})
	ended := make(chan error, 2)
	go func() { ended <- s.ServeTLS(l) }()
	go func() { ended <- s.Serve(p) }()
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	transport := &http.Transport{
		DialTLS: func(string, string) (net.Conn, error) {
			return tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "web.example.com"})
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, p.Addr().String()
}

func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"web.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestAnswers(t *testing.T) {
	client, _ := start(t, nil)
	outlook := func(address string) string {
		return `<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + address + `</EMailAddress></Request></Autodiscover>`
	}
	for name, tc := range map[string]struct {
		method, url, body string
		status            int
		contentType       string
		want              []string
		not               string
	}{
		"a policy":                              {url: "https://mta-sts.example.com/.well-known/mta-sts.txt", status: 200, contentType: "text/plain; charset=us-ascii", want: []string{policy}},
		"a policy, by another spelling":         {url: "https://MTA-STS.Example.COM/.well-known/mta-sts.txt", status: 200, want: []string{policy}},
		"a policy under another name":           {url: "https://web.example.com/.well-known/mta-sts.txt", status: 404},
		"a policy of a domain that has none":    {url: "https://mta-sts.send.example/.well-known/mta-sts.txt", status: 404},
		"Thunderbird, by the name":              {url: "https://autoconfig.example.com/mail/config-v1.1.xml", status: 200, contentType: "text/xml; charset=utf-8", want: []string{`<incomingServer type="imap">`, "%EMAILADDRESS%"}},
		"Thunderbird, by an address":            {url: "https://web.example.com/mail/config-v1.1.xml?emailaddress=nobody%40example.com", status: 200, want: []string{"mail.example.com"}, not: "nobody"},
		"Thunderbird, at the domain itself":     {url: "https://example.com/.well-known/autoconfig/mail/config-v1.1.xml", status: 200, want: []string{"<port>993</port>"}},
		"Thunderbird, of another domain":        {url: "https://autoconfig.other.example/mail/config-v1.1.xml", status: 404},
		"Thunderbird, where no mail is read":    {url: "https://autoconfig.send.example/mail/config-v1.1.xml", status: 404, want: []string{"no way for send.example to read mail"}},
		"Thunderbird, with nonsense":            {url: "https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=%22%3Cx", status: 404},
		"Outlook":                               {method: "POST", url: "https://autodiscover.example.com/autodiscover/autodiscover.xml", body: outlook("Alice@example.com"), status: 200, want: []string{"<LoginName>alice@example.com</LoginName>", "<Type>SMTP</Type>"}},
		"Outlook, by the older spelling":        {method: "POST", url: "https://autodiscover.example.com/Autodiscover/Autodiscover.xml", body: outlook("alice@example.com"), status: 200},
		"Outlook, of an international domain":   {method: "POST", url: "https://web.example.com/autodiscover/autodiscover.xml", body: outlook("alice@bücher.de"), status: 200, want: []string{"alice@xn--bcher-kva.de"}},
		"Outlook, of another domain":            {method: "POST", url: "https://autodiscover.example.com/autodiscover/autodiscover.xml", body: outlook("alice@other.example"), status: 404},
		"Outlook, with an entity":               {method: "POST", url: "https://autodiscover.example.com/autodiscover/autodiscover.xml", body: `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + outlook("&e;"), status: 400},
		"Outlook, with no XML":                  {method: "POST", url: "https://autodiscover.example.com/autodiscover/autodiscover.xml", body: "<", status: 400},
		"Outlook, with too much":                {method: "POST", url: "https://autodiscover.example.com/autodiscover/autodiscover.xml", body: strings.Repeat("<a>", 100_000), status: 413},
		"Outlook, in JSON":                      {url: "https://autodiscover.example.com/autodiscover/autodiscover.json?Email=a%40example.com&Protocol=AutodiscoverV1", status: 200, want: []string{`"Url":"https://autodiscover.example.com/autodiscover/autodiscover.xml"`}},
		"Outlook, in JSON, for Exchange":        {url: "https://autodiscover.example.com/autodiscover/autodiscover.json?Email=a%40example.com&Protocol=Rest", status: 400, want: []string{"InvalidProtocol"}},
		"Apple":                                 {url: "https://web.example.com/mailform.mobileconfig?address=alice%40example.com", status: 200, contentType: "application/x-apple-aspen-config", want: []string{"<string>alice@example.com</string>", "com.apple.security.root"}},
		"Apple, without an address":             {url: "https://web.example.com/mailform.mobileconfig", status: 404},
		"the page":                              {url: "https://web.example.com/", status: 200, contentType: "text/html; charset=utf-8", want: []string{"Your mail address"}},
		"the page, with settings":               {url: "https://web.example.com/?address=alice%40example.com", status: 200, want: []string{"Settings for alice@example.com", "<code>993</code>", `src="data:image/png;base64,`, `href="/mailform.mobileconfig?address=alice%40example.com"`}},
		"the page, with a strange address":      {url: "https://web.example.com/?address=%3Cscript%3E", status: 200, want: []string{"There are no settings for this address here", "&lt;script&gt;"}, not: "<script>"},
		"the page, of a domain without clients": {url: "https://web.example.com/?address=a%40silent.example", status: 200, want: []string{"is not read or sent"}},
		"the style":                             {url: "https://web.example.com/style.css", status: 200, contentType: "text/css; charset=utf-8"},
		"something else":                        {url: "https://web.example.com/wp-login.php", status: 404},
		"something else, written":               {method: "PUT", url: "https://web.example.com/", status: 405},
	} {
		t.Run(name, func(t *testing.T) {
			method := tc.method
			if method == "" {
				method = "GET"
			}
			req, err := http.NewRequest(method, tc.url, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			text := string(body)
			if res.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", res.StatusCode, tc.status, text)
			}
			if got := res.Header.Get("Content-Type"); tc.contentType != "" && got != tc.contentType {
				t.Errorf("content type %q, want %q", got, tc.contentType)
			}
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in the answer:\n%s", want, text)
				}
			}
			if tc.not != "" && strings.Contains(text, tc.not) {
				t.Errorf("%q is in the answer:\n%s", tc.not, text)
			}
			if !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Error("browsers are not told what the page is made of")
			}
		})
	}
}

// What everybody can ask says nothing of who has a mailbox.
func TestAddressesThatNobodyHasGetTheSameAnswer(t *testing.T) {
	client, _ := start(t, nil)
	get := func(address string) string {
		res, err := client.Get("https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=" + address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if a, b := get("alice@example.com"), get("nobody@example.com"); a != b || !strings.Contains(a, "mail.example.com") {
		t.Errorf("two answers:\n%s\n%s", a, b)
	}
}

func TestAProfileWithoutASignatureIsBetterThanNone(t *testing.T) {
	client, _ := start(t, func() (*tls.Certificate, error) { return nil, errors.New("there is none") })
	res, err := client.Get("https://web.example.com/mailform.mobileconfig?address=alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var plist struct {
		XMLName xml.Name `xml:"plist"`
	}
	if err := xml.NewDecoder(res.Body).Decode(&plist); err != nil {
		t.Error(err)
	}
}

func TestWithoutTLSEverybodyIsSentOn(t *testing.T) {
	client, plain := start(t, nil)
	for name, tc := range map[string]struct {
		host, path string
		status     int
		location   string
	}{
		"the page":            {"web.example.com", "/?address=a%40example.com", 308, "https://web.example.com/?address=a%40example.com"},
		"with a port":         {"Web.Example.com:80", "/", 308, "https://web.example.com/"},
		"an IPv6 address":     {"[2001:db8::1]:80", "/", 308, "https://[2001:db8::1]/"},
		"a name that is none": {"b_cher.example", "/", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://"+plain+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tc.host
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != tc.status || res.Header.Get("Location") != tc.location {
				t.Errorf("%d to %q, want %d to %q", res.StatusCode, res.Header.Get("Location"), tc.status, tc.location)
			}
		})
	}
}

// Who holds connections open holds up those behind him only until he goes.
func TestConnectionsAreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := web.New(web.Options{Connections: 1, Port: func() uint16 { return 443 }})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ask := func(c net.Conn) string {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("HTTP/1.1 308"))
		if _, err := io.ReadFull(c, line); err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	first, second := dial(), dial()
	if got := ask(first); got != "HTTP/1.1 308" {
		t.Errorf("the first is answered %q", got)
	}
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	first.Close()
	if got := ask(second); got != "HTTP/1.1 308" {
		t.Errorf("the second is answered %q", got)
	}
	second.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// Any request gets an answer.
func FuzzAutodiscover(f *testing.F) {
	f.Add("autodiscover.example.com", "<Autodiscover><Request><EMailAddress>a@example.com</EMailAddress></Request></Autodiscover>", "a@example.com")
	f.Add("", "<", "%")
	h := web.New(web.Options{
		Domain: func(name string) *web.Domain {
			if name == "example.com" {
				return &web.Domain{Name: name, Doors: doors, Policy: policy}
			}
			return nil
		},
		Authority:   func() ([]byte, error) { return nil, errors.New("there is none") },
		Certificate: func() (*tls.Certificate, error) { return nil, errors.New("there is none") },
		Port:        func() uint16 { return 443 },
	}).Handler()
	f.Fuzz(func(t *testing.T, host, body, address string) {
		for _, path := range []string{"/autodiscover/autodiscover.xml", "/mail/config-v1.1.xml", "/.well-known/mta-sts.txt", "/", "/mailform.mobileconfig", "/autodiscover/autodiscover.json"} {
			for _, method := range []string{"GET", "POST"} {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				q := r.URL.Query()
				for _, key := range []string{"address", "emailaddress", "Email"} {
					q.Set(key, address)
				}
				r.URL.RawQuery = q.Encode()
				r.Host = host
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code >= 500 || w.Code < 200 {
					t.Errorf("%s %s: %d", method, path, w.Code)
				}
				if strings.Contains(w.Body.String(), "<script") {
					t.Errorf("%s %s: a script", method, path)
				}
			}
		}
	})
}
