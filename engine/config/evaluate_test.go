package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestVariablePrecedence(t *testing.T) {
	// Each source stands above those before it.
	files := []string{
		"main.mf.hcl", `
			variable "a" { default = "default" }
			output "a" { value = var.a }`,
		"mailform.mfvars", `a = "mailform.mfvars"`,
		"mailform.mfvars.json", `{"a": "mailform.mfvars.json"}`,
		"a.auto.mfvars", `a = "a.auto"`,
		"b.auto.mfvars.json", `{"a": "b.auto"}`,
		"given.mfvars", `a = "given"`,
	}
	env := []string{"MF_VAR_a=env", "MF_VAR_nobody=x"}
	tests := map[string]struct {
		files int // how many of the files are there
		opts  Options
		want  string
	}{
		"the default":                          {1, Options{}, "default"},
		"the environment":                      {1, Options{Environ: env}, "env"},
		"mailform.mfvars":                      {2, Options{Environ: env}, "mailform.mfvars"},
		"mailform.mfvars.json":                 {3, Options{Environ: env}, "mailform.mfvars.json"},
		"an auto file":                         {4, Options{Environ: env}, "a.auto"},
		"the last auto file":                   {5, Options{Environ: env}, "b.auto"},
		"-var":                                 {5, Options{Environ: env, Vars: []VarArg{{Name: "a", Value: "arg"}}}, "arg"},
		"-var-file after -var":                 {6, Options{Vars: []VarArg{{Name: "a", Value: "arg"}, {File: "given.mfvars"}}}, "given"},
		"-var after -var-file":                 {6, Options{Vars: []VarArg{{File: "given.mfvars"}, {Name: "a", Value: "arg"}}}, "arg"},
		"text with the signs of an expression": {1, Options{Vars: []VarArg{{Name: "a", Value: "[1, ${2}"}}}, "[1, ${2}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, cfg := evaluate(t, tt.opts, files[:2*tt.files]...)
			outs, diags := m.Outputs(cfg, nil)
			if diags.HasErrors() || len(outs) != 1 {
				t.Fatal(sentences(diags))
			}
			if !outs[0].Value.RawEquals(cty.StringVal(tt.want)) {
				t.Errorf("%#v, want %q", outs[0].Value, tt.want)
			}
		})
	}
}

func TestVariableTypes(t *testing.T) {
	m, cfg := evaluate(t, Options{Vars: []VarArg{
		{Name: "n", Value: "5"},
		{Name: "l", Value: `["a", 1]`},
		{Name: "o", Value: `{ bob = {} }`},
		{Name: "nn", Value: `null`},
	}}, "main.mf.hcl", `
		variable "n" { type = number }
		variable "l" { type = list(string) }
		variable "o" { type = map(object({ quota = optional(string, "1GiB") })) }
		variable "nn" {
		  type     = list(string)
		  nullable = false
		  default  = ["d"]
		}
		output "all" { value = [var.n + 1, var.l, var.o.bob.quota, var.nn] }`)
	outs, _ := m.Outputs(cfg, nil)
	s := cty.StringVal
	want := cty.TupleVal([]cty.Value{cty.NumberIntVal(6), cty.ListVal([]cty.Value{s("a"), s("1")}), s("1GiB"), cty.ListVal([]cty.Value{s("d")})})
	if !outs[0].Value.RawEquals(want) {
		t.Errorf("%#v, want %#v", outs[0].Value, want)
	}
}

func TestOutputs(t *testing.T) {
	const more = `
		variable "secret" {
		  sensitive = true
		  default   = "s"
		}
		user "staff" {
		  for_each = toset(["bob", "carol"])
		  domain   = domain.example
		  name     = each.key
		}`
	records := Computed{"domain.example": cty.ObjectVal(map[string]cty.Value{
		"records":   cty.ListVal([]cty.Value{cty.StringVal("example.com. MX 10 mail.example.com.")}),
		"zone_file": cty.StringVal("$ORIGIN example.com."),
		"dkim_txt":  cty.MapVal(map[string]cty.Value{"s1": cty.StringVal("v=DKIM1")}),
	})}
	s := cty.StringVal
	tests := map[string]struct {
		value    string
		computed Computed
		want     cty.Value
	}{
		"a block is its address":               {`user.alice`, nil, s("user.alice")},
		"instances are their addresses":        {`user.staff`, nil, cty.ObjectVal(map[string]cty.Value{"bob": s(`user.staff["bob"]`), "carol": s(`user.staff["carol"]`)})},
		"addresses within lists":               {`[user.alice, 1]`, nil, cty.TupleVal([]cty.Value{s("user.alice"), cty.NumberIntVal(1)})},
		"an attribute":                         {`user.alice.quota`, nil, s("2GiB")},
		"a derived address":                    {`[for u in user.staff : u.address]`, nil, cty.TupleVal([]cty.Value{s("bob@example.com"), s("carol@example.com")})},
		"a reference in an attribute":          {`user.alice.domain`, nil, s("domain.example")},
		"a nested block":                       {`domain.example.mx[0].preference`, nil, cty.NumberIntVal(10)},
		"records":                              {`domain.example.records[0]`, records, s("example.com. MX 10 mail.example.com.")},
		"the zone file":                        {`domain.example.zone_file`, records, s("$ORIGIN example.com.")},
		"a DKIM key that is not yet known":     {`domain.example.dkim_txt["s1"]`, nil, cty.UnknownVal(cty.String)},
		"a DKIM key":                           {`domain.example.dkim_txt["s1"]`, records, s("v=DKIM1")},
		"what is not sensitive of a sensitive": {`nonsensitive(upper(var.secret))`, nil, s("S")},
		"null":                                 {`null`, nil, cty.NullVal(cty.DynamicPseudoType)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, cfg := evaluate(t, Options{}, "main.mf.hcl", base+more+"\noutput \"o\" {\n  value = "+tt.value+"\n}\n")
			outs, diags := m.Outputs(cfg, tt.computed)
			if diags.HasErrors() || len(outs) != 1 {
				t.Fatal(sentences(diags))
			}
			if !outs[0].Value.RawEquals(tt.want) {
				t.Errorf("%#v, want %#v", outs[0].Value, tt.want)
			}
			if m.UsesComputed() {
				t.Error("outputs alone do not make evaluation hang on what is computed")
			}
		})
	}
	m, cfg := evaluate(t, Options{}, "main.mf.hcl", more+base+`
		output "s" {
		  value       = "x${var.secret}"
		  sensitive   = true
		  description = "d"
		}`)
	outs, diags := m.Outputs(cfg, nil)
	if diags.HasErrors() || !outs[0].Sensitive || outs[0].Description != "d" || !outs[0].Value.RawEquals(s("xs")) {
		t.Errorf("%#v %s", outs, sentences(diags))
	}
}

func TestComputedInBlocks(t *testing.T) {
	config := base + `
		record "copy" {
		  zone   = domain.example.zone
		  name   = "copy"
		  type   = "TXT"
		  values = [domain.example.dkim_txt["s1"]]
		}`
	m, cfg := evaluate(t, Options{}, "main.mf.hcl", config)
	if !m.UsesComputed() {
		t.Error("the record is made of what is computed")
	}
	if v := at(t, cfg.instance(t, "record.copy").Body.Object(), "values[0]"); v.IsKnown() {
		t.Errorf("known before it can be: %#v", v)
	}
	cfg, diags := m.Evaluate(Options{}, Computed{"domain.example": cty.ObjectVal(map[string]cty.Value{
		"dkim_txt": cty.MapVal(map[string]cty.Value{"s1": cty.StringVal("v=DKIM1")}),
	})})
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	if v := at(t, cfg.instance(t, "record.copy").Body.Object(), "values[0]"); !v.RawEquals(cty.StringVal("v=DKIM1")) {
		t.Errorf("%#v", v)
	}
}

func TestUnsetVariables(t *testing.T) {
	m, diags := Load(write(t, "main.mf.hcl", base+`
		variable "names" { type = set(string) }
		variable "hash" {
		  type      = string
		  sensitive = true
		}
		user "staff" {
		  for_each      = var.names
		  domain        = domain.example
		  name          = each.key
		  password_hash = var.hash
		}
		alias "all" {
		  domain  = domain.example
		  name    = "all"
		  members = [user.staff["bob"], user.alice]
		}`))
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	if _, diags := m.Evaluate(Options{}, nil); len(diags) != 2 {
		t.Errorf("want two errors:\n%s", sentences(diags))
	}
	cfg, diags := m.Evaluate(Options{AllowUnset: true}, nil)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	for _, in := range cfg.Instances {
		if in.Ref.Name == "staff" {
			t.Errorf("%s: instances of unknown keys", in.Ref)
		}
	}
	members := at(t, cfg.instance(t, "alias.all").Body.Object(), "members")
	if members.LengthInt() != 2 || members.Index(cty.Zero).IsKnown() {
		t.Errorf("%#v", members)
	}
}

func TestSensitiveValuesStayMarked(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", base+`
		variable "domain" {
		  default   = "secret.example"
		  sensitive = true
		}
		domain "s" { name = var.domain }
		user "u" {
		  domain  = domain.s
		  name    = "u"
		  aliases = [user.u.address == "" ? "a" : "b"]
		}`)
	if v := at(t, cfg.instance(t, "domain.s").Body.Object(), "name"); !v.HasMark(Sensitive) {
		t.Errorf("%#v is not sensitive", v)
	}
	aliases := at(t, cfg.instance(t, "user.u").Body.Object(), "aliases")
	if v, marks := aliases.UnmarkDeep(); len(marks) == 0 {
		t.Errorf("%#v is not sensitive, though it is made of what is", v)
	}
}

func TestInstances(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "b.mf.hcl", base, "a.mf.hcl", `
		user "room" {
		  count      = 11
		  domain     = domain.example
		  name       = "room${count.index}"
		  depends_on = [user.staff, server.main, user.staff["b"]]
		}
		user "staff" {
		  for_each = toset(["b", "a"])
		  domain   = domain.example
		  name     = each.key
		  lifecycle { prevent_destroy = true }
		}
		user "nobody" {
		  count  = 0
		  domain = domain.example
		  name   = "nobody"
		}`)
	var got []string
	for _, in := range cfg.Instances {
		got = append(got, in.Ref.String())
	}
	want := `domain.example nameserver.ns1 server.main user.alice user.room[0] user.room[1] user.room[2] user.room[3] user.room[4] user.room[5] user.room[6] user.room[7] user.room[8] user.room[9] user.room[10] user.staff["a"] user.staff["b"]`
	if strings.Join(got, " ") != want {
		t.Errorf("instances %v, want %s", got, want)
	}
	if !cfg.instance(t, `user.staff["a"]`).PreventDestroy || cfg.instance(t, "user.alice").PreventDestroy {
		t.Error("prevent_destroy is not where it was written")
	}
	var deps []string
	for _, d := range cfg.instance(t, "user.room[3]").DependsOn {
		deps = append(deps, d.String())
	}
	if want := `server.main user.staff user.staff["b"]`; strings.Join(deps, " ") != want {
		t.Errorf("depends on %v, want %s", deps, want)
	}
}

func TestAttrRange(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", `domain "example" {
  name = "example.com"
  mx { host = "a.example.net" }
  mx {
    host       = "b.example.net"
    preference = 20
  }
}
user "alice" {
  domain  = domain.example
  name    = "alice"
  aliases = ["a", "b"]
}
`)
	tests := []struct{ address, path, want string }{
		{"domain.example", "name", "main.mf.hcl:2,10-23"},
		{"domain.example", "mx[1].preference", "main.mf.hcl:6,18-20"},
		{"domain.example", "mx[0].host", "main.mf.hcl:3,15-30"},
		{"domain.example", "mx[0].preference", "main.mf.hcl:3,3-5"}, // its default: the block
		{"domain.example", "mx[7].host", "main.mf.hcl:1,1-17"},
		{"domain.example", "spf.policy", "main.mf.hcl:1,1-17"},
		{"user.alice", "aliases[1]", "main.mf.hcl:12,19-22"},
		{"user.alice", "aliases", "main.mf.hcl:12,13-23"},
		{"user.alice", "quota", "main.mf.hcl:9,1-13"},
		{"user.alice", "", "main.mf.hcl:9,1-13"},
		{"user.alice", "[[", "main.mf.hcl:9,1-13"},
	}
	for _, tt := range tests {
		if got := cfg.instance(t, tt.address).Source.AttrRange(tt.path).String(); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.address, tt.path, got, tt.want)
		}
	}
}

func TestProviders(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", `
		variable "dir" { default = "./x" }
		provider "embedded" {
		  alias    = "second"
		  data_dir = var.dir
		}
		provider "embedded" {}`)
	if len(cfg.Providers) != 2 || cfg.Providers[0].Target() != "embedded" || cfg.Providers[1].Target() != "embedded.second" {
		t.Fatalf("%#v", cfg.Providers)
	}
	for i, want := range []string{"./mail", "./x"} {
		if got := cfg.Providers[i].Value.GetAttr("data_dir"); !got.RawEquals(cty.StringVal(want)) {
			t.Errorf("data_dir %#v, want %q", got, want)
		}
		if !cfg.Providers[i].Value.Type().Equals(schema.ProviderByName("embedded").ImpliedType()) {
			t.Errorf("type %#v", cfg.Providers[i].Value.Type())
		}
	}
}

func TestFilesInFunctions(t *testing.T) {
	dir := write(t, "main.mf.hcl", `
		output "o" {
		  value = [file("a.txt"), templatefile("t.tpl", { names = ["x", "y"] }), fileexists("none"), fileset(".", "*.txt"), path.module]
		}`, "a.txt", "text", "t.tpl", "%{for n in names}${upper(n)}%{endfor}")
	m, diags := Load(dir)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	cfg, _ := m.Evaluate(Options{}, nil)
	outs, diags := m.Outputs(cfg, nil)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	want := cty.TupleVal([]cty.Value{cty.StringVal("text"), cty.StringVal("XY"), cty.False, cty.SetVal([]cty.Value{cty.StringVal("a.txt")}), cty.StringVal(".")})
	if !outs[0].Value.RawEquals(want) {
		t.Errorf("%#v", outs[0].Value)
	}
}

// Every example of the documentation and every directory of examples is right.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.mf.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		m, diags := Load(filepath.Dir(file))
		if !diags.HasErrors() {
			_, diags = m.Evaluate(Options{AllowUnset: true}, nil)
		}
		for _, d := range diags {
			if src, _ := os.ReadFile(file); strings.Contains(string(src), "@ALICE@") && strings.Contains(d.Detail, "password_hash") {
				continue // the hashes are put in by the build
			}
			t.Errorf("%s: %s: %s", file, d.Summary, d.Detail)
		}
	}
}

// The examples of the reference, taken together, are a configuration.
func TestReferenceExamples(t *testing.T) {
	var text strings.Builder
	for _, b := range schema.Blocks() {
		text.WriteString(b.Example + "\n")
	}
	text.WriteString(`
		variable "alice_phone_hash" {
		  type      = string
		  sensitive = true
		}
		user "staff" {
		  for_each = local.staff
		  domain   = domain.example
		  name     = each.key
		  quota    = each.value.quota
		}`)
	const hash = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$ZGlnZXN0"
	_, cfg := evaluate(t, Options{Vars: []VarArg{{Name: "alice_password_hash", Value: hash}, {Name: "alice_phone_hash", Value: hash}}},
		"main.mf.hcl", text.String(), "staff.csv", "name,quota\nbob,1GiB\n",
		"customer/main.mf.hcl", `
			variable "name" {}
			variable "server" {}
			domain "main" {
			  name   = var.name
			  server = var.server
			}`)
	if len(cfg.Instances) != 17 {
		t.Errorf("%d instances", len(cfg.Instances))
	}
}
