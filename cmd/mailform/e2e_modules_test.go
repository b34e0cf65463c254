package main

import (
	"path/filepath"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
)

// customers makes a world of the example modules.
func customers(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	for _, name := range []string{"main.mf.hcl", "mailform.mfvars", "customer/main.mf.hcl", "customer/variables.mf.hcl", "customer/outputs.mf.hcl"} {
		w.write(name, samplePortsOf(readFile(t, filepath.Join("../../examples/modules", name))))
	}
	return w
}

// What is in modules is addressed by them in every command, and keeps its mail
// when a module gets another name.
func TestModulesInAllCommands(t *testing.T) {
	w := customers(t)
	w.apply()
	w.noChanges()
	w.deliver("bert@example.org", "first")

	// Lists, one resource, JSON.
	const bert = `module.customer["example.org"].user.staff["bert"].mailbox`
	list := w.ok("state", "list", `module.customer["example.org"]`)
	if !strings.Contains(list, bert+"\n") || strings.Contains(list, "example.net") || strings.Contains(list, "server.main") {
		t.Errorf("state list of a module:\n%s", list)
	}
	if shown := w.ok("state", "show", bert); !strings.Contains(shown, "# "+bert+":") {
		t.Errorf("state show:\n%s", shown)
	}
	var state tfjson.State
	if err := state.UnmarshalJSON([]byte(w.ok("show", "-json"))); err != nil {
		t.Fatal(err)
	}
	if got := len(state.Values.RootModule.ChildModules); got != 3 {
		t.Errorf("%d modules in the state", got)
	}
	for _, m := range state.Values.RootModule.ChildModules {
		for _, r := range m.Resources {
			if !strings.HasPrefix(r.Address, m.Address+".") {
				t.Errorf("%s is in %s", r.Address, m.Address)
			}
		}
	}

	// A part of the plan, by modules.
	w.edit("mailform.mfvars", "bert  = {}", `bert = { quota = "3GiB" }`)
	w.edit("mailform.mfvars", "emil = {}", `emil = { quota = "3GiB" }`)
	for arg, want := range map[string]string{
		"":                                       "Plan: 0 to add, 2 to change, 0 to destroy.",
		`-target=module.customer`:                "Plan: 0 to add, 2 to change, 0 to destroy.",
		`-target=module.customer["example.net"]`: "Plan: 0 to add, 1 to change, 0 to destroy.",
		`-target=module.*["example.org"].user.staff["b*"]`:     "Plan: 0 to add, 1 to change, 0 to destroy.",
		`-exclude=module.customer["example.net"]`:              "Plan: 0 to add, 1 to change, 0 to destroy.",
		`-replace=module.customer["example.com"].domain.*.spf`: "Plan: 1 to add, 2 to change, 1 to destroy.",
	} {
		args := []string{"plan"}
		if arg != "" {
			args = append(args, arg)
		}
		if got := w.ok(args...); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", arg, want, got)
		}
	}
	plan := w.ok("plan", "-out=p")
	var doc tfjson.Plan
	if err := doc.UnmarshalJSON([]byte(w.ok("show", "-json", "p"))); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, rc := range doc.ResourceChanges {
		if rc.Address == bert {
			found = rc.ModuleAddress == `module.customer["example.org"]` && rc.Name == "staff" && rc.Index == "bert" && rc.Change.Actions.Update()
		}
	}
	if !found {
		t.Errorf("the change of %s is not as expected:\n%s", bert, plan)
	}

	// A saved plan is not carried out once a module says something else.
	w.edit("customer/main.mf.hcl", "1GiB", "2GiB")
	if r := w.mailform("apply", "p"); r.code != 1 || !strings.Contains(r.stderr, "Saved plan is stale") {
		t.Errorf("a plan of other files: %v", r)
	}
	w.edit("customer/main.mf.hcl", "2GiB", "1GiB")
	w.apply()
	w.noChanges()

	// A module gets another name: nothing is changed, and the mail is still there.
	w.edit("main.mf.hcl", `module "customer" {`, `module "client" {`)
	w.edit("main.mf.hcl", `module.customer["example.org"]`, `module.client["example.org"]`)
	w.edit("main.mf.hcl", "for c in module.customer", "for c in module.client")
	w.edit("main.mf.hcl", "for name, c in module.customer", "for name, c in module.client")
	w.write("moved.mf.hcl", "moved {\n  from = module.customer\n  to   = module.client\n}\n")
	shown := w.ok("plan")
	moved := `# ` + bert + ` has moved to module.client["example.org"].user.staff["bert"].mailbox`
	if !strings.Contains(shown, moved) || !strings.Contains(shown, "Plan: 0 to add, 0 to change, 0 to destroy.") {
		t.Errorf("a module with another name:\n%s", shown)
	}
	w.apply()
	w.noChanges()
	if got := w.ok("state", "list", "module.customer"); got != "" {
		t.Errorf("the state still has\n%s", got)
	}

	// By hand, to and fro.
	w.ok("state", "mv", `module.client["example.com"]`, "module.other")
	if got := w.ok("state", "list", "module.other"); !strings.Contains(got, `module.other.user.staff["fritz"].mailbox`) {
		t.Errorf("after state mv:\n%s", got)
	}
	w.ok("state", "mv", "module.other", `module.client["example.com"]`)
	w.noChanges()
	if got := w.ok("state", "rm", "-dry-run", `module.client["example.com"]`); !strings.Contains(got, `Would remove module.client["example.com"].user.staff["fritz"].mailbox`) {
		t.Errorf("state rm:\n%s", got)
	}

	w.ok("state", "rm", `module.client["example.org"].user.staff["bert"]`)
	w.ok("import", `module.client["example.org"].user.staff["bert"]`, "bert@example.org")
	w.noChanges()

	// A block moves out of the root module into one.
	w.write("moved.mf.hcl", "module \"extra\" {\n  source = \"./extra\"\n  domain = module.client[\"example.org\"].domain\n  to     = [for c in module.client : c.contact]\n}\n\n"+
		"moved {\n  from = alias.contacts\n  to   = module.extra.alias.contacts\n}\n")
	w.write("extra/main.mf.hcl", "variable \"domain\" {}\n\nvariable \"to\" {}\n\nalias \"contacts\" {\n  domain  = var.domain\n  name    = \"contacts\"\n  members = values({ for i, m in var.to : i => m })\n}\n")
	text := readFile(t, filepath.Join(w.dir, "main.mf.hcl"))
	from := strings.Index(text, "# A list with one member")
	w.edit("main.mf.hcl", text[from:strings.Index(text, "output \"mailboxes\"")], "")
	if got := w.ok("plan"); !strings.Contains(got, "alias.contacts.route has moved to module.extra.alias.contacts.route") {
		t.Errorf("a block that moves into a module:\n%s", got)
	}
	w.apply()
	w.noChanges()
}

// Each customer on a server of its own: providers with keys, handed over to the
// instances of a module.
func TestProvidersWithKeys(t *testing.T) {
	w := newWorld(t, map[string]string{
		"main.mf.hcl": `provider "embedded" {
  alias    = "node"
  for_each = { a = "127.0.0.1:2525", b = "127.0.0.1:2587" }
  data_dir = "./mail-${each.key}"
}

module "node" {
  source    = "./node"
  for_each  = { a = "127.0.0.1:2525", b = "127.0.0.1:2587" }
  providers = { embedded = embedded.node[each.key] }
  name      = "${each.key}.example.com"
  listen    = each.value
}
`,
		"node/main.mf.hcl": `variable "name" {}

variable "listen" {}

server "main" {
  hostname = "mail.${var.name}"
  smtp { listen = [var.listen] }
  submission { enabled = false }
  imap { enabled = false }
  pop3 { enabled = false }
}

domain "main" {
  name   = var.name
  server = server.main
}

user "u" {
  domain = domain.main
  name   = "u"
}
`})
	t.Cleanup(func() { w.mailform("destroy", "-auto-approve") })
	w.apply()
	w.noChanges()
	for _, key := range []string{"a", "b"} {
		if got := w.ok("state", "list", `provider.embedded.node["`+key+`"]`); !strings.Contains(got, ".process") {
			t.Errorf("no process of node %s:\n%s", key, w.ok("state", "list"))
		}
	}
	for service, name := range map[string]string{"smtp": "a", "submission": "b"} {
		s := dial(t, w.addr(service))
		if got := s.smtp(""); !strings.Contains(got, "mail."+name+".example.com") {
			t.Errorf("node %s greets %q", name, got)
		}
	}
	w.ok("destroy", "-auto-approve")
}
