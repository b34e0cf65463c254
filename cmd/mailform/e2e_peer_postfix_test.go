package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// A peerPostfix is a Postfix that takes mail for everybody on port 25 of an address,
// and for whoever logs in on another port.
type peerPostfix struct {
	t                 *testing.T
	maildir, etc, log string
	sasl              int
}

// newPeerPostfix configures it; it listens after the next restart. What it has to tell
// senders goes to the world.
func newPeerPostfix(t *testing.T, pf *postfixServer, w *world, loopback string) *peerPostfix {
	t.Helper()
	base := filepath.Dir(filepath.Dir(pf.maildir))
	etc := filepath.Join(base, "etc")
	p := &peerPostfix{t: t, maildir: pf.maildir, etc: etc, log: filepath.Join(base, "log"), sasl: porttest.Port(t)}
	// Postfix reads keys as root.
	chain := filepath.Join(etc, "chain.pem")
	if err := os.WriteFile(chain, []byte(readFile(t, filepath.Join(w.dir, "peer.key"))+readFile(t, filepath.Join(w.dir, "peer.pem"))), 0o600); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(etc, "sasldb2")
	p.run("saslpasswd2", "-p", "-c", "-f", users, "-u", "peers.test", "house")
	if err := os.Chmod(users, 0o644); err != nil {
		t.Fatal(err)
	}
	// Debian's Postfix looks nowhere else.
	sasl := filepath.Join(etc, "sasl")
	if err := os.Mkdir(sasl, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sasl, "smtpd.conf"), []byte("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+users+"\nmech_list: SCRAM-SHA-256 PLAIN LOGIN\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.run("postconf", "-c", etc, "-e", "relayhost = ["+strings.Replace(w.addr("smtp"), ":", "]:", 1), "smtpd_tls_chain_files = "+chain, "smtpd_tls_security_level = may", "smtpd_tls_received_header = yes",
		"virtual_mailbox_domains = login.test, locked.test, stranger.test, plain.peers.test, right.peers.test, wrong.peers.test, rolls.peers.test, null.peers.test, second.peers.test, kept.peers.test, other.peers.test, tries.peers.test, gone.peers.test, busy.peers.test, quiet.peers.test",
		"virtual_mailbox_maps = static:u1/", "cyrus_sasl_config_path = "+sasl, "smtpd_sasl_local_domain = peers.test")
	p.listens(loopback + ":25")
	for _, host := range []string{"127.0.0.1", loopback} {
		p.listens(fmt.Sprintf("%s:%d", host, p.sasl), "smtpd_sasl_auth_enable=yes", "smtpd_tls_auth_only=yes", "smtpd_recipient_restrictions=permit_sasl_authenticated,reject")
	}
	return p
}

// run runs a program, which gets a password if it asks for one.
func (p *peerPostfix) run(program string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(need(p.t, program), args...)
	cmd.Stdin = strings.NewReader("a good one")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// listens has Postfix listen at one more address, with parameters of its own there.
func (p *peerPostfix) listens(addr string, parameters ...string) {
	p.t.Helper()
	line := addr + " inet n - n - - smtpd"
	for _, o := range parameters {
		line += " -o " + o
	}
	p.run("postconf", "-c", p.etc, "-M", "-e", addr+"/inet = "+line)
}

// restart has it listen there: a reload adds no addresses.
func (p *peerPostfix) restart(addrs ...string) {
	p.t.Helper()
	p.run("postfix", "-c", p.etc, "stop")
	p.run("postfix", "-c", p.etc, "start")
	for _, addr := range addrs {
		soon(p.t, "Postfix answers at "+addr, func() bool { return reachable(addr) })
	}
}

// messages are those that have arrived, by recipient.
func (p *peerPostfix) messages() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob(filepath.Join(p.maildir, "new", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range files {
		text := readFile(p.t, f)
		if m := regexp.MustCompile(`(?m)^Delivered-To: (.*)$`).FindStringSubmatch(text); m != nil {
			all[m[1]] = text
		}
	}
	return all
}
