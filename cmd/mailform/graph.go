package main

import (
	"context"
	"flag"
	"fmt"
	"slices"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/graph"
	"github.com/mailform/mailform/engine/plan"
)

// What graph draws, and in which language.
var (
	graphTypes   = []string{"blocks", "plan", "plan-destroy"}
	graphFormats = []string{"dot", "mermaid"}
)

// graph draws the files, or a plan.
func (a *app) graph(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("graph", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	typ := fs.String("type", "blocks", "blocks|plan|plan-destroy: what is drawn: the blocks of the files and their references, or what a plan does in which phase")
	format := fs.String("format", "dot", "dot|mermaid: the language: Graphviz's, or Mermaid's for markdown")
	saved := fs.String("plan", "", "PLAN: draw this saved plan")
	instances := fs.Bool("instances", false, "of a plan draw each instance of a block, not all as one")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	switch {
	case !slices.Contains(graphTypes, *typ):
		return a.fail(unknownWord("type", *typ, graphTypes))
	case !slices.Contains(graphFormats, *format):
		return a.fail(unknownWord("format", *format, graphFormats))
	}
	g, err := a.drawing(ctx, &o, *typ, *saved, *instances)
	if err != nil {
		return a.failed(err)
	}
	text := g.DOT()
	if *format == "mermaid" {
		text = g.Mermaid()
	}
	fmt.Fprint(a.stdout, text)
	return exitOK
}

func unknownWord(option, given string, words []string) error {
	hint := ""
	if s := suggest(given, words); s != "" {
		hint = fmt.Sprintf(" Did you mean %q?", s)
	}
	return fmt.Errorf("-%s is %s, and not %q.%s", option, orWords(words), given, hint)
}

// drawing makes the graph. It prints what is wrong in the files itself.
func (a *app) drawing(ctx context.Context, o *operation, typ, saved string, instances bool) (*graph.Graph, error) {
	if saved != "" {
		p, _, err := a.readPlan(saved, o.vars)
		if err != nil {
			return nil, err
		}
		return graph.Plan(p, instances), nil
	}
	if typ == "blocks" {
		s, m, d, err := a.described(ctx, o, "graph")
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return graph.Blocks(m.BlockNames(), m.References(), d.Config), nil
	}
	ws, m, err := a.load(o)
	if err != nil {
		return nil, err
	}
	s, err := ws.Open(ctx, m, engine.Options{Config: a.configOptions(o), Operation: "graph", NoLock: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	mode := plan.Normal
	if typ == "plan-destroy" {
		mode = plan.Destroy
	}
	p, diags := s.Plan(ctx, engine.PlanOptions{Mode: mode})
	if len(diags) > 0 {
		a.diagnostics(diags, m.Files())
	}
	if diags.HasErrors() {
		return nil, errReported
	}
	return graph.Plan(p, instances), nil
}
