package document_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/document"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

const published = "../../docs/schema/mailform.schema.json"

// The published schema is what the package schema says. MAILFORM_UPDATE=1 writes
// it anew.
func TestReferenceOfJSONSyntax(t *testing.T) {
	want, err := document.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("MAILFORM_UPDATE") != "" {
		if err := os.WriteFile(published, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(published)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s is not what the schema says (%v); MAILFORM_UPDATE=1 go test ./schema/... writes it anew", published, err)
	}
}

// compiled is the schema; to compile it is to hold it to the meta-schema.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	src, err := document.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(src)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(document.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(document.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s.Validate(v)
}

// Every block of the documentation and every example, written in JSON syntax, is
// right by the schema, and mailform takes it for what it was.
func TestExamplesAreRightInJSONSyntax(t *testing.T) {
	s := compiled(t)
	texts := map[string]string{}
	for _, list := range [][]*schema.BlockType{schema.Blocks(), schema.DataSources(), schema.Backends(), {schema.Encryption()}} {
		for _, b := range list {
			texts["the example of "+b.Type+" "+b.Label] = b.Example
		}
	}
	for _, name := range schema.Providers() {
		texts["the example of provider "+name] = schema.ProviderByName(name).Example
	}
	files, err := filepath.Glob("../../examples/*/*.mf.hcl")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(src)
	}
	for name, src := range texts {
		t.Run(name, func(t *testing.T) {
			text := inJSON(t, src)
			if err := valid(t, s, text); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	t.Run("loaded", func(t *testing.T) {
		dir := t.TempDir()
		staff, err := os.ReadFile("../../examples/staff/staff.csv")
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"staff.csv": string(staff), "main.mf.hcl.json": inJSON(t, texts["../../examples/staff/main.mf.hcl"])} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, diags := config.Load(dir)
		cfg, more := m.Evaluate(config.Options{}, nil)
		if diags = append(diags, more...); diags.HasErrors() || len(cfg.Instances) < 1000 {
			t.Errorf("%v", diags)
		}
	})
}

// inJSON writes a file of native syntax in JSON syntax.
func inJSON(t *testing.T, src string) string {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out, err := json.MarshalIndent(bodyJSON([]byte(src), f.Body.(*hclsyntax.Body)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func bodyJSON(src []byte, b *hclsyntax.Body) map[string]any {
	out := map[string]any{}
	for name, a := range b.Attributes {
		out[name] = exprJSON(src, name, a.Expr)
	}
	for _, block := range b.Blocks {
		inner := any(bodyJSON(src, block.Body))
		for i := len(block.Labels) - 1; i >= 0; i-- {
			inner = map[string]any{block.Labels[i]: inner}
		}
		have, _ := out[block.Type].([]any)
		out[block.Type] = append(have, inner)
	}
	return out
}

func exprJSON(src []byte, name string, x hclsyntax.Expression) any {
	source := string(x.Range().SliceBytes(src))
	switch name {
	case "type": // a type, unless it is a text
		if _, ok := x.(*hclsyntax.TemplateExpr); !ok {
			return source
		}
	case "to", "from", "provider", "iterator":
		return strings.Trim(source, `"`)
	case "depends_on", "ignore_changes":
		if t, ok := x.(*hclsyntax.TupleConsExpr); ok {
			var out []any
			for _, item := range t.Exprs {
				out = append(out, string(item.Range().SliceBytes(src)))
			}
			return out
		}
		return source
	}
	if v, diags := x.Value(nil); !diags.HasErrors() {
		if raw, err := ctyjson.Marshal(v, v.Type()); err == nil {
			return json.RawMessage(raw)
		}
	}
	switch t := x.(type) {
	case *hclsyntax.TupleConsExpr:
		out := []any{}
		for _, item := range t.Exprs {
			out = append(out, exprJSON(src, "", item))
		}
		return out
	case *hclsyntax.TemplateExpr:
		return strings.Trim(source, `"`)
	}
	return "${" + source + "}"
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	s := compiled(t)
	domain := func(body string) string { return fmt.Sprintf(`{"domain": {"example": %s}}`, body) }
	for name, text := range map[string]string{
		"an unknown block":             `{"domian": {}}`,
		"an unknown argument":          domain(`{"name": "example.com", "nmae": 1}`),
		"a missing argument":           domain(`{"ttl": "1h"}`),
		"a word that is none":          domain(`{"name": "example.com", "spf": {"policy": "fial"}}`),
		"a list for a text":            domain(`{"name": ["example.com"]}`),
		"a text for a number":          domain(`{"name": "example.com", "mx": {"host": "a.example", "preference": "high"}}`),
		"a reference that is none":     domain(`{"name": "example.com", "nameserver": "ns1"}`),
		"an unknown argument further":  domain(`{"name": "example.com", "dmarc": {"policy": "none", "p": 1}}`),
		"two of a block that is alone": domain(`{"name": "example.com", "spf": [{}, {}]}`),
		"a block without a label":      `{"user": "alice"}`,
		"a label that is no name":      `{"user": {"al ice": {"name": "a", "domain": "${domain.a}"}}}`,
		"an unknown provider":          `{"provider": {"embeded": {}}}`,
		"an unknown backend":           `{"mailform": {"backend": {"pgg": {}}}}`,
		"an unknown data source":       `{"data": {"dnss": {"a": {"name": "x"}}}}`,
		"a dynamic block of nothing":   domain(`{"name": "example.com", "dynamic": {"mxx": {"for_each": [], "content": {}}}}`),
		"a lifecycle of nothing":       domain(`{"name": "example.com", "lifecycle": {"prevent_destory": true}}`),
		"no object":                    `[]`,
	} {
		if valid(t, s, text) == nil {
			t.Errorf("%s is taken: %s", name, text)
		}
	}
	for name, text := range map[string]string{
		"nothing":                   `{}`,
		"comments":                  `{"//": "x", "domain": {"//": {"name": "x"}, "example": {"//": ["x"], "name": "example.com"}}}`,
		"an expression for a word":  domain(`{"name": "example.com", "spf": {"policy": "${var.policy}"}}`),
		"an expression for a list":  `{"user": {"a": {"name": "a", "domain": "${domain.a}", "protocols": "${var.protocols}"}}}`,
		"one for a list of one":     `{"alias": {"a": {"name": "a", "domain": "${domain.a}", "members": "b@example.com"}}}`,
		"null for what may be left": domain(`{"name": "example.com", "nameserver": null}`),
		"several blocks of a name":  `{"domain": [{"a": {"name": "a.example"}}, {"b": [{"name": "b.example"}]}]}`,
		"a dynamic block":           domain(`{"name": "example.com", "dynamic": {"mx": {"for_each": "${var.mx}", "content": {"host": "${mx.value}"}}}}`),
		"each and lifecycle":        `{"zone": {"a": {"for_each": {"a": 1}, "name": "${each.key}", "nameserver": "${nameserver.a}", "lifecycle": {"ignore_changes": "all"}, "depends_on": ["server.a"]}}}`,
		"a module":                  `{"module": {"a": {"source": "./a", "anything": {"b": [1]}}}}`,
	} {
		if err := valid(t, s, text); err != nil {
			t.Errorf("%s is refused: %s\n%v", name, text, err)
		}
	}
}

func TestProvidersReadAsTerraforms(t *testing.T) {
	src, err := document.Providers(nil)
	if err != nil {
		t.Fatal(err)
	}
	var doc tfjson.ProviderSchemas
	if err := json.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	p := doc.Schemas["mailform/embedded"]
	if p == nil || p.ConfigSchema.Block.Attributes["data_dir"].AttributeType != cty.String {
		t.Fatalf("the provider is %+v", p)
	}
	for _, k := range schema.Kinds() {
		r := p.ResourceSchemas[k.Name]
		if r == nil {
			t.Fatalf("there is no %s", k.Name)
		}
		for _, a := range k.Attributes {
			if got := r.Block.Attributes[a.Name]; got == nil || !got.AttributeType.Equals(a.Type) || got.Sensitive != a.Sensitive || got.Description == "" {
				t.Errorf("%s.%s is %+v", k.Name, a.Name, got)
			}
		}
	}
	if d := doc.Schemas["mailform/mailform"].DataSourceSchemas["dns"]; d == nil || !d.Block.Attributes["values"].Computed {
		t.Errorf("the data source is %+v", d)
	}
}

func TestFunctionsReadAsTerraforms(t *testing.T) {
	src, err := document.Functions()
	if err != nil {
		t.Fatal(err)
	}
	var doc tfjson.MetadataFunctions
	if err := json.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	f := doc.Signatures["cidrhost"]
	if f == nil || f.ReturnType != cty.String || len(f.Parameters) != 2 || f.Parameters[1].Type != cty.Number || f.Description == "" {
		t.Errorf("cidrhost is %+v", f)
	}
	if doc.Signatures["type"] != nil {
		t.Error("a function of the console is among those of the language")
	}
}
