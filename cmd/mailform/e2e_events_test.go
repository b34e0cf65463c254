package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// eventSchema compiles the published schema of events, and forbids what it does
// not name.
func eventSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "https://github.com/mailform/mailform/docs/schema/events.schema.json"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(readFile(t, "../../docs/schema/events.schema.json")))
	if err == nil {
		doc.(map[string]any)["additionalProperties"] = false
		for _, def := range doc.(map[string]any)["$defs"].(map[string]any) {
			def.(map[string]any)["additionalProperties"] = false
		}
		err = c.AddResource(name, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkEvents tests that each line is an event as the schema says, the first of
// the type version, and that there is nothing on the other stream.
func checkEvents(t *testing.T, schema *jsonschema.Schema, r result) {
	t.Helper()
	if r.stderr != "" {
		t.Errorf("beside the events stands %q", r.stderr)
	}
	if !strings.HasSuffix(r.stdout, "\n") {
		t.Errorf("the last event has no end: %q", r.stdout)
	}
	for i, l := range strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n") {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(l))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("event %d is\n%s\n%v", i, l, err)
			continue
		}
		if first := v.(map[string]any)["type"] == "version"; first != (i == 0) {
			t.Errorf("event %d is\n%s", i, l)
		}
	}
}

// What differs from run to run.
var (
	eventTime     = regexp.MustCompile(`"@timestamp":"[^"]*"`)
	eventVersion  = regexp.MustCompile(`mailform [0-9]\S*?"|"mailform":"[^"]*"`)
	eventElapsed  = regexp.MustCompile(`"elapsed_seconds":\d+`)
	eventProgress = regexp.MustCompile(`(?m)^.*"type":"apply_progress".*\n`)
	eventKey      = regexp.MustCompile(`p=[A-Za-z0-9+/=]{100,}`)
)

func (w *world) steady(events string) string {
	events = eventTime.ReplaceAllString(events, `"@timestamp":"2026-01-02T03:04:05.000000Z"`)
	events = eventVersion.ReplaceAllStringFunc(events, func(m string) string {
		if strings.HasPrefix(m, "mailform ") {
			return `mailform 0.0.0-test"`
		}
		return `"mailform":"0.0.0-test"`
	})
	events = eventProgress.ReplaceAllString(events, "") // only of a busy machine
	events = eventElapsed.ReplaceAllString(events, `"elapsed_seconds":0`)
	events = eventKey.ReplaceAllString(events, "p=KEY")
	return w.withSamplePorts(strings.ReplaceAll(events, w.dir, "/srv/mailform"))
}

// TestEvents compares the events of a directory's life with those in
// testdata/events. MAILFORM_UPDATE=1 writes them anew.
func TestEvents(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "more.mf.hcl": ""})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	imap := w.addr("imap")
	for _, step := range []struct {
		name   string
		before func()
		args   string
		code   int
	}{
		{"plan", func() {}, "plan -json", 0},
		{"apply", func() {
			w.write("more.mf.hcl", "output \"mx\" {\n  value = server.main.hostname\n}\noutput \"hidden\" {\n  value     = \"SECRET\"\n  sensitive = true\n}\n")
		}, "apply -json -auto-approve", 0},
		{"no-changes", func() {}, "plan -json -detailed-exitcode", 0},
		{"changes", func() {
			w.edit("main.mf.hcl", `"2GiB"`, `"3GiB"`)
			w.edit("main.mf.hcl", `"www"`, `"site"`)
			w.edit("main.mf.hcl", `"sales"`, `"list"`)
			w.edit("main.mf.hcl", `name    = "sales"`, `name    = "list"`)
			w.write("carol.mf.hcl", "moved {\n  from = record.www\n  to   = record.site\n}\n")
			w.setQuota("bob@example.com", 12345)
		}, "plan -json -detailed-exitcode -replace=record.site", 2},
		{"half-fails", func() {
			w.edit("main.mf.hcl", imap, taken.Addr().String())
		}, "apply -json -auto-approve", 1},
		{"errors", func() {
			w.write("more.mf.hcl", "user \"carol\" {\n  domane = domain.example\n}\n")
		}, "plan -json", 1},
		{"unknown-option", func() {}, "plan -json -bogus", 1},
		{"too-many-arguments", func() {}, "apply -json one two", 1},
		{"no-one-to-ask", func() {}, "apply -json", 1},
		{"no-plan", func() {}, "apply -json there.is.none", 1},
		{"destroy", func() { w.write("more.mf.hcl", ""); w.edit("main.mf.hcl", taken.Addr().String(), imap) }, "destroy -json -auto-approve", 0},
	} {
		step.before()
		r := w.mailform(strings.Fields(step.args)...)
		if r.code != step.code {
			t.Errorf("%s: exit code %d, want %d: %v", step.name, r.code, step.code, r)
		}
		checkEvents(t, schema, r)
		if strings.Contains(r.stdout, "SECRET") || strings.Contains(r.stdout, "$argon2id") {
			t.Errorf("%s: the events have a secret", step.name)
		}
		got := strings.ReplaceAll(w.steady(r.stdout), taken.Addr().String(), "127.0.0.1:9143")
		golden := filepath.Join("testdata", "events", step.name+".jsonl")
		if os.Getenv("MAILFORM_UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(readFile(t, golden), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, d)
		}
	}
}

// Who waits for a lock, does not get it, or is interrupted, tells so in events.
func TestEventsOfALock(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	holder := w.command(ctx, binary, "apply", "-no-color") // asks, and holds the lock
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	asked := &watch{want: "Enter a value", seen: make(chan struct{})}
	holder.Stdout = asked
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked.seen:
	case <-ctx.Done():
		t.Fatal("apply does not ask")
	}
	for _, args := range []string{"plan -json", "plan -json -lock-timeout=300ms", "apply -json -auto-approve"} {
		r := w.mailform(strings.Fields(args)...)
		if r.code != 1 || !strings.Contains(r.stdout, "operation apply") {
			t.Errorf("%s: %v", args, r)
		}
		checkEvents(t, schema, r)
	}
	waiting := w.command(ctx, binary, "plan", "-json", "-lock-timeout=5m")
	var stdout, stderr bytes.Buffer
	waiting.Stdout, waiting.Stderr = &stdout, &stderr
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	// It heeds an interrupt as soon as it waits.
	done := make(chan error, 1)
	go func() { done <- waiting.Wait() }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(200 * time.Millisecond):
			_ = waiting.Process.Signal(os.Interrupt)
		}
	}
	if stdout.Len() > 0 { // else it had not begun
		checkEvents(t, schema, result{stdout.String(), stderr.String(), waiting.ProcessState.ExitCode()})
	}
	if status, ok := waiting.ProcessState.Sys().(syscall.WaitStatus); ok && !status.Signaled() && status.ExitStatus() != 1 {
		t.Errorf("an interrupted plan ends with %v", waiting.ProcessState)
	}
	fmt.Fprintln(stdin, "no")
	_ = holder.Wait() // it ends with an error: it was not confirmed
}

// An apply that is interrupted tells to its end in events.
func TestEventsOfAnInterruptedApply(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := w.command(ctx, binary, "apply", "-json", "-auto-approve")
	begun := &watch{want: `"apply_start"`, seen: make(chan struct{})}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = begun, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-begun.seen:
	case <-ctx.Done():
		t.Fatal("nothing is begun")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = cmd.Wait() // looked at below
	out := begun.all.String()
	checkEvents(t, schema, result{out, stderr.String(), cmd.ProcessState.ExitCode()})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	if cmd.ProcessState.ExitCode() == 0 && strings.Contains(last, "Apply complete!") {
		t.Log("the machine is so busy that the apply was faster than the interrupt")
	} else if !strings.Contains(last, `"change_summary"`) || !strings.Contains(last, "Apply incomplete.") || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ends with code %d and\n%s", cmd.ProcessState.ExitCode(), last)
	}
	w.apply()
	w.noChanges()
}

// A watch closes a channel once it has been written a text.
type watch struct {
	want string
	all  strings.Builder
	seen chan struct{}
	over bool
}

func (w *watch) Write(p []byte) (int, error) {
	w.all.Write(p)
	if !w.over && strings.Contains(w.all.String(), w.want) {
		w.over = true
		close(w.seen)
	}
	return len(p), nil
}

// validate -json is one document, whatever is wrong.
func TestValidationIsADocument(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": "user \"a\" {\n  password_hash = \"$plain\"\n  quotta = 1\n}\n"})
	r := w.mailform("validate", "-json")
	var doc struct {
		Valid       bool
		Diagnostics []struct {
			Summary string
			Snippet *struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Valid || len(doc.Diagnostics) == 0 || r.stderr != "" || r.code != 1 {
		t.Fatalf("%v: %v", err, r)
	}
	for _, d := range doc.Diagnostics {
		if d.Snippet == nil || strings.Contains(d.Snippet.Code, "$plain") {
			t.Errorf("the snippet of %q is %+v", d.Summary, d.Snippet)
		}
	}
}
