package queue

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A step of a server's part: it reads so many lines before it says a word, then it
// says something for each.
type step struct {
	lines int
	says  string
}

// What goes together to a server that takes it so, what goes line by line to one
// that does not, and what becomes of each recipient.
func TestCommandsGoTogether(t *testing.T) {
	const (
		mail = "MAIL FROM:<alice@here.test>"
		a, b = "RCPT TO:<a@far.test>", "RCPT TO:<b@far.test>"
		body = "Received: x\r\nSubject: hi\r\n\r\nbody\r\n..dot\r\n."
	)
	for name, tt := range map[string]struct {
		offers string
		steps  []step
		// heard is what came after EHLO, left what stays in the queue, and told is
		// what a report says.
		heard []string
		left  []string
		told  string
	}{
		"all of it, before the server says a word": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"}, {6, "250 done\r\n"}},
			heard:  []string{mail, a, b, "DATA", body},
		},
		"line by line": {
			steps: []step{{1, "250 ok\r\n"}, {1, "250 ok\r\n"}, {1, "250 ok\r\n"}, {1, "354 go\r\n"}, {6, "250 done\r\n"}},
			heard: []string{mail, a, b, "DATA", body},
		},
		"one recipient is refused, the other has the message": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n550 5.1.1 who\r\n250 ok\r\n354 go\r\n"}, {6, "250 done\r\n"}},
			heard:  []string{mail, a, b, "DATA", body},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		},
		"one recipient is put off, the other has the message": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n250 ok\r\n450 later\r\n354 go\r\n"}, {6, "250 done\r\n"}},
			heard:  []string{mail, a, b, "DATA", body},
			left:   []string{"b@far.test"},
		},
		"all are refused, and DATA as well": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n550 5.1.1 who\r\n550 5.1.1 who\r\n554 5.5.1 nobody\r\n"}, {1, "250 ok\r\n"}},
			heard:  []string{mail, a, b, "DATA", "RSET"},
			told:   "Final-Recipient: rfc822; b@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		},
		"all are refused, and the server waits for the message: it is empty": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n550 5.1.1 who\r\n550 5.1.1 who\r\n354 go\r\n"}, {1, "554 5.5.1 nobody\r\n"}, {1, "250 ok\r\n"}},
			heard:  []string{mail, a, b, "DATA", ".", "RSET"},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		},
		"the sender is refused, and all that follows": {
			offers: "PIPELINING",
			steps:  []step{{4, "550 5.7.1 you\r\n503 no\r\n503 no\r\n503 no\r\n"}, {1, "250 ok\r\n"}},
			heard:  []string{mail, a, b, "DATA", "RSET"},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.7.1\r\n",
		},
		"the sender is refused, and the server waits for a message: it gets none": {
			offers: "PIPELINING",
			steps:  []step{{4, "550 5.7.1 you\r\n250 ok\r\n250 ok\r\n354 go\r\n"}, {1, ""}},
			heard:  []string{mail, a, b, "DATA"},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.7.1\r\n",
		},
		"the sender is put off": {
			offers: "PIPELINING",
			steps:  []step{{4, "451 4.3.0 later\r\n503 no\r\n503 no\r\n503 no\r\n"}, {1, ""}},
			heard:  []string{mail, a, b, "DATA"},
			left:   []string{"a@far.test", "b@far.test"},
		},
		"the server goes away among the answers: what it said stands": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n550 5.1.1 who\r\n"}},
			heard:  []string{mail, a, b, "DATA"},
			left:   []string{"b@far.test"},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		},
		"the server says goodbye in the middle": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n421 4.3.2 closing\r\n"}},
			heard:  []string{mail, a, b, "DATA"},
			left:   []string{"a@far.test", "b@far.test"},
		},
		"codes without text (RFC 5321 §4.2)": {
			steps: []step{{1, "250\r\n"}, {1, "250 \r\n"}, {1, "250-\r\n250\r\n"}, {1, "354\r\n"}, {6, "250\r\n"}},
			heard: []string{mail, a, b, "DATA", body},
		},
		"several codes in a reply: the last counts": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n250-5.1.1 well\r\n550 5.1.1 who\r\n550-x\r\n250 ok\r\n354 go\r\n"}, {6, "250 done\r\n"}},
			heard:  []string{mail, a, b, "DATA", body},
			told:   "Final-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		},
		"DATA is put off": {
			offers: "PIPELINING",
			steps:  []step{{4, "250 ok\r\n250 ok\r\n250 ok\r\n451 4.3.0 later\r\n"}, {1, "250 ok\r\n"}},
			heard:  []string{mail, a, b, "DATA", "RSET"},
			left:   []string{"a@far.test", "b@far.test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := single(nil)
			var mu sync.Mutex
			var heard []string
			script(t, w, "192.0.2.1", func(c net.Conn, br *bufio.Reader) {
				c.SetDeadline(time.Now().Add(time.Minute))
				fmt.Fprint(c, "220 x\r\n")
				br.ReadString('\n')
				if tt.offers != "" {
					fmt.Fprintf(c, "250-x\r\n250 %s\r\n", tt.offers)
				} else {
					fmt.Fprint(c, "250 x\r\n")
				}
				for _, s := range tt.steps {
					var lines []string
					for range s.lines {
						line, err := br.ReadString('\n')
						if err != nil {
							return
						}
						lines = append(lines, strings.TrimSuffix(line, "\r\n"))
					}
					mu.Lock()
					if s.lines > 4 {
						heard = append(heard, strings.Join(lines, "\r\n"))
					} else {
						heard = append(heard, lines...)
					}
					mu.Unlock()
					fmt.Fprint(c, s.says)
				}
			})
			r := newRig(t, w, nil)
			r.add("alice@here.test", text, "a@far.test", "b@far.test")
			r.until("what is left is as it should be", func() bool {
				var left []string
				for _, e := range r.store.state() {
					if e.Attempts != 1 {
						return false
					}
					left = append(left, e.To)
				}
				return cmp.Equal(left, tt.left)
			})
			r.stop()
			mu.Lock()
			defer mu.Unlock()
			if n := len(heard); n > 0 && heard[n-1] == "QUIT" {
				heard = heard[:n-1]
			}
			if diff := cmp.Diff(tt.heard, heard); diff != "" {
				t.Errorf("the server heard (-want +got):\n%s", diff)
			}
			reports := r.store.bounced()
			switch {
			case (tt.told != "") != (len(reports) == 1):
				t.Errorf("%d reports", len(reports))
			case tt.told != "" && !strings.Contains(reports[0].text, tt.told):
				t.Errorf("the report has no %q:\n%s", tt.told, reports[0].text)
			}
		})
	}
}

// More recipients than answers may be on their way at once.
func TestManyRecipientsGoTogether(t *testing.T) {
	s := newSink(t, nil)
	r := newRig(t, single(s), func(o *Options) { o.Recipients = 3 * window })
	var to []string
	for i := range 3*window - 1 {
		to = append(to, fmt.Sprintf("u%d@far.test", i))
	}
	r.add("alice@here.test", text, to...)
	r.empty()
	if got := s.got(); len(got) != 1 || !cmp.Equal(got[0].to, to) {
		t.Errorf("%d messages: %+v", len(got), got)
	}
}
