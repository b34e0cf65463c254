package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The text of an apply and its events come side by side, and say the same.
func TestEventsBesideText(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	for _, step := range []struct{ command, done string }{
		{"apply", "Apply complete!"}, {"destroy", "Destroy complete!"},
	} {
		r := w.mailform(step.command, "-auto-approve", "-json-into=events.jsonl")
		if r.code != 0 || !strings.Contains(r.stdout, step.done) || strings.Contains(r.stdout, "@level") {
			t.Fatalf("%s: %v", step.command, r)
		}
		events := readFile(t, filepath.Join(w.dir, "events.jsonl"))
		checkEvents(t, schema, result{stdout: events})
		for _, want := range []string{`"type":"planned_change"`, `"type":"apply_start"`, `"type":"apply_complete"`, `"operation":"` + step.command + `"`} {
			if !strings.Contains(events, want) {
				t.Errorf("%s: there is no %s in\n%s", step.command, want, events)
			}
		}
	}
}
