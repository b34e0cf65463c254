package graph

import (
	"fmt"
	"strings"
)

// DOT is the graph in Graphviz's language.
func (g *Graph) DOT() string {
	var b strings.Builder
	b.WriteString("digraph mailform {\n  rankdir = \"RL\";\n  node [shape = \"box\", fontname = \"sans-serif\"];\n")
	node := func(indent string, n Node) {
		fmt.Fprintf(&b, "%s%s [label = %s];\n", indent, quoteDOT(n.Name), labelDOT(strings.Join(n.Lines, "\n")))
	}
	for _, n := range g.Nodes {
		node("  ", n)
	}
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph \"cluster_%d\" {\n    label = %s;\n", i, labelDOT(group.Label))
		for _, n := range group.Nodes {
			node("    ", n)
		}
		b.WriteString("  }\n")
	}
	styles := map[Style]string{Reads: "", Names: " [style = \"dashed\"]", DependsOn: " [style = \"bold\"]", After: " [style = \"dotted\"]"}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s -> %s%s;\n", quoteDOT(e.From), quoteDOT(e.To), styles[e.Style])
	}
	b.WriteString("}\n")
	return b.String()
}

// quoteDOT writes a text as an ID of the language: in quotation marks, where a
// backslash is only one before another or before a quotation mark. In labels
// \n breaks the line.
func quoteDOT(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ", "\x00", " ").Replace(s) + `"`
}

// labelDOT writes a text that is shown, in which Graphviz reads entities of HTML.
func labelDOT(s string) string { return quoteDOT(strings.ReplaceAll(s, "&", "&amp;")) }

// Mermaid is the graph as a flowchart of Mermaid, which GitHub and GitLab draw in
// markdown between marks of the language mermaid.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart RL\n")
	ids := map[string]string{}
	id := func(name string) string {
		if ids[name] == "" {
			ids[name] = fmt.Sprintf("n%d", len(ids)+1)
		}
		return ids[name]
	}
	node := func(indent string, n Node) {
		lines := make([]string, len(n.Lines))
		for i, l := range n.Lines {
			lines[i] = quoteMermaid(l)
		}
		fmt.Fprintf(&b, "%s%s[\"%s\"]\n", indent, id(n.Name), strings.Join(lines, "<br>"))
	}
	for _, n := range g.Nodes {
		node("  ", n)
	}
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph g%d[\"%s\"]\n", i+1, quoteMermaid(group.Label))
		for _, n := range group.Nodes {
			node("    ", n)
		}
		b.WriteString("  end\n")
	}
	arrows := map[Style]string{Reads: "-->", Names: "-.->", DependsOn: "==>", After: "-.-"}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s %s %s\n", id(e.From), arrows[e.Style], id(e.To))
	}
	return b.String()
}

// quoteMermaid writes a text within quotation marks: what Mermaid, markdown or
// HTML would take for something else is a character reference, whose mark in
// Mermaid is "#".
func quoteMermaid(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		case strings.ContainsRune("\"#&;<>`\\%{}*_~|$", r):
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
