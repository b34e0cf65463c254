package nametest

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Block is the value of a provider block for a server, with its defaults and with
// both keys, and with attributes of its own.
func Block(provider, addr string, attrs map[string]cty.Value) cty.Value {
	typ := schema.ProviderByName(provider)
	vals := map[string]cty.Value{}
	for _, a := range typ.Attributes {
		vals[a.Name] = defaultOf(a)
	}
	for i := range typ.Blocks {
		vals[typ.Blocks[i].Type] = cty.NullVal(typ.Blocks[i].ImpliedType())
	}
	vals["server"] = cty.StringVal(addr)
	vals["tsig"] = TSIG(WriteKey, "hmac-sha256", WriteSecret)
	vals["read_tsig"] = TSIG(ReadKey, "hmac-sha256", ReadSecret)
	for name, v := range attrs {
		vals[name] = v
	}
	return cty.ObjectVal(vals)
}

// Nested is the value of a block within a provider block.
func Nested(provider, block string, attrs map[string]string) cty.Value {
	vals := map[string]cty.Value{}
	for _, a := range schema.ProviderByName(provider).Block(block).Attributes {
		vals[a.Name] = defaultOf(a)
		if s, ok := attrs[a.Name]; ok {
			vals[a.Name] = cty.StringVal(s)
		}
	}
	return cty.ObjectVal(vals)
}

// TSIG is the value of a block that has a key.
func TSIG(name, algorithm, secret string) cty.Value {
	return Nested("rfc2136", "tsig", map[string]string{"name": name, "algorithm": algorithm, "secret": secret})
}

func defaultOf(a schema.Attribute) cty.Value {
	if a.Default != cty.NilVal {
		return a.Default
	}
	return cty.NullVal(a.Type)
}
