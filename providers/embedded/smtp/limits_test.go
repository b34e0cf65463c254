package smtp

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// limited notes the limits that clients meet.
type limited struct {
	mu  sync.Mutex
	met []string
}

func (l *limited) note(limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met = append(l.met, limit)
}

func (l *limited) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.met)
}

// send sends a message to one recipient.
func (c *talk) message() {
	c.t.Helper()
	c.say("MAIL FROM:<a@remote.test>", "250")
	c.say("RCPT TO:<alice@d.test>", "250")
	c.say("DATA", "354")
	c.say("Subject: x\r\n\r\nx\r\n.", "250")
}

func TestWhatAClientSendsIsLimited(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cases := map[string]struct {
		limits Limits
		run    func(r *rig)
		met    []string
	}{
		"a connection has only so many messages": {
			Limits{MessagesPerConnection: 2},
			func(r *rig) {
				c := r.hello()
				c.message()
				c.message()
				c.say("MAIL FROM:<a@remote.test>", "421 4.7.0")
				c.closed()
				r.hello().message()
			},
			[]string{"messages_per_connection"},
		},
		"commands sent along with the last are not looked at": {
			Limits{MessagesPerConnection: 1},
			func(r *rig) {
				c := r.hello()
				c.message()
				c.send("MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@d.test>\r\nDATA\r\n")
				c.expect("421 4.7.0")
				c.closed()
			},
			[]string{"messages_per_connection"},
		},
		"an hour has only so many messages of a client, by whatever connection": {
			Limits{MessagesPerHour: 2},
			func(r *rig) {
				r.hello().message()
				c := r.hello()
				c.message()
				c.say("MAIL FROM:<a@remote.test>", "450 4.7.1")
				c.say("NOOP", "250")
			},
			[]string{"messages_per_hour"},
		},
		"and so many recipients": {
			Limits{RecipientsPerHour: 2},
			func(r *rig) {
				r.hello().message()
				c := r.hello()
				c.say("MAIL FROM:<a@remote.test>", "250")
				c.say("RCPT TO:<nosuch@d.test>", "550")
				c.say("RCPT TO:<alice@d.test>", "250")
				c.say("RCPT TO:<bob@d.test>", "450 4.7.1")
				c.say("DATA", "354")
				c.say("Subject: x\r\n\r\nx\r\n.", "250")
			},
			[]string{"recipients_per_hour"},
		},
		"networks that are exempt have no such limits": {
			Limits{MessagesPerConnection: 1, MessagesPerHour: 1, RecipientsPerHour: 1, ConnectionsPerMinute: 1, ConnectionsPerClient: 1, Exempt: loopback},
			func(r *rig) {
				for range 3 {
					c := r.hello()
					c.message()
					c.message()
				}
			},
			nil,
		},
		"connections in a minute": {
			Limits{ConnectionsPerMinute: 1},
			func(r *rig) {
				r.hello()
				c := r.dial()
				c.expect("421 4.7.0")
				c.closed()
			},
			[]string{"connections_per_minute"},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var met limited
			r := newRig(t, MTA, func(o *Options) {
				o.Limited = met.note
				o.Limits.ThrottleLoopback, o.Limits.GreetDelay = true, time.Millisecond
				settings := o.Settings
				o.Settings = func() Settings {
					s := settings()
					s.Limits = test.limits
					return s
				}
			})
			test.run(r)
			if got := met.all(); !slices.Equal(got, test.met) {
				t.Errorf("limits met: %q, want %q", got, test.met)
			}
		})
	}
}

func TestARefusedSenderIsInTheLog(t *testing.T) {
	r := newRig(t, MTA, func(o *Options) {
		o.Limits.MessagesPerHour, o.Limits.ThrottleLoopback, o.Limits.GreetDelay = 1, true, time.Millisecond
	})
	c := r.hello()
	c.message()
	c.say("MAIL FROM:<a@remote.test>", "450 4.7.1")
	if log := r.log.String(); !strings.Contains(log, `msg="sender refused"`) || !strings.Contains(log, "from=a@remote.test") {
		t.Errorf("the log does not say so:\n%s", log)
	}
}
