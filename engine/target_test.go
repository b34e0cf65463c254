package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
)

const targetBase = `
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
}
domain "example" {
  name = "example.com"
  mx { server = server.main }
}
`

// TestTarget plans a part of what has changed since the last apply. The same
// part of a plan of everything is what it has to be, whether or not all blocks
// had to be evaluated for it: broken says that they need not be, by a block
// that nobody could evaluate.
func TestTarget(t *testing.T) {
	tests := map[string]struct {
		before, after string
		target        string
		want          []string
		broken        bool
	}{
		"a new user": {
			before: "user \"a\" {\n domain = domain.example\n name = \"a\"\n}",
			after:  "user \"a\" {\n domain = domain.example\n name = \"a\"\n}\nuser \"b\" {\n domain = domain.example\n name = \"b\"\n}",
			target: "user.b", want: []string{"create user.b.mailbox"}, broken: true,
		},
		"a user changed, beside another": {
			before: "user \"a\" {\n domain = domain.example\n name = \"a\"\n}\nuser \"b\" {\n domain = domain.example\n name = \"b\"\n}",
			after:  "user \"a\" {\n domain = domain.example\n name = \"a\"\n quota = \"1GiB\"\n}\nuser \"b\" {\n domain = domain.example\n name = \"b\"\n quota = \"1GiB\"\n}",
			target: "user.a", want: []string{"update user.a.mailbox"}, broken: true,
		},
		"one instance of a block": {
			before: "user \"s\" {\n for_each = toset([\"a\", \"b\"])\n domain = domain.example\n name = each.key\n}",
			after:  "user \"s\" {\n for_each = toset([\"a\", \"b\"])\n domain = domain.example\n name = each.key\n quota = \"1GiB\"\n}",
			target: `user.s["a"]`, want: []string{`update user.s["a"].mailbox`}, broken: true,
		},
		"one instance of a block that an alias names": {
			before: "",
			after:  "user \"s\" {\n for_each = toset([\"a\", \"b\"])\n domain = domain.example\n name = each.key\n}\nalias \"all\" {\n domain = domain.example\n name = \"all\"\n members = user.s\n}",
			target: `user.s["a"]`, want: []string{`create user.s["a"].mailbox`}, broken: true,
		},
		"an alias of all instances of a block": {
			before: "",
			after:  "user \"s\" {\n for_each = toset([\"a\", \"b\"])\n domain = domain.example\n name = each.key\n}\nalias \"all\" {\n domain = domain.example\n name = \"all\"\n members = user.s\n}",
			target: "alias.all", want: []string{"create alias.all.route"}, broken: true,
		},
		"an instance that is gone": {
			before: "user \"s\" {\n for_each = toset([\"a\", \"b\"])\n domain = domain.example\n name = each.key\n}",
			after:  "user \"s\" {\n for_each = toset([\"b\"])\n domain = domain.example\n name = each.key\n}",
			target: `user.s["a"]`, want: []string{`delete user.s["a"].mailbox`},
		},
		"a pattern": {
			before: "",
			after:  "user \"a1\" {\n domain = domain.example\n name = \"a1\"\n}\nuser \"b1\" {\n domain = domain.example\n name = \"b1\"\n}",
			target: "user.a*", want: []string{"create user.a1.mailbox"}, broken: true,
		},
		"an alias whose members stand in a local value": {
			before: "",
			after:  "locals {\n all = [user.a, user.b]\n}\nuser \"a\" {\n domain = domain.example\n name = \"a\"\n}\nuser \"b\" {\n domain = domain.example\n name = \"b\"\n}\nalias \"all\" {\n domain = domain.example\n name = \"all\"\n members = local.all\n}",
			target: "alias.all", want: []string{"create alias.all.route"}, broken: true,
		},
		"a domain, whose users stay": {
			before: "user \"a\" {\n domain = domain.example\n name = \"a\"\n}",
			after:  "user \"a\" {\n domain = domain.example\n name = \"a\"\n}",
			target: "domain.example", want: nil,
		},
		"a user whose block is gone": {
			before: "user \"a\" {\n domain = domain.example\n name = \"a\"\n}\nuser \"b\" {\n domain = domain.example\n name = \"b\"\n}",
			after:  "user \"b\" {\n domain = domain.example\n name = \"b\"\n}",
			target: "user.a", want: []string{"delete user.a.mailbox"},
		},
		// Taken by itself, the old block would be deleted, with the mail.
		"a user who has another block now": {
			before: "user \"old\" {\n domain = domain.example\n name = \"a\"\n}",
			after:  "user \"new\" {\n domain = domain.example\n name = \"a\"\n}",
			target: "user.old", want: nil,
		},
		"a user who had another block": {
			before: "user \"old\" {\n domain = domain.example\n name = \"a\"\n}",
			after:  "user \"new\" {\n domain = domain.example\n name = \"a\"\n}",
			target: "user.new", want: []string{"move user.new.mailbox"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: memories{}.provider}
			session := func(text string) *engine.Session {
				if err := os.WriteFile(filepath.Join(w.Dir, "main.mf.hcl"), []byte(targetBase+text), 0o600); err != nil {
					t.Fatal(err)
				}
				module, diags := w.Load(config.Options{})
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				s, err := w.Open(context.Background(), module, engine.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := session(tt.before)
			p, diags := s.Plan(context.Background(), engine.PlanOptions{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if _, diags := s.Apply(context.Background(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
				t.Fatal(diags)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after := tt.after
			if tt.broken {
				after += "\nuser \"broken\" {\n domain = domain.example\n name = [][0]\n}"
			}
			s = session(after)
			defer s.Close()
			p, diags = s.Plan(context.Background(), engine.PlanOptions{Targets: []string{tt.target}})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var got []string
			for _, c := range p.Changes {
				if c.Action != plan.NoOp {
					got = append(got, string(c.Action)+" "+c.Address)
				}
			}
			slices.Sort(got)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTargetInModules does the same across the borders of modules.
func TestTargetInModules(t *testing.T) {
	const module = `
variable "domain" {}
variable "names" {
  type = list(string)
}
user "staff" {
  for_each = toset(var.names)
  domain   = var.domain
  name     = each.key
}
user "broken" {
  for_each = toset(var.names)
  domain   = var.domain
  name     = [][0]
}
output "staff" {
  value = user.staff
}
`
	const call = `
module "m" {
  source   = "./m"
  for_each = { x = ["a", "b"], y = ["c"] }
  domain   = domain.example
  names    = each.value
}
alias "all" {
  domain  = domain.example
  name    = "all"
  members = values(module.m["y"].staff)
}
user "broken" {
  domain = domain.example
  name   = [][0]
}
`
	for target, want := range map[string][]string{
		`module.m["x"].user.staff["a"]`: {`create module.m["x"].user.staff["a"].mailbox`},
		`module.m["x"].user.staff`:      {`create module.m["x"].user.staff["a"].mailbox`, `create module.m["x"].user.staff["b"].mailbox`},
		`module.m["y"].user.st*`:        {`create module.m["y"].user.staff["c"].mailbox`},
		"alias.all":                     {"create alias.all.route"},
	} {
		t.Run(target, func(t *testing.T) {
			w := &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: memories{}.provider}
			if err := os.Mkdir(filepath.Join(w.Dir, "m"), 0o700); err != nil {
				t.Fatal(err)
			}
			plans := func(text string, targets ...string) (*engine.Session, *plan.Plan) {
				for name, text := range map[string]string{"main.mf.hcl": targetBase + text, "m/main.mf.hcl": module} {
					if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				module, diags := w.Load(config.Options{})
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				s, err := w.Open(context.Background(), module, engine.Options{})
				if err != nil {
					t.Fatal(err)
				}
				p, diags := s.Plan(context.Background(), engine.PlanOptions{Targets: targets})
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				return s, p
			}
			s, p := plans("")
			if _, diags := s.Apply(context.Background(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
				t.Fatal(diags)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, p = plans(call, target)
			defer s.Close()
			var got []string
			for _, c := range p.Changes {
				if c.Action != plan.NoOp {
					got = append(got, string(c.Action)+" "+c.Address)
				}
			}
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
