package schema_test

import (
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestEmbeddedDataDir(t *testing.T) {
	block := func(dir, typ, host cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"data_dir": dir, "connection": cty.ObjectVal(map[string]cty.Value{"type": typ, "host": host})})
	}
	text, ssh := cty.StringVal, cty.StringVal("ssh")
	for name, tc := range map[string]struct {
		value cty.Value
		want  string // empty: not known
	}{
		"no block":                         {cty.NullVal(cty.DynamicPseudoType), "/conf/mail"},
		"another machine":                  {block(text("/srv/mail/"), ssh, text("mail1.example.com")), "mail1.example.com:/srv/mail"},
		"another machine, a relative path": {block(text("./mail"), ssh, text("192.0.2.1")), "192.0.2.1:/var/lib/mailform/mail"},
		"an IPv6 address":                  {block(text("./mail"), ssh, text("2001:db8::1")), "2001:db8::1:/var/lib/mailform/mail"},
		"this machine":                     {block(text("./mail"), text("local"), text("ignored")), "/conf/mail"},
		"a machine that is not known":      {block(text("./mail"), ssh, cty.UnknownVal(cty.String)), ""},
		"a path that is not known":         {block(cty.UnknownVal(cty.String), ssh, text("a")), ""},
	} {
		d, ok := schema.EmbeddedDataDir(tc.value, "/conf")
		if ok != (tc.want != "") || ok && d.Key() != tc.want {
			t.Errorf("%s: %s, %v", name, d.Key(), ok)
			continue
		}
		if host, path := schema.SplitDataDir(d.Key()); ok && (host != d.Host || path != d.Path) {
			t.Errorf("%s is taken apart as %q, %q", d.Key(), host, path)
		}
	}
}
