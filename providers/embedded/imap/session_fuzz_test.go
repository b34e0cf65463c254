package imap_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A house that clients may wreck: each has an account of its own there, and after some
// hundred there is a new house.
type wreck struct {
	dir     string // of all of them
	store   *store.Store
	srv     *imap.Server
	addr    string
	guests  int
	mu      sync.Mutex
	panics  bytes.Buffer
	serving chan error
}

const guestsOfAHouse = 500

// guest is a new account, in a new house now and then.
func (w *wreck) guest(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	if w.guests%guestsOfAHouse == 0 {
		w.close(t)
		dir, err := os.MkdirTemp(w.dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if w.store, err = store.Open(ctx, dir, store.Options{}); err != nil {
			t.Fatal(err)
		}
		w.srv = imap.New(imap.Options{Hostname: "mail.example.com", Store: w.store, Auth: passwords{w.store}, Log: slog.New(slog.NewTextHandler(w, nil))})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.addr, w.serving = l.Addr().String(), make(chan error, 1)
		go func() { w.serving <- w.srv.Serve(l, false) }()
	}
	w.guests++
	user := fmt.Sprintf("u%d@example.com", w.guests)
	changes := []admin.Change{{Action: "create", Kind: "mailbox", Key: user, Attrs: []byte(`{"address":"` + user + `","protocols":["imap"],"mail":"enabled"}`)}}
	if w.guests%guestsOfAHouse == 1 {
		changes = append([]admin.Change{{Action: "create", Kind: "maildomain", Key: "example.com", Attrs: []byte(`{"name":"example.com"}`)}}, changes...)
	}
	if _, err := w.store.ApplyChanges(ctx, changes); err != nil {
		t.Fatal(err)
	}
	return user
}

// Write keeps what is logged about panics.
func (w *wreck) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Contains(p, []byte("panic")) {
		w.panics.Write(p)
	}
	return len(p), nil
}

func (w *wreck) close(t testing.TB) {
	if w.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.srv.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-w.serving; !errors.Is(err, imap.ErrServerClosed) {
		t.Error(err)
	}
	if err := w.store.Close(); err != nil {
		t.Error(err)
	}
}

// say sends all at once, and returns what is answered up to the end, which the server
// may make before it has read all.
func (w *wreck) say(t *testing.T, said string) (answers []byte, cut bool) {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go func() {
		_, _ = io.WriteString(c, said)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	answers, err = io.ReadAll(c)
	cut = err != nil && strings.Contains(err.Error(), "reset")
	if err != nil && !cut {
		t.Fatalf("%v after %q", err, answers)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.panics.Len() > 0 {
		t.Fatalf("%q: %s", said, w.panics.String())
	}
	return answers, cut
}

var (
	taggedLine    = regexp.MustCompile(`^[^\x00-\x20\x7f-\xff(){%*"\\+]+ (OK|NO|BAD)( [^\x00\r\n]*)?$`)
	untaggedLine  = regexp.MustCompile(`^(\* |\+ ?)[^\x00\r\n]*$`)
	continuedLine = regexp.MustCompile(`^[^\x00\r\n]*$`)
)

// wellFormed expects lines that are responses (RFC 9051 §7), with whole literals.
func wellFormed(answers []byte, cut bool) error {
	r := bufio.NewReader(bytes.NewReader(answers))
	for within := false; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			if line == "" && !within || cut {
				return nil
			}
			return fmt.Errorf("the last line is %q", line)
		}
		text, ok := strings.CutSuffix(line, "\r\n")
		good := within && continuedLine.MatchString(text) || !within && (untaggedLine.MatchString(text) || taggedLine.MatchString(text))
		if !ok || !good {
			return fmt.Errorf("a line is %q", line)
		}
		literal := literalEnd.FindStringSubmatch(text)
		if within = literal != nil && (within || text[0] == '*'); !within {
			continue
		}
		n, err := strconv.Atoi(literal[1])
		if err != nil {
			return err
		}
		if _, err := r.Discard(n); err != nil && !cut {
			return fmt.Errorf("a literal of %d bytes: %w", n, err)
		}
	}
}

var aMultipart = "From: a@b.test\r\nTo: =?utf-8?q?=C3=BC?= <c@d.test>\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n" +
	"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--x--\r\n"

// FuzzSession says anything, before a login and after one. The server answers in
// responses, stays within its memory and ends when the client does; and the mailbox can
// be read afterwards.
func FuzzSession(f *testing.F) {
	for _, said := range []string{
		"a CAPABILITY\r\nb LOGIN x y\r\nc AUTHENTICATE PLAIN AHgAeQ==\r\nd AUTHENTICATE PLAIN\r\n*\r\ne STARTTLS\r\nf ID NIL\r\ng NOOP\r\nh LOGOUT\r\n",
		"a SELECT INBOX (CONDSTORE)\r\nb FETCH 1:* (FLAGS UID BODYSTRUCTURE ENVELOPE RFC822.SIZE MODSEQ BODY.PEEK[1.MIME]<0.5> BINARY[1] BODY[HEADER.FIELDS (From)])\r\nc STORE 1:* +FLAGS.SILENT (\\Deleted x)\r\nd EXPUNGE\r\n",
		"a ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2\r\nb SELECT INBOX (QRESYNC (1 1 1:3 (1:2 1:2)))\r\nc UID SEARCH RETURN (SAVE MIN ALL COUNT) OR (NOT SEEN) (SINCE 1-Jan-2020 TEXT {1+}\r\nx)\r\nd UID FETCH $ (FLAGS) (CHANGEDSINCE 1 VANISHED)\r\n",
		"a SELECT INBOX\r\nb SORT (REVERSE DATE SUBJECT) UTF-8 ALL\r\nc THREAD REFERENCES UTF-8 ALL\r\nd MOVE 1 Trash\r\ne UID COPY 1:* Sent\r\nf CLOSE\r\ng UNSELECT\r\n",
		"a LIST (SPECIAL-USE SUBSCRIBED) \"\" (\"*\" %) RETURN (CHILDREN STATUS (MESSAGES UIDNEXT SIZE) MYRIGHTS)\r\nb CREATE \"a/b/&AOQ-\"\r\nc RENAME a b\r\nd DELETE b\r\ne SUBSCRIBE b\r\nf NAMESPACE\r\ng GETQUOTAROOT INBOX\r\n",
		"a APPEND INBOX (\\Seen x) \"01-Feb-2026 00:00:00 +0000\" {5+}\r\nhello\r\nb APPEND Drafts UTF8 (~{3+}\r\nabc)\r\nc APPEND INBOX {99999999999+}\r\n",
		"a SETMETADATA INBOX (/private/comment {3+}\r\nabc)\r\nb GETMETADATA (MAXSIZE 10 DEPTH infinity) \"\" /private\r\nc SETACL INBOX bob lrs\r\nd GETACL INBOX\r\ne MYRIGHTS INBOX\r\n",
		"a IDLE\r\nDONE\r\nb IDLE\r\nx\r\n",
		"\r\n\n\r\x00\xff\r\na\r\na \r\na X {1}\r\n\xff\r\n" + strings.Repeat("x", 9000) + "\r\n" + "b SEARCH " + strings.Repeat("(", 2000) + "\r\nc FETCH 1 BODY[" + strings.Repeat("1.", 500) + "1]\r\n",
		"a SELECT INBOX\r\nb SEARCH " + strings.Repeat("NOT ", 200) + "SEEN\r\nc FETCH " + strings.Repeat("1:*,", 500) + "1 FLAGS\r\nd STORE 4294967295 FLAGS ()\r\ne FETCH 0 FLAGS\r\n",
	} {
		f.Add(said, false)
		f.Add(said, true)
	}
	w := &wreck{dir: f.TempDir()}
	f.Cleanup(func() { w.close(f) })
	f.Fuzz(func(t *testing.T, said string, in bool) {
		if len(said) > 64<<10 {
			return // what is longer has been said already, in this or another order
		}
		user := w.guest(t)
		login := "l1 LOGIN " + user + " " + password + "\r\n"
		text := said
		if in {
			text = login
			for _, m := range []string{mail("one"), aMultipart, ""} {
				text += fmt.Sprintf("l2 APPEND INBOX {%d+}\r\n%s\r\n", len(m), m)
			}
			text += said
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers, cut := w.say(t, text)
		runtime.ReadMemStats(&after)
		if err := wellFormed(answers, cut); err != nil {
			t.Errorf("%q: %v", said, err)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+64<<10*strings.Count(said, "\n")); used > most {
			t.Errorf("%d bytes of memory for %d that were said", used, len(said))
		}
		answers, _ = w.say(t, login+"l2 SELECT INBOX\r\nl3 UID FETCH 1:* (FLAGS RFC822.SIZE BODYSTRUCTURE BODY.PEEK[])\r\n")
		if err := wellFormed(answers, false); err != nil || !bytes.Contains(answers, []byte("\r\nl3 OK ")) {
			t.Errorf("the mailbox cannot be read afterwards: %v\n%s", err, answers)
		}
	})
}
