package daemon

import (
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

const limitText = `{"owner":"main","service":%q,"connections":1,"connections_per_client":0,"connections_per_minute":0,"messages_per_connection":0,
	"messages_per_hour":0,"recipients_per_hour":0,"recipients_per_message":0,"user_messages_per_hour":0,"user_messages_per_day":0,"user_recipients_per_hour":0,"user_recipients_per_day":0,"header_size":0,"errors":0,"timeout":0,"data_timeout":0,"exempt":[]}`

// Each service refuses in its own words, by limits that came while it ran, and who was
// there before stays.
func TestLimitsOfClientsAreTakenOverLive(t *testing.T) {
	services := []struct{ name, greeting, refusal string }{
		{"smtp", "220 ", "421 4.7.0 "},
		{"submission", "220 ", "421 4.7.0 "},
		{"imap", "* OK ", "* BYE "},
		{"pop3", "+OK ", "-ERR [SYS/TEMP] "},
		{"managesieve", `"IMPLEMENTATION"`, "BYE "},
	}
	a := addresses(t, len(services)+1)
	r := runIn(t, t.TempDir())
	r.must(create("setting", "main", setting(0)), create("listener", "main/metrics", listenerText("metrics", a[len(services)])))
	var open []*textproto.Conn
	greeted := func(address string) (*textproto.Conn, string) {
		c, err := textproto.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		line, err := c.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		return c, line
	}
	for i, s := range services {
		r.must(create("listener", "main/"+s.name, listenerText(s.name, a[i])))
		c, line := greeted(a[i])
		if !strings.HasPrefix(line, s.greeting) {
			t.Errorf("%s: without a limit it says %q", s.name, line)
		}
		open = append(open, c)
		r.must(create("limit", "main/"+s.name, fmt.Sprintf(limitText, s.name)))
		if _, line := greeted(a[i]); !strings.HasPrefix(line, s.refusal) {
			t.Errorf("%s: beyond the limit it says %q", s.name, line)
		}
	}
	if err := open[0].PrintfLine("NOOP"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open[0].ReadResponse(250); err != nil {
		t.Errorf("who was there before the limit: %v", err)
	}
	answer, err := http.Get("http://" + a[len(services)] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		if want := fmt.Sprintf("mailform_limits_met_total{limit=\"connections\",server=\"main\",service=%q} 1\n", s.name); !strings.Contains(string(text), want) {
			t.Errorf("the metrics have no line %s", want)
		}
	}
	r.must(change("delete", "limit", "main/smtp", "null"))
	if _, line := greeted(a[0]); !strings.HasPrefix(line, "220 ") {
		t.Errorf("once the limit is gone: %q", line)
	}
}
