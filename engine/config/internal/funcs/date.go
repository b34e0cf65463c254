package funcs

import (
	"errors"
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

// PlanTimestamp is the time that a plan is made for. It is another one only where
// somebody asks for that, so that the same input makes the same plan. Where the
// time is zero there is none, and where lenient is set it is not known.
func PlanTimestamp(at time.Time, lenient bool) function.Function {
	return function.New(&function.Spec{
		Type: static(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			switch {
			case !at.IsZero():
				return cty.StringVal(at.UTC().Format(time.RFC3339)), nil
			case lenient:
				return cty.UnknownVal(cty.String), nil
			}
			return cty.NilVal, errors.New("the plan has no time: give it one with -at=now, or -at=2026-01-31T12:00:00Z")
		},
	})
}
