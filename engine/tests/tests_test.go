package tests_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/tests"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/memory"
)

const configuration = `
variable "ttl" {
  type    = string
  default = "1h"
}
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
}
domain "example" {
  name = "example.com"
  ttl  = var.ttl
  mx { server = server.main }
}
user "alice" {
  domain = domain.example
  name   = "alice"
}
output "ttl" { value = domain.example.ttl }
`

// silent is an Observer that only counts.
type silent struct{ runs int }

func (*silent) Started([]*tests.File)                {}
func (*silent) FileStarted(*tests.File)              {}
func (*silent) RunStarted(*tests.File, *tests.Run)   {}
func (s *silent) RunDone(*tests.File, *tests.Result) { s.runs++ }
func (*silent) FileDone(*tests.File, tests.Status)   {}
func (*silent) Done(tests.Summary)                   {}

func directory(t testing.TB, test string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.mf.hcl": configuration, "main.mftest.hcl": test} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runner(dir string) *tests.Runner {
	return &tests.Runner{Dir: dir, Version: "0.1.0", Now: time.Now,
		NewWorld: func() func(string) providers.Provider { return (&memory.World{}).NewProvider }}
}

func TestAnInterruptSkipsWhatIsLeft(t *testing.T) {
	dir := directory(t, `
run "a" {}
run "b" {}
`)
	files, _, diags := tests.Load(dir, tests.DefaultDirectory, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := &silent{}
	if sum := runner(dir).Run(ctx, files, o); sum.Skipped != 2 || sum.Ok() || o.runs != 2 {
		t.Errorf("got %+v, %d runs", sum, o.runs)
	}
}

// Whatever stands in a test file, nothing panics, and what was loaded is run.
func FuzzTestFile(f *testing.F) {
	for _, text := range []string{
		`run "a" { command = plan }`,
		"variables { ttl = \"2h\" }\nrun \"a\" {\n assert {\n condition = output.ttl == \"2h\"\n error_message = \"x\"\n }\n}",
		"run \"a\" {\n expect_failures = [var.ttl, user.alice, check.x, user.a[\"b\"]]\n plan_options {\n mode = destroy\n target = [user.alice]\n }\n}",
		"override_data {\n target = data.dns.x\n values = {}\n}\nrun \"a\" {\n module { source = \".\" }\n}",
		"run \"a\" {\n assert {\n condition = alltrue([for u in [user.alice] : u.quota == \"1\"]) && plan.add == 1\n error_message = \"x\"\n }\n}",
		"run \"a\" { command = 1 }\nrun \"a\" {}\nrun 1 {}\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := directory(t, text)
		files, _, diags := tests.Load(dir, tests.DefaultDirectory, nil)
		if diags.HasErrors() {
			return
		}
		n := 0
		for _, file := range files {
			n += len(file.Runs)
		}
		o := &silent{}
		sum := runner(dir).Run(t.Context(), files, o)
		if o.runs != n || sum.Passed+sum.Failed+sum.Errored+sum.Skipped != n {
			t.Errorf("%d runs, %d told of, %+v", n, o.runs, sum)
		}
	})
}
