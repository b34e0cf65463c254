package daemon

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// sendLimitText limits users at submission.
func sendLimitText(t *testing.T, change map[string]int) string {
	t.Helper()
	attrs := map[string]any{"owner": "main", "service": "submission", "exempt": []string{}}
	for name, n := range change {
		attrs[name] = n
	}
	text, err := json.Marshal(attrs)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAUserSendsAsMuchAsHeMay(t *testing.T) {
	t.Parallel()
	hash, err := auth.Hash([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, map[string][]string{"alice@example.com": {hash}, "bob@example.com": {hash}})
	send := func(user string, to ...string) error {
		t.Helper()
		c, err := smtp.Dial(f.at["submission"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		if err := c.Auth(smtp.PlainAuth("", user, "secret", "127.0.0.1")); err != nil {
			t.Fatal(err)
		}
		if err := c.Mail(user); err != nil {
			return fmt.Errorf("MAIL: %w", err)
		}
		for _, r := range to {
			if err := c.Rcpt(r); err != nil {
				return fmt.Errorf("RCPT: %w", err)
			}
		}
		w, err := c.Data()
		if err != nil {
			return fmt.Errorf("DATA: %w", err)
		}
		fmt.Fprintf(w, "From: <%s>\r\nSubject: hello\r\n\r\nHello.\r\n", user)
		return w.Close()
	}
	refused := func(err error, verb string) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), verb+": 450 \"4.7.1 You have sent as many ") || !strings.Contains(err.Error(), " UTC") {
			t.Errorf("beyond the limit: %v", err)
		}
	}
	f.must(create("limit", "main/submission", sendLimitText(t, map[string]int{"user_messages_per_hour": 2})))
	for range 2 {
		if err := send("alice@example.com", "bob@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	refused(send("alice@example.com", "bob@example.com"), "MAIL")
	if err := send("bob@example.com", "alice@example.com"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if err := f.end(); err != nil {
		t.Fatal(err)
	}
	f.running = runIn(t, f.dir)
	refused(send("alice@example.com", "bob@example.com"), "MAIL")

	recipients := change("update", "limit", "main/submission", sendLimitText(t, map[string]int{"user_recipients_per_day": 3}))
	f.must(recipients)
	if err := send("alice@example.com", "bob@example.com"); err != nil {
		t.Errorf("the third recipient of the day: %v", err)
	}
	refused(send("alice@example.com", "bob@example.com"), "MAIL")
	refused(send("bob@example.com", "alice@example.com", "bob@example.com", "alice+x@example.com"), "RCPT")
	f.must(change("delete", "limit", "main/submission", "null"))
	if err := send("alice@example.com", "bob@example.com"); err != nil {
		t.Errorf("without limits: %v", err)
	}
}
