package queue

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A recital is a connection to a server that says what it has to say, whatever it hears.
type recital struct {
	net.Conn // nil: it has none
	says     io.Reader
	heard    bytes.Buffer
}

func (r *recital) Read(p []byte) (int, error)       { return r.says.Read(p) }
func (r *recital) Write(p []byte) (int, error)      { return r.heard.Write(p) }
func (r *recital) Close() error                     { return nil }
func (r *recital) SetDeadline(time.Time) error      { return nil }
func (r *recital) SetReadDeadline(time.Time) error  { return nil }
func (r *recital) SetWriteDeadline(time.Time) error { return nil }

// FuzzAnswers has a server answer anything. A message counts as delivered only where
// the server has had all of it; what the server says costs no more memory than replies
// may, and adds no line to a report.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 done\r\n221 bye\r\n",
		"220 x\r\n250-x\r\n250-PIPELINING\r\n250-SIZE 5\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\x1b[2J\ruser\r\n250 ok\r\n354 go\r\n452 4.2.2 full\r\n",
		"220 x\r\n502 what\r\n250 x\r\n250 ok\r\n450 later\r\n421 4.3.2 bye\r\n",
		"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n",
		"554 5.7.1 go away\r\n", "220-" + strings.Repeat("x", 70000), strings.Repeat("220-x\r\n", 20000), "999 x\r\n", "\x00\xff\r\n",
		"220\r\n250\r\n250\r\n250\r\n250\r\n354\r\n250\r\n221\r\n",
		"220 x\r\n250-x\r\n250 PIPELINING\r\n550 a\r\n550 b\r\n550 c\r\n354 go\r\n250 nobody\r\n",
	} {
		f.Add([]byte(s))
	}
	const content = "Subject: hi\r\n\r\nbody\r\n"
	st := &fakeStore{dir: f.TempDir(), bodies: map[int64]string{1: content}}
	entry := store.QueueEntry{ID: 1, Envelope: "TX1", From: "alice@here.test", To: "a@far.test", Body: 1, Size: int64(len(content)), Created: time.Now()}
	other := entry
	other.ID, other.To = 2, "b@far.test"
	f.Fuzz(func(t *testing.T, said []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		peer := &recital{says: bytes.NewReader(said)}
		q := New(Options{
			Store: st, Settings: func() Settings { return Settings{Hostname: "mail.here.test", Retry: []time.Duration{time.Hour}} },
			Dial: func(context.Context, string, string) (net.Conn, error) { return peer, nil },
		})
		ctx := context.Background()
		j := &job{dest: "far.test", entries: []store.QueueEntry{entry, other}}
		body, err := st.OpenBody(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newMessage(j, body)
		if err != nil {
			t.Fatal(err)
		}
		p := &protection{level: mayTLS, now: time.Now}
		addr := netip.MustParseAddrPort("192.0.2.1:25")
		c, err := q.connect(ctx, "mx.far.test", addr, p)
		var outcomes []outcome
		if err == nil {
			outcomes, err = q.sendOver(ctx, m, c, p.key("mx.far.test", addr))
		}
		if err != nil {
			outcomes = same(j, outcomeOf("mx.far.test", err))
		}
		results := q.results(ctx, j, outcomes)
		q.pool.close()
		runtime.ReadMemStats(&after)
		// A reply is held in a few copies.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+16*len(said)); used > most {
			t.Errorf("%d bytes of memory for %d that were said", used, len(said))
		}
		if slices.ContainsFunc(outcomes, func(o outcome) bool { return o.kind == delivered }) &&
			!bytes.Contains(peer.heard.Bytes(), []byte("\r\nDATA\r\n"+content+".\r\n")) {
			t.Errorf("delivered to a server that has heard %q", peer.heard.Bytes())
		}
		if len(results) != 2 {
			t.Fatalf("%d results", len(results))
		}
		reported := 0
		for _, o := range outcomes {
			if o.kind == failed {
				reported++
			}
			if !validStatus(o.status) {
				t.Errorf("a status is %q", o.status)
			}
		}
		for _, r := range results {
			if r.Bounce == nil {
				continue
			}
			text, err := io.ReadAll(r.Bounce.Draft.Reader())
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte("\r\nAction: failed\r\n")); n != reported || bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "\r\n\x00\x1b") {
				t.Errorf("a report of %d recipients about %d:\n%q", n, reported, text)
			}
		}
		closeDrafts(results)
	})
}
