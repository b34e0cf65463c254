package zonefile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonefile"
)

// A desk is a configuration for files that a command has the name server read: a
// script that copies them, or fails while there is a file "broken".
type desk struct {
	t           *testing.T
	dir, folder string
	zone        string // further lines of the zone block
	state       state.Memory
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir()}
	d.folder = filepath.Join(d.dir, "zones")
	d.mkdir("zones")
	d.mkdir("served")
	d.write("reload.sh", `#!/bin/sh
if [ -e broken ]; then
	echo "the server is on holiday." >&2
	exit 3
fi
rm -f "served/$1"
[ ! -e "zones/$1.zone" ] || cp "zones/$1.zone" "served/$1"
`)
	return d
}

func (d *desk) mkdir(name string) {
	if err := os.Mkdir(filepath.Join(d.dir, name), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

// declare writes the configuration: a zone with these addresses; no addresses: no
// zone.
func (d *desk) declare(addresses ...string) {
	d.t.Helper()
	text := `
provider "zonefile" {
  directory = "zones"
  reload    = ["./reload.sh", "{zone}"]
}
nameserver "ns" {
  provider = zonefile
  hostname = "ns1.example.net"
}
`
	if len(addresses) > 0 {
		text += "zone \"z\" {\n  name = \"example.com\"\n  nameserver = nameserver.ns\n" + d.zone + "\n}\n"
	}
	for i, a := range addresses {
		text += fmt.Sprintf("record \"r%d\" {\n  zone = zone.z\n  name = \"www%d\"\n  type = \"A\"\n  values = [%q]\n}\n", i, i, a)
	}
	d.write("main.mf.hcl", text)
}

// apply plans and applies. It returns the errors as a text, and how many changes
// the plan had.
func (d *desk) apply() (string, int) {
	d.t.Helper()
	ws := &engine.Workspace{Dir: d.dir, NewProvider: func(string) providers.Provider { return &zonefile.Provider{} }}
	module, diags := ws.Load(config.Options{})
	if diags.HasErrors() {
		d.t.Fatal(diags)
	}
	s, err := ws.Open(d.t.Context(), module, engine.Options{Backend: &d.state})
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	p, diags := s.Plan(d.t.Context(), engine.PlanOptions{Confirm: []string{plan.ConfirmAll}})
	if diags.HasErrors() {
		return diags.Error(), 0
	}
	n := 0
	for i := range p.Changes {
		if p.Changes[i].Reaches() {
			n++
		}
	}
	_, diags = s.Apply(d.t.Context(), engine.ApplyOptions{Plan: p})
	if diags.HasErrors() {
		var all []string
		for _, e := range diags.Errs() {
			all = append(all, e.Error())
		}
		return strings.Join(all, "\n"), n
	}
	return "", n
}

// done expects an apply of so many changes that goes well.
func (d *desk) done(changes int) {
	d.t.Helper()
	if text, n := d.apply(); text != "" || n != changes {
		d.t.Fatalf("%d changes, want %d: %s", n, changes, text)
	}
}

// fails expects an apply of at least one change that fails at the reload.
func (d *desk) fails() {
	d.t.Helper()
	text, n := d.apply()
	if n == 0 || !strings.Contains(text, `"./reload.sh example.com": exit status 3: the server is on holiday`) {
		d.t.Fatalf("%d changes: %s", n, text)
	}
}

// served checks that the file and what is served are the same and hold these
// addresses; none: there is no zone.
func (d *desk) served(addresses ...string) {
	d.t.Helper()
	d.done(0)
	file, err := os.ReadFile(filepath.Join(d.folder, "example.com.zone"))
	served, err2 := os.ReadFile(filepath.Join(d.dir, "served", "example.com"))
	if len(addresses) == 0 {
		if !errors.Is(err, os.ErrNotExist) || !errors.Is(err2, os.ErrNotExist) {
			d.t.Fatalf("there is still something: %v, %v", err, err2)
		}
	} else if err != nil || err2 != nil || string(file) != string(served) || strings.Count(string(file), " IN A ") != len(addresses) {
		d.t.Fatalf("%v, %v\nfile:\n%s\nserved:\n%s", err, err2, file, served)
	}
	for _, a := range addresses {
		if !strings.Contains(string(file), " IN A "+a+"\n") {
			d.t.Errorf("%s is not in\n%s", a, file)
		}
	}
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			d.t.Errorf("%s was left behind", e.Name())
		}
	}
}

// What the name server has not read is shown by each plan until it has.
func TestAReloadThatFailsIsTriedAgain(t *testing.T) {
	for name, story := range map[string]func(*desk){
		"a change": func(d *desk) {
			d.declare("192.0.2.1")
			d.done(3)
			d.served("192.0.2.1")
			d.declare("192.0.2.2")
			d.write("broken", "")
			d.fails()
			d.fails()
			d.remove("broken")
			d.done(1)
			d.served("192.0.2.2")
		},
		"a new zone": func(d *desk) {
			d.declare("192.0.2.1", "192.0.2.2")
			d.write("broken", "")
			d.fails()
			d.fails()
			d.remove("broken")
			d.done(3) // the zone itself is in its file
			d.served("192.0.2.1", "192.0.2.2")
		},
		"the SOA record alone": func(d *desk) {
			d.declare("192.0.2.1")
			d.done(3)
			d.zone = "refresh = \"5h\""
			d.declare("192.0.2.1")
			d.write("broken", "")
			d.fails()
			d.fails()
			d.remove("broken")
			d.done(1)
			d.served("192.0.2.1")
		},
		"a record that goes": func(d *desk) {
			d.declare("192.0.2.1", "192.0.2.2")
			d.done(4)
			d.write("broken", "")
			d.declare("192.0.2.1")
			d.fails()
			d.remove("broken")
			d.done(1)
			d.served("192.0.2.1")
		},
		"a zone that goes": func(d *desk) {
			d.declare("192.0.2.1")
			d.done(3)
			d.declare()
			d.write("broken", "")
			d.fails()
			d.fails()
			d.remove("broken")
			if text, n := d.apply(); text != "" || n == 0 {
				d.t.Fatal(text, n)
			}
			d.served()
		},
		"a zone that goes and comes back as another": func(d *desk) {
			d.declare("192.0.2.1", "192.0.2.2")
			d.done(4)
			d.declare()
			d.write("broken", "")
			d.fails()
			d.declare("192.0.2.1", "192.0.2.3")
			d.remove("broken")
			d.done(4)
			d.served("192.0.2.1", "192.0.2.3")
		},
		"a change that is taken back before it was read": func(d *desk) {
			d.declare("192.0.2.1")
			d.done(3)
			d.declare("192.0.2.2")
			d.write("broken", "")
			d.fails()
			d.declare("192.0.2.1") // as it is served, and not as it is written
			d.remove("broken")
			d.done(1)
			d.served("192.0.2.1")
		},
		"a zone that is taken back before it was read": func(d *desk) {
			d.declare("192.0.2.1")
			d.write("broken", "")
			d.fails()
			d.declare()
			d.remove("broken")
			if text, n := d.apply(); text != "" || n == 0 {
				d.t.Fatal(text, n)
			}
			d.served()
		},
		"a record that is taken away, added and changed in turns": func(d *desk) {
			d.declare("192.0.2.1", "192.0.2.2")
			d.done(4)
			d.write("broken", "")
			d.declare("192.0.2.3")
			d.fails()
			d.declare("192.0.2.3", "192.0.2.2", "192.0.2.4")
			d.fails()
			d.declare("192.0.2.1", "192.0.2.5")
			d.fails()
			d.remove("broken")
			if text, n := d.apply(); text != "" || n == 0 {
				d.t.Fatal(text, n)
			}
			d.served("192.0.2.1", "192.0.2.5")
		},
		"somebody repairs it by hand": func(d *desk) {
			d.declare("192.0.2.1")
			d.done(3)
			d.declare("192.0.2.2")
			d.write("broken", "")
			d.fails()
			d.remove("broken")
			path := filepath.Join(d.folder, "example.com.zone")
			data, err := os.ReadFile(path)
			if err != nil {
				d.t.Fatal(err)
			}
			d.write("zones/example.com.zone", strings.Replace(string(data), "192.0.2.2", "192.0.2.7", 1))
			d.done(1)
			d.served("192.0.2.2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			story(d)
		})
	}
}

func TestWhatGoesWrongWithAReloadIsTold(t *testing.T) {
	for name, c := range map[string]struct{ reload, want string }{
		"no such program":       {`["no-such-program"]`, `the program "no-such-program" is not there`},
		"a failure, not a word": {`["false"]`, `"false": exit status 1, without a word`},
		"it hangs":              {`["sh", "-c", "echo wait; sleep 600 & wait"]`, `did not end within 1s: wait`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.declare("192.0.2.1")
			text, err := os.ReadFile(filepath.Join(d.dir, "main.mf.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			// Within a second on a busy machine it may not even have begun.
			for _, timeout := range []string{"1s", "10s", "60s"} {
				d.write("main.mf.hcl", strings.Replace(string(text), `["./reload.sh", "{zone}"]`, c.reload+"\nreload_timeout = \""+timeout+"\"", 1))
				got, _ = d.apply()
				if got = strings.ReplaceAll(got, "within "+timeout, "within 1s"); strings.Contains(got, c.want) {
					break
				}
			}
			if !strings.Contains(got, c.want) || !strings.Contains(got, "example.com.zone is written, but the name server has not read it") {
				t.Errorf("the error is: %s", got)
			}
		})
	}
}
