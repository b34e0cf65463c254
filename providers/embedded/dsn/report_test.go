package dsn

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	"github.com/google/go-cmp/cmp"
)

const original = "From: <a@here.test>\r\nSubject: hi\r\n\r\nbody\r\n.dot\r\n"

// parts reads a report with a parser of others.
func parts(t *testing.T, text string) (header message.Header, kinds, bodies []string) {
	t.Helper()
	m, err := message.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	mr := m.MultipartReader()
	if mr == nil {
		t.Fatalf("no multipart:\n%s", text)
	}
	for {
		p, err := mr.NextPart()
		if err == io.EOF {
			return m.Header, kinds, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := p.Header.ContentType()
		if err != nil {
			t.Fatal(err)
		}
		kinds, bodies = append(kinds, kind), append(bodies, string(body))
	}
}

func TestAReportIsReadByOthers(t *testing.T) {
	at := time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)
	base := Report{ID: "R1", Hostname: "mx.here.test", To: "a@here.test", Date: at, Arrival: at.Add(-time.Hour)}
	lost := Recipient{Address: "b@far.test", Status: "5.1.1", Text: "mx.far.test refused RCPT", Host: "mx.far.test", Diagnostic: "550 5.1.1 no\r\nInjected: yes"}
	for name, tt := range map[string]struct {
		change func(*Report)
		text   string // the message; empty: original
		kinds  []string
		last   string
		status []string
	}{
		"the header of what is lost": {
			kinds: []string{"text/plain", "message/delivery-status", "text/rfc822-headers"}, last: "From: <a@here.test>\r\nSubject: hi\r\n",
			status: []string{"Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.far.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no  Injected: yes\r\n"},
		},
		"the whole message": {
			change: func(r *Report) { r.Full = true },
			kinds:  []string{"text/plain", "message/delivery-status", "message/rfc822"}, last: original,
		},
		"what the sender called it": {
			change: func(r *Report) { r.EnvelopeID = "QQ\r\nX: y"; r.Recipients[0].Original = "rfc822;c@orig.test" },
			kinds:  []string{"text/plain", "message/delivery-status", "text/rfc822-headers"}, last: "From: <a@here.test>\r\nSubject: hi\r\n",
			status: []string{"Original-Envelope-Id: QQ  X: y\r\nReporting-MTA: dns; mx.here.test\r\n", "Original-Recipient: rfc822; c@orig.test\r\nFinal-Recipient: rfc822; b@far.test\r\n"},
		},
		"until when it is tried": {
			change: func(r *Report) { r.Action = Delayed; r.Recipients[0].Until = at },
			kinds:  []string{"text/plain", "message/delivery-status", "text/rfc822-headers"}, last: "From: <a@here.test>\r\nSubject: hi\r\n",
			status: []string{"Action: delayed\r\n", "Will-Retry-Until: Thu, 26 Nov 2026 04:00:00 +0000\r\n"},
		},
		"addresses beyond ASCII": {
			change: func(r *Report) { r.Recipients[0].Address = "jürgen@far.test" },
			kinds:  []string{"text/plain", "message/global-delivery-status", "message/global-headers"}, last: "From: <a@here.test>\r\nSubject: hi\r\n",
			status: []string{"Final-Recipient: utf-8; jürgen@far.test\r\n"},
		},
		"a header beyond ASCII": {
			text:  "Subject: hü\r\n\r\nbody\r\n",
			kinds: []string{"text/plain", "message/delivery-status", "message/global-headers"}, last: "Subject: hü\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := base
			r.Action, r.Recipients = Failed, []Recipient{lost}
			if tt.change != nil {
				tt.change(&r)
			}
			text := tt.text
			if text == "" {
				text = original
			}
			var b bytes.Buffer
			if err := r.Write(&b, strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
			head, kinds, bodies := parts(t, b.String())
			kind, params, err := head.ContentType()
			if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
				t.Errorf("%s %v %v", kind, params, err)
			}
			if diff := cmp.Diff(tt.kinds, kinds); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.last, bodies[len(bodies)-1]); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			for _, s := range tt.status {
				if !strings.Contains(bodies[1], s) {
					t.Errorf("no %q in\n%s", s, bodies[1])
				}
			}
		})
	}
}

func TestWhatWasAsked(t *testing.T) {
	for notify, want := range map[string][3]bool{ // failure, delay, success
		"":                      {true, true, false},
		"NEVER":                 {},
		"FAILURE":               {true, false, false},
		"SUCCESS,FAILURE,DELAY": {true, true, true},
	} {
		a := Asked{Notify: notify}
		if got := [3]bool{a.Failure(), a.Delay(), a.Success()}; got != want {
			t.Errorf("%q: %v, want %v", notify, got, want)
		}
	}
	for notify, want := range map[string]string{"SUCCESS": "NEVER", "SUCCESS,DELAY": "DELAY", "": ""} {
		if got := (Asked{Notify: notify}).Without("SUCCESS").Notify; got != want {
			t.Errorf("%q without success: %q, want %q", notify, got, want)
		}
	}
	for original, want := range map[string]string{
		"rfc822;a+b=c@x.test": "rfc822;a+2Bb+3Dc@x.test",
		"utf-8;jü+@x.test":    `utf-8;j\x{FC}\x{2B}@x.test`,
		"rfc822;jü@x.test":    "",
		"":                    "",
	} {
		if got := (Asked{Original: original}).OriginalParameter(); got != want {
			t.Errorf("%q: %q, want %q", original, got, want)
		}
	}
}
