package schema

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestEqualIsRawEquals(t *testing.T) {
	text := cty.StringVal
	values := []cty.Value{
		text(""), text("a"), text("b"), text("é"), text("e\u0301"), cty.NullVal(cty.String), cty.UnknownVal(cty.String), text("a").Mark("secret"),
		cty.UnknownVal(cty.String).RefineNotNull(),
		cty.NumberIntVal(0), cty.NumberIntVal(1), cty.NumberFloatVal(1), cty.MustParseNumberVal("1.0"), cty.MustParseNumberVal("36893488147419103232"),
		cty.PositiveInfinity, cty.NullVal(cty.Number), cty.UnknownVal(cty.Number),
		cty.True, cty.False, cty.DynamicVal, cty.NullVal(cty.DynamicPseudoType), cty.EmptyObjectVal,
		cty.ListValEmpty(cty.String), cty.ListValEmpty(cty.Number), StringList([]string{"a"}), StringList([]string{"a", "b"}), StringList([]string{"b", "a"}),
		cty.ListVal([]cty.Value{cty.NullVal(cty.String)}), cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}), cty.ListVal([]cty.Value{text("a").Mark("secret")}),
		cty.ListVal([]cty.Value{cty.NumberIntVal(1)}), cty.SetVal([]cty.Value{text("a")}), cty.TupleVal([]cty.Value{text("a")}),
		cty.NullVal(cty.List(cty.String)), cty.UnknownVal(cty.List(cty.String)),
	}
	for _, a := range values {
		for _, b := range values {
			if got, want := Equal(a, b), a.RawEquals(b); got != want {
				t.Errorf("%#v and %#v: %v", a, b, got)
			}
		}
	}
}
