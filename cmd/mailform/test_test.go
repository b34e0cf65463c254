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
