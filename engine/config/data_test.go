package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// A world answers data blocks of type "dns" with the name that they ask for,
// and keeps what it was asked.
type world struct{ rounds [][]string }

func (w *world) ask(queries []DataQuery) []DataAnswer {
	out := make([]DataAnswer, len(queries))
	var round []string
	for i, q := range queries {
		name := q.Args.GetAttr("name").AsString()
		round = append(round, name)
		if name == "broken.example" {
			out[i].Err = errors.New("192.0.2.53:53 answers SERVFAIL")
			continue
		}
		out[i].Value = cty.ObjectVal(map[string]cty.Value{
			"exists": cty.True, "authenticated": cty.False,
			"values": cty.ListVal([]cty.Value{cty.StringVal("mx." + name)}),
		})
	}
	w.rounds = append(w.rounds, round)
	return out
}

func TestDataBlocks(t *testing.T) {
	for name, tt := range map[string]struct {
		config  string
		address string
		path    string
		want    cty.Value
		rounds  string // what was asked, rounds divided by semicolons
	}{
		"what was looked up is read by a block": {`
			data "dns" "a" { name = "a.example" }
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = data.dns.a.values
			}`, "user.bob", "aliases", cty.ListVal([]cty.Value{cty.StringVal("mx.a.example")}), "a.example"},
		"all are asked for in one round": {`
			data "dns" "b" { name = "b.example" }
			data "dns" "many" {
			  for_each = toset(["c.example", "d.example"])
			  name     = each.key
			}
			locals { all = concat(data.dns.b.values, flatten([for d in data.dns.many : d.values])) }
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = local.all
			}`, "user.bob", "aliases", cty.ListVal([]cty.Value{cty.StringVal("mx.b.example"), cty.StringVal("mx.c.example"), cty.StringVal("mx.d.example")}),
			"b.example c.example d.example"},
		"one that is made of another waits for it": {`
			data "dns" "first" { name = "a.example" }
			data "dns" "second" { name = data.dns.first.values[0] }
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = data.dns.second.values
			}`, "user.bob", "aliases", cty.ListVal([]cty.Value{cty.StringVal("mx.mx.a.example")}), "a.example; mx.a.example"},
		"one that is not enabled is not asked for": {`
			data "dns" "a" {
			  name = "a.example"
			  lifecycle { enabled = false }
			}
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = data.dns.a == null ? [] : ["there"]
			}`, "user.bob", "aliases", cty.ListValEmpty(cty.String), ""},
		"a key of an instance": {`
			data "dns" "many" {
			  for_each = { x = "c.example" }
			  name     = each.value
			}
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = data.dns.many["x"].values
			}`, "user.bob", "aliases", cty.ListVal([]cty.Value{cty.StringVal("mx.c.example")}), "c.example"},
		"what is asked with a secret is one": {`
			data "dns" "a" { name = sensitive("a.example") }
			user "bob" {
			  domain        = domain.example
			  name          = "bob"
			  aliases       = [nonsensitive(data.dns.a.values[0])]
			}`, "user.bob", "aliases", cty.ListVal([]cty.Value{cty.StringVal("mx.a.example")}), "a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{}
			_, cfg := evaluate(t, Options{Data: w.ask}, "main.mf.hcl", base+tt.config)
			if got := at(t, cfg.instance(t, tt.address).Body.Object(), tt.path); !got.RawEquals(tt.want) {
				t.Errorf("%s.%s is %#v, want %#v", tt.address, tt.path, got, tt.want)
			}
			var rounds []string
			for _, r := range w.rounds {
				rounds = append(rounds, strings.Join(r, " "))
			}
			if got := strings.Join(rounds, "; "); got != tt.rounds {
				t.Errorf("asked for %q, want %q", got, tt.rounds)
			}
			for _, in := range cfg.Instances {
				if strings.HasPrefix(in.Ref.Type, "data") {
					t.Errorf("%s describes something", in.Ref)
				}
			}
		})
	}
}

func TestDataThatCannotBeReadIsAnErrorAtItsBlock(t *testing.T) {
	for name, tt := range map[string]struct {
		config, want string
	}{
		"plainly": {`
			data "dns" "a" { name = "broken.example" }`,
			"main.mf.hcl:2,4-18: Cannot read data: data.dns.a could not be read: 192.0.2.53:53 answers SERVFAIL."},
		"the instance is named": {`
			data "dns" "a" {
			  for_each = toset(["fine.example", "broken.example"])
			  name     = each.key
			}`, `data.dns.a["broken.example"] could not be read: 192.0.2.53:53 answers SERVFAIL.`},
		"nothing of a secret is told": {`
			data "dns" "a" { name = sensitive("broken.example") }`,
			"data.dns.a could not be read: the reason is not shown, because an argument is sensitive."},
	} {
		m, diags := Load(write(t, "main.mf.hcl", tt.config))
		if diags.HasErrors() {
			t.Fatal(sentences(diags))
		}
		_, diags = m.Evaluate(Options{Data: new(world).ask}, nil)
		if got := sentences(diags); len(diags) != 1 || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The data blocks of all instances of modules are asked for in one round, and
// each knows its own answer.
func TestDataInModules(t *testing.T) {
	w := &world{}
	_, cfg := evaluate(t, Options{Data: w.ask}, "main.mf.hcl", `
		domain "example" { name = "example.com" }
		data "dns" "own" { name = "own.example" }
		module "a" {
		  source   = "./a"
		  for_each = toset(["x", "y"])
		  domain   = domain.example
		  name     = each.key
		}
		alias "all" {
		  domain  = domain.example
		  name    = "all"
		  members = concat(["${data.dns.own.values[0]}@example.net"], [for m in module.a : "${m.found}@example.net"])
		}`,
		"a/main.mf.hcl", `
		variable "domain" {}
		variable "name" {}
		data "dns" "it" { name = "${var.name}.example" }
		output "found" { value = data.dns.it.values[0] }`)
	if len(w.rounds) != 1 || strings.Join(w.rounds[0], " ") != "own.example x.example y.example" {
		t.Errorf("asked for %v", w.rounds)
	}
	members := cfg.instance(t, "alias.all").Body.Object().GetAttr("members")
	if got := members.Index(cty.NumberIntVal(2)).AsString(); got != "mx.y.example@example.net" {
		t.Errorf("got %s", got)
	}

	m, diags := Load(write(t, "main.mf.hcl", `
		module "a" {
		  source = "./a"
		  name   = "broken.example"
		}`,
		"a/main.mf.hcl", `
		variable "name" {}
		data "dns" "it" { name = var.name }`))
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	_, diags = m.Evaluate(Options{Data: w.ask}, nil)
	if got := sentences(diags); !strings.Contains(got, "a/main.mf.hcl:3") || !strings.Contains(got, "module.a.data.dns.it could not be read") {
		t.Errorf("got %s", got)
	}
}
