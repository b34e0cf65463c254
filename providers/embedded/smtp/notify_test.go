package smtp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

func TestWhatSendersAskToBeTold(t *testing.T) {
	type report struct {
		accounts []int64
		remote   []string
		about    []string // recipients that arrived
	}
	for name, tt := range map[string]struct {
		mail, rcpt string
		wishes     store.Wishes
		asked      map[string]dsn.Asked
		reports    []report
	}{
		"nothing": {mail: "<b@remote.test>", rcpt: "<fwd@d.test>"},
		"an arrival here": {
			mail: "<b@remote.test> RET=HDRS ENVID=Q+2B7", rcpt: "<alice@d.test> NOTIFY=SUCCESS ORCPT=rfc822;al+2B@x.test",
			wishes:  store.Wishes{Return: "HDRS", EnvelopeID: "Q+7"},
			reports: []report{{remote: []string{"b@remote.test"}, about: []string{"Original-Recipient: rfc822; al+@x.test\r\nFinal-Recipient: rfc822; alice@d.test"}}},
		},
		"an arrival here, of mail from here": {
			mail: "<bob@d.test>", rcpt: "<alice@d.test> NOTIFY=SUCCESS,DELAY",
			reports: []report{{accounts: []int64{2}, about: []string{"Final-Recipient: rfc822; alice@d.test"}}},
		},
		"an arrival, where there is nobody to tell": {mail: "<>", rcpt: "<alice@d.test> NOTIFY=SUCCESS"},
		"an arrival, where the sender is made up":   {mail: "<nobody@d.test>", rcpt: "<alice@d.test> NOTIFY=SUCCESS"},
		"of a forward": {
			mail: "<b@remote.test>", rcpt: "<fwd@d.test> NOTIFY=SUCCESS,FAILURE",
			asked: map[string]dsn.Asked{"fwd@elsewhere.test": {Notify: "SUCCESS,FAILURE", Original: "rfc822;fwd@d.test"}},
		},
		"of a forward, under its own name": {
			mail: "<b@remote.test>", rcpt: "<fwd@d.test> NOTIFY=NEVER ORCPT=rfc822;x@y.test",
			asked: map[string]dsn.Asked{"fwd@elsewhere.test": {Notify: "NEVER", Original: "rfc822;x@y.test"}},
		},
		"once, of a mailbox with a copy elsewhere": {
			mail: "<b@remote.test>", rcpt: "<both@d.test> NOTIFY=SUCCESS,FAILURE",
			asked:   map[string]dsn.Asked{"fwd@elsewhere.test": {Notify: "FAILURE", Original: "rfc822;both@d.test"}},
			reports: []report{{remote: []string{"b@remote.test"}, about: []string{"Final-Recipient: rfc822; both@d.test"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			c.say("MAIL FROM:"+tt.mail, "250")
			c.say("RCPT TO:"+tt.rcpt, "250")
			c.say("DATA", "354")
			c.say("Subject: hi\r\n\r\nbody\r\n.", "250")
			c.say("QUIT", "221")
			ds := r.store.deliveries()
			if len(ds) != 1 {
				t.Fatalf("%d deliveries", len(ds))
			}
			if diff := cmp.Diff(tt.wishes, ds[0].wishes); diff != "" {
				t.Errorf("wishes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.asked, ds[0].asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if len(ds[0].reports) != len(tt.reports) {
				t.Fatalf("reports %+v", ds[0].reports)
			}
			for i, want := range tt.reports {
				got := ds[0].reports[i]
				if !cmp.Equal(want.accounts, got.accounts) || !cmp.Equal(want.remote, got.remote) || got.from != "" {
					t.Errorf("report from %q for %v and %v", got.from, got.accounts, got.remote)
				}
				for _, s := range append(want.about, "\r\nAction: delivered\r\n") {
					if !strings.Contains(got.text, s) {
						t.Errorf("no %q in\n%s", s, got.text)
					}
				}
			}
		})
	}
}
