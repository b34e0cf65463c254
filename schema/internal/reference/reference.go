// Package reference writes the reference documentation out of the schema. What
// is in docs/reference is never edited by hand; a test sees to it.
package reference

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const header = "<!-- Made from the package schema; do not edit. MAILFORM_UPDATE=1 go test ./schema/... writes it anew. -->\n\n"

// Pages returns the text of each page by its file name.
func Pages() map[string]string {
	pages := map[string]string{"README.md": index(), "values.md": values(), "kinds.md": kinds(), "functions.md": functions(), "checks.md": checks(), "../providers.md": holdings()}
	for _, b := range schema.Blocks() {
		if b.Type == "provider" {
			pages[b.Type+".md"] = providers(b)
			continue
		}
		if b.Type == "mailform" {
			pages[b.Type+".md"] = block(b) + backends() + encryption()
			continue
		}
		pages[b.Type+".md"] = block(b)
		if b.Type == "data" {
			pages[b.Type+".md"] += dataSources()
		}
	}
	return pages
}

func index() string {
	var w strings.Builder
	w.WriteString(header + "# Reference\n\nThe blocks of a configuration. [Values](values.md) explains sizes, times, names and references.\n\n")
	w.WriteString("| block | what it describes |\n|---|---|\n")
	for _, b := range schema.Blocks() {
		fmt.Fprintf(&w, "| [`%s`](%s.md) | %s |\n", title(b), b.Type, cell(firstSentence(b.Doc)))
	}
	w.WriteString("\n[Functions](functions.md) are what expressions can call.\n")
	w.WriteString("\nWhat they become is listed under [kinds](kinds.md): the words that a plan speaks in.\n\n[Checks](checks.md) are made of records before there is a plan.\n")
	return w.String()
}

func title(b *schema.BlockType) string {
	switch {
	case b.Label == "":
		return b.Type
	case b.Type == "data":
		return `data "TYPE" "NAME"`
	}
	return fmt.Sprintf("%s %q", b.Type, strings.ToUpper(b.Label))
}

func firstSentence(doc string) string {
	if i := strings.Index(doc, ". "); i > 0 {
		return doc[:i+1]
	}
	return doc
}

func block(b *schema.BlockType) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s# %s\n\n%s\n\n", header, b.Type, b.Doc)
	fmt.Fprintf(&w, "```hcl\n%s\n```\n", b.Example)
	if b.Type == "data" {
		w.WriteString("\n`for_each`, `count` and, of `lifecycle`, `enabled` and conditions work as in [every block](values.md#instances).\n")
	}
	attributes(&w, b.Attributes, "## Arguments")
	for i := range b.Blocks {
		n := &b.Blocks[i]
		fmt.Fprintf(&w, "\n## Block `%s`\n\n%s", n.Type, n.Doc)
		if n.Repeatable {
			w.WriteString(" It may stand any number of times.")
		}
		w.WriteString("\n")
		attributes(&w, n.Attributes, "")
	}
	if b.Instances {
		w.WriteString("\n`for_each`, `count`, `depends_on`, `lifecycle` and `dynamic` work as in [every block](values.md#instances).\n")
	}
	if len(b.Parts)+len(b.Computed) > 0 {
		w.WriteString("\n## Read-only\n")
		readOnly(&w, b)
	}
	return w.String()
}

func readOnly(w *strings.Builder, b *schema.BlockType) {
	w.WriteString("\n| name | type | |\n|---|---|---|\n")
	for _, p := range b.Parts {
		fmt.Fprintf(w, "| `%s` | reference | %s |\n", p.Name, cell(p.Doc))
	}
	for _, c := range b.Computed {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", c.Name, typeName(c.Type), cell(c.Doc))
	}
}

func dataSources() string {
	var w strings.Builder
	for _, b := range schema.DataSources() {
		fmt.Fprintf(&w, "\n## %s\n\n%s\n\n```hcl\n%s\n```\n", b.Label, b.Doc, b.Example)
		attributes(&w, b.Attributes, "")
		readOnly(&w, b)
	}
	return w.String()
}

func providers(b *schema.BlockType) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s# %s\n\n%s\n", header, b.Type, b.Doc)
	for _, name := range schema.Providers() {
		p := schema.ProviderByName(name)
		fmt.Fprintf(&w, "\n## %s\n\n%s\n\n```hcl\n%s\n```\n", name, p.Doc, p.Example)
		attributes(&w, p.Attributes, "")
		for _, n := range p.Blocks {
			fmt.Fprintf(&w, "\n### `%s` of %s\n\n%s\n", n.Type, name, n.Doc)
			attributes(&w, n.Attributes, "")
		}
	}
	return w.String()
}

func backends() string {
	var w strings.Builder
	for _, b := range schema.Backends() {
		fmt.Fprintf(&w, "\n## Backend `%s`\n\n%s\n\n```hcl\n%s\n```\n", b.Label, b.Doc, b.Example)
		attributes(&w, b.Attributes, "")
	}
	return w.String()
}

func encryption() string {
	var w strings.Builder
	b := schema.Encryption()
	fmt.Fprintf(&w, "\n## Block `%s`\n\n%s\n\n```hcl\n%s\n```\n", b.Type, b.Doc, b.Example)
	attributes(&w, b.Attributes, "")
	for _, n := range b.Blocks {
		fmt.Fprintf(&w, "\n### `%s`\n\n%s\n", n.Type, n.Doc)
		attributes(&w, n.Attributes, "")
	}
	return w.String()
}

func attributes(w *strings.Builder, attrs []schema.Attribute, heading string) {
	if len(attrs) == 0 {
		return
	}
	if heading != "" {
		fmt.Fprintf(w, "\n%s\n", heading)
	}
	w.WriteString("\n| argument | value | default | |\n|---|---|---|---|\n")
	for i := range attrs {
		a := &attrs[i]
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", a.Name, cell(value(a)), cell(defaultText(a)), cell(docText(a)))
	}
}

// value says what is written behind the equals sign.
func value(a *schema.Attribute) string {
	one := typeName(a.Type)
	switch {
	case a.Providers:
		return "provider, or a list of them"
	case a.Target != schema.NoTarget:
		one = refs(a.Refs) + " or mail address"
	case a.Type.IsListType() && len(a.Refs) > 0:
		return "list: " + refs(a.Refs)
	case len(a.Refs) > 0:
		return refs(a.Refs)
	case a.Form != nil && len(a.Form.Words) > 0:
		one = words(a)
	case a.Form != nil:
		one = strings.TrimPrefix(strings.TrimPrefix(a.Form.Name, "a "), "an ")
		if a.Form.Doc != "" {
			one = fmt.Sprintf("[%s](values.md#%s)", one, anchor(a.Form))
		}
	}
	switch {
	case (a.Type.IsListType() || a.Target == schema.TargetList) && a.OrOne:
		return one + ", or a list"
	case (a.Type.IsListType() && a.Form != nil) || a.Target == schema.TargetList:
		return "list: " + one
	}
	return one
}

// words lists the words of a form, in a list of one line where there are many.
func words(a *schema.Attribute) string {
	quoted := make([]string, len(a.Form.Words))
	for i, w := range a.Form.Words {
		quoted[i] = fmt.Sprintf("`%q`", w)
	}
	return schema.Or(quoted)
}

func refs(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		typ, part, ok := strings.Cut(n, ".")
		out[i] = fmt.Sprintf("[%s](%s.md)", typ, typ)
		if ok {
			out[i] += "." + part
		}
	}
	return schema.Or(out)
}

func defaultText(a *schema.Attribute) string {
	switch {
	case a.Required:
		return "**required**"
	case a.Default == cty.NilVal:
		return ""
	}
	return "`" + literal(a.Default) + "`"
}

func docText(a *schema.Attribute) string {
	if a.Sensitive {
		return a.Doc + " Never shown."
	}
	return a.Doc
}

// literal renders a value as it is written in a configuration.
func literal(v cty.Value) string {
	switch t := v.Type(); {
	case t == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case t == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case t == cty.Bool:
		return fmt.Sprint(v.True())
	default:
		items := v.AsValueSlice()
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = literal(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
}

func typeName(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t.IsListType():
		return "list of " + typeName(t.ElementType())
	case t.IsMapType():
		return "map of " + typeName(t.ElementType())
	default:
		return t.FriendlyName()
	}
}

// cell makes text fit into one cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func anchor(f *schema.Form) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(f.Name, "a "), "an "), " ", "-"))
}
