package draft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

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
	// Group writes record blocks that are alike as one with for_each, where there
	// are many. It does not go with Imports, which name the blocks.
	Group bool
}

// Config is the draft as a file in canonical form. Only what differs from the
// defaults is written, blocks are named by reference, and no secret is in it.
func (d *Draft) Config(o Options) []byte {
	w := &writer{}
	for _, l := range o.Heading {
		w.out.WriteString(strings.TrimRight("# "+l, " ") + "\n")
	}
	w.variables(d)
	written := d.table == nil
	var groups []*series
	if o.Group && !o.Imports {
		groups = d.series()
	}
	done := map[*series]bool{}
	for i := range d.Blocks {
		if groups != nil && groups[i] != nil {
			if g := groups[i]; !done[g] {
				w.series(g)
				done[g] = true
			}
			continue
		}
		if b := &d.Blocks[i]; !written && slices.Index(blockTypes, b.Ref.Type) >= slices.Index(blockTypes, "user") {
			w.table(d.table)
			written = true
		}
		w.block(&d.Blocks[i])
	}
	if !written {
		w.table(d.table)
	}
	if o.Imports && len(d.Blocks)+len(d.rows) > 0 {
		w.out.WriteString("\n# Import blocks have done their work after the first apply, and can be taken out.\n")
		for i := range d.Blocks {
			w.importBlock(&d.Blocks[i])
		}
		if d.table != nil {
			w.importTable(d.table)
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
	for _, b := range d.all() {
		if b.Secret == "" {
			continue
		}
		v := schema.StringList(b.hash)
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

// all are the blocks, and the users in the table.
func (d *Draft) all() []*Block {
	out := make([]*Block, 0, len(d.Blocks)+len(d.rows))
	for i := range d.Blocks {
		out = append(out, &d.Blocks[i])
	}
	for i := range d.rows {
		out = append(out, &d.rows[i])
	}
	return out
}

// Empty reports whether the draft describes nothing.
func (d *Draft) Empty() bool { return len(d.Blocks)+len(d.rows) == 0 }

// Secrets is how many users have a password hash that is not in the file.
func (d *Draft) Secrets() int {
	n := 0
	for _, b := range d.all() {
		if b.Secret != "" {
			n++
		}
	}
	return n
}

// lists are the variables in which a user has several hashes, so that each is a
// list of them.
func (d *Draft) lists() map[string]bool {
	out := map[string]bool{}
	for _, b := range d.all() {
		if len(b.hash) > 1 {
			out[b.Secret] = true
		}
	}
	return out
}

// A writer makes the text of a file, block by block.
type writer struct{ out bytes.Buffer }

// variables declares those that hold password hashes.
func (w *writer) variables(d *Draft) {
	done, lists := map[string]bool{}, d.lists()
	for _, b := range d.all() {
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
		description := "Password hash of " + b.ID + "."
		if b.Shared {
			description = "Password hashes of users, by address."
		}
		w.put("variable", b.Secret, func(v *body) {
			v.set("description", literal(description))
			v.set("type", typ)
			v.set("sensitive", "true")
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
	w.put(b.Ref.Type, b.Ref.Name, func(in *body) {
		in.arguments(typ.Attributes, of, b)
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
				in.block(n.Type, func(inner *body) { inner.arguments(n.Attributes, el, b) })
			}
		}
	})
}

// arguments writes the arguments that are not what they are anyway.
func (in *body) arguments(attrs []schema.Attribute, v cty.Value, b *Block) {
	for i := range attrs {
		a := &attrs[i]
		val, _ := v.GetAttr(a.Name).Unmark()
		switch {
		case val.IsNull(), a.Default != cty.NilVal && saysDefault(a, val):
		case a.Sensitive && b.Shared:
			in.set(a.Name, "var."+b.Secret+"["+literal(b.ID)+"]")
		case a.Sensitive:
			in.set(a.Name, "var."+b.Secret)
		case a.Providers:
			in.set(a.Name, providerNames(val))
		default:
			in.set(a.Name, expression(val))
		}
	}
	// A block that says nothing would read as if something were missing.
	if first, _ := v.GetAttr(attrs[0].Name).Unmark(); in.empty && !first.IsNull() {
		in.set(attrs[0].Name, expression(first))
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
	w.put("import", "", func(in *body) {
		in.set("to", reference(b.Ref))
		in.set("id", literal(b.ID))
	})
}

// Summary counts the blocks by type, for a sentence: 1 domain, 2 users.
func (d *Draft) Summary() string {
	counts := map[string]int{}
	for _, b := range d.all() {
		counts[b.Ref.Type]++
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
