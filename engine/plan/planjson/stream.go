package planjson

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// A Stream writes events, a JSON object a line, as plan -json and apply -json
// do. It is an apply.Observer. It keeps the first error of writing for Err and
// writes nothing after it. It may be used by several goroutines.
type Stream struct {
	w       io.Writer
	mu      sync.Mutex // of all below
	now     func() time.Time
	started map[*plan.Change]begun
	err     error
}

// begun is when a change was begun, and what is done.
type begun struct {
	at     time.Time
	action providers.Action
}

// NewStream makes a Stream; now is the clock of its time stamps.
func NewStream(w io.Writer, now func() time.Time) *Stream {
	return &Stream{w: w, now: now, started: map[*plan.Change]begun{}}
}

// Err is the first error of writing.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

type event struct {
	Level     string `json:"@level"`
	Message   string `json:"@message"`
	Module    string `json:"@module"`
	Timestamp string `json:"@timestamp"`
	Type      string `json:"type"`

	Mailform   string                 `json:"mailform,omitempty"`
	Terraform  string                 `json:"terraform,omitempty"`
	UI         string                 `json:"ui,omitempty"`
	Change     *eventChange           `json:"change,omitempty"`
	Changes    *eventCounts           `json:"changes,omitempty"`
	Hook       *eventHook             `json:"hook,omitempty"`
	Diagnostic *diagnostic            `json:"diagnostic,omitempty"`
	Outputs    map[string]eventOutput `json:"outputs,omitempty"`

	Staged       *staged             `json:"staged,omitempty"`
	NotBefore    time.Time           `json:"not_before,omitzero"`
	AtFile       string              `json:"@testfile,omitempty"`
	AtRun        string              `json:"@testrun,omitempty"`
	TestAbstract map[string][]string `json:"test_abstract,omitempty"`
	TestFile     *testFile           `json:"test_file,omitempty"`
	TestRun      *testRun            `json:"test_run,omitempty"`
	TestPlan     json.RawMessage     `json:"test_plan,omitempty"`
	TestState    json.RawMessage     `json:"test_state,omitempty"`
	TestSummary  *TestCounts         `json:"test_summary,omitempty"`
}

type eventResource struct {
	Addr            string          `json:"addr"`
	Module          string          `json:"module"`
	Resource        string          `json:"resource"`
	ImpliedProvider string          `json:"implied_provider"`
	ResourceType    string          `json:"resource_type"`
	ResourceName    string          `json:"resource_name"`
	ResourceKey     json.RawMessage `json:"resource_key"`
}

type eventChange struct {
	Resource         eventResource  `json:"resource"`
	PreviousResource *eventResource `json:"previous_resource,omitempty"`
	Action           string         `json:"action"`
	Reason           string         `json:"reason,omitempty"`
	Importing        *importing     `json:"importing,omitempty"`
	Notes            []string       `json:"notes,omitempty"`
}

type eventCounts struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
	Forget    int    `json:"forget"`
	Operation string `json:"operation"`
}

type eventHook struct {
	Resource       eventResource    `json:"resource"`
	Action         providers.Action `json:"action"`
	IDKey          string           `json:"id_key,omitempty"`
	IDValue        string           `json:"id_value,omitempty"`
	Reason         string           `json:"reason,omitempty"`
	ElapsedSeconds *int64           `json:"elapsed_seconds,omitempty"`
}

type eventOutput struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Action    string          `json:"action,omitempty"`
}

func (s *Stream) emit(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if e.Level == "" {
		e.Level = "info"
	}
	e.Module = "mailform.ui"
	e.Timestamp = s.now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	s.err = write(s.w, e)
}

// Version is the first event of a stream. version is mailform's.
func (s *Stream) Version(version string) {
	s.emit(event{Message: "mailform " + version, Type: "version", Mailform: version, Terraform: terraformVersion, UI: eventFormat})
}

// Plan writes an event for each drift and each change, one that counts them,
// and one for the outputs where there are any.
func (s *Stream) Plan(p *plan.Plan) {
	for i := range p.Drift {
		d := &p.Drift[i]
		s.emit(event{
			Message: fmt.Sprintf("%s: Drift detected (%s)", d.Address, d.Action), Type: "resource_drift",
			Change: &eventChange{Resource: s.resource(d.Address, d.ID), Action: string(d.Action)},
		})
	}
	declared := declaredBlocks(p)
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action != plan.NoOp {
			ch := s.change(c)
			if c.Action == plan.Delete && p.Mode == plan.Normal {
				ch.Reason = deleteReason(c.Address, declared)
			}
			s.emit(event{Message: fmt.Sprintf("%s: Plan to %s", c.Address, ch.Action), Type: "planned_change", Change: ch})
		}
	}
	sum := p.Summary()
	s.emit(event{
		Message: sum.String(),
		Type:    "change_summary",
		Changes: &eventCounts{sum.Add, sum.Change, sum.Import, sum.Destroy, sum.Forget, "plan"},
	})
	for _, m := range stagedOf(p) {
		s.emit(event{Message: m.message(), Type: "staged_change", Staged: &m})
	}
	outputs := map[string]eventOutput{}
	for _, o := range p.Outputs {
		outputs[o.Name] = eventOutput{Sensitive: o.Sensitive, Action: strings.ReplaceAll(string(o.Action), "no-op", "noop")}
	}
	s.outputs(outputs)
}

// Waiting tells that the next stage is waited for, or that it is not.
func (s *Stream) Waiting(message string, next time.Time) {
	s.emit(event{Message: message, Type: "stage_wait", NotBefore: next.UTC()})
}

// message says when the next stage is.
func (m *staged) message() string {
	for _, s := range m.Stages {
		if !s.Due {
			return fmt.Sprintf("%s: Next stage (%s) not before %s", m.Address, s.Step, s.NotBefore.Format(time.RFC3339))
		}
	}
	return fmt.Sprintf("%s: Last stage", m.Address)
}

func (s *Stream) change(c *plan.Change) *eventChange {
	ch := &eventChange{Resource: s.resource(c.Address, c.ID), Action: string(c.Action), Notes: c.Notes}
	switch c.Action {
	case plan.Forget:
		ch.Action = "remove"
	case plan.Replace:
		ch.Reason = "cannot_update"
		if c.Requested() {
			ch.Reason = "requested"
		}
	case plan.Adopt:
		ch.Action = "import"
		if c.Differs() {
			ch.Action = "update"
		}
		ch.Importing = &importing{c.ID.Key}
	}
	if c.PrevAddress != "" {
		prev := s.resource(c.PrevAddress, c.ID)
		ch.PreviousResource = &prev
	}
	return ch
}

func (s *Stream) resource(address string, id schema.ID) eventResource {
	p, err := newPlace(address, id)
	if err != nil {
		s.mu.Lock()
		s.err = cmp.Or(s.err, err)
		s.mu.Unlock()
	}
	provider, _, _ := strings.Cut(id.Target, ".")
	r := eventResource{
		Addr: address, Module: p.Module, Resource: strings.TrimPrefix(strings.TrimPrefix(address, p.Module), "."), ImpliedProvider: provider,
		ResourceType: p.Type, ResourceName: p.Name, ResourceKey: p.Index,
	}
	if r.ResourceKey == nil {
		r.ResourceKey = json.RawMessage("null")
	}
	return r
}

// Applied writes the change_summary of an apply. operation is "apply" or
// "destroy".
func (s *Stream) Applied(operation string, sum apply.Summary) {
	head := strings.ToUpper(operation[:1]) + operation[1:]
	done := "complete!"
	if !sum.Complete() {
		done = "incomplete."
	}
	s.emit(event{
		Message: fmt.Sprintf("%s %s Resources: %s%d added, %d changed, %d destroyed%s.", head, done, some("", sum.Imported, " imported, "), sum.Added, sum.Changed, sum.Destroyed, some(", ", sum.Forgotten, " forgotten")),
		Type:    "change_summary",
		Changes: &eventCounts{sum.Added, sum.Changed, sum.Imported, sum.Destroyed, sum.Forgotten, operation},
	})
}

// some is a number between two texts, and nothing where it is 0.
func some(before string, n int, after string) string {
	if n == 0 {
		return ""
	}
	return before + strconv.Itoa(n) + after
}

// Outputs writes the outputs of a state.
func (s *Stream) Outputs(outputs map[string]state.Output) {
	out := map[string]eventOutput{}
	for name, o := range outputs {
		v := newOutput(o)
		out[name] = eventOutput{Sensitive: v.Sensitive, Type: v.Type, Value: v.Value}
	}
	s.outputs(out)
}

func (s *Stream) outputs(outputs map[string]eventOutput) {
	if len(outputs) > 0 {
		s.emit(event{Message: fmt.Sprintf("Outputs: %d", len(outputs)), Type: "outputs", Outputs: outputs})
	}
}

// Started implements apply.Observer.
func (s *Stream) Started(c *plan.Change, a providers.Action) {
	s.mu.Lock()
	s.started[c] = begun{s.now(), a}
	s.mu.Unlock()
	s.emit(event{Message: c.Address + ": " + doing[a] + "...", Type: "apply_start", Hook: s.hook(c, a)})
}

var (
	doing = map[providers.Action]string{providers.Create: "Creating", providers.Update: "Modifying", providers.Delete: "Destroying"}
	did   = map[providers.Action]string{providers.Create: "Creation", providers.Update: "Modifications", providers.Delete: "Destruction"}
)

// Completed implements apply.Observer.
func (s *Stream) Completed(c *plan.Change, a providers.Action) {
	h := s.hook(c, a)
	h.ElapsedSeconds = s.elapsed(c)
	s.emit(event{Message: c.Address + ": " + did[a] + " complete", Type: "apply_complete", Hook: h})
}

// mostProgress bounds how many changes Progress tells of: a batch of 100,000 is
// begun at once.
const mostProgress = 20

// Progress tells of what has been begun and goes on. Whoever applies calls it
// from time to time.
func (s *Stream) Progress() {
	s.mu.Lock()
	now := s.now()
	type work struct {
		begun
		change  *plan.Change
		seconds int64
	}
	var going []work
	for c, b := range s.started {
		going = append(going, work{b, c, int64(now.Sub(b.at).Seconds())})
	}
	s.mu.Unlock()
	slices.SortFunc(going, func(a, b work) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.change.Address, b.change.Address))
	})
	for _, w := range going[:min(len(going), mostProgress)] {
		h := s.hook(w.change, w.action)
		h.ElapsedSeconds = &w.seconds
		s.emit(event{
			Message: fmt.Sprintf("%s: Still %s... [%ds elapsed]", w.change.Address, strings.ToLower(doing[w.action]), w.seconds),
			Type:    "apply_progress", Hook: h,
		})
	}
}

// Failed implements apply.Observer. The error itself comes as a diagnostic.
func (s *Stream) Failed(c *plan.Change, a providers.Action, _ error) {
	h := s.hook(c, a)
	h.ElapsedSeconds = s.elapsed(c)
	s.emit(event{Level: "error", Message: c.Address + ": " + did[a] + " failed", Type: "apply_errored", Hook: h})
}

// Skipped implements apply.Observer. Terraform has no such event.
func (s *Stream) Skipped(c *plan.Change, a providers.Action, why string) {
	h := s.hook(c, a)
	h.Reason = why
	s.emit(event{Level: "warn", Message: c.Address + ": Skipped: " + why, Type: "apply_skipped", Hook: h})
}

func (s *Stream) hook(c *plan.Change, a providers.Action) *eventHook {
	id := c.ID
	if a == providers.Delete {
		id = c.PrevID
	}
	return &eventHook{Resource: s.resource(c.Address, id), Action: a, IDKey: "key", IDValue: id.Key}
}

func (s *Stream) elapsed(c *plan.Change) *int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.started[c]
	if !ok {
		return nil
	}
	delete(s.started, c)
	seconds := int64(s.now().Sub(b.at).Seconds())
	return &seconds
}

// Diagnostics writes an event for each diagnostic. files are those that they are
// about, as they may be shown.
func (s *Stream) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range diags {
		s.emit(diagnosticEvent(d, files))
	}
}

func diagnosticEvent(d *hcl.Diagnostic, files map[string]*hcl.File) event {
	level, word := "error", "Error"
	if d.Severity == hcl.DiagWarning {
		level, word = "warn", "Warning"
	}
	return event{Level: level, Message: word + ": " + d.Summary, Type: "diagnostic", Diagnostic: newDiagnostic(d, files)}
}
