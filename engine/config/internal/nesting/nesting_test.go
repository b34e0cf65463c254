package nesting

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestNumbers(t *testing.T) {
	for s, want := range map[string]bool{"1": true, "1e300": true, "1E-300": true, "1e301": false, "1e": true, "1e99999999999999999999": false, strings.Repeat("1", 100): true, strings.Repeat("1", 101): false} {
		if got := number(s); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

// What stands at the limits passes, and one more does not.
func TestLimits(t *testing.T) {
	lists := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	sums := func(n int) []byte { return []byte("1" + strings.Repeat("+1", n)) }
	tests := map[string]struct {
		in, out hcl.Diagnostics
	}{
		"brackets":         {Expression(lists(maxDepth), "", hcl.InitialPos), Expression(lists(maxDepth+1), "", hcl.InitialPos)},
		"brackets in JSON": {JSON(lists(maxDepth), ""), JSON(lists(maxDepth+1), "")},
		"operators":        {Expression(sums(maxChain), "", hcl.InitialPos), Expression(sums(maxChain+1), "", hcl.InitialPos)},
	}
	for name, tt := range tests {
		if tt.in.HasErrors() || !tt.out.HasErrors() {
			t.Errorf("%s: at the limit %v, beyond it %v", name, tt.in, tt.out)
		}
	}
}

func TestBracketsInJSONStrings(t *testing.T) {
	for _, s := range []string{`{"a":"` + strings.Repeat("[", 1000) + `"}`, `{"a":"\"` + strings.Repeat("[", 1000) + `"}`} {
		if diags := JSON([]byte(s), ""); diags.HasErrors() {
			t.Error(diags)
		}
	}
	// A string ends at a control character for the scanner, so it does here.
	if diags := JSON([]byte("\"\n"+strings.Repeat("[", 1000)), ""); !diags.HasErrors() {
		t.Error("brackets hide behind a line break")
	}
}
