package host

import (
	"context"
	"fmt"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Open is the machine that the block connection in the value of a provider block
// names: this one, where there is none. Relative paths in it start from dir.
// Another machine is connected to by what is first asked of it.
func Open(ctx context.Context, value cty.Value, dir string) (Host, error) {
	return OpenBlock(ctx, value, "connection", dir)
}

// OpenReading is the same machine for those who only look, with the credentials of the
// block read_connection; nil where there is none.
func OpenReading(ctx context.Context, value cty.Value, dir string) (Host, error) {
	if value == cty.NilVal || value.IsNull() || !value.IsKnown() || !value.Type().HasAttribute(schema.ReadConnection) {
		return nil, nil
	}
	if b, _ := value.GetAttr(schema.ReadConnection).Unmark(); b.IsNull() {
		return nil, nil
	}
	return OpenBlock(ctx, value, schema.ReadConnection, dir)
}

// OpenBlock is Open for a block of another name.
func OpenBlock(_ context.Context, value cty.Value, block, dir string) (Host, error) {
	if value == cty.NilVal || value.IsNull() || !value.IsKnown() || !value.Type().HasAttribute(block) {
		return Local(), nil
	}
	c, _ := value.GetAttr(block).UnmarkDeep()
	if c.IsNull() || text(c, "type") == "local" {
		return Local(), nil
	}
	s, err := readSettings(c, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", block, err)
	}
	return newSSH(s, block), nil
}
