package providertest

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// unknowns: a value that is not known yet must not get here; where it does, it
// is refused. A missing one is refused, or means what the provider says it does.
func unknowns(t *testing.T, w *world) {
	before := read(t, w.p)
	for _, a := range w.kind.Attributes {
		if a.Computed {
			continue
		}
		w.rejects(t, before, a, cty.UnknownVal(a.Type))
	}
	for what, attrs := range map[string]cty.Value{
		"no attributes":      cty.NilVal,
		"null":               cty.NullVal(w.kind.Type()),
		"unknown attributes": cty.UnknownVal(w.kind.Type()),
		"an empty object":    cty.EmptyObjectVal,
		"another type":       cty.StringVal("none"),
	} {
		r := w.sample.Good
		r.Attrs = attrs
		if reports, err := carryOut(t, w.p, creates([]schema.Resource{r})); err == nil && reports[0].err == nil {
			t.Errorf("%s: it was reported as done", what)
		}
	}
	sameRead(t, "refused attributes", before, read(t, w.p))
	for _, a := range w.kind.Attributes {
		if !a.Computed {
			w.survives(t, a, cty.NullVal(a.Type))
		}
	}
}

// rejects expects that a value is refused, with an error that names the
// attribute and holds no secret, and that everything is as it was before.
func (w *world) rejects(t *testing.T, before []providers.Observed, a schema.KindAttribute, v cty.Value) {
	t.Helper()
	batch := creates([]schema.Resource{With(w.sample.Good, a.Name, v)})
	if w.h.Atomic && len(w.sample.Many) > 0 {
		batch = append(batch, creates(w.sample.Many[:1])...)
	}
	reports, err := carryOut(t, w.p, batch)
	switch {
	case err != nil:
		t.Errorf("%s as %s: apply: %v; want an error for the change alone", a.Name, show(a, v), err)
		return
	case reports[0].err == nil:
		t.Errorf("%s as %s was taken", a.Name, show(a, v))
		return
	case !strings.Contains(reports[0].err.Error(), a.Name):
		t.Errorf("%s as %s: the error does not name the attribute: %v", a.Name, show(a, v), reports[0].err)
	}
	for _, r := range reports {
		w.noSecret(t, r.err, a, v)
	}
	w.untouched(t, a.Name, before, reports, 0)
}

// survives tries a value that a provider may take or refuse.
func (w *world) survives(t *testing.T, a schema.KindAttribute, v cty.Value) {
	t.Helper()
	reports, err := carryOut(t, w.p, creates([]schema.Resource{With(w.sample.Good, a.Name, v)}))
	if err != nil || reports[0].err != nil {
		return
	}
	if have := find(t, w.p, w.sample.Good); have == nil || have.Retained {
		t.Errorf("%s as null was reported as done, and nothing is there", a.Name)
	} else {
		w.do(t, w.p, providers.Change{Action: providers.Delete, Resource: w.sample.Good, Prior: have})
	}
}

// noSecret checks that an error holds none of the sensitive values: neither that
// of Good nor, where the attribute that was tried is sensitive, that one.
func (w *world) noSecret(t *testing.T, err error, attribute schema.KindAttribute, tried cty.Value) {
	t.Helper()
	if err == nil {
		return
	}
	for _, a := range w.kind.Attributes {
		if !a.Sensitive {
			continue
		}
		secrets := texts(w.sample.Good.Attrs.GetAttr(a.Name))
		if attribute.Name == a.Name {
			secrets = append(secrets, texts(tried)...)
		}
		for _, s := range secrets {
			if s != "" && strings.Contains(err.Error(), s) {
				t.Errorf("with %s as %s the error holds the secret value of %s", attribute.Name, show(attribute, tried), a.Name)
			}
		}
	}
}

// texts are all strings in a value.
func texts(v cty.Value) []string {
	var out []string
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			out = append(out, v.AsString())
		}
		return true, nil
	})
	return out
}

func refused(t *testing.T, w *world) {
	for name := range w.sample.Refused {
		if w.kind.Attribute(name) == nil {
			t.Errorf("the sample refuses %s, which is no attribute", name)
		}
	}
	before := read(t, w.p)
	for _, a := range w.kind.Attributes {
		values := w.sample.Refused[a.Name]
		if a.Type == cty.Number && !a.Computed {
			values = append(values[:len(values):len(values)], cty.NumberIntVal(-1), cty.NumberFloatVal(1.5), cty.MustParseNumberVal("1e30"))
		}
		for _, v := range values {
			w.rejects(t, before, a, v)
		}
	}
}
