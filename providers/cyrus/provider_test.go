package cyrus_test

import (
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/cyrus"
	"github.com/zclconf/go-cty/cty"
)

// A server needs no block for its provider where everything lies as Debian has it.
func TestNoBlock(t *testing.T) {
	p := &cyrus.Provider{Executable: "/usr/bin/mailform"}
	if diags := p.Configure(t.Context(), providers.Config{Value: cty.NullVal(cty.DynamicPseudoType), Dir: t.TempDir()}); diags.HasErrors() {
		t.Error(diags)
	}
}
