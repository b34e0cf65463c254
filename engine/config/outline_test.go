package config

import (
	"encoding/json"
	"strings"
	"testing"
)

// A password hash is blanked out wherever it stands, and nothing beside it.
func TestFilesShowNoHashes(t *testing.T) {
	m, _ := Load(write(t, "main.mf.hcl", "# was $2y$10$SECRET, now\nlocals {\n  all = { ann = [\"$6$salt$SECRET\", \"b\"] }\n}\n"))
	const want = "# was ************** now\nlocals {\n  all = { ann = [\"**************\", \"b\"] }\n}\n"
	if got := string(m.Files()["main.mf.hcl"].Bytes); got != want {
		t.Errorf("got %s", got)
	}
}

// What a password is made of stands neither in the outline nor among the values
// of variables, though nobody has declared it sensitive.
func TestTheOutlineHasNoSecrets(t *testing.T) {
	const begun = `
variable "plain" { default = "PLAIN" }
variable "users" { default = { ann = { hash = "USERS" } } }
variable "other" { default = "shown" }
locals {
  hash = local.again
  again = var.plain
}
`
	for name, c := range map[string]struct {
		secrets []string
		files   map[string]string
	}{
		"a variable": {[]string{"PLAIN"}, map[string]string{"main.mf.hcl": begun + `
user "ann" {
  domain        = domain.example
  name          = "ann"
  password_hash = local.hash
}`}},
		"a key's value": {[]string{"USERS"}, map[string]string{"main.mf.hcl": begun + `
user "staff" {
  for_each      = var.users
  domain        = domain.example
  name          = each.key
  password_hash = each.value.hash
}`}},
		"a key's value, written in place": {[]string{"SECRET"}, map[string]string{"main.mf.hcl": begun + `
user "staff" {
  for_each      = { ann = { hash = "SECRET" } }
  domain        = domain.example
  name          = each.key
  password_hash = each.value.hash
}`}},
		"a hash in what is for something else": {[]string{"PLAIN", "USERS", "SECRET"}, map[string]string{"main.mf.hcl": strings.NewReplacer("PLAIN", "$6$salt$PLAIN", "USERS", "$6$salt$USERS").Replace(begun) + `
output "hash" { value = "$6$salt$SECRET" }`}},
		"an argument of a module": {[]string{"SECRET", "USERS"}, map[string]string{"main.mf.hcl": begun + `
module "staff" {
  source = "./staff"
  domain = domain.example
  hash   = "SECRET"
  users  = { ann = { hash = "SECRET" } }
}
module "more" {
  source   = "./staff"
  for_each = { a = "SECRET" }
  domain   = domain.example
  hash     = each.value
  users    = var.users
}`, "staff/main.mf.hcl": `
variable "domain" {}
variable "hash" {}
variable "users" {}
user "one" {
  domain        = var.domain
  name          = "one"
  password_hash = var.hash
}
user "staff" {
  for_each      = var.users
  domain        = var.domain
  name          = each.key
  password_hash = each.value.hash
}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var pairs []string
			for name, text := range c.files {
				if name == "main.mf.hcl" {
					text = base + text
				}
				pairs = append(pairs, name, text)
			}
			m, diags := Load(write(t, pairs...))
			if m.Empty() || len(diags) > 0 {
				t.Fatal(sentences(diags))
			}
			raw, err := json.Marshal(m.Outline())
			if err != nil {
				t.Fatal(err)
			}
			cfg, _ := m.Evaluate(Options{AllowUnset: true}, nil) // the passwords are no hashes
			text := string(raw)
			for _, v := range cfg.Variables() {
				text += "\n" + v.Name + ": " + v.Value.GoString()
			}
			for _, s := range c.secrets {
				if strings.Contains(text, s) {
					t.Errorf("%s is in %s", s, text)
				}
			}
			if !strings.Contains(text, "shown") {
				t.Errorf("too much is hidden in %s", text)
			}
		})
	}
}
