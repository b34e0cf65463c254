package dovecot

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// What others write into the file of users stays.
func TestForeignEntriesStay(t *testing.T) {
	const text = `# of the administrator
#mailform {"user":"alice@example.com","owner":"user.alice.mailbox","lineage":"1","gen":3}
alice@example.com:{SHA512-CRYPT}$6$a$b::::::userdb_quota_rule=*:bytes=1024 userdb_mail=mbox:~/m
bob@example.com:{PLAIN}x:5:6:Bob:/home/bob:/bin/sh:nologin
#retained {"address":"carol@example.com","until":"2026-12-01T00:00:00Z"}
`
	f, err := parseUsers([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	alice, ok := f.find("alice@example.com")
	if !ok || f.users[alice].quota != 1024 || f.users[alice].note.Owner != "user.alice.mailbox" || f.gen != 3 {
		t.Fatalf("%+v", f)
	}
	f.users[alice].quota = 2048
	want := header + "\n#generation 3\n" + strings.Replace(text, "bytes=1024", "bytes=2048", 1)
	if got := string(f.format(dialects[1])); got != want {
		t.Errorf("written is\n%s\nwant\n%s", got, want)
	}
}

func TestVerifiers(t *testing.T) {
	const argon, crypt, scram = "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA", "$6$a$b", "{SCRAM-SHA-256}4096,c2FsdA==,a,b"
	for name, tt := range map[string]struct {
		list []string
		want string
	}{
		"none":                         {nil, "{CRYPT}*"},
		"argon2id":                     {[]string{argon}, "{ARGON2ID}" + argon},
		"SCRAM":                        {[]string{scram}, "{SCRAM-SHA-256}4096,c2FsdA==,a,b"},
		"one for SCRAM before another": {[]string{scram, crypt}, "{SHA512-CRYPT}" + crypt},
		"one that it does not know":    {[]string{"$pbkdf2-sha256$1$a$b", crypt, argon}, "{SHA512-CRYPT}" + crypt},
	} {
		password, n, err := give(tt.list)
		if err != nil || password != tt.want {
			t.Errorf("%s: %q, %v", name, password, err)
		}
		if back := taken(password, n); !slices.Equal(back, tt.list) {
			t.Errorf("%s comes back as %q", name, back)
		}
	}
	for _, bad := range []string{"secret", "$6$a:b", "$6$a\nroot", "$pbkdf2-sha512$1$a$b"} {
		if _, _, err := give([]string{bad}); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzUsers(f *testing.F) {
	f.Add([]byte("a@b:{CRYPT}*::::::userdb_quota_rule=*:bytes=5 x=y\n#mailform {\"gen\":2}\nc@d:x:1:2:3:4:5:6:7\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseUsers(text)
		if err != nil {
			return
		}
		once := file.format(dialects[1])
		again, err := parseUsers(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice := again.format(dialects[1]); !bytes.Equal(once, twice) {
			t.Errorf("%q, then %q", once, twice)
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add("a = 1\nservice x {\n  inet_listener y {\n    port = 3\n  }\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		tree := parseTree(text)
		for _, d := range dialects {
			inForce(tree, d, nil, "/own.pem")
		}
		tree.get("service x/a")
	})
}

func FuzzComplaints(f *testing.F) {
	f.Add("script ab.sieve\nab: line 3: error: x.\nab: error: parse failed.\n", "# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf")
	f.Fuzz(func(t *testing.T, said, version string) {
		if complaints(said) == nil {
			t.Error("a refusal is no error")
		}
		if spoken(version) == nil {
			t.Error("a version without a dialect")
		}
		parameters(said)
	})
}
