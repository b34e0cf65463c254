package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A sink is a server that takes mail for elsewhere and writes it to files.
type sink struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
}

// sink runs smtp-sink as the relay of the house.
func (w *world) sink(args []string) *sink {
	w.t.Helper()
	s := &sink{t: w.t, dir: w.t.TempDir()}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	args = append(args, "-d", filepath.Join(s.dir, "m."), w.addr("relay"), "100")
	s.cmd = exec.Command(need(w.t, "smtp-sink"), args...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.end)
	eventually(w.t, "the sink listens", func() bool { return reachable(w.addr("relay")) })
	return s
}

func (s *sink) end() {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

// messages are those that have come so far, with what smtp-sink puts on top.
func (s *sink) messages() []string {
	files, err := filepath.Glob(filepath.Join(s.dir, "m.*"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, readFile(s.t, f))
	}
	return all
}

// count is how many messages of a subject have come for a recipient.
func (s *sink) count(subject, to string) int {
	n := 0
	for _, m := range s.messages() {
		if strings.Contains(m, "\nSubject: "+subject+"\n") && strings.Contains(m, "X-Rcpt-Args: <"+to+">") {
			n++
		}
	}
	return n
}

func (w *world) queued() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := w.admin().Status(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return int64(st.Queued)
}

func (w *world) queueIsEmpty() bool { return w.queued() == 0 }

// What a user sends elsewhere is completed, signed so that anybody can verify it
// with the key that the zone publishes, and tells nobody of the Bcc.
func TestSubmittedMailIsSigned(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's modules
	if err := exec.Command(python, "-c", "import dkim, nacl").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: python3-dkim is not installed")
	}
	need(t, "dig")
	opendkim := need(t, "opendkim")
	w := newHouse(t, "1MiB")
	sink := w.sink(nil)
	for user, signatures := range map[string][]string{
		"alice@example.com": {`d=example\.com;.*?s=s1;`},
		"ivo@example.org":   {`d=example\.org;.*?s=k;`, `d=example\.org;.*?s=r;`},
	} {
		t.Run(user, func(t *testing.T) {
			w := w.in(t)
			subject := "signed by " + user
			got := w.submit(user).message(user, "friend@elsewhere.test",
				"From: Me <"+user+">\r\nTo: friend@elsewhere.test\r\nBcc: secret@elsewhere.test,\r\n hidden@elsewhere.test\r\nSubject: "+subject+"\r\n\r\nHello,  Grüße\r\n..dots\r\n\r\n")
			if !strings.HasPrefix(got, "250") {
				t.Fatal(got)
			}
			var m string
			eventually(t, "the relay has the message", func() bool {
				for _, m = range sink.messages() {
					if strings.Contains(m, "Subject: "+subject) && strings.Contains(m, "dots") {
						return true
					}
				}
				return false
			})
			h, _, _ := strings.Cut(m, "\n\n")
			for _, field := range []string{"Date", "Message-ID", "From", "To"} {
				if n := strings.Count(h, "\n"+field+": "); n != 1 {
					t.Errorf("%d fields %s:\n%s", n, field, h)
				}
			}
			if strings.Contains(strings.ToLower(h), "\nbcc:") || strings.Contains(h, "secret@") || strings.Contains(h, "hidden@") {
				t.Errorf("the Bcc is still there:\n%s", h)
			}
			for _, want := range signatures {
				if !regexp.MustCompile(`(?s)DKIM-Signature: .*` + want).MatchString(h) {
					t.Errorf("no signature %s:\n%s", want, h)
				}
			}
			// The verifier is dkimpy; it asks our own name server.
			script := `
import dkim, subprocess, sys
def txt(name, timeout=5):
    out = subprocess.check_output(["dig", "+short", "@127.0.0.1", "-p", sys.argv[1], name.decode() if isinstance(name, bytes) else name, "TXT"]).decode()
    return "".join(out.strip().split('"')[1::2]).encode()
message = sys.stdin.buffer.read()
d = dkim.DKIM(message)
n = sum(1 for k, v in d.headers if k.lower() == b"dkim-signature")
for i in range(n):
    print("signature", i, d.verify(idx=i, dnsfunc=txt), d.selector.decode(), d.domain.decode())
t = dkim.DKIM(message.replace(b"Hello", b"Hallo"))
try:
    print("tampered", t.verify(dnsfunc=txt))
except dkim.DKIMException as e:
    print("tampered False")
`
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := w.command(ctx, python, "-c", script, strconv.Itoa(w.port["dns"]))
			cmd.Stdin = strings.NewReader(m)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), " True ") != len(signatures) || !strings.Contains(string(out), "tampered False") {
				t.Errorf("dkimpy says %v:\n%s\nof\n%s", err, out, m)
			}
			w.judgedByOpenDKIM(opendkim, m, len(signatures))
		})
	}
}

// judgedByOpenDKIM has OpenDKIM verify a message with the keys that our name server
// publishes, and find that another one is not what was signed.
func (w *world) judgedByOpenDKIM(opendkim, message string, signatures int) {
	w.t.Helper()
	message = strings.TrimLeft(regexp.MustCompile(`(?m)^X-[A-Za-z]+-[A-Za-z]+: .*\n`).ReplaceAllString(message, ""), "\n")
	w.write("opendkim.conf", "Mode v\nNameservers 127.0.0.1@"+strconv.Itoa(w.port["dns"])+"\nInternalHosts 192.0.2.1\nRequireSafeKeys no\n")
	for verdict, text := range map[string]string{"dkim=pass": message, "dkim=fail": strings.Replace(message, "Hello", "Hallo", 1)} {
		w.write("judged", text)
		if r := w.run(opendkim, "-x", "opendkim.conf", "-v", "-v", "-t", "judged"); strings.Count(r.stdout, "\t"+verdict) != signatures {
			w.t.Errorf("OpenDKIM does not say %s of %d signatures: %v\nof\n%s", verdict, signatures, r, text)
		}
	}
}

// A peer that is busy gets the message later, once; one that refuses it makes a
// report to the sender; one that is away for good as well.
func TestTheQueueGoesOnUntilItKnows(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	send := func(from, subject string) {
		t.Helper()
		s := w.submit("alice@example.com")
		if got := s.message(from, "friend@elsewhere.test", "From: alice@example.com\r\nSubject: "+subject+"\r\n\r\nx"); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	}
	busy := w.sink([]string{"-r", "RCPT"})
	send("alice@example.com", "later")
	eventually(t, "the message is deferred", func() bool { return strings.Contains(w.log(), "delivery deferred") })
	busy.end()
	w.ok("stop")
	w.ok("start")
	if n := w.queued(); n != 1 {
		t.Errorf("%d messages in the queue after a restart, want 1", n)
	}
	good := w.sink(nil)
	eventually(t, "the relay has the message", func() bool { return good.count("later", "friend@elsewhere.test") == 1 })
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if n := len(good.messages()); n != 1 {
		t.Errorf("the relay has %d messages", n)
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 0 {
		t.Errorf("alice got %v", got)
	}
	good.end()

	w.sink([]string{"-f", "RCPT"})
	send("alice@example.com", "refused")
	send("", "refused, without a sender")
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Fatalf("alice got %v, want one report", got)
	}
	report := w.newest("alice@example.com", "INBOX")
	for _, want := range []string{
		"Return-Path: <>\r\n",
		"Content-Type: multipart/report; report-type=delivery-status;",
		"Final-Recipient: rfc822; friend@elsewhere.test\r\n",
		"Action: failed\r\n", "Status: 5.", "Diagnostic-Code: smtp; 500 ",
		"Subject: refused\r\n", "Auto-Submitted: auto-replied\r\n",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
}

// Two servers hand each other mail over TLS; what one refuses comes back to the
// sender with its words.
func TestTwoServersTalk(t *testing.T) {
	t.Parallel()
	near := newHouse(t, "1MiB")
	far := newWorld(t, map[string]string{"main.mf.hcl": `
server "far" {
  hostname = "mx.elsewhere.test"
  smtp { listen = ["127.0.0.1:2525"] }
  imap { listen = ["127.0.0.1:2143"] }
  message_size_limit = "32KiB"
}

domain "far" {
  name = "elsewhere.test"
  mx { server = server.far }
}

user "friend" {
  domain        = domain.far
  name          = "friend"
  password_hash = "` + hashInQuickstart(t) + `"
}
`})
	far.apply()
	near.edit("main.mf.hcl", `relay { host = "`+near.addr("relay"), `relay { host = "`+far.addr("smtp"))
	near.apply()
	s := near.submit("alice@example.com")
	text := "From: alice@example.com\r\nTo: friend@elsewhere.test\r\nSubject: =?utf-8?q?x?=\r\n\r\nGrüße\r\n.\r\n"
	s.expect("MAIL FROM:<alice@example.com> BODY=8BITMIME", "250", "RCPT TO:<friend@elsewhere.test>", "250",
		"RCPT TO:<nosuch@elsewhere.test>", "250", "DATA", "354", strings.ReplaceAll(text, "\r\n.", "\r\n..")+".", "250")
	eventually(t, "the friend has the message", func() bool { return len(far.subjects("friend@elsewhere.test", "INBOX")) == 1 })
	got := far.newest("friend@elsewhere.test", "INBOX")
	if !strings.HasSuffix(got, text) {
		t.Errorf("the message arrives as\n%s\nwant at the end\n%s", got, text)
	}
	for _, want := range []string{
		`(?m)^Return-Path: <alice@example\.com>\r$`,
		`Received: from mail\.example\.com \(\[127\.0\.0\.1\]\)\r\n\tby mx\.elsewhere\.test with ESMTPS \(TLS1\.3 `,
		`Received: from client\.example\.net \(\[127\.0\.0\.1\]\)\r\n\tby mail\.example\.com with ESMTPSA `,
		`DKIM-Signature: `,
	} {
		if n := len(regexp.MustCompile(want).FindAllString(header(got), -1)); n != 1 {
			t.Errorf("%s matches %d times:\n%s", want, n, got)
		}
	}
	eventually(t, "alice has a report", func() bool { return len(near.subjects("alice@example.com", "INBOX")) == 1 })
	report := near.newest("alice@example.com", "INBOX")
	for _, want := range []string{"Final-Recipient: rfc822; nosuch@elsewhere.test\r\n", "Status: 5.1.1\r\n", "Remote-MTA: dns; ", "Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "friend@elsewhere.test>:") {
		t.Errorf("the report names a recipient who got it:\n%s", report)
	}

	// What is too large for the other side comes back, too.
	if got := s.message("alice@example.com", "friend@elsewhere.test", "From: alice@example.com\r\nSubject: large\r\n\r\n"+strings.Repeat(strings.Repeat("z", 70)+"\r\n", 1000)); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	eventually(t, "alice has another report", func() bool { return len(near.subjects("alice@example.com", "INBOX")) == 2 })
	if report := near.newest("alice@example.com", "INBOX"); !strings.Contains(report, "Status: 5.3.4\r\n") {
		t.Errorf("the report:\n%s", report)
	}
}

// The sender of a message that waits is told so after the time that is set, once.
func TestTheSenderIsToldOfADelay(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", `["1s", "1s", "1s"]`, `["1s", "1s", "1s", "1s", "1h"]`)
	w.edit("main.mf.hcl", "  relay {", "  queue {\n    delay_warning = \"1s\"\n    concurrency   = 2\n  }\n  relay {")
	if out := w.apply(); !strings.Contains(out, "server.main.sending") {
		t.Errorf("the plan does not say how mail is handed on:\n%s", out)
	}
	w.noChanges()
	s := w.submit("alice@example.com")
	if got := s.message("alice@example.com", "friend@elsewhere.test", "From: alice@example.com\r\nSubject: slow\r\n\r\nx"); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	soon := func() bool { return strings.Count(w.log(), "delivery deferred") >= 5 }
	eventually(t, "five attempts were made", soon)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Fatalf("alice got %v, want one report", got)
	}
	report := w.newest("alice@example.com", "INBOX")
	for _, want := range []string{"Action: delayed\r\n", "Will-Retry-Until: ", "Final-Recipient: rfc822; friend@elsewhere.test\r\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
}

// When the relay stays away, the sender hears of it at the end of the schedule.
func TestTheQueueGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	s := w.submit("alice@example.com")
	if got := s.message("alice@example.com", "friend@elsewhere.test", "From: alice@example.com\r\nSubject: into the void\r\n\r\nx"); !strings.HasPrefix(got, "250") {
		t.Fatal(got)
	}
	w.deliver("outside@example.com", "for others")
	eventually(t, "alice has a report", func() bool { return len(w.subjects("alice@example.com", "INBOX")) == 1 })
	report := w.newest("alice@example.com", "INBOX")
	if !strings.Contains(report, "Action: failed\r\n") || !strings.Contains(report, "Status: 4.4.1\r\n") {
		t.Errorf("the report:\n%s", report)
	}
	// The report to the other sender cannot be delivered either: no report of that.
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("alice got %v", got)
	}
	if n := strings.Count(w.log(), "delivery deferred"); n < 3 {
		t.Errorf("%d attempts before it gave up, want 3:\n%s", n, w.log())
	}
}
