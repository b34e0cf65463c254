package planjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
)

type testFile struct {
	Path     string `json:"path"`
	Progress string `json:"progress"`
	Status   string `json:"status,omitempty"`
}

type testRun struct {
	Path     string `json:"path"`
	Run      string `json:"run"`
	Progress string `json:"progress"`
	Elapsed  *int64 `json:"elapsed,omitempty"` // milliseconds
	Status   string `json:"status,omitempty"`
}

// TestCounts are how many runs ended how, for the last event of mailform test.
type TestCounts struct {
	Status  string `json:"status"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Errored int    `json:"errored"`
	Skipped int    `json:"skipped"`
}

// TestAbstract tells which runs there are, by file.
func (s *Stream) TestAbstract(runs map[string][]string) {
	n := 0
	for _, list := range runs {
		n += len(list)
	}
	s.emit(event{Message: fmt.Sprintf("Found %d file(s) and %d run block(s)", len(runs), n), Type: "test_abstract", TestAbstract: runs})
}

// TestFile tells of a file. status is empty where it has just begun.
func (s *Stream) TestFile(path, status string) {
	e := event{Type: "test_file", AtFile: path, Message: path + "... in progress", TestFile: &testFile{Path: path, Progress: "starting"}}
	if status != "" {
		e.Message = path + "... " + status
		e.TestFile = &testFile{Path: path, Progress: "complete", Status: status}
	}
	s.emit(e)
}

// TestRun tells of a run. status is empty where it has just begun.
func (s *Stream) TestRun(path, run, status string, took time.Duration) {
	e := event{Type: "test_run", AtFile: path, AtRun: run, Message: fmt.Sprintf("  %q... in progress", run),
		TestRun: &testRun{Path: path, Run: run, Progress: "starting"}}
	if status != "" {
		ms := took.Milliseconds()
		e.Message = fmt.Sprintf("  %q... %s", run, status)
		e.TestRun = &testRun{Path: path, Run: run, Progress: "complete", Status: status, Elapsed: &ms}
	}
	s.emit(e)
}

// TestPlan hands over what a run has planned, as show -json does.
func (s *Stream) TestPlan(path, run string, p *plan.Plan, version string) {
	var doc bytes.Buffer
	if err := Plan(&doc, p, version); err != nil {
		s.err = err
		return
	}
	s.emit(event{Type: "test_plan", AtFile: path, AtRun: run, Message: "-verbose flag enabled, printing plan", TestPlan: json.RawMessage(doc.Bytes())})
}

// TestState hands over what a run has made, as show -json does.
func (s *Stream) TestState(path, run string, st *state.State, version string) {
	var doc bytes.Buffer
	if err := State(&doc, st, version); err != nil {
		s.err = err
		return
	}
	s.emit(event{Type: "test_state", AtFile: path, AtRun: run, Message: "-verbose flag enabled, printing state", TestState: json.RawMessage(doc.Bytes())})
}

// TestDiagnostics writes an event for each diagnostic of a run.
func (s *Stream) TestDiagnostics(path, run string, diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range diags {
		e := diagnosticEvent(d, files)
		e.AtFile, e.AtRun = path, run
		s.emit(e)
	}
}

// TestSummary is the last event.
func (s *Stream) TestSummary(c TestCounts) {
	word := "Success!"
	if c.Status != "pass" {
		word = "Failure!"
	}
	message := fmt.Sprintf("%s %d passed, %d failed.", word, c.Passed, c.Failed+c.Errored)
	if c.Skipped > 0 {
		message = fmt.Sprintf("%s, %d skipped.", strings.TrimSuffix(message, "."), c.Skipped)
	}
	s.emit(event{Type: "test_summary", Message: message, TestSummary: &c})
}
