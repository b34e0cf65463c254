package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/memory"
)

// A stagesRun is mailform with systems in memory and a clock that only goes on
// when it is told to.
type stagesRun struct {
	t     *testing.T
	world memory.World
	now   time.Time
	// asleep is what happens while an apply waits; nil: nothing.
	asleep func() error
}

func newStagesRun(t *testing.T) *stagesRun {
	t.Chdir(t.TempDir())
	return &stagesRun{t: t, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
}

// run runs a command, and returns both streams together.
func (r *stagesRun) run(code int, args ...string) string {
	r.t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := &app{
		stdin: strings.NewReader(""), stdout: &out, stderr: &out, environ: []string{}, cancel: cancel,
		now: func() time.Time { return r.now }, newProvider: r.world.NewProvider,
		sleep: func(_ context.Context, d time.Duration) error {
			r.now = r.now.Add(d)
			if r.asleep != nil {
				return r.asleep()
			}
			return nil
		},
	}
	if got := a.main(ctx, args); got != code {
		r.t.Fatalf("mailform %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out.String())
	}
	return out.String()
}

// files describes a domain whose mail a server takes, with what else is given.
func (r *stagesRun) files(server string, more ...string) {
	r.t.Helper()
	text := strings.ReplaceAll(`
nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["192.0.2.53:53"]
}
server "NAME" {
  hostname  = "NAME.example.com"
  addresses = ["192.0.2.`+map[string]string{"old": "1", "new": "2", "third": "3"}[server]+`"]
  smtp {}
}
domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.NAME }
}
user "alice" {
  domain = domain.example
  name   = "alice"
}
`, "NAME", server) + strings.Join(more, "\n")
	if err := os.WriteFile("main.mf.hcl", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *stagesRun) has(out string, wants ...string) {
	r.t.Helper()
	for _, w := range wants {
		if !strings.Contains(out, w) {
			r.t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

func (r *stagesRun) hasNot(out string, wants ...string) {
	r.t.Helper()
	for _, w := range wants {
		if strings.Contains(out, w) {
			r.t.Errorf("%q is in:\n%s", w, out)
		}
	}
}

// noChanges holds the plan to be empty, and to say what pipelines read.
func (r *stagesRun) noChanges() string {
	r.t.Helper()
	out := r.run(exitOK, "plan", "-detailed-exitcode")
	r.has(out, "No changes.")
	return out
}

// TestAnMXMovesInStages goes through a move by one apply for each stage.
func TestAnMXMovesInStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.noChanges()

	r.files("new")
	out := r.run(exitOK, "apply", "-auto-approve")
	r.has(out, `ttl = "1h" -> "5m"`, "1. with this plan: the time to live is lowered to 5 minutes",
		"2. not before 2026-11-25T13:05:00Z: the new values take the place of the old ones",
		"3. not before 2026-11-25T13:15:00Z: what stays until then is taken away, and the time to live is 1 hour again",
		`until the last stage stays: server.old.address["A"], server.old.setting, server.old.smtp`,
		"The next stage is due at 2026-11-25T13:05:00Z. An apply from then on makes it.")
	r.hasNot(out, "will be destroyed")
	r.has(r.noChanges(), "What is due of the configuration is there; the next stage is due at 2026-11-25T13:05:00Z.")
	r.has(r.run(exitOK, "show"), "Stages to come:", "domain.example.mx: switch to 10 new.example.com., not before 2026-11-25T13:05:00Z")
	var state struct {
		Mailform struct {
			Stages []struct {
				Address, Step string
				NotBefore     time.Time `json:"not_before"`
			}
		}
	}
	if err := json.Unmarshal([]byte(r.run(exitOK, "show", "-json")), &state); err != nil {
		t.Fatal(err)
	}
	if s := state.Mailform.Stages; len(s) != 1 || s[0].Step != "switch" || !s[0].NotBefore.Equal(r.now.Add(65*time.Minute)) {
		t.Errorf("stages of show -json: %+v", s)
	}

	// A look ahead, and an apply that comes too early.
	r.has(r.run(exitChanges, "plan", "-detailed-exitcode", "-at=2026-11-25T13:05:00Z"), "1. with this plan: the new values take the place of the old ones")
	r.now = r.now.Add(65*time.Minute - time.Second)
	r.has(r.run(exitOK, "apply", "-auto-approve"), "0 added, 0 changed, 0 destroyed")
	r.now = r.now.Add(time.Second)
	r.has(r.run(exitOK, "apply", "-auto-approve"), `- "10 old.example.com.",`, `+ "10 new.example.com.",`,
		"The next stage is due at 2026-11-25T13:15:00Z. An apply from then on makes it.")
	r.noChanges()
	r.now = r.now.Add(10 * time.Minute)
	r.has(r.run(exitOK, "apply", "-auto-approve"), `ttl = "5m" -> "1h"`, "server.old.smtp", "0 added, 1 changed, 3 destroyed")
	r.hasNot(r.noChanges(), "stage")
	r.hasNot(r.run(exitOK, "show"), "Stages to come")
}

// TestAnApplyWaitsForStages has one apply do it all.
func TestAnApplyWaitsForStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	out := r.run(exitOK, "apply", "-auto-approve", "-wait")
	r.has(out, "Waiting until 2026-11-25T13:05:00Z for the next stage", "Waiting until 2026-11-25T13:15:00Z for the next stage", "3 destroyed")
	r.hasNot(r.noChanges(), "stage")

	r.files("old")
	out = r.run(exitOK, "apply", "-auto-approve", "-wait=1h")
	r.has(out, "later than -wait waits")

	r.asleep = func() error { return errors.New("interrupted") }
	out = r.run(exitError, "apply", "-auto-approve", "-wait")
	r.has(out, "nterrupted while waiting for the next stage")

	// What nobody has seen is not done.
	r.asleep = func() error {
		r.files("old", `user "mallory" {
  domain = domain.example
  name   = "mallory"
}`)
		return nil
	}
	r.now = r.now.Add(-time.Hour)
	out = r.run(exitError, "apply", "-auto-approve", "-wait")
	r.has(out, "more to be done by now than was shown to come: user.mallory.mailbox")
	r.hasNot(r.run(exitOK, "state", "list"), "mallory")
}

// TestASavedPlanAndTheTime holds a saved plan to what was due when it was made.
func TestASavedPlanAndTheTime(t *testing.T) {
	eventSchema := eventSchema(t) // before the directory is another
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	r.run(exitOK, "plan", "-out=first.plan")
	r.has(r.run(exitOK, "show", "first.plan"), "1. with this plan: the time to live is lowered to 5 minutes")
	r.has(r.run(exitOK, "show", "-markdown", "first.plan"), "**In stages,**", "not before 2026-11-25T13:05:00Z")
	r.has(r.run(exitOK, "show", "-json", "first.plan"), `"staged":[{"address":"domain.example.mx","ttl":3600,"from":["10 old.example.com."],"to":["10 new.example.com."],"stages":[{"step":"lower","due":true,"ttl":300,`)
	r.now = r.now.Add(time.Minute)
	r.has(r.run(exitOK, "apply", "first.plan"), "The next stage is due at 2026-11-25T13:06:00Z")

	carol := "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n}\n"
	r.files("new", carol)
	r.run(exitOK, "plan", "-out=second.plan")
	r.now = r.now.Add(2 * time.Hour)
	r.has(r.run(exitError, "apply", "second.plan"), "Saved plan is stale", "domain.example.mx: its next stage (switch) has become due since the plan was made")

	// Events, and a wait that a saved plan goes on with.
	r.run(exitOK, "plan", "-out=third.plan")
	out := r.run(exitOK, "apply", "-json", "-wait", "third.plan")
	checkEvents(t, eventSchema, result{stdout: out})
	r.has(out, `"type":"stage_wait"`, `"type":"staged_change"`, `"not_before":"2026-11-25T14:11:00Z"`)
	r.hasNot(r.noChanges(), "stage")
}

// TestARollbackAmidStages goes back from each stage.
func TestARollbackAmidStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	r.run(exitOK, "apply", "-auto-approve")
	r.has(r.run(exitOK, "rollback", "-auto-approve"), `ttl = "5m" -> "1h"`, "server.new.smtp", "3 destroyed")
	r.files("old")
	r.noChanges()

	r.files("new")
	r.run(exitOK, "apply", "-auto-approve")
	r.now = r.now.Add(2 * time.Hour)
	r.run(exitOK, "apply", "-auto-approve")
	out := r.run(exitOK, "rollback", "-auto-approve")
	r.has(out, `+ "10 old.example.com.",`, "0 added, 1 changed, 0 destroyed")
	r.files("old") // the new server stays for those who have its name
	r.has(r.noChanges(), `until the last stage stays: server.new.address["A"], server.new.setting, server.new.smtp`)
	r.now = r.now.Add(10 * time.Minute)
	r.has(r.run(exitOK, "apply", "-auto-approve"), "3 destroyed")
}

// TestTheRestAmidStages looks at what else can be asked for while a move waits.
func TestTheRestAmidStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	r.run(exitOK, "apply", "-auto-approve")
	r.has(r.run(exitOK, "plan", "-detailed-exitcode", "-refresh-only"), "No changes.")
	r.has(r.run(exitOK, "plan", "-detailed-exitcode", "-refresh=false"), "No changes.", "next stage is due at")
	r.has(r.run(exitOK, "plan", "-detailed-exitcode", "-target=server.old"), "No changes.")
	r.has(r.run(exitError, "apply", "-wait", "-refresh-only"), "-wait waits for stages")
	r.has(r.run(exitError, "apply", "-wait=never"), "it is a time such as 2h")
	r.has(r.run(exitOK, "destroy", "-auto-approve"), "Destroy complete!")
	r.has(r.run(exitOK, "show"), "The state is empty")
}

// TestALostStateAmidStages has the state forget the record set that moves.
func TestALostStateAmidStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	r.run(exitOK, "apply", "-auto-approve")
	r.now = r.now.Add(50 * time.Minute)
	r.run(exitOK, "state", "rm", "domain.example.mx")
	out := r.run(exitChanges, "plan", "-detailed-exitcode")
	r.has(out, "not before 2026-11-25T13:55:00Z, as the wait begins with the next apply", "until the last stage stays: server.old.address")
	r.now = r.now.Add(time.Minute)
	r.has(r.run(exitOK, "apply", "-auto-approve"), "The next stage is due at 2026-11-25T13:56:00Z")
	r.now = r.now.Add(time.Minute)
	r.has(r.noChanges(), "the next stage is due at 2026-11-25T13:56:00Z")
}

// TestAMoveWithoutStages says how to have it all at once.
func TestAMoveWithoutStages(t *testing.T) {
	r := newStagesRun(t)
	r.files("old")
	r.run(exitOK, "apply", "-auto-approve")
	r.files("new")
	for from, to := range map[string]string{
		"a staging block that is off":           "  nameserver = nameserver.ns1\n  staging { mode = \"off\" }\n",
		"a name server that only listens there": "",
	} {
		data, err := os.ReadFile("main.mf.hcl")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(data), "  nameserver = nameserver.ns1\n", to, 1)
		if to == "" {
			text = strings.Replace(string(data), "192.0.2.53", "127.0.0.1", 1)
		}
		r.t.Log(from)
		if err := os.WriteFile("main.mf.hcl", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.has(r.run(exitOK, "plan"), `+ "10 new.example.com.",`, "server.old.smtp will be destroyed")
		if err := os.WriteFile("main.mf.hcl", data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.hasNot(r.run(exitOK, "plan"), "will be destroyed")
}
