package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// benchNames is how many names the zone has that name servers are compared on.
const benchNames = 10_000

// BenchmarkNameServers asks mailform, BIND, Knot and NSD for addresses in a zone
// of 10,000 names, by dnsperf, in turns, each as a private instance on loopback.
// `make bench-dns` runs it. On a small machine dnsperf itself is the limit, so what
// a query costs a server in processor time is told as well.
func BenchmarkNameServers(b *testing.B) {
	zone := benchZone()
	servers := []*benchServer{benchMailform(b, "", ""), benchBIND(b, zone), benchKnot(b, zone), benchNSD(b, zone)}
	file := benchQueries(b, func(i int) string { return fmt.Sprintf("h%d.bench.test A", i) })
	for range b.N {
		compareServers(b, servers, file)
	}
}

// compareServers asks servers in turns, and reports how ours, the first, does beside
// the others. args are further ones for dnsperf.
func compareServers(b *testing.B, servers []*benchServer, queries string, args ...string) {
	b.Helper()
	dnsperf := need(b, "dnsperf")
	for _, s := range servers {
		s.rates, s.user, s.system = nil, nil, nil
	}
	const rounds, seconds = 5, 2
	for round := range rounds {
		for i := range servers { // another one begins each time
			s := servers[(round+i)%len(servers)]
			user, system := processorTime(b, s.pid)
			out, err := exec.Command(dnsperf, append([]string{"-s", "127.0.0.1", "-p", strconv.Itoa(s.port), "-d", queries,
				"-l", strconv.Itoa(seconds), "-c", "8", "-T", "1", "-q", "200"}, args...)...).CombinedOutput()
			userThen, systemThen := processorTime(b, s.pid)
			m := dnsperfSays.FindSubmatch(out)
			if err != nil || m == nil {
				b.Fatalf("dnsperf on %s: %v\n%s", s.name, err, out)
			}
			s.rates = append(s.rates, number(b, m[2]))
			s.user = append(s.user, (userThen-user).Seconds()*1e6/number(b, m[1]))
			s.system = append(s.system, (systemThen-system).Seconds()*1e6/number(b, m[1]))
		}
	}
	ours := servers[0]
	for _, s := range servers {
		b.Logf("%s: %.0f queries/s, of %.0f", s.name, median(s.rates), s.rates)
		b.ReportMetric(median(s.rates), s.name+"-queries/s")
		b.ReportMetric(median(s.user), s.name+"-us-user/query")
		b.ReportMetric(median(s.system), s.name+"-us-system/query")
		if s != ours {
			b.ReportMetric(median(ours.rates)/median(s.rates), "ratio-to-"+s.name)
		}
	}
}

// dnsperfSays has the queries that were answered, all of them with what they asked
// for or all that there is no such name, and how many that was a second.
var dnsperfSays = regexp.MustCompile(`(?s)Queries completed:\s+(\d+) .*Response codes:\s+(?:NOERROR|NXDOMAIN) \d+ \(100\.00%\)\n.*Queries per second:\s+([\d.]+)`)

// A benchServer is a name server that is measured.
type benchServer struct {
	name         string
	port, pid    int
	rates        []float64 // queries a second
	user, system []float64 // microseconds of processor time a query
}

func number(b *testing.B, text []byte) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// processorTime is what a process and all that it has started have used up, for
// themselves and in the kernel.
func processorTime(b *testing.B, pid int) (user, system time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever there is /proc
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		b.Skip("SKIPPED: there is no /proc")
	}
	fields := map[int][]string{} // by process, from its parent on
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		id, _, _ := strings.Cut(string(text), " ")
		_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
		if n, err := strconv.Atoi(id); err == nil {
			fields[n] = strings.Fields(rest)[1:]
		}
	}
	ticks := func(text string) time.Duration {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(n) * tick
	}
	for _, f := range fields {
		at := f
		for at != nil && !slices.Equal(at, fields[pid]) {
			parent, err := strconv.Atoi(at[0])
			if err != nil {
				b.Fatal(err)
			}
			at = fields[parent]
		}
		if at != nil {
			user += ticks(f[10])
			system += ticks(f[11])
		}
	}
	return user, system
}

func benchAddress(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }

// benchZone is the zone as a file.
func benchZone() string {
	var text strings.Builder
	text.WriteString("$TTL 300\n$ORIGIN bench.test.\n@ SOA ns1 hostmaster 1 3600 600 86400 300\n@ NS ns1\nns1 A 127.0.0.1\n")
	for i := range benchNames {
		fmt.Fprintf(&text, "h%d A %s\n", i, benchAddress(i))
	}
	return text.String()
}

// benchQueries writes questions, one for each of many numbers of names.
func benchQueries(b *testing.B, question func(i int) string) string {
	b.Helper()
	var text strings.Builder
	random := rand.New(rand.NewPCG(1, 1))
	for range 50_000 {
		fmt.Fprintln(&text, question(random.IntN(benchNames)))
	}
	file := filepath.Join(b.TempDir(), "queries")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// benchMailform has the zone served by the embedded name server, after an ordinary
// apply, with further lines in its blocks and further blocks.
func benchMailform(b *testing.B, nameserver, zone string) *benchServer {
	b.Helper()
	var hosts strings.Builder
	hosts.WriteString("name,address\n")
	for i := range benchNames {
		fmt.Fprintf(&hosts, "h%d,%s\n", i, benchAddress(i))
	}
	w := newWorld(b, map[string]string{"hosts.csv": hosts.String(), "main.mf.hcl": fmt.Sprintf(`
nameserver "ns1" {
  hostname = "ns1.bench.test"
  listen   = ["127.0.0.1:2053"]
  %s
}

zone "bench" {
  name       = "bench.test"
  nameserver = nameserver.ns1
  ttl        = "5m"
  %s
}

record "host" {
  for_each = { for h in csvdecode(file("hosts.csv")) : h.name => h.address }
  zone     = zone.bench
  name     = each.key
  type     = "A"
  values   = [each.value]
}

record "wild" {
  zone   = zone.bench
  name   = "*.wild"
  type   = "A"
  values = ["192.0.2.1"]
}
`, nameserver, zone)})
	w.apply()
	st, err := w.admin().Status(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return &benchServer{name: "mailform", port: w.port["dns"], pid: st.PID}
}

// runServer runs a name server in the foreground until the benchmark ends, and
// waits until it answers for the zone.
func runServer(b *testing.B, zone, name, config, program string, args ...string) *benchServer {
	b.Helper()
	port := porttest.Port(b)
	dir := b.TempDir()
	// It may give up the rights of root, and has to find its files then.
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "bench.test.zone")
	if err := os.WriteFile(file, []byte(zone), 0o600); err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer("DIR", dir, "ZONE", file, "PORT", strconv.Itoa(port)).Replace(config)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(need(b, program), append(args, filepath.Join(dir, "conf"))...)
	log, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own, as mailform's daemon has it: the kernel may share the
	// processors out among sessions.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	dig := need(b, "dig")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command(dig, "@127.0.0.1", "-p", strconv.Itoa(port), "+tries=1", "+time=1", "+short", "h1.bench.test", "A").Output()
		if err == nil && strings.TrimSpace(string(out)) == "10.0.0.1" {
			return &benchServer{name: name, port: port, pid: cmd.Process.Pid}
		}
	}
	b.Fatalf("%s does not answer:\n%s", program, readFile(b, filepath.Join(dir, "output")))
	return nil
}

func benchBIND(b *testing.B, zone string) *benchServer {
	return runServer(b, zone, "bind", `
controls { };
options {
  directory "DIR"; pid-file "DIR/pid"; session-keyfile "DIR/session.key"; lock-file none;
  listen-on port PORT { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; notify no; dnssec-validation no; minimal-responses yes; empty-zones-enable no;
};
zone "bench.test" { type primary; file "ZONE"; };
`, "named", "-g", "-c")
}

func benchKnot(b *testing.B, zone string) *benchServer {
	return runServer(b, zone, "knot", `
server:
    rundir: "DIR"
    listen: 127.0.0.1@PORT
database:
    storage: "DIR"
control:
    listen: "DIR/sock"
zone:
  - domain: bench.test
    file: "ZONE"
`, "knotd", "-c")
}

func benchNSD(b *testing.B, zone string) *benchServer {
	return runServer(b, zone, "nsd", `
server:
    server-count: 2
    ip-address: 127.0.0.1@PORT
    reuseport: yes
    username: ""
    chroot: ""
    pidfile: "DIR/pid"
    zonesdir: "DIR"
    database: ""
    rrl-ratelimit: 0
    zonelistfile: "DIR/zone.list"
    xfrdfile: "DIR/xfrd.state"
    xfrdir: "DIR"
remote-control:
    control-enable: no
zone:
    name: bench.test
    zonefile: "ZONE"
`, "nsd", "-d", "-c")
}
