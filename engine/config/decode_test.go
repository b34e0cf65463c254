package config

import (
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestIsIdentifier(t *testing.T) {
	for _, name := range []string{"", "a", "A-1", "_", "_9", "1a", "-a", "a b", "a.b", "é", "aé", "a\x00", "日本", "a\u0301"} {
		if got, want := isIdentifier(name), hclsyntax.ValidIdentifier(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
