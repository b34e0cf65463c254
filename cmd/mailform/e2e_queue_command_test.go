package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// The queue is looked after by hand: the relay is not there, so that nothing goes
// away by itself.
func TestQueueCommand(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", `["1s", "1s", "1s"]`, `["1h"]`)
	w.apply()
	list := func(args ...string) []queued {
		t.Helper()
		var entries []queued
		if err := json.Unmarshal([]byte(w.ok(append([]string{"queue", "list", "-json"}, args...)...)), &entries); err != nil {
			t.Fatal(err)
		}
		return entries
	}
	if out := w.ok("queue", "list"); out != "The queue is empty.\n" {
		t.Errorf("an empty queue: %q", out)
	}
	s := w.submit("bob@example.com")
	for _, to := range []string{"one@elsewhere.test", "two@elsewhere.test", "three@other.test", "four@other.test"} {
		s.expect("MAIL FROM:<bob@example.com>", "250", "RCPT TO:<"+to+">", "250", "DATA", "354", "Subject: for "+to+"\r\n\r\nhello\r\n.", "250")
	}
	eventually(t, "all have been tried in vain", func() bool {
		entries := list()
		tried := 0
		for _, e := range entries {
			if e.Attempts > 0 && e.Error != "" {
				tried++
			}
		}
		return len(entries) == 4 && tried == 4
	})
	ids := map[string]string{}
	for _, e := range list() {
		b, err := json.Marshal(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids[e.To] = string(b)
	}
	// Held ones are not tried, and not given up.
	if out := w.ok("queue", "hold", "-all"); out != "4 messages held.\n" {
		t.Errorf("hold: %q", out)
	}
	if out := w.ok("queue", "list", "-to=other.test"); strings.Count(out, "held") != 2 || !strings.Contains(out, "2 messages, ") {
		t.Errorf("list: %q", out)
	}
	if out := w.ok("queue", "list", "-from=bob@example.com", "-to=four@other.test"); !strings.Contains(out, "1 message, ") {
		t.Errorf("list: %q", out)
	}
	if out := w.ok("queue", "list", "-older=1h"); out != "Nothing in the queue is like that.\n" {
		t.Errorf("list: %q", out)
	}
	if out := w.ok("queue", "retry", "-from=nobody.test"); out != "0 messages tried now.\n" {
		t.Errorf("retry: %q", out)
	}
	if out := w.ok("queue", "show", ids["one@elsewhere.test"]); !strings.Contains(out, "Subject: for one@elsewhere.test") || !strings.Contains(out, "\r\n\r\nhello") {
		t.Errorf("show: %q", out)
	}
	if out := w.ok("queue", "drop", ids["one@elsewhere.test"]); out != "1 message dropped.\n" {
		t.Errorf("drop: %q", out)
	}
	if out := w.ok("queue", "drop", "-return", "-to", "two@elsewhere.test"); out != "1 message dropped.\n" {
		t.Errorf("drop: %q", out)
	}
	m := w.mailbox("bob@example.com", "INBOX")
	if text := m.literal("f", "FETCH 1 BODY[]"); !strings.Contains(text, "Final-Recipient: rfc822; two@elsewhere.test") || !strings.Contains(text, "returned by the administrator") {
		t.Errorf("the sender is told: %s", text)
	}
	// What is released goes on, once there is somebody to take it.
	relay := w.sink(nil)
	w.ok("queue", "release", ids["three@other.test"])
	w.ok("queue", "retry", ids["three@other.test"])
	eventually(t, "the released one is delivered", func() bool { return len(list()) == 1 })
	if got := list(); got[0].To != "four@other.test" || !got[0].Held {
		t.Errorf("in the queue is %+v", got)
	}
	eventually(t, "the relay has it", func() bool { return len(relay.messages()) == 1 })
	for _, args := range [][]string{{"queue", "show"}, {"queue", "show", "999999"}, {"queue", "drop"}, {"queue", "drop", "-all", "1"}, {"queue", "hold", "x"}, {"queue", "drop", "-all", "-from=bob@example.com"}, {"queue", "list", "-older=soon"}, {"queue", "eat"}} {
		if r := w.mailform(args...); r.code == 0 || r.stderr == "" {
			t.Errorf("mailform %s: %v", strings.Join(args, " "), r)
		}
	}
}
