package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A workflow is what the tests need of one of GitHub's.
type workflow struct {
	Env  map[string]string
	Jobs map[string]*workflowJob
}

type workflowJob struct {
	RunsOn      any `json:"runs-on"`
	Permissions map[string]string
	Env         map[string]string
	Outputs     map[string]string
	Steps       []workflowStep
}

type workflowStep struct {
	Name, ID, If, Run, Uses string
	Env                     map[string]string
	With                    map[string]any
}

const githubBackend = `variable "state_password" { sensitive = true }

mailform {
  backend "http" {
    address       = "SERVER/state/mail"
    lock_address  = "SERVER/state/mail/lock"
    lock_method   = "POST"
    unlock_method = "DELETE"
    username      = "runner"
    password      = var.state_password
  }
}
`

// An event is what a workflow runs for.
type event struct {
	name   string // push or pull_request
	labels []string
}

// githubExpression finds ${{ … }}.
var githubExpression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

// github runs a job of a workflow on a fresh runner. It returns the first step
// that fails, if any.
func (c *ci) github(wf *workflow, name string, ev event, needs map[string]string) (outputs map[string]string, failed string, all result) {
	c.t.Helper()
	job := wf.Jobs[name]
	if job == nil {
		c.t.Fatalf("the workflow has no job %q", name)
	}
	r := c.runner(nil)
	steps := map[string]string{}
	known := map[string]string{
		"secrets.MAIL_STATE_READ": readToken, "secrets.MAIL_STATE_WRITE": writeToken, "github.token": writeToken,
		"github.event.pull_request.number": "7", "runner.temp": r.temp, "inputs.confirm": "",
	}
	value := func(text string) string {
		return githubExpression.ReplaceAllStringFunc(text, func(m string) string {
			x := githubExpression.FindStringSubmatch(m)[1]
			for k, v := range needs {
				known["needs.plan.outputs."+k], known["needs.drift.outputs."+k] = v, v
			}
			for k, v := range steps {
				known[k] = v
			}
			v, ok := known[x]
			if !ok {
				c.t.Fatalf("job %s: the test knows no %q", name, x)
			}
			return v
		})
	}
	eventFile := filepath.Join(r.temp, "event.json")
	labels := []map[string]string{}
	for _, l := range ev.labels {
		labels = append(labels, map[string]string{"name": l})
	}
	raw, err := json.Marshal(map[string]any{"pull_request": map[string]any{"number": 7, "labels": labels}})
	if err == nil {
		err = os.WriteFile(eventFile, raw, 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	env := []string{
		"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + r.dir, "RUNNER_TEMP=" + r.temp, "GITHUB_EVENT_PATH=" + eventFile,
		"GITHUB_API_URL=" + c.server.URL, "GITHUB_REPOSITORY=acme/mail", "GITHUB_STEP_SUMMARY=" + filepath.Join(r.temp, "summary.md"),
	}
	for _, m := range []map[string]string{wf.Env, job.Env} {
		for k, v := range m {
			env = append(env, k+"="+value(v))
		}
	}
	for i, s := range job.Steps {
		if strings.Contains(s.If, "github.event_name == 'pull_request'") && ev.name != "pull_request" {
			continue
		}
		switch uses, _, _ := strings.Cut(s.Uses, "@"); uses {
		case "":
		case "actions/checkout":
			r.checkout()
			continue
		case "actions/upload-artifact":
			for _, path := range strings.Fields(value(s.With["path"].(string))) {
				copyFile(c.t, path, filepath.Join(c.artifacts, s.With["name"].(string), filepath.Base(path)))
			}
			continue
		case "actions/download-artifact":
			files, err := filepath.Glob(filepath.Join(c.artifacts, s.With["name"].(string), "*"))
			if err != nil || len(files) == 0 {
				c.t.Fatalf("job %s: there is no artifact %v: %v", name, s.With["name"], err)
			}
			for _, f := range files {
				copyFile(c.t, f, filepath.Join(value(s.With["path"].(string)), filepath.Base(f)))
			}
			continue
		default:
			c.t.Fatalf("job %s: the test knows no action %s", name, s.Uses)
		}
		out := filepath.Join(r.temp, fmt.Sprintf("output-%d", i))
		own := append(slices.Clone(env), "GITHUB_OUTPUT="+out)
		for k, v := range s.Env {
			own = append(own, k+"="+value(v))
		}
		res := r.shell(s.Run, own...)
		all.stdout, all.stderr, all.code = all.stdout+res.stdout, all.stderr+res.stderr, res.code
		if text, err := os.ReadFile(out); err == nil {
			for _, l := range strings.Split(strings.TrimSpace(string(text)), "\n") {
				k, v, _ := strings.Cut(l, "=")
				steps["steps."+s.ID+".outputs."+k] = v
			}
		}
		if res.code != 0 {
			failed = s.Name
			break
		}
	}
	outputs = map[string]string{}
	for k, v := range job.Outputs {
		if m := githubExpression.FindStringSubmatch(v); m != nil {
			outputs[k] = steps[m[1]]
		}
	}
	return outputs, failed, all
}

// job runs a job that has to succeed.
func (c *ci) job(wf *workflow, name string, ev event, needs map[string]string) map[string]string {
	c.t.Helper()
	outputs, failed, r := c.github(wf, name, ev, needs)
	if failed != "" {
		c.t.Fatalf("job %s fails in the step %q: %v", name, failed, r)
	}
	return outputs
}

func (c *ci) exitcode(got map[string]string, want string) {
	c.t.Helper()
	if got["exitcode"] != want {
		c.t.Errorf("the output exitcode is %q, want %q", got["exitcode"], want)
	}
}

// TestGitHubWorkflowsWork runs the scripts of the examples, each job on a runner
// that has nothing but a checkout and what was handed to it.
func TestGitHubWorkflowsWork(t *testing.T) {
	t.Parallel()
	c := newCI(t, githubBackend)
	var mail, drift workflow
	readYAML(t, "github-actions.yaml", &mail)
	readYAML(t, "github-drift.yaml", &drift)
	push, pull := event{name: "push"}, event{name: "pull_request"}
	comments, issues := "/repos/acme/mail/issues/7/comments", "/repos/acme/mail/issues"

	// Merged: planned on one runner, applied on another.
	out := c.job(&mail, "plan", push, nil)
	c.exitcode(out, "2")
	if c.server.writes+c.server.locks > 0 {
		t.Errorf("a plan wrote the state %d times and locked it %d times", c.server.writes, c.server.locks)
	}
	c.job(&mail, "apply", push, out)
	c.exitcode(c.job(&mail, "plan", push, nil), "0")
	if c.server.writes == 0 || strings.Contains(string(c.server.state), "$argon2id") {
		t.Error("the state is not there, or has a secret")
	}

	// A pull request among the talk of others, one of whom imitates the marker.
	for i := range 120 {
		c.server.add(comments, post{Body: fmt.Sprint("comment ", i)}, "somebody")
	}
	c.server.add(comments, post{Body: "<!-- mailform:mail -->\nmine"}, "somebody")
	c.change(`quota         = "2GiB"`, `quota         = "3GiB"`)
	writes := c.server.writes
	for i, quota := range []string{"3GiB", "4GiB"} {
		out := c.job(&mail, "plan", pull, nil)
		c.exitcode(out, "2")
		c.job(&mail, "comment", pull, out)
		all := c.server.posts[comments]
		p := all[len(all)-1]
		if len(all) != 122 || p.User.Login != "github-actions[bot]" || p.edits != i ||
			!strings.Contains(p.Body, "### Plan: 0 to add, 1 to change, 0 to destroy") || !strings.Contains(p.Body, quota) {
			t.Errorf("after %d plans there are %d comments, the last with %d edits:\n%s", i+1, len(all), p.edits, p.Body)
		}
		c.change(quota, "4GiB")
	}
	if c.server.writes != writes {
		t.Error("a pull request wrote the state")
	}

	// One that takes the MX away is refused by the policies, until it has the label.
	before := c.repo["mail/main.mf.hcl"]
	c.change("  mx {\n    server     = server.main\n    preference = 10\n  }\n", "  server = server.main\n")
	if _, failed, r := c.github(&mail, "plan", pull, nil); failed != "Hold it to the policies" || !strings.Contains(r.stdout, "mail/mx-removal") {
		t.Errorf("a plan without the MX fails in the step %q: %v", failed, r)
	}
	c.job(&mail, "plan", event{"pull_request", []string{"bug", "mail/mx-removal"}}, nil)
	// The label is for the policy; the brake is confirmed where it is applied.
	out = c.job(&mail, "plan", push, nil)
	if _, failed, r := c.github(&mail, "apply", push, out); failed == "" || !strings.Contains(r.stderr, "-confirm=mx:example.com") {
		t.Errorf("an apply without a confirmation: %q, %v", failed, r)
	}
	c.repo["mail/main.mf.hcl"] = before

	// Merged.
	out = c.job(&mail, "plan", push, nil)
	c.job(&mail, "apply", push, out)
	// An older plan is worth nothing any more.
	if _, failed, r := c.github(&mail, "apply", push, out); failed == "" || !strings.Contains(r.stderr, "Saved plan is stale") {
		t.Errorf("an apply of what was applied: %q, %v", failed, r)
	}

	// Drift: one issue, which is kept up to date and closed in the end.
	look := func(want string, state string, edits int) {
		t.Helper()
		out := c.job(&drift, "drift", push, nil)
		c.exitcode(out, want)
		c.job(&drift, "issue", push, out)
		all := c.server.posts[issues]
		if len(all) != min(1, edits+1) {
			t.Fatalf("there are %d issues", len(all))
		}
		if len(all) == 1 && (all[0].State != state || all[0].edits != edits || !strings.Contains(all[0].Body, "user.bob.mailbox") || !slices.Equal(all[0].Labels, []string{"mail-drift"})) {
			t.Errorf("the issue is %+v", all[0])
		}
	}
	look("0", "", -1)
	c.setQuota("bob@example.com", 12345)
	look("2", "open", 0)
	look("2", "open", 1)
	out = c.job(&mail, "plan", push, nil)
	c.job(&mail, "apply", push, out)
	look("0", "closed", 2)
}

// The workflows give no more rights than they need, and run no action that
// somebody can put another one in the place of.
func TestGitHubWorkflowsAreCareful(t *testing.T) {
	for _, file := range []string{"github-actions.yaml", "github-drift.yaml"} {
		var wf workflow
		readYAML(t, file, &wf)
		text := readFile(t, "../../examples/pipelines/"+file)
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s gives rights to all jobs", file)
		}
		for name, job := range wf.Jobs {
			hosted := job.RunsOn == "ubuntu-latest"
			for scope, right := range job.Permissions {
				if right != "read" && !hosted {
					t.Errorf("%s: the job %s, which runs beside the mail server, may %s %s", file, name, right, scope)
				}
			}
			if hosted && len(job.Env) > 0 {
				t.Errorf("%s: the job %s, which runs elsewhere, has secrets of the state", file, name)
			}
			for _, s := range job.Steps {
				if s.Uses != "" && !regexp.MustCompile(`^actions/[a-z-]+@[0-9a-f]{40}$`).MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned", file, s.Uses)
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: the step %q puts an expression into its script", file, s.Name)
				}
			}
		}
		if n := strings.Count(text, "uses: "); n != len(regexp.MustCompile(`uses: \S+ # v[0-9.]+\n`).FindAllString(text, -1)) {
			t.Errorf("%s does not say of all %d actions which version they are", file, n)
		}
	}
}

func TestGitHubWorkflowsPassActionlint(t *testing.T) {
	config := filepath.Join(t.TempDir(), "actionlint.yaml")
	if err := os.WriteFile(config, []byte("self-hosted-runner:\n  labels: [mail]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	r := w.run(need(t, "actionlint"), "-no-color", "-config-file", config,
		absolute(t, "../../examples/pipelines/github-actions.yaml"), absolute(t, "../../examples/pipelines/github-drift.yaml"))
	if r.code != 0 {
		t.Error(r)
	}
}
