package sendmail

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A holding is a resource with what was declared of it, without passwords.
type holding struct {
	Kind     string          `json:"kind"`
	Key      string          `json:"key"`
	Owner    string          `json:"owner"`
	Lineage  string          `json:"lineage"`
	Revision string          `json:"revision"`
	Attrs    json.RawMessage `json:"attributes"`

	attrs attrs // the same, with no passwords
}

// A ledger is the file in our directory that says what was declared.
type ledger map[schema.ID]*holding

func parseLedger(text []byte, path string) (ledger, error) {
	l := ledger{}
	if len(text) == 0 {
		return l, nil
	}
	var list []*holding
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, damaged(path, err)
	}
	for _, h := range list {
		k := schema.KindByName(h.Kind)
		if k == nil {
			return nil, damaged(path, fmt.Errorf("there is no kind %q", h.Kind))
		}
		v, err := ctyjson.Unmarshal(h.Attrs, k.Type())
		if err == nil {
			h.attrs, err = attributes.Check(h.Kind, v)
		}
		if err != nil {
			return nil, damaged(path, err)
		}
		l[h.id()] = h
	}
	return l, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged (%w). Remove it, and mailform takes over again what it finds", path, err)
}

func (h *holding) id() schema.ID { return schema.ID{Kind: h.Kind, Key: h.Key} }

// text writes the ledger, one resource a line.
func (l ledger) text() ([]byte, error) {
	b := []byte("[")
	for i, h := range l.all("") {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '\n')
		line, err := json.Marshal(h)
		if err != nil {
			return nil, err
		}
		b = append(b, line...)
	}
	return append(b, "\n]\n"...), nil
}

// all are the resources of a kind, or of all, by kind and key.
func (l ledger) all(kind string) []*holding {
	var list []*holding
	for _, h := range l {
		if kind == "" || h.Kind == kind {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *holding) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
	return list
}

// newHolding is a resource as the ledger has it.
func newHolding(r *schema.Resource, a attrs, lineage, revision string) (*holding, error) {
	h := &holding{Kind: r.Kind, Key: r.Key, Owner: r.Address, Lineage: lineage, Revision: revision, attrs: a}
	if r.Kind == schema.KindRecipient {
		h.attrs = attrs{Value: schema.KindByName(r.Kind).Object(map[string]cty.Value{
			"address": a.GetAttr("address"), "password_hash": cty.ListValEmpty(cty.String)})}
	}
	if r.Kind == schema.KindLookup {
		h.attrs = withoutPassword(a)
	}
	var err error
	h.Attrs, err = ctyjson.Marshal(h.attrs.Value, schema.KindByName(r.Kind).Type())
	return h, err
}
