package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func TestConformance(t *testing.T) {
	untried := map[string]string{schema.KindProcess: "there is one in a data directory, with tests of its own",
		schema.KindLocation: "it moves a store, which the tests of the program do"}
	for _, kind := range []string{schema.KindParameter, schema.KindMailStore, schema.KindDelivery, schema.KindService, schema.KindRecipient, schema.KindSubmission} {
		untried[kind] = "it belongs to servers that others brought along"
	}
	t.Run("with a running daemon", func(t *testing.T) {
		t.Parallel()
		providertest.Run(t, providertest.Harness{
			Atomic: true, Untried: untried,
			New: func(t *testing.T) *providertest.System {
				d := newDir(t)
				d.start()
				return &providertest.System{Provider: d.provider, Samples: samples(t), Tamper: d.tamper, Kill: d.restart}
			},
		})
	})
	t.Run("with a running daemon on another machine", func(t *testing.T) {
		t.Parallel()
		sshd := hosttest.SSHD(t)
		providertest.Run(t, providertest.Harness{
			Atomic: true, Untried: providertest.Others("it is tried on this machine, and goes the same way", schema.KindMailbox, schema.KindDKIMKey), Far: true,
			New: func(t *testing.T) *providertest.System {
				d := newDir(t)
				d.start()
				return &providertest.System{Samples: samples(t), Tamper: d.tamper, Kill: d.restart, Provider: func(lineage string) providers.Provider {
					return d.far(sshd, lineage)
				}}
			},
		})
	})
	t.Run("with the store where it lies", func(t *testing.T) {
		t.Parallel()
		providertest.Run(t, providertest.Harness{
			Atomic: true, Untried: untried,
			New: func(t *testing.T) *providertest.System {
				d := newDir(t)
				return &providertest.System{Provider: d.provider, Samples: samples(t), Tamper: d.tamper}
			},
		})
	})
}

// A dataDir is a data directory and whatever serves it.
type dataDir struct {
	t       *testing.T
	path    string
	version string // that the provider takes itself for
}

// newDir makes a data directory. What serves it is ended with the test.
func newDir(t *testing.T) *dataDir {
	t.Helper()
	return dirAt(t, t.TempDir())
}

func dirAt(t *testing.T, path string) *dataDir {
	d := &dataDir{t: t, path: path, version: testVersion}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := embedded.Stop(ctx, path); err != nil {
			t.Errorf("stop the daemon: %v", err)
		}
	})
	return d
}

func (d *dataDir) provider(lineage string) providers.Provider {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	p := &embedded.Provider{Executable: exe, Version: d.version}
	diags := p.Configure(d.t.Context(), providers.Config{
		Value:   cty.ObjectVal(map[string]cty.Value{"data_dir": cty.StringVal(d.path)}),
		Dir:     "/nowhere",
		Lineage: lineage,
	})
	if diags.HasErrors() {
		d.t.Fatal(diags)
	}
	return p
}

// far is a provider on another machine, where the binary of the test is already.
func (d *dataDir) far(s *hosttest.Server, lineage string) providers.Provider {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	block := s.Value(nil).AsValueMap()
	block["data_dir"], block["program"] = cty.StringVal(d.path), cty.StringVal(exe)
	block["read_connection"] = cty.NullVal(block["connection"].Type())
	p := &embedded.Provider{Executable: exe, Version: d.version}
	if diags := p.Configure(d.t.Context(), providers.Config{Value: cty.ObjectVal(block), Dir: "/nowhere", Lineage: lineage}); diags.HasErrors() {
		d.t.Fatal(diags)
	}
	return p
}

// process is the process as a configuration declares it.
func (d *dataDir) process() schema.Resource {
	return schema.Resource{
		Address: "provider.embedded.process", Kind: schema.KindProcess, Key: d.path,
		Attrs: cty.ObjectVal(map[string]cty.Value{
			"data_dir": cty.StringVal(d.path), "running": cty.True, "version": cty.StringVal(d.version),
		}),
	}
}

// start has the provider start the daemon.
func (d *dataDir) start() providers.Observed {
	d.t.Helper()
	return d.do("L", providers.Change{Action: providers.Create, Resource: d.process()})[0]
}

// do applies a batch of which everything has to be done.
func (d *dataDir) do(lineage string, batch ...providers.Change) []providers.Observed {
	d.t.Helper()
	reports, err := d.apply(lineage, batch...)
	if err != nil {
		d.t.Fatal(err)
	}
	out := make([]providers.Observed, len(batch))
	for i, r := range reports {
		if r.err != nil {
			d.t.Fatalf("%s %s: %v", batch[i].Action, batch[i].Resource.Address, r.err)
		}
		out[i] = r.Observed
	}
	return out
}

type report struct {
	providers.Observed
	err error
}

func (d *dataDir) apply(lineage string, batch ...providers.Change) (reports []report, err error) {
	d.t.Helper()
	err = d.provider(lineage).Apply(d.t.Context(), batch, func(_ providers.Change, o providers.Observed, err error) error {
		reports = append(reports, report{o, err})
		return nil
	})
	if err == nil && len(reports) != len(batch) {
		d.t.Fatalf("%d reports of %d changes", len(reports), len(batch))
	}
	return reports, err
}

// read lists what a configuration with a process would see.
func (d *dataDir) read(lineage string) map[string]providers.Observed {
	d.t.Helper()
	list, err := d.provider(lineage).Read(d.t.Context(), providers.Scope{Wanted: []schema.Resource{d.process()}})
	if err != nil {
		d.t.Fatal(err)
	}
	out := map[string]providers.Observed{}
	for _, o := range list {
		out[o.Kind+" "+o.Key] = o
	}
	return out
}

// pid is the process of the daemon; 0: none runs.
func (d *dataDir) pid() int {
	d.t.Helper()
	st, err := admin.NewClient(d.path).Status(d.t.Context())
	if errors.Is(err, admin.ErrNotRunning) {
		return 0
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return st.PID
}

// kill ends the daemon as kill -9 does, and waits until it has gone.
func (d *dataDir) kill(t *testing.T) {
	t.Helper()
	pid := d.pid()
	if pid == 0 {
		t.Fatal("no daemon runs")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon is gone", func() bool { return syscall.Kill(pid, 0) != nil })
}

// restart kills the daemon and starts another.
func (d *dataDir) restart(t *testing.T) {
	t.Helper()
	d.kill(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := embedded.Start(t.Context(), exe, d.path); err != nil {
		t.Fatal(err)
	}
}

// tamper changes a resource by the daemon's own interface, or in the store.
func (d *dataDir) tamper(t *testing.T, r schema.Resource) {
	t.Helper()
	apply := func(list []admin.Resource, send func([]admin.Change) error) {
		t.Helper()
		c := admin.Change{Action: "delete", Kind: r.Kind, Key: r.Key}
		for _, have := range list {
			if have.Kind == r.Kind && have.Key == r.Key {
				c.Revision, c.Owner, c.Lineage = have.Revision, have.Owner, have.Lineage
			}
		}
		if !r.Attrs.IsNull() {
			c.Action, c.Attrs = "update", encode(t, r)
		}
		if err := send([]admin.Change{c}); err != nil {
			t.Fatal(err)
		}
	}
	client := admin.NewClient(d.path)
	if list, err := client.Resources(t.Context()); err == nil {
		apply(list.Resources, func(cs []admin.Change) error {
			_, err := client.Apply(t.Context(), admin.ApplyRequest{Changes: cs})
			return err
		})
		return
	}
	st := openStore(t, d.path)
	defer st.Close()
	list, err := st.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	apply(list, func(cs []admin.Change) error {
		_, err := st.ApplyChanges(t.Context(), cs)
		return err
	})
}

// openStore opens a store that nobody else has open. A process that another test
// is just starting has all open files for an instant, and a lock with them: so
// it asks again.
func openStore(t *testing.T, path string) *store.Store {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		st, err := store.Open(t.Context(), path, store.Options{})
		if err == nil {
			return st
		}
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func encode(t *testing.T, r schema.Resource) json.RawMessage {
	t.Helper()
	fields := map[string]json.RawMessage{}
	for _, a := range schema.KindByName(r.Kind).Attributes {
		if a.Computed {
			continue
		}
		b, err := ctyjson.Marshal(r.Attrs.GetAttr(a.Name), a.Type)
		if err != nil {
			t.Fatal(err)
		}
		fields[a.Name] = b
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually asks again until cond holds or the deadline is over.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
