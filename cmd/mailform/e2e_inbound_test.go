package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"
)

// senders adds to the house the DNS of those who write to it, which its own name
// server has.
const sendersOf = `
zone "remote" {
  name       = "remote.test"
  nameserver = nameserver.ns1
}

zone "forged" {
  name       = "forged.test"
  nameserver = nameserver.ns1
}

zone "patient" {
  name       = "patient.test"
  nameserver = nameserver.ns1
}

record "remote_spf" {
  zone   = zone.remote
  name   = "@"
  type   = "TXT"
  values = ["v=spf1 ip4:127.0.0.1 -all"]
}

record "remote_dmarc" {
  zone   = zone.remote
  name   = "_dmarc"
  type   = "TXT"
  values = ["v=DMARC1; p=reject"]
}

record "remote_key" {
  zone   = zone.remote
  name   = "sel._domainkey"
  type   = "TXT"
  values = ["v=DKIM1; k=rsa; p=KEY"]
}

record "forged_spf" {
  zone   = zone.forged
  name   = "@"
  type   = "TXT"
  values = ["v=spf1 -all"]
}

record "patient_dmarc" {
  zone   = zone.patient
  name   = "_dmarc"
  type   = "TXT"
  values = ["v=DMARC1; p=quarantine"]
}
`

// Who mail is from is found out, written into it, and acted on as its domain
// wants: with the DNS that another name server has, and a signature that dkimpy
// made.
func TestWhoMailIsFrom(t *testing.T) {
	t.Parallel()
	swaks, dkimsign := need(t, "swaks"), need(t, "dkimsign")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", "  relay {", `  resolver { servers = ["`+w.addr("dns")+`"] }
  inbound  { exempt = [] }
  relay {`)
	w.write("senders.mf.hcl", strings.Replace(sendersOf, "KEY", base64.StdEncoding.EncodeToString(der), 1))
	w.apply()
	w.noChanges()
	w.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))

	message := func(from, subject string) string {
		return "From: " + from + "\nTo: alice@example.com\nSubject: " + subject + "\nMessage-ID: <" + subject + "@remote.test>\n" +
			"Authentication-Results: mail.example.com; dmarc=pass\n\nhello\n"
	}
	for _, c := range []struct {
		subject, from, author string
		signed                bool
		code                  string
		results, mailbox      string
	}{
		{"signed", "x@mailer.patient.test", "x@remote.test", true, "250", "spf=none smtp.mailfrom=x@mailer.patient.test; dkim=pass header.d=remote.test; dmarc=pass (p=reject) header.from=remote.test; arc=none", "INBOX"},
		{"spf", "x@remote.test", "x@remote.test", false, "250", "spf=pass smtp.mailfrom=x@remote.test; dkim=none; dmarc=pass (p=reject) header.from=remote.test; arc=none", "INBOX"},
		{"forged", "x@forged.test", "x@remote.test", false, "550 5.7.1", "", ""},
		{"patient", "x@forged.test", "x@patient.test", false, "250", "spf=fail smtp.mailfrom=x@forged.test; dkim=none; dmarc=fail (p=quarantine) header.from=patient.test; arc=none", "Junk"},
	} {
		w.write("message", message(c.author, c.subject))
		if c.signed {
			// dkimsign takes the message from its input.
			r := w.run("/bin/sh", "-c", `"$0" sel remote.test key.pem < message > signed && mv signed message`, dkimsign)
			if r.code != 0 {
				t.Fatalf("dkimsign: %v", r)
			}
		}
		r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--from", c.from, "--to", "alice@example.com", "--data", "@message")
		if !strings.Contains(r.stdout, "<~  "+c.code) && !strings.Contains(r.stdout, "<~* "+c.code) {
			t.Fatalf("%s: swaks: %v", c.subject, r)
		}
		if c.mailbox == "" {
			continue
		}
		h := header(w.newest("alice@example.com", c.mailbox))
		want := "Authentication-Results: mail.example.com;\r\n\t" + strings.ReplaceAll(c.results, "; ", ";\r\n\t") + "\r\nReceived: "
		if strings.Count(h, "Authentication-Results:") != 1 || !strings.Contains(h, want) || !strings.Contains(h, "Subject: "+c.subject) {
			t.Errorf("%s: there is\n%s\nwant\n%s", c.subject, h, want)
		}
	}

	// What is done about it changes live.
	w.edit("main.mf.hcl", `inbound  { exempt = [] }`, `inbound  { exempt = ["127.0.0.1"] }`)
	w.apply()
	w.write("message", message("x@remote.test", "trusted"))
	if r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--from", "x@forged.test", "--to", "alice@example.com", "--data", "@message"); r.code != 0 {
		t.Fatalf("swaks: %v", r)
	}
	if h := header(w.newest("alice@example.com", "INBOX")); strings.Contains(h, "Authentication-Results") || !strings.Contains(h, "Subject: trusted") {
		t.Errorf("there is\n%s", h)
	}
}

// A full mailbox keeps nobody else's mail away, and gets its own when there is
// room again.
func TestAFullMailboxWaitsAlone(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", `["1s", "1s", "1s"]`, "["+strings.Repeat(`"1s", `, 600)+"]")
	w.edit("main.mf.hcl", `alias "team" {`, `alias "crowd" {
  domain  = domain.example
  name    = "crowd"
  members = [user.alice, user.tiny]
}

alias "team" {`)
	w.apply()
	s := w.greet()
	text := "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 150) // of 16 KiB that there are
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<tiny@example.com>", "250", "DATA", "354", text+".", "250")
	s.expect("MAIL FROM:<a@remote.test>", "250", "RCPT TO:<crowd@example.com>", "250", "DATA", "354", strings.Replace(text, "large", "second", 1)+".", "250")
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 || got[0] != "second" {
		t.Errorf("alice has %q", got)
	}
	if got := w.subjects("tiny@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("tiny has %q", got)
	}
	if n := w.queued(); n != 1 {
		t.Errorf("%d entries wait", n)
	}
	w.edit("main.mf.hcl", `"16KiB"`, `"64KiB"`)
	w.apply()
	eventually(t, "the mail arrives when there is room", func() bool { return len(w.subjects("tiny@example.com", "INBOX")) == 2 })
	eventually(t, "the queue is empty", w.queueIsEmpty)
	if got := w.subjects("alice@example.com", "INBOX"); len(got) != 1 {
		t.Errorf("alice has %q", got)
	}
	h := header(w.newest("tiny@example.com", "INBOX"))
	if !strings.HasPrefix(h, "Return-Path: <a@remote.test>\r\n") || strings.Count(h, "Return-Path:") != 1 {
		t.Errorf("it has\n%s", h)
	}
}

// A bounce of forwarded mail comes back here, and goes to who has sent it.
func TestBouncesOfForwardedMailGoBack(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	sink := w.sink(nil)
	w.deliver("outside@example.com", "forwarded")
	eventually(t, "it goes on", func() bool { return sink.count("forwarded", "one@elsewhere.test") == 1 })
	m := regexp.MustCompile(`X-Mail-Args: <(SRS0=[^>]*@example\.com)>`).FindStringSubmatch(strings.Join(sink.messages(), ""))
	if m == nil {
		t.Fatalf("it goes on as\n%s", sink.messages())
	}
	s := w.greet()
	s.expect("MAIL FROM:<>", "250", "RCPT TO:<"+strings.Replace(m[1], "sender", "victim", 1)+">", "550 5.1.1",
		"RCPT TO:<"+strings.ToLower(m[1])+">", "250", "DATA", "354", "Subject: bounce\r\n\r\nno\r\n.", "250")
	eventually(t, "the bounce goes back", func() bool { return sink.count("bounce", "sender@example.net") == 1 })
	// The key is that of the store, not of the process.
	w.end()
	w.apply()
	s = w.greet()
	s.expect("MAIL FROM:<>", "250", "RCPT TO:<"+m[1]+">", "250")
}
