package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/mailform/mailform/engine/config"
)

func TestTheKeyringIsWhatTheFilesSay(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"pass.txt": "a passphrase out of a file\n", "empty.txt": "\n", "id.txt": "# a comment\n" + id.String() + "\n", "to.txt": id.Recipient().String() + "\n"}
	for name, c := range map[string]struct {
		text    string // of the block
		environ []string
		want    string // part of the error; empty: none
		plain   bool   // nothing is sealed
	}{
		"a passphrase":                       {`passphrase = "correct horse battery"`, nil, "", false},
		"one out of a file":                  {`passphrase_file = "pass.txt"`, nil, "", false},
		"one out of the environment":         {``, []string{"MF_ENCRYPTION_PASSPHRASE=correct horse battery"}, "", false},
		"values that are sensitive":          {"passphrase = var.secret\nenforced = var.on\nplain = !var.on", nil, "", false},
		"an identity":                        {`identity_file = "id.txt"`, nil, "", false},
		"one out of the environment, text":   {``, []string{"MF_ENCRYPTION_IDENTITY=" + id.String()}, "", false},
		"recipients and an identity":         {"recipients_file = \"to.txt\"\nidentity_file = \"id.txt\"", nil, "", false},
		"recipients, identity from the file": {`recipients_file = "to.txt"`, []string{"MF_ENCRYPTION_IDENTITY_FILE=" + "id.txt"}, "MF_ENCRYPTION_IDENTITY_FILE cannot be read", false},
		"no key":                             {``, nil, "it names no key", false},
		"no key but an old one":              {`fallback { passphrase = "x" }`, nil, "it names no key", false},
		"no key any more":                    {"plain = true\nfallback {\npassphrase = \"x\"\n}", nil, "", true},
		"no key any more, and none to read":  {`plain = true`, nil, "needs a block fallback", false},
		"plain and enforced":                 {"plain = true\nenforced = true", nil, "do not go with it", false},
		"plain, in spite of the environment": {"plain = true\nfallback {\npassphrase = \"x\"\n}", []string{"MF_ENCRYPTION_PASSPHRASE=correct horse battery"}, "", true},
		"a short passphrase":                 {`passphrase = "hunter2"`, nil, "has 7 bytes, and needs at least 16", false},
		"an empty file":                      {`passphrase_file = "empty.txt"`, nil, "is empty", false},
		"no such file":                       {`passphrase_file = "none.txt"`, nil, "passphrase_file cannot be read", false},
		"a passphrase twice":                 {"passphrase = \"correct horse battery\"\npassphrase_file = \"pass.txt\"", nil, "exclude each other", false},
		"a passphrase and an identity":       {"passphrase = \"correct horse battery\"\nidentity_file = \"id.txt\"", nil, "one of them has to be", false},
		"recipients alone":                   {`recipients_file = "to.txt"`, nil, "no identity to read with", false},
		"an identity as a recipient":         {"recipients_file = \"id.txt\"\nidentity_file = \"id.txt\"", nil, "which is secret", false},
		"no identity in a file":              {`identity_file = "to.txt"`, nil, "an age identity is not one", false},
		"an empty fallback":                  {"passphrase = \"correct horse battery\"\nfallback {}", nil, "a block fallback names no key", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := "variable \"secret\" {\n  sensitive = true\n  default = \"correct horse battery\"\n}\nvariable \"on\" {\n  sensitive = true\n  default = true\n}\nmailform {\nencryption {\n" + c.text + "\n}\n}\n"
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			module, diags := config.Load(dir)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			keys, diags := (&Workspace{Dir: dir}).Keyring(module, config.Options{Environ: c.environ})
			switch {
			case strings.Contains(diags.Error(), "hunter2") || strings.Contains(diags.Error(), id.String()):
				t.Errorf("the error holds a secret: %v", diags)
			case c.want == "" && diags.HasErrors():
				t.Error(diags)
			case c.want == "" && keys.Seals() == c.plain:
				t.Errorf("seals: %v", keys.Seals())
			case !strings.Contains(diags.Error(), c.want):
				t.Errorf("got %v, want %s", diags, c.want)
			}
		})
	}
}
