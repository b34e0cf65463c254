package cyrus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// Users put scripts there themselves with sieve-connect, and Cyrus runs them.
func TestManageSieve(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 4)
	imap, lmtp, sieve := ps[0], ps[1], ps[2]
	service := listener("managesieve", list(sieve), list())
	begin(t, p, listener("imap", list(imap), list()), listener("lmtp", list(lmtp), list()), service)
	do(t, p, parameter("failedloginpause", "0s"))
	change(t, p, creates(mailbox("ida@example.com", nil), mailbox("pia@example.com", attrs{"protocols": list("pop3")}), mailbox("off@example.com", attrs{"mail": str("disabled")}))...)
	file := filepath.Join(t.TempDir(), "own.sieve")
	if err := os.WriteFile(file, []byte("require [\"fileinto\", \"mailbox\"];\nif header :contains \"subject\" \"lottery\" {\n  fileinto :create \"INBOX/Spam\";\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := mailtest.SieveClient{Addr: sieve}
	if got := client.Must(t, "ida@example.com", "put "+file+" own", "activate own", "list"); !strings.Contains(got, `"own" ACTIVE`) {
		t.Errorf("ida has the scripts %s", got)
	}
	for _, subject := range []string{"the lottery", "dinner"} {
		if out, ok := ask(t, "swaks", "--timeout", "180", "--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", "ida@example.com", "--header", "Subject: "+subject); !ok {
			t.Errorf("LMTP: %s", out)
		}
	}
	for box, want := range map[string]string{"INBOX": "dinner", "INBOX/Spam": "lottery"} {
		out, ok := ask(t, "curl", "-sSk", "-u", "ida@example.com:quickstart", "imap://"+imap+"/"+box, "-X", "UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
		if !ok || !strings.Contains(out, "* 1 FETCH") || strings.Contains(out, "* 2 FETCH") {
			t.Errorf("%s, which is to have %s: %s", box, want, out)
		}
	}
	for _, name := range []string{"pia", "off"} {
		if out, err := client.Run(t, name+"@example.com", "list"); err == nil {
			t.Errorf("%s, who has no IMAP, looks after scripts: %s", name, out)
		}
	}
	// It is no service that begins with TLS, and where it is taken away it is gone.
	problems, err := p.Validate(t.Context(), []schema.Resource{listener("managesieve", list(), list(ps[3]))})
	if err != nil || len(problems) != 1 || problems[0].Attribute != "listen_tls" {
		t.Errorf("with TLS from the first byte: %+v, %v", problems, err)
	}
	change(t, p, providers.Change{Action: providers.Delete, Resource: service, Prior: find(t, p, schema.KindListener, "main/managesieve")})
	if text, err := os.ReadFile(filepath.Join(c.ConfigDir, "cyrus.conf")); err != nil || strings.Contains(string(text), "timsieved") {
		t.Errorf("after it was taken away: %s, %v", text, err)
	}
}
