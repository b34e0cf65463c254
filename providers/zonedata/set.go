package zonedata

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// A Key is what a zone has at most one record set of.
type Key struct {
	Name rdata.Name
	Type string
}

func (k Key) String() string { return string(k.Name) + " " + k.Type }

// A Set is all records of one name and type.
type Set struct {
	Key
	// TTL in seconds. Where a server has several in one set, which RFC 2181 §5.2
	// forbids, it is the least.
	TTL uint32
	// Values in canonical form (see package rdata), sorted.
	Values []string
	// Records are those that the values were read from, as the server has them: a
	// text may be cut there in other places than rdata cuts it. Nil for a set that
	// comes from a resource.
	Records []dns.RR

	made []dns.RR // of the values, by SetOf
	// bare is set where the attributes that it comes from are those of a record set
	// alone, and without marks.
	bare bool
}

// Revision is another one for other values or another TTL.
func (s *Set) Revision() string {
	all := strconv.AppendUint(make([]byte, 0, 128), uint64(s.TTL), 10)
	for _, v := range s.Values {
		all = append(append(all, 0), v...)
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:12])
}

// Same reports whether two sets of one key hold the same; either may be nil, for
// none.
func (s *Set) Same(o *Set) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.TTL == o.TTL && slices.Equal(s.Values, o.Values)
}

// shownValues and shownBytes bound what an error quotes.
const (
	shownValues = 5
	shownBytes  = 100
)

// String describes what the set holds for an error text: 300 10 mail.example.com.
// Of many values it shows the first. A nil set is "none".
func (s *Set) String() string {
	if s == nil {
		return "none"
	}
	parts := make([]string, 0, shownValues+1)
	for i, v := range s.Values {
		if i == shownValues {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Values)-i))
			break
		}
		if len(v) > shownBytes {
			v = strings.ToValidUTF8(v[:shownBytes], "") + "…"
		}
		if s.Type == "TXT" {
			v = strconv.Quote(v)
		}
		parts = append(parts, v)
	}
	return fmt.Sprintf("%s (ttl %d)", strings.Join(parts, ", "), s.TTL)
}

// RRs are the records of the set: those that the server has, where it is read
// from there.
func (s *Set) RRs() ([]dns.RR, error) {
	if s.Records != nil {
		return s.Records, nil
	}
	if s.made != nil {
		return s.made, nil
	}
	out := make([]dns.RR, len(s.Values))
	for i, v := range s.Values {
		rr, err := rdata.RR(s.Name, s.TTL, s.Type, v)
		if err != nil {
			return nil, err
		}
		out[i] = rr
	}
	return out, nil
}

// attrs is the set as the engine has it.
func (s *Set) attrs(zone rdata.Name) cty.Value {
	return rrsetKind.Object(map[string]cty.Value{
		"zone":   cty.StringVal(string(zone)),
		"name":   cty.StringVal(string(s.Name)),
		"type":   cty.StringVal(s.Type),
		"ttl":    cty.NumberUIntVal(uint64(s.TTL)),
		"values": schema.StringList(s.Values),
	})
}

var (
	rrsetKind = schema.KindByName(schema.KindRRset)
	zoneKind  = schema.KindByName(schema.KindZone)
)

// SetOf reads the attributes of a record set, and the zone that it lies in. The
// error names the attribute that will not do.
func SetOf(attrs cty.Value) (zone rdata.Name, s *Set, err error) {
	zone, s, err = setOf(attrs)
	if err != nil {
		return "", nil, err
	}
	if !s.Name.In(zone) {
		return "", nil, fmt.Errorf("name: %s does not lie in the zone %s", s.Name, zone)
	}
	if t, terr := rdata.ParseType(s.Type); terr != nil || t != s.Type {
		return "", nil, fmt.Errorf("type: %q is no type of record that can be declared", s.Type)
	}
	if len(s.Values) == 0 {
		return "", nil, errors.New("values: a record set has at least one")
	}
	slices.Sort(s.Values)
	s.made = make([]dns.RR, len(s.Values))
	for i, v := range s.Values {
		if i > 0 && v == s.Values[i-1] {
			return "", nil, errors.New("values: one stands there twice")
		}
		if s.made[i], err = rdata.RR(s.Name, s.TTL, s.Type, v); err != nil {
			return "", nil, fmt.Errorf("values: %w", err)
		}
	}
	return zone, s, nil
}

// setOf reads attributes and does not judge what they say: it may be somebody
// else's.
func setOf(attrs cty.Value) (zone rdata.Name, s *Set, err error) {
	attrs, err = object(attrs)
	if err != nil {
		return "", nil, err
	}
	s = &Set{}
	if zone, err = nameAttr(attrs, "zone"); err != nil {
		return "", nil, err
	}
	if s.Name, err = nameAttr(attrs, "name"); err != nil {
		return "", nil, err
	}
	if s.Type, err = textAttr(attrs, "type"); err != nil {
		return "", nil, err
	}
	if s.TTL, err = secondsAttr(attrs, "ttl"); err != nil {
		return "", nil, err
	}
	s.Values, err = textsAttr(attrs, "values")
	return zone, s, err
}

// object is attributes without their marks.
func object(attrs cty.Value) (cty.Value, error) {
	if attrs == cty.NilVal {
		return attrs, errNoAttributes
	}
	attrs, _ = attrs.Unmark() // the values in it: attr
	if attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() {
		return attrs, errNoAttributes
	}
	return attrs, nil
}

var errNoAttributes = errors.New("there are no attributes")

func attr(attrs cty.Value, name string, typ cty.Type) (cty.Value, error) {
	if !attrs.Type().HasAttribute(name) || !attrs.Type().AttributeType(name).Equals(typ) {
		return cty.NilVal, fmt.Errorf("%s is not a %s", name, typ.FriendlyName())
	}
	v, _ := attrs.GetAttr(name).UnmarkDeep()
	switch {
	case !v.IsWhollyKnown():
		return v, fmt.Errorf("%s is not known yet", name)
	case v.IsNull():
		return v, fmt.Errorf("%s has no value", name)
	}
	return v, nil
}

func textAttr(attrs cty.Value, name string) (string, error) {
	v, err := attr(attrs, name, cty.String)
	if err != nil {
		return "", err
	}
	return v.AsString(), nil
}

// nameAttr reads a name that is in its canonical form already.
func nameAttr(attrs cty.Value, name string) (rdata.Name, error) {
	s, err := textAttr(attrs, name)
	if err != nil {
		return "", err
	}
	n, err := rdata.ParseName(s)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if string(n) != s {
		return "", fmt.Errorf("%s: %q is not in canonical form, which is %q", name, s, string(n))
	}
	return n, nil
}

// secondsAttr reads a time in seconds, 0 to 2³¹-1 (RFC 2181 §8).
func secondsAttr(attrs cty.Value, name string) (uint32, error) {
	v, err := attr(attrs, name, cty.Number)
	if err != nil {
		return 0, err
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%s is not a whole number of seconds from 0 to %d", name, math.MaxInt32)
	}
	return uint32(n), nil
}

func textsAttr(attrs cty.Value, name string) ([]string, error) {
	v, err := attr(attrs, name, cty.List(cty.String))
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		if el.IsNull() {
			return nil, fmt.Errorf("%s: one has no value", name)
		}
		out = append(out, el.AsString())
	}
	return out, nil
}
