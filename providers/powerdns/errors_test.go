package powerdns_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/powerdns"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var example = providers.Scope{Wanted: []schema.Resource{providertest.ZoneResource("example.com.", nil)}}

// What goes wrong on the way is told so that it can be mended, and never with the
// key.
func TestErrorsTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with the key %q", r.Header.Get("X-API-Key"))
	}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"a wrong key":             {answer(401, `Unauthorized`), "does not take the api_key (401 Unauthorized)"},
		"an address that may not": {answer(403, ``), "webserver-allow-from"},
		"no such server":          {answer(404, `{"error": "Not Found"}`), `has no server "localhost" in its API`},
		"it is refused":           {answer(422, `{"error": "Could not parse", "errors": ["one", "two"]}`), "refuses it (422 Unprocessable Entity): Could not parse, one, two"},
		"it fails":                {answer(500, `<html>oops</html>`), "failed (500 Internal Server Error): <html>oops</html>"},
		"it shows the key":        {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); fmt.Fprint(w, r.Header) }, "failed (500 Internal Server Error)"},
		"a very long answer":      {answer(500, strings.Repeat("x", 1<<20)), "xxx…"},
		"another server":          {answer(200, `<html>hello</html>`), "is not that of PowerDNS's API"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "answers with a redirect (307 Temporary Redirect)"},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "did not answer within 1s"},
		"a cut answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, "cannot be reached: unexpected EOF"},
		"content nobody reads": {answer(200, `{"name": "example.com.", "rrsets": [{"name": "example.com.", "type": "A", "ttl": 1, "records": [{"content": "x"}]}]}`), `example.com. A has content that cannot be read: "x"`},
		"a zone without SOA":   {answer(200, `{"name": "example.com.", "rrsets": [{"name": "example.com.", "type": "A", "ttl": 1, "records": [{"content": "192.0.2.1"}]}]}`), "has no SOA record"},
		"an empty secondary":   {answer(200, `{"name": "example.com.", "kind": "Slave", "rrsets": []}`), "has no SOA record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(c.handler)
			defer s.Close()
			timeout := "2m"
			if strings.Contains(c.want, "within 1s") {
				timeout = "1s"
			}
			_, err := provider(t, s.URL, attrs{"timeout": cty.StringVal(timeout)}).Read(t.Context(), example)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one that says %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), nametest.APIKey) || len(err.Error()) > 1000) {
				t.Errorf("the error holds the key, or is very long: %v", err)
			}
		})
	}
}

func TestNobodyIsThere(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	_, err := provider(t, url, nil).Read(t.Context(), example)
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("the error is %v", err)
	}
}

// The authorities of ca_file are believed, and others are not.
func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[]`) }))
	defer s.Close()
	if _, err := provider(t, s.URL, nil).Read(t.Context(), providers.Scope{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody was believed: %v", err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := provider(t, s.URL, attrs{"ca_file": cty.StringVal(path)}).Read(t.Context(), providers.Scope{}); err != nil {
		t.Error(err)
	}
}

func TestUnsuitableBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		change attrs
		want   string
		warns  bool
	}{
		"no key":              {attrs{"api_key": cty.StringVal("")}, "api_key is empty", false},
		"no authorities":      {attrs{"ca_file": cty.StringVal("/nowhere")}, "ca_file: ", false},
		"a path":              {attrs{"url": cty.StringVal("http://127.0.0.1/api/v1")}, "url: ", false},
		"no TLS to elsewhere": {attrs{"url": cty.StringVal("http://192.0.2.1:8081")}, "clear text", true},
	} {
		t.Run(name, func(t *testing.T) {
			block := attrs{"url": cty.StringVal("https://dns.example.com"), "api_key": cty.StringVal(nametest.APIKey)}
			for k, v := range c.change {
				block[k] = v
			}
			p := &powerdns.Provider{}
			diags := p.Configure(t.Context(), providers.Config{Value: cty.ObjectVal(block)})
			if len(diags) != 1 || diags.HasErrors() == c.warns || !strings.Contains(diags[0].Detail, c.want) {
				t.Errorf("got %v", diags)
			}
		})
	}
}

// A server that takes what it is told and does nothing, and one whose answer is
// lost on the way after it has done it.
func TestWhatBecameOfItIsLookedAt(t *testing.T) {
	real := nametest.PowerDNS(t)
	must := func(batch ...providers.Change) {
		t.Helper()
		for i, err := range apply(t, provider(t, "http://"+real.Control, nil), batch...) {
			if err != nil {
				t.Fatalf("%s: %v", batch[i].Resource.Key, err)
			}
		}
	}
	must(providers.Change{Action: providers.Create, Resource: providertest.ZoneResource("example.com.", nil)})
	www := providertest.RRsetResource("example.com.", "www.example.com.", "A", "192.0.2.1")
	through := func(patch func(w http.ResponseWriter, r *http.Request, send func() *http.Response)) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			send := func() *http.Response {
				body, _ := io.ReadAll(r.Body)
				resp, err := real.API(r.Method, r.URL.Path, string(body))
				if err != nil {
					panic(err)
				}
				return resp
			}
			if r.Method == http.MethodPatch {
				patch(w, r, send)
				return
			}
			resp := send()
			defer resp.Body.Close()
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
		}))
		t.Cleanup(s.Close)
		return s
	}
	ignores := through(func(w http.ResponseWriter, _ *http.Request, _ func() *http.Response) {
		w.WriteHeader(http.StatusNoContent)
	})
	err := apply(t, provider(t, ignores.URL, nil), providers.Change{Action: providers.Create, Resource: www})[0]
	if err == nil || !strings.Contains(err.Error(), "is not there as it was sent") {
		t.Errorf("what was not done is reported as: %v", err)
	}
	loses := through(func(_ http.ResponseWriter, r *http.Request, send func() *http.Response) {
		send().Body.Close()
		<-r.Context().Done()
	})
	err = apply(t, provider(t, loses.URL, attrs{"timeout": cty.StringVal("10s")}), providers.Change{Action: providers.Create, Resource: www})[0]
	if err != nil {
		t.Errorf("what was done is reported as: %v", err)
	}
}

// What PowerDNS alone knows of stays as it is.
func TestWhatIsPowerDNSsOwnStays(t *testing.T) {
	t.Parallel()
	s := nametest.PowerDNS(t)
	p := provider(t, "http://"+s.Control, nil)
	zone := providertest.ZoneResource("example.com.", nil)
	www := providertest.RRsetResource("example.com.", "www.example.com.", "A", "192.0.2.1")
	for _, err := range apply(t, p, providers.Change{Action: providers.Create, Resource: zone}, providers.Change{Action: providers.Create, Resource: www}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.API("PATCH", "/api/v1/servers/localhost/zones/example.com.", `{"rrsets": [
		{"name": "www.example.com.", "type": "A", "ttl": 3600, "changetype": "REPLACE",
		 "records": [{"content": "192.0.2.1", "disabled": false}, {"content": "192.0.2.99", "disabled": true}],
		 "comments": [{"content": "ask Ann", "account": "ann"}]},
		{"name": "example.com.", "type": "ALIAS", "ttl": 3600, "changetype": "REPLACE", "records": [{"content": "web.example.net.", "disabled": false}]}]}`)
	if err != nil || r.StatusCode != http.StatusNoContent {
		t.Fatal(r, err)
	}
	r.Body.Close()
	raw := func() string {
		r, err := s.API("GET", "/api/v1/servers/localhost/zones/example.com.", "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		data, _ := io.ReadAll(r.Body)
		return string(data)
	}
	prior := func(r schema.Resource) *providers.Observed {
		list, err := p.Read(t.Context(), example)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			if o.Kind == r.Kind && o.Key == r.Key {
				return &o
			}
		}
		return nil
	}
	have := prior(www)
	if have == nil || !have.Attrs.RawEquals(www.Attrs) {
		t.Errorf("with a record that is switched off it is read as %#v", have)
	}
	changed := providertest.With(www, "values", providertest.List("192.0.2.2"))
	if err := apply(t, p, providers.Change{Action: providers.Update, Resource: changed, Prior: have})[0]; err != nil {
		t.Fatal(err)
	}
	for _, keeps := range []string{"192.0.2.99", "ask Ann", "ALIAS"} {
		if !strings.Contains(raw(), keeps) {
			t.Errorf("%s is gone: %s", keeps, raw())
		}
	}
	if err := apply(t, p, providers.Change{Action: providers.Delete, Resource: changed, Prior: prior(changed)})[0]; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(raw(), "192.0.2.99") || strings.Contains(raw(), `"192.0.2.2"`) {
		t.Errorf("after it was taken away: %s", raw())
	}
	err = apply(t, p, providers.Change{Action: providers.Delete, Resource: zone, Prior: prior(zone)})[0]
	if err == nil || !strings.Contains(err.Error(), "example.com. ALIAS") {
		t.Errorf("the zone was taken away with it: %v", err)
	}
}

// A large zone takes several requests, and few.
func TestManyRecordSetsAreFewRequests(t *testing.T) {
	t.Parallel()
	s := nametest.PowerDNS(t)
	count := 0
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count++
		body, _ := io.ReadAll(r.Body)
		if len(body) > 2<<20 {
			t.Errorf("a request of %d bytes", len(body))
		}
		resp, err := s.API(r.Method, r.URL.Path, string(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer front.Close()
	p := provider(t, front.URL, attrs{"timeout": cty.StringVal("1m")})
	batch := []providers.Change{{Action: providers.Create, Resource: providertest.ZoneResource("example.com.", nil)}}
	for i := range 10000 {
		batch = append(batch, providers.Change{Action: providers.Create, Resource: providertest.RRsetResource("example.com.", fmt.Sprintf("h%d.example.com.", i), "TXT", strings.Repeat("x", 60))})
	}
	begun := time.Now()
	for _, err := range apply(t, p, batch...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d record sets in %d requests, %s", len(batch)-1, count, time.Since(begun).Round(time.Millisecond))
	if count > 6 {
		t.Errorf("%d requests", count)
	}
	if list, err := p.Read(context.Background(), example); err != nil || len(list) != len(batch) {
		t.Errorf("%d of %d are there, %v", len(list), len(batch), err)
	}
}

// PowerDNS stores a zone before its records: killed between the two, it has one
// that is empty. That is no zone, and makes room for the one that is wanted.
func TestAZoneMadeHalfwayIsMadeAnew(t *testing.T) {
	t.Parallel()
	var calls []string
	zone := `{"name": "example.com.", "kind": "Native", "rrsets": []}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			calls = append(calls, r.Method)
		}
		switch {
		case r.Method == http.MethodDelete:
			zone = ""
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost && zone != "":
			w.WriteHeader(http.StatusConflict)
		case r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			zone = string(body)
			w.WriteHeader(http.StatusCreated)
		default:
			fmt.Fprint(w, zone)
		}
	}))
	defer s.Close()
	p := provider(t, s.URL, nil)
	have, err := p.Read(t.Context(), example)
	if err != nil || len(have) > 0 {
		t.Fatalf("it has %v, %v", have, err)
	}
	for _, err := range apply(t, p, providers.Change{Action: providers.Create, Resource: example.Wanted[0]}) {
		if err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(calls, " "); got != "POST DELETE POST" {
		t.Errorf("it was asked to %s", got)
	}
}
