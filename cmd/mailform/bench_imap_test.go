package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// What the benchmarks of IMAP do, of each server the same.
const (
	imapMessages = 10000 // in the mailbox that is read
	imapSize     = 4096  // bytes of a message
	imapFetches  = 3000  // that are each waited for, for imapMost altogether
	imapMost     = 3 * time.Second
	imapSelects  = 300
	imapBeside   = 4 // connections that append at once, each to its own mailbox; the user after them has the large one
)

// quickstartHash is of the password "quickstart", in a scheme that all servers take.
const quickstartHash = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"

// imapRows are the figures of one server, by the name of the row.
type imapRows map[string]float64

// imapGoals are the rows of the table. A goal is how many times the peer mailform has
// to be; less is better where a figure is a time.
var imapGoals = []struct {
	row  string
	time bool
	goal float64
	of   string // the peer that the goal names; empty: each
}{
	{"APPEND, 1 connection, messages/s", false, 2, ""},
	{"APPEND, 4 connections, messages/s", false, 3, ""},
	{"FETCH 1:* BODY.PEEK[], second pass, messages/s", false, 1, "Cyrus"},
	{"one FETCH a message, messages/s", false, 1, "Dovecot"},
	{"SELECT, p50, ms", true, 1, ""},
	{"SEARCH TEXT, ms", true, 20, "Dovecot"},
}

// BenchmarkIMAPBeside does the same work at mailform, at Dovecot or Cyrus, which
// mailform has set up from the same file, and at mailform once more. The worse of
// mailform's two figures counts. Each peer is a benchmark of its own, so that a run
// is short. Its table is for docs/benchmarks.md.
func BenchmarkIMAPBeside(b *testing.B) {
	peers := map[string]func(*testing.B) string{
		"Dovecot": func(b *testing.B) string { return mailtest.Dovecot(b).Block() },
		"Cyrus":   func(b *testing.B) string { return mailtest.Cyrus(b).Block() },
	}
	for _, name := range []string{"Dovecot", "Cyrus"} {
		b.Run(name, func(b *testing.B) {
			block := peers[name](b)
			for range b.N {
				ours := imapOf(b, "", "embedded")
				theirs := imapOf(b, block, strings.ToLower(name))
				again := imapOf(b, "", "embedded")
				b.Log("\n" + imapTable(name, ours, theirs, again))
			}
		})
	}
}

func imapTable(peer string, ours, theirs, again imapRows) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| | mailform | again | %s | ratio | goal |\n|---|---|---|---|---|---|\n", peer)
	for _, g := range imapGoals {
		ratio, goal := min(ours[g.row], again[g.row])/theirs[g.row], "–"
		if g.time {
			ratio = theirs[g.row] / max(ours[g.row], again[g.row])
		}
		if g.of == "" || g.of == peer {
			goal = fmt.Sprintf("≥ %g", g.goal)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %.2f | %s |\n", g.row, figure(ours[g.row]), figure(again[g.row]), figure(theirs[g.row]), ratio, goal)
	}
	return out.String()
}

// figure has no more digits than mean something.
func figure(f float64) string {
	if f >= 100 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2g", f)
}

// imapOf sets up a server with a provider, and measures it.
func imapOf(b *testing.B, block, provider string) imapRows {
	b.Helper()
	w := newWorld(b, nil)
	defer w.end()
	at := func() string { return fmt.Sprintf("127.0.0.1:%d", porttest.Port(b)) }
	name := provider
	addr, system := at(), "provider \"embedded\" {\n  data_dir = \"./mail\"\n}\n"
	if provider != "embedded" { // somebody has to hand it its mail
		system = mailtest.Postfix(b).Block() + block
		provider = fmt.Sprintf("[postfix, %s]\n  smtp { listen = [%q] }\n  lmtp { listen = [%q] }", provider, at(), at())
	}
	w.write("main.mf.hcl", system+fmt.Sprintf(`
server "main" {
  provider  = %s
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  imap { listen = [%q] }
}
domain "example" {
  name = "example.com"
  mx { server = server.main }
}
user "staff" {
  for_each      = toset(["u0", "u1", "u2", "u3", "u4"])
  domain        = domain.example
  name          = each.key
  password_hash = %q
}
`, provider, addr, quickstartHash))
	w.apply()
	rows, set := imapRows{}, time.Now()
	defer func() { fmt.Printf("%s, in %v: %v\n", name, time.Since(set), rows) }()
	measureAppend(b, addr, rows)
	c := dialIMAP(b, addr, imapBeside)
	c.command("SELECT INBOX")
	for range 2 { // the first pass warms the caches
		rows["FETCH 1:* BODY.PEEK[], second pass, messages/s"] = rate(imapMessages, func() {
			if got := c.command("FETCH 1:* (BODY.PEEK[])"); got != imapMessages {
				b.Fatalf("%d messages came", got)
			}
		})
	}
	fetched, began := 0, time.Now()
	for fetched < imapFetches && time.Since(began) < imapMost {
		fetched++
		c.command("FETCH " + strconv.Itoa(fetched) + " (BODY.PEEK[])")
	}
	rows["one FETCH a message, messages/s"] = float64(fetched) / time.Since(began).Seconds()
	took := make([]float64, imapSelects)
	for i := range took {
		took[i] = 1000 / rate(1, func() { c.command("SELECT INBOX") })
	}
	slices.Sort(took)
	rows["SELECT, p50, ms"] = took[len(took)/2]
	search := func() float64 { return 1000 / rate(1, func() { c.command("SEARCH TEXT treasure") }) }
	if provider == "embedded" {
		// It takes messages into its index when it has time, and searches get faster.
		most := search() / 20
		for began := time.Now(); search() > most && time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
		}
	}
	took = took[:5]
	for i := range took {
		took[i] = search()
	}
	slices.Sort(took)
	rows["SEARCH TEXT, ms"] = took[len(took)/2]
	return rows
}

// measureAppend fills the mailbox of the last user, and begins those of the others.
func measureAppend(b *testing.B, addr string, rows imapRows) {
	b.Helper()
	messages := benchMessages(imapMessages)
	alone, beside := messages[:imapMessages/5], messages[imapMessages/5:imapMessages/4]
	last := dialIMAP(b, addr, imapBeside)
	rows["APPEND, 1 connection, messages/s"] = rate(len(alone), func() {
		for _, m := range alone {
			last.append(m)
		}
	})
	at := func(user func(int) int, messages func(int) [][]byte) func() {
		var clients []*imapClient
		for i := range imapBeside {
			clients = append(clients, dialIMAP(b, addr, user(i)))
		}
		return func() {
			var all sync.WaitGroup
			for i, c := range clients {
				all.Go(func() {
					for _, m := range messages(i) {
						c.append(m)
					}
				})
			}
			all.Wait()
		}
	}
	rows["APPEND, 4 connections, messages/s"] = rate(len(beside)*imapBeside,
		at(func(i int) int { return i }, func(int) [][]byte { return beside }))
	last.fill(messages[len(alone):])
}

// benchMessages are all different; one has the treasure.
func benchMessages(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, n)
	for i := range out {
		var m bytes.Buffer
		fmt.Fprintf(&m, "From: a@example.net\r\nTo: u1@example.com\r\nSubject: number %d\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d@example.net>\r\n\r\n", i, i)
		for m.Len() < imapSize-40 {
			fmt.Fprintf(&m, "%x lorem %d ipsum\r\n", r.Uint32(), r.IntN(1000))
		}
		if i == n*7/10 {
			m.WriteString("the treasure\r\n")
		}
		out[i] = m.Bytes()
	}
	return out
}

// rate is how many of n things are done a second.
func rate(n int, f func()) float64 {
	began := time.Now()
	f()
	return float64(n) / time.Since(began).Seconds()
}

// An imapClient sends commands, and does not look at what it reads.
type imapClient struct {
	b    *testing.B
	conn net.Conn
	in   *bufio.Reader
	n    int
}

// dialIMAP logs in as a user of the benchmark.
func dialIMAP(b *testing.B, addr string, user int) *imapClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	c := &imapClient{b: b, conn: conn, in: bufio.NewReaderSize(conn, 256<<10)}
	if _, err := c.in.ReadSlice('\n'); err != nil {
		b.Fatal(err)
	}
	c.command(fmt.Sprintf("LOGIN u%d@example.com quickstart", user))
	return c
}

func (c *imapClient) append(message []byte) {
	c.n++
	tag := "a" + strconv.Itoa(c.n)
	out := fmt.Appendf(nil, "%s APPEND INBOX {%d+}\r\n%s\r\n", tag, len(message), message)
	c.write(out)
	c.answer(tag)
}

// fill appends quickly: many messages in a command where the server takes them so
// (RFC 3502), and without waiting for each answer.
func (c *imapClient) fill(messages [][]byte) {
	together := 1
	if c.can("MULTIAPPEND") {
		together = 100
	}
	first, commands := c.n+1, slices.Collect(slices.Chunk(messages, together))
	c.n += len(commands)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i, part := range commands {
			out := fmt.Appendf(nil, "a%d APPEND INBOX", first+i)
			for _, m := range part {
				out = fmt.Appendf(out, " {%d+}\r\n%s", len(m), m)
			}
			c.write(append(out, "\r\n"...))
		}
	})
	for i := range commands {
		c.answer("a" + strconv.Itoa(first+i))
	}
	writing.Wait()
}

// can says whether the server has a capability.
func (c *imapClient) can(capability string) bool {
	c.write([]byte("c CAPABILITY\r\n"))
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.b.Error(err)
	}
	c.answer("c")
	return slices.Contains(strings.Fields(line), capability)
}

// command sends a command and returns how many literals came with the answer.
func (c *imapClient) command(text string) int {
	c.n++
	tag := "a" + strconv.Itoa(c.n)
	c.write([]byte(tag + " " + text + "\r\n"))
	return c.answer(tag)
}

func (c *imapClient) write(p []byte) {
	if _, err := c.conn.Write(p); err != nil {
		c.b.Error(err)
	}
}

func (c *imapClient) answer(tag string) (literals int) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			c.b.Error(err)
			return literals
		}
		if bytes.HasPrefix(line, []byte(tag+" ")) {
			if !bytes.HasPrefix(line, []byte(tag+" OK")) {
				c.b.Errorf("%s", line)
			}
			return literals
		}
		line = bytes.TrimRight(line, "\r\n")
		open := bytes.LastIndexByte(line, '{')
		if open < 0 || line[len(line)-1] != '}' {
			continue
		}
		n, err := strconv.ParseInt(string(line[open+1:len(line)-1]), 10, 64)
		if err != nil {
			continue
		}
		if _, err := io.CopyN(io.Discard, c.in, n); err != nil {
			c.b.Error(err)
			return literals
		}
		literals++
	}
}

// BenchmarkIdleMemory is the memory of a daemon with 100,000 users that has just been
// started, with nobody connected.
func BenchmarkIdleMemory(b *testing.B) {
	const users = 100000
	for range b.N {
		w := newWorld(b, map[string]string{"main.mf.hcl": quickstart(b) + `
user "staff" {
  for_each = toset(split("\n", trimspace(file("staff.txt"))))
  domain   = domain.example
  name     = each.key
}
`})
		var names strings.Builder
		for i := range users {
			fmt.Fprintf(&names, "u%06d\n", i)
		}
		w.write("staff.txt", names.String())
		if r := w.answering("", "apply", "-auto-approve"); r.code != 0 {
			b.Fatal(r)
		}
		w.ok("stop")
		if err := embedded.Start(b.Context(), binary, filepath.Join(w.dir, "mail")); err != nil {
			b.Fatal(err)
		}
		dial(b, w.addr("imap")).until("* OK")
		time.Sleep(2 * time.Second) // what it does at its start is done
		b.ReportMetric(w.memory("VmRSS"), "MB/idle")
		b.ReportMetric(w.memory("VmHWM"), "MB/most")
	}
}

// memory is what the kernel says of the daemon's, in megabytes.
func (w *world) memory(name string) float64 {
	w.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid()))
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	kilobytes, err := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return kilobytes / 1000
}
