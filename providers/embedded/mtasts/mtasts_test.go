package mtasts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want *Policy
	}{
		"the example of RFC 8461": {"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n",
			&Policy{Enforce, []string{"mail.example.com", "*.example.net", "backupmx.example.com"}, 604800 * time.Second}},
		"CRLF, spaces, capitals": {"version:STSv1\r\nmode:\ttesting \r\nmx: MX.Example.COM\r\nmax_age: 1", &Policy{Testing, []string{"mx.example.com"}, time.Second}},
		"no servers for none":    {"version: STSv1\nmode: none\nmax_age: 0\n", &Policy{Mode: None}},
		"fields of the future":   {"version: STSv1\nmode: none\nmax_age: 0\nx: y\n", &Policy{Mode: None}},
		"more than a year":       {"version: STSv1\nmode: none\nmax_age: 9999999999\n", &Policy{Mode: None, MaxAge: maxAge * time.Second}},
		"a name beyond ASCII":    {"version: STSv1\nmode: testing\nmx: bücher.example\nmax_age: 1\n", &Policy{Testing, []string{"xn--bcher-kva.example"}, time.Second}},
		"no version":             {"mode: none\nmax_age: 0\n", nil},
		"another version":        {"version: STSv2\nmode: none\nmax_age: 0\n", nil},
		"no mode":                {"version: STSv1\nmax_age: 0\n", nil},
		"another mode":           {"version: STSv1\nmode: maybe\nmax_age: 0\n", nil},
		"no age":                 {"version: STSv1\nmode: none\n", nil},
		"an age that is none":    {"version: STSv1\nmode: none\nmax_age: -1\n", nil},
		"no servers":             {"version: STSv1\nmode: enforce\nmax_age: 1\n", nil},
		"a star within":          {"version: STSv1\nmode: enforce\nmx: mx.*.example.com\nmax_age: 1\n", nil},
		"no text":                {"", nil},
		"a page":                 {"<html>\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, ErrPolicy) {
				t.Errorf("%v %s", err, d)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	p := &Policy{MX: []string{"mail.example.com", "*.example.net"}}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.example.com.": true, "a.example.net": true, "a.b.example.net": false, "example.net": false,
		"other.example.com": false, "xmail.example.com": false,
	} {
		if got := p.Matches(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestRecord(t *testing.T) {
	for text, want := range map[string]string{
		"v=STSv1; id=20160831085700Z;": "20160831085700Z", "v=STSv1;id=1": "1", "v=STSv1 ; x=y; id=1;": "1",
		"v=STSv1; id=;": "", "v=STSv1; id=a-b": "", "v=STSv1": "", "v=STSv2; id=1": "", "v=STSv1; id=1|v=STSv1; id=2": "", "other|v=STSv1; id=1": "1",
	} {
		if id, ok := parseRecord(strings.Split(text, "|")); ok != (want != "") || ok && id != want {
			t.Errorf("%q: %q %v", text, id, ok)
		}
	}
}

// A memory is a cache and a resolver.
type memory struct {
	mu    sync.Mutex
	kept  map[string]Cached
	texts []string
	err   error
}

func (m *memory) STSPolicy(_ context.Context, domain string) (*Cached, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.kept[domain]; ok {
		return &c, nil
	}
	return nil, nil
}

func (m *memory) KeepSTSPolicy(_ context.Context, c Cached) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[c.Domain] = c
	return nil
}

func (m *memory) LookupTXT(context.Context, string) ([]string, error) { return m.texts, m.err }

const (
	strict = "version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 86400\n"
	loose  = "version: STSv1\nmode: testing\nmx: mx.far.test\nmax_age: 86400\n"
)

func TestPolicyOfADomain(t *testing.T) {
	now := time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)
	kept := func(id, text string, age, left time.Duration) *Cached {
		return &Cached{"far.test", id, text, now.Add(-age), now.Add(left)}
	}
	lost := &net.DNSError{Err: "timeout", IsTimeout: true, IsTemporary: true}
	none := &net.DNSError{Err: "no such host", IsNotFound: true}
	for name, tt := range map[string]struct {
		texts   []string
		dnsErr  error
		kept    *Cached
		serve   http.HandlerFunc // nil: strict
		mode    string           // empty: no policy
		fetches int
		failed  bool
		invalid bool
	}{
		"none without a record":                   {dnsErr: none},
		"fetched at first":                        {texts: []string{"v=STSv1; id=1"}, mode: Enforce, fetches: 1},
		"kept while the id is the same":           {texts: []string{"v=STSv1; id=1"}, kept: kept("1", loose, time.Hour, time.Hour), mode: Testing},
		"fetched when the id changes":             {texts: []string{"v=STSv1; id=2"}, kept: kept("1", loose, time.Hour, time.Hour), mode: Enforce, fetches: 1},
		"fetched when its time is up":             {texts: []string{"v=STSv1; id=1"}, kept: kept("1", loose, time.Hour, -time.Second), mode: Enforce, fetches: 1},
		"fetched again after a day":               {texts: []string{"v=STSv1; id=1"}, kept: kept("1", loose, 25*time.Hour, time.Hour), mode: Enforce, fetches: 1},
		"kept when the record goes":               {dnsErr: none, kept: kept("1", strict, time.Hour, time.Hour), mode: Enforce},
		"kept when nobody knows the record":       {dnsErr: lost, kept: kept("1", strict, time.Hour, time.Hour), mode: Enforce},
		"kept when the record is nonsense":        {texts: []string{"v=STSv1; id="}, kept: kept("1", strict, time.Hour, time.Hour), mode: Enforce},
		"none when its time is up without record": {dnsErr: none, kept: kept("1", strict, time.Hour, -time.Second)},
		"kept when it cannot be fetched":          {texts: []string{"v=STSv1; id=2"}, kept: kept("1", strict, time.Hour, time.Hour), serve: http.NotFound, mode: Enforce, fetches: 1, failed: true},
		"none when it cannot be fetched at first": {texts: []string{"v=STSv1; id=1"}, serve: http.NotFound, fetches: 1, failed: true},
		"not by a redirect":                       {texts: []string{"v=STSv1; id=1"}, serve: http.RedirectHandler("https://other.test/", http.StatusFound).ServeHTTP, fetches: 1, failed: true},
		"not of another type":                     {texts: []string{"v=STSv1; id=1"}, serve: page("text/html", strict), fetches: 1, failed: true, invalid: true},
		"not without measure":                     {texts: []string{"v=STSv1; id=1"}, serve: page("text/plain", strict+strings.Repeat("x: y\n", 20000)), fetches: 1, failed: true, invalid: true},
		"not what is no policy":                   {texts: []string{"v=STSv1; id=1"}, serve: page("text/plain", "hello"), fetches: 1, failed: true, invalid: true},
		"none once the domain says none":          {texts: []string{"v=STSv1; id=2"}, kept: kept("1", strict, time.Hour, time.Hour), serve: page("text/plain; charset=utf-8", "version: STSv1\nmode: none\nmax_age: 60\n"), fetches: 1},
		"none where two records contradict":       {texts: []string{"v=STSv1; id=1", "v=STSv1; id=2"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{kept: map[string]Cached{}, texts: tt.texts, err: tt.dnsErr}
			if tt.kept != nil {
				m.kept["far.test"] = *tt.kept
			}
			serve := tt.serve
			if serve == nil {
				serve = page("text/plain", strict)
			}
			fetches := 0
			c := &Client{Resolver: m, Cache: m, Now: func() time.Time { return now }, Transport: newServer(t, "mta-sts.far.test", func(w http.ResponseWriter, r *http.Request) {
				fetches++
				if r.Host != "mta-sts.far.test" || r.URL.Path != "/.well-known/mta-sts.txt" {
					t.Errorf("asks for %s of %s", r.URL, r.Host)
				}
				serve(w, r)
			})}
			for range 2 { // the second time it is known, or left alone
				p, err := c.Policy(t.Context(), "far.test")
				mode := ""
				if p != nil {
					mode = p.Mode
				}
				if mode != tt.mode {
					t.Errorf("mode %q, want %q", mode, tt.mode)
				}
				var fe *FetchError
				if errors.As(err, &fe) != tt.failed || fe != nil && fe.Invalid != tt.invalid {
					t.Errorf("error %v", err)
				}
				tt.failed = false
			}
			if fetches != tt.fetches {
				t.Errorf("fetched %d times, want %d", fetches, tt.fetches)
			}
		})
	}
}

func page(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write([]byte(text))
	}
}

// newServer serves a policy by HTTPS; who asks for it by another name than that of
// the certificate (example.com of httptest) does not get it.
func newServer(t *testing.T, _ string, f http.HandlerFunc) http.RoundTripper {
	srv := httptest.NewTLSServer(f)
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	tr := NewTransport(func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil })
	dial := tr.DialContext
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(addr)
		return dial(ctx, network, net.JoinHostPort(host, port))
	}
	tr.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "example.com"}
	return tr
}

func TestAPolicyNeedsACertificate(t *testing.T) {
	m := &memory{kept: map[string]Cached{}, texts: []string{"v=STSv1; id=1"}}
	tr := newServer(t, "", page("text/plain", strict)).(*http.Transport)
	tr.TLSClientConfig.ServerName = "" // as it is: mta-sts.far.test
	c := &Client{Resolver: m, Cache: m, Transport: tr}
	p, err := c.Policy(t.Context(), "far.test")
	var ce *tls.CertificateVerificationError
	if p != nil || !errors.As(err, &ce) {
		t.Errorf("%v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(strict)
	f.Add("version: STSv1\r\nmode: none\r\nmax_age: 0\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatal(d)
		}
	})
}
