package dovecot_test

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// After an upgrade to a Dovecot that cannot read the settings of the one before,
// a plan sees that none of them is in force, and an apply writes them anew.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil), user("bob", attrs{"quota": num(64 << 10), "protocols": list("pop3")}))
	if out, ok := r.deliver("bob@example.com", "before"); !ok {
		t.Fatal(out)
	}
	r.Upgrade(t)
	have := r.observed()
	for _, l := range []string{"main/imap", "main/pop3", "main/lmtp"} {
		if o := have["listener "+l]; !o.Attrs.GetAttr("listen").RawEquals(list()) {
			t.Errorf("what nobody reads is in force: %#v", o.Attrs)
		}
	}
	if o := have["mailbox bob@example.com"]; !o.Attrs.GetAttr("quota").RawEquals(num(64 << 10)) {
		t.Errorf("bob has %#v", o.Attrs)
	}
	var batch []providers.Change
	for _, l := range []schema.Resource{
		store(), listener(t, "imap", []string{r.imap}, []string{r.imaps}), listener(t, "pop3", []string{r.pop3}, []string{r.pop3s}), listener(t, "lmtp", []string{r.lmtp}, nil),
	} {
		batch = append(batch, r.update(l))
	}
	r.apply(append(batch, creates(service())...)...)
	if text := r.read("mailform/users"); strings.Contains(text, "quota_rule") || !strings.Contains(text, "userdb_quota_storage_size=65536") {
		t.Errorf("the file of users is of the version before: %s", text)
	}
	if !r.logsIn("alice", "imap://"+r.imap+"/") || r.logsIn("bob", "imap://"+r.imap+"/") {
		t.Error("alice does not get in, or bob does where he may not")
	}
	if out, ok := r.run("curl", "-sS", "-u", "bob@example.com:quickstart", "pop3://"+r.pop3+"/1"); !ok || !strings.Contains(out, "Subject: before") {
		t.Errorf("bob's mail: %s", out)
	}
	for _, l := range batch {
		if o := r.observed()[l.Resource.Kind+" "+l.Resource.Key]; o.Owner != l.Resource.Address || !o.Attrs.RawEquals(l.Resource.Attrs) {
			t.Errorf("%s is %#v", l.Resource.Key, o.Attrs)
		}
	}
}
