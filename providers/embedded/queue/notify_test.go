package queue

import (
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

func TestWhatTheSenderIsTold(t *testing.T) {
	refuse := func(string) error { return smtpErr(550, 5, 1, 1, "nobody here") }
	busy := func(string) error { return smtpErr(451, 4, 3, 0, "busy") }
	for name, tt := range map[string]struct {
		notify, ret string
		onRcpt      func(string) error
		dsn         bool          // the other server offers DSN
		after       time.Duration // the message is this old
		from        string        // empty: alice
		action      string        // of the report; empty: there is none
		full        bool          // the report has the whole message
		left        int           // entries in the queue afterwards
	}{
		"a loss, unasked":                        {onRcpt: refuse, action: "failed"},
		"a loss, as asked":                       {onRcpt: refuse, notify: "SUCCESS,FAILURE", action: "failed"},
		"no loss, as asked":                      {onRcpt: refuse, notify: "NEVER"},
		"no loss where only arrival was asked":   {onRcpt: refuse, notify: "SUCCESS"},
		"a loss, with the whole message":         {onRcpt: refuse, ret: "FULL", action: "failed", full: true},
		"a loss, with the header":                {onRcpt: refuse, ret: "HDRS", action: "failed"},
		"nothing of a report's loss":             {onRcpt: refuse, from: "<>", notify: "FAILURE"},
		"a delay, unasked":                       {onRcpt: busy, after: 5 * time.Hour, action: "delayed", left: 1},
		"a delay, as asked":                      {onRcpt: busy, after: 5 * time.Hour, notify: "DELAY", action: "delayed", left: 1},
		"no delay before its time":               {onRcpt: busy, after: 3 * time.Hour, left: 1},
		"no delay where only losses were asked":  {onRcpt: busy, after: 5 * time.Hour, notify: "FAILURE", left: 1},
		"no whole message with a delay":          {onRcpt: busy, after: 5 * time.Hour, ret: "FULL", action: "delayed", left: 1},
		"no arrival, unasked":                    {},
		"an arrival that nobody else would tell": {notify: "SUCCESS", action: "relayed"},
		"no arrival that the other server tells": {notify: "SUCCESS", dsn: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := newSink(t, func(srv *gosmtp.Server) { srv.EnableDSN = tt.dsn }), newWorld()
			s.onRcpt = tt.onRcpt
			w.host("far.test", "192.0.2.1", s)
			r := newRig(t, w, nil)
			from := "alice@here.test"
			if tt.from == "<>" {
				from = ""
			}
			r.store.put(store.QueueEntry{
				From: from, To: "a@far.test", Created: r.clock.Now().Add(-tt.after), Next: r.clock.Now(),
				Wishes: store.Wishes{Return: tt.ret, EnvelopeID: "QQ 7+"},
				Asked:  dsn.Asked{Notify: tt.notify, Original: "rfc822;b@orig.test"},
			}, text)
			if tt.left > 0 {
				r.deferred(1)
			} else {
				r.empty()
			}
			reports := r.store.bounced()
			if tt.action == "" {
				if len(reports) > 0 {
					t.Fatalf("reports %+v", reports)
				}
				return
			}
			if len(reports) != 1 {
				t.Fatalf("reports %+v", reports)
			}
			for _, want := range []string{
				"\r\nOriginal-Envelope-Id: QQ 7+\r\n", "\r\nOriginal-Recipient: rfc822; b@orig.test\r\nFinal-Recipient: rfc822; a@far.test\r\nAction: " + tt.action + "\r\n",
				"\r\nAuto-Submitted: auto-replied\r\n",
			} {
				if !strings.Contains(reports[0].text, want) {
					t.Errorf("no %q in\n%s", want, reports[0].text)
				}
			}
			if got := strings.Contains(reports[0].text, "\r\n.dot\r\n"); got != tt.full {
				t.Errorf("whole message: %v, in\n%s", got, reports[0].text)
			}
			if left := r.store.state(); tt.action == "delayed" {
				if !left[0].Warned || !strings.Contains(reports[0].text, "\r\nWill-Retry-Until: ") {
					t.Errorf("%+v in\n%s", left[0], reports[0].text)
				}
				r.later(time.Minute)
				r.deferred(2)
				if n := len(r.store.bounced()); n != 1 {
					t.Errorf("the delay is told %d times", n)
				}
			}
		})
	}
}

// What the sender asks goes on to a server that understands it.
func TestTheNextServerIsAskedTheSame(t *testing.T) {
	s, w := newSink(t, func(srv *gosmtp.Server) { srv.EnableDSN = true }), newWorld()
	w.host("far.test", "192.0.2.1", s)
	r := newRig(t, w, nil)
	now := r.clock.Now()
	r.store.put(store.QueueEntry{From: "alice@here.test", To: "a@far.test", Created: now, Next: now,
		Wishes: store.Wishes{Return: "HDRS", EnvelopeID: "QQ 7+="}, Asked: dsn.Asked{Notify: "SUCCESS,DELAY", Original: "rfc822;b+x@orig.test"}}, text)
	r.empty()
	want := []string{"RET=HDRS ENVID=QQ 7+=", "NOTIFY=[SUCCESS DELAY] ORCPT=RFC822;b+x@orig.test"}
	if diff := cmp.Diff(want, s.wished()); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// A message that is lost, one that waits and one that arrives, all in one job.
func TestEachFateHasItsReport(t *testing.T) {
	s, w := newSink(t, nil), newWorld()
	s.onRcpt = func(to string) error {
		switch to {
		case "lost@far.test":
			return smtpErr(550, 5, 1, 1, "nobody here")
		case "late@far.test":
			return smtpErr(451, 4, 3, 0, "busy")
		}
		return nil
	}
	w.host("far.test", "192.0.2.1", s)
	r := newRig(t, w, nil)
	var es []store.QueueEntry
	for _, to := range []string{"lost@far.test", "late@far.test", "there@far.test"} {
		es = append(es, store.QueueEntry{From: "alice@here.test", To: to, Created: r.clock.Now().Add(-5 * time.Hour), Next: r.clock.Now(),
			Asked: dsn.Asked{Notify: "SUCCESS,FAILURE,DELAY"}})
	}
	r.store.putAll(text, es...)
	r.until("three reports", func() bool { return len(r.store.bounced()) == 3 })
	got := map[string]bool{}
	for _, rep := range r.store.bounced() {
		for _, action := range []string{"lost@far.test\r\nAction: failed", "late@far.test\r\nAction: delayed", "there@far.test\r\nAction: relayed"} {
			if strings.Contains(rep.text, action) {
				got[action] = true
			}
		}
	}
	if len(got) != 3 {
		t.Errorf("%v", got)
	}
}
