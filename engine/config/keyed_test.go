package config

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// What is made of a for expression without its object is what is made of the object;
// what is out of the ordinary is left to the usual way.
func TestKeyedIsAsTheObject(t *testing.T) {
	rows := make([]cty.Value, 2*manyRows)
	for i := range rows {
		rows[i] = cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("u" + string(rune('a'+i%26)) + cty.NumberIntVal(int64(i)).AsBigFloat().String()), "n": cty.NumberIntVal(int64(i))})
	}
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"rows": cty.TupleVal(rows), "few": cty.TupleVal(rows[:3]), "map": cty.MapVal(map[string]cty.Value{"b": cty.StringVal("x"), "a": cty.StringVal("y")}),
			"set": cty.SetVal([]cty.Value{cty.StringVal("q"), cty.StringVal("p")}), "secret": cty.StringVal("s").Mark(Sensitive),
			"later": cty.UnknownVal(cty.String), "lists": cty.UnknownVal(cty.List(cty.String)), "none": cty.NullVal(cty.List(cty.String)),
		},
		Functions: map[string]function.Function{"upper": stdlib.UpperFunc},
	}
	for text, ordinary := range map[string]bool{
		`{ for r in rows : r.name => r }`:                      true,
		`{ for i, r in rows : i => r.n }`:                      true,
		`{ for r in rows : upper(r.name) => r if r.n < 1500 }`: true,
		`{ for r in rows : r.name => secret }`:                 true,
		`{ for r in rows : r.name => later }`:                  true,
		`{ for r in few : r.n => r.name }`:                     true,
		`{ for k, v in map : v => k }`:                         true,
		`{ for s in set : s => true }`:                         true,
		`{ for r in [] : r => r }`:                             true,
		`{ for r in rows : "one" => r }`:                       false,
		`{ for r in rows : r.name => r... }`:                   false,
		`{ for r in rows : r.nothing => r }`:                   false,
		`{ for r in rows : r.name => r.nothing }`:              false,
		`{ for r in rows : r => r }`:                           false,
		`{ for r in rows : r.name => r if r }`:                 false,
		`{ for r in rows : r.name => r if later == "x" }`:      false,
		`{ for r in few : later => r }`:                        false,
		`{ for r in few : secret => r }`:                       false,
		`{ for r in few : null => r }`:                         false,
		`{ for r in lists : r => r }`:                          false,
		`{ for r in none : r => r }`:                           false,
		`{ for r in secret : r => r }`:                         false,
		`[for r in rows : r]`:                                  false,
		`rows`:                                                 false,
	} {
		x, diags := hclsyntax.ParseExpression([]byte(text), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		list, ok := keyed(&expression{Expression: x}, ctx)
		if ok != ordinary {
			t.Errorf("%s: ordinary %t", text, ok)
		}
		if !ok {
			continue
		}
		object, diags := x.Value(ctx)
		if diags.HasErrors() || len(list) != object.LengthInt() {
			t.Errorf("%s: %d instances; %v", text, len(list), diags)
			continue
		}
		i := 0
		for it := object.ElementIterator(); it.Next(); i++ {
			key, value := it.Element()
			if own := list[i].own; !list[i].key.RawEquals(key) || !own.GetAttr("key").RawEquals(key) || !own.GetAttr("value").RawEquals(value) {
				t.Errorf("%s: instance %d is %#v", text, i, own)
				break
			}
		}
	}
}
