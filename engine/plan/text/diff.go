package text

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An attr is one attribute of a resource, before and after.
type attr struct {
	name          string
	before, after cty.Value
	sensitive     bool
	unit          unit
	// sym is the symbol of the attribute, " " for one that does not change and ""
	// for one that is not there at all.
	sym string
	// forces is set where a change of the attribute is the reason to replace.
	forces bool
}

// attributes lines up two objects of a kind, in the order of the kind. An
// object may be null.
func attributes(kind string, before, after cty.Value) []attr {
	line := func(name string, sensitive bool) attr {
		was, will := get(before, name), get(after, name)
		return attr{name: name, before: was, after: will, sym: sign(was, will), sensitive: sensitive, unit: unitOf(name)}
	}
	if k := schema.KindByName(kind); k != nil {
		out := make([]attr, len(k.Attributes))
		for i := range k.Attributes {
			out[i] = line(k.Attributes[i].Name, k.Attributes[i].Sensitive)
		}
		return out
	}
	var names []string
	for _, v := range []cty.Value{before, after} {
		if v.Type().IsObjectType() && len(names) == 0 {
			for name := range v.Type().AttributeTypes() {
				names = append(names, name)
			}
		}
	}
	sort.Strings(names)
	out := make([]attr, len(names))
	for i, name := range names {
		out[i] = line(name, false)
	}
	return out
}

func get(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) || v.IsNull() {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	if !v.IsKnown() {
		return cty.UnknownVal(v.Type().AttributeType(name))
	}
	return v.GetAttr(name)
}

func absent(v cty.Value) bool { return v.IsKnown() && v.IsNull() }

// sign is the symbol of an attribute that has been before and will be after.
func sign(before, after cty.Value) string {
	switch {
	case absent(before) && absent(after):
		return ""
	case absent(before):
		return "+"
	case absent(after):
		return "-"
	case schema.Equal(before, after):
		return " "
	}
	return "~"
}

// body writes the attributes that change, one below the other, and how many
// do not.
func (w *writer) body(attrs []attr) {
	width, hidden := 0, 0
	for i := range attrs {
		switch attrs[i].sym {
		case "+", "-", "~":
			width = max(width, len(attrs[i].name))
		}
	}
	for i := range attrs {
		a := &attrs[i]
		switch a.sym {
		case "":
			continue
		case " ":
			hidden++
			continue
		}
		w.attribute(a, width)
	}
	if hidden > 0 {
		w.linef("        # (%s hidden)", count(hidden, "unchanged attribute"))
	}
}

func (w *writer) attribute(a *attr, width int) {
	sym := a.sym
	lead := "      " + w.symbol(sym) + " " + a.name + strings.Repeat(" ", width-len(a.name)) + " = "
	tail := ""
	if a.forces && sym != " " {
		tail = " " + w.tint(w.s.Palette.Red, "# forces replacement")
	}
	switch {
	case a.sensitive:
		w.line(lead, sensitiveValue, tail)
	case isList(a.before) || isList(a.after):
		w.list(lead, tail, a)
	case sym == "+":
		w.line(lead, scalar(a.after, a.unit), tail)
	case sym == "-":
		w.linef("%s%s -> null%s", lead, scalar(a.before, a.unit), tail)
	default:
		w.linef("%s%s -> %s%s", lead, scalar(a.before, a.unit), scalar(a.after, a.unit), tail)
	}
}

// list writes a list with a line for each element that comes or goes.
func (w *writer) list(lead, tail string, a *attr) {
	if !a.after.IsKnown() {
		w.linef("%s%s -> %s%s", lead, inline(a.before, a.unit), knownAfterApply, tail)
		return
	}
	w.line(lead, "[", tail)
	same := 0
	for _, e := range editScript(elements(a.before), elements(a.after)) {
		if e.sym == " " {
			same++
			continue
		}
		w.line("          ", w.symbol(e.sym), " ", scalar(e.value, a.unit), ",")
	}
	if same > 0 {
		w.linef("            # (%s hidden)", count(same, "unchanged element"))
	}
	if absent(a.after) {
		w.linef("        ] -> null")
		return
	}
	w.line("        ]")
}

func inline(v cty.Value, u unit) string {
	if !isList(v) {
		return scalar(v, u)
	}
	var parts []string
	for _, e := range elements(v) {
		parts = append(parts, scalar(e, u))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// An edit is an element that stays (" "), comes ("+") or goes ("-").
type edit struct {
	sym   string
	value cty.Value
}

// editLimit bounds the work of comparing two lists, in pairs of elements.
const editLimit = 1 << 20

// editScript is the shortest way from one list to another. For lists so long
// that finding it would cost too much, all between the common beginning and the
// common end goes and comes.
func editScript(from, to []cty.Value) []edit {
	var head, tail []edit
	for len(from) > 0 && len(to) > 0 && from[0].RawEquals(to[0]) {
		head = append(head, edit{" ", from[0]})
		from, to = from[1:], to[1:]
	}
	for len(from) > 0 && len(to) > 0 && from[len(from)-1].RawEquals(to[len(to)-1]) {
		tail = append(tail, edit{" ", from[len(from)-1]})
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	out := head
	if len(from)*len(to) > editLimit {
		for _, v := range from {
			out = append(out, edit{"-", v})
		}
		for _, v := range to {
			out = append(out, edit{"+", v})
		}
	} else {
		out = append(out, shortest(from, to)...)
	}
	for i := len(tail) - 1; i >= 0; i-- {
		out = append(out, tail[i])
	}
	return out
}

// shortest finds the longest common subsequence by dynamic programming.
func shortest(from, to []cty.Value) []edit {
	rows := make([][]int32, len(from)+1) // length of what is common from i, j on
	for i := range rows {
		rows[i] = make([]int32, len(to)+1)
	}
	for i := len(from) - 1; i >= 0; i-- {
		for j := len(to) - 1; j >= 0; j-- {
			if from[i].RawEquals(to[j]) {
				rows[i][j] = rows[i+1][j+1] + 1
			} else {
				rows[i][j] = max(rows[i+1][j], rows[i][j+1])
			}
		}
	}
	var out []edit
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i].RawEquals(to[j]):
			out = append(out, edit{" ", from[i]})
			i, j = i+1, j+1
		case j == len(to) || i < len(from) && rows[i+1][j] >= rows[i][j+1]:
			out = append(out, edit{"-", from[i]})
			i++
		default:
			out = append(out, edit{"+", to[j]})
			j++
		}
	}
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
