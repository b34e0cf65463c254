package move

import (
	"slices"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// counts are the attributes of a location that are counted for a plan to show, and
// say nothing of where it is.
var counts = []string{"messages", "bytes", "free"}

// Attrs are the attributes of a location, with nothing counted.
func Attrs(content, at string) cty.Value {
	return WithoutCounts(cty.ObjectVal(map[string]cty.Value{"content": cty.StringVal(content), "path": cty.StringVal(at)}))
}

// WithoutCounts are the attributes of a location without what is counted.
func WithoutCounts(attrs cty.Value) cty.Value {
	vals := attrs.AsValueMap()
	for _, name := range counts {
		vals[name] = cty.NumberIntVal(0)
	}
	return schema.KindByName(schema.KindLocation).Object(vals)
}

// Uncounted are changes without what is counted of locations.
func Uncounted(batch []providers.Change) []providers.Change {
	out := slices.Clone(batch)
	for i := range out {
		if r := &out[i].Resource; r.Kind == schema.KindLocation && out[i].Action != providers.Delete {
			r.Attrs = WithoutCounts(r.Attrs)
		}
	}
	return out
}
