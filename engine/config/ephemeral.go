package config

import (
	"maps"

	"github.com/mailform/mailform/engine/config/internal/funcs"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// withoutEphemeral drops the mark of ephemeral values, and reports whether
// there was any.
func withoutEphemeral(marks []cty.PathValueMarks) ([]cty.PathValueMarks, bool) {
	var rest []cty.PathValueMarks
	had := false
	for _, m := range marks {
		if _, ok := m.Marks[Ephemeral]; ok {
			had = true
			m.Marks = maps.Clone(m.Marks)
			delete(m.Marks, Ephemeral)
		}
		if len(m.Marks) > 0 {
			rest = append(rest, m)
		}
	}
	return rest, had
}

// functions are those that expressions can call, for a directory.
func functions(dir string, opts Options) map[string]function.Function {
	table := funcs.Table(dir, Sensitive)
	table["ephemeralasnull"] = ephemeralAsNull
	table["plantimestamp"] = funcs.PlanTimestamp(opts.PlanTime, opts.AllowUnset)
	return table
}

// ephemeralAsNull puts null in the place of ephemeral values, however deep they
// lie, so that the rest can be remembered.
var ephemeralAsNull = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType,
		AllowDynamicType: true, AllowMarked: true, AllowNull: true, AllowUnknown: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.Transform(args[0], func(_ cty.Path, v cty.Value) (cty.Value, error) {
			if v.HasMark(Ephemeral) {
				return cty.NullVal(v.Type()), nil
			}
			return v, nil
		})
	},
})
