package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const gitlabBackend = "mailform {\n  backend \"http\" {}\n}\n"

// A gitlabJob is what the tests need of a job of GitLab's.
type gitlabJob struct {
	Stage     string
	Script    []string
	Needs     []string
	Artifacts struct {
		Paths   []string
		Reports map[string]string
	}
	AllowFailure struct {
		ExitCodes []int `json:"exit_codes"`
	} `json:"allow_failure"`
}

// gitlabKeywords are those of a job that the examples may use.
var gitlabKeywords = []string{"stage", "script", "needs", "rules", "artifacts", "allow_failure", "resource_group", "environment"}

func readGitLab(t *testing.T) (variables map[string]string, jobs map[string]*gitlabJob) {
	t.Helper()
	var file map[string]json.RawMessage
	readYAML(t, "gitlab-ci.yaml", &file)
	var stages []string
	jobs = map[string]*gitlabJob{}
	for name, raw := range file {
		var err error
		switch name {
		case "stages":
			err = json.Unmarshal(raw, &stages)
		case "variables":
			err = json.Unmarshal(raw, &variables)
		case "workflow", "default":
		default:
			var keys map[string]json.RawMessage
			jobs[name] = &gitlabJob{}
			if err = json.Unmarshal(raw, &keys); err == nil {
				err = json.Unmarshal(raw, jobs[name])
			}
			for k := range keys {
				if !slices.Contains(gitlabKeywords, k) {
					t.Errorf("the job %s has the keyword %q", name, k)
				}
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, job := range jobs {
		if !slices.Contains(stages, job.Stage) || len(job.Script) == 0 {
			t.Errorf("the job %s has the stage %q and %d lines of script", name, job.Stage, len(job.Script))
		}
		for _, n := range job.Needs {
			if jobs[n] == nil {
				t.Errorf("the job %s needs %q, which there is not", name, n)
			}
		}
	}
	return variables, jobs
}

// gitlab runs a job on a fresh runner.
func (c *ci) gitlab(variables map[string]string, job *gitlabJob, token string, more map[string]string) result {
	c.t.Helper()
	r := c.runner(nil)
	r.checkout()
	for range job.Needs {
		files, err := filepath.Glob(filepath.Join(c.artifacts, "*"))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range files {
			copyFile(c.t, f, filepath.Join(r.dir, filepath.Base(f)))
		}
	}
	known := map[string]string{
		"CI": "true", "CI_PROJECT_DIR": r.dir, "CI_PROJECT_ID": "7", "CI_API_V4_URL": c.server.URL + "/api/v4",
		"CI_JOB_TOKEN": token, "CI_MERGE_REQUEST_IID": "3", "CONFIRM": "", "CI_MERGE_REQUEST_LABELS": "",
	}
	for k, v := range variables {
		known[k] = os.Expand(v, func(name string) string {
			text, ok := known[name]
			if !ok {
				c.t.Fatalf("the test knows no variable %s", name)
			}
			return text
		})
	}
	for k, v := range more {
		known[k] = v
	}
	var env []string
	for k, v := range known {
		env = append(env, k+"="+v)
	}
	res := r.shell(strings.Join(job.Script, "\n"), env...)
	if res.code == 0 {
		for _, name := range append(slices.Clone(job.Artifacts.Paths), job.Artifacts.Reports["terraform"]) {
			if name != "" {
				copyFile(c.t, filepath.Join(r.dir, name), filepath.Join(c.artifacts, name))
			}
		}
	}
	return res
}

// TestGitLabPipelineWorks runs the scripts of the example against a server that
// keeps the state as GitLab does.
func TestGitLabPipelineWorks(t *testing.T) {
	t.Parallel()
	c := newCI(t, gitlabBackend)
	variables, jobs := readGitLab(t)
	run := func(name string, more map[string]string) result {
		t.Helper()
		job := jobs[name]
		if job == nil {
			t.Fatalf("there is no job %q", name)
		}
		return c.gitlab(variables, job, writeToken, more)
	}
	ok := func(name string, more map[string]string) result {
		t.Helper()
		r := run(name, more)
		if r.code != 0 {
			t.Fatalf("the job %s: %v", name, r)
		}
		return r
	}
	widget := func(want string) {
		t.Helper()
		if got := strings.TrimSpace(readFile(t, filepath.Join(c.artifacts, "widget.json"))); got != want {
			t.Errorf("the numbers for the widget are %s, want %s", got, want)
		}
	}
	ok("validate", nil)
	ok("plan", nil)
	ok("apply", nil)
	if c.server.holder != "" || c.server.writes == 0 {
		t.Errorf("the lock is held by %q after %d writes", c.server.holder, c.server.writes)
	}
	ok("plan", nil)
	widget(`{"create":0,"update":0,"delete":0}`)

	c.change(`quota         = "2GiB"`, `quota         = "3GiB"`)
	notes := "/api/v4/projects/7/merge_requests/3/notes"
	for i := range 2 {
		ok("plan", nil)
		widget(`{"create":0,"update":1,"delete":0}`)
		ok("policy", nil)
		ok("note", map[string]string{"MAIL_NOTES_TOKEN": writeToken})
		if all := c.server.posts[notes]; len(all) != 1 || all[0].edits != i || !strings.Contains(all[0].Body, "3GiB") {
			t.Errorf("after %d plans the notes are %v", i+1, all)
		}
	}

	merged := c.repo["mail/main.mf.hcl"]
	c.change("  mx {\n    server     = server.main\n    preference = 10\n  }\n", "  server = server.main\n")
	ok("plan", map[string]string{"CONFIRM": "mx:example.com"})
	if r := run("policy", nil); r.code != 1 || !strings.Contains(r.stdout, "mail/mx-removal") {
		t.Errorf("a plan without the MX: %v", r)
	}
	ok("policy", map[string]string{"CI_MERGE_REQUEST_LABELS": "bug,mail/mx-removal"})
	c.repo["mail/main.mf.hcl"] = merged

	ok("plan", nil)
	ok("apply", nil)
	if r := run("drift", nil); r.code != 0 {
		t.Errorf("without drift: %v", r)
	}
	c.setQuota("bob@example.com", 12345)
	if r := run("drift", nil); r.code != 2 || !slices.Equal(jobs["drift"].AllowFailure.ExitCodes, []int{2}) || !strings.Contains(r.stdout, "user.bob.mailbox") {
		t.Errorf("with drift: %v", r)
	}

	// The script for cron says nothing without drift, and what it is with it.
	r := c.runner(nil)
	r.checkout()
	env := c.gitlabEnv(variables)
	script := "sh " + absolute(t, "../../examples/pipelines/drift.sh") + " mail"
	if res := r.shell(script, env...); res.code != 2 || !strings.Contains(res.stdout, "user.bob.mailbox") || res.stderr != "" {
		t.Errorf("drift.sh with drift: %v", res)
	}
	ok("plan", nil)
	ok("apply", nil)
	if res := r.shell(script, env...); res.code != 0 || res.stdout+res.stderr != "" {
		t.Errorf("drift.sh without drift: %v", res)
	}
	if res := r.shell(script, "MF_HTTP_ADDRESS="); res.code != 1 || !strings.Contains(res.stdout, "Error: ") {
		t.Errorf("drift.sh without a state: %v", res)
	}
}

// gitlabEnv is where the state of the pipeline is.
func (c *ci) gitlabEnv(variables map[string]string) []string {
	known := map[string]string{"CI_PROJECT_ID": "7", "CI_API_V4_URL": c.server.URL + "/api/v4", "CI_JOB_TOKEN": writeToken}
	var env []string
	for k, v := range variables {
		if strings.HasPrefix(k, "MF_HTTP_") {
			env = append(env, k+"="+os.Expand(v, func(name string) string { return known[name] }))
		}
	}
	return env
}

// TestAtlantisWorkflowWorks runs the steps as Atlantis does, which reads their
// output.
func TestAtlantisWorkflowWorks(t *testing.T) {
	t.Parallel()
	c := newCI(t, gitlabBackend)
	variables, _ := readGitLab(t)
	type stage struct{ Steps []any }
	var file struct {
		Version  int
		Projects []struct {
			Dir, Workflow string
			Autoplan      struct {
				WhenModified []string `json:"when_modified"`
			}
		}
		Workflows map[string]map[string]stage
	}
	readYAML(t, "atlantis.yaml", &file)
	if file.Version != 3 || len(file.Projects) != 1 || len(file.Workflows) != 1 || file.Workflows[file.Projects[0].Workflow] == nil {
		t.Fatalf("the file is %+v", file)
	}
	if w := file.Projects[0].Autoplan.WhenModified; !slices.Contains(w, "**/*.mf.hcl*") {
		t.Errorf("Atlantis plans only when one of %q changes", w)
	}
	r := c.runner(nil)
	r.checkout()
	env := append(c.gitlabEnv(variables), "PLANFILE="+filepath.Join(r.temp, "default.mfplan"), "SHOWFILE="+filepath.Join(r.temp, "default.json"))
	steps := func(name, comment string) (out string, code int) {
		t.Helper()
		for _, s := range file.Workflows["mailform"][name].Steps {
			step, ok := s.(map[string]any)
			if !ok {
				if s != "policy_check" {
					t.Errorf("%s has the step %v, which runs terraform", name, s)
				}
				continue
			}
			for key := range step {
				if key != "run" {
					t.Errorf("%s has the step %q", name, key)
				}
			}
			// Atlantis runs sh in the directory of the project, and shows both streams.
			res := r.shell("cd mail; exec sh -c \"$STEP\" 2>&1", append(env, "COMMENT_ARGS="+comment, "STEP="+step["run"].(string))...)
			out += res.stdout
			if res.code != 0 {
				return out, res.code
			}
		}
		return out, 0
	}
	out, code := steps("plan", "")
	if code != 0 || sought["atlantis counts"].FindString(out) == "" {
		t.Fatalf("plan: %d\n%s", code, out)
	}
	if out, code = steps("policy_check", ""); code != 0 || !json.Valid([]byte(readFile(t, filepath.Join(r.temp, "default.json")))) {
		t.Errorf("policy_check: %d\n%s", code, out)
	}
	if out, code = steps("apply", ""); code != 0 || !strings.Contains(out, "Apply complete!") {
		t.Fatalf("apply: %d\n%s", code, out)
	}
	if out, code = steps("plan", ""); code != 0 || !sought["atlantis no changes"].MatchString(out) {
		t.Errorf("a plan after the apply: %d\n%s", code, out)
	}
	c.setQuota("bob@example.com", 12345)
	if out, code = steps("plan", ""); code != 0 || !sought["atlantis drift"].MatchString(out) {
		t.Errorf("a plan with drift: %d\n%s", code, out)
	}
	// What a comment adds: -target=user.alice and a word with a comma in it.
	escape := func(words ...string) string {
		for i, w := range words {
			words[i] = ""
			for _, c := range w {
				words[i] += `\` + string(c)
			}
		}
		return strings.Join(words, ",")
	}
	if out, code = steps("plan", escape("-target=user.alice", "-var", "a=b,c")); code == 0 || !strings.Contains(out, "Value for undeclared variable") || !strings.Contains(out, `"a"`) {
		t.Errorf("a plan with the words of a comment: %d\n%s", code, out)
	}
	if out, code = steps("plan", escape("-target=user.alice", "-compact-warnings")); code != 0 || !sought["atlantis no changes"].MatchString(out) {
		t.Errorf("a plan of one user alone: %d\n%s", code, out)
	}
}
