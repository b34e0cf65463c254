package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests that come with examples pass.
func TestExamplesPassTheirTests(t *testing.T) {
	found, err := filepath.Glob("../../examples/*/tests/*.mftest.hcl")
	if err != nil || len(found) == 0 {
		t.Fatalf("examples with tests: %v, %v", found, err)
	}
	for _, file := range found {
		dir := filepath.Dir(filepath.Dir(file))
		out, err := exec.Command(binary, "-chdir="+dir, "test").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Success!") {
			t.Errorf("%s: %v\n%s", dir, err, out)
		}
	}
}

// The events of tests are as the published schema says.
func TestEventsOfTests(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	w := newWorld(t, map[string]string{
		"main.mf.hcl": quickstart(t),
		"main.mftest.hcl": `
run "passes" {
  command = plan
}
run "applies" {
  assert {
    condition     = plan.add > 0
    error_message = "Nothing was made."
  }
}
run "fails" {
  command = plan
  assert {
    condition     = domain.example.name == "x"
    error_message = "Another domain."
  }
}
run "breaks" {
  assert {
    condition     = domain.nowhere.name == "x"
    error_message = "Another domain."
  }
}
run "is_left_out" {}
`,
	})
	r := w.mailform("test", "-json", "-verbose")
	if r.code != 1 || !strings.Contains(r.stdout, `"test_summary":{"status":"error","passed":2,"failed":1,"errored":1,"skipped":1}`) {
		t.Errorf("got %v", r)
	}
	checkEvents(t, schema, r)
}
