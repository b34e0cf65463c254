package cyrus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const (
	sorting      = "require [\"fileinto\", \"mailbox\"];\r\n# für Zoë\r\nif header :contains \"subject\" \"lottery\" {\r\n  fileinto :create \"INBOX/Spam\";\r\n}\r\n"
	otherSorting = "require [\"fileinto\", \"mailbox\"];\nfileinto :create \"INBOX/All\";\n"
)

// Scripts of the files are those by which Cyrus sorts mail, of all users over one
// connection; what somebody does to one is seen, and put back.
func TestScriptsOfTheFiles(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 3)
	imap, lmtp, sieve := ps[0], ps[1], ps[2]
	begin(t, p, listener("imap", list(imap), list()), listener("lmtp", list(lmtp), list()), listener("managesieve", list(sieve), list()))
	do(t, p, parameter("failedloginpause", "0s"))

	// Half of the users have one.
	var users []schema.Resource
	for i := range 20 {
		text := cty.NullVal(cty.String)
		if i%2 == 0 {
			text = str(sorting)
		}
		users = append(users, mailbox(fmt.Sprintf("u%d@example.com", i), attrs{"sieve": text}))
	}
	change(t, p, creates(users...)...)
	scriptIs := func(user string, want cty.Value) *providers.Observed {
		t.Helper()
		o := find(t, p, schema.KindMailbox, user+"@example.com")
		if o == nil || !o.Attrs.GetAttr("sieve").RawEquals(want) {
			t.Errorf("%s has the script %#v, want %#v", user, o, want)
		}
		return o
	}
	none := cty.NullVal(cty.String)
	for i := range users {
		scriptIs(fmt.Sprintf("u%d", i), users[i].Attrs.GetAttr("sieve"))
	}
	change(t, p, creates(users...)...) // it is done already
	arrives := func(user, subject, box string) {
		t.Helper()
		if out, ok := ask(t, "swaks", "--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", user+"@example.com", "--header", "Subject: "+subject); !ok {
			t.Errorf("LMTP: %s", out)
		}
		out, ok := ask(t, "curl", "-sSk", "-u", user+"@example.com:quickstart", "imap://"+imap+"/"+box, "-X", "SEARCH SUBJECT \""+subject+"\"")
		if !ok || strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out), "* SEARCH")) == "" {
			t.Errorf("%s of %s does not have %q: %s", box, user, subject, out)
		}
	}
	arrives("u0", "the lottery", "INBOX/Spam")
	arrives("u1", "the lottery", "INBOX")

	// Another script is made active by the user, the text is changed, the script goes.
	client := mailtest.SieveClient{Addr: sieve}
	own := filepath.Join(t.TempDir(), "own.sieve")
	if err := os.WriteFile(own, []byte("keep;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, hand := range map[string]struct {
		commands []string
		seen     cty.Value
	}{
		"another is active": {[]string{"put " + own + " own", "activate own"}, none},
		"it is changed":     {[]string{"put " + own + " mailform", "activate mailform"}, str("keep;\n")},
		"it is gone":        {[]string{"deactivate", "delete mailform"}, none},
	} {
		client.Must(t, "u0@example.com", hand.commands...)
		o := scriptIs("u0", hand.seen)
		change(t, p, providers.Change{Action: providers.Update, Resource: users[0], Prior: o})
		if scriptIs("u0", str(sorting)); t.Failed() {
			t.Fatalf("when %s", what)
		}
	}

	// Another text, and none: the user's own scripts stay.
	update := func(user string, r schema.Resource) {
		t.Helper()
		change(t, p, providers.Change{Action: providers.Update, Resource: r, Prior: find(t, p, schema.KindMailbox, user+"@example.com")})
	}
	update("u1", mailbox("u1@example.com", attrs{"sieve": str(otherSorting)}))
	scriptIs("u1", str(otherSorting))
	arrives("u1", "dinner", "INBOX/All")
	update("u0", mailbox("u0@example.com", nil))
	scriptIs("u0", none)
	if got := client.Must(t, "u0@example.com", "list"); strings.Contains(got, "mailform") || !strings.Contains(got, "own") {
		t.Errorf("u0 has the scripts %s", got)
	}
	arrives("u0", "another lottery", "INBOX")

	// Whoever comes back without a script has none.
	change(t, p, providers.Change{Action: providers.Delete, Resource: users[2], Prior: find(t, p, schema.KindMailbox, "u2@example.com")})
	update("u2", mailbox("u2@example.com", nil))
	arrives("u2", "the lottery", "INBOX")
	for range 2 { // with the mail and the script of before
		change(t, p, providers.Change{Action: providers.Delete, Resource: users[8], Prior: find(t, p, schema.KindMailbox, "u8@example.com")})
		update("u8", users[8])
		scriptIs("u8", str(sorting))
	}

	// What is none is told before anything is done, and refused where it is tried.
	bad := mailbox("u4@example.com", attrs{"sieve": str("keep;\nfileinto \"x\";\nnonsense")})
	problems, err := p.Validate(t.Context(), []schema.Resource{bad, users[6]})
	if err != nil || len(problems) != 1 || problems[0].Attribute != "sieve" || !strings.Contains(problems[0].Detail, "line ") {
		t.Errorf("a script that is none: %+v, %v", problems, err)
	}
	err = p.Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: bad, Prior: find(t, p, schema.KindMailbox, "u4@example.com")}},
		func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err == nil || !strings.Contains(err.Error(), "sieve: ") {
		t.Errorf("a script that is none is taken: %v", err)
	}
	scriptIs("u4", str(sorting))
}
