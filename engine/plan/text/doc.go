// Package text writes plans, states and the progress of an apply for people, in
// the line forms of Terraform, which pipelines look for with regular
// expressions: see the tests, which hold them.
//
// Start at [Plan]. Equal plans make equal text: there are no times in it.
package text

// Style says how text looks. The zero value is plain text.
type Style struct {
	// Product is the name in headings; empty: "mailform". Tools that only know
	// Terraform's headings find them with "Terraform".
	Product string
	Palette Palette
}

// A Palette is what is written before and after coloured parts. The zero value
// has no colours.
type Palette struct {
	Bold, Green, Yellow, Red, Cyan, Reset string
}

// ANSI is the palette of a terminal.
var ANSI = Palette{
	Bold: "\x1b[1m", Green: "\x1b[32m", Yellow: "\x1b[33m", Red: "\x1b[31m", Cyan: "\x1b[36m", Reset: "\x1b[0m",
}

func (s Style) product() string {
	if s.Product == "" {
		return "mailform"
	}
	return s.Product
}
