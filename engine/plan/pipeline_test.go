package plan_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
)

// What Atlantis and tfcmt look for in the text of a plan.
var (
	atlantisCounts = regexp.MustCompile(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\.`)
	atlantisNone   = regexp.MustCompile(`No changes\. (Infrastructure is up-to-date|Your infrastructure matches the configuration)\.`)
	atlantisDiff   = regexp.MustCompile(`(?m)^ +[-+~] resource "[a-z]+" "[^"]+" {$`)
	tfcmtPass      = regexp.MustCompile(`(?m)^(Plan: \d|No changes.)`)
	tfcmtDestroy   = regexp.MustCompile(`([1-9][0-9]* to destroy.)`)
	tfcmtCreated   = regexp.MustCompile(`(?m)^ *# (.*) will be created$`)
	tfcmtUpdated   = regexp.MustCompile(`(?m)^ *# (.*) will be updated in-place$`)
	tfcmtDestroyed = regexp.MustCompile(`(?m)^ *# (.*) will be destroyed$`)
	tfcmtReplaced  = regexp.MustCompile(`(?m)^ *# (.*) must be replaced$`)
	tfcmtAsked     = regexp.MustCompile(`(?m)^ *# (.*?) will be replaced, as requested$`)
	tfcmtMoved     = regexp.MustCompile(`(?m)^ *# (.*) has moved to (.*)$`)
	tfcmtImported  = regexp.MustCompile(`(?m)^ *# (.*) will be imported$`)
	tfcmtFail      = regexp.MustCompile(`(?m)^([│|] )?(Error: )`)
	tfcmtWarning   = regexp.MustCompile(`(?m)^([│|] )?(Warning: )`)
	tfcmtBody      = regexp.MustCompile(`(?m)^(Terraform|OpenTofu) will perform the following actions:$`)
	tfcmtApplied   = regexp.MustCompile(`(?m)^(Apply complete!)`)
	atlantisDrift  = regexp.MustCompile(`Note: Objects have changed outside of Terraform`)
)

func TestPipelinesFindWhatTheyLookFor(t *testing.T) {
	for name, want := range map[string][]*regexp.Regexp{
		"create_all":       {atlantisCounts, atlantisDiff, tfcmtPass, tfcmtCreated},
		"update":           {atlantisCounts, atlantisDiff, tfcmtPass, tfcmtUpdated},
		"delete_mailbox":   {atlantisCounts, atlantisDiff, tfcmtPass, tfcmtDestroyed, tfcmtDestroy},
		"replace_identity": {atlantisCounts, tfcmtPass, tfcmtReplaced, tfcmtDestroy},
		"move":             {atlantisCounts, tfcmtPass, tfcmtMoved},
		"adopt":            {atlantisCounts, tfcmtPass, tfcmtImported},
		"forget":           {atlantisCounts, tfcmtPass},
		"brakes":           {atlantisCounts, atlantisDiff, tfcmtPass, tfcmtDestroyed, tfcmtDestroy},
		"exclude":          {atlantisCounts, atlantisDiff, tfcmtPass, tfcmtUpdated},
		"replace_asked":    {atlantisCounts, tfcmtPass, tfcmtAsked, tfcmtDestroy},
		"no_changes":       {atlantisNone, tfcmtPass},
	} {
		out := planText(t, made(t, name))
		for _, re := range want {
			if !re.MatchString(out) {
				t.Errorf("%s: nothing matches %s in\n%s", name, re, out)
			}
		}
		if tfcmtFail.MatchString(out) || tfcmtWarning.MatchString(out) || tfcmtApplied.MatchString(out) {
			t.Errorf("%s: tfcmt takes it for a failure, a warning or an apply", name)
		}
	}
	var b strings.Builder
	if err := text.Plan(&b, made(t, "update"), text.Style{Product: "Terraform"}); err != nil {
		t.Fatal(err)
	}
	if !tfcmtBody.MatchString(b.String()) {
		t.Errorf("tfcmt finds no body in\n%s", b.String())
	}
}

// With Terraform's headings tools also find the body and the drift; without, they
// find what does not hang on a name.
func TestPipelinesThatKnowOnlyTerraform(t *testing.T) {
	for name, want := range map[string][]*regexp.Regexp{
		"update":       {tfcmtBody, tfcmtPass, atlantisCounts},
		"drift_undone": {tfcmtBody, tfcmtPass, atlantisDrift},
		"refresh_only": {atlantisDrift},
		"no_changes":   {atlantisNone, tfcmtPass},
	} {
		p := made(t, name)
		var b strings.Builder
		if err := text.Plan(&b, p, text.Style{Product: "Terraform"}); err != nil {
			t.Fatal(err)
		}
		ours := planText(t, p)
		for _, re := range want {
			if !re.MatchString(b.String()) {
				t.Errorf("%s: nothing matches %s in\n%s", name, re, b.String())
			}
			if named := re == tfcmtBody || re == atlantisDrift; named == re.MatchString(ours) {
				t.Errorf("%s: %s matches without -ui=terraform: %v", name, re, !named)
			}
		}
	}
	var b strings.Builder
	if err := text.Applied(&b, made(t, "update"), apply.Summary{Changed: 1}, text.Style{}); err != nil {
		t.Fatal(err)
	}
	if !tfcmtApplied.MatchString(b.String()) || tfcmtFail.MatchString(b.String()) {
		t.Errorf("tfcmt finds no success in\n%s", b.String())
	}
}

// The counts that Atlantis reads are the plan's own.
func TestAtlantisReadsTheCounts(t *testing.T) {
	for _, name := range []string{"create_all", "update", "delete_mailbox", "replace_identity", "adopt", "forget", "brakes"} {
		p := made(t, name)
		s := p.Summary()
		got := atlantisCounts.FindStringSubmatch(planText(t, p))
		for i, n := range []int{s.Import, s.Add, s.Change, s.Destroy, s.Forget} {
			if want := strconv.Itoa(n); got == nil || got[i+1] != want && (n != 0 || got[i+1] != "") {
				t.Errorf("%s: count %d is read from %q, want %s", name, i, got, want)
			}
		}
	}
}

func TestColourChangesNothingButTheColour(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9]+m")
	for _, name := range []string{"create_all", "update", "replace_immutable", "drift_undone", "foreign"} {
		var b strings.Builder
		if err := text.Plan(&b, made(t, name), text.Style{Palette: text.ANSI}); err != nil {
			t.Fatal(err)
		}
		if !escape.MatchString(b.String()) && name != "foreign" {
			t.Errorf("%s has no colour", name)
		}
		if got := escape.ReplaceAllString(b.String(), ""); got != planText(t, made(t, name)) {
			t.Errorf("%s: without its colours it reads\n%s", name, got)
		}
	}
}

// made is the plan of a world in testdata.
func made(t testing.TB, name string) *plan.Plan {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	p, diags := plan.Make(world(t, data))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}
