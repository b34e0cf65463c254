package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/porttest"
)

// twoTargets is a configuration with a server in each of two data directories:
// near holds example.com, far holds example.net.
func twoTargets(t testing.TB, quota int) string {
	t.Helper()
	text := `
provider "embedded" {
  data_dir = "./mail"
}
provider "embedded" {
  alias    = "far"
  data_dir = "./far"
}
`
	for i, d := range []struct{ name, provider, domain string }{{"near", "embedded", "example.com"}, {"far", "embedded.far", "example.net"}} {
		text += fmt.Sprintf(`
server "%[1]s" {
  provider  = %[2]s
  hostname  = "mail.%[3]s"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:%[4]d"] }
}
domain "%[1]s" {
  name = "%[3]s"
  mx { server = server.%[1]s }
  postmaster = user.%[1]s
}
user "%[1]s" {
  domain = domain.%[1]s
  name   = "someone"
  quota  = "%[5]dGiB"
}
`, d.name, d.provider, d.domain, porttest.Port(t)+i, quota)
	}
	return text
}

// A target that cannot be read, or at which a change fails, does not hold up the
// other one. What was not done is told, with its reason, and done the next time.
func TestAFailingTargetDoesNotHoldUpTheOther(t *testing.T) {
	w := newWorld(t, nil)
	text := twoTargets(t, 1)
	w.write("main.mf.hcl", text)
	t.Cleanup(func() { w.mailform("stop", "-data", "far") })
	w.apply()
	w.write("main.mf.hcl", strings.ReplaceAll(text, "1GiB", "2GiB"))

	// The far server is stopped, and its store cannot be read.
	w.ok("stop", "-data", "far")
	far := filepath.Join(w.dir, "far")
	if err := os.Rename(far, far+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(far, []byte("this is no directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.mailform("plan", "-detailed-exitcode", "-out", "half.mfplan")
	if r.code != exitError || !strings.Contains(r.stdout, "embedded.far could not be read: ") || !strings.Contains(r.stdout, "Plan: 0 to add, 2 to change, 0 to destroy.") ||
		!strings.Contains(r.stderr, "Error: Cannot read what is there") {
		t.Errorf("plan with a target that cannot be read: %v", r)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "half.mfplan")); err == nil {
		t.Error("a plan that is not whole was saved")
	}
	r = w.mailform("apply", "-auto-approve")
	if r.code != exitError || !strings.Contains(r.stdout, "Apply incomplete. Resources: 0 added, 1 changed, 0 destroyed, 1 not tried.") ||
		!strings.Contains(r.stderr, "user.far.mailbox: Skipped: embedded.far could not be read") || !strings.Contains(r.stderr, "Nothing was tried there") {
		t.Errorf("apply with a target that cannot be read: %v", r)
	}
	if r := w.mailform("plan", "-refresh-only"); r.code != exitError {
		t.Errorf("-refresh-only with a target that cannot be read: %v", r)
	}
	if r := w.mailform("plan", "-refresh=false"); r.code != exitOK || !strings.Contains(r.stdout, "Plan: 0 to add, 1 to change, 0 to destroy.") {
		t.Errorf("-refresh=false does not look: %v", r)
	}
	// By the state there is nothing to do at a target, which is no news of it.
	r = w.mailform("plan", "-target=user.near", "-json")
	if r.code != exitError || !strings.Contains(r.stdout, `"type":"diagnostic"`) {
		t.Errorf("events: %v", r)
	}

	if err := os.Remove(far); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(far+".away", far); err != nil {
		t.Fatal(err)
	}
	if out := w.apply(); !strings.Contains(out, "0 added, 2 changed") { // the mailbox, and the daemon is started
		t.Errorf("the rest: %s", out)
	}
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}

// A change that a target refuses is told, and the other target's is done.
func TestAFailingChangeDoesNotHoldUpTheOtherTarget(t *testing.T) {
	w := newWorld(t, nil)
	text := twoTargets(t, 1)
	// The port of the far server is taken.
	port := porttest.Port(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	far := strings.Index(text, `server "far"`)
	at := far + strings.Index(text[far:], "listen = [")
	end := at + strings.Index(text[at:], "]")
	w.write("main.mf.hcl", text[:at]+fmt.Sprintf("listen = [\"127.0.0.1:%d\"", port)+text[end:])
	t.Cleanup(func() { w.mailform("stop", "-data", "far") })
	r := w.mailform("apply", "-auto-approve")
	if r.code != exitError || !strings.Contains(r.stdout, "Apply incomplete.") || !strings.Contains(r.stderr, fmt.Sprint(port)) ||
		!strings.Contains(r.stderr, "server.near.smtp: Creation complete") {
		t.Errorf("apply with a port that is taken: %v", r)
	}
	if st := w.ok("state", "pull"); !strings.Contains(st, `"open_apply"`) {
		t.Error("an apply that could not do all has ended")
	}
	l.Close()
	w.apply()
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}

// -refresh=false looks at nothing, and still overwrites nothing that somebody
// else has changed.
func TestWithoutRefreshNothingForeignIsOverwritten(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.ok("apply", "-auto-approve", "-refresh=false") // there is nothing yet
	w.noChanges()
	if out := w.ok("plan", "-refresh=false", "-detailed-exitcode"); !strings.Contains(out, "No changes.") || !strings.Contains(out, "Nothing was looked at") {
		t.Errorf("without changes:\n%s", out)
	}
	// Somebody gives alice another quota behind mailform's back.
	w.changeBehindOurBack("alice@example.com", "quota", 12345)
	if out := w.ok("plan", "-refresh=false", "-detailed-exitcode"); !strings.Contains(out, "No changes.") {
		t.Errorf("without a look something is seen:\n%s", out)
	}
	// bob's change does not concern her.
	w.edit("main.mf.hcl", `quota         = "1GiB"`, `quota         = "4GiB"`)
	w.ok("plan", "-refresh=false", "-out", "bob.mfplan")
	if out := w.ok("apply", "bob.mfplan"); !strings.Contains(out, "0 added, 1 changed") {
		t.Errorf("bob's change: %s", out)
	}
	// Hers does.
	w.edit("main.mf.hcl", `quota         = "2GiB"`, `quota         = "5GiB"`)
	r := w.mailform("apply", "-refresh=false", "-auto-approve")
	if r.code != exitError || !strings.Contains(r.stderr, "The state is not what is there") || !strings.Contains(r.stderr, "quota = 12345 is there, and was 2147483648") {
		t.Errorf("what somebody has changed is overwritten: %v", r)
	}
	if got := w.plans("Plan: 0 to add, 1 to change, 0 to destroy."); !strings.Contains(got, "12345") {
		t.Errorf("the foreign change is gone:\n%s", got)
	}
	w.apply()
	w.noChanges()
	// A new user whose mailbox is there already is not taken over unseen.
	w.ok("state", "rm", "user.bob")
	if r := w.mailform("apply", "-refresh=false", "-auto-approve"); r.code != exitError || !strings.Contains(r.stderr, "user.bob.mailbox") {
		t.Errorf("a mailbox that is there already: %v", r)
	}
	if r := w.mailform("plan", "-refresh=false", "-refresh-only"); r.code != exitError {
		t.Errorf("-refresh=false -refresh-only: %v", r)
	}
	w.apply()
	w.noChanges()
}

// changeBehindOurBack gives a mailbox another value of an attribute, as somebody
// else would.
func (w *world) changeBehindOurBack(address, attribute string, value any) {
	w.t.Helper()
	ctx := context.Background()
	live, err := w.admin().Resources(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range live.Resources {
		if r.Kind != "mailbox" || r.Key != address {
			continue
		}
		var attrs map[string]any
		if err := json.Unmarshal(r.Attrs, &attrs); err != nil {
			w.t.Fatal(err)
		}
		delete(attrs, "messages")
		delete(attrs, "bytes")
		attrs[attribute] = value
		raw, err := json.Marshal(attrs)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.admin().Apply(ctx, admin.ApplyRequest{Changes: []admin.Change{{
			Action: "update", Kind: r.Kind, Key: r.Key, Owner: r.Owner, Lineage: r.Lineage, Revision: r.Revision, Attrs: raw,
		}}}); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.t.Fatalf("there is no mailbox %s", address)
}

// A plan that was saved in one checkout is applied in another of the same commit,
// where the state and the data are elsewhere than in the checkout.
func TestASavedPlanIsAppliedInAnotherCheckout(t *testing.T) {
	w := newWorld(t, nil)
	text := strings.Replace(w.withPorts(quickstart(t)), `data_dir = "./mail"`, fmt.Sprintf("data_dir = %q", filepath.Join(w.dir, "mail")), 1)
	text = strings.Replace(text, "mailform {\n", fmt.Sprintf("mailform {\n  backend \"local\" {\n    path = %q\n  }\n", filepath.Join(w.dir, "state")), 1)
	text = strings.Replace(text, `quota         = "2GiB"`, "quota         = var.size", 1) + "\nvariable \"size\" {\n  type = string\n}\n"
	checkout := func() *world {
		t.Helper()
		c := *w
		c.dir = t.TempDir()
		for name, content := range map[string]string{"main.mf.hcl": text, "sizes/big.mfvars": "size = \"3GiB\"\n"} {
			path := filepath.Join(c.dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return &c
	}
	first, second := checkout(), checkout()
	artifact := filepath.Join(w.dir, "saved.mfplan")
	first.ok("plan", "-out", artifact, "-var-file", filepath.Join(first.dir, "sizes", "big.mfvars"))
	if err := os.RemoveAll(first.dir); err != nil { // the runner is gone
		t.Fatal(err)
	}
	if info, err := os.Stat(artifact); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan file: %v, %v", info, err)
	}
	if out := second.ok("apply", "-input=false", artifact); !strings.Contains(out, "Apply complete!") {
		t.Errorf("the apply says %s", out)
	}
	if r := second.mailform("plan", "-detailed-exitcode", "-var-file", "sizes/big.mfvars"); r.code != exitOK {
		t.Errorf("the second plan is not empty: %v", r)
	}
	// Without changes: it may be applied as long as there is nothing to do.
	second.ok("plan", "-out", artifact, "-var-file", "sizes/big.mfvars")
	second.ok("apply", "-input=false", artifact)
	w.changeBehindOurBack("alice@example.com", "quota", 12345)
	r := second.mailform("apply", "-input=false", artifact)
	if r.code != exitError || !strings.Contains(r.stderr, "Saved plan is stale") || !strings.Contains(r.stderr, "user.alice.mailbox: to update now, nothing when the plan was made") {
		t.Errorf("a plan without changes, when there is something to do: %v", r)
	}
}
