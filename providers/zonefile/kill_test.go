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
	"github.com/mailform/mailform/schema"
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

// names in the zone that all change in each batch.
const names = 300

// writeForever makes all record sets of a zone the same number, one number after
// the other, and prints each that it has made durable.
func writeForever(folder string) {
	ctx := context.Background()
	p := &zonefile.Provider{}
	block := cty.ObjectVal(attrs{"directory": cty.StringVal(folder), "reload": providertest.List("true")})
	if diags := p.Configure(ctx, providers.Config{Value: block, Dir: folder}); diags.HasErrors() {
		panic(diags)
	}
	for n := time.Now().Unix(); ; n++ { // a killed one's numbers are smaller
		have := map[string]*providers.Observed{}
		list, err := p.Read(ctx, providers.Scope{Wanted: []schema.Resource{providertest.ZoneResource("example.com.", nil)}})
		if err != nil {
			panic(err)
		}
		for i := range list {
			have[list[i].Key] = &list[i]
		}
		batch := []providers.Change{{Action: providers.Create, Resource: providertest.ZoneResource("example.com.", nil)}}
		if batch[0].Prior = have["example.com"]; batch[0].Prior != nil {
			batch[0].Action = providers.Update
		}
		for i := range names {
			r := rrset(fmt.Sprintf("h%d.example.com.", i), "TXT", fmt.Sprint(n))
			c := providers.Change{Action: providers.Create, Resource: r}
			if c.Prior = have[r.Key]; c.Prior != nil {
				c.Action = providers.Update
			}
			batch = append(batch, c)
		}
		err = p.Apply(ctx, batch, func(_ providers.Change, _ providers.Observed, err error) error { return err })
		if err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// A zone is the one before or the one after, whenever its writer is killed; and
// the next one goes on.
func TestAKilledWriterLeavesAWholeZone(t *testing.T) {
	folder := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "example.com.zone")
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
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) && out.Len() == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		numbers := map[string]int{}
		for line := range strings.Lines(string(data)) {
			if _, text, ok := strings.Cut(line, " IN TXT "); ok {
				numbers[strings.TrimSpace(text)]++
			}
		}
		if len(numbers) != 1 {
			t.Fatalf("round %d: the file mixes %v", round, numbers)
		}
		told := strings.Fields(out.String())
		for number, count := range numbers {
			if count != names {
				t.Fatalf("round %d: the file has %d of %d names", round, count, names)
			}
			if len(told) > 0 && strings.Trim(number, `"`) < told[len(told)-1] {
				t.Fatalf("round %d: the file has %s, and %s was reported as done", round, number, told[len(told)-1])
			}
		}
	}
	check(t, "example.com", path)
}
