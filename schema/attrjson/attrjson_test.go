package attrjson

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

var mailbox = schema.KindByName(schema.KindMailbox)

func TestAttributesThatTheKindHas(t *testing.T) {
	for name, c := range map[string]struct {
		raw, attr string
		want      cty.Value
	}{
		"a string":                           {`{"address":"a@b"}`, "address", cty.StringVal("a@b")},
		"a string with escapes":              {`{"address":"\u00fc\"@b"}`, "address", cty.StringVal("ü\"@b")},
		"a number":                           {`{"quota":5}`, "quota", cty.NumberIntVal(5)},
		"a number beyond int64":              {`{"quota":36893488147419103232}`, "quota", cty.MustParseNumberVal("36893488147419103232")},
		"a list":                             {`{"protocols":["imap","pop3"]}`, "protocols", schema.StringList([]string{"imap", "pop3"})},
		"an empty list":                      {`{"protocols":[]}`, "protocols", cty.ListValEmpty(cty.String)},
		"a list with a null":                 {`{"protocols":["imap",null]}`, "protocols", cty.ListVal([]cty.Value{cty.StringVal("imap"), cty.NullVal(cty.String)})},
		"null":                               {`{"quota":null}`, "quota", cty.NullVal(cty.Number)},
		"one that is missing is null":        {`{}`, "quota", cty.NullVal(cty.Number)},
		"one that the kind lacks is dropped": {`{"colour":"red","quota":1}`, "quota", cty.NumberIntVal(1)},
		"of two of one name the last counts": {`{"quota":1,"quota":2}`, "quota", cty.NumberIntVal(2)},
	} {
		v, err := new(Reader).Object(mailbox, []byte(c.raw))
		if err != nil || !v.Type().Equals(mailbox.Type()) || !v.GetAttr(c.attr).RawEquals(c.want) {
			t.Errorf("%s: %#v, %v", name, v, err)
		}
	}
}

func TestErrorsNameTheAttributeAndNotTheValue(t *testing.T) {
	_, err := new(Reader).Object(mailbox, []byte(`{"address":"a@b","quota":{"SECRET":1}}`))
	if err == nil || !strings.Contains(err.Error(), "quota") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
}

// What was read before must not show in what is read after.
func TestObjectsDoNotMix(t *testing.T) {
	var r Reader
	texts := []string{
		`{"address":"a@b","quota":1,"protocols":["imap"]}`, `{"address":"c@d"}`, `{"quota":1}`, `{"quota":2}`,
		`{"quota":3}`, `{"quota":4}`, `{"quota":5}`, `{"quota":1,"mail":"enabled"}`,
	}
	for range 2 {
		for _, text := range texts {
			got, err := r.Object(mailbox, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			want, err := new(Reader).Object(mailbox, []byte(text))
			if err != nil || !got.RawEquals(want) {
				t.Errorf("%s: %#v", text, got)
			}
		}
	}
}

func TestAppendIsMarshalOfCty(t *testing.T) {
	text := cty.StringVal
	for name, v := range map[string]cty.Value{
		"a string":        text("a@b"),
		"octets":          text("\"\\<&>\x00\x7f\u2028ü"),
		"an empty string": text(""),
		"null":            cty.NullVal(cty.String),
		"a number":        cty.NumberIntVal(-5),
		"a large one":     cty.MustParseNumberVal("36893488147419103232"),
		"a fraction":      cty.NumberFloatVal(1.5),
		"infinity":        cty.PositiveInfinity,
		"a bool":          cty.True,
		"a list":          cty.ListVal([]cty.Value{text("x"), cty.NullVal(cty.String), text("\n")}),
		"an empty list":   cty.ListValEmpty(cty.String),
		"numbers":         cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberFloatVal(.5)}),
		"a map":           cty.MapVal(map[string]cty.Value{"b": text("x"), "a": text("y")}),
		"dynamic":         cty.NullVal(cty.DynamicPseudoType),
		"unknown":         cty.UnknownVal(cty.String),
	} {
		attrs := map[string]cty.Value{"z": v, "a\"b": v, "m": text("-")}
		kind := &schema.Kind{}
		for name, v := range attrs {
			kind.Attributes = append(kind.Attributes, schema.KindAttribute{Name: name, Type: v.Type()})
		}
		o := cty.ObjectVal(attrs)
		want, werr := ctyjson.Marshal(o, o.Type())
		for _, k := range []*schema.Kind{kind, mailbox, nil} {
			got, err := Append([]byte("-"), k, o)
			if string(got) != "-"+string(want) && werr == nil || (err == nil) != (werr == nil) {
				t.Errorf("%s: %s, %v; want %s, %v", name, got, err, want, werr)
			}
		}
	}
}

// FuzzObject reads three objects with one reader and each with one of its own,
// and holds the attributes to cty's decoder.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"address":"a@b","quota":1}`), []byte(`{"quota":1}`), []byte(`{"protocols":["imap",null]}`))
	f.Add([]byte(`{"quota":"7"}`), []byte(`{"quota":7}`), []byte(`{"quota":1.5e3}`))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var r Reader
		for _, raw := range [][]byte{a, b, c} {
			got, err := r.Object(mailbox, raw)
			alone, err2 := new(Reader).Object(mailbox, raw)
			if (err == nil) != (err2 == nil) || err == nil && !got.RawEquals(alone) {
				t.Fatalf("%q: %#v, %v beside %#v, %v", raw, got, err, alone, err2)
			}
			var fields map[string]json.RawMessage
			if err != nil || json.Unmarshal(raw, &fields) != nil {
				continue
			}
			for name, field := range fields {
				attr := mailbox.Attribute(name)
				if attr == nil || strings.Count(string(raw), `"`+name+`"`) != 1 {
					continue
				}
				want, err := ctyjson.Unmarshal(field, attr.Type)
				if err != nil || !got.GetAttr(name).RawEquals(want) {
					t.Fatalf("%q: %s is %#v, want %#v, %v", raw, name, got.GetAttr(name), want, err)
				}
			}
		}
	})
}
