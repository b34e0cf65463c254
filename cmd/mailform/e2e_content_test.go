package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A message that is too large is refused as early as can be, and the session
// stays in step.
func TestTooLargeMessagesAreRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "64KiB")
	s := w.greet()
	s.expect("MAIL FROM:<a@remote.test> SIZE=65537", "552 5.3.4", "MAIL FROM:<a@remote.test> SIZE=65536", "250", "RSET", "250")

	line := strings.Repeat("x", 70) + "\r\n"
	text := "Subject: large\r\n\r\n" + strings.Repeat(line, 1000)
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "552 5.3.4") {
		t.Errorf("%d bytes of DATA: %q", len(text), got)
	}
	s.expect("NOOP", "250")
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250")
	if got := s.smtp(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n"))); !strings.HasPrefix(got, "552 5.3.4") {
		t.Errorf("%d bytes by BDAT: %q", len(text), got)
	}
	s.expect("NOOP", "250")
	fits := "Subject: fits\r\n\r\n" + strings.Repeat(line, 900)
	if got := s.message("a@remote.test", "alice@example.com", fits); !strings.HasPrefix(got, "250") {
		t.Errorf("%d bytes of DATA: %q", len(fits), got)
	}
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "fits" {
		t.Errorf("alice has %v", got)
	}

	// The limit can be changed without ending anybody's session; then APPEND knows
	// it as well.
	imap := w.mailbox("alice@example.com", "INBOX")
	w.edit("main.mf.hcl", `"64KiB"`, `"128KiB"`)
	w.apply()
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "250") {
		t.Errorf("%d bytes after the limit was raised: %q", len(text), got)
	}
	for name, s := range map[string]*session{"a session from before": imap, "a new session": w.mailbox("alice@example.com", "INBOX")} {
		if got := s.imap("a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text)); !strings.Contains(got, "a OK") {
			t.Errorf("APPEND in %s after the limit was raised: %.200q", name, got)
		}
	}
}

// Bytes that look like the end of a message to some servers, and a second
// message after them, never make two messages (SMTP smuggling).
func TestNothingIsSmuggledIn(t *testing.T) {
	t.Parallel()
	need(t, "nc")
	w := newHouse(t, "1MiB")
	inner := "MAIL FROM:<evil@remote.test>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
	for _, end := range []string{"\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\x00.\r\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n",
		"\r\n.\x00\r\n", "\r\n..\r\n", "\r\n. \r\n", "\r\n.\x0b\r\n", "\r\n.\x85", "\x85.\x85", "\u2028.\u2028", "\x8d\x8a.\x8d\x8a", "\r\n\xae\r\n"} {
		for _, way := range []string{"DATA", "BDAT"} {
			t.Run(fmt.Sprintf("%s %q", way, end), func(t *testing.T) {
				w := w.in(t)
				before := len(w.subjects("alice@example.com", "INBOX"))
				content := "Subject: outer\r\n\r\nfirst" + end + inner
				send := "EHLO x\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.com>\r\n"
				if way == "DATA" {
					// All in one: what comes back tells whether the second MAIL was run.
					send += "DATA\r\n" + content
				} else {
					content += "\r\n"
					send += fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content)
				}
				send += "QUIT\r\n"
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				cmd := w.command(ctx, need(t, "nc"), "-N", "-w", "60", "127.0.0.1", strconv.Itoa(w.port["smtp"]))
				cmd.Stdin = strings.NewReader(send)
				out, err := cmd.Output()
				if err != nil && ctx.Err() != nil {
					t.Fatalf("the session does not end: %s", out)
				}
				if n := strings.Count(string(out), "354 "); n > 1 {
					t.Errorf("DATA was accepted %d times:\n%s", n, out)
				}
				if n := strings.Count(string(out), "queued as"); n > 1 {
					t.Errorf("%d messages were accepted:\n%s", n, out)
				}
				got := w.subjects("alice@example.com", "INBOX")[before:]
				if strings.Contains(strings.Join(got, ","), "smuggled") || len(got) > 1 {
					t.Errorf("alice got %v:\n%s", got, out)
				}
			})
		}
	}
}

// A client that goes away within a message leaves nothing behind, and nothing of
// what it sent is run.
func TestAMessageThatIsNotFinishedIsNotDelivered(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	for name, content := range map[string]string{
		"DATA":                   "DATA\r\nSubject: half\r\n\r\nfirst line\r\nMAIL FROM:<i@j.test>\r\n",
		"DATA, all but the LF":   "DATA\r\nSubject: half\r\n\r\nfirst line\r\n.\r",
		"BDAT":                   "BDAT 500 LAST\r\nSubject: half\r\n\r\nfirst line\r\n",
		"BDAT without the last":  "BDAT 17\r\nSubject: half\r\n\r\n",
		"BDAT, the last half in": "BDAT 17\r\nSubject: half\r\n\r\nBDAT 100 LAST\r\nhalf",
	} {
		s := w.greet()
		s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250")
		if _, err := fmt.Fprint(s.c, content); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(content, "DATA") {
			s.until("354")
		}
		s.c.Close()
		t.Logf("%s: hung up", name)
	}
	w.deliver("alice@example.com", "whole")
	if got := w.subjects("alice@example.com", "INBOX"); strings.Join(got, ",") != "whole" {
		t.Errorf("alice has %v", got)
	}
}

// What a message holds comes out as it went in.
func TestContentIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	var all strings.Builder
	for i := 1; i < 256; i++ {
		if i != '\r' && i != '\n' {
			all.WriteByte(byte(i))
		}
	}
	for name, body := range map[string]string{
		"every octet but NUL": all.String() + "\r\n",
		"UTF-8":               "Grüße aus 東京 \U0001F4EC\r\n",
		"broken UTF-8":        "\xff\xfe\xc3\x28 \x80\r\n",
		"a long line":         strings.Repeat("long ", 20000) + "\r\n",
		"dots":                ".\r\n..\r\n.hidden\r\n...\r\n",
		"empty lines":         "\r\n\r\n\r\n",
		"white space":         " \t \r\n\t\r\nx  \r\n",
		"no body":             "",
	} {
		for _, way := range []string{"DATA", "BDAT", "APPEND"} {
			t.Run(name+" by "+way, func(t *testing.T) {
				w := w.in(t)
				text := "From: a@remote.test\r\nSubject: =?utf-8?q?x?= Grüße\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body
				switch way {
				case "DATA":
					s := w.greet()
					s.expect("MAIL FROM:<a@remote.test> BODY=8BITMIME", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354")
					stuffed := strings.ReplaceAll(text, "\r\n.", "\r\n..")
					s.expect(stuffed+".", "250")
				case "BDAT":
					s := w.greet()
					s.expect("MAIL FROM:<a@remote.test> BODY=8BITMIME", "250", "RCPT TO:<alice@example.com>", "250")
					head, rest := text[:20], text[20:]
					if _, err := fmt.Fprintf(s.c, "BDAT %d\r\n%sBDAT %d LAST\r\n%s", len(head), head, len(rest), rest); err != nil {
						t.Fatal(err)
					}
					s.expect("", "250", "", "250")
				case "APPEND":
					s := w.mailbox("alice@example.com", "INBOX")
					if got := s.imap("a", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text)); !strings.Contains(got, "a OK") {
						t.Fatalf("APPEND: %s", got)
					}
				}
				if got := w.newest("alice@example.com", "INBOX"); !strings.HasSuffix(got, text) {
					t.Errorf("IMAP gives\n%.400q\nwant at the end\n%.400q", got, text)
				}
				if got := w.newestByPOP("alice@example.com"); !strings.HasSuffix(got, text) {
					t.Errorf("POP3 gives\n%.400q\nwant at the end\n%.400q", got, text)
				}
			})
		}
	}
}

// IMAP cannot give NUL to anybody (RFC 9051: a literal is of CHAR8, %x01-ff), so
// a message with it is not taken either.
func TestNULIsRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	text := "Subject: nul\r\n\r\none\x00two\r\n"
	s := w.greet()
	if got := s.message("a@remote.test", "alice@example.com", text); !strings.HasPrefix(got, "550 5.6.0") {
		t.Errorf("DATA with NUL is answered %q", got)
	}
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<alice@example.com>", "250",
		fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n")), "550 5.6.0",
		"NOOP", "250")
	imap := w.mailbox("alice@example.com", "INBOX")
	for cmd, want := range map[string]string{"APPEND INBOX {%d+}": "a BAD", "APPEND INBOX ~{%d+}": "a NO [UNKNOWN-CTE]"} {
		if got := imap.imap("a", fmt.Sprintf(cmd, len(text))+"\r\n"+text); !strings.Contains(got, want) {
			t.Errorf("%s with NUL is answered %q", cmd, got)
		}
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 0 {
		t.Errorf("alice has %v", got)
	}
}

// A large message goes in and out by every door, and the daemon stays small.
func TestALargeMessageDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	swaks, curl := need(t, "swaks"), need(t, "curl")
	w := newHouse(t, "50MiB")
	const size = 40 << 20
	line := strings.Repeat("0123456789abcde ", 4) + "0123456789ab\r\n"
	text := "From: a@remote.test\r\nSubject: large\r\n\r\n" + strings.Repeat(line, size/len(line))
	file := filepath.Join(w.dir, "large.eml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.peakMemory()
	if r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--to", "alice@example.com", "--from", "a@remote.test", "--data", "@"+file, "--suppress-data", "--hide-all"); r.code != 0 {
		t.Fatalf("swaks: %v", r)
	}
	t.Logf("SMTP: %d KiB at most, was %d", w.peakMemory(), before)
	if r := w.run(curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+w.addr("imap")+"/INBOX", "-T", file); r.code != 0 {
		t.Fatalf("curl APPEND: %v", r)
	}
	t.Logf("APPEND: %d KiB at most", w.peakMemory())
	for _, url := range []string{
		"imap://" + w.addr("imap") + "/INBOX;MAILINDEX=1", "imap://" + w.addr("imap") + "/INBOX;MAILINDEX=2",
		"pop3://" + w.addr("pop3") + "/1", "pop3://" + w.addr("pop3") + "/2",
	} {
		out := filepath.Join(w.dir, "out.eml")
		if r := w.run(curl, "-sS", "-u", "alice@example.com:quickstart", url, "-o", out); r.code != 0 {
			t.Fatalf("curl %s: %v", url, r)
		}
		if got := readFile(t, out); !strings.Contains(got, text) {
			t.Errorf("%s gives %d bytes, not the message of %d", url, len(got), len(text))
		}
		t.Logf("%s: %d KiB at most", url[:4], w.peakMemory())
	}
	s := w.mailbox("alice@example.com", "INBOX")
	for _, cmd := range []string{"FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])", `SEARCH BODY "nothing like it"`, "COPY 1 Trash"} {
		if got := s.imap("s", cmd); !strings.Contains(got, "s OK") {
			t.Errorf("%s: %s", cmd, got)
		}
	}
	// What the store keeps in its cache is there now. Several at a time show
	// whether each needs memory of its own.
	once := w.peakMemory()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, args := range [][]string{
				{"imap://" + w.addr("imap") + "/INBOX;MAILINDEX=1"}, {"imap://" + w.addr("imap") + "/INBOX", "-T", file},
			} {
				cmd := exec.Command(curl, append([]string{"-sS", "-u", "alice@example.com:quickstart", "-o", os.DevNull}, args...)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("curl %v: %v: %s", args, err, out)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("daemon: %d KiB at the start, %d after one at a time, %d after four at a time", before, once, w.peakMemory())
	if once > before+128<<10 || w.peakMemory() > once+32<<10 {
		t.Errorf("the daemon took %d KiB at the start, %d for one large message at a time, %d for four", before, once, w.peakMemory())
	}
}

// peakMemory is the most that the daemon has had in memory, in KiB.
func (w *world) peakMemory() int {
	w.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid()))
	if err != nil {
		w.t.Skipf("SKIPPED: %v", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		w.t.Fatalf("no VmHWM in %s", b)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
