package reference

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mailform/mailform/schema"
)

// values explains what stands in blocks of every type.
func values() string {
	var w strings.Builder
	w.WriteString(header)
	w.WriteString(`# Values

## References

A block that is named bare, such as ` + "`user.alice`" + `, stands for that block itself: it is never a dependency of evaluation,
so a domain may name its postmaster, and the postmaster his domain. Reading an attribute, such as ` + "`user.alice.quota`" + `, is
one. Names of attributes have to be written out.

One instance of a block is ` + "`user.staff[\"bob\"]`" + `. In a list of users the block alone, ` + "`user.staff`" + `, stands for all its
instances; ` + "`[for u in user.staff : u if u.quota == \"1GiB\"]`" + ` selects some.

In JSON syntax a reference is written ` + "`\"${user.alice}\"`" + `.

## Instances

Every block that describes something takes:

| argument | |
|---|---|
| ` + "`for_each`" + ` | A map, an object or a set of strings: one instance for each element. Its arguments see ` + "`each.key` and `each.value`" + `. |
| ` + "`count`" + ` | A number of instances. Their arguments see ` + "`count.index`" + `. |
| ` + "`depends_on`" + ` | A list of references to what has to be there first, where no argument says so. |

and the blocks:

| block | |
|---|---|
| ` + "`lifecycle { prevent_destroy = true }`" + ` | Makes a plan that would remove it an error. |
| ` + "`lifecycle { ignore_changes = [quota] }`" + ` | Leaves these arguments at the target as they are, once the thing is there; ` + "`all`" + ` stands for all that can be left. |
| ` + "`lifecycle { enabled = var.with_archive }`" + ` | Whether there is an instance, in a block without ` + "`for_each` and `count`" + `. A reference to a block without one is null. |
| ` + "`lifecycle { precondition { condition = …, error_message = … } }`" + ` | Makes a plan an error where the condition is false, for any instance. It may stand any number of times. |
| ` + "`lifecycle { postcondition { … } }`" + ` | The same, and ` + "`self`" + ` is the instance. What is known after apply is held against it then. |
| ` + "`dynamic \"mx\" { for_each = …, content { … } }`" + ` | Makes a nested block for each element of a collection. The content sees ` + "`mx.key` and `mx.value`" + `; ` + "`iterator = exchange`" + ` gives another name. |

## Variables

The value of a variable is the last of: its default, ` + "`MF_VAR_name`" + ` in the environment, ` + "`mailform.mfvars`, `mailform.mfvars.json`" + `,
` + "`*.auto.mfvars` and `*.auto.mfvars.json`" + ` in the order of their names, and ` + "`-var` and `-var-file`" + ` in the order given. Where none of them
sets it, a variable with a ` + "`command`" + ` has what that prints.

Files of values can be encrypted, and their values are then sensitive:

- as a whole by age: ` + "`staff.auto.mfvars.age`, `mailform.mfvars.json.age`" + `;
- value by value by SOPS, as YAML or JSON: ` + "`staff.auto.mfvars.sops.yaml`, `staff.auto.mfvars.json`" + `. Names stand in clear there, so that
  ` + "`for_each`" + ` can be made of a map of such values.

The age keys for both come from ` + "`MF_AGE_KEY`, `MF_AGE_KEY_FILE`, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`" + ` in the environment, and from
` + "`~/.config/sops/age/keys.txt`" + `. ` + "`mailform validate`" + ` does without them.
`)
	for _, f := range forms() {
		name := strings.TrimPrefix(strings.TrimPrefix(f.Name, "a "), "an ")
		fmt.Fprintf(&w, "\n## %s\n\n%s\n", strings.ToUpper(name[:1])+name[1:], f.Doc)
	}
	return w.String()
}

// forms are the forms that need explaining, each name once, in order.
func forms() []*schema.Form {
	byName := map[string]*schema.Form{}
	add := func(attrs []schema.Attribute) {
		for i := range attrs {
			if f := attrs[i].Form; f != nil && f.Doc != "" && byName[f.Name] == nil && attrs[i].Target == schema.NoTarget {
				byName[f.Name] = f
			}
		}
	}
	for _, b := range slices.Concat(schema.Blocks(), schema.DataSources()) {
		add(b.Attributes)
		for i := range b.Blocks {
			add(b.Blocks[i].Attributes)
		}
	}
	for _, name := range schema.Providers() {
		p := schema.ProviderByName(name)
		add(p.Attributes)
		for _, n := range p.Blocks {
			add(n.Attributes)
		}
	}
	list := make([]*schema.Form, 0, len(byName))
	for _, f := range byName {
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool { return anchor(list[i]) < anchor(list[j]) })
	return list
}

// kinds lists what blocks become.
func kinds() string {
	var w strings.Builder
	w.WriteString(header)
	w.WriteString("# Kinds\n\nThe resources that blocks become, in the order in which a plan makes them. What is taken away goes the other way round.\n")
	for _, k := range schema.Kinds() {
		fmt.Fprintf(&w, "\n## %s\n\n%s\n\n| attribute | type | |\n|---|---|---|\n", k.Name, k.Doc)
		for _, a := range k.Attributes {
			doc := a.Doc
			for _, note := range []struct {
				is   bool
				text string
			}{
				{a.Sensitive, "Never shown."},
				{a.Info, "Changes by itself."},
				{a.Computed && !a.Info, "Known after apply."},
				{a.Immutable, "Another value replaces the resource."},
			} {
				if note.is {
					doc += " " + note.text
				}
			}
			fmt.Fprintf(&w, "| `%s` | %s | %s |\n", a.Name, typeName(a.Type), cell(doc))
		}
	}
	return w.String()
}
