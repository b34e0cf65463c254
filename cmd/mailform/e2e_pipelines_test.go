package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/embedded/admin"
)

// What pipelines look for in the output of a plan or an apply: Atlantis in all
// of it, tfcmt line by line.
var sought = map[string]*regexp.Regexp{
	"atlantis counts":     regexp.MustCompile(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\.`),
	"atlantis no changes": regexp.MustCompile(`No changes. (Infrastructure is up-to-date|Your infrastructure matches the configuration).`),
	"atlantis drift":      regexp.MustCompile(`Note: Objects have changed outside of Terraform`),
	"atlantis diff":       regexp.MustCompile(`(?m)^ +[-+~] resource "[a-z]+" "[^"]+" {$`),
	"tfcmt pass":          regexp.MustCompile(`(?m)^(Plan: \d|No changes.)`),
	"tfcmt fail":          regexp.MustCompile(`(?m)^([│|] )?(Error: )`),
	"tfcmt warning":       regexp.MustCompile(`(?m)^([│|] )?(Warning: )`),
	"tfcmt destroy":       regexp.MustCompile(`(?m)([1-9][0-9]* to destroy.)`),
	"tfcmt outputs":       regexp.MustCompile(`(?m)^Changes to Outputs:`),
	"tfcmt created":       regexp.MustCompile(`(?m)^ *# (.*) will be created$`),
	"tfcmt updated":       regexp.MustCompile(`(?m)^ *# (.*) will be updated in-place$`),
	"tfcmt destroyed":     regexp.MustCompile(`(?m)^ *# (.*) will be destroyed$`),
	"tfcmt replaced":      regexp.MustCompile(`(?m)^ *# (.*?)(?: is tainted, so)? must be replaced$`),
	"tfcmt asked":         regexp.MustCompile(`(?m)^ *# (.*?) will be replaced, as requested$`),
	"tfcmt moved":         regexp.MustCompile(`(?m)^ *# (.*?) has moved to (.*?)$`),
	"tfcmt moved, too":    regexp.MustCompile(`(?m)^ *# .* (?:will be updated in-place|must be replaced)\n *# \(moved from (.*?)\)$`),
	"tfcmt imported":      regexp.MustCompile(`(?m)^ *# (.*?) will be imported$`),
	"tfcmt imported, too": regexp.MustCompile(`(?m)^ *# .* will be updated in-place\n *# \(imported from (.*?)\)$`),
	"tfcmt body":          regexp.MustCompile(`(?m)^Terraform will perform the following actions:$`),
	"tfcmt applied":       regexp.MustCompile(`(?m)^(Apply complete!)`),
}

// Without -ui=terraform these two are not found: they have Terraform's name in them.
var named = []string{"atlantis drift", "tfcmt body"}

func found(out string) []string {
	var names []string
	for name, re := range sought {
		if re.MatchString(out) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestPipelinesReadTheRealOutput goes through the life of one directory, and
// each time says exactly what a pipeline finds in what is printed, and what the
// exit code is with -detailed-exitcode.
func TestPipelinesReadTheRealOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t), "more.mf.hcl": ""})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const www = "record \"www\" {\n  zone   = domain.example.zone\n  name   = \"www\"\n  type   = \"A\"\n  ttl    = \"1h\"\n  values = [\"192.0.2.80\"]\n}\n"
	carol := "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n}\n"
	apply := func() { w.apply() }
	for _, step := range []struct {
		name   string
		before func() // what has become of the directory since the last step
		args   string
		code   int
		want   []string
	}{
		{"create", func() {}, "", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt created", "tfcmt body"}},
		{"no changes", apply, "", 0,
			[]string{"atlantis no changes", "tfcmt pass"}},
		{"update", func() { w.edit("main.mf.hcl", `"2GiB"`, `"3GiB"`) }, "", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt updated", "tfcmt body"}},
		{"delete", func() { apply(); w.edit("main.mf.hcl", www, "") }, "", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt destroyed", "tfcmt destroy", "tfcmt body"}},
		{"replace", func() { w.write("more.mf.hcl", strings.Replace(www, `name   = "www"`, `name   = "web"`, 1)) }, "", 2,
			[]string{"atlantis counts", "tfcmt pass", "tfcmt replaced", "tfcmt destroy", "tfcmt body"}},
		{"replace, as requested", func() { w.write("more.mf.hcl", www) }, "-replace=record.www", 2,
			[]string{"atlantis counts", "tfcmt pass", "tfcmt asked", "tfcmt destroy", "tfcmt body"}},
		{"move", func() {
			w.write("more.mf.hcl", strings.Replace(www, `"www"`, `"site"`, 1)+"moved {\n  from = record.www\n  to   = record.site\n}\n")
		}, "", 2,
			[]string{"atlantis counts", "tfcmt pass", "tfcmt moved", "tfcmt body"}},
		{"move and update", func() { w.edit("more.mf.hcl", `"1h"`, `"2h"`) }, "", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt updated", "tfcmt moved, too", "tfcmt body"}},
		{"outputs only", func() { apply(); w.write("out.mf.hcl", "output \"a\" {\n  value = 1\n}\n") }, "", 2,
			[]string{"tfcmt outputs"}},
		{"drift", func() { apply(); w.setQuota("bob@example.com", 12345) }, "", 2,
			[]string{"atlantis counts", "atlantis diff", "atlantis drift", "tfcmt pass", "tfcmt updated", "tfcmt body"}},
		{"drift alone", func() {}, "-refresh-only", 2,
			[]string{"atlantis diff", "atlantis drift"}},
		{"drift that is what the files say", func() { apply(); w.setQuota("bob@example.com", 3<<30); w.edit("main.mf.hcl", `"1GiB"`, `"3GiB"`) }, "", 0,
			[]string{"atlantis no changes", "tfcmt pass"}},
		{"a warning", func() { apply() }, "-replace=record.no", 0,
			[]string{"atlantis no changes", "tfcmt pass", "tfcmt warning"}},
		{"a warning beside a change", func() { w.edit("main.mf.hcl", `"3GiB"`, `"4GiB"`) }, "-replace=record.no", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt updated", "tfcmt warning", "tfcmt body"}},
		{"an error", func() { w.write("more.mf.hcl", "user \"carol\" {\n  domane = domain.example\n}\n") }, "", 1,
			[]string{"tfcmt fail"}},
		{"forget", func() {
			w.write("more.mf.hcl", www)
			w.write("carol.mf.hcl", carol)
			apply()
			w.write("carol.mf.hcl", "removed {\n  from = user.carol\n  lifecycle {\n    destroy = false\n  }\n}\n")
		}, "", 2,
			[]string{"atlantis counts", "tfcmt pass", "tfcmt body"}},
		{"import", func() { apply(); w.write("carol.mf.hcl", carol) }, "", 2,
			[]string{"atlantis counts", "tfcmt pass", "tfcmt imported", "tfcmt body"}},
		{"import and update", func() { w.edit("carol.mf.hcl", "name =", "quota = \"5GiB\"\n  name =") }, "", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt updated", "tfcmt imported, too", "tfcmt body"}},
		{"destroy", func() { apply() }, "-destroy", 2,
			[]string{"atlantis counts", "atlantis diff", "tfcmt pass", "tfcmt destroyed", "tfcmt destroy", "tfcmt outputs", "tfcmt body"}},
	} {
		step.before()
		args := append([]string{"plan", "-input=false", "-no-color", "-detailed-exitcode"}, strings.Fields(step.args)...)
		theirs := w.mailform(append(args, "-ui=terraform")...)
		ours := w.mailform(args...)
		slices.Sort(step.want)
		if d := cmp.Diff(step.want, found(theirs.stdout+theirs.stderr)); d != "" {
			t.Errorf("%s, with -ui=terraform (-want +got):\n%s%v", step.name, d, theirs)
		}
		want := slices.DeleteFunc(slices.Clone(step.want), func(n string) bool { return slices.Contains(named, n) })
		if d := cmp.Diff(want, found(ours.stdout+ours.stderr)); d != "" {
			t.Errorf("%s (-want +got):\n%s%v", step.name, d, ours)
		}
		if theirs.code != step.code || ours.code != step.code {
			t.Errorf("%s: exit codes %d and %d, want %d", step.name, theirs.code, ours.code, step.code)
		}
		// Only diagnostics are on the stream for errors.
		if told := sought["tfcmt fail"].MatchString(ours.stderr) || sought["tfcmt warning"].MatchString(ours.stderr); told != (ours.stderr != "") ||
			sought["tfcmt fail"].MatchString(ours.stdout) || sought["tfcmt warning"].MatchString(ours.stdout) {
			t.Errorf("%s: the streams are mixed up: %v", step.name, ours)
		}
		// Without -detailed-exitcode changes are no failure, as Atlantis wants it.
		if r := w.mailform(append([]string{"plan"}, strings.Fields(step.args)...)...); r.code != step.code%2 {
			t.Errorf("%s: exit code %d without -detailed-exitcode", step.name, r.code)
		}
		if step.code != 1 {
			checkTFCMT(t, step.name, theirs.stdout+theirs.stderr)
		}
	}

	r := w.mailform("apply", "-auto-approve", "-input=false")
	if got := found(r.stdout); r.code != 0 || !slices.Equal(got, []string{"atlantis no changes", "tfcmt applied", "tfcmt pass"}) {
		t.Errorf("an apply of nothing: %q in %v", got, r)
	}
	w.write("check.mf.hcl", "check \"never\" {\n  assert {\n    condition     = domain.example.name == \"\"\n    error_message = \"No.\"\n  }\n}\n")
	w.ok("plan", "-out=p.mfplan")
	if r := w.mailform("apply", "-ui=terraform", "p.mfplan"); r.code != 0 || !strings.HasPrefix(r.stderr, "Warning: Check failed") || !slices.Equal(found(r.stdout), []string{"tfcmt applied"}) {
		t.Errorf("a saved plan with a warning: %v", r)
	}
	w.edit("carol.mf.hcl", `"5GiB"`, `"6GiB"`)
	w.edit("main.mf.hcl", w.addr("imap"), taken.Addr().String())
	r = w.mailform("apply", "-auto-approve", "-input=false")
	got := found(r.stdout + r.stderr)
	if r.code != 1 || slices.Contains(got, "tfcmt applied") || !slices.Contains(got, "tfcmt fail") || !strings.Contains(r.stdout, "Apply incomplete. Resources: 0 added, 1 changed, 0 destroyed, 1 failed") {
		t.Errorf("an apply of which half fails: %q in %v", got, r)
	}
	if strings.Contains(r.stdout, "Modifying...") || !strings.Contains(r.stderr, "Modifying...") {
		t.Errorf("the progress is not on the stream for errors: %v", r)
	}
}

// checkTFCMT cuts out of the output what tfcmt does, where it ends in the middle
// if a mark is missing.
func checkTFCMT(t *testing.T, name, out string) {
	t.Helper()
	if _, rest, ok := strings.Cut(out, "\nNote: Objects have changed outside of Terraform\n"); ok || strings.HasPrefix(out, "Note: ") {
		if !strings.Contains(rest+out, "\nUnless you have made equivalent changes to your configuration") && name != "drift alone" {
			t.Errorf("%s: the part on what has changed outside has no end in\n%s", name, out)
		}
	}
	_, body, ok := strings.Cut(out, "\nTerraform will perform the following actions:\n")
	if !ok {
		return
	}
	body, _, _ = strings.Cut(body, "\n─────")
	if !strings.Contains(body, "\nPlan: ") || !strings.Contains(body, "  # ") || strings.Contains(body, "Warning: ") || strings.Contains(body, "outside of Terraform") {
		t.Errorf("%s: the body that tfcmt cuts out is\n%s", name, body)
	}
}

// setQuota changes a mailbox behind mailform's back.
func (w *world) setQuota(address string, bytes int64) {
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
		attrs := map[string]any{}
		if err := json.Unmarshal(r.Attrs, &attrs); err != nil {
			w.t.Fatal(err)
		}
		attrs["quota"] = bytes
		delete(attrs, "messages")
		delete(attrs, "bytes")
		raw, err := json.Marshal(attrs)
		if err == nil {
			_, err = w.admin().Apply(ctx, admin.ApplyRequest{Changes: []admin.Change{
				{Action: "update", Kind: r.Kind, Key: r.Key, Owner: r.Owner, Lineage: r.Lineage, Revision: r.Revision, Attrs: raw},
			}})
		}
		if err != nil {
			w.t.Fatal(fmt.Errorf("change the quota of %s: %w", address, err))
		}
		return
	}
	w.t.Fatalf("the daemon has no mailbox %s", address)
}
