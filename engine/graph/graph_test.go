package graph_test

import (
	"html"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/graph"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// odd are keys that a language of graphs could take for something else.
var odd = []string{`a"b`, `back\slash`, `end\`, `\N`, "<b>", "a&amp;b", "#quot;", "x|y", "{a}", "line\nbreak", "é世界", "-->", "%% no comment", "a; b", "[x]", "`x`", "end", "", "*"}

func oddPlan() *plan.Plan {
	p := &plan.Plan{Mode: plan.Normal}
	var first, second plan.Batch
	first.Target, second.Target = "embedded", `embedded.odd["a\"b"]`
	for i, key := range odd {
		address := "user.staff" + schema.IndexString(cty.StringVal(key)) + ".mailbox"
		c := plan.Change{Action: plan.Create, Address: address, ID: schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: key}}
		if i > 0 {
			c.DependsOn = []string{p.Changes[0].Address}
		}
		p.Changes = append(p.Changes, c)
		if i == 0 {
			first.Changes = append(first.Changes, i)
		} else {
			second.Changes = append(second.Changes, i)
		}
	}
	p.Phases = []plan.Phase{{Batches: []plan.Batch{first}}, {Batches: []plan.Batch{second}}}
	return p
}

// Graphviz itself reads what is written, and draws each address as it is.
func TestGraphvizDrawsWhatIsMeant(t *testing.T) {
	dot, err := exec.LookPath("dot")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dot is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: dot is not installed")
	}
	p := oddPlan()
	cmd := exec.Command(dot, "-Tsvg")
	cmd.Stdin = strings.NewReader(graph.Plan(p, true).DOT())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("dot: %v: %s", err, stderr.String())
	}
	drawn := html.UnescapeString(strings.ReplaceAll(string(out), "&#160;", " "))
	for i := range p.Changes {
		if want := ">" + p.Changes[i].Address + "<"; !strings.Contains(drawn, want) {
			t.Errorf("%s is not drawn", p.Changes[i].Address)
		}
	}
	if got := strings.Count(string(out), `class="node"`); got != len(odd) {
		t.Errorf("%d nodes are drawn, want %d", got, len(odd))
	}
	if got := strings.Count(string(out), `class="edge"`); got != len(odd) {
		t.Errorf("%d edges are drawn, want %d: one for each dependency, and one for the order of the phases", got, len(odd))
	}
}

// The lines of a flowchart: what Mermaid's grammar takes of them, and no more.
var mermaidLine = regexp.MustCompile(`^(flowchart RL|  +n[0-9]+\["([^"#&;<>` + "`" + `\\%{}*_~|$\n]|#[0-9]+;|<br>)*"\]|  subgraph g[0-9]+\["([^"#&;<>\\]|#[0-9]+;)*"\]|  end|  n[0-9]+ (-->|-\.->|==>|-\.-) n[0-9]+)$`)

func TestMermaidIsAFlowchart(t *testing.T) {
	p := oddPlan()
	text := graph.Plan(p, true).Mermaid()
	known := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if !mermaidLine.MatchString(line) || (i == 0) != (line == "flowchart RL") {
			t.Errorf("line %d: %s", i+1, line)
		}
		fields := strings.Fields(line)
		if id, _, ok := strings.Cut(fields[0], "["); ok {
			known[id] = true
		} else if len(fields) == 3 && (!known[fields[0]] || !known[fields[2]]) {
			t.Errorf("line %d: an edge to nowhere: %s", i+1, line)
		}
	}
	// As Mermaid shows it, each address is what it is.
	shown := regexp.MustCompile(`#([0-9]+);`).ReplaceAllString(text, "&#$1;")
	shown = html.UnescapeString(shown)
	for i := range p.Changes {
		if !strings.Contains(shown, p.Changes[i].Address) {
			t.Errorf("%s is not shown", p.Changes[i].Address)
		}
	}
}

func TestInstancesOfABlockAreOneNode(t *testing.T) {
	g := graph.Plan(oddPlan(), false)
	if len(g.Groups) != 2 || len(g.Groups[1].Nodes) != 1 || g.Groups[1].Nodes[0].Lines[0] != "user.staff[*].mailbox" || g.Groups[1].Nodes[0].Lines[1] != "create × 18" {
		t.Errorf("got %+v", g.Groups)
	}
	if len(g.Groups[0].Nodes) != 1 || g.Groups[0].Nodes[0].Lines[0] != `user.staff["a\"b"].mailbox` {
		t.Errorf("one alone is not called by its address: %+v", g.Groups[0])
	}
}

func TestReferencesAreLookedThrough(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.mf.hcl": `
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
}
locals { home = domain.a }
domain "a" {
  name   = "a.example"
  server = server.main
}
module "b" {
  source = "./b"
  server = server.main
}
user "u" {
  domain     = local.home
  name       = "u"
  quota      = user.v.quota
  depends_on = [domain.a]
}
user "v" {
  domain = module.b.domain
  name   = "v"
}
`,
		"b/b.mf.hcl": `
variable "server" {}
domain "b" {
  name   = "b.example"
  server = var.server
}
output "domain" { value = domain.b }
`,
	} {
		if err := os.MkdirAll(dir+"/b", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := config.Load(dir)
	cfg, more := m.Evaluate(config.Options{}, nil)
	if diags = append(diags, more...); diags.HasErrors() {
		t.Fatal(diags)
	}
	want := `flowchart RL
  n1["domain.a"]
  n2["server.main"]
  n3["user.u"]
  n4["user.v"]
  subgraph g1["module.b"]
    n5["module.b.domain.b"]
  end
  n1 -.-> n2
  n5 -.-> n2
  n3 -.-> n1
  n3 ==> n1
  n3 --> n4
  n4 -.-> n5
`
	for range 3 {
		if got := graph.Blocks(m.BlockNames(), m.References(), cfg).Mermaid(); got != want {
			t.Fatalf("got\n%s", got)
		}
	}
}
