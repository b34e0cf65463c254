package ldap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
)

// sample is a file of docs/ldap, for a server of a test.
func sample(t *testing.T, s *ldaptest.Server, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/ldap/" + name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	changed := strings.NewReplacer("ldap://127.0.0.1\n", s.URL+"\n", "= secret\n", "= "+ldaptest.Password+"\n").Replace(string(text))
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// everybody fills a directory with users and routes of each sort. The password of
// all is "secret".
func everybody(t *testing.T) *ldaptest.Server {
	t.Helper()
	s := ldaptest.Start(t, ldaptest.Options{})
	hash, err := auth.Hash([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	user := func(name string, change attrs) schema.Resource {
		if change == nil {
			change = attrs{}
		}
		change["password_hash"] = list(hash)
		return mailbox(name+"@example.com", change)
	}
	var batch []providers.Change
	for _, r := range []schema.Resource{
		user("alice", nil),
		user("imap", attrs{"protocols": list("imap"), "quota": num(0)}),
		user("none", attrs{"protocols": list()}),
		user("disabled", attrs{"mail": str("disabled")}),
		user("keeps", attrs{"mail": str("forward")}),
		route("sales@example.com", "alias", false, "alice@example.com", "out@example.net"),
		route("keeps@example.com", "forward", true, "out@example.net"),
		route("@example.org", "catch_all", false, "alice@example.com"),
	} {
		batch = append(batch, create(r))
	}
	do(t, provider(t, s, lineage, nil), batch...)
	return s
}

// Postfix finds by the maps of docs/ldap who is there.
func TestPostfixLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	postmap := ldaptest.Need(t, "postmap")
	s := everybody(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "etc")
	if err := os.Mkdir(config, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-r", "/etc/postfix/dynamicmaps.cf", "/etc/postfix/dynamicmaps.cf.d", config).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: Postfix is not as Debian has it: %s", out)
	}
	if err := os.WriteFile(filepath.Join(config, "main.cf"), []byte("compatibility_level = 3.6\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mailboxes, aliases, copies := sample(t, s, dir, "postfix-mailboxes.cf"), sample(t, s, dir, "postfix-aliases.cf"), sample(t, s, dir, "postfix-copies.cf")
	for _, c := range [][3]string{
		{mailboxes, "alice@example.com", "alice@example.com"},
		{mailboxes, "ALICE@example.com", "alice@example.com"},
		{mailboxes, "imap@example.com", "imap@example.com"},
		{mailboxes, "keeps@example.com", "keeps@example.com"},
		{mailboxes, "disabled@example.com", ""},
		{mailboxes, "nobody@example.com", ""},
		{mailboxes, "*@example.com", ""},
		{mailboxes, "a)(mail=*@example.com", ""},
		{aliases, "sales@example.com", "alice@example.com,out@example.net"},
		{aliases, "@example.org", "alice@example.com"},
		{aliases, "alice@example.com", ""},
		{copies, "keeps@example.com", "keeps@example.com,out@example.net"},
		{copies, "sales@example.com", ""},
	} {
		out, err := exec.Command(postmap, "-c", config, "-q", c[1], "ldap:"+c[0]).CombinedOutput()
		if strings.Contains(string(out), "unsupported dictionary type") && os.Getenv("CI") != "true" {
			t.Skip("SKIPPED: postfix-ldap is not installed")
		}
		if got := strings.TrimSpace(string(out)); got != c[2] || (err == nil) != (c[2] != "") {
			t.Errorf("%s in %s: %q, %v", c[1], filepath.Base(c[0]), got, err)
		}
	}
}

// Dovecot finds by docs/ldap/dovecot-ldap.conf.ext who is there, what each may use,
// and how much mail there can be.
func TestDovecotLooksIntoTheDirectory(t *testing.T) {
	t.Parallel()
	dovecot, doveadm := ldaptest.Need(t, "dovecot"), ldaptest.Need(t, "doveadm")
	if _, err := os.Stat("/usr/lib/dovecot/modules/auth/libauthdb_ldap.so"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dovecot-ldap is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: dovecot-ldap is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: Dovecot wants to be started by root")
	}
	s := everybody(t)
	dir, err := os.MkdirTemp("", "dovecot") // a short path, for its sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ext := sample(t, s, dir, "dovecot-ldap.conf.ext")
	conf := filepath.Join(dir, "dovecot.conf")
	text := strings.NewReplacer("DIR", dir, "EXT", ext).Replace(`
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
instance_name = mailform-ldap
protocols =
ssl = no
auth_failure_delay = 0
mail_location = maildir:DIR/mail/%d/%n
auth_mechanisms = plain
passdb {
  driver = ldap
  args = EXT
}
userdb {
  driver = ldap
  args = EXT
  default_fields = uid=nobody gid=nogroup home=DIR/mail/%d/%n
}
first_valid_uid = 1
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dovecot, "-F", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("dovecot:\n%s", log)
		}
	})
	ask := func(args ...string) (string, error) {
		out, err := exec.Command(doveadm, append([]string{"-c", conf}, args...)...).CombinedOutput()
		return string(out), err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := ask("user", "alice@example.com")
		if err == nil && strings.Contains(out, "quota_rule\t*:bytes=1073741824") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("doveadm user: %v\n%s", err, out)
		}
	}
	for _, c := range []struct {
		user, service, password string
		want                    bool
	}{
		{"alice", "imap", "secret", true}, {"alice", "pop3", "secret", true}, {"alice", "smtp", "secret", true}, {"alice", "imap", "Secret", false},
		{"imap", "imap", "secret", true}, {"imap", "pop3", "secret", false}, {"imap", "smtp", "secret", true},
		{"none", "imap", "secret", false}, {"none", "pop3", "secret", false}, {"none", "smtp", "secret", true},
		{"disabled", "imap", "secret", false}, {"disabled", "smtp", "secret", false},
		{"nobody", "imap", "secret", false}, {"*", "imap", "secret", false},
	} {
		out, err := ask("auth", "test", "-x", "service="+c.service, c.user+"@example.com", c.password)
		if (err == nil) != c.want {
			t.Errorf("%s with %q at %s: %v\n%s", c.user, c.password, c.service, err, out)
		}
	}
	if out, err := ask("user", "imap@example.com"); err != nil || strings.Contains(out, "quota_rule") {
		t.Errorf("a user without a quota: %v\n%s", err, out)
	}
	if out, err := ask("user", "nobody@example.com"); err == nil {
		t.Errorf("nobody:\n%s", out)
	}
	if out, err := ask("user", "*@example.com"); err != nil || strings.Count(out, "@example.com") != 5 {
		t.Errorf("all of them: %v\n%s", err, out)
	}
}
