package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/mailform/mailform/providers/nametest"
)

// recordsConfig describes record sets for the names of a file, all of one type in
// the zone bench.example, which a server has already. One of them may have
// another time to live.
func recordsConfig(server, rrtype, value, odd string) string {
	return fmt.Sprintf(`
provider "rfc2136" {
  server = %q
  tsig {
    name   = "mailform"
    secret = %q
  }
}
nameserver "ns1" {
  hostname = "ns1.bench.example"
  addresses = ["127.0.0.1"]
  provider = rfc2136
}
zone "bench" {
  name       = "bench.example"
  nameserver = nameserver.ns1
}
record "many" {
  for_each = { for r in csvdecode(file("names.csv")) : r.name => r }
  zone     = zone.bench
  name     = each.key
  type     = %q
  ttl      = each.key == %q ? "5m" : "10m"
  values   = [%q]
}
`, server, nametest.WriteSecret, rrtype, odd, value)
}

// BenchmarkRecords measures the whole program on zones of a BIND and a Knot, with
// nsupdate beside it.
func BenchmarkRecords(b *testing.B) {
	nsupdate := nametest.Need(b, "nsupdate")
	servers := []struct {
		name  string
		start func(testing.TB, nametest.Options) *nametest.Server
	}{{"BIND", nametest.BIND}, {"Knot", nametest.Knot}}
	type row struct {
		what  string
		times []string
	}
	var rows []*row
	add := func(what string, took usage) {
		for _, r := range rows {
			if r.what == what {
				r.times = append(r.times, fmt.Sprintf("%.2f s", took.wall))
				return
			}
		}
		rows = append(rows, &row{what, []string{fmt.Sprintf("%.2f s", took.wall)}})
	}
	for b.Loop() {
		for _, server := range servers {
			start := func(n int, lines ...string) (*nametest.Server, func(string), func(...string) usage) {
				s := server.start(b, nametest.Options{Zones: map[string]string{"bench.example": nametest.Zone("bench.example", lines...)}})
				dir := b.TempDir()
				names := []byte("name\n")
				for i := range n {
					names = fmt.Appendf(names, "h%d\n", i)
				}
				if err := os.WriteFile(filepath.Join(dir, "names.csv"), names, 0o600); err != nil {
					b.Fatal(err)
				}
				write := func(text string) {
					if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
						b.Fatal(err)
					}
				}
				return s, write, func(args ...string) usage { return measure(b, true, dir, binary, args...) }
			}
			const mx = "10 mail.example.net."
			s, write, run := start(1000)
			write(recordsConfig(s.Addr, "MX", mx, ""))
			add("1,000 MX record sets: apply", run("apply", "-auto-approve"))
			add("1,000 MX record sets: plan without changes", best(run("plan", "-detailed-exitcode"), run("plan", "-detailed-exitcode")))
			write(recordsConfig(s.Addr, "MX", mx, "h7"))
			add("1,000 MX record sets: apply of one TTL", run("apply", "-auto-approve"))
			s.Kill(b)

			// The best of three, by turns: who comes first finds nothing in memory.
			var ours, theirs usage
			for i := range 3 {
				s, write, run = start(10000)
				write(recordsConfig(s.Addr, "A", "192.0.2.1", ""))
				apply := run("apply", "-auto-approve")
				s.Kill(b)
				s, _, _ = start(0)
				bare := usage{wall: update(b, nsupdate, s, 10000)}
				s.Kill(b)
				if i == 0 {
					ours, theirs = apply, bare
				}
				ours, theirs = best(ours, apply), best(theirs, bare)
			}
			add("10,000 A record sets: apply", ours)
			add("10,000 A record sets: nsupdate, 1,000 a message", theirs)

			lines := make([]string, 100000)
			for i := range lines {
				lines[i] = fmt.Sprintf("h%d 600 A 192.0.2.1", i)
			}
			s, write, run = start(len(lines), lines...)
			write(recordsConfig(s.Addr, "A", "192.0.2.1", ""))
			add("100,000 A record sets: apply that takes over what is there", run("apply", "-auto-approve"))
			add("100,000 A record sets: plan without changes", best(run("plan", "-detailed-exitcode"), run("plan", "-detailed-exitcode")))
			s.Kill(b)
		}
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| \t| BIND\t| Knot\t|\n|---\t|---\t|---\t|\n")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s\t| %s\t|\n", r.what, strings.Join(r.times, "\t| "))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	b.Logf("\n%s", table.String())
}

// update has nsupdate add record sets, and returns how many seconds that took.
func update(b *testing.B, nsupdate string, s *nametest.Server, n int) float64 {
	b.Helper()
	host, port, _ := strings.Cut(s.Addr, ":")
	var in bytes.Buffer
	fmt.Fprintf(&in, "server %s %s\nzone bench.example\nkey hmac-sha256:mailform %s\n", host, port, nametest.WriteSecret)
	for i := range n {
		fmt.Fprintf(&in, "update add h%d.bench.example 600 A 192.0.2.1\n", i)
		if (i+1)%1000 == 0 {
			in.WriteString("send\n")
		}
	}
	cmd := exec.Command(nsupdate, "-v")
	cmd.Stdin = &in
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("nsupdate: %v\n%s", err, out)
	}
	return time.Since(began).Seconds()
}
