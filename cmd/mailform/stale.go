package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planfile"
	"github.com/rogpeppe/go-internal/diff"
)

// mostLines is how many lines of changed files an error shows.
const mostLines = 40

// stale tells that a saved plan no longer says what would happen, and why: which
// variable is another, which thing at which target, who has applied since, and
// which lines of which file.
func (a *app) stale(path, why string, fresh *plan.Plan, meta planfile.Meta, m *config.Module) int {
	var b strings.Builder
	fmt.Fprintf(&b, "Something has changed since %s was made, so that it no longer says what would\n"+
		"happen. Nothing has been changed. Make a new plan; \"mailform show\" still shows this one.\n\n%s", filepath.Base(path), indent(why))
	if changed := filesChanged(meta.Config, m.Snapshot(fresh.Secrets())); changed != "" {
		fmt.Fprintf(&b, "\nThe files are not those that it was made from:\n\n%s", indent(changed))
	}
	return a.problem("Saved plan is stale", strings.TrimRight(b.String(), "\n"))
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// filesChanged shows the lines in which files differ, in the order of their
// names.
func filesChanged(was, is map[string]string) string {
	names := maps.Clone(was)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, is)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := was[name]
		after, has := is[name]
		switch {
		case before == after && had == has:
		case !had:
			lines = append(lines, name+" is new\n")
		case !has:
			lines = append(lines, name+" is gone\n")
		default:
			text := string(diff.Diff(name, []byte(before), name, []byte(after)))
			_, text, _ = strings.Cut(text, "\n") // "diff A B"
			lines = slices.AppendSeq(lines, strings.Lines(text))
		}
	}
	if len(lines) > mostLines {
		more := len(lines) - mostLines
		lines = append(lines[:mostLines:mostLines], fmt.Sprintf("… and %d more lines\n", more))
	}
	return strings.Join(lines, "")
}
