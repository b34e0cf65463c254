package daemon

import (
	"fmt"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

const (
	inboundText  = `{"owner":"main","spf":"off","dkim":"off","arc":"off","dmarc":"off","trusted_sealers":[],"exempt":[]}`
	dnsblText    = `{"owner":"main","zone":"bl.test","action":%q,"weight":10,"answers":[]}`
	greylistText = `{"owner":"main","delay":1,"retry_within":172800,"keep":3024000,"known_after":0,"pass_spf":false,"exempt":[]}`
)

// rcpt begins a transaction of a sender and returns the answer to its recipient.
func rcpt(t *testing.T, c *textproto.Conn, sender string) string {
	t.Helper()
	last := ""
	for _, command := range []string{"RSET", "MAIL FROM:<" + sender + ">", "RCPT TO:<alice@example.com>"} {
		if err := c.PrintfLine("%s", command); err != nil {
			t.Fatal(err)
		}
		code, text, err := c.ReadResponse(0)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		last = fmt.Sprintf("%d %s", code, text)
	}
	return last
}

// The daemon's own name server is the list.
func TestListsAndGreylistsAreTakenOverLive(t *testing.T) {
	dir, a := t.TempDir(), addresses(t, 2)
	r := runIn(t, dir)
	r.must(create("setting", "main", setting(0)), create("maildomain", "example.com", `{"name":"example.com"}`),
		create("mailbox", "alice@example.com", `{"address":"alice@example.com","password_hash":[],"quota":0,"protocols":["imap"],"mail":"enabled"}`),
		create("zone", "bl.test", fmt.Sprintf(zoneText, "bl.test.")),
		create("rrset", "bl.test/1.0.0.127.bl.test./A", fmt.Sprintf(rrsetText, "bl.test.", "1.0.0.127.bl.test.", "A", "127.0.0.2")),
		create("rrset", "bl.test/1.0.0.127.bl.test./TXT", fmt.Sprintf(rrsetText, "bl.test.", "1.0.0.127.bl.test.", "TXT", "it is a test")),
		create("inbound", "main", inboundText), create("resolver", "main", fmt.Sprintf(`{"owner":"main","servers":[%q]}`, a[0])),
		create("listener", "main/dns", listenerText("dns", a[0])), create("listener", "main/smtp", listenerText("smtp", a[1])))
	ask := func(sender string) string {
		t.Helper()
		c, _ := dialSMTP(t, a[1])
		defer c.Close()
		return rcpt(t, c, sender)
	}
	answer := func(sender, want string) {
		t.Helper()
		if got := ask(sender); !strings.HasPrefix(got, want) {
			t.Errorf("the answer is %q, want %q", got, want)
		}
	}
	answer("a@far.test", "250 ")
	r.must(create("dnsbl", "main/bl.test/reject", fmt.Sprintf(dnsblText, "reject")))
	answer("a@far.test", "550 5.7.1 Client [127.0.0.1] is listed at bl.test: it is a test")
	r.must(change("delete", "dnsbl", "main/bl.test/reject", "null"), create("greylist", "main", greylistText))
	answer("a@far.test", "451 4.7.1 Greylisted")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r = runIn(t, dir)
	// What was before the restart counts: else each attempt would be a first one, and
	// the delay would never be over.
	deadline := time.Now().Add(time.Minute)
	for got := ""; !strings.HasPrefix(got, "250 "); got = ask("a@far.test") {
		if time.Now().After(deadline) {
			t.Fatalf("a minute later the answer is still %q", got)
		}
		time.Sleep(50 * time.Millisecond)
	}
	answer("b@far.test", "451 4.7.1 Greylisted")
	r.must(create("dnsbl", "main/bl.test/allow", fmt.Sprintf(dnsblText, "allow")))
	answer("c@far.test", "250 ")
}
