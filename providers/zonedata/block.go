package zonedata

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Text is an argument of a provider block, or of a block in one; empty where it
// has none.
func Text(block cty.Value, name string) string {
	if !block.Type().HasAttribute(name) {
		return ""
	}
	v := block.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// Texts are the elements of an argument that is a list; none where there is no
// list.
func Texts(block cty.Value, name string) []string {
	if !block.Type().HasAttribute(name) {
		return nil
	}
	v := block.GetAttr(name)
	if v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return nil
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		if !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out
}

// Some names some keys for a sentence, and counts the others.
func Some(keys []Key) string {
	var names []string
	for i, k := range keys {
		if i == 3 && len(keys) > 4 {
			names = append(names, fmt.Sprintf("and %d more", len(keys)-i))
			break
		}
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}
