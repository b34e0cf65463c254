package dovecot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
)

// Users put scripts there themselves with sieve-connect, and Dovecot runs them
// after those of the files; in both dialects.
func TestManageSieve(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigOf(t, instance(t),
				user("alice", nil), user("bob", attrs{"sieve": str(intoSpam)}), user("pia", attrs{"protocols": list("pop3")}), user("off", attrs{"mail": str("disabled")}))
			manageSieve(t, r)
		})
	}
}

func manageSieve(t *testing.T, r *rig) {
	at, tls := porttest.Addr(t), porttest.Addr(t)
	service := listener(t, "managesieve", []string{at}, []string{tls})
	if problems, err := r.provider().(providers.Validator).Validate(t.Context(), []schema.Resource{service}); err != nil || len(problems) > 0 {
		t.Errorf("the problems are %+v, %v", problems, err)
	}
	r.apply(creates(service)...)
	file := filepath.Join(t.TempDir(), "own.sieve")
	if err := os.WriteFile(file, []byte("require [\"fileinto\", \"mailbox\"];\nif header :contains \"subject\" \"dinner\" {\n  fileinto :create \"Own\";\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := mailtest.SieveClient{Addr: at}
	for _, name := range []string{"alice", "bob"} {
		client.Must(t, name+"@example.com", "put "+file+" own", "activate own")
		if got := client.Must(t, name+"@example.com", "list"); !strings.Contains(got, `"own" ACTIVE`) {
			t.Errorf("%s has the scripts %s", name, got)
		}
		for _, subject := range []string{"the lottery", "dinner", "anything"} {
			if out, ok := r.deliver(name+"@example.com", subject); !ok {
				t.Errorf("%s is not delivered to %s: %s", subject, name, out)
			}
		}
	}
	for where, want := range map[[2]string]string{
		{"alice", "Own"}: "1", {"alice", "INBOX"}: "2",
		{"bob", "Own"}: "1", {"bob", "INBOX"}: "1", {"bob", "Spam"}: "1",
	} {
		if got := r.in(where[0], where[1]); got != want {
			t.Errorf("%s has %q messages in %s, want %s", where[0], got, where[1], want)
		}
	}
	for _, name := range []string{"pia", "off"} {
		if out, err := client.Run(t, name+"@example.com", "list"); err == nil {
			t.Errorf("%s, who has no IMAP, looks after scripts: %s", name, out)
		}
	}

	// What others do to it is seen: another port, and that it is not served at all.
	seen := func() string { return r.observed()["listener main/managesieve"].Attrs.GoString() }
	want := seen()
	for old, with := range map[string]string{
		" port = " + at[strings.LastIndexByte(at, ':')+1:]: " port = 1",
		"protocols = imap pop3 sieve":                      "protocols = imap pop3",
	} {
		r.edit("mailform/mailform.conf", old, with)
		if seen() == want {
			t.Errorf("%q in the place of %q is not seen", with, old)
		}
		r.apply(r.update(service))
		if got := seen(); got != want {
			t.Errorf("it is restored as %s, want %s", got, want)
		}
	}

	// Removed, it is gone, and so are the users' own scripts from the way of the mail.
	r.apply(r.removal(service))
	if text := r.read("mailform/mailform.conf"); strings.Contains(text, "managesieve") || !strings.Contains(text, "protocols = imap pop3 lmtp\n") {
		t.Errorf("after it was removed: %s", text)
	}
	eventually(t, "nobody listens any more", func() bool {
		_, err := client.Run(t, "alice@example.com", "list")
		return err != nil
	})
}

// What the administrator has of ManageSieve stays as long as no block says
// otherwise.
func TestManageSieveOfTheAdministrator(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	at := porttest.Addr(t)
	r := &rig{DovecotInstance: d, t: t}
	_, port, _ := strings.Cut(at, ":")
	r.edit("dovecot.conf", "protocols =\n", "protocols = sieve\nservice managesieve-login {\n  inet_listener sieve {\n    port = "+port+"\n  }\n}\n")
	r = newRigOf(t, d, user("alice", nil))
	client := mailtest.SieveClient{Addr: at}
	client.Must(t, "alice@example.com", "list")
	if _, ours := r.observed()["listener main/managesieve"]; ours {
		t.Error("it is taken for ours")
	}
	own := porttest.Addr(t)
	service := listener(t, "managesieve", []string{own}, nil)
	r.apply(creates(service)...)
	mailtest.SieveClient{Addr: own}.Must(t, "alice@example.com", "list")
	if out, err := client.Run(t, "alice@example.com", "list"); err == nil {
		t.Errorf("it listens on its former port as well: %s", out)
	}
}

// A Dovecot without the part for ManageSieve says so before there is a plan.
func TestManageSieveIsMissing(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := instance(t)
			bin := filepath.Join(d.ConfigDir, "without")
			if err := os.Mkdir(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			// It is asked about a protocol that no Dovecot has.
			unknown := "#!/bin/sh\nsed -i 's/^protocols = sieve$/protocols = ssieve/' \"$2\"\nexec " + d.Program("doveconf") + " \"$@\"\n"
			if err := os.WriteFile(filepath.Join(bin, "doveconf"), []byte(unknown), 0o755); err != nil {
				t.Fatal(err)
			}
			d.ProgramDir = bin
			r := &rig{DovecotInstance: d, t: t}
			service := listener(t, "managesieve", []string{"127.0.0.1:4190"}, nil)
			problems, err := r.provider().(providers.Validator).Validate(t.Context(), []schema.Resource{service})
			if err != nil || len(problems) != 1 || problems[0].Address != service.Address || !strings.Contains(problems[0].Detail, "dovecot-managesieved") {
				t.Errorf("the problems are %+v, %v", problems, err)
			}
		})
	}
}
