package expand_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func find(t *testing.T, res *expand.Result, address string) schema.Resource {
	t.Helper()
	for _, r := range res.Resources {
		if r.Address == address {
			return r
		}
	}
	t.Fatalf("there is no %s", address)
	return schema.Resource{}
}

// signed is a domain with a key, made of values.
func signed(algorithm string) *config.Config {
	cfg := staff(0)
	bt := schema.BlockByType("domain").Block("dkim")
	key := map[string]cty.Value{
		"selector": cty.StringVal("s1"), "algorithm": cty.StringVal(algorithm), "bits": cty.NumberIntVal(2048),
	}
	cfg.Instances[1].Body = body("domain", map[string]cty.Value{
		"name": cty.StringVal("example.com"), "server": ref("server", "main"),
		"dkim": cty.ListVal([]cty.Value{cty.ObjectVal(key)}),
	})
	if !cfg.Instances[1].Body.Object().GetAttr("dkim").Type().Equals(cty.List(bt.ImpliedType())) {
		panic("the dkim block has other attributes now")
	}
	return cfg
}

func TestWhatIsKnownOfAKey(t *testing.T) {
	live := cty.ObjectVal(map[string]cty.Value{
		"domain": cty.StringVal("example.com"), "selector": cty.StringVal("s1"),
		"algorithm": cty.StringVal("rsa"), "bits": cty.NumberIntVal(2048), "txt": cty.StringVal("v=DKIM1; k=rsa; p=AAAA"),
	})
	tests := map[string]struct {
		algorithm string
		known     expand.Known
		want      string
	}{
		"a key that is not born yet": {"rsa", nil, "(known after apply)"},
		"another key than the one that is there": {"ed25519",
			func(schema.ID) (cty.Value, bool) { return live, true }, "(known after apply)"},
		"a key that is there": {"rsa", func(id schema.ID) (cty.Value, bool) {
			return live, id == schema.ID{Target: "embedded", Kind: "dkimkey", Key: "example.com/s1"}
		}, `"v=DKIM1; k=rsa; p=AAAA"`},
		"nothing to tell": {"rsa", func(schema.ID) (cty.Value, bool) { return cty.NilVal, false }, "(known after apply)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res, diags := expand.Expand(signed(tt.algorithm), expand.Options{Known: tt.known})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := show(find(t, res, `domain.example.dkim["s1"]`).Attrs.GetAttr("txt")); got != tt.want {
				t.Errorf("txt = %s, want %s", got, tt.want)
			}
			computed := res.Computed["domain.example"]
			if got, want := show(computed.GetAttr("dkim_txt")), "[s1 = "+tt.want+"]"; got != want {
				t.Errorf("dkim_txt = %s, want %s", got, want)
			}
			known := tt.want[0] == '"'
			if got := computed.GetAttr("zone_file").IsKnown(); got != known {
				t.Errorf("zone_file known: %v, want %v", got, known)
			}
			line := res.Records["example.com"][0]
			if got := strings.HasPrefix(line, "s1._domainkey.example.com. 3600 IN TXT \"v=DKIM1"); got != known {
				t.Errorf("the line for the one who runs the zone is %q", line)
			}
		})
	}
}

// withUnknown replaces attributes of the blocks of one type by unknown values.
func withUnknown(cfg *config.Config, typ string, names ...string) *config.Config {
	for i := range cfg.Instances {
		if cfg.Instances[i].Ref.Type != typ {
			continue
		}
		vals := cfg.Instances[i].Body.Object().AsValueMap()
		for _, n := range names {
			vals[n] = cty.UnknownVal(vals[n].Type())
		}
		cfg.Instances[i].Body = config.BodyOf(cty.ObjectVal(vals))
	}
	return cfg
}

func TestUnknownValuesPassThrough(t *testing.T) {
	cfg := withUnknown(staff(1), "user", "quota", "password_hash", "protocols")
	cfg = withUnknown(cfg, "server", "message_size_limit", "addresses")
	res, diags := expand.Expand(cfg, expand.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	user := find(t, res, `user.staff["u000000"].mailbox`).Attrs
	setting := find(t, res, "server.main.setting").Attrs
	for name, v := range map[string]cty.Value{
		"quota": user.GetAttr("quota"), "password_hash": user.GetAttr("password_hash"), "protocols": user.GetAttr("protocols"),
		"message_size_limit": setting.GetAttr("message_size_limit"), "addresses": setting.GetAttr("addresses"),
		"listen": find(t, res, "server.main.imap").Attrs.GetAttr("listen"),
	} {
		if v.IsKnown() {
			t.Errorf("%s is %s, want it unknown", name, show(v))
		}
	}
}

func TestWhatAResourceIsHasToBeKnown(t *testing.T) {
	for typ, attr := range map[string]string{"user": "name", "domain": "name", "server": "hostname"} {
		cfg := withUnknown(staff(2), typ, attr)
		res, diags := expand.Expand(cfg, expand.Options{})
		if res != nil || !diags.HasErrors() || diags[0].Summary != "Value is not known in time" {
			t.Errorf("%s.%s unknown: %v", typ, attr, diags)
		}
		if _, diags := expand.Expand(cfg, expand.Options{Partial: true}); diags.HasErrors() {
			t.Errorf("%s.%s unknown, partial: %v", typ, attr, diags)
		}
	}
}

func TestWhoseAddressOverlapsWhose(t *testing.T) {
	const clash, apart = true, false
	tests := map[[2]string]bool{
		{"127.0.0.1:25", "127.0.0.1:25"}: clash,
		{"127.0.0.1:25", "127.0.0.2:25"}: apart,
		{"127.0.0.1:25", "127.0.0.1:26"}: apart,
		{"127.0.0.1:25", ":25"}:          clash,
		{"0.0.0.0:25", "127.0.0.1:25"}:   clash,
		{"0.0.0.0:25", "[::1]:25"}:       apart,
		{"[::]:25", "127.0.0.1:25"}:      clash, // the socket takes IPv4 as well
		{"[::]:25", "[::1]:25"}:          clash,
		{"[::]:25", "0.0.0.0:25"}:        clash,
		{":25", ":25"}:                   clash,
	}
	for pair, want := range tests {
		for _, p := range [][2]string{pair, {pair[1], pair[0]}} {
			cfg := &config.Config{Dir: "/srv/mail"}
			for i, name := range []string{"a", "b"} {
				cfg.Instances = append(cfg.Instances, config.Instance{
					Ref: schema.Ref{Type: "nameserver", Name: name},
					Body: body("nameserver", map[string]cty.Value{
						"hostname": cty.StringVal(name + ".example.com"), "listen": cty.ListVal([]cty.Value{cty.StringVal(p[i])}),
					}),
				})
			}
			_, diags := expand.Expand(cfg, expand.Options{})
			if diags.HasErrors() != want {
				t.Errorf("%s and %s: clash %v, want %v (%v)", p[0], p[1], !want, want, diags)
			}
		}
	}
}

func TestSecretsKeepOutOfErrors(t *testing.T) {
	cfg := staff(1)
	vals := cfg.Instances[2].Body.Object().AsValueMap()
	vals["quota"] = cty.StringVal("hunter2").Mark(config.Sensitive)
	cfg.Instances[2].Body = config.BodyOf(cty.ObjectVal(vals))
	_, diags := expand.Expand(cfg, expand.Options{})
	if !diags.HasErrors() || strings.Contains(diags.Error(), "hunter2") {
		t.Errorf("got %v", diags)
	}
}
