package smtp_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	gomilter "github.com/d--j/go-milter"

	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// A resultsFilter writes down which results of checks it has seen, and where, and does
// with them what the message asks for.
type resultsFilter struct {
	gomilter.NoOpMilter
	fields []string
	body   bytes.Buffer
}

func (f *resultsFilter) Header(name, value string, _ gomilter.Modifier) (*gomilter.Response, error) {
	f.fields = append(f.fields, name+": "+value)
	return gomilter.RespContinue, nil
}

func (f *resultsFilter) BodyChunk(b []byte, _ gomilter.Modifier) (*gomilter.Response, error) {
	f.body.Write(b)
	return gomilter.RespContinue, nil
}

func (f *resultsFilter) EndOfMessage(m gomilter.Modifier) (*gomilter.Response, error) {
	defer func() { f.fields = nil; f.body.Reset() }()
	switch strings.TrimSpace(f.body.String()) {
	case "tell":
		first := strings.NewReplacer("\n", " ", "\t", "").Replace(f.fields[0])
		return gomilter.RespAccept, m.InsertHeader(0, "X-Seen", first)
	case "take away":
		return gomilter.RespAccept, m.ChangeHeader(1, "Authentication-Results", "")
	}
	return gomilter.RespAccept, nil
}

func TestFiltersSeeWhatTheChecksHaveFound(t *testing.T) {
	t.Parallel()
	s, _ := openStore(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := gomilter.NewServer(gomilter.WithMilter(func() gomilter.Milter { return &resultsFilter{} }),
		gomilter.WithActions(gomilter.AllClientSupportedActionMasks&^gomilter.OptSetMacros))
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })

	records := keys{"remote.test": "v=spf1 ip4:127.0.0.1 -all"}
	addr := serve(t, smtp.Options{Mode: smtp.MTA, Store: s, Checker: &verify.Checker{Resolver: records},
		Filters: func() []milter.Filter { return []milter.Filter{{Name: "f", Address: l.Addr().String()}} },
		Settings: func() smtp.Settings {
			return smtp.Settings{Hostname: "mx.d.test", Checks: verify.Policy{SPF: verify.Report, DKIM: true}}
		}})
	const results = "Authentication-Results: mx.d.test;\r\n\tspf=pass smtp.mailfrom=a@remote.test;\r\n\tdkim=none\r\n"
	// One that somebody else wrote in our name is gone before a filter could believe it.
	const forged = "Authentication-Results: mx.d.test; dkim=pass header.d=bank.test\r\n"
	for _, c := range []struct{ body, want string }{
		{"nothing", results + "Received: "},
		{"tell", results + "Received: "},
		{"take away", "Received: "},
	} {
		text := forged + "From: a@remote.test\r\nSubject: x\r\n\r\n" + c.body + "\r\n"
		if err := send(t, addr, "a@remote.test", []string{"alice@d.test"}, text, nil); err != nil {
			t.Fatal(err)
		}
		list := inbox(t, s, "alice@d.test")
		got := list[len(list)-1]
		if want := "Return-Path: <a@remote.test>\r\n" + c.want; !strings.HasPrefix(got, want) || strings.Contains(got, "bank.test") ||
			strings.Count(got, "Authentication-Results:") != strings.Count(c.want, "Authentication-Results:")+strings.Count(got, "X-Seen:") {
			t.Errorf("%s: %q, want it to begin with %q", c.body, got, want)
		}
		if seen := "\r\nX-Seen: Authentication-Results: mx.d.test; spf=pass smtp.mailfrom=a@remote.test; dkim=none\r\nFrom:"; c.body == "tell" && !strings.Contains(got, seen) {
			t.Errorf("the filter did not see the results first: %q", got)
		}
	}
}
