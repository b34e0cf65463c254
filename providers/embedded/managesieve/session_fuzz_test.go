package managesieve

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	responseLine  = regexp.MustCompile(`^(?:(?:OK|NO|BYE)(?: \([^\x00\r\n]*)?(?: ["{][^\x00\r\n]*)?|"[^\x00\r\n]*|\{[0-9]+\}|)$`)
	continuedLine = regexp.MustCompile(`^[^\x00\r\n]*$`)
	literalAtEnd  = regexp.MustCompile(`\{([0-9]+)\}$`)
)

// FuzzSession says anything, before a login and after one. The server answers in
// responses, stays within its memory and ends when the client does; and the scripts can
// be read afterwards.
func FuzzSession(f *testing.F) {
	for _, said := range []string{
		"NOOP {4+}\r\na\x00\r\n\r\nNOOP d\x00\r\nCAPABILITY\r\nNOOP \"x\"\r\nSTARTTLS\r\nAUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\nAUTHENTICATE \"PLAIN\"\r\n\"*\"\r\nUNAUTHENTICATE\r\nLOGOUT\r\n",
		"HAVESPACE \"a\" 100\r\nPUTSCRIPT \"a\" {5+}\r\nkeep;\r\nCHECKSCRIPT \"stop\"\r\nSETACTIVE \"a\"\r\nLISTSCRIPTS\r\nGETSCRIPT \"a\"\r\nRENAMESCRIPT \"a\" \"b\"\r\nDELETESCRIPT \"b\"\r\nSETACTIVE \"\"\r\n",
		"PUTSCRIPT \"\xc3\xbc\" {99999999+}\r\nGETSCRIPT {3+}\r\na\r\n\r\nPUTSCRIPT \"a\\\"b\" \"if (\"\r\nHAVESPACE \"\" 99999999999999999999\r\n",
		"\r\n\n\r\x00\xff\r\n" + strings.Repeat("x", 9000) + "\r\nCHECKSCRIPT \"" + strings.Repeat("if not ", 900) + "\"\r\n",
	} {
		f.Add(said, false)
		f.Add(said, true)
	}
	log := &panics{}
	_, address := serve(f, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	login := `AUTHENTICATE "PLAIN" "` + plain("alice@d.test", "secret") + "\"\r\n"
	f.Fuzz(func(t *testing.T, said string, in bool) {
		if len(said) > 64<<10 {
			return // what is longer has been said already, in this or another order
		}
		text := said
		if in {
			text = login + said
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers, cut := whole(t, address, text)
		runtime.ReadMemStats(&after)
		// Most of it is what becomes of a script: 64 KiB of them are a million words.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20+512*len(said)); used > most {
			t.Errorf("%d bytes of memory for %d that were said", used, len(said))
		}
		wellFormed(t, answers, cut)
		if said := log.text(); said != "" {
			t.Fatal(said)
		}
		answers, _ = whole(t, address, login+"LISTSCRIPTS\r\nLOGOUT\r\n")
		if !bytes.HasSuffix(answers, []byte("\r\n")) || !bytes.Contains(answers, []byte("\r\nBYE")) && !bytes.Contains(answers, []byte("\r\nOK")) {
			t.Errorf("the scripts cannot be listed afterwards:\n%s", answers)
		}
	})
}

// panics keeps what is logged about them.
type panics struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (p *panics) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(line, []byte("panic")) {
		p.all.Write(line)
	}
	return len(line), nil
}

func (p *panics) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// whole says all at once and returns what is answered up to the end.
func whole(t *testing.T, address, said string) (answers []byte, cut bool) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	// The server may hang up before it has read all.
	go func() {
		_, _ = io.WriteString(c, said)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	answers, err = io.ReadAll(c)
	cut = err != nil && strings.Contains(err.Error(), "reset")
	if err != nil && !cut {
		t.Fatalf("%v after %q", err, answers)
	}
	return answers, cut
}

// wellFormed expects lines of responses (RFC 5804 §1.2), with whole literals.
func wellFormed(t *testing.T, answers []byte, cut bool) {
	t.Helper()
	within := false
	for rest := string(answers); rest != ""; {
		line, after, ok := strings.Cut(rest, "\r\n")
		if !ok && cut {
			return
		}
		if good := within && continuedLine.MatchString(line) || !within && responseLine.MatchString(line); !ok || !good {
			t.Fatalf("a line is %q in\n%s", line, answers)
		}
		rest = after
		m := literalAtEnd.FindStringSubmatch(line)
		if within = m != nil; !within {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || n > len(rest) && !cut {
			t.Fatalf("a literal of %s bytes, and %d are left", m[1], len(rest))
		}
		rest = rest[min(n, len(rest)):]
	}
}
