package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"
)

// mostDiagnostics bounds what is printed: more than anyone reads, and few enough
// for a file that is wrong from its first line to its last.
const mostDiagnostics = 1000

// diagnostics prints warnings and errors with the lines of the files that they
// are about, in the order of files and lines; under -json as events.
func (a *app) diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	sort.SliceStable(diags, func(i, j int) bool {
		x, y := diags[i].Subject, diags[j].Subject
		switch {
		case x == nil || y == nil:
			return x == nil && y != nil
		case x.Filename != y.Filename:
			return x.Filename < y.Filename
		default:
			return x.Start.Byte < y.Start.Byte
		}
	})
	a.intoDiagnostics(diags, files)
	if a.json {
		a.events().Diagnostics(diags, files)
		return
	}
	width := uint(0)
	if f, ok := a.stderr.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = uint(w)
		}
	}
	w := diagnosticWriter{w: a.stderr, files: files, width: width, color: a.color(a.stderr)}
	for i, d := range diags {
		if i == mostDiagnostics {
			fmt.Fprintf(a.stderr, "There are %d more, which are not shown.\n", len(diags)-i)
			break
		}
		if w.write(d) != nil {
			break // the stream is closed: there is no one to tell
		}
	}
	a.annotate(diags)
}

// compactWarnings prints each summary once, with the first place that it is
// about and the number of the others.
func (a *app) compactWarnings(diags hcl.Diagnostics) {
	fmt.Fprint(a.stderr, "Warnings:\n\n")
	count := map[string]int{}
	for _, d := range diags {
		count[d.Summary]++
	}
	for _, d := range diags {
		n := count[d.Summary]
		if n == 0 {
			continue // printed
		}
		delete(count, d.Summary)
		fmt.Fprintf(a.stderr, "- %s\n", d.Summary)
		switch {
		case d.Subject != nil && n > 1:
			fmt.Fprintf(a.stderr, "  on %s line %d (and %d more)\n", d.Subject.Filename, d.Subject.Start.Line, n-1)
		case d.Subject != nil:
			fmt.Fprintf(a.stderr, "  on %s line %d\n", d.Subject.Filename, d.Subject.Start.Line)
		case n > 1:
			fmt.Fprintf(a.stderr, "  (and %d more)\n", n-1)
		}
	}
	fmt.Fprint(a.stderr, "\nTo see them in full, leave out -compact-warnings.\n\n")
}

// suggest finds the word that was probably meant; "" where none is near.
func suggest(given string, words []string) string {
	best, most := "", 3
	for _, w := range words {
		if d := levenshtein.Distance(strings.ToLower(given), w, nil); d < most {
			best, most = w, d
		}
	}
	return best
}
