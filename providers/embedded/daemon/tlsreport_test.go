package daemon

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"

	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

// texts is a DNS of TXT records.
type texts map[string]string

func (t texts) LookupTXT(_ context.Context, name string) ([]string, error) {
	if text := t[strings.TrimSuffix(name, ".")]; text != "" {
		return []string{text}, nil
	}
	return nil, context.DeadlineExceeded
}

func TestReportsOfTLSAreSent(t *testing.T) {
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	var posted []byte
	answer := http.StatusServiceUnavailable
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != tlsrpt.ContentType {
			t.Errorf("%s %s", r.Method, r.Header)
		}
		posted, _ = io.ReadAll(r.Body)
		w.WriteHeader(answer)
	}))
	t.Cleanup(srv.Close)
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	r := &tlsReporter{
		store: st, signer: dkim.New(st), transport: srv.Client().Transport, log: slog.New(slog.DiscardHandler),
		hostname: func() string { return "mx.here.test" }, now: func() time.Time { return now },
		resolver: texts{
			"_smtp._tls.mail.test": "v=TLSRPTv1; rua=mailto:tls@mail.test,mailto:two@mail.test",
			"_smtp._tls.post.test": "v=TLSRPTv1; rua=" + srv.URL + "/report",
		},
	}
	for _, domain := range []string{"mail.test", "post.test", "silent.test"} {
		r.Note(t.Context(), tlsrpt.Result{Domain: domain, Policy: tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: domain}})
	}
	r.send(t.Context())
	if q, err := st.QueueList(t.Context()); len(q) != 0 || err != nil {
		t.Errorf("the day is not over: %+v, %v", q, err)
	}
	now = now.Add(13 * time.Hour)
	for range 2 {
		r.send(t.Context())
	}
	q, err := st.QueueList(t.Context())
	if err != nil || len(q) != 2 || q[0].To != "tls@mail.test" || q[0].From != "" {
		t.Fatalf("queue %+v, %v", q, err)
	}
	text, err := st.ReadBody(t.Context(), q[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := message.Read(strings.NewReader(string(text)))
	if err != nil || m.Header.Get("TLS-Report-Domain") != "mail.test" || m.Header.Get("From") != "<postmaster@mx.here.test>" {
		t.Errorf("%v, %v", m, err)
	}
	// By HTTPS it is tried until it works.
	if days, err := st.TLSDays(t.Context(), now); len(days) != 1 || days[0].Domain != "post.test" || err != nil {
		t.Errorf("left: %v, %v", days, err)
	}
	answer = http.StatusCreated
	r.send(t.Context())
	if days, err := st.TLSDays(t.Context(), now); len(days) != 0 || err != nil {
		t.Errorf("left: %v, %v", days, err)
	}
	zr, err := gzip.NewReader(strings.NewReader(string(posted)))
	if err != nil {
		t.Fatal(err)
	}
	var report tlsrpt.Report
	if err := json.NewDecoder(zr).Decode(&report); err != nil || report.Policies[0].Summary.Successful != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}
