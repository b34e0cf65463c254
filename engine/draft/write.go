package draft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Options say what is written beside the blocks.
type Options struct {
	// Heading is a comment at the top: lines without their "# ".
	Heading []string
	// Imports writes an import block for each block.
	Imports bool
}

// Config is the draft as a file in canonical form. Only what differs from the
// defaults is written, blocks are named by reference, and no secret is in it.
func (d *Draft) Config(o Options) []byte {
	w := &writer{}
	for _, l := range o.Heading {
		w.out.WriteString(strings.TrimRight("# "+l, " ") + "\n")
	}
	w.variables(d)
	for i := range d.Blocks {
		w.block(&d.Blocks[i])
	}
	if o.Imports && len(d.Blocks) > 0 {
		w.out.WriteString("\n# Import blocks have done their work after the first apply, and can be taken out.\n")
		for i := range d.Blocks {
			w.importBlock(&d.Blocks[i])
		}
	}
	return w.out.Bytes()
}

// Values is a file with the values of the draft's variables, which are secret;
// empty where there are none.
func (d *Draft) Values() []byte {
	f := hclwrite.NewEmptyFile()
	values := d.values()
	for _, name := range sortedKeys(values) {
		f.Body().SetAttributeValue(name, values[name])
	}
	return hclwrite.Format(f.Bytes())
}

// Vars are the same values as arguments of a command line.
func (d *Draft) Vars() []config.VarArg {
	var out []config.VarArg
	values := d.values()
	for _, name := range sortedKeys(values) {
		v := values[name]
		if v.Type() == cty.String {
			out = append(out, config.VarArg{Name: name, Value: v.AsString()})
		} else {
			out = append(out, config.VarArg{Name: name, Value: string(hclwrite.TokensForValue(v).Bytes())})
		}
	}
	return out
}

func (d *Draft) values() map[string]cty.Value {
	values := map[string]cty.Value{}
	shared := map[string]map[string]cty.Value{}
	lists := d.lists()
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Secret == "" {
			continue
		}
		v := stringList(b.hash)
		if !lists[b.Secret] {
			v = cty.StringVal(b.hash[0])
		}
		if !b.Shared {
			values[b.Secret] = v
			continue
		}
		if shared[b.Secret] == nil {
			shared[b.Secret] = map[string]cty.Value{}
		}
		shared[b.Secret][b.ID] = v
	}
	for name, m := range shared {
		values[name] = cty.ObjectVal(m)
	}
	return values
}

// Secrets is how many users have a password hash that is not in the file.
func (d *Draft) Secrets() int {
	n := 0
	for i := range d.Blocks {
		if d.Blocks[i].Secret != "" {
			n++
		}
	}
	return n
}

// lists are the variables in which a user has several hashes, so that each is a
// list of them.
func (d *Draft) lists() map[string]bool {
	out := map[string]bool{}
	for i := range d.Blocks {
		if len(d.Blocks[i].hash) > 1 {
			out[d.Blocks[i].Secret] = true
		}
	}
	return out
}

// A writer makes the text of a file, block by block.
type writer struct{ out bytes.Buffer }

// put writes the one block that fill makes, after an empty line.
func (w *writer) put(fill func(body *hclwrite.Body)) {
	f := hclwrite.NewEmptyFile()
	fill(f.Body())
	if w.out.Len() > 0 {
		w.out.WriteByte('\n')
	}
	w.out.Write(hclwrite.Format(f.Bytes()))
}

// variables declares those that hold password hashes.
func (w *writer) variables(d *Draft) {
	done, lists := map[string]bool{}, d.lists()
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Secret == "" || done[b.Secret] {
			continue
		}
		done[b.Secret] = true
		typ := "string"
		if lists[b.Secret] {
			typ = "list(string)"
		}
		if b.Shared {
			typ = "map(" + typ + ")"
		}
		if len(done) == 1 {
			w.out.WriteString(secretsComment)
		}
		w.put(func(body *hclwrite.Body) {
			v := body.AppendNewBlock("variable", []string{b.Secret}).Body()
			if b.Shared {
				v.SetAttributeValue("description", cty.StringVal("Password hashes of users, by address."))
			} else {
				v.SetAttributeValue("description", cty.StringVal("Password hash of "+b.ID+"."))
			}
			v.SetAttributeRaw("type", raw(typ))
			v.SetAttributeValue("sensitive", cty.True)
		})
	}
}

const secretsComment = `
# Password hashes are secrets, and stand in no configuration file. Hand them over
# in a values file that only you can read (-secrets-out=FILE writes one), or in the
# environment: MF_VAR_name. To leave passwords to the server, take the argument
# password_hash out of a user, and write in its place:
#
#   lifecycle { ignore_changes = [password_hash] }
`

func (w *writer) block(b *Block) {
	typ, of := schema.BlockByType(b.Ref.Type), b.Body.Object()
	w.put(func(body *hclwrite.Body) {
		inner := body.AppendNewBlock(b.Ref.Type, []string{b.Ref.Name}).Body()
		w.attributes(inner, typ.Attributes, of, b)
		for i := range typ.Blocks {
			n := &typ.Blocks[i]
			v := of.GetAttr(n.Type)
			var list []cty.Value
			switch {
			case v.IsNull():
			case n.Repeatable:
				list = v.AsValueSlice()
			default:
				list = []cty.Value{v}
			}
			for _, el := range list {
				inner.AppendNewline()
				w.attributes(inner.AppendNewBlock(n.Type, nil).Body(), n.Attributes, el, b)
			}
		}
	})
}

// attributes writes the arguments that are not what they are anyway.
func (w *writer) attributes(body *hclwrite.Body, attrs []schema.Attribute, v cty.Value, b *Block) {
	defer func() {
		// A block that says nothing would read as if something were missing.
		if first, _ := v.GetAttr(attrs[0].Name).Unmark(); len(body.Attributes()) == 0 && !first.IsNull() {
			body.SetAttributeRaw(attrs[0].Name, valueTokens(first))
		}
	}()
	for i := range attrs {
		a := &attrs[i]
		val, _ := v.GetAttr(a.Name).Unmark()
		switch {
		case val.IsNull(), a.Default != cty.NilVal && saysDefault(a, val):
		case a.Sensitive && b.Shared:
			body.SetAttributeRaw(a.Name, append(raw("var."+b.Secret), index(b.ID)...))
		case a.Sensitive:
			body.SetAttributeRaw(a.Name, raw("var."+b.Secret))
		case a.Providers:
			body.SetAttributeRaw(a.Name, providerTokens(val))
		case val.Type().IsTupleType(), val.Type().IsListType():
			var items []hclwrite.Tokens
			for _, el := range val.AsValueSlice() {
				items = append(items, valueTokens(el))
			}
			body.SetAttributeRaw(a.Name, hclwrite.TokensForTuple(items))
		default:
			body.SetAttributeRaw(a.Name, valueTokens(val))
		}
	}
}

// saysDefault reports whether a value says what the attribute's default says.
func saysDefault(a *schema.Attribute, v cty.Value) bool {
	if a.Default.RawEquals(v) {
		return true
	}
	if a.Default.Type() != cty.String || v.Type() != cty.String {
		return false
	}
	return sameText(a.Default.AsString(), v.AsString())
}

// sameText reports whether two texts are the same size or the same time.
func sameText(a, b string) bool {
	if x, err := schema.ParseSize(a); err == nil {
		y, err := schema.ParseSize(b)
		return err == nil && x == y
	}
	x, xerr := schema.ParseDuration(a)
	y, yerr := schema.ParseDuration(b)
	return xerr == nil && yerr == nil && x == y
}

func (w *writer) importBlock(b *Block) {
	w.put(func(body *hclwrite.Body) {
		i := body.AppendNewBlock("import", nil).Body()
		i.SetAttributeRaw("to", raw(b.Ref.String()))
		i.SetAttributeValue("id", cty.StringVal(b.ID))
	})
}

func valueTokens(v cty.Value) hclwrite.Tokens {
	if r, ok := schema.AsRef(v); ok {
		return raw(r.String())
	}
	return hclwrite.TokensForValue(v)
}

// raw is an expression that is written already.
func raw(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(text)}}
}

func index(key string) hclwrite.Tokens {
	return slices.Concat(
		hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}},
		hclwrite.TokensForValue(cty.StringVal(key)),
		hclwrite.Tokens{{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")}},
	)
}

func providerTokens(v cty.Value) hclwrite.Tokens {
	list := v.AsValueSlice()
	if len(list) == 1 {
		return raw(list[0].AsString())
	}
	var items []hclwrite.Tokens
	for _, el := range list {
		items = append(items, raw(el.AsString()))
	}
	return hclwrite.TokensForTuple(items)
}

// Summary counts the blocks by type, for a sentence: 1 domain, 2 users.
func (d *Draft) Summary() string {
	counts := map[string]int{}
	for i := range d.Blocks {
		counts[d.Blocks[i].Ref.Type]++
	}
	var parts []string
	for _, typ := range blockTypes {
		switch n := counts[typ]; {
		case n == 1:
			parts = append(parts, "1 "+typ)
		case n > 1 && typ == "alias":
			parts = append(parts, fmt.Sprintf("%d aliases", n))
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, typ))
		}
	}
	return strings.Join(parts, ", ")
}
