package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestIgnoreChanges(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", base+`
		user "bob" {
		  domain = domain.example
		  name   = "bob"
		  lifecycle { ignore_changes = [quota, "keep_copy"] }
		}
		user "carol" {
		  domain = domain.example
		  name   = "carol"
		  lifecycle { ignore_changes = all }
		}`)
	bob, carol := cfg.instance(t, "user.bob"), cfg.instance(t, "user.carol")
	if want := []string{"mailbox.quota", "route.keep_copy"}; !slices.Equal(bob.IgnoreChanges, want) || bob.IgnoreAll {
		t.Errorf("%q %v, want %q", bob.IgnoreChanges, bob.IgnoreAll, want)
	}
	if !carol.IgnoreAll {
		t.Error("all is not taken in")
	}
}

// What an attribute says it sets has to be there, and to be changeable.
func TestSetsFollowTheKinds(t *testing.T) {
	for _, b := range schema.Blocks() {
		for _, a := range b.Attributes {
			for _, path := range a.Sets {
				kind, name, _ := strings.Cut(path, ".")
				k := schema.KindByName(kind)
				if k == nil || k.Attribute(name) == nil || k.Attribute(name).Immutable || k.Attribute(name).Computed {
					t.Errorf("%s.%s sets %s, which cannot be set", b.Type, a.Name, path)
				}
			}
		}
	}
}

func TestEnabled(t *testing.T) {
	for on, want := range map[string]bool{"true": true, "false": false, `"true"`: true} {
		t.Run(on, func(t *testing.T) {
			m, cfg := evaluate(t, Options{}, "main.mf.hcl", base+`
				user "bob" {
				  domain = domain.example
				  name   = "bob"
				  lifecycle { enabled = `+on+` }
				}
				alias "all" {
				  domain     = domain.example
				  name       = "all"
				  members    = [for u in [user.alice, user.bob] : u if u != null]
				  depends_on = [user.bob]
				}
				output "bob" { value = user.bob == null ? "nobody" : user.bob.address }`)
			got := slices.ContainsFunc(cfg.Instances, func(i Instance) bool { return i.Ref.Name == "bob" })
			if got != want {
				t.Errorf("there is an instance: %v, want %v", got, want)
			}
			outs, diags := m.Outputs(cfg, nil)
			if diags.HasErrors() {
				t.Fatal(sentences(diags))
			}
			text := map[bool]string{true: "bob@example.com", false: "nobody"}[want]
			if !outs[0].Value.RawEquals(cty.StringVal(text)) {
				t.Errorf("the output is %#v, want %q", outs[0].Value, text)
			}
		})
	}
}

// A condition about what is born in apply holds until that is known.
func TestPostconditionOnComputed(t *testing.T) {
	m, _ := evaluate(t, Options{}, "main.mf.hcl", `
		server "main" { hostname = "mail.example.com" }
		domain "d" {
		  name = "example.com"
		  mx { server = server.main }
		  dkim { selector = "s" }
		  lifecycle {
		    postcondition {
		      condition     = startswith(self.dkim_txt["s"], "v=DKIM1")
		      error_message = "The key of ${self.name} is none."
		    }
		  }
		}`)
	if !m.UsesComputed() {
		t.Error("what the condition reads is not taken for computed")
	}
	known := func(txt string) Computed {
		return Computed{"domain.d": cty.ObjectVal(map[string]cty.Value{"dkim_txt": cty.MapVal(map[string]cty.Value{"s": cty.StringVal(txt)})})}
	}
	if _, diags := m.Evaluate(Options{}, known("v=DKIM1; p=x")); diags.HasErrors() {
		t.Error(sentences(diags))
	}
	_, diags := m.Evaluate(Options{}, known("nothing"))
	if got := sentences(diags); !strings.Contains(got, "The key of example.com is none.") {
		t.Errorf("got %s", got)
	}
}

func TestEphemeral(t *testing.T) {
	const hash = "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLZ5kvpuEm/VQ1Tvh/KV2TcaWh8qinoW5dhA1"
	m, cfg := evaluate(t, Options{Vars: []VarArg{{Name: "hash", Value: hash}}}, "main.mf.hcl", base+`
		variable "hash" {
		  type      = string
		  ephemeral = true
		  validation {
		    condition     = var.hash != ""
		    error_message = "It is empty."
		  }
		}
		locals { hashes = [var.hash] }
		user "bob" {
		  domain        = domain.example
		  name          = "bob"
		  password_hash = local.hashes
		}
		output "left" { value = ephemeralasnull({ hash = var.hash, other = 1 }) }`)
	got, marks := at(t, cfg.instance(t, "user.bob").Body.Object(), "password_hash").UnmarkDeep()
	if !got.RawEquals(cty.ListVal([]cty.Value{cty.StringVal(hash)})) {
		t.Errorf("%#v", got)
	}
	if _, ok := marks[Ephemeral]; ok || len(marks) != 1 {
		t.Errorf("the marks are %v, want that of sensitive values alone", marks)
	}
	if !m.SensitiveVariable("hash") {
		t.Error("the variable can be shown or stored")
	}
	outs, diags := m.Outputs(cfg, nil)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	if want := cty.ObjectVal(map[string]cty.Value{"hash": cty.NullVal(cty.String), "other": cty.NumberIntVal(1)}); !outs[0].Value.RawEquals(want) {
		t.Errorf("%#v, want %#v", outs[0].Value, want)
	}
}
