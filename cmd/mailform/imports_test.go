package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// importRules says which of our packages a package may import, by the longest
// folder that names it. docs/architecture.md explains the rules; data flows one
// way, and so do imports.
var importRules = []struct {
	folder  string
	imports []string
}{
	{"schema", []string{"schema"}},
	{"providers", []string{"schema"}}, // the contract
	{"providers/providertest", []string{"schema", "providers$", "providers/providertest"}},
	{"providers/lookup", []string{"schema", "providers$"}},
	{"providers/masterfile", []string{"schema", "providers$"}},
	{"providers/masterfile/masterfiletest", []string{"providers/masterfile/masterfiletest"}},
	{"providers/memory", []string{"schema", "providers$"}},
	{"providers/zonedata", []string{"schema", "providers$"}},
	{"providers/porttest", []string{}},
	{"providers/nametest", []string{"schema", "providers$", "providers/zonedata", "providers/porttest"}},
	{"providers/host", []string{"schema", "providers$", "providers/host", "providers/porttest"}},
	{"providers/attributes", []string{"schema"}},
	{"providers/authd", []string{"schema", "providers$", "providers/host", "providers/embedded/auth", "providers/embedded/seek", "providers/embedded/store", "providers/mailtest"}},
	{"providers/dovecot", []string{"schema", "providers$", "providers/dovecot", "providers/ldap", "providers/host", "providers/mailtest", "providers/providertest"}},
	{"providers/mailtest", []string{"schema", "providers$", "providers/host", "providers/authd", "providers/embedded/auth", "providers/embedded/store", "providers/porttest"}},
	{"providers/rfc2136", []string{"schema", "providers$", "providers/zonedata", "providers/nametest", "providers/providertest", "providers/rfc2136"}},
	{"providers/bind", []string{"schema", "providers$", "providers/zonedata", "providers/nametest", "providers/providertest", "providers/rfc2136"}},
	{"providers/knot", []string{"schema", "providers$", "providers/zonedata", "providers/nametest", "providers/providertest", "providers/rfc2136"}},
	{"providers/powerdns", []string{"schema", "providers$", "providers/zonedata"}},
	{"providers/ldap", []string{"schema", "providers$", "providers/ldap", "providers/providertest", "providers/porttest"}},
	{"providers/cyrus", []string{"schema", "providers$", "providers/ldap", "providers/host", "providers/authd", "providers/embedded/auth", "providers/mailtest", "providers/providertest"}},
	{"providers/postfix", []string{"schema", "providers$", "providers/ldap", "providers/attributes", "providers/host", "providers/authd", "providers/mailtest", "providers/providertest"}},
	{"providers/sendmail", []string{"schema", "providers$", "providers/ldap", "providers/attributes", "providers/host", "providers/authd", "providers/embedded/auth", "providers/mailtest", "providers/providertest"}},
	{"providers/zonefile", []string{"schema", "providers$", "providers/zonedata", "providers/masterfile"}},
	{"providers/embedded", []string{"schema", "providers"}},
	{"engine/source", []string{"engine/source"}},
	{"engine/config", []string{"schema", "engine/source$", "engine/config"}},
	{"engine/expand", []string{"schema", "engine/config", "engine/expand"}},
	{"engine/console", []string{"schema", "engine/config"}},
	{"engine/graph", []string{"schema", "engine/config", "engine/plan$"}},
	{"engine/order", []string{"schema", "engine/order"}},
	{"engine/seal", []string{"engine/seal"}},
	{"engine/lines", []string{}},
	{"engine/state", []string{"schema", "engine/lines", "engine/seal", "engine/state"}},
	{"engine/stage", []string{"schema", "providers$", "engine/state"}},
	{"engine/plan", []string{"schema", "providers$", "engine/config", "engine/order", "engine/stage", "engine/state", "engine/plan"}},
	{"engine/plan/text", []string{"schema", "engine/lines", "providers$", "engine/plan", "engine/state", "engine/apply"}},
	{"engine/plan/planjson", []string{"schema", "providers$", "engine/config$", "engine/plan", "engine/state", "engine/apply"}},
	{"engine/verify", []string{"schema", "providers/embedded/mtasts$", "providers/embedded/dane$"}},
	{"engine/tests", []string{"schema", "providers$", "engine"}},
	{"engine/zonetest", []string{"schema", "providers$", "providers/providertest", "providers/nametest", "engine"}},
	{"engine/apply", []string{"schema", "providers$", "engine/config", "engine/state", "engine/plan$"}},
	{"engine/adopt", []string{"schema", "providers$", "engine/state", "engine/plan$"}},
	{"engine/draft", []string{"schema", "providers$", "engine/config", "engine/expand", "engine/plan$"}},
	{"engine/draft/userfile", []string{"schema", "providers$"}},
	{"schema/clients", []string{}},
	{"engine", []string{"schema", "providers$", "engine"}},
	{"cmd", []string{"schema", "providers", "engine", "cmd"}},
}

func TestImportsGoOneWay(t *testing.T) {
	const module = "github.com/mailform/mailform/"
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	packages := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed := rulesFor(name)
		if allowed == nil {
			t.Errorf("%s is in a folder that no rule speaks of", name)
			continue
		}
		for _, imp := range p.Imports {
			imp, ours := strings.CutPrefix(imp, module)
			if ours && !allows(allowed, imp) {
				t.Errorf("%s imports %s; it may import only %s", name, imp, strings.Join(allowed, ", "))
			}
		}
	}
	if packages < 10 {
		t.Fatalf("looked at %d packages only", packages)
	}
}

func rulesFor(name string) []string {
	var allowed []string
	longest := -1
	for _, r := range importRules {
		if within(name, r.folder) && len(r.folder) > longest {
			longest, allowed = len(r.folder), r.imports
		}
	}
	return allowed
}

// allows reports whether a rule names the package or a folder around it; a "$"
// at the end of a rule means this package alone.
func allows(allowed []string, imp string) bool {
	for _, a := range allowed {
		exact, alone := strings.CutSuffix(a, "$")
		if alone && imp == exact || !alone && within(imp, a) {
			return true
		}
	}
	return false
}

func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}
