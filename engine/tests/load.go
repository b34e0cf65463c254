package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Suffix ends the names of test files; a further ".json" those in JSON syntax.
const Suffix = ".mftest.hcl"

// DefaultDirectory is where test files are found beside those in the directory
// of the configuration itself.
const DefaultDirectory = "tests"

// A File is one file of tests.
type File struct {
	// Path as people call it, relative to the configuration.
	Path string
	Runs []*Run

	variables hcl.Attributes
	overrides []override
}

// A Run is one block run.
type Run struct {
	Name  string
	Range hcl.Range // its header

	apply     bool
	mode      plan.Mode
	targets   []string
	excludes  []string
	replaces  []string
	module    string // directory, relative to the configuration; "" for itself
	variables hcl.Attributes
	overrides []override
	asserts   []assert
	expected  []expected
}

type assert struct {
	condition, message hcl.Expression
	// lines are the text of the file, for what is said of the condition.
	lines []byte
}

// An expected is an element of expect_failures.
type expected struct {
	address string
	rng     hcl.Range
}

// An override answers a data block.
type override struct {
	target string
	values hcl.Expression
	rng    hcl.Range
}

var (
	fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "variables"}, {Type: "override_data"}, {Type: "run", LabelNames: []string{"name"}},
	}}
	runSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "command"}, {Name: "expect_failures"}},
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "variables"}, {Type: "override_data"}, {Type: "assert"}, {Type: "plan_options"}, {Type: "module"},
		},
	}
	assertSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true}, {Name: "error_message", Required: true},
	}}
	optionsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "mode"}, {Name: "target"}, {Name: "exclude"}, {Name: "replace"},
	}}
	moduleSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source", Required: true}}}
	overrideSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "target", Required: true}, {Name: "values", Required: true},
	}}
)

// Load reads the test files of a configuration's directory and of a folder below
// it, sorted by their paths. filter are paths of those that are wanted; empty:
// all. The texts that were read are there for diagnostics to show.
func Load(dir, folder string, filter []string) ([]*File, map[string]*hcl.File, hcl.Diagnostics) {
	var paths []string
	for _, in := range []string{".", folder} {
		entries, err := os.ReadDir(filepath.Join(dir, in))
		if err != nil && (in == "." || !os.IsNotExist(err)) {
			return nil, nil, hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "Cannot read the directory",
				Detail:   fmt.Sprintf("The directory %s of tests cannot be read: %s.", in, err),
			}}
		}
		for _, e := range entries {
			if name := e.Name(); !e.IsDir() && !strings.HasPrefix(name, ".") && strings.HasSuffix(strings.TrimSuffix(name, ".json"), Suffix) {
				paths = append(paths, filepath.ToSlash(filepath.Join(in, name)))
			}
		}
	}
	sort.Strings(paths)
	paths = slices.Compact(paths)
	paths, diags := filtered(paths, filter)
	var files []*File
	texts := map[string]*hcl.File{}
	for _, path := range paths {
		text, more := config.ParseFile(filepath.Join(dir, filepath.FromSlash(path)), path)
		texts[path] = text
		diags = append(diags, more...)
		if text.Body == nil {
			continue
		}
		f, more := decodeFile(path, text)
		diags = append(diags, more...)
		files = append(files, f)
	}
	return files, texts, diags
}

func filtered(paths, filter []string) ([]string, hcl.Diagnostics) {
	if len(filter) == 0 {
		return paths, nil
	}
	var diags hcl.Diagnostics
	var out []string
	for _, f := range filter {
		name := filepath.ToSlash(filepath.Clean(f))
		if !slices.Contains(paths, name) {
			hint := ""
			if s := schema.Suggest(name, paths); s != "" {
				hint = fmt.Sprintf(" Did you mean %q?", s)
			}
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unknown test file",
				Detail:   fmt.Sprintf("There is no test file %q.%s", f, hint),
			})
			continue
		}
		out = append(out, name)
	}
	sort.Strings(out)
	return slices.Compact(out), diags
}

func problem(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}

func decodeFile(path string, text *hcl.File) (*File, hcl.Diagnostics) {
	f := &File{Path: path}
	content, diags := text.Body.Content(fileSchema)
	seen := map[string]hcl.Range{}
	for _, b := range content.Blocks {
		switch b.Type {
		case "variables":
			more := variables(&f.variables, b)
			diags = append(diags, more...)
		case "override_data":
			diags = append(diags, decodeOverride(&f.overrides, b)...)
		case "run":
			name := b.Labels[0]
			if !hclsyntax.ValidIdentifier(name) {
				diags = append(diags, problem(b.LabelRanges[0], "Invalid name",
					"The label %q of a run cannot be used in a reference (run.NAME). A name begins with a letter or an underscore, and holds letters, digits, underscores and hyphens.", name))
				continue
			}
			if other, ok := seen[name]; ok {
				diags = append(diags, problem(b.DefRange, "Declared twice", "A run named %q is declared at %s already.", name, other))
				continue
			}
			seen[name] = b.DefRange
			r, more := decodeRun(b, text.Bytes)
			diags = append(diags, more...)
			f.Runs = append(f.Runs, r)
		}
	}
	return f, diags
}

// variables takes in a block variables. There is one at most in each place.
func variables(to *hcl.Attributes, b *hcl.Block) hcl.Diagnostics {
	if *to != nil {
		return hcl.Diagnostics{problem(b.DefRange, "Declared twice", "There is a block variables here already. Put all variables into one.")}
	}
	attrs, diags := b.Body.JustAttributes()
	if attrs == nil {
		attrs = hcl.Attributes{}
	}
	*to = attrs
	return diags
}

func decodeOverride(to *[]override, b *hcl.Block) hcl.Diagnostics {
	content, diags := b.Body.Content(overrideSchema)
	target, values := content.Attributes["target"], content.Attributes["values"]
	if target == nil || values == nil {
		return diags
	}
	address, ok := addressOf(target.Expr)
	if !ok || !strings.HasPrefix(address, "data.") {
		return append(diags, problem(target.Expr.Range(), "Invalid target", "The argument target names a data block, such as data.dns.mx."))
	}
	*to = append(*to, override{address, values.Expr, b.DefRange})
	return diags
}

func decodeRun(b *hcl.Block, text []byte) (*Run, hcl.Diagnostics) {
	r := &Run{Name: b.Labels[0], Range: b.DefRange, apply: true, mode: plan.Normal}
	content, diags := b.Body.Content(runSchema)
	if a := content.Attributes["command"]; a != nil {
		switch word, _ := wordOf(a.Expr); word {
		case "apply":
		case "plan":
			r.apply = false
		default:
			diags = append(diags, problem(a.Expr.Range(), "Invalid command", "The argument command is plan or apply, as a word without quotation marks."))
		}
	}
	if a := content.Attributes["expect_failures"]; a != nil {
		list, more := addresses(a.Expr)
		diags = append(diags, more...)
		r.expected = list
	}
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "variables":
			diags = append(diags, variables(&r.variables, inner)...)
		case "override_data":
			diags = append(diags, decodeOverride(&r.overrides, inner)...)
		case "assert":
			c, more := inner.Body.Content(assertSchema)
			diags = append(diags, more...)
			if condition, message := c.Attributes["condition"], c.Attributes["error_message"]; condition != nil && message != nil {
				r.asserts = append(r.asserts, assert{condition.Expr, message.Expr, text})
			}
		case "plan_options":
			diags = append(diags, r.decodeOptions(inner)...)
		case "module":
			diags = append(diags, r.decodeModule(inner)...)
		}
	}
	return r, diags
}

func (r *Run) decodeOptions(b *hcl.Block) hcl.Diagnostics {
	content, diags := b.Body.Content(optionsSchema)
	for name, a := range content.Attributes {
		if name == "mode" {
			word, _ := wordOf(a.Expr)
			r.mode = plan.Mode(word)
			if !slices.Contains([]plan.Mode{plan.Normal, plan.Destroy, plan.RefreshOnly}, r.mode) {
				diags = append(diags, problem(a.Expr.Range(), "Invalid mode", "The argument mode is normal, destroy or refresh-only, as a word without quotation marks."))
			}
			continue
		}
		list, more := addresses(a.Expr)
		diags = append(diags, more...)
		to := map[string]*[]string{"target": &r.targets, "exclude": &r.excludes, "replace": &r.replaces}[name]
		for _, e := range list {
			*to = append(*to, e.address)
		}
	}
	return diags
}

func (r *Run) decodeModule(b *hcl.Block) hcl.Diagnostics {
	content, diags := b.Body.Content(moduleSchema)
	a := content.Attributes["source"]
	if a == nil {
		return diags
	}
	v, more := a.Expr.Value(nil)
	diags = append(diags, more...)
	if more.HasErrors() || v.Type() != cty.String || v.IsNull() || filepath.IsAbs(v.AsString()) {
		return append(diags, problem(a.Expr.Range(), "Invalid source", "The argument source is the path of a directory, from that of the configuration: \"./tests/setup\"."))
	}
	r.module = v.AsString()
	return diags
}

// addresses reads a list of references, bare or in quotation marks.
func addresses(x hcl.Expression) ([]expected, hcl.Diagnostics) {
	items, diags := hcl.ExprList(x)
	if diags.HasErrors() {
		return nil, diags
	}
	var out []expected
	for _, item := range items {
		address, ok := addressOf(item)
		if !ok {
			diags = append(diags, problem(item.Range(), "Invalid reference", "Each element of this list names something, such as var.stage, check.policy, domain.example or user.staff[\"bob\"]."))
			continue
		}
		out = append(out, expected{address, item.Range()})
	}
	return out, diags
}

// addressOf is the address that an expression names.
func addressOf(x hcl.Expression) (string, bool) {
	if t, diags := hcl.AbsTraversalForExpr(x); !diags.HasErrors() {
		return config.TraversalText(t), true
	}
	v, diags := x.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// wordOf is a bare word, or in JSON syntax a text.
func wordOf(x hcl.Expression) (string, bool) {
	if w := hcl.ExprAsKeyword(x); w != "" {
		return w, true
	}
	if v, diags := x.Value(nil); !diags.HasErrors() && v.Type() == cty.String && !v.IsNull() {
		return v.AsString(), true
	}
	return "", false
}
