package cyrus_test

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// BenchmarkMailboxes compares making mailboxes with the bare commands for that, as
// fast as they can be sent.
func BenchmarkMailboxes(b *testing.B) {
	for _, n := range []int{2000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				bare := bareCommands(b, n)
				c := mailtest.Cyrus(b)
				p := provider(b, c, "L")
				begin(b, p)
				rs := make([]schema.Resource, n)
				for i := range rs {
					rs[i] = mailbox(fmt.Sprintf("u%d@example.com", i), nil)
				}
				began := time.Now()
				change(b, p, creates(rs...)...)
				ours := time.Since(began)
				began = time.Now()
				if have, err := p.Read(b.Context(), providers.Scope{}); err != nil || len(have) < n {
					b.Fatalf("read %d, %v", len(have), err)
				}
				b.Logf("%d mailboxes: bare commands %.2f s, provider %.2f s (%.2f times), read again in %.2f s",
					n, bare.Seconds(), ours.Seconds(), ours.Seconds()/bare.Seconds(), time.Since(began).Seconds())
			}
		})
	}
}

// bareCommands makes mailboxes of a fresh server with nothing around it.
func bareCommands(b *testing.B, n int) time.Duration {
	c := mailtest.Cyrus(b)
	begin(b, provider(b, c, "L"))
	conn, err := net.Dial("unix", filepath.Join(c.ConfigDir, "mailform-cyrus/admin/imap"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	await := func(tag string) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(line, tag+" ") {
				if !strings.HasPrefix(line, tag+" OK") {
					b.Fatal(line)
				}
				return
			}
		}
	}
	fmt.Fprintf(conn, "a LOGIN mailform-admin %s\r\n", strings.TrimSpace(read(b, filepath.Join(c.ConfigDir, "mailform-cyrus/admin-password"))))
	await("a")
	began := time.Now()
	go func() {
		w := bufio.NewWriter(conn)
		for i := range n {
			fmt.Fprintf(w, "c%d CREATE user/u%d@example.com\r\nq%d SETQUOTA user/u%d@example.com (STORAGE 1048576)\r\n", i, i, i, i)
		}
		_ = w.Flush() // a broken connection is seen by whoever reads
	}()
	for i := range n {
		await(fmt.Sprintf("c%d", i))
		await(fmt.Sprintf("q%d", i))
	}
	return time.Since(began)
}
