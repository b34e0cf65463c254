package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A Ref is the identity of one instance of a block: user.staff["bob"].
// It is what a bare reference in a configuration file evaluates to, and never
// depends on the values inside the block. It stays the same where it is handed
// into a module or out of one.
//
// A Ref with a Module and nothing else stands for all that is in that module.
type Ref struct {
	// Module is where the block is; nil is the root module.
	Module *ModuleInstance

	Type string // block type: "user"
	Name string // block label: "staff"
	// Key is the instance key of a block with for_each (a string) or count (a
	// number); cty.NilVal for a block with neither.
	Key cty.Value
	// Part names what of the block is meant: "" is the block itself, "zone" is
	// the zone of a domain (domain.example.zone).
	Part string
}

// RefType is the type of a reference in a configuration: a capsule around Ref.
var RefType = cty.CapsuleWithOps("reference", reflect.TypeOf(Ref{}), &cty.CapsuleOps{
	GoString:     func(v any) string { return fmt.Sprintf("schema.RefVal(%s)", v.(*Ref)) },
	TypeGoString: func(reflect.Type) string { return "schema.RefType" },
	Equals: func(a, b any) cty.Value {
		return cty.BoolVal(a.(*Ref).String() == b.(*Ref).String())
	},
	RawEquals: func(a, b any) bool { return a.(*Ref).String() == b.(*Ref).String() },
	HashKey:   func(v any) string { return v.(*Ref).String() },
})

// RefVal wraps a reference as a value.
func RefVal(r Ref) cty.Value { return cty.CapsuleVal(RefType, &r) }

// AsRef unwraps a value made by RefVal. It reports false for anything else,
// null and unknown values included.
func AsRef(v cty.Value) (Ref, bool) {
	if v == cty.NilVal {
		return Ref{}, false
	}
	v, _ = v.Unmark()
	if !v.Type().Equals(RefType) || v.IsNull() || !v.IsKnown() {
		return Ref{}, false
	}
	return *v.EncapsulatedValue().(*Ref), true
}

// String is the address: as it is written in a configuration file, behind that
// of its module.
func (r Ref) String() string {
	if r.Type == "" && r.Module != nil {
		return r.Module.String()
	}
	var b strings.Builder
	b.WriteString(r.Module.Prefix())
	b.WriteString(r.Type)
	b.WriteByte('.')
	b.WriteString(r.Name)
	if r.Key != cty.NilVal {
		b.WriteString(IndexString(r.Key))
	}
	if r.Part != "" {
		b.WriteByte('.')
		b.WriteString(r.Part)
	}
	return b.String()
}

// Block is the reference without its part.
func (r Ref) Block() Ref { r.Part = ""; return r }

// IndexString renders an instance key as it follows a name: ["bob"] or [0].
func IndexString(key cty.Value) string {
	if key.Type() == cty.String {
		return "[" + strconv.Quote(key.AsString()) + "]"
	}
	return "[" + key.AsBigFloat().Text('f', -1) + "]"
}
