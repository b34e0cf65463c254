package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sharedZone = `nameserver "ns1" {
  hostname  = "ns1.example.org"
  addresses = ["127.0.0.1"]
  listen    = ["127.0.0.1:2053"]
}

zone "z" {
  name       = "example.org"
  nameserver = nameserver.ns1
}
`

// Records that somebody else has made in a zone of ours stay where a rule says
// so, beside ours and on their own, and go from an exclusive zone where none does.
func TestIgnoreAndExclusive(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": sharedZone, "others.mf.hcl": `
record "texts" {
  zone   = zone.z
  name   = "@"
  type   = "TXT"
  values = ["google-site-verification=abc", "v=spf1 mx -all"]
}
record "acme" {
  zone   = zone.z
  name   = "_acme-challenge.www"
  type   = "TXT"
  values = ["token"]
}
record "old" {
  zone   = zone.z
  name   = "old"
  type   = "CNAME"
  values = ["elsewhere.example.net."]
}
`})
	w.apply()
	// Whoever made them is gone, and so is the state.
	for _, name := range []string{"others.mf.hcl", "mailform.mfstate", "mailform.mfstate.journal"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil && name == "others.mf.hcl" {
			t.Fatal(err)
		}
	}
	states, _ := filepath.Glob(filepath.Join(w.dir, "*state*"))
	for _, s := range states {
		if err := os.RemoveAll(s); err != nil {
			t.Fatal(err)
		}
	}
	w.write("ours.mf.hcl", `
record "spf" {
  zone   = zone.z
  name   = "@"
  type   = "TXT"
  values = ["v=spf1 -all"]
}
`)
	w.edit("main.mf.hcl", "  nameserver = nameserver.ns1\n", `  nameserver = nameserver.ns1

  ignore {
    type  = "TXT"
    value = "google-*"
  }
  ignore {
    name = "_acme-challenge.**"
  }
`)
	shown := w.ok("plan", "-out", "first.mfplan")
	for _, want := range []string{
		"\n    rrset example.org/_acme-challenge.www.example.org./TXT at embedded (ignored, by main.mf.hcl:15)\n",
		"\n    rrset example.org/example.org./TXT at embedded: \"google-site-verification=abc\" (ignored, by main.mf.hcl:11)\n",
		"\n    rrset example.org/old.example.org./CNAME at embedded\n", "(1 unchanged element hidden)",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the plan does not say %q:\n%s", want, shown)
		}
	}
	if again := w.ok("show", "first.mfplan"); !strings.HasPrefix(shown, strings.TrimSpace(again)) {
		t.Errorf("the saved plan shows otherwise:\n%s", cmp.Diff(shown, again))
	}
	w.ok("apply", "first.mfplan")
	w.noChanges()
	texts := func() []string {
		host, port, _ := strings.Cut(w.addr("dns"), ":")
		var out []string
		for _, q := range []string{"example.org", "_acme-challenge.www.example.org", "old.example.org"} {
			for line := range strings.Lines(w.run(need(t, "dig"), "@"+host, "-p", port, "+short", q, "ANY", "+noidnout").stdout) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, `"`) || strings.Contains(line, "elsewhere") {
					out = append(out, line)
				}
			}
		}
		for line := range strings.Lines(w.run(need(t, "dig"), "@"+host, "-p", port, "+short", "example.org", "TXT").stdout) {
			out = append(out, strings.TrimSpace(line))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if got := texts(); !slices.Contains(got, `"google-site-verification=abc"`) || !slices.Contains(got, `"v=spf1 -all"`) || slices.Contains(got, `"v=spf1 mx -all"`) {
		t.Errorf("the server has %q", got)
	}

	// In an exclusive zone what is neither declared nor ignored goes.
	w.edit("main.mf.hcl", "  ignore {\n    type", "  exclusive  = true\n  ignore {\n    type")
	shown = w.ok("apply", "-auto-approve", "-confirm=all")
	for _, want := range []string{`zone.z.foreign["old.example.org/CNAME"] will be destroyed`, "(nothing declares it, and the zone is exclusive, by main.mf.hcl:11)", "0 added, 0 changed, 1 destroyed"} {
		if !strings.Contains(shown, want) {
			t.Errorf("apply does not say %q:\n%s", want, shown)
		}
	}
	w.noChanges()

	// Ours goes, the other value beside it stays.
	if err := os.Remove(filepath.Join(w.dir, "ours.mf.hcl")); err != nil {
		t.Fatal(err)
	}
	if shown = w.apply(); !strings.Contains(shown, "what is left is ignored") {
		t.Errorf("apply: %s", shown)
	}
	w.noChanges()
	if got := texts(); !slices.Contains(got, `"google-site-verification=abc"`) || slices.Contains(got, `"v=spf1 -all"`) {
		t.Errorf("the server has %q", got)
	}
	if st := w.ok("state", "list"); strings.Contains(st, "foreign") || strings.Contains(st, "spf") {
		t.Errorf("the state: %s", st)
	}

	// What is declared and ignored at once is an error.
	w.write("ours.mf.hcl", "record \"x\" {\n  zone = zone.z\n  name = \"x\"\n  type = \"TXT\"\n  values = [\"google-x\"]\n}\n")
	if r := w.mailform("validate"); r.code != 1 || !strings.Contains(r.stderr, "Record both declared and ignored") || !strings.Contains(r.stderr, "main.mf.hcl:12") {
		t.Errorf("validate: %v", r)
	}
	w.edit("main.mf.hcl", `    value = "google-*"`, "    value = \"google-*\"\n    allow_declared = true")
	w.apply()
	w.noChanges()

	// The zone does not go with what somebody else has in it, unless that is asked for.
	if r := w.mailform("destroy", "-auto-approve"); r.code == 0 || !strings.Contains(r.stderr, "the zone still has what mailform did not make") || !strings.Contains(r.stderr, "exclusive = true") {
		t.Errorf("destroy: %v", r)
	}
	w.write("ours.mf.hcl", "\n")
	w.write("main.mf.hcl", strings.Replace(sharedZone, "nameserver = nameserver.ns1\n", "nameserver = nameserver.ns1\n  exclusive  = true\n", 1))
	w.ok("apply", "-auto-approve", "-confirm=all")
	w.ok("destroy", "-auto-approve")
}
