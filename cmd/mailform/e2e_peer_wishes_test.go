package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// strictPeer is another mailform, at port 25 of an address: a server that promises to
// hand on by TLS alone what came so.
func strictPeer(t *testing.T, dir, addr string) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.write("main.mf.hcl", w.withPorts(strings.NewReplacer("STRICT", addr, "DIR", dir).Replace(`
server "main" {
  hostname  = "mx-strict.peers.test"
  addresses = ["STRICT"]

  smtp { listen = ["STRICT:25"] }
  imap { listen = ["127.0.0.1:2143"] }
  tls {
    certificate = "DIR/peer.pem"
    key         = "DIR/peer.key"
  }
  relay { host = "127.0.0.1:2587" } # nobody is there
}

domain "strict" {
  name = "strict.peers.test"
  mx { server = server.main }
}

user "away" {
  domain     = domain.strict
  name       = "away"
  mail       = "forward"
  forward_to = ["elsewhere@else.test"]
}
`)))
	w.apply()
	return w
}

// sendersAreTold asks a server for its reports, and one that makes none.
func (w *world) sendersAreTold(peer *peerPostfix) {
	w.t.Helper()
	s := w.submit("alice@example.com")
	const text = "From: alice@example.com\r\nSubject: tell me\r\n\r\nthe text of it\r\n."
	s.expect("MAIL FROM:<alice@example.com> RET=HDRS ENVID=QQ+2B314", "250", "RCPT TO:<dsn@plain.peers.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first@example.com", "250", "DATA", "354", text, "250")
	s.expect("MAIL FROM:<alice@example.com> RET=FULL ENVID=other", "250", "RCPT TO:<dsn@quiet.peers.test> NOTIFY=SUCCESS", "250", "DATA", "354", text, "250")
	for _, words := range [][]string{
		{"Reporting-MTA: dns; mx.example.com", "Original-Envelope-Id: QQ+314", "Original-Recipient: rfc822;first@example.com", "Action: delivered", "text/rfc822-headers"}, // Postfix
		{"Reporting-MTA: dns; mail.example.com", "Original-Envelope-Id: other", "Final-Recipient: rfc822; dsn@quiet.peers.test", "Action: relayed"},                        // in its place
	} {
		if report := w.report(words); strings.Contains(report, "the text of it") {
			w.t.Errorf("a report of success comes with the whole message:\n%s", report)
		}
	}
	if _, there := peer.messages()["dsn@quiet.peers.test"]; !there {
		w.t.Error("what was reported as relayed has not arrived")
	}
}

// report waits for one that has all of these words.
func (w *world) report(words []string) (report string) {
	w.t.Helper()
	soon(w.t, fmt.Sprintf("alice has a report with %q", words), func() bool {
		m := w.mailbox("alice@example.com", "INBOX")
		defer m.c.Close()
		status := regexp.MustCompile(`MESSAGES (\d+)`).FindStringSubmatch(m.imap("n", "STATUS INBOX (MESSAGES)"))
		if status == nil {
			return false
		}
		var n int
		if _, err := fmt.Sscan(status[1], &n); err != nil {
			w.t.Fatal(err)
		}
	next:
		for ; n > 0; n-- {
			report = m.literal("f", fmt.Sprintf("FETCH %d BODY.PEEK[]", n))
			for _, word := range words {
				if !strings.Contains(report, word) {
					continue next
				}
			}
			return true
		}
		return false
	})
	return report
}

// onlyWhereTLSIsPromised sends what must not go without TLS (RFC 8689): a server that
// promises it takes it and remembers, for one that does not it is given back.
func (w *world) onlyWhereTLSIsPromised(peer *world) {
	w.t.Helper()
	s := w.submit("alice@example.com")
	for _, to := range []string{"away@strict.peers.test", "strict@kept.peers.test"} {
		s.expect("MAIL FROM:<alice@example.com> REQUIRETLS", "250", "RCPT TO:<"+to+">", "250", "DATA", "354", "From: alice@example.com\r\nSubject: sealed\r\n\r\nhush\r\n.", "250")
	}
	w.report([]string{"Final-Recipient: rfc822; strict@kept.peers.test", "Action: failed", "Status: 5.7.30"})
	var there []queued
	soon(w.t, "the other server has the message", func() bool {
		if err := json.Unmarshal([]byte(peer.ok("queue", "list", "-json")), &there); err != nil {
			w.t.Fatal(err)
		}
		return len(there) == 1
	})
	if !there[0].RequireTLS {
		w.t.Errorf("the other server was not asked for TLS: %+v", there[0])
	}
}

// policiesAreRemembered ends the server of the policies: what was asked for once holds
// on, over a restart of ours too.
func (w *world) policiesAreRemembered(end func()) {
	w.t.Helper()
	end()
	w.ok("stop", "-data", "mail")
	w.apply()
	w.ok("queue", "retry", "-to=other.peers.test")
	soon(w.t, "the message for other.peers.test is tried again", func() bool {
		var left []queued
		if err := json.Unmarshal([]byte(w.ok("queue", "list", "-json")), &left); err != nil {
			w.t.Fatal(err)
		}
		for _, e := range left {
			if e.To == "sts@other.peers.test" {
				if !strings.Contains(e.Error, "not among the mail servers of other.peers.test's MTA-STS policy") {
					w.t.Fatalf("it waits because of %s", e.Error)
				}
				return e.Attempts == 2
			}
		}
		w.t.Fatal("it was sent to a server that the policy does not name")
		return false
	})
}
