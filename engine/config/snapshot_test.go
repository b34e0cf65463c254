package config

import (
	"strings"
	"testing"
)

func TestASnapshotHoldsNoSecret(t *testing.T) {
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$bM5KaJJyhg1I4vhbEGCZpw$hRtIHLi/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"
	m, diags := Load(write(t,
		"main.mf.hcl", `mailform {
  backend "http" {
    address      = "http://127.0.0.1:1/"
    lock_address = "http://127.0.0.1:1/"
    password     = "pw of the state"
  }
  encryption {
    passphrase = "a long passphrase"
    fallback {
      passphrase = "an older passphrase"
    }
  }
}
variable "token" {
  type      = string
  sensitive = true
  default   = "short1"
}
locals {
  note   = "a local may hold a hash: `+hash+`"
  token  = "correct horse battery"
  scheme = "{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,c3RvcmVka2V5,c2VydmVya2V5"
  harmless = "$2 a month, {curly}"
}
user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = <<-EOT
    `+hash+`
    two
  EOT
  quota         = "2GiB"
}
domain "example" {
  name = "example.com"
}
`,
		"more.mf.hcl.json", `{"user": {"bob": {"domain": "${domain.example}", "name": "bob", "password_hash": "`+hash+`"}}}`,
		"mailform.mfvars", `token = "another secret"`,
		"some.auto.mfvars", `token = "yet another secret"`,
		"unrelated.txt", "secret",
		"broken-not-used.hcl", "{",
	))
	_ = diags // what is wrong with the values does not matter here
	files := m.Snapshot([]string{"correct horse battery", "ali"})
	if len(files) != 2 {
		t.Errorf("%d files, want the two of the configuration", len(files))
	}
	for name, text := range files {
		for _, secret := range []string{"argon2", "short1", "battery", "c3RvcmVka2V5", "two\n", "another secret", "pw of the state", "passphrase\"", "older"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q:\n%s", name, secret, text)
			}
		}
	}
	main := files["main.mf.hcl"]
	for _, kept := range []string{`quota         = "2GiB"`, `name          = "alice"`, `harmless = "$2 a month, {curly}"`, `password_hash = "(sensitive value)"`} {
		if !strings.Contains(main, kept) {
			t.Errorf("the snapshot does not have %q:\n%s", kept, main)
		}
	}
	if got := strings.Count(main[:strings.Index(main, "quota")], "\n"); got != 31 {
		t.Errorf("quota stands in line %d of the snapshot, and in line 32 of the file:\n%s", got+1, main)
	}
}
