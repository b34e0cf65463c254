package text

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// compactWidth is how wide a collection may be on one line.
const compactWidth = 80

// Value is a whole value to be read and copied, as an expression of the
// language: what is short on one line, text of several lines as a heredoc.
func Value(v cty.Value) string { return whole(v, "") }

// whole is Value for a value in a place that is indented.
func whole(v cty.Value, indent string) string {
	if !v.IsKnown() || v.IsNull() {
		return scalar(v, plainNumber)
	}
	ty := v.Type()
	if ty == cty.String {
		if text := v.AsString(); isText(text) && indent == "" {
			return heredoc(text)
		}
		return scalar(v, plainNumber)
	}
	if !v.CanIterateElements() || len(indent)+len(compact(v)) <= compactWidth {
		return scalar(v, plainNumber)
	}
	open, end := "[", "]"
	if ty.IsObjectType() || ty.IsMapType() {
		open, end = "{", "}"
	}
	var b strings.Builder
	b.WriteString(open + "\n")
	inner := indent + "  "
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		b.WriteString(inner)
		if open == "{" {
			b.WriteString(key(k.AsString()) + " = " + whole(e, inner) + "\n")
		} else {
			b.WriteString(whole(e, inner) + ",\n")
		}
	}
	b.WriteString(indent + end)
	return b.String()
}

// isText reports whether a string is lines of text that a terminal can show.
func isText(s string) bool {
	if !strings.Contains(s, "\n") {
		return false
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return false
		}
	}
	return true
}

// heredoc writes lines as they are, between marks that none of them is.
func heredoc(text string) string {
	mark := "EOT"
	for strings.Contains(text, mark) {
		mark += "_"
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return "<<" + mark + "\n" + text + mark
}
