package config

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A testKey is an age key made for one test.
func testKey(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// encrypt is what the age program does, with -a where armored is set.
func encrypt(t testing.TB, id *age.X25519Identity, plain string, armored bool) string {
	t.Helper()
	var b bytes.Buffer
	var out io.Writer = &b
	closers := []io.Closer{}
	if armored {
		a := armor.NewWriter(&b)
		out, closers = a, append(closers, a)
	}
	w, err := age.Encrypt(out, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, plain); err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]io.Closer{w}, closers...) {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

const declared = `
variable "hash" { type = string }
variable "people" {
  type    = map(object({ hash = string, quota = optional(string, "1GiB") }))
  default = {}
}
output "hash" {
  value     = var.hash
  sensitive = true
}
`

// variablesOf loads a directory and returns the variables, and what was said.
func variablesOf(t testing.TB, dir string, opts Options) (map[string]cty.Value, *Module, hcl.Diagnostics) {
	t.Helper()
	m, diags := Load(dir)
	cfg, more := m.Evaluate(opts, nil)
	return cfg.evaluator.vars, m, append(diags, more...)
}

func TestFilesEncryptedByAge(t *testing.T) {
	id := testKey(t)
	keyFile := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(keyFile, []byte("# created: today\n"+id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config/sops/age"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".config/sops/age/keys.txt"), []byte(id.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file, text, env string
		armored         bool
	}{
		"binary, the key in the environment":  {"staff.auto.mfvars.age", "hash = \"hunter2\"\n", "MF_AGE_KEY=" + id.String(), false},
		"armored, the key in a file":          {"staff.auto.mfvars.age", "hash = \"hunter2\"\n", "MF_AGE_KEY_FILE=" + keyFile, true},
		"the general file, the key of SOPS":   {"mailform.mfvars.age", "hash = \"hunter2\"\n", "SOPS_AGE_KEY=" + id.String(), true},
		"JSON, the key file of SOPS":          {"mailform.mfvars.json.age", `{"hash": "hunter2"}`, "SOPS_AGE_KEY_FILE=" + keyFile, true},
		"the file where SOPS keeps its keys":  {"staff.auto.mfvars.age", "hash = \"hunter2\"\n", "HOME=" + home, false},
		"the same under another folder":       {"staff.auto.mfvars.age", "hash = \"hunter2\"\n", "XDG_CONFIG_HOME=" + home + "/.config", false},
		"a file given on the command line":    {"elsewhere.age", "hash = \"hunter2\"\n", "MF_AGE_KEY=" + id.String(), false},
		"one that says more than is declared": {"staff.auto.mfvars.age", "hash = \"hunter2\"\nother = 1\n", "MF_AGE_KEY=" + id.String(), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", declared, tt.file, encrypt(t, id, tt.text, tt.armored))
			opts := Options{Environ: []string{tt.env}}
			if !strings.Contains(tt.file, "mfvars") {
				opts.Vars = []VarArg{{File: tt.file}}
			}
			vars, m, diags := variablesOf(t, dir, opts)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			v := vars["hash"]
			if !v.HasMark(Sensitive) {
				t.Fatalf("%#v is not sensitive", v)
			}
			if v, _ = v.Unmark(); v.AsString() != "hunter2" {
				t.Errorf("got %#v", v)
			}
			if !m.SensitiveVariable("hash") {
				t.Error("a saved plan would hold it")
			}
			if _, ok := m.Sources()[tt.file]; !ok && len(opts.Vars) == 0 {
				t.Error("a saved plan would not see that the file has changed")
			}
		})
	}
}

// What the age program writes is read, and without a key is left closed.
func TestFilesEncryptedByTheAgeProgram(t *testing.T) {
	if _, err := exec.LookPath("age"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("age is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: age is not installed; .ci/peers installs it")
	}
	id := testKey(t)
	for _, flag := range []string{"-e", "-a"} {
		cmd := exec.Command("age", flag, "-r", id.Recipient().String())
		cmd.Stdin = strings.NewReader("hash = \"hunter2\"\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		dir := write(t, "main.mf.hcl", declared, "mailform.mfvars.age", string(out))
		vars, _, diags := variablesOf(t, dir, Options{Environ: []string{"MF_AGE_KEY=" + id.String()}})
		if v, _ := vars["hash"].Unmark(); diags.HasErrors() || v.AsString() != "hunter2" {
			t.Errorf("age %s: %#v, %v", flag, v, diags)
		}
	}
}

func TestEncryptedFilesInValidation(t *testing.T) {
	id := testKey(t)
	dir := write(t, "main.mf.hcl", declared, "mailform.mfvars.age", encrypt(t, id, "hash = \"hunter2\"\n", true))
	vars, _, diags := variablesOf(t, dir, Options{AllowUnset: true})
	if diags.HasErrors() || len(diags) != 1 || diags[0].Summary != "Encrypted values not read" {
		t.Errorf("without a key: %v", diags)
	}
	if vars["hash"].IsKnown() {
		t.Errorf("without a key: %#v", vars["hash"])
	}
}

// Whatever is wrong with an encrypted file is said in one message, which shows
// nothing of what was encrypted.
func TestEncryptedFilesThatAreWrong(t *testing.T) {
	id, other := testKey(t), testKey(t)
	good := encrypt(t, id, "hash = \"hunter2\"\n", false)
	key := "MF_AGE_KEY=" + id.String()
	for name, tt := range map[string]struct {
		content, env, want string
	}{
		"no key":                  {good, "", "there is no age key here that opens it"},
		"another key":             {good, "MF_AGE_KEY=" + other.String(), "there is no age key here that opens it"},
		"a key that is none":      {good, "MF_AGE_KEY=hunter2", "MF_AGE_KEY gives no age key"},
		"a key file that is none": {good, "SOPS_AGE_KEY_FILE=/nowhere/key", "the file that SOPS_AGE_KEY_FILE names cannot be read: no such file"},
		"cut off":                 {good[:len(good)-3], key, "it is damaged, or was changed"},
		"changed":                 {good[:len(good)-1] + string([]byte{good[len(good)-1] ^ 1}), key, "it is damaged, or was changed"},
		"only the header":         {good[:60], key, "it is damaged, or was changed"},
		"not encrypted":           {"hash = \"hunter2\"\n", key, "it is not encrypted by age"},
		"empty":                   {"", key, "it is not encrypted by age"},
		"bad syntax":              {encrypt(t, id, "hash = hunter2 hunter2\n", true), key, "has an error in line 1"},
		"a reference":             {encrypt(t, id, "hash = var.hunter2\n", true), key, "has an error in line 1, column 8: Variables not allowed"},
		"a block":                 {encrypt(t, id, "hunter2 {\n}\n", true), key, "has an error in line 1"},
		"no text":                 {encrypt(t, id, "hash = \"\xff\"", true), key, "is not UTF-8 text"},
		"a wrong type":            {encrypt(t, id, "hash = [\"hunter2\"]", true), key, "does not fit its type: string required"},
		"a wrong type within":     {encrypt(t, id, "hash = \"\"\npeople = { hunter2 = { hash = {} } }", true), key, "does not fit its type: where it does not is secret"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", declared, "mailform.mfvars.age", tt.content)
			opts := Options{}
			if tt.env != "" {
				opts.Environ = []string{tt.env}
			}
			text, errs := told(t, dir, opts)
			if errs != 1 || !strings.Contains(text, tt.want) {
				t.Errorf("%d errors, want one with %q:\n%s", errs, tt.want, text)
			}
			for _, secret := range []string{"hunter2", "AGE-SECRET-KEY"} {
				if strings.Contains(text, secret+"\"") || strings.Contains(text, secret) && secret == "hunter2" {
					t.Errorf("the message shows a secret:\n%s", text)
				}
			}
		})
	}
}

// told is what a terminal shows of a directory that is evaluated, and how many
// errors there are.
func told(t testing.TB, dir string, opts Options) (string, int) {
	t.Helper()
	_, m, diags := variablesOf(t, dir, opts)
	var out bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&out, m.Files(), 0, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), "\n", " "), len(diags.Errs())
}

func TestFilesEncryptedBySOPS(t *testing.T) {
	const folder = "internal/sealed/testdata/"
	read := func(name string) string {
		b, err := os.ReadFile(folder + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const config = `
variable "hash" { type = string }
variable "people" { type = map(object({ hash = string })) }
alias "person" {
  for_each = var.people
  domain   = domain.example
  name     = each.key
  members  = ["${each.key}@elsewhere.net"]
}
domain "example" {
  name = "example.com"
}
`
	for _, tt := range []struct{ file, from string }{
		{"mailform.mfvars.sops.yaml", "all.yaml"},
		{"mailform.mfvars.sops.yml", "some.yaml"},
		{"staff.auto.mfvars.yaml", "most.yaml"},
		{"staff.auto.mfvars.sops.json", "all.json"},
		{"staff.auto.mfvars.json", "suffix.json"},
		{"secrets.yaml", "all.yaml"},
		{"secrets.json", "all.json"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", config, tt.file, read(tt.from))
			opts := Options{Environ: []string{"SOPS_AGE_KEY_FILE=" + folder + "key.txt"}}
			if !strings.Contains(tt.file, "mfvars") {
				opts.Vars = []VarArg{{File: tt.file}}
			}
			vars, _, diags := variablesOf(t, dir, opts)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if v := vars["hash"]; !v.HasMark(Sensitive) {
				t.Errorf("%#v is not sensitive", v)
			}
			hash := vars["people"].Index(cty.StringVal("alice")).GetAttr("hash")
			if !hash.HasMark(Sensitive) {
				t.Errorf("%#v is not sensitive", hash)
			}
		})
	}
	for name, tt := range map[string]struct{ file, content, want string }{
		"a YAML file that is not encrypted":  {"mailform.mfvars.yaml", "hash: hunter2\n", "Values that are not encrypted stand in mailform.mfvars"},
		"a JSON file that only says so":      {"mailform.mfvars.sops.json", `{"hash": "hunter2"}`, "it is not encrypted by SOPS"},
		"a file that was changed":            {"mailform.mfvars.sops.yaml", strings.Replace(read("all.yaml"), "seen", "sent", 1), "was changed by someone without the key"},
		"a file for somebody else":           {"mailform.mfvars.sops.yaml", read("other.yaml"), "there is no age key"},
		"no file":                            {"", "", "no such file"},
		"a wrong type, which is not shown":   {"mailform.mfvars.sops.json", read("all.json"), "does not fit its type"},
		"a name that is not declared, a lot": {"mailform.mfvars.sops.yaml", read("all.yaml"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := declared
			if strings.Contains(name, "wrong type") {
				config = "variable \"hash\" { type = list(string) }\n"
			}
			parts := []string{"main.mf.hcl", config}
			opts := Options{Environ: []string{"SOPS_AGE_KEY_FILE=" + folder + "key.txt"}}
			if tt.file == "" {
				opts.Vars = []VarArg{{File: "no.sops.yaml"}}
			} else {
				parts = append(parts, tt.file, tt.content)
			}
			text, errs := told(t, write(t, parts...), opts)
			if tt.want == "" {
				if errs != 0 {
					t.Error(text)
				}
			} else if errs != 1 || !strings.Contains(text, tt.want) {
				t.Errorf("%d errors, want one with %q:\n%s", errs, tt.want, text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("the message shows a secret:\n%s", text)
			}
		})
	}
}
