package text_test

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/plan/text"
	"github.com/zclconf/go-cty/cty"
)

func TestValue(t *testing.T) {
	long := cty.StringVal(strings.Repeat("x", 50))
	for name, c := range map[string]struct {
		value cty.Value
		want  string
	}{
		"a string":                   {cty.StringVal("a \"b\""), `"a \"b\""`},
		"a short list":               {cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}), `["a", "b"]`},
		"a long list":                {cty.ListVal([]cty.Value{long, long}), "[\n  \"" + long.AsString() + "\",\n  \"" + long.AsString() + "\",\n]"},
		"a long object in a list":    {cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"a": long, "b-c": long})}), "[\n  {\n    a = \"" + long.AsString() + "\"\n    b-c = \"" + long.AsString() + "\"\n  },\n]"},
		"lines of text":              {cty.StringVal("$ORIGIN x.\n@ TXT \"a\"\n"), "<<EOT\n$ORIGIN x.\n@ TXT \"a\"\nEOT"},
		"lines without a last end":   {cty.StringVal("a\nb"), "<<EOT\na\nb\nEOT"},
		"lines with the mark":        {cty.StringVal("a\nEOT\n"), "<<EOT_\na\nEOT\nEOT_"},
		"what a terminal obeys":      {cty.StringVal("a\n\x1b[31m"), `"a\n\x1b[31m"`},
		"nothing":                    {cty.NullVal(cty.String), "null"},
		"what is not known yet":      {cty.UnknownVal(cty.String), "(known after apply)"},
		"a map of nothing":           {cty.MapValEmpty(cty.String), "{}"},
		"lines in a list stay short": {cty.ListVal([]cty.Value{cty.StringVal("a\nb")}), `["a\nb"]`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text.Value(c.value); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
