package host

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// Open connects to the machine that the block connection in the value of a
// provider block names: this one, where there is none. Relative paths in it start
// from dir.
func Open(_ context.Context, value cty.Value, _ string) (Host, error) {
	if value.IsNull() || !value.IsKnown() || !value.Type().HasAttribute("connection") {
		return Local(), nil
	}
	c, _ := value.GetAttr("connection").Unmark()
	if c.IsNull() {
		return Local(), nil
	}
	typ, _ := c.GetAttr("type").Unmark()
	if typ.AsString() == "local" {
		return Local(), nil
	}
	return nil, fmt.Errorf("connections of type %q cannot be made", typ.AsString())
}
