package milter

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
)

// A Failure says what becomes of mail that a filter cannot judge.
type Failure string

// The values of Failure.
const (
	Accept   Failure = "accept"   // goes on without the filter
	TempFail Failure = "tempfail" // the client is to try again later
	Reject   Failure = "reject"   // is refused
)

// A Filter is one program that judges messages.
type Filter struct {
	Name string // for logs
	// Address is host:port, or "unix:" and the path of a socket.
	Address   string
	OnFailure Failure // empty: TempFail
	// Timeout of a step: to connect and hear of a sender, to hear of a recipient, to
	// take a message and judge it. 0: a minute.
	Timeout time.Duration
	// Junk are header fields, as "X-Spam: Yes", that say of a message that it is
	// spam, where the filter sets them. The value is how theirs begins.
	Junk []string
	// RefusesQuarantine refuses what the filter would put into quarantine.
	RefusesQuarantine bool
}

func (f *Filter) timeout() time.Duration {
	if f.Timeout <= 0 {
		return time.Minute
	}
	return f.Timeout
}

// network is where the filter listens, in the words of package net.
func (f *Filter) network() (network, address string) {
	if path, ok := strings.CutPrefix(f.Address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", f.Address
}

// marks reports whether a header field of this filter says spam.
func (f *Filter) marks(name, value string) bool {
	value = strings.TrimSpace(value)
	for _, rule := range f.Junk {
		n, v, _ := strings.Cut(rule, ":")
		v = strings.TrimSpace(v)
		if !strings.EqualFold(n, name) || len(value) < len(v) || !strings.EqualFold(value[:len(v)], v) {
			continue
		}
		// "Yes" is not the beginning of "Yesterday".
		if rest := value[len(v):]; rest == "" || !isWord(rest[0]) {
			return true
		}
	}
	return false
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// A Connection is what filters are told of the client and of the server.
type Connection struct {
	Hostname      string // of the server
	Submission    bool   // users hand in mail there
	Remote, Local net.Addr
	Helo          string
	TLS           *tls.ConnectionState // nil: there is none
	Login         string               // address of who has logged in; empty: nobody
}

// A Reply is what a filter has the server say to the client: a 4xx or 5xx.
type Reply struct {
	Code     int
	Enhanced [3]int // RFC 3463
	Text     string // one line
}

// Error implements error.
func (r *Reply) Error() string {
	return fmt.Sprintf("%d %d.%d.%d %s", r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2], r.Text)
}

var (
	refused  = Reply{550, [3]int{5, 7, 1}, "Message refused"}
	deferred = Reply{451, [3]int{4, 7, 1}, "Service unavailable, try again later"}
	infected = Reply{554, [3]int{5, 7, 1}, "Message refused: it holds what may do harm"}
	unjudged = Reply{550, [3]int{5, 7, 1}, "Message cannot be judged here"}
)

// maxReply is the longest text of a reply, in bytes; a line has room for 512.
const maxReply = 400

// parseReply reads a reply as the filter wrote it: one line or several of
// "550-5.7.1 text". What no client should be shown is left out.
func parseReply(code int, text string) *Reply {
	r := &Reply{Code: code, Enhanced: [3]int{code / 100, 7, 1}}
	var parts []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if len(line) >= 4 {
			line = line[4:]
		} else {
			line = ""
		}
		var e [3]int
		first, rest, _ := strings.Cut(line, " ")
		if n, err := fmt.Sscanf(first+" ", "%d.%d.%d ", &e[0], &e[1], &e[2]); n == 3 && err == nil && e[0] == code/100 && e[1] >= 0 && e[1] < 1000 && e[2] >= 0 && e[2] < 1000 {
			r.Enhanced, line = e, rest
		}
		if line = printable(line); line != "" {
			parts = append(parts, line)
		}
	}
	r.Text = strings.Join(parts, " ")
	if len(r.Text) > maxReply {
		r.Text = r.Text[:maxReply]
	}
	if r.Text == "" {
		r.Text = refused.Text
	}
	if code == 421 { // would say that the connection ends, which is not for a filter to say
		r.Code = 451
	}
	return r
}

// printable is text without what could break a line of a reply or of a log.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s))
}
