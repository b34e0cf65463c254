package funcs

import (
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func parseTime(args []cty.Value, i int) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, args[i].AsString())
	if err != nil {
		return t, function.NewArgErrorf(i, "%q is not a time; one is written as 2026-01-31T12:00:00Z (RFC 3339)", args[i].AsString())
	}
	return t, nil
}

// timeCmp tells which of two times comes first, whatever their zones.
var timeCmp = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "timestamp_a", Type: cty.String}, {Name: "timestamp_b", Type: cty.String}},
	Type:   static(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		a, err := parseTime(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		b, err := parseTime(args, 1)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.NumberIntVal(int64(a.Compare(b))), nil
	},
})
