package state

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Redact replaces the values of sensitive attributes by their fingerprints, so
// that the object, which has no marks, can be stored and shown. Fingerprints
// stay as they are, null and unknown values too. An object of an unknown kind,
// null and cty.NilVal come back unchanged.
func Redact(kind string, attrs cty.Value) cty.Value {
	return project(kind, attrs, nil)
}

// Keep is what the state remembers of a resource: redacted, and without the
// attributes that change by themselves.
func Keep(kind string, attrs cty.Value) cty.Value {
	return project(kind, attrs, func(a *schema.KindAttribute) bool { return a.Info })
}

// Keeps reports whether kept is what [Keep] makes of attributes, without making
// it: an apply asks this of everything that stays as it is.
func Keeps(kind string, kept, attrs cty.Value) bool {
	k := schema.KindByName(kind)
	if k == nil || attrs == cty.NilVal || kept == cty.NilVal || !attrs.Type().Equals(k.Type()) || !kept.Type().Equals(k.Type()) ||
		attrs.IsNull() || kept.IsNull() || !attrs.IsKnown() || !kept.IsKnown() {
		return Keep(kind, attrs).RawEquals(kept)
	}
	for i := range k.Attributes {
		a := &k.Attributes[i]
		have, was := attrs.GetAttr(a.Name), kept.GetAttr(a.Name)
		switch {
		case a.Info:
			if !was.IsNull() {
				return false
			}
		case a.Sensitive:
			if !Fingerprint(have).RawEquals(was) {
				return false
			}
		case !schema.Equal(have, was):
			return false
		}
	}
	return true
}

// project redacts and sets to null what drop says.
func project(kind string, attrs cty.Value, drop func(*schema.KindAttribute) bool) cty.Value {
	if attrs == cty.NilVal {
		return attrs
	}
	k := schema.KindByName(kind)
	if k == nil || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() {
		return attrs
	}
	var vals map[string]cty.Value
	for i := range k.Attributes {
		a := &k.Attributes[i]
		dropped := drop != nil && drop(a)
		if (!a.Sensitive && !dropped) || !attrs.Type().HasAttribute(a.Name) {
			continue
		}
		if vals == nil {
			vals = attrs.AsValueMap()
		}
		if dropped {
			vals[a.Name] = cty.NullVal(a.Type)
		} else {
			vals[a.Name] = Fingerprint(vals[a.Name])
		}
	}
	if vals == nil {
		return attrs
	}
	return k.Object(vals)
}

// Fingerprint is what Redact puts in the place of the value of a sensitive
// attribute: a string or a list of strings; a test holds the kinds to it.
func Fingerprint(v cty.Value) cty.Value {
	if v.IsNull() || !v.IsKnown() {
		return v
	}
	if v.Type() == cty.String {
		s := v.AsString()
		if strings.HasPrefix(s, schema.FingerprintPrefix) {
			return v
		}
		return cty.StringVal(schema.Fingerprint(s))
	}
	if !v.Type().IsListType() || v.LengthInt() == 0 {
		return v
	}
	elems := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		elems = append(elems, Fingerprint(e))
	}
	return cty.ListVal(elems)
}
