package config

import (
	"fmt"
	"strings"
	"testing"

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
		"a source in a module made of its variables": {
			files: []string{"main.mf.hcl", house + `
				locals { kind = "staff" }
				module "a" {
				  source = "./outer"
				  kind   = local.kind
				  domain = domain.example
				}
				module "b" {
				  source = "./outer"
				  kind   = "guests"
				  domain = domain.example
				}
				module "c" {
				  source = "./outer"
				  domain = domain.example
				}`,
				"outer/main.mf.hcl", `
				variable "kind" { default = "guests" }
				variable "domain" {}
				locals { path = "../${var.kind}" }
				module "in" {
				  source = local.path
				  domain = var.domain
				  names  = ["bob"]
				}`,
				"staff/main.mf.hcl", staff,
				"guests/main.mf.hcl", `
				variable "domain" {}
				variable "names" {}
				alias "guests" {
				  domain  = var.domain
				  name    = "guests"
				  members = ["guests@example.net"]
				}`},
			all: `domain.example server.main module.a.module.in.user.staff["bob"] module.b.module.in.alias.guests module.c.module.in.alias.guests`,
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
