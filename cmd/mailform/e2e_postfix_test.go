package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Postfix hands mail to mailform, over TLS or not at all, and takes mail from it: what
// it refuses comes back to the sender with its words, unless the sender wants none, and
// addresses and headers beyond ASCII go both ways as they are.
func TestPostfixOnBothSides(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	python := "/usr/bin/python3"
	pf := newPostfix(t)
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", `relay { host = "`+w.addr("relay"), `relay { host = "`+pf.addr)
	w.apply()
	base := filepath.Dir(filepath.Dir(pf.maildir))
	etc := filepath.Join(base, "etc")
	for _, args := range [][]string{
		{"postconf", "-c", etc, "-e", "myhostname = mx.elsewhere.test", "virtual_mailbox_domains = elsewhere.test", "virtual_mailbox_maps = static:u1/", "relay_domains = example.com", "relay_transport = smtp",
			"relayhost = [127.0.0.1]:" + strings.TrimPrefix(w.addr("smtp"), "127.0.0.1:"), "smtp_tls_security_level = encrypt",
			"smtpd_recipient_restrictions = check_recipient_access inline:{ {refused@elsewhere.test = 550 5.7.1 Not with us, says Postfix} {quiet@elsewhere.test = 550 5.7.1 Not with us, says Postfix} }"},
		{"postfix", "-c", etc, "stop"},
		{"postfix", "-c", etc, "start"},
	} {
		if out, err := exec.Command(need(t, args[0]), args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	soon(t, "Postfix answers", func() bool { return reachable(pf.addr) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon's log:\n%s\nPostfix's:\n%s", w.log(), readFile(t, filepath.Join(base, "log")))
		}
	})
	arrived := func(subject string) string {
		t.Helper()
		var found string
		soon(t, "Postfix has "+subject, func() bool {
			files, err := filepath.Glob(filepath.Join(pf.maildir, "new", "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if found = readFile(t, f); strings.Contains(found, "\nSubject: "+subject+"\n") {
					return true
				}
			}
			return false
		})
		return found
	}

	t.Run("what comes from Postfix has come over TLS", func(t *testing.T) {
		w := w.in(t)
		if r := w.run(swaks, "--server", pf.addr, "--ehlo", "client.remote.test", "--from", "probe@remote.test", "--to", "alice@example.com", "--header", "Subject: by Postfix"); r.code != 0 {
			t.Fatalf("swaks: %v", r)
		}
		soon(t, "alice has the message", func() bool { return len(w.subjects("alice@example.com", "INBOX")) == 1 })
		h := header(w.newest("alice@example.com", "INBOX"))
		received := regexp.MustCompile(`(?m)^Received: (?:.*\r\n[ \t])*.*$`).FindAllString(h, -1)
		if len(received) != 2 || !regexp.MustCompile(`^Received: from mx\.elsewhere\.test \(\[127\.0\.0\.1\]\)\s+by mail\.example\.com with ESMTPS \(TLS1\.3 `).MatchString(received[0]) ||
			!regexp.MustCompile(`^Received: from client\.remote\.test .*\s+by mx\.elsewhere\.test \(Postfix\) with ESMTP `).MatchString(received[1]) {
			t.Errorf("the way of the message is %q", received)
		}
		if strings.Count(h, "Return-Path: ") != 1 || !strings.HasPrefix(h, "Return-Path: <probe@remote.test>\r\n") {
			t.Errorf("not one Return-Path on top of\n%s", h)
		}
	})
	t.Run("what Postfix refuses comes back with its words", func(t *testing.T) {
		w := w.in(t)
		s := w.submit("bob@example.com")
		s.expect("MAIL FROM:<bob@example.com>", "250", "RCPT TO:<refused@elsewhere.test>", "250", "RCPT TO:<quiet@elsewhere.test> NOTIFY=NEVER", "250", "DATA", "354",
			"From: bob@example.com\r\nSubject: to nobody\r\n\r\nx\r\n.", "250")
		soon(t, "bob has a report", func() bool { return len(w.subjects("bob@example.com", "INBOX")) == 1 })
		report := w.newest("bob@example.com", "INBOX")
		for _, want := range []string{"Return-Path: <>\r\n", "Final-Recipient: rfc822; refused@elsewhere.test\r\n", "Action: failed\r\n", "Status: 5.7.1\r\n", "Not with us, says Postfix"} {
			if !strings.Contains(report, want) {
				t.Errorf("the report has no %q:\n%s", want, report)
			}
		}
		if strings.Contains(report, "quiet@") {
			t.Errorf("the report is about somebody whom it must not be about:\n%s", report)
		}
		// Nobody is told of one who is alone, either.
		s.expect("MAIL FROM:<bob@example.com>", "250", "RCPT TO:<quiet@elsewhere.test> NOTIFY=NEVER", "250", "DATA", "354", "From: bob@example.com\r\nSubject: to nobody\r\n\r\nx\r\n.", "250")
		soon(t, "the queue is empty", w.queueIsEmpty)
		if got := w.subjects("bob@example.com", "INBOX"); len(got) != 1 {
			t.Errorf("bob has %q", got)
		}
	})
	t.Run("addresses and headers beyond ASCII", func(t *testing.T) {
		w := w.in(t)
		w.write("utf8.py", `
import email.message, email.policy, imaplib, smtplib, ssl, sys
smtp, smtps, imaps = sys.argv[1:4]
ctx = ssl.create_default_context(cafile="mail/tls/ca.pem")
def message(sender, to, subject):
    m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    m["From"], m["To"], m["Subject"] = sender, to, subject
    m.set_content("Grüße\n")
    return m
with smtplib.SMTP("localhost", int(smtp)) as s:
    s.starttls(context=ctx)
    m = message("jürgen@remote.test", "alice@example.com", "Grüße von außen")
    s.send_message(m, "jürgen@remote.test", ["alice+größe@example.com"], mail_options=["SMTPUTF8", "BODY=8BITMIME"])
with smtplib.SMTP_SSL("localhost", int(smtps), context=ctx) as s:
    s.login("alice@example.com", "quickstart")
    m = message("alice@example.com", "josé@elsewhere.test", "Grüße nach außen")
    s.send_message(m, "alice@example.com", ["josé@elsewhere.test"], mail_options=["SMTPUTF8", "BODY=8BITMIME"])
with imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=ctx) as c:
    c.login("alice@example.com", "quickstart")
    print(c.enable("UTF8=ACCEPT")[0], c.select("INBOX")[0])
    print(c.search(None, 'SUBJECT "Grüße von außen"'))
    number = c.search(None, 'FROM "jürgen"')[1][0].split()[-1].decode()
    for line in c.fetch(number, "(ENVELOPE)")[1] + c.fetch(number, "(BODY.PEEK[])")[1]:
        for part in line if isinstance(line, tuple) else (line,):
            print(part.decode())
    print(c.append("INBOX", "", None, message("alice@example.com", "alice@example.com", "Ein Entwurf für später").as_bytes())[0])
    print(c.search(None, 'SUBJECT "für später"'))
`)
		r := w.run(python, "utf8.py", port(w.addr("smtp")), port(w.addr("smtps")), port(w.addr("imaps")))
		if r.code != 0 {
			t.Fatalf("Python: %v", r)
		}
		for _, want := range []string{"OK OK\n", `"Grüße von außen"`, `"jürgen" "remote.test"`, "Return-Path: <jürgen@remote.test>", "with UTF8SMTPS", "Subject: Grüße von außen\r\n"} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("there is no %q in what Python reads by IMAP:\n%s", want, r.stdout)
			}
		}
		got := arrived("Grüße nach außen")
		for _, want := range []string{"Delivered-To: josé@elsewhere.test\n", "To: josé@elsewhere.test\n", "with UTF8SMTP", "DKIM-Signature: "} {
			if !strings.Contains(got, want) {
				t.Errorf("there is no %q in what Postfix has:\n%s", want, got)
			}
		}
	})
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// A probe as an administrator makes one: swaks hands it in, mbsync fetches it. What is
// too large is refused before it comes, where its size is told, and behind it where it
// is not; the session is in step in both cases.
func TestAProbeBySwaksAndMbsync(t *testing.T) {
	t.Parallel()
	swaks, mbsync := need(t, "swaks"), need(t, "mbsync")
	w := newHouse(t, "64KiB")
	w.edit("main.mf.hcl", "  relay {", "  resolver { servers = [\""+w.addr("dns")+"\"] }\n  inbound  { exempt = [] }\n  relay {")
	w.write("remote.mf.hcl", "zone \"remote\" {\n  name       = \"remote.test\"\n  nameserver = nameserver.ns1\n}\n")
	w.apply()
	r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--ehlo", "probe.remote.test", "--to", "alice@example.com", "--from", "probe@remote.test", "--header", "Subject: a probe")
	if r.code != 0 || !regexp.MustCompile(`(?m)^<~  250 2\.\d\.\d .*[A-Z0-9]{16}`).MatchString(r.stdout) {
		t.Fatalf("swaks has no 250 with an ID: %v", r)
	}
	w.write("mbsyncrc", "IMAPStore far\nHost localhost\nPort "+port(w.addr("imaps"))+"\nUser alice@example.com\nPass quickstart\nSSLType IMAPS\nCertificateFile "+filepath.Join(w.dir, "mail", "tls", "ca.pem")+"\n\n"+
		"MaildirStore near\nInbox "+w.dir+"/maildir\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n")
	if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
		t.Fatalf("mbsync: %v", r)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "maildir", "*", "*,*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("mbsync has %q, %v", files, err)
	}
	got := readFile(t, files[0])
	for _, want := range []string{
		`(?m)^Return-Path: <probe@remote\.test>$`,
		`(?m)^Received: from probe\.remote\.test \(\[127\.0\.0\.1\]\)\n\tby mail\.example\.com with ESMTPS \(TLS1\.3 \w+\)\n\tid [A-Z0-9]{16} for <alice@example\.com>; `,
		`(?m)^Authentication-Results: mail\.example\.com;\s+spf=none smtp\.mailfrom=probe@remote\.test;\s+dkim=none;\s+dmarc=none `,
	} {
		name := regexp.MustCompile(`\^([A-Za-z-]+: )`).FindStringSubmatch(want)[1]
		if !regexp.MustCompile(want).MatchString(got) || strings.Count(got, "\n"+name)+strings.Count(got[:len(name)], name) != 1 {
			t.Errorf("not one field %s in\n%s", want, got)
		}
	}

	w.write("big", strings.Repeat(strings.Repeat("x", 70)+"\n", 2000))
	r = w.run(swaks, "--server", w.addr("smtp"), "-tls", "--to", "alice@example.com", "--from", "probe@remote.test", "--body", "@big", "--suppress-data")
	if !regexp.MustCompile(`(?s)<~\* 552 5\.3\.4 .*~> QUIT\s+<~  221 `).MatchString(r.stdout) {
		t.Errorf("swaks with a message that is too large: %v", r)
	}
	w.write("big.py", `
import smtplib, sys
s = smtplib.SMTP("localhost", int(sys.argv[1]))
try:
    s.sendmail("probe@remote.test", "alice@example.com", open("big").read())
except smtplib.SMTPSenderRefused as e:
    print("at MAIL:", e.smtp_code, e.smtp_error.decode())
s.sendmail("probe@remote.test", "alice@example.com", "Subject: behind it\r\n\r\nx\r\n")
print(s.quit()[0])
`)
	if r := w.run("/usr/bin/python3", "big.py", port(w.addr("smtp"))); !regexp.MustCompile(`^at MAIL: 552 5\.3\.4 .*\n221\n$`).MatchString(r.stdout) {
		t.Errorf("Python, which tells the size: %v", r)
	}
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 2 {
		t.Errorf("alice has %q", got)
	}
}
