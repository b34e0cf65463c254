package config

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// dynamicBase has what the domains of these tests name.
const dynamicBase = `
server "main" { hostname = "mail.example.com" }
`

func TestDynamic(t *testing.T) {
	tests := map[string]struct {
		name, hcl string
		want      map[string]cty.Value // by address and path; NilVal: the list is empty
	}{
		"elements of a list, in order": {hcl: `
			domain "d" {
			  name = "example.com"
			  dynamic "mx" {
			    for_each = ["b.example.net", "a.example.net"]
			    content {
			      host       = mx.value
			      preference = mx.key + 1
			    }
			  }
			}`, want: map[string]cty.Value{
			"domain.d mx[0].host":       cty.StringVal("b.example.net"),
			"domain.d mx[1].host":       cty.StringVal("a.example.net"),
			"domain.d mx[1].preference": cty.NumberIntVal(2),
		}},
		"between blocks that are written out, with an iterator": {hcl: `
			domain "d" {
			  name = "example.com"
			  mx { server = server.main }
			  dynamic "mx" {
			    for_each = { "a.example.net" = 20 }
			    iterator = exchange
			    content {
			      host       = exchange.key
			      preference = exchange.value
			    }
			  }
			  mx { host = "last.example.net" }
			}`, want: map[string]cty.Value{
			"domain.d mx[1].host":       cty.StringVal("a.example.net"),
			"domain.d mx[1].preference": cty.NumberIntVal(20),
			"domain.d mx[2].host":       cty.StringVal("last.example.net"),
		}},
		"another number for each instance": {hcl: `
			domain "d" {
			  for_each = { "a.example" = [], "b.example" = ["x.example.net", "y.example.net"] }
			  name     = each.key
			  dynamic "mx" {
			    for_each = each.value
			    content { host = "${mx.key}.${mx.value}" }
			  }
			}`, want: map[string]cty.Value{
			`domain.d["a.example"] mx`:         cty.NilVal,
			`domain.d["b.example"] mx[1].host`: cty.StringVal("1.y.example.net"),
		}},
		"attributes of blocks that are elements": {hcl: `
			user "u" {
			  for_each = toset(["a", "b"])
			  domain   = domain.d
			  name     = each.key
			}
			domain "d" {
			  name = "example.com"
			  mx { server = server.main }
			  dynamic "dkim" {
			    for_each = user.u
			    content { selector = dkim.value.name }
			  }
			}`, want: map[string]cty.Value{"domain.d dkim[1].selector": cty.StringVal("b")}},
		"none of a block that stands once": {hcl: `
			domain "d" {
			  name = "example.com"
			  dynamic "dmarc" {
			    for_each = []
			    content { policy = dmarc.value }
			  }
			}`, want: map[string]cty.Value{"domain.d dmarc": cty.NilVal}},
		"instances of which there are none": {hcl: `
			domain "d" {
			  for_each = {}
			  name     = each.key
			  mx { host = each.value }
			  dynamic "mx" {
			    for_each = each.value
			    content { host = mx.value }
			  }
			}`},
		"in JSON": {name: "main.mf.hcl.json", hcl: `{"domain": {"d": {"name": "example.com", "dynamic": {"mx": {
			"for_each": ["a.example.net"], "content": {"host": "${mx.value}"}}}}}}`,
			want: map[string]cty.Value{"domain.d mx[0].host": cty.StringVal("a.example.net")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.name == "" {
				tt.name = "main.mf.hcl"
			}
			_, cfg := evaluate(t, Options{}, tt.name, tt.hcl, "base.mf.hcl", dynamicBase)
			for where, want := range tt.want {
				address, path, _ := strings.Cut(where, " ")
				got := at(t, cfg.instance(t, address).Body.Object(), path)
				if want == cty.NilVal {
					if !got.IsNull() && got.LengthInt() != 0 {
						t.Errorf("%s is %#v, want none", where, got)
					}
				} else if !got.RawEquals(want) {
					t.Errorf("%s is %#v, want %#v", where, got, want)
				}
			}
		})
	}
}

// Where a variable is not set, what hangs on it is unknown and no error.
func TestDynamicOverUnsetVariable(t *testing.T) {
	_, cfg := evaluate(t, Options{AllowUnset: true}, "main.mf.hcl", `
		variable "hosts" { type = list(string) }
		domain "d" {
		  name = "example.com"
		  dynamic "mx" {
		    for_each = var.hosts
		    content { host = mx.value }
		  }
		}`)
	if mx := at(t, cfg.instance(t, "domain.d").Body.Object(), "mx"); mx.IsKnown() {
		t.Errorf("mx is %#v, want unknown", mx)
	}
}
