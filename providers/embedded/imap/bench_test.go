package imap_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/imap"
)

// benchWorld has a mailbox of n messages of 4 KiB, selected.
func benchWorld(b *testing.B, n int) *wireClient {
	w := newWorld(b)
	messages := make([]string, n)
	for i := range messages {
		messages[i] = mail(fmt.Sprintf("number %d", i)) + strings.Repeat("0123456789abcdef0123456789abcd\r\n", 124)
	}
	w.deliver("INBOX", messages...)
	c := w.login("alice")
	c.br = bufio.NewReaderSize(c.conn, 256<<10)
	c.ok("SELECT INBOX")
	return c
}

// drain runs a command and returns the bytes of its answer, without looking at
// them, so that the client costs little.
func (c *wireClient) drain(command string) (n int64) {
	c.send("z " + command + "\r\n")
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			c.t.Fatal(err)
		}
		n += int64(len(line))
		if bytes.HasPrefix(line, []byte("z ")) {
			if !bytes.HasPrefix(line, []byte("z OK")) {
				c.t.Fatalf("%s: %s", command, line)
			}
			return n
		}
	}
}

// BenchmarkFetchAll reads 2,000 messages of 4 KiB an operation.
func BenchmarkFetchAll(b *testing.B) {
	for _, items := range []string{"BODY.PEEK[]", "(UID FLAGS INTERNALDATE RFC822.SIZE)", "ENVELOPE", "BODYSTRUCTURE"} {
		b.Run(items, func(b *testing.B) {
			c := benchWorld(b, 2000)
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(c.drain("FETCH 1:* " + items))
			}
			b.ReportMetric(float64(b.N)*2000/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func BenchmarkSelect10000(b *testing.B) {
	c := benchWorld(b, 10000)
	b.ReportAllocs()
	for b.Loop() {
		c.drain("SELECT INBOX")
	}
}

// Each of 2,000 messages is different; one has the text.
func BenchmarkSearch(b *testing.B) {
	var index *fulltext.Index
	w := newWorld(b, func(o *imap.Options) {
		var err error
		if index, err = fulltext.Open(b.Context(), b.TempDir(), source{o.Store}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = index.Close() })
		o.Index = index
	})
	messages := make([]string, 2000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		var text strings.Builder
		for text.Len() < 4000 {
			fmt.Fprintf(&text, "%x lorem %d ipsum\r\n", r.Uint32(), r.IntN(1000))
		}
		messages[i] = mail(fmt.Sprintf("number %d", i)) + text.String()
	}
	messages[1400] += "the treasure\r\n"
	w.deliver("INBOX", messages...)
	for _, name := range []string{"without the index", "with it"} {
		if name == "with it" {
			began := time.Now()
			for n := 1; n > 0; {
				var err error
				if n, err = index.CatchUp(b.Context(), source{w.store}, 64); err != nil {
					b.Fatal(err)
				}
			}
			b.Logf("indexed in %v", time.Since(began))
		}
		c := w.login("alice")
		c.br = bufio.NewReaderSize(c.conn, 256<<10)
		c.ok("SELECT INBOX")
		for _, keys := range []string{"TEXT treasure", "SUBJECT \"number 77\"", "UNSEEN"} {
			b.Run(name+"/"+keys, func(b *testing.B) {
				for b.Loop() {
					c.drain("SEARCH " + keys)
				}
			})
		}
	}
}

func BenchmarkSort(b *testing.B) {
	c := benchWorld(b, 10000)
	for _, command := range []string{"SORT (ARRIVAL) UTF-8 ALL", "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"} {
		b.Run(command, func(b *testing.B) {
			for b.Loop() {
				c.drain(command)
			}
		})
	}
}

// BenchmarkAppend stores messages of 4 KiB, one an operation, over some connections.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("%d connections", n), func(b *testing.B) {
			w := newWorld(b)
			text := mail("one") + strings.Repeat("0123456789abcdef0123456789abcd\r\n", 124)
			command := fmt.Sprintf("z APPEND INBOX {%d+}\r\n%s\r\n", len(text), text)
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range n {
				c := w.login("alice")
				all.Go(func() {
					for left.Add(-1) >= 0 {
						c.send(command)
						if line := c.line(); !strings.HasPrefix(line, "z OK") {
							b.Error(line)
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
