package queue

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A brokenBody is a stored message on a disk that fails after its header.
type brokenBody struct{ fakeBody }

func (b brokenBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 200 {
		return 0, errors.New("input/output error")
	}
	return b.fakeBody.ReadAt(p, off)
}

// A brokenStore has such messages: those that say so.
type brokenStore struct{ *fakeStore }

func (s brokenStore) OpenBody(ctx context.Context, id int64) (store.Body, error) {
	b, err := s.fakeStore.OpenBody(ctx, id)
	if fb, ok := b.(fakeBody); ok && strings.Contains(s.text(id), "X-Broken") {
		return brokenBody{fb}, err
	}
	return b, err
}

// Whatever is wrong with twenty entries, the one after them arrives.
func TestNothingHoldsUpTheOthers(t *testing.T) {
	const broken = "X-Broken: yes\r\n\r\n" + "0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
	for name, tt := range map[string]struct {
		to, text string
		serve    func(c net.Conn, br *bufio.Reader)
		// tried: the bad ones are put off; otherwise they are still at it.
		tried bool
	}{
		"a server that says nothing": {to: "x@bad.test", text: text, serve: func(_ net.Conn, br *bufio.Reader) { br.ReadString('\n') }},
		"a server that never says that it has the message": {to: "x@bad.test", text: text, serve: func(c net.Conn, br *bufio.Reader) {
			for _, reply := range []string{"220 x", "250 x", "250 ok", "250 ok", "354 go"} {
				if _, err := c.Write([]byte(reply + "\r\n")); err != nil {
					return
				}
				if _, err := br.ReadString('\n'); err != nil {
					return
				}
			}
			for {
				if _, err := br.ReadString('\n'); err != nil {
					return
				}
			}
		}},
		"a server that ends each connection":     {to: "x@bad.test", text: text, serve: func(net.Conn, *bufio.Reader) {}, tried: true},
		"messages that cannot be read":           {to: "x@far.test", text: strings.Repeat(broken, 5000), tried: true},
		"addresses of domains that are no names": {to: "x@[[bad", text: text, tried: false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, nil)
			w := single(s)
			w.host("bad.test", "192.0.2.66", nil)
			if tt.serve != nil {
				script(t, w, "192.0.2.66", tt.serve)
			}
			var bs brokenStore
			r := newRig(t, w, func(o *Options) {
				bs.fakeStore = o.Store.(*fakeStore)
				o.Store = bs
				o.Concurrency, o.Timeouts.Grace = 7, 10*time.Millisecond
			})
			for range 20 {
				r.add("", tt.text, tt.to)
			}
			r.add("", text, "good@far.test")
			r.until("the good one has arrived", func() bool { return len(s.got()) == 1 })
			if got := s.got()[0]; got.to[0] != "good@far.test" || got.text != text {
				t.Errorf("arrived: %+v", got)
			}
			if tt.tried {
				for _, e := range r.deferred(1) {
					if e.LastErr == "" || e.To != tt.to {
						t.Errorf("left: %+v", e)
					}
				}
			}
		})
	}
}
