package primary

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/porttest"
)

// program finds a peer, which has to be there in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("SKIPPED: %s is not installed; .ci/peers installs it", name)
	}
	return path
}

// start runs a daemon in the foreground until the test ends.
func start(t *testing.T, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ends says nothing
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(path), out)
		}
	})
}

// A secondaryServer is another program that copies example.com.
type secondaryServer struct {
	name string
	port int
	log  string
}

func (s *secondaryServer) startNSD(t *testing.T, primary string) {
	path := program(t, "nsd")
	dir := t.TempDir()
	s.log = filepath.Join(dir, "log")
	conf := filepath.Join(dir, "nsd.conf")
	write(t, conf, fmt.Sprintf(`server:
    server-count: 1
    ip-address: 127.0.0.1@%d
    username: ""
    chroot: ""
    pidfile: "%[2]s/pid"
    zonesdir: "%[2]s"
    database: ""
    zonelistfile: "%[2]s/zone.list"
    xfrdfile: "%[2]s/xfrd.state"
    xfrdir: "%[2]s"
    logfile: "%[3]s"
    verbosity: 2
    xfrd-reload-timeout: 0
remote-control:
    control-enable: no
key:
    name: "ns2.example.com"
    algorithm: hmac-sha256
    secret: "%[4]s"
zone:
    name: example.com
    zonefile: example.com.zone
    request-xfr: 127.0.0.1@%[5]s ns2.example.com
    allow-notify: 127.0.0.1 ns2.example.com
`, s.port, dir, s.log, keySecret, port(primary)))
	start(t, path, "-d", "-c", conf)
}

func (s *secondaryServer) startBIND(t *testing.T, primary string) {
	path := program(t, "named")
	dir := t.TempDir()
	s.log = filepath.Join(dir, "log")
	conf := filepath.Join(dir, "named.conf")
	write(t, conf, fmt.Sprintf(`key "ns2.example.com" { algorithm hmac-sha256; secret "%[1]s"; };
controls { };
options {
  directory "%[2]s"; pid-file "%[2]s/pid"; session-keyfile "%[2]s/session.key"; lock-file none;
  listen-on port %[3]d { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; notify no; dnssec-validation no; allow-transfer { none; };
};
logging { channel f { file "%[4]s"; severity info; }; category default { f; }; category xfer-in { f; }; };
zone "example.com" {
  type secondary; file "example.com.db"; masterfile-format text;
  primaries { 127.0.0.1 port %[5]s key "ns2.example.com"; };
  allow-notify { key "ns2.example.com"; };
};
`, keySecret, dir, s.port, s.log, port(primary)))
	start(t, path, "-f", "-c", conf)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// waitFor waits until the secondary has a serial.
func (s *secondaryServer) waitFor(t *testing.T, serial uint32) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA), fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil && len(m.Answer) == 1 && m.Answer[0].(*dns.SOA).Serial == serial {
			return
		}
		last = fmt.Sprint(m, err)
	}
	text, _ := os.ReadFile(s.log)
	t.Fatalf("%s has not got the serial %d: %s\n%s", s.name, serial, last, text)
}

// TestRealSecondariesFollow lets NSD and BIND copy a signed zone: at first as a
// whole, then what has changed, told by NOTIFY; all with a key.
func TestRealSecondariesFollow(t *testing.T) {
	for name, run := range map[string]func(*secondaryServer, *testing.T, string){
		"NSD": (*secondaryServer).startNSD, "BIND": (*secondaryServer).startBIND,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			changes := exampleCom()
			for i := range 100 {
				changes = append(changes, rrset("example.com", fmt.Sprintf("h%d.example.com.", i), "A", "192.0.2.1"))
			}
			s := &secondaryServer{name: name, port: porttest.Port(t)}
			w.apply(append(changes, secondary(fmt.Sprintf("127.0.0.1:%d", s.port)))...)
			run(s, t, w.addr)
			s.waitFor(t, w.serial())
			for i := range 3 {
				w.apply(rrset("example.com", fmt.Sprintf("new%d.example.com.", i), "A", "192.0.2.1"))
				s.waitFor(t, w.serial())
			}
			// A new version by itself: another key.
			if err := w.Roll(t.Context(), "example.com", dnssec.ZSK); err != nil {
				t.Fatal(err)
			}
			s.waitFor(t, w.serial())
			q := new(dns.Msg).SetQuestion("example.com.", dns.TypeDNSKEY)
			q.SetEdns0(1232, true)
			m, _, err := (&dns.Client{Timeout: time.Minute}).Exchange(q, fmt.Sprintf("127.0.0.1:%d", s.port))
			if err != nil || len(m.Answer) != 4 {
				t.Errorf("the secondary has the keys %v (%v)", m, err)
			}
			if name == "BIND" {
				// "Transfer completed: 1 messages, 13 records, ...": fewer than the zone has.
				// It is written down after the zone is there.
				var sizes [][][]byte
				for deadline := time.Now().Add(time.Minute); len(sizes) < 5; time.Sleep(20 * time.Millisecond) {
					text, err := os.ReadFile(s.log)
					if err != nil {
						t.Fatal(err)
					}
					sizes = regexp.MustCompile(`Transfer completed: \d+ messages, (\d+) records`).FindAllSubmatch(text, -1)
					if len(sizes) < 5 && time.Now().After(deadline) {
						t.Fatalf("BIND transferred %d times\n%s", len(sizes), text)
					}
				}
				for i, m := range sizes {
					if n, _ := strconv.Atoi(string(m[1])); (n > 400) != (i == 0) {
						t.Errorf("transfer %d had %d records", i, n)
					}
				}
			}
		})
	}
}

// judge lets ldns and dnsviz judge the zone as it is served.
func (w *world) judge(stage string) {
	w.t.Helper()
	rrs, err := w.copyZone("example.com.", 0, keyName, keySecret)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	var text strings.Builder
	for _, rr := range rrs[:len(rrs)-1] {
		fmt.Fprintln(&text, rr)
	}
	file := filepath.Join(dir, "zone")
	write(w.t, file, text.String())
	if out, err := exec.Command(program(w.t, "ldns-verify-zone"), file).CombinedOutput(); err != nil {
		w.t.Errorf("%s: ldns-verify-zone: %v\n%s", stage, err, out)
	}
	g, err := w.store.Signing(w.t.Context(), "example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	anchor := filepath.Join(dir, "anchor")
	text.Reset()
	for _, k := range g.Keys {
		if k.Role == dnssec.KSK && k.State != dnssec.Published {
			fmt.Fprintln(&text, k.DNSKEY(3600))
		}
	}
	write(w.t, anchor, text.String())
	dnsviz := program(w.t, "dnsviz")
	probe := exec.Command(dnsviz, "probe", "-A", "-x", "example.com+:ns1.example.com=127.0.0.1:"+port(w.addr), "-o", filepath.Join(dir, "probe.json"), "example.com", "www.example.com")
	if out, err := probe.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: dnsviz probe: %v\n%s", stage, err, out)
	}
	show := exec.Command(dnsviz, "print", "-t", anchor, "-r", filepath.Join(dir, "probe.json"))
	complaints := &strings.Builder{}
	show.Stderr = complaints
	out, err := show.Output()
	if err != nil {
		w.t.Fatalf("%s: dnsviz print: %v\n%s", stage, err, complaints)
	}
	// A dot in brackets is "secure"; an E or a W comes before an error and a warning.
	if !strings.Contains(string(out), "NXDOMAIN") || dnsvizFinds.Match(out) {
		w.t.Errorf("%s: dnsviz finds:\n%s%s", stage, out, complaints)
	}
	// With nothing to say at this level, it prints nothing.
	grok := exec.Command(dnsviz, "grok", "-l", "warning", "-t", anchor, "-r", filepath.Join(dir, "probe.json"))
	grok.Env = append(os.Environ(), "PYTHONPATH="+dir)
	write(w.t, filepath.Join(dir, "sitecustomize.py"), graphvizVersion)
	if out, err := grok.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		w.t.Errorf("%s: dnsviz grok finds (%v):\n%s", stage, err, out)
	}
}

// graphvizVersion lets `dnsviz grok` of version 0.9.4, which Debian 12 has, find
// out which version of pygraphviz there is. It looks for that where pygraphviz has
// not kept it since 1.7, and takes it for missing then; `dnsviz print` looks in both
// places.
const graphvizVersion = `import types, pygraphviz
if not hasattr(pygraphviz, "release"):
    pygraphviz.release = types.SimpleNamespace(version=pygraphviz.__version__)
`

var dnsvizFinds = regexp.MustCompile(`\[[^.\]]\]|\s[EW]:|\[\.[^\]]`)

// TestPeersJudgeEveryStageOfARollover goes through the rollovers of both keys.
func TestPeersJudgeEveryStageOfARollover(t *testing.T) {
	program(t, "ldns-verify-zone")
	program(t, "dnsviz")
	w := newWorld(t)
	w.apply(append(exampleCom(), secondary(""), rrset("example.com", "*.wild.example.com.", "TXT", "any"),
		rrset("example.com", "sub.example.com.", "NS", "ns.elsewhere.example."))...)
	w.run(3 * time.Hour)
	w.judge("ready")
	w.parentTakesOver()
	w.run(time.Hour)
	w.judge("active")
	for _, role := range []dnssec.Role{dnssec.ZSK, dnssec.KSK} {
		if err := w.Roll(t.Context(), "example.com", role); err != nil {
			t.Fatal(err)
		}
	}
	w.judge("both published")
	w.run(3 * time.Hour)
	if got := w.keys(); got != "ksk active, ksk ready, zsk active, zsk retired" {
		t.Fatal(got)
	}
	w.apply(rrset("example.com", "new.example.com.", "A", "192.0.2.7")) // by the new key
	w.judge("KSK ready, ZSK retired")
	w.parentTakesOver()
	w.run(time.Hour)
	if got := w.keys(); got != "ksk active, ksk retired, zsk active, zsk retired" {
		t.Fatal(got)
	}
	w.judge("both retired")
	w.run(6 * 24 * time.Hour)
	w.judge("afterwards")
}
