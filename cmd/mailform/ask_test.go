package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// On a terminal a variable without a value is asked for; a secret is not shown.
// Where nobody sits it is an error.
func TestScriptsAskForVariablesOnATerminal(t *testing.T) {
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$bM5KaJJyhg1I4vhbEGCZpw$hRtIHLi/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"
	dir := t.TempDir()
	text := `
variable "name" {
  description = "Whose mailbox it is."
}
variable "password" {
  type      = string
  sensitive = true
}
variable "size" {
  default = "1GiB"
}
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
}
domain "example" {
  name       = "example.com"
  postmaster = user.one
  mx { server = server.main }
}
user "one" {
  domain        = domain.example
  name          = var.name
  password_hash = var.password
  quota         = var.size
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x := onTerminal(t, dir, nil, binary, "plan", "-out", "asked.mfplan")
	x.expect(0, "var.name\r\n  Whose mailbox it is.\r\n\r\n  Enter a value: ")
	x.say("carol\r", "var.password\r\n\r\n  Enter a value (it is not shown): ")
	x.say(hash+"\r", "carol@example.com")
	if code := x.end(); code != exitOK {
		t.Errorf("the plan ended with %d: %s", code, x.text(0))
	}
	shown := x.text(0)
	if strings.Contains(shown, "var.size") || strings.Contains(shown, "argon2id") {
		t.Errorf("the terminal has shown what it should not:\n%s", shown)
	}
	plan, err := os.ReadFile(filepath.Join(dir, "asked.mfplan"))
	if err != nil || strings.Contains(string(plan), "argon2id") {
		t.Errorf("the saved plan: %v", err)
	}
	// The saved plan knows what is public; the secret is asked for again.
	x = onTerminal(t, dir, nil, binary, "apply", "asked.mfplan")
	x.expect(0, "Enter a value (it is not shown): ")
	if got := x.text(0); strings.Contains(got, "var.name") {
		t.Errorf("what the plan knows is asked for again: %s", got)
	}
	x.say("\x03", "Interrupted; nothing has been changed")
	if code := x.end(); code != exitError {
		t.Errorf("an interrupt ended with %d", code)
	}
	x = onTerminal(t, dir, nil, binary, "plan", "-input=false")
	x.expect(0, "No value for variable")
	if code := x.end(); code != exitError {
		t.Errorf("-input=false ended with %d", code)
	}
}
