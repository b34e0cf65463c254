package imap_test

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// benchWorld has a mailbox of n messages of 2 KiB, selected.
func benchWorld(b *testing.B, n int) *wireClient {
	w := newWorld(b)
	messages := make([]string, n)
	for i := range messages {
		messages[i] = mail(fmt.Sprintf("number %d", i)) + strings.Repeat("0123456789abcdef0123456789abcd\r\n", 64)
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

// BenchmarkFetchAll reads 2,000 messages of 2 KiB an operation.
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

func BenchmarkSearch(b *testing.B) {
	for _, keys := range []string{"UNSEEN", "SUBJECT nowhere", "TEXT nowhere"} {
		b.Run(keys, func(b *testing.B) {
			c := benchWorld(b, 2000)
			for b.Loop() {
				c.drain("SEARCH " + keys)
			}
		})
	}
}
