package config

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

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
