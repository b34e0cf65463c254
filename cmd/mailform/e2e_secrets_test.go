package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// Secrets come from everywhere that they can come from, and are nowhere but in the
// files that hold them and in the data directory.
func TestNoSecretLeaksFromAnySource(t *testing.T) {
	ageProgram, sopsProgram := need(t, "age"), need(t, "sops")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// Six hashes that differ in their salts.
	hash := hashInQuickstart(t)
	salted := func(letter string) string {
		return strings.Replace(hash, "bM5KaJJyhg1I", strings.Repeat(letter, 12), 1)
	}
	hashes := map[string]string{
		"environment": salted("e"), "ephemeral": salted("E"), "file": salted("f"), "command": salted("c"), "age": salted("a"), "sops": salted("s"),
	}
	w := newWorld(t, map[string]string{"main.mf.hcl": strings.Split(quickstart(t), "user \"bob\"")[0] + `
variable "environment" {
  type      = string
  sensitive = true
}
variable "ephemeral" {
  type      = string
  ephemeral = true
}
variable "command" {
  type    = string
  command = ["./secret.sh", "command"]
}
variable "age" { type = string }
variable "people" { type = map(object({ hash = string, quota = string })) }

locals {
  hashes = {
    environment = var.environment
    ephemeral   = var.ephemeral
    command     = var.command
    age         = var.age
    file        = sensitive(trimspace(file("hash.txt")))
  }
}
user "sources" {
  for_each      = toset(["environment", "ephemeral", "command", "age", "file"])
  domain        = domain.example
  name          = each.key
  password_hash = local.hashes[each.key]
}
user "people" {
  for_each      = var.people
  domain        = domain.example
  name          = each.key
  password_hash = each.value.hash
  quota         = each.value.quota
}
output "age" {
  value     = var.age
  sensitive = true
}
output "command" {
  value     = { of = var.command }
  sensitive = true
}
`})
	w.write("secret.sh", "#!/bin/sh\nprintf '%s\\n' '"+hashes["command"]+"'\necho '"+hashes["command"]+"' >&2\n")
	if err := os.Chmod(filepath.Join(w.dir, "secret.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("hash.txt", hashes["file"]+"\n")
	recipient := id.Recipient().String()
	for _, file := range []struct{ name, text, program string }{
		{"staff.auto.mfvars.age", "age = \"" + hashes["age"] + "\"\n", ageProgram + " -a -r " + recipient},
		{"people.auto.mfvars.sops.yaml", "people:\n  sops:\n    hash: " + hashes["sops"] + "\n    quota: 1GiB\n", sopsProgram + " encrypt --input-type yaml --output-type yaml --age " + recipient + " /dev/stdin"},
	} {
		args := strings.Fields(file.program)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(file.text)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", file.program, err)
		}
		w.write(file.name, string(out))
	}
	w.env = []string{
		"MF_VAR_environment=" + hashes["environment"], "MF_VAR_ephemeral=" + hashes["ephemeral"],
		"MF_AGE_KEY=" + id.String(), "MF_ALLOW_COMMANDS=1",
	}

	var said bytes.Buffer
	run := func(code int, args ...string) string {
		r := w.mailform(args...)
		said.WriteString(r.String())
		if r.code != code {
			t.Errorf("mailform %v: %v", args, r)
		}
		return r.String()
	}
	run(0, "validate", "-json")
	run(0, "plan", "-out", "p.mfplan")
	run(0, "show", "-json", "p.mfplan")
	run(0, "show", "-markdown", "p.mfplan")
	run(0, "plan", "-json")
	run(0, "apply", "p.mfplan")
	w.noChanges()
	run(0, "show", "-json")
	run(0, "output")
	run(0, "state", "pull")
	run(0, "status", "-json")

	// In place of each hash something that is wrong, and what is said about it.
	main := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	for _, source := range []string{"var.environment", "var.ephemeral", "var.command", "var.age", "local.hashes.file", "var.people[\"sops\"].hash"} {
		for _, wrong := range []string{
			"output \"wrong\" {\n  value = " + source + "\n}\n",
			"output \"wrong\" {\n  value     = tonumber(" + source + ")\n  sensitive = true\n}\n",
			"output \"wrong\" {\n  value     = [ptr(" + source + "), cidrhost(" + source + ", 1), file(" + source + "), jsondecode(" + source + "), timeadd(" + source + ", \"1h\")]\n  sensitive = true\n}\n",
			"output \"wrong\" {\n  value     = templatestring(\"$${ptr(a)}\", { a = " + source + " })\n  sensitive = true\n}\n",
			"output \"wrong\" {\n  value     = { a = 1 }[" + source + "]\n  sensitive = true\n}\n",
			"user \"wrong\" {\n  domain = domain.example\n  name   = " + source + "\n}\n",
			"user \"wrong\" {\n  domain = domain.example\n  name   = \"wrong\"\n  quota  = " + source + "\n}\n",
			"user \"wrong\" {\n  for_each = toset([" + source + "])\n  domain   = domain.example\n  name     = each.key\n}\n",
			"record \"wrong\" {\n  zone   = domain.example.zone\n  name   = \"wrong\"\n  type   = \"A\"\n  values = [" + source + "]\n}\n",
			"check \"wrong\" {\n  assert {\n    condition     = " + source + " == \"\"\n    error_message = \"It is ${" + source + "}.\"\n  }\n}\n",
		} {
			w.write("wrong.mf.hcl", wrong)
			said.WriteString(w.mailform("plan").String())
			said.WriteString(w.mailform("plan", "-json").String())
		}
	}
	if err := os.Remove(filepath.Join(w.dir, "wrong.mf.hcl")); err != nil {
		t.Fatal(err)
	}
	// And the sources themselves out of order.
	env := w.env
	for name, tt := range map[string]struct {
		break_ func()
		want   string
	}{
		"no key":             {func() { w.env = append(env[:2:2], env[3]) }, "No key for encrypted values"},
		"commands forbidden": {func() { w.env = env[:3] }, "Commands are not allowed"},
		"a command fails":    {func() { w.edit("secret.sh", "#!/bin/sh\n", "#!/bin/sh\necho '"+hashes["command"]+"'; exit 1\n") }, "Command failed"},
		"a file is cut off": {func() {
			w.write("staff.auto.mfvars.age", readFile(t, filepath.Join(w.dir, "staff.auto.mfvars.age"))[:300])
		}, "Cannot open encrypted values"},
		"a variable of lists": {func() { w.write("main.mf.hcl", strings.ReplaceAll(main, "type = string", "type = list(string)")) }, "Invalid value for variable"},
	} {
		w.env = env
		before := map[string]string{}
		for _, file := range []string{"secret.sh", "staff.auto.mfvars.age", "main.mf.hcl"} {
			before[file] = readFile(t, filepath.Join(w.dir, file))
		}
		tt.break_()
		if text := run(1, "plan"); !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s", name, text)
		}
		for file, text := range before {
			if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.env = env

	said.WriteString(w.log())
	for _, file := range []string{"mailform.mfstate", "mailform.mfstate.journal", "p.mfplan"} {
		b, err := os.ReadFile(filepath.Join(w.dir, file))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		said.Write(b)
		if strings.HasSuffix(file, "plan") {
			if out, err := exec.Command("unzip", "-p", filepath.Join(w.dir, file)).Output(); err == nil {
				said.Write(out)
			}
		}
	}
	for source, hash := range hashes {
		salt := strings.Split(hash, "$")[4]
		if i := strings.Index(said.String(), salt[:8]); i >= 0 {
			t.Errorf("the hash from the source %q is in what mailform printed or stored: …%q", source, said.String()[max(0, i-600):i+20])
		}
	}
	if strings.Contains(said.String(), "AGE-SECRET-KEY") {
		t.Error("the age key is in what mailform printed or stored")
	}
}
