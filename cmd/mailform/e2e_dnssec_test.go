package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// signedZones are a zone and a child of it, both signed and both ours.
const signedZones = `
nameserver "ns1" {
  hostname  = "ns1.example.com"
  addresses = ["127.0.0.1"]
  listen    = ["127.0.0.1:2053"]

  secondary {
    key    = "backup"
    secret = var.key
  }
}

variable "key" {
  type      = string
  sensitive = true
  default   = "YSBzZWNyZXQgb2YgYSB0ZXN0"
}

zone "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  dnssec {}
}

zone "child" {
  name       = "child.example.com"
  nameserver = nameserver.ns1
  dnssec { denial = "nsec" }
}

record "child" {
  zone   = zone.example
  name   = "child"
  type   = "NS"
  values = ["ns1"]
}

record "www" {
  zone   = zone.child
  name   = "www"
  type   = "A"
  values = ["192.0.2.80"]
}

output "ds" {
  value = zone.example.ds
}
`

// delv asks BIND's validator, which trusts the key of example.com that is served.
func (w *world) delv(name, rrtype string) string {
	w.t.Helper()
	m := regexp.MustCompile(`(?m)^257 3 13 (.*)$`).FindStringSubmatch(w.dig("+short", "+nosplit", "example.com", "DNSKEY"))
	if m == nil {
		w.t.Fatal("example.com has no key")
	}
	anchor := filepath.Join(w.t.TempDir(), "anchor")
	text := fmt.Sprintf("trust-anchors { example.com. static-key 257 3 13 %q; };\n", strings.TrimSpace(m[1]))
	if err := os.WriteFile(anchor, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	r := w.run(need(w.t, "delv"), "@127.0.0.1", "-p", strconv.Itoa(w.port["dns"]), "-a", anchor, "+root=example.com", name, rrtype)
	return r.stdout + r.stderr
}

// kill kills the daemon, and waits until it is gone.
func (w *world) kill(pid int) {
	w.t.Helper()
	if pid == 0 {
		w.t.Fatal("no daemon runs")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		// While it ends, its socket still takes calls, and resets them.
		st, err := w.admin().Status(w.t.Context())
		if errors.Is(err, admin.ErrNotRunning) || err == nil && st.PID != pid {
			return
		}
	}
	w.t.Fatalf("the daemon %d does not end", pid)
}

func (w *world) signed(zone string) admin.SignedZone {
	w.t.Helper()
	var out []admin.SignedZone
	if err := json.Unmarshal([]byte(w.ok("dnssec", "status", "-json", zone)), &out); err != nil || len(out) != 1 {
		w.t.Fatalf("%v (%v)", out, err)
	}
	return out[0]
}

func TestSignedZonesFromEndToEnd(t *testing.T) {
	t.Parallel()
	need(t, "dig")
	need(t, "delv")
	w := newWorld(t, map[string]string{"main.mf.hcl": signedZones})
	w.apply()
	w.noChanges()
	for what, want := range map[string]string{
		"www.child.example.com A":    "; fully validated",
		"child.example.com DS":       "; fully validated", // made by itself
		"nosuch.child.example.com A": "; negative response, fully validated",
		"nosuch.example.com A":       "; negative response, fully validated",
	} {
		name, rrtype, _ := strings.Cut(what, " ")
		if out := w.delv(name, rrtype); !strings.Contains(out, want) {
			t.Errorf("%s: want %q\n%s", what, want, out)
		}
	}
	// The output, the command and the zone say the same of the DS.
	var ds []string
	if err := json.Unmarshal([]byte(w.ok("output", "-json", "ds")), &ds); err != nil || len(ds) != 1 {
		t.Fatalf("the output is %v (%v)", ds, err)
	}
	if st := w.signed("example.com"); len(st.DS) != 1 || st.DS[0] != ds[0] || len(st.Keys) != 2 {
		t.Errorf("the command says %+v, the output %q", st, ds)
	}

	// No secret is in the state, nor does anybody copy a zone without the key.
	state, err := os.ReadFile(filepath.Join(w.dir, "mailform.mfstate"))
	if err != nil {
		state = []byte(w.ok("state", "pull"))
	}
	if strings.Contains(string(state), "YSBzZWNyZXQgb2YgYSB0ZXN0") {
		t.Error("the secret is in the state")
	}
	if out := w.dig("+tcp", "example.com", "AXFR"); !strings.Contains(out, "Transfer failed") {
		t.Errorf("without a key:\n%s", out)
	}
	if out := w.dig("+tcp", "-y", "hmac-sha256:backup:YSBzZWNyZXQgb2YgYSB0ZXN0", "example.com", "AXFR"); strings.Count(out, "NSEC3") < 3 {
		t.Errorf("with the key:\n%s", out)
	}

	// A roll, and a kill right after it: keys, signatures and serial are still there.
	w.ok("dnssec", "roll", "-key=zsk", "example.com")
	for _, key := range []string{"ksk", "zsk"} { // the first KSK is new itself
		if r := w.mailform("dnssec", "roll", "-key="+key, "example.com"); r.code == 0 || !strings.Contains(r.stderr, "on its way already") {
			t.Errorf("a second roll: %v", r)
		}
	}
	if r := w.mailform("dnssec", "confirm", "example.com"); r.code == 0 || !strings.Contains(r.stderr, "no key of the zone waits for the parent") {
		t.Errorf("nothing is awaited: %v", r)
	}
	before := w.signed("example.com")
	served := w.dig("+dnssec", "+noall", "+answer", "example.com", "SOA", "example.com", "DNSKEY")
	if len(before.Keys) != 3 {
		t.Errorf("keys after a roll: %+v", before.Keys)
	}
	w.kill(w.pid())
	w.ok("start")
	after := w.signed("example.com")
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("before the kill %+v\nafter it %+v", before, after)
	}
	if again := w.dig("+dnssec", "+noall", "+answer", "example.com", "SOA", "example.com", "DNSKEY"); again != served {
		t.Errorf("before the kill\n%s\nafter it\n%s", served, again)
	}
	w.noChanges()

	// Becoming unsigned takes a word more.
	w.edit("main.mf.hcl", "  dnssec {}\n", "")
	if r := w.mailform("apply", "-auto-approve"); r.code == 0 || !strings.Contains(r.stdout+r.stderr, "dnssec:example.com") {
		t.Errorf("it is signed no more, just so: %v", r)
	}
	w.ok("destroy", "-auto-approve")
}

// The daemon is killed at random instants while a signed zone changes. The serial
// never goes back, the keys stay, and what is served validates each time.
func TestKillsWhileASignedZoneChanges(t *testing.T) {
	t.Parallel()
	need(t, "dig")
	need(t, "delv")
	text := func(n int) string {
		return signedZones + fmt.Sprintf("\nrecord \"n\" {\n  zone   = zone.example\n  name   = \"n\"\n  type   = \"TXT\"\n  values = [\"%d\"]\n}\n", n)
	}
	w := newWorld(t, map[string]string{"main.mf.hcl": text(0)})
	w.apply()
	serial := func() uint32 {
		t.Helper()
		n, err := strconv.ParseUint(strings.Fields(w.dig("+short", "example.com", "SOA") + " 0 0 0")[2], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	keys := func() string { return w.dig("+short", "example.com", "DNSKEY") }
	first, last := keys(), serial()
	began := time.Now()
	w.apply()
	whole := time.Since(began)
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range kills / 2 {
		w.write("main.mf.hcl", text(round+1))
		pid := w.pid()
		cmd := w.command(t.Context(), binary, "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 5 { // the serial may rise meanwhile, and never fall
			time.Sleep(time.Duration(rng.Int64N(int64(whole) / 5)))
			if s := serial(); s != 0 && s < last {
				t.Fatalf("round %d: the serial went from %d to %d", round, last, s)
			} else if s != 0 {
				last = s
			}
		}
		w.kill(pid)
		_ = cmd.Wait() // with the daemon gone it may fail
		w.apply()
		if s := serial(); s < last {
			t.Fatalf("round %d: the serial went from %d to %d by a kill", round, last, s)
		} else {
			last = s
		}
		if out := w.delv("n.example.com", "TXT"); !strings.Contains(out, "; fully validated") || !strings.Contains(out, fmt.Sprintf("%q", strconv.Itoa(round+1))) {
			t.Fatalf("round %d:\n%s", round, out)
		}
	}
	if keys() != first {
		t.Errorf("the keys were\n%s\nand are\n%s", first, keys())
	}
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}
