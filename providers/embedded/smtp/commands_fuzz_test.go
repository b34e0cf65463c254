package smtp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A door is a server that takes anything that anybody says, in one of its modes.
type door struct {
	rig *rig
	// before is what is said first.
	before string
}

// newDoors has the public door, and submission before and after a login.
func newDoors(f *testing.F) []door {
	f.Helper()
	var all []door
	login := "EHLO c.test\r\nAUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00alice@d.test\x00secret")) + "\r\n"
	for _, d := range []struct {
		mode   Mode
		before string
	}{{MTA, ""}, {Submission, ""}, {Submission, login}} {
		r := &rig{store: &fakeStore{dir: f.TempDir()}, log: &syncBuffer{}}
		r.srv = New(Options{
			Mode: d.mode, Store: r.store, Auth: fakeAuth{}, Logger: slog.New(slog.NewTextHandler(onlyPanics{r.log}, nil)),
			Settings: func() Settings { return Settings{Hostname: "mx.d.test", MaxSize: 10000} },
		})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			f.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- r.srv.serve(l, func(s *Server, w *wire) {
				if d.mode == Submission {
					w.tls = &tls.ConnectionState{} // it costs more than all the rest
				}
				s.converse(w)
			})
		}()
		f.Cleanup(func() { l.Close(); <-done })
		r.addr = l.Addr().String()
		all = append(all, door{r, d.before})
	}
	return all
}

// replyLine is a line of an answer: a code, and text without anything that breaks it
// (RFC 5321 §4.2).
var replyLine = regexp.MustCompile(`^[2-5][0-9][0-9]([ -][^\x00\r\n]*)?\r\n$`)

// alices are her addresses.
var alices = regexp.MustCompile(`(?i)^al(ice)?(\+.*)?@d\.test$`)

// FuzzCommands says anything at each door. The server answers in lines, stays within
// its memory, ends when the client does, takes a message for nobody who is not its own
// from strangers, nothing from those who have to log in and have not, and nothing in
// the name of others from those who have.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{
		"EHLO c\r\nMAIL FROM:<a@remote.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=+41\r\nRCPT TO:<alice@d.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2B@b\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<\"a b\"@d.test>\r\nRCPT TO:<alice@[127.0.0.1]>\r\nRCPT TO:<@a,@b:alice@d.test>\r\nRCPT TO:<postmaster>\r\nRSET\r\nNOOP x\r\nVRFY alice\r\nEXPN x\r\nHELP\r\n",
		"EHLO c\r\nMAIL FROM:<alice@d.test>\r\nRCPT TO:<fwd@d.test>\r\nRCPT TO:<b@elsewhere.test>\r\nBDAT 3\r\na\r\nBDAT 0 LAST\r\nMAIL FROM:<bob@d.test>\r\nMAIL FROM:<al@d.test> AUTH=<> REQUIRETLS\r\nDATA\r\n",
		"AUTH PLAIN\r\n=\r\nAUTH LOGIN\r\nYWxpY2VAZC50ZXN0\r\nc2VjcmV0\r\nAUTH SCRAM-SHA-256 biwsbj1hLHI9eA==\r\n*\r\nSTARTTLS\r\nMAIL FROM:<x@y>\r\n",
		"EHLO \xff\r\nMAIL FROM:<\xc3\xbc@remote.test> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@d.test>\r\nMAIL FROM:<a@b> SIZE=99999999999999999999\r\nMAIL  FROM : a\r\nBDAT -1\r\nBDAT 18446744073709551616 LAST\r\n",
		"\r\n\n\r\x00\t\r\n" + strings.Repeat("x", 5000) + "\r\nEHLO " + strings.Repeat("a.", 300) + "\r\nMAIL FROM:<" + strings.Repeat("a", 300) + "@d.test>\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		for i := range uint8(3) {
			f.Add([]byte(s), i)
		}
	}
	doors := newDoors(f)
	f.Fuzz(func(t *testing.T, said []byte, which uint8) {
		if len(said) > 64<<10 {
			return // what is longer has been said already, in this or another order
		}
		d := doors[int(which)%len(doors)]
		d.rig.store.mu.Lock()
		d.rig.store.accepted = nil
		d.rig.store.mu.Unlock()
		c, err := net.Dial("tcp", d.rig.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		// The server may hang up before it has read all.
		go func() {
			_, _ = c.Write(append([]byte(d.before), said...))
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		cut := err != nil && strings.Contains(err.Error(), "reset")
		if err != nil && !cut {
			t.Fatalf("%v after %q", err, got)
		}
		runtime.ReadMemStats(&after)
		// A message that is taken is held in a file; a line, in a few copies.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20+16<<10*bytes.Count(said, []byte("\n"))); used > most {
			t.Errorf("%d bytes of memory for %d that were said", used, len(said))
		}
		if log := d.rig.log.String(); log != "" {
			t.Fatalf("%q: %s", said, log)
		}
		r := bufio.NewReader(bytes.NewReader(got))
		for {
			line, err := r.ReadString('\n')
			if err == io.EOF && (line == "" || cut) {
				break
			}
			if !replyLine.MatchString(line) {
				t.Fatalf("an answer is %q", line)
			}
		}
		for _, m := range d.rig.store.deliveries() {
			switch strangers := d.rig.srv.o.Mode == MTA; {
			case d.before == "" && !strangers && !bytes.Contains(bytes.ToUpper(said), []byte("AUTH")):
				t.Errorf("a message without a login: %+v", m)
			case strangers && slices.ContainsFunc(m.remote, func(to string) bool { return to != "fwd@elsewhere.test" }):
				t.Errorf("a stranger's message goes to %q", m.remote)
			case !strangers && m.from != "" && !alices.MatchString(m.from):
				t.Errorf("alice sends as %q", m.from)
			}
		}
	})
}
