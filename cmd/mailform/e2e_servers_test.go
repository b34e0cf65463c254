package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mailform/mailform/providers/nametest"
)

// bindFiles describe two zones at a BIND, with MX, SPF and DMARC.
func bindFiles(s *nametest.Server, addr string) map[string]string {
	text := fmt.Sprintf(`
variable "tsig_secret" {
  type      = string
  sensitive = true
}
provider "bind" {
  server = %q
  tsig {
    name   = "mailform"
    secret = var.tsig_secret
  }
  rndc {
    address  = %q
    key_file = %q
  }
  new_zones {
    directory = %q
    options   = "update-policy { grant mailform zonesub ANY; };"
  }
}
nameserver "ns1" {
  hostname  = "ns1.example.com"
  addresses = ["127.0.0.1"]
  provider  = bind
}
domain "at" {
  for_each   = toset(["example.com", "example.org"])
  name       = each.key
  nameserver = nameserver.ns1
  mx { host = "mx.elsewhere.example" }
  spf   { policy = "fail" }
  dmarc { policy = "reject" }
}
`, addr, s.Control, s.RNDCKey(), s.Dir)
	return map[string]string{"main.mf.hcl": text}
}

func bindWorld(t *testing.T, s *nametest.Server, addr string) *world {
	t.Helper()
	w := newWorld(t, bindFiles(s, addr))
	w.env = append(w.env, "MF_VAR_tsig_secret="+nametest.WriteSecret)
	return w
}

// hasNoSecret checks that nothing that mailform writes has the secret of a key.
func hasNoSecret(t *testing.T, w *world, outputs ...string) {
	t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		outputs = append(outputs, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range outputs {
		if strings.Contains(out, nametest.WriteSecret) {
			t.Errorf("the secret is written:\n%s", out)
		}
	}
}

// Two domains at a BIND, from files to zones, through a drift, a stale plan, and
// away again.
func TestDomainsAtBIND(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{})
	w := bindWorld(t, s, s.Addr)
	out := w.apply()
	w.noChanges()
	var have []string
	for _, z := range []string{"example.com", "example.org"} {
		for _, rr := range s.Transfer(t, z) {
			have = append(have, strings.ReplaceAll(rr.String(), "\t", " "))
		}
	}
	for _, want := range []string{
		"example.com. 3600 IN MX 10 mx.elsewhere.example.", `example.org. 3600 IN TXT "v=spf1 mx -all"`,
		"example.org. 3600 IN NS ns1.example.com.", "ns1.example.com. 3600 IN A 127.0.0.1",
	} {
		if !strings.Contains(strings.Join(have, "\n"), want) {
			t.Errorf("there is no %q:\n%s", want, strings.Join(have, "\n"))
		}
	}

	w.edit("main.mf.hcl", `mx.elsewhere.example`, `mx2.elsewhere.example`)
	out += w.ok("plan", "-out=saved")
	s.Edit(t, "example.org.", "example.org.", "MX", 60, []string{"66 theirs.example."})
	r := w.mailform("apply", "saved")
	if r.code == 0 || !strings.Contains(r.stderr, "66 theirs.example.") || !strings.Contains(r.stderr, "10 mx.elsewhere.example.") {
		t.Errorf("a stale plan: %v", r)
	}
	if zones := fmt.Sprint(s.Transfer(t, "example.com")); strings.Contains(zones, "mx2.") {
		t.Error("something of a stale plan was written")
	}
	out += w.plans("Plan: 0 to add, 2 to change, 0 to destroy.")
	w.apply()
	w.noChanges()

	s.Edit(t, "example.org.", "foreign.example.org.", "TXT", 60, []string{"theirs"})
	r = w.mailform("destroy", "-auto-approve")
	if r.code == 0 || !strings.Contains(r.stderr, "it still has what mailform did not make: foreign.example.org. TXT") {
		t.Errorf("a zone with something foreign: %v", r)
	}
	s.Edit(t, "example.org.", "foreign.example.org.", "TXT", 60, nil)
	out += w.ok("destroy", "-auto-approve")
	if status, err := s.Try("zonestatus", "example.org"); err == nil {
		t.Errorf("the zone is still there: %s", status)
	}
	hasNoSecret(t, w, out, r.String())
}

// A zone that a server has becomes blocks, and a plan of them changes nothing.
func TestZonesOfABINDBecomeBlocks(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{Zones: map[string]string{"example.com": nametest.Zone("example.com",
		"@ MX 10 mx.elsewhere.example.", `@ TXT "v=spf1 " "mx -all"`, "*.w 60 CNAME ns1", "0/25 NS ns.elsewhere.example.", `t TXT "semi;colon" "\"quoted\""`)}})
	w := newWorld(t, map[string]string{"main.mf.hcl": fmt.Sprintf(`
provider "rfc2136" {
  server = %q
  zones  = ["example.com"]
  read_tsig {
    name   = "mailform-read"
    secret = %q
  }
}
nameserver "ns1" {
  hostname  = "ns1.example.com"
  addresses = ["127.0.0.1"]
  provider  = rfc2136
}
`, s.Addr, nametest.ReadSecret)})
	w.ok("import", "-all", "-generate-config-out=zones.mf.hcl")
	out := w.mailform("plan").stdout
	if !strings.Contains(out, "0 to add, 0 to change, 0 to destroy.") || strings.Contains(out, "left alone") {
		t.Errorf("the plan changes something, or leaves something out:\n%s\n%s", out, readFile(t, filepath.Join(w.dir, "zones.mf.hcl")))
	}
	// To take over is to write into the state alone: the key cannot do more.
	w.apply()
	w.noChanges()
}

// An updateTrap passes messages on to a name server, and calls kill in place of
// the second update, once the first has been answered.
type updateTrap struct {
	to      string
	kill    func()
	updates atomic.Int32
	first   chan struct{}
}

func (p *updateTrap) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func (p *updateTrap) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			m, err := frame(server)
			if err != nil {
				return
			}
			if opcode(m) == 5 && p.updates.Load() > 0 {
				select {
				case p.first <- struct{}{}:
				default:
				}
			}
			if _, err := client.Write(m); err != nil {
				return
			}
		}
	})
	for {
		m, err := frame(client)
		if err != nil {
			break
		}
		if opcode(m) == 5 && p.updates.Add(1) == 2 {
			<-p.first
			p.kill()
			break
		}
		if _, err := server.Write(m); err != nil {
			break
		}
	}
	_ = server.Close()
	wg.Wait()
}

// frame is one message of DNS over TCP, with its length.
func frame(r io.Reader) ([]byte, error) {
	length := make([]byte, 2)
	if _, err := io.ReadFull(r, length); err != nil {
		return nil, err
	}
	m := make([]byte, 2+int(length[0])<<8+int(length[1]))
	copy(m, length)
	_, err := io.ReadFull(r, m[2:])
	return m, err
}

func opcode(m []byte) int {
	if len(m) < 5 {
		return -1
	}
	return int(m[4]>>3) & 0xf
}

// An apply that is killed between two zones is gone on with by the next one.
func TestApplyKilledBetweenTwoZonesGoesOn(t *testing.T) {
	t.Parallel()
	s := nametest.BIND(t, nametest.Options{})
	w := bindWorld(t, s, s.Addr)
	w.apply()
	w.edit("main.mf.hcl", `mx.elsewhere.example`, `mx2.elsewhere.example`)

	trap := &updateTrap{to: s.Addr, first: make(chan struct{}, 1)}
	w.edit("main.mf.hcl", s.Addr, trap.listen(t))
	cmd := w.command(context.Background(), binary, "apply", "-auto-approve")
	trap.kill = func() { _ = cmd.Process.Kill() }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the apply was not killed")
	}
	moved := 0
	for _, z := range []string{"example.com", "example.org"} {
		if strings.Contains(fmt.Sprint(s.Transfer(t, z)), "mx2.") {
			moved++
		}
	}
	if moved != 1 {
		t.Fatalf("%d zones were written, want one", moved)
	}
	w.write("main.mf.hcl", strings.Replace(bindFiles(s, s.Addr)["main.mf.hcl"], `mx.elsewhere.example`, `mx2.elsewhere.example`, 1))
	w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	w.apply()
	w.noChanges()
}
