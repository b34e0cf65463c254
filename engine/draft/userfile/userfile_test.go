package userfile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/draft/userfile"
	"github.com/mailform/mailform/schema"
)

const scram = "{SCRAM-SHA-1}4096,MDEyMzQ1Njc4OWFiY2RlZg==,ZnqDkbqfwR2KKV/RA37Ut+cv+dg=,XH6+sRFySz39hhtQA1fE+aOQl/U="

// show is what was read, a thing or a note a line.
func show(u *userfile.Users) string {
	var b strings.Builder
	for _, o := range u.Things {
		fmt.Fprintf(&b, "%s %s", o.Kind, o.Key)
		if o.Kind == schema.KindMailbox {
			for _, h := range o.Attrs.GetAttr("password_hash").AsValueSlice() {
				fmt.Fprintf(&b, " %.12s", h.AsString())
			}
			if q, _ := o.Attrs.GetAttr("quota").AsBigFloat().Int64(); q > 0 {
				fmt.Fprintf(&b, " quota %d", q)
			}
		} else {
			fmt.Fprintf(&b, " %s:", o.Attrs.GetAttr("type").AsString())
			for _, m := range o.Attrs.GetAttr("members").AsValueSlice() {
				fmt.Fprintf(&b, " %s", m.AsString())
			}
		}
		b.WriteByte('\n')
	}
	for _, n := range u.Skipped {
		fmt.Fprintf(&b, "skipped %s\n", n)
	}
	for _, n := range u.Changed {
		fmt.Fprintf(&b, "changed %s\n", n)
	}
	if u.System > 0 {
		fmt.Fprintf(&b, "%d of the system\n", u.System)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct{ format, domain, text, want string }{
		"passwd": {"passwd", "example.org", `# people
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash
Bob:$6$salt$hash:1001:1001::/home/bob:/bin/sh
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
short:x:1002
odd:x:many:1::/:/
alice:x:1003:1003::/:/
`, `mailbox alice@example.org
mailbox bob@example.org $6$salt$hash
skipped line 6: short: a line of passwd has seven fields, and this one has 3
skipped line 7: odd: the third field is no user ID
skipped line 8: alice: line 3 has it already
changed line 3: alice: it has no password; the user cannot log in until there is another password
2 of the system
`},
		"shadow": {"shadow", "example.org", `daemon:*:19000:0:99999:7:::
sshd:!:19000::::::
alice:$6$salt$SECRETHASH:19000:0:99999:7:::
bob:!$6$salt$SECRETHASH:19000:0:99999:7:::
eve:$1$salt$SECRETHASH:19000:0:99999:7:::
yes:$y$j9T$salt$SECRETHASH:19000:0:99999:7:::
alone
`, `mailbox alice@example.org $6$salt$SECR
mailbox bob@example.org
mailbox eve@example.org
mailbox yes@example.org
skipped line 7: alone: a line of shadow has a name and a password
changed line 4: bob: its password is locked; the user cannot log in until there is another password
changed line 5: eve: its password is not a hash that mailform takes; the user cannot log in until there is another password
changed line 6: yes: its password is not a hash that mailform takes; the user cannot log in until there is another password
2 of the system
`},
		"dovecot": {"dovecot", "", `alice@example.org:{SHA512-CRYPT}$6$salt$hash:1000:1000::/home/alice::userdb_quota_rule=*:storage=2G userdb_mail=maildir:~
bob@example.org:{BLF-CRYPT}$2y$05$abcdefg:::::
carol@example.org:` + scram + `::::::userdb_quota_storage_size=500M
dave@example.org:{PLAIN}SECRET:::::
erin@example.org:{smd5}SECRET::::::nologin
frank@example.org:$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA
grace:{SHA512-CRYPT}$6$salt$hash
heidi@example.org:{SHA512-CRYPT}$6$salt$hash::::::userdb_quota_rule=Trash:storage=1G
ivan@example.org:{SE CRET}x
`, `mailbox alice@example.org $6$salt$hash quota 2147483648
mailbox bob@example.org $2y$05$abcde
mailbox carol@example.org {SCRAM-SHA-1 quota 524288000
mailbox dave@example.org
mailbox erin@example.org
mailbox frank@example.org $argon2id$v=
mailbox heidi@example.org $6$salt$hash
mailbox ivan@example.org
skipped line 7: grace: it has no domain; give one with -domain
changed line 4: dave@example.org: its password is kept as {PLAIN}, which mailform does not take; the user cannot log in until there is another password
changed line 5: erin@example.org: the field nologin has no counterpart and is left out
changed line 5: erin@example.org: its password is kept as {SMD5}, which mailform does not take; the user cannot log in until there is another password
changed line 8: heidi@example.org: its quota is left out: only storage=SIZE for all mailboxes is understood
changed line 9: ivan@example.org: its password is not a hash that mailform takes; the user cannot log in until there is another password
`},
		"virtual": {"virtual", "", `example.org  anything
sales@example.org	alice@example.org, bob@example.org
  eve@elsewhere.example
@example.org alice@example.org
@Example.NET a@example.net b@example.net
info@example.org alice
self@example.org self@example.org
none@example.org
`, `route sales@example.org alias: alice@example.org bob@example.org eve@elsewhere.example
route @example.org catch_all: alice@example.org
route @example.net catch_all: a@example.net b@example.net
skipped line 6: info@example.org: its member alice is no address: it has no domain; give one with -domain
skipped line 7: self@example.org: it goes to itself: a user receives mail for its own address anyway
skipped line 8: none@example.org: it has no members
1 of the system
`},
		"aliases": {"aliases", "example.org", `postmaster: root
root:	alice, \bob,
	carol@elsewhere.example
"list": :include:/etc/list
prog: "|/usr/bin/vacation"
file: /var/mail/x
no colon
`, `route postmaster@example.org alias: root@example.org
route root@example.org alias: alice@example.org bob@example.org carol@elsewhere.example
skipped line 4: list: it goes to a program, a file or a list in a file, which an alias cannot
skipped line 5: prog: it goes to a program, a file or a list in a file, which an alias cannot
skipped line 6: file: it goes to a program, a file or a list in a file, which an alias cannot
skipped line 7: no colon: there is no colon after the name
`},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := userfile.Read(strings.NewReader(c.text), c.format, c.domain)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, show(u)); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := userfile.Read(strings.NewReader(""), "csv", ""); err == nil || !strings.Contains(err.Error(), "passwd, shadow, dovecot, virtual, aliases") {
		t.Errorf("an unknown format: %v", err)
	}
	if _, err := userfile.Read(strings.NewReader(strings.Repeat("x", 5<<20)), "virtual", ""); err == nil || !strings.Contains(err.Error(), "line 1: it is longer than 4 MiB") {
		t.Errorf("an endless line: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, format := range userfile.Formats() {
		f.Add(format, "a:$6$s$SECRET:1000:1::/:/\nb@example.org:{PLAIN}SECRET::::::userdb_quota_rule=*:storage=9223372036854775807T\n@d.example x@y.example\n a\n")
	}
	f.Fuzz(func(t *testing.T, format, text string) {
		u, err := userfile.Read(strings.NewReader(text), format, "example.org")
		if err != nil {
			return
		}
		keys := map[string]bool{}
		for _, o := range u.Things {
			if keys[o.Key] {
				t.Errorf("%s is there twice", o.Key)
			}
			keys[o.Key] = true
			if q, ok := o.Attrs.AsValueMap()["quota"]; ok && q.AsBigFloat().Sign() < 0 {
				t.Errorf("%s has a negative quota", o.Key)
			}
		}
		for _, n := range append(u.Skipped, u.Changed...) {
			if n.Line < 1 || strings.Contains(n.String(), "\n") {
				t.Errorf("a note without a line, or of several: %q", n)
			}
		}
	})
}
