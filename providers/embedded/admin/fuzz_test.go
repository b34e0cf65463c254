package admin

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Whatever is sent to the socket, the answer is one that the client understands, and
// nothing is applied that was not prepared.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"changes":[{"action":"create","kind":"mailbox","key":"a@b.test","attrs":{"address":"a@b.test"}}]}`,
		`{"changes":[]}`, `{"ids":[{"kind":"mailbox","key":"a@b.test"}]}`, `{"action":"hold","ids":[7]}`, `{"action":"eat"}`,
		`[`, `null`, `{"changes":[null]}`, `{"ids":null} trailing`, strings.Repeat(`{"changes":`, 1000),
	} {
		for _, path := range []string{"/v1/apply", "/v1/resources/find", "/v1/queue", "/v1/dnssec"} {
			f.Add(path, body)
		}
	}
	f.Add("/v1/queue/7", "")
	f.Fuzz(func(t *testing.T, path, body string) {
		if !strings.HasPrefix(path, "/v1/") || strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == '%' }) {
			return
		}
		d := &fakeDaemon{stop: func() {}}
		h := newServer(d, d, slog.New(slog.NewTextHandler(io.Discard, nil)), 1<<20)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			d.calls = nil
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "http://daemon"+path, strings.NewReader(body)))
			if w.Code < 200 || w.Code >= 500 {
				t.Errorf("%s %s with %q is answered %d: %s", method, path, body, w.Code, w.Body)
			}
			if slices.Contains(d.calls, "store") && d.calls[0] != "prepare" {
				t.Errorf("%s %s with %q has %v done", method, path, body, d.calls)
			}
		}
	})
}
