package zonefile_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/zonefile"
	"github.com/zclconf/go-cty/cty"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if folder := os.Getenv("ZONEFILE_TEST_WRITER"); folder != "" {
		writeForever(folder)
		return
	}
	os.Exit(m.Run())
}

// zones, and names in each of them, that all change in each batch.
const zones, names = 3, 100

// writeForever makes all record sets of all zones the same number, one number after
// the other, and prints each that it has made durable.
func writeForever(folder string) {
	ctx := context.Background()
	p := &zonefile.Provider{}
	block := cty.ObjectVal(attrs{"directory": cty.StringVal(folder), "reload": providertest.List("true")})
	if diags := p.Configure(ctx, providers.Config{Value: block, Dir: folder}); diags.HasErrors() {
		panic(diags)
	}
	for n := time.Now().Unix(); ; n++ { // a killed one's numbers are smaller
		var batch []providers.Change
		var scope providers.Scope
		for z := range zones {
			name := fmt.Sprintf("z%d.example.", z)
			scope.Wanted = append(scope.Wanted, providertest.ZoneResource(name, nil))
			batch = append(batch, create(scope.Wanted[z]))
			for i := range names {
				batch = append(batch, create(providertest.RRsetResource(name, fmt.Sprintf("h%d.%s", i, name), "TXT", fmt.Sprint(n))))
			}
		}
		list, err := p.Read(ctx, scope)
		if err != nil {
			panic(err)
		}
		have := map[string]*providers.Observed{}
		for i := range list {
			have[list[i].Key] = &list[i]
		}
		for i := range batch {
			if o := have[batch[i].Resource.Key]; o != nil {
				batch[i].Action, batch[i].Prior = providers.Update, o
			}
		}
		err = p.Apply(ctx, batch, func(_ providers.Change, _ providers.Observed, err error) error { return err })
		if err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// A zone is the one before or the one after, whenever its writer is killed, also
// between two zones; and the next one goes on.
func TestAKilledWriterLeavesWholeZones(t *testing.T) {
	folder := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	apart := 0
	for round := range 25 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "ZONEFILE_TEST_WRITER="+folder)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(40+round*7) * time.Millisecond) // wherever it is by then
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		if errs.Len() > 0 {
			t.Fatal(errs.String())
		}
		told := strings.Fields(out.String())
		found := map[string]bool{}
		for z := range zones {
			number := whole(t, filepath.Join(folder, fmt.Sprintf("z%d.example.zone", z)))
			if len(told) > 0 && number < told[len(told)-1] {
				t.Fatalf("round %d: zone %d has %q, and %s was reported as done", round, z, number, told[len(told)-1])
			}
			found[number] = true
		}
		if len(found) > 1 {
			apart++
		}
	}
	t.Logf("%d of 25 kills came between two zones", apart)
	for z := range zones {
		name := fmt.Sprintf("z%d.example", z)
		check(t, name, filepath.Join(folder, name+".zone"))
	}
}

// whole is the number that all names of a zone have; empty: there is no file.
func whole(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	numbers, last := map[string]int{}, ""
	for line := range strings.Lines(string(data)) {
		if _, text, ok := strings.Cut(line, " IN TXT "); ok {
			last = strings.Trim(strings.TrimSpace(text), `"`)
			numbers[last]++
		}
	}
	if len(numbers) != 1 || numbers[last] != names {
		t.Fatalf("%s mixes %v", path, numbers)
	}
	return last
}
