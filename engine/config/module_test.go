package config

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const house = `
	server "main" { hostname = "mail.example.com" }
	domain "example" {
	  name   = "example.com"
	  server = server.main
	}`

// addresses lists the instances of a configuration.
func (c *Config) addresses() string {
	var list []string
	for _, inst := range c.Instances {
		list = append(list, inst.Ref.String())
	}
	return strings.Join(list, " ")
}

func TestModules(t *testing.T) {
	const staff = `
		variable "domain" {}
		variable "names" { type = list(string) }
		user "staff" {
		  for_each = toset(var.names)
		  domain   = var.domain
		  name     = each.key
		}
		output "users" { value = user.staff }
		output "first" { value = user.staff[var.names[0]] }
		output "count" { value = length(var.names) }`
	for name, c := range map[string]struct {
		files []string
		// want are attributes of instances as they should be, by address and path.
		want map[string]string
		// all are the addresses of all instances, where that matters.
		all string
	}{
		"a block handed in stays what it is": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./staff"
				  domain = domain.example
				  names  = ["bob"]
				}`, "staff/main.mf.hcl", staff},
			want: map[string]string{`module.a.user.staff["bob"] domain`: "domain.example"},
			all:  `domain.example server.main module.a.user.staff["bob"]`,
		},
		"a block handed out can be referred to": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./staff"
				  domain = domain.example
				  names  = ["bob", "carol"]
				}
				alias "one" {
				  domain  = domain.example
				  name    = "one"
				  members = [module.a.first]
				}
				alias "all" {
				  domain  = domain.example
				  name    = "all"
				  members = concat(values(module.a.users), ["x@example.net"])
				}`, "staff/main.mf.hcl", staff},
			want: map[string]string{
				"alias.one members[0]": `module.a.user.staff["bob"]`,
				"alias.all members[1]": `module.a.user.staff["carol"]`,
			},
		},
		"two modules may refer to each other's blocks": {
			files: []string{"main.mf.hcl", `
				module "domain" {
				  source     = "./domain"
				  postmaster = module.users.boss
				}
				module "users" {
				  source = "./users"
				  domain = module.domain.domain
				}`,
				"domain/main.mf.hcl", `
				variable "postmaster" {}
				domain "it" {
				  name       = "example.com"
				  postmaster = var.postmaster
				}
				output "domain" { value = domain.it }`,
				"users/main.mf.hcl", `
				variable "domain" {}
				user "boss" {
				  domain = var.domain
				  name   = "boss"
				}
				output "boss" { value = user.boss }`},
			want: map[string]string{
				"module.domain.domain.it postmaster": "module.users.user.boss",
				"module.users.user.boss domain":      "module.domain.domain.it",
			},
		},
		"attributes of a block are read on the other side of a border": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./a"
				  it     = { d = domain.example }
				}
				record "x" {
				  zone   = domain.example.zone
				  name   = "x"
				  type   = "TXT"
				  values = [module.a.user.name]
				}`,
				"a/main.mf.hcl", `
				variable "it" { type = object({ d = any }) }
				locals { d = var.it.d }
				user "u" {
				  domain = local.d
				  name   = "me"
				  aliases = [replace(local.d.name, ".", "-")]
				}
				output "user" { value = user.u }`},
			want: map[string]string{
				"module.a.user.u aliases[0]": "example-com",
				"module.a.user.u domain":     "domain.example",
				"record.x values[0]":         "me",
			},
		},
		"the address of a user is made of a domain elsewhere": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./staff"
				  domain = domain.example
				  names  = ["bob"]
				}
				record "x" {
				  zone   = domain.example.zone
				  name   = "x"
				  type   = "TXT"
				  values = [module.a.first.address]
				}`, "staff/main.mf.hcl", staff},
			want: map[string]string{"record.x values[0]": "bob@example.com"},
		},
		"keys of instances, and modules in modules": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source   = "./outer"
				  for_each = { x = ["bob"], y = ["carol", "dave"] }
				  names    = each.value
				  domain   = domain.example
				}
				alias "x" {
				  domain  = domain.example
				  name    = "x"
				  members = [module.a["y"].first]
				}
				record "n" {
				  for_each = module.a
				  zone     = domain.example.zone
				  name     = each.key
				  type     = "TXT"
				  values   = ["${each.value.count} of ${sum([for m in module.a : m.count])}"]
				}`,
				"outer/main.mf.hcl", `
				variable "names" {}
				variable "domain" {}
				module "in" {
				  count  = 2
				  source = "../staff"
				  names  = [for n in var.names : "${n}-${count.index}"]
				  domain = var.domain
				}
				output "first" { value = module.in[1].first }
				output "count" { value = sum(module.in[*].count) }`,
				"staff/main.mf.hcl", staff},
			want: map[string]string{
				"alias.x members[0]":      `module.a["y"].module.in[1].user.staff["carol-1"]`,
				`record.n["x"] values[0]`: "2 of 6",
				`record.n["y"] values[0]`: "4 of 6",
			},
			all: `alias.x domain.example record.n["x"] record.n["y"] server.main ` +
				`module.a["x"].module.in[0].user.staff["bob-0"] module.a["x"].module.in[1].user.staff["bob-1"] ` +
				`module.a["y"].module.in[0].user.staff["carol-0"] module.a["y"].module.in[0].user.staff["dave-0"] ` +
				`module.a["y"].module.in[1].user.staff["carol-1"] module.a["y"].module.in[1].user.staff["dave-1"]`,
		},
		"a module that is not enabled": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./staff"
				  domain = domain.example
				  names  = ["bob"]
				  lifecycle { enabled = false }
				}
				output "none" { value = module.a == null }`, "staff/main.mf.hcl", staff},
			all: "domain.example server.main",
		},
		"defaults, optional attributes and null": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./a"
				  domain = domain.example
				  person = { name = "bob" }
				  quota  = null
				}`,
				"a/main.mf.hcl", `
				variable "domain" {}
				variable "person" { type = object({ name = string, alias = optional(string, "b") }) }
				variable "quota" {
				  default  = "3GiB"
				  nullable = false
				}
				user "u" {
				  domain  = var.domain
				  name    = var.person.name
				  aliases = [var.person.alias]
				  quota   = var.quota
				}`},
			want: map[string]string{"module.a.user.u aliases[0]": "b", "module.a.user.u quota": "3GiB"},
		},
		"files beside the module": {
			files: []string{"main.mf.hcl", house + `
				module "a" {
				  source = "./deep/a"
				  domain = domain.example
				}`,
				"deep/a/main.mf.hcl", `
				variable "domain" {}
				user "u" {
				  for_each = toset(split("\n", trimspace(file("${path.module}/names.txt"))))
				  domain   = var.domain
				  name     = each.key
				}
				record "r" {
				  zone = var.domain.zone
				  name = "r"
				  type = "TXT"
				  values = [path.module, path.root]
				}`, "deep/a/names.txt", "bob\n"},
			want: map[string]string{
				"module.a.record.r values[0]": "deep/a", "module.a.record.r values[1]": ".",
				"module.a.record.r zone": "domain.example.zone", `module.a.user.u["bob"] name`: "bob",
			},
		},
		"a source made of variables": {
			files: []string{"main.mf.hcl", house + `
				variable "which" { default = "staff" }
				locals { path = "./${var.which}" }
				module "a" {
				  source = local.path
				  domain = domain.example
				  names  = ["bob"]
				}`, "staff/main.mf.hcl", staff},
			all: `domain.example server.main module.a.user.staff["bob"]`,
		},
		"providers are handed over": {
			files: []string{"main.mf.hcl", `
				provider "embedded" {
				  alias    = "node"
				  for_each = toset(["x", "y"])
				  data_dir = "./${each.key}"
				}
				provider "embedded" {
				  alias    = "second"
				  data_dir = "./second"
				}
				server "s" {
				  for_each = toset(["x", "y"])
				  hostname = "${each.key}.example.com"
				  provider = embedded.node[each.key]
				}
				module "a" {
				  source    = "./a"
				  for_each  = toset(["x", "y"])
				  providers = {
				    embedded      = embedded.node[each.key]
				    embedded.node = embedded.node
				    embedded.one  = embedded.second
				  }
				}`,
				"a/main.mf.hcl", `
				server "default" { hostname = "d.example.com" }
				server "one" {
				  hostname = "o.example.com"
				  provider = embedded.one
				}
				server "keyed" {
				  hostname = "k.example.com"
				  provider = embedded.node["y"]
				}
				module "in" { source = "./in" }`,
				"a/in/main.mf.hcl", `server "inner" { hostname = "i.example.com" }`},
			want: map[string]string{
				`server.s["y"] provider[0]`:                        `embedded.node["y"]`,
				`module.a["x"].server.default provider[0]`:         `embedded.node["x"]`,
				`module.a["x"].server.one provider[0]`:             `embedded.second`,
				`module.a["x"].server.keyed provider[0]`:           `embedded.node["y"]`,
				`module.a["y"].module.in.server.inner provider[0]`: `embedded.node["y"]`,
			},
		},
		"JSON": {
			files: []string{"main.mf.hcl.json", `{
				"server": {"main": {"hostname": "mail.example.com"}},
				"domain": {"example": {"name": "example.com", "server": "${server.main}"}},
				"module": {"a": {"source": "./staff", "domain": "${domain.example}", "names": ["bob"], "for_each": {"x": 1}}},
				"alias": {"x": {"domain": "${domain.example}", "name": "x", "members": ["${module.a[\"x\"].first}"]}}
			}`, "staff/main.mf.hcl", staff},
			want: map[string]string{"alias.x members[0]": `module.a["x"].user.staff["bob"]`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, cfg := evaluate(t, Options{}, c.files...)
			for i := 0; i < len(c.files); i += 2 { // a saved plan has digests of all
				if _, ok := m.Sources()[c.files[i]]; !ok && strings.Contains(c.files[i], suffixConfig) {
					t.Errorf("%s is none of the sources", c.files[i])
				}
			}
			for what, want := range c.want {
				i := strings.LastIndex(what, " ")
				v := at(t, cfg.instance(t, what[:i]).Body.Object(), what[i+1:])
				got := fmt.Sprintf("%#v", v)
				if ref, ok := schema.AsRef(v); ok {
					got = ref.String()
				} else if v.Type() == cty.String && v.IsKnown() {
					got = v.AsString()
				}
				if got != want {
					t.Errorf("%s is %s, not %s", what, got, want)
				}
			}
			if c.all != "" && cfg.addresses() != c.all {
				t.Errorf("got %s", cfg.addresses())
			}
		})
	}
}

// What is secret or not to be remembered stays so across borders.
func TestMarksGoThroughModules(t *testing.T) {
	m, diags := LoadWith(write(t, "main.mf.hcl", `
		variable "secret" {
		  sensitive = true
		  default   = "s"
		}
		variable "passing" {
		  ephemeral = true
		  default   = "e"
		}
		variable "unset" {}
		module "a" {
		  source = "./a"
		  one    = var.secret
		  two    = var.passing
		  three  = var.unset
		}
		output "one" {
		  sensitive = true
		  value     = module.a.one
		}
		output "two" { value = ephemeralasnull(module.a.two) == null }
		output "three" { value = module.a.three }
		output "four" {
		  sensitive = true
		  value     = module.a.four
		}
		output "five" { value = module.a.five }
		output "six" { value = ephemeralasnull(module.a.six) == null }`,
		"a/main.mf.hcl", `
		variable "one" {}
		variable "two" {}
		variable "three" { type = string }
		output "one" { value = "${var.one}!" }
		output "two" { value = var.two }
		output "three" { value = var.three }
		output "four" {
		  sensitive = true
		  value     = 4
		}
		output "five" { value = 5 }
		output "six" {
		  ephemeral = true
		  value     = 6
		}`), Options{})
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	cfg, diags := m.Evaluate(Options{AllowUnset: true}, nil)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	for range 2 { // outputs can be asked for again
		outs, diags := m.Outputs(cfg, nil)
		if diags.HasErrors() {
			t.Fatal(sentences(diags))
		}
		want := map[string]cty.Value{
			"one": cty.StringVal("s!"), "two": cty.True, "three": cty.UnknownVal(cty.String), "four": cty.NumberIntVal(4), "five": cty.NumberIntVal(5), "six": cty.True,
		}
		for _, o := range outs {
			if !o.Value.RawEquals(want[o.Name]) {
				t.Errorf("%s is %#v", o.Name, o.Value)
			}
		}
		if len(outs) != len(want) {
			t.Errorf("%d outputs", len(outs))
		}
	}
}

// An output of a module may be made of what others compute, and is evaluated
// again once that is known.
func TestComputedThroughModules(t *testing.T) {
	files := []string{"main.mf.hcl", `
		module "a" { source = "./a" }
		output "key" { value = module.a.key }
		output "zone" { value = module.a.domain.zone_file }`,
		"a/main.mf.hcl", `
		domain "it" { name = "example.com" }
		output "key" { value = domain.it.dkim_txt }
		output "domain" { value = domain.it }`}
	m, cfg := evaluate(t, Options{}, files...)
	if m.UsesComputed() {
		t.Error("nothing but outputs reads what others compute")
	}
	computed := Computed{"module.a.domain.it": cty.ObjectVal(map[string]cty.Value{
		"dkim_txt": cty.MapVal(map[string]cty.Value{"s1": cty.StringVal("v=DKIM1")}), "zone_file": cty.StringVal("$ORIGIN"), "records": cty.ListValEmpty(cty.String),
	})}
	outs, diags := m.Outputs(cfg, computed)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	if got := outs[0].Value.Index(cty.StringVal("s1")); !got.RawEquals(cty.StringVal("v=DKIM1")) {
		t.Errorf("%#v", got)
	}
	if !outs[1].Value.RawEquals(cty.StringVal("$ORIGIN")) {
		t.Errorf("%#v", outs[1].Value)
	}
	files[1] += `
		record "x" {
		  zone   = module.a.domain.zone
		  name   = "x"
		  type   = "TXT"
		  values = values(module.a.key)
		}`
	if m, _ = evaluate(t, Options{}, files...); !m.UsesComputed() {
		t.Error("a record reads what others compute")
	}
}

func TestMovesAndSuchInModules(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", house+`
		module "a" {
		  source   = "./a"
		  for_each = toset(["x", "y"])
		  domain   = domain.example
		}
		moved {
		  from = user.bob
		  to   = module.a["x"].user.bob
		}
		moved {
		  from = module.old
		  to   = module.a["y"]
		}
		removed { from = module.gone }
		import {
		  to = module.a["x"].user.bob
		  id = "x-bob@example.com"
		}
		import {
		  for_each = toset(["y"])
		  to       = module.a[each.key].module.in.user.carol["c"]
		  id       = each.key
		}`,
		"a/main.mf.hcl", `
		variable "domain" {}
		user "bob" {
		  domain = var.domain
		  name   = "bob"
		}
		moved {
		  from = user.robert
		  to   = user.bob
		}
		removed { from = user.carol }
		module "in" {
		  source = "./in"
		  domain = var.domain
		}`, "a/in/main.mf.hcl", `
		variable "domain" {}
		user "carol" {
		  for_each = toset(["c"])
		  domain   = var.domain
		  name     = each.key
		}`)
	var got []string
	for _, m := range cfg.Moved {
		got = append(got, fmt.Sprintf("%s > %s", m.From, m.To))
	}
	for _, r := range cfg.Removed {
		got = append(got, r.From.String())
	}
	for _, i := range cfg.Imports {
		got = append(got, i.To.String()+" = "+i.ID)
	}
	want := []string{
		`user.bob > module.a["x"].user.bob`, `module.old > module.a["y"]`,
		`module.a["x"].user.robert > module.a["x"].user.bob`, `module.a["y"].user.robert > module.a["y"].user.bob`,
		"module.gone", `module.a["x"].user.carol`, `module.a["y"].user.carol`,
		`module.a["x"].user.bob = x-bob@example.com`, `module.a["y"].module.in.user.carol["c"] = y`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestDependsOnModules(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", house+`
		module "a" {
		  source   = "./a"
		  for_each = toset(["x"])
		  domain   = domain.example
		  depends_on = [server.main]
		}
		alias "late" {
		  domain     = domain.example
		  name       = "late"
		  members    = ["x@example.net"]
		  depends_on = [module.a, module.a["x"]]
		}`,
		"a/main.mf.hcl", `
		variable "domain" {}
		user "bob" {
		  domain = var.domain
		  name   = "bob"
		}
		user "eve" {
		  domain     = var.domain
		  name       = "eve"
		  depends_on = [user.bob]
		}`)
	for address, want := range map[string]string{
		"alias.late":             `[module.a module.a["x"]]`,
		`module.a["x"].user.bob`: "[server.main]",
		`module.a["x"].user.eve`: `[module.a["x"].user.bob server.main]`,
	} {
		if got := fmt.Sprint(cfg.instance(t, address).DependsOn); got != want {
			t.Errorf("%s depends on %s", address, got)
		}
	}
}

// A hundred modules of a thousand users are about as fast as one of a hundred
// thousand, and a thousand instances of a small one do not evaluate each other.
func TestModulesAreLinear(t *testing.T) {
	took := func(modules, users int) time.Duration {
		dir := write(t, "main.mf.hcl", fmt.Sprintf(`
			domain "example" { name = "example.com" }
			module "m" {
			  source   = "./m"
			  for_each = { for i in range(%d) : "m${i}" => [for j in range(%d) : "u${i}x${j}"] }
			  domain   = domain.example
			  names    = each.value
			}
			alias "all" {
			  for_each = module.m
			  domain   = domain.example
			  name     = each.key
			  members  = values(each.value.users)
			}`, modules, users),
			"m/main.mf.hcl", `
			variable "domain" {}
			variable "names" {}
			user "u" {
			  for_each = { for n in var.names : n => n }
			  domain   = var.domain
			  name     = each.key
			}
			output "users" { value = user.u }`)
		m, diags := Load(dir)
		if diags.HasErrors() {
			t.Fatal(sentences(diags))
		}
		began := processorTime(t)
		cfg, diags := m.Evaluate(Options{}, nil)
		if diags.HasErrors() {
			t.Fatal(sentences(diags))
		}
		if len(cfg.Instances) != modules*users+modules+1 {
			t.Fatalf("%d instances", len(cfg.Instances))
		}
		return processorTime(t) - began
	}
	one := took(1, 1000)
	many := took(1000, 1)
	large := took(20, 1000)
	t.Logf("1 × 1000: %v, 1000 × 1: %v, 20 × 1000: %v", one, many, large)
	const slack = 20 * time.Millisecond // of the clock
	if many > 20*(one+slack) || large > 60*(one+slack) {
		t.Errorf("1 × 1000: %v, 1000 × 1: %v, 20 × 1000: %v", one, many, large)
	}
}

// processorTime is what the process has used up so far: other than the time of
// day, it is the same on a busy machine.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
