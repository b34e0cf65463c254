package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// write makes a directory of files. Names and contents alternate.
func write(t testing.TB, namesAndContents ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(namesAndContents); i += 2 {
		path := filepath.Join(dir, namesAndContents[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(namesAndContents[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// evaluate loads and evaluates a configuration that has to be right.
func evaluate(t testing.TB, opts Options, namesAndContents ...string) (*Module, *Config) {
	t.Helper()
	m, diags := LoadWith(write(t, namesAndContents...), opts)
	if diags.HasErrors() {
		t.Fatalf("load: %s", sentences(diags))
	}
	cfg, diags := m.Evaluate(opts, nil)
	if diags.HasErrors() {
		t.Fatalf("evaluate: %s", sentences(diags))
	}
	return m, cfg
}

func sentences(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		where := ""
		if d.Subject != nil {
			where = d.Subject.String()
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", where, d.Summary, d.Detail)
	}
	return b.String()
}

// instance finds an instance by its address.
func (c *Config) instance(t testing.TB, address string) *Instance {
	t.Helper()
	for i := range c.Instances {
		if c.Instances[i].Ref.String() == address {
			return &c.Instances[i]
		}
	}
	t.Fatalf("no instance %s", address)
	return nil
}

// at reads a value below a body: "mx[0].preference".
func at(t testing.TB, v cty.Value, path string) cty.Value {
	t.Helper()
	for path != "" {
		var name string
		var index int
		name, index, path = cutPath(path)
		v, _ = v.Unmark()
		v = v.GetAttr(name)
		if index >= 0 {
			v = v.Index(cty.NumberIntVal(int64(index)))
		}
	}
	return v
}

const base = `
server "main" {
  hostname = "mail.example.com"
  smtp { listen = [":25"] }
}
nameserver "ns1" {
  hostname = "ns1.example.com"
}
domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  postmaster = user.alice
  mx { server = server.main }
}
user "alice" {
  domain = domain.example
  name   = "alice"
  quota  = "2GiB"
}
`

func TestValues(t *testing.T) {
	str, num := cty.StringVal, cty.NumberIntVal
	ref := func(typ, name string, key cty.Value, part string) cty.Value {
		return schema.RefVal(schema.Ref{Type: typ, Name: name, Key: key, Part: part})
	}
	bare := func(typ, name string) cty.Value { return ref(typ, name, cty.NilVal, "") }
	staff := func(key string) cty.Value { return ref("user", "staff", str(key), "") }
	strs := func(items ...string) cty.Value {
		vals := make([]cty.Value, len(items))
		for i, s := range items {
			vals[i] = str(s)
		}
		return cty.ListVal(vals)
	}
	const staffBlock = `
user "staff" {
  for_each = { bob = "1GiB", carol = "3GiB" }
  domain   = domain.example
  name     = each.key
  quota    = each.value
}`
	const countBlock = `
user "room" {
  count  = 2
  domain = domain.example
  name   = "room${count.index}"
}`
	tests := map[string]struct {
		config  string
		address string
		path    string
		want    cty.Value
	}{
		"a bare reference is an identity":              {base, "user.alice", "domain", bare("domain", "example")},
		"a domain names its postmaster and back":       {base, "domain.example", "postmaster", bare("user", "alice")},
		"a nested block holds a reference":             {base, "domain.example", "mx[0].server", bare("server", "main")},
		"what is left out is its default":              {base, "domain.example", "mx[0].preference", num(10)},
		"what is left out without a default is null":   {base, "domain.example", "catch_all", cty.NullVal(cty.DynamicPseudoType)},
		"a nested block that is left out is null":      {base, "domain.example", "spf", cty.NullVal(schema.BlockByType("domain").Block("spf").ImpliedType())},
		"a repeatable block that is left out is empty": {base, "domain.example", "dkim", cty.ListValEmpty(schema.BlockByType("domain").Block("dkim").ImpliedType())},
		"a default of a list":                          {base, "user.alice", "protocols", strs("imap", "pop3")},
		"the default provider":                         {base, "server.main", "provider", strs("embedded")},
		"each.key and each.value":                      {base + staffBlock, `user.staff["carol"]`, "quota", str("3GiB")},
		"a key of an instance": {base + staffBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [user.alice, user.staff["bob"], "x@elsewhere.net"]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{bare("user", "alice"), staff("bob"), str("x@elsewhere.net")})},
		"all instances by a for expression": {base + staffBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [for u in user.staff : u]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{staff("bob"), staff("carol")})},
		"all instances by values()": {base + staffBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = concat(values(user.staff), [user.alice])
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{staff("bob"), staff("carol"), bare("user", "alice")})},
		"all instances by the bare block": {base + staffBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [user.staff, user.alice]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{staff("bob"), staff("carol"), bare("user", "alice")})},
		"instances that a condition on an attribute selects": {base + staffBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [for u in user.staff : u if u.quota == "3GiB"]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{staff("carol")})},
		"a splat over count": {base + countBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = user.room[*]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{ref("user", "room", num(0), ""), ref("user", "room", num(1), "")})},
		"attributes by a splat over count": {base + countBlock + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = user.room[*].address
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{str("room0@example.com"), str("room1@example.com")})},
		"count.index": {base + countBlock, "user.room[1]", "name", str("room1")},
		"for_each over another block, with attributes of each": {base + staffBlock + `
			alias "boss" {
			  for_each = user.staff
			  domain   = domain.example
			  name     = "boss-of-${each.value.name}"
			  members  = [each.value, "${each.key}-${each.value.quota}@example.org"]
			}`, `alias.boss["bob"]`, "members", cty.TupleVal([]cty.Value{staff("bob"), str("bob-1GiB@example.org")})},
		"an instance by each.key": {base + staffBlock + `
			alias "to" {
			  for_each = toset(["bob", "carol"])
			  domain   = domain.example
			  name     = "to-${each.value}"
			  members  = [user.staff[each.key]]
			}`, `alias.to["carol"]`, "members", cty.TupleVal([]cty.Value{staff("carol")})},
		"an attribute of an instance by each.key": {base + staffBlock + `
			user "shadow" {
			  for_each = toset(["bob", "carol"])
			  domain   = domain.example
			  name     = "shadow-${each.value}"
			  quota    = user.staff[each.key].quota
			}`, `user.shadow["carol"]`, "quota", str("3GiB")},
		"an attribute of another block": {base + `
			user "bob" {
			  domain = domain.example
			  name   = "bob"
			  quota  = user.alice.quota
			}`, "user.bob", "quota", str("2GiB")},
		"an attribute of the same block": {base + `
			user "bob" {
			  domain  = domain.example
			  name    = "bob"
			  aliases = ["${user.bob.name}-too"]
			}`, "user.bob", "aliases", strs("bob-too")},
		"both a block and its attribute in one expression": {base + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [user.alice, "${user.alice.name}@elsewhere.net"]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{bare("user", "alice"), str("alice@elsewhere.net")})},
		"a derived address": {base + `
			alias "a" {
			  domain  = domain.example
			  name    = "a"
			  members = [user.alice.address]
			}`, "alias.a", "members", cty.TupleVal([]cty.Value{str("alice@example.com")})},
		"the zone of a domain": {base + `
			record "www" {
			  zone   = domain.example.zone
			  name   = "www"
			  type   = "A"
			  values = ["192.0.2.80"]
			}`, "record.www", "zone", ref("domain", "example", cty.NilVal, "zone")},
		"the zone of each of several domains": {base + `
			domain "more" {
			  for_each = toset(["a.example", "b.example"])
			  name     = each.value
			}
			record "www" {
			  for_each = domain.more
			  zone     = each.value.zone
			  name     = "www"
			  type     = "A"
			  values   = ["192.0.2.80"]
			}`, `record.www["b.example"]`, "zone", ref("domain", "more", str("b.example"), "zone")},
		"one value in place of a list": {base + `
			user "bob" {
			  domain        = domain.example
			  name          = "bob"
			  password_hash = "$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			}`, "user.bob", "password_hash", strs("$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").Mark(Sensitive)},
		"a number in place of a size": {base + `
			user "bob" {
			  domain = domain.example
			  name   = "bob"
			  quota  = 1024
			}`, "user.bob", "quota", str("1024")},
		"null in place of what has a default": {base + `
			user "bob" {
			  domain = domain.example
			  name   = "bob"
			  quota  = null
			}`, "user.bob", "quota", str("0")},
		"a provider with an alias": {base + `
			provider "embedded" {
			  alias    = "second"
			  data_dir = "./other"
			}
			server "two" {
			  hostname = "mx2.example.com"
			  provider = embedded.second
			}`, "server.two", "provider", strs("embedded.second")},
		"a reference chosen by a condition": {base + `
			locals { big = true }
			user "bob" {
			  domain = local.big ? domain.example : null
			  name   = "bob"
			}`, "user.bob", "domain", bare("domain", "example")},
		"a reference handed on by a local": {base + `
			locals { d = domain.example }
			user "bob" {
			  domain = local.d
			  name   = "bob"
			}`, "user.bob", "domain", bare("domain", "example")},
		"a report address made of an address of the same domain": {base + `
			domain "other" {
			  name = "other.example"
			  dmarc {
			    policy = "none"
			    rua    = ["postmaster@${domain.other.name}", user.alice.address, user.alice]
			  }
			}`, "domain.other", "dmarc.rua", cty.TupleVal([]cty.Value{str("postmaster@other.example"), str("alice@example.com"), bare("user", "alice")})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, cfg := evaluate(t, Options{}, "main.mf.hcl", tt.config)
			got := at(t, cfg.instance(t, tt.address).Body.Object(), tt.path)
			if !got.RawEquals(tt.want) {
				t.Errorf("%s.%s is %#v, want %#v", tt.address, tt.path, got, tt.want)
			}
		})
	}
}

func TestBodyFollowsTheSchema(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", base)
	for _, in := range cfg.Instances {
		want := schema.BlockByType(in.Ref.Type).ImpliedType()
		if errs := in.Body.Object().Type().TestConformance(want); len(errs) > 0 {
			t.Errorf("%s: %v", in.Ref, errs)
		}
	}
}
