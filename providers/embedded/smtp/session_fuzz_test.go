package smtp

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A line is a server that a fuzz target talks to, over a connection for each try.
type line struct {
	rig *rig
}

// newLine starts the server. What it logs is not kept: there is too much of it.
func newLine(f *testing.F) *line {
	f.Helper()
	r := &rig{store: &fakeStore{dir: f.TempDir()}, log: &syncBuffer{}}
	r.srv = New(Options{
		Mode: MTA, Store: r.store, Auth: fakeAuth{}, Logger: slog.New(slog.NewTextHandler(onlyPanics{r.log}, nil)),
		Settings: func() Settings { return Settings{Hostname: "mx.d.test", MaxSize: 10000} },
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.srv.Serve(l) }()
	f.Cleanup(func() { l.Close(); <-done })
	r.addr = l.Addr().String()
	return &line{r}
}

// onlyPanics keeps what is written about panics.
type onlyPanics struct{ *syncBuffer }

func (w onlyPanics) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		return w.syncBuffer.Write(p)
	}
	return len(p), nil
}

// talk sends all at once and returns the answers up to the end, with the texts of the
// messages that were taken.
func (l *line) talk(t *testing.T, sent []byte) (answers string, taken []string) {
	t.Helper()
	l.rig.store.mu.Lock()
	l.rig.store.accepted = nil
	l.rig.store.mu.Unlock()
	c, err := net.Dial("tcp", l.rig.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	// The server may hang up before it has read all.
	go func() { _, _ = c.Write(sent); _ = c.(*net.TCPConn).CloseWrite() }()
	got, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("%v after %q", err, got)
	}
	if log := l.rig.log.String(); log != "" {
		t.Fatalf("%q: %s", sent, log)
	}
	for _, d := range l.rig.store.deliveries() {
		taken = append(taken, d.text)
	}
	return string(got), taken
}

const envelope = "EHLO c.test\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@d.test>\r\n"

// acceptable says whether a content may be stored: lines end in CRLF and are not too
// long, and there is no NUL.
func acceptable(content []byte) bool {
	rest := bytes.ReplaceAll(content, crlf, nil)
	return !bytes.ContainsAny(rest, "\r\n\x00") && len(content) <= 10000
}

// bodyIn is the text of a stored message from a marker on that the content begins with.
func bodyIn(text string) string {
	_, body, _ := strings.Cut(text, marker)
	return body
}

const marker = "X-Marker: m\r\n\r\n"

// FuzzData sends contents of messages. One is taken as it is, but for its dots, or it is
// refused; and what stands behind its end, and nothing else, is commands.
func FuzzData(f *testing.F) {
	for _, s := range append(endSeeds, "hello\r\n", "..\r\n", "a\r\n..b\r\n", "x\n.\nMAIL FROM:<evil@far.test>\r\n", strings.Repeat("x", 9990)) {
		f.Add([]byte(s))
	}
	l := newLine(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		whole := append([]byte(marker), content...)
		sent := append(append([]byte(envelope+"DATA\r\n"), whole...), "\r\n.\r\nQUIT\r\n"...)
		answers, taken := l.talk(t, sent)
		end := engineEnd(append(bytes.Clone(whole), "\r\n.\r\n"...))
		if end != len(whole)+len("\r\n.\r\n") {
			// It ends earlier, and what follows is commands: those of a message would have
			// to be there to make another.
			if most := 1 + min(strings.Count(strings.ToUpper(string(content)), "DATA"), strings.Count(strings.ToUpper(string(content)), "MAIL")) +
				strings.Count(strings.ToUpper(string(content)), "BDAT"); len(taken) > most {
				t.Errorf("%q makes %d messages", content, len(taken))
			}
			return
		}
		want := append(bytes.Clone(whole), crlf...)
		good := acceptable(want)
		if len(taken) > 1 || !good && len(taken) > 0 || good && len(taken) == 0 {
			t.Fatalf("%q makes %d messages:\n%s", content, len(taken), answers)
		}
		if !good {
			return
		}
		lines := bytes.SplitAfter(want[len(marker):], crlf)
		for i, line := range lines {
			lines[i] = bytes.TrimPrefix(line, []byte("."))
		}
		if got := bodyIn(taken[0]); got != string(bytes.Join(lines, nil)) {
			t.Errorf("%q is stored as %q", content, got)
		}
		if !strings.Contains(answers, "\r\n221 ") {
			t.Errorf("%q: the answer to QUIT is missing:\n%s", content, answers)
		}
	})
}

// FuzzChunks sends contents of messages in chunks (RFC 3030). Each byte of a chunk is
// content, whatever it looks like, and none is anything else.
func FuzzChunks(f *testing.F) {
	for _, s := range append(endSeeds, "hello\r\n", "QUIT\r\n", "BDAT 5 LAST\r\n", "a\r\n.\r\nMAIL FROM:<evil@far.test>\r\n", "\x00") {
		f.Add([]byte(s), uint8(3), uint8(1))
	}
	l := newLine(f)
	f.Fuzz(func(t *testing.T, content []byte, size, empty uint8) {
		whole := append([]byte(marker), content...)
		var sent bytes.Buffer
		sent.WriteString(envelope)
		chunks := 0
		for rest := whole; ; chunks++ {
			n := min(len(rest), int(size)+1)
			last := ""
			if n == len(rest) && empty%2 == 0 {
				last = " LAST"
			}
			fmt.Fprintf(&sent, "BDAT %d%s\r\n%s", n, last, rest[:n])
			if rest = rest[n:]; len(rest) == 0 {
				if last == "" {
					sent.WriteString("BDAT 0 LAST\r\n")
					chunks++
				}
				chunks++
				break
			}
		}
		sent.WriteString("QUIT\r\n")
		answers, taken := l.talk(t, sent.Bytes())
		good := acceptable(whole)
		if len(taken) > 1 || !good && len(taken) > 0 {
			t.Fatalf("%q makes %d messages:\n%s", content, len(taken), answers)
		}
		if good && len(taken) == 0 {
			t.Fatalf("%q is not taken:\n%s", content, answers)
		}
		if !good {
			return
		}
		if got := bodyIn(taken[0]); got != string(content) {
			t.Errorf("%q is stored as %q", content, got)
		}
		// The greeting, MAIL, RCPT, each chunk, QUIT: as many answers as commands.
		if n := len(answer.FindAllString(answers, -1)); n != 5+chunks {
			t.Errorf("%d answers to %s commands:\n%s", n, strconv.Itoa(5+chunks), answers)
		}
	})
}

// answer is the last line of an answer.
var answer = regexp.MustCompile(`(?m)^\d\d\d `)
