package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/porttest"
)

// staffWorld is the example with a thousand users out of a CSV file.
func staffWorld(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, nil)
	for _, name := range []string{"main.mf.hcl", "staff.csv"} {
		w.write(name, samplePortsOf(readFile(b, filepath.Join("../../examples/staff", name))))
	}
	return w
}

// reportSeconds reports the time of one run of f as a metric.
func reportSeconds(b *testing.B, name string, f func()) {
	b.Helper()
	began := time.Now()
	f()
	b.ReportMetric(time.Since(began).Seconds(), name)
}

// BenchmarkThousandUsers plans and applies the staff example: the figures that
// docs/benchmarks.md sets beside Terraform's.
func BenchmarkThousandUsers(b *testing.B) {
	for range b.N {
		w := staffWorld(b)
		reportSeconds(b, "s/validate", func() { w.ok("validate") })
		reportSeconds(b, "s/plan-all-new", func() { w.ok("plan") })
		reportSeconds(b, "s/first-apply", func() { w.apply() })
		reportSeconds(b, "s/plan-unchanged", func() { w.ok("plan") })
		w.edit("staff.csv", "u0500,sales,500MiB", "u0500,sales,600MiB")
		reportSeconds(b, "s/apply-one-changed", func() { w.apply() })
	}
}

// BenchmarkStart is the time from the start of the daemon to its first 220.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b, map[string]string{"main.mf.hcl": quickstart(b)})
	w.apply()
	w.ok("stop")
	data := filepath.Join(w.dir, "mail")
	b.ResetTimer()
	for range b.N {
		if err := embedded.Start(context.Background(), binary, data); err != nil {
			b.Fatal(err)
		}
		s := dial(b, w.addr("smtp"))
		s.smtp("")
		b.StopTimer()
		w.ok("stop")
		b.StartTimer()
	}
}

// BenchmarkSMTPBesidePostfix sends the same load to mailform, to Postfix with
// Maildir delivery, and to mailform again: 3,000 messages of 4 KiB over 20
// connections at a time, which are kept, or new for each message. A message counts
// when it is in the mailbox.
func BenchmarkSMTPBesidePostfix(b *testing.B) {
	source := need(b, "smtp-source")
	pf := newPostfix(b)
	w := newWorld(b, map[string]string{"main.mf.hcl": quickstart(b)})
	w.apply()
	const messages = 3000
	for name, more := range map[string][]string{"kept-connections": {"-d"}, "new-connections": nil} {
		b.Run(name, func(b *testing.B) {
			load := func(addr, to string) time.Duration {
				began := time.Now()
				args := append(slices.Clone(more), "-s", "20", "-m", strconv.Itoa(messages), "-l", "4096", "-f", "a@example.net", "-t", to, addr)
				if out, err := exec.Command(source, args...).CombinedOutput(); err != nil {
					b.Fatalf("smtp-source: %v\n%s", err, out)
				}
				return time.Since(began)
			}
			ours := func() float64 {
				before := w.stored(b)
				took := load(w.addr("smtp"), "alice@example.com")
				if got := w.stored(b) - before; got != messages {
					b.Fatalf("%d of %d messages are in the mailbox when the last was accepted", got, messages)
				}
				return messages / took.Seconds()
			}
			for range b.N {
				first := ours()
				before := pf.stored(b)
				began := time.Now()
				accepted := messages / load(pf.addr, "u1@example.com").Seconds()
				eventually(b, "Postfix has delivered all", func() bool { return pf.stored(b)-before >= messages })
				delivered := messages / time.Since(began).Seconds()
				second := ours()
				b.ReportMetric(first, "mailform-msg/s")
				b.ReportMetric(second, "mailform-again-msg/s")
				b.ReportMetric(accepted, "postfix-accepted-msg/s")
				b.ReportMetric(delivered, "postfix-delivered-msg/s")
				b.ReportMetric(min(first, second)/delivered, "ratio-to-delivered")
				b.ReportMetric(min(first, second)/accepted, "ratio-to-accepted")
			}
		})
	}
}

// stored is how many messages the daemon holds.
func (w *world) stored(t testing.TB) int64 {
	t.Helper()
	st, err := w.admin().Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st.Messages
}

// A postfixServer is a private instance of Postfix on loopback that delivers into
// Maildirs, with its own configuration and queue.
type postfixServer struct {
	addr, maildir string
}

func newPostfix(t testing.TB) *postfixServer {
	t.Helper()
	program := need(t, "postfix")
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: Postfix can only be started by root")
	}
	// Postfix's processes run as another user, who cannot enter a test's own
	// folder.
	dir, err := os.MkdirTemp("", "mailform-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	port := porttest.Port(t)
	p := &postfixServer{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), maildir: filepath.Join(dir, "mail", "u1")}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Skipf("SKIPPED: there is no user postfix: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, sub := range []string{"etc", "spool", "data", "mail", "mail/u1"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"data", "mail", "mail/u1"} {
		if err := os.Chown(filepath.Join(dir, sub), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	daemons := "/usr/lib/postfix/sbin"
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = %[2]s
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.2/32
maillog_file = %[1]s/log
maillog_file_prefixes = /tmp, %[1]s
virtual_mailbox_domains = example.com
virtual_mailbox_maps = inline:{{u1@example.com = u1/}}
virtual_transport = virtual
virtual_mailbox_base = %[1]s/mail
virtual_uid_maps = static:%[3]d
virtual_gid_maps = static:%[4]d
virtual_minimum_uid = 50
virtual_mailbox_limit = 0
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
alias_maps =
alias_database =
`, dir, daemons, uid, gid)
	main = strings.ReplaceAll(strings.ReplaceAll(main, "{{", "{ {"), "}}", "} }")
	master := fmt.Sprintf(`127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`, port)
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(verb string) ([]byte, error) {
		return exec.Command(program, "-c", filepath.Join(dir, "etc"), verb).CombinedOutput()
	}
	if out, err := run("start"); err != nil {
		t.Fatalf("postfix start: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := run("stop"); err != nil {
			t.Errorf("postfix stop: %v\n%s", err, out)
		}
		os.RemoveAll(dir)
	})
	eventually(t, "Postfix answers", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return p
}

func (p *postfixServer) stored(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.maildir, "new"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(entries)
}
