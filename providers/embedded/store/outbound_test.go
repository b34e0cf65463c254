package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

func TestPoliciesAreKept(t *testing.T) {
	s := openStore(t, t.TempDir())
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	old := mtasts.Cached{Domain: "old.test", ID: "1", Text: "x", Fetched: at.Add(-2 * time.Hour), Until: at.Add(-time.Hour)}
	far := mtasts.Cached{Domain: "far.test", ID: "1", Text: "x", Fetched: at, Until: at.Add(time.Hour)}
	next := mtasts.Cached{Domain: "far.test", ID: "2", Text: "y", Fetched: at, Until: at.Add(2 * time.Hour)}
	for _, c := range []mtasts.Cached{old, far, next} {
		if err := s.KeepSTSPolicy(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.STSPolicy(t.Context(), "far.test")
	if err != nil || got == nil {
		t.Fatalf("%v, %v", got, err)
	}
	if d := cmp.Diff(next, *got); d != "" {
		t.Error(d)
	}
	if got, err := s.STSPolicy(t.Context(), "old.test"); got != nil || err != nil {
		t.Errorf("what has run out: %v, %v", got, err)
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	s := openStore(t, t.TempDir())
	at := time.Date(2026, 3, 4, 23, 0, 0, 0, time.UTC)
	policy := tlsrpt.Policy{Type: tlsrpt.STS, Text: []string{"version: STSv1"}, Domain: "far.test", MX: []string{"mx.far.test"}}
	failure := &tlsrpt.Failure{Type: tlsrpt.Expired, MX: "mx.far.test", IP: "192.0.2.1"}
	for _, r := range []struct {
		tlsrpt.Result
		at time.Time
	}{
		{tlsrpt.Result{Domain: "far.test", Policy: policy}, at},
		{tlsrpt.Result{Domain: "far.test", Policy: policy}, at},
		{tlsrpt.Result{Domain: "far.test", Policy: policy, Failure: failure}, at},
		{tlsrpt.Result{Domain: "far.test", Policy: policy}, at.Add(2 * time.Hour)},
	} {
		if err := s.AddTLSResult(t.Context(), r.Result, r.at); err != nil {
			t.Fatal(err)
		}
	}
	day := TLSDay{time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), "far.test"}
	days, err := s.TLSDays(t.Context(), at.Add(2*time.Hour))
	if d := cmp.Diff([]TLSDay{day}, days); d != "" || err != nil {
		t.Fatal(d, err)
	}
	counts, err := s.TLSCounts(t.Context(), day)
	want := []tlsrpt.Count{
		{Result: tlsrpt.Result{Domain: "far.test", Policy: policy}, Sessions: 2},
		{Result: tlsrpt.Result{Domain: "far.test", Policy: policy, Failure: failure}, Sessions: 1},
	}
	if d := cmp.Diff(want, counts); d != "" || err != nil {
		t.Error(d, err)
	}
	// The second end of a day sends no second report.
	for range 2 {
		report := &Envelope{Draft: draft(t, s, []byte("report\r\n")), Remote: []string{"tls@far.test"}, ID: "tx1", Received: at}
		if err := s.FinishTLSDay(t.Context(), day, report); err != nil {
			t.Fatal(err)
		}
	}
	if q, err := s.QueueList(t.Context()); len(q) != 1 || err != nil {
		t.Errorf("queue %+v, %v", q, err)
	}
	if days, err = s.TLSDays(t.Context(), at.Add(48*time.Hour)); len(days) != 1 || err != nil {
		t.Errorf("left: %v, %v", days, err)
	}
	checkStore(t, s)
}
