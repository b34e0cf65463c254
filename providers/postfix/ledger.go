package postfix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/schema"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A ledger is the file in our directory that says what is ours in main.cf and
// master.cf: which resources they have been made of, and what stood there before.
type ledger struct {
	Resources []holding `json:"resources"`
	// Main and Master hold, by the key of each logical line that is ours, the text in
	// whose place it came; empty: there was none.
	Main   map[string]string `json:"main"`
	Master map[string]string `json:"master"`
	// Disabled are the elements of master_service_disable that are ours.
	Disabled []string `json:"disabled,omitempty"`
}

// A holding is a resource with what was declared of it.
type holding struct {
	Kind     string          `json:"kind"`
	Key      string          `json:"key"`
	Owner    string          `json:"owner"`
	Lineage  string          `json:"lineage"`
	Revision string          `json:"revision"`
	Attrs    json.RawMessage `json:"attributes"`
}

func parseLedger(text []byte, path string) (*ledger, error) {
	l := &ledger{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, l); err != nil {
			return nil, fmt.Errorf("%s is damaged (%w). Remove it, and mailform takes over again what it finds", path, err)
		}
	}
	if l.Main == nil {
		l.Main = map[string]string{}
	}
	if l.Master == nil {
		l.Master = map[string]string{}
	}
	for _, h := range l.Resources {
		if _, err := h.attrs(); err != nil {
			return nil, fmt.Errorf("%s is damaged (%s %s: %w). Remove it, and mailform takes over again what it finds", path, h.Kind, h.Key, err)
		}
	}
	return l, nil
}

func (l *ledger) text() ([]byte, error) {
	text, err := json.MarshalIndent(l, "", " ")
	return append(text, '\n'), err
}

func (l *ledger) clone() *ledger {
	c := &ledger{Resources: slices.Clone(l.Resources), Main: map[string]string{}, Master: map[string]string{}, Disabled: slices.Clone(l.Disabled)}
	for k, v := range l.Main {
		c.Main[k] = v
	}
	for k, v := range l.Master {
		c.Master[k] = v
	}
	return c
}

func (l *ledger) find(kind, key string) *holding {
	for i := range l.Resources {
		if h := &l.Resources[i]; h.Kind == kind && h.Key == key {
			return h
		}
	}
	return nil
}

func (l *ledger) put(h holding) {
	l.remove(h.Kind, h.Key)
	l.Resources = append(l.Resources, h)
	slices.SortFunc(l.Resources, func(a, b holding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

func (l *ledger) remove(kind, key string) {
	l.Resources = slices.DeleteFunc(l.Resources, func(h holding) bool { return h.Kind == kind && h.Key == key })
}

// declared are the attributes of all resources of a kind.
func (l *ledger) declared(kind string) []attrs {
	var all []attrs
	for i := range l.Resources {
		if l.Resources[i].Kind == kind {
			a, _ := l.Resources[i].attrs() // looked at when the file was read
			all = append(all, a)
		}
	}
	return all
}

func (h *holding) attrs() (attrs, error) {
	k := schema.KindByName(h.Kind)
	if k == nil {
		return attributes.Set{}, fmt.Errorf("there is no kind %q", h.Kind)
	}
	v, err := ctyjson.Unmarshal(h.Attrs, k.Type())
	if err != nil {
		return attributes.Set{}, err
	}
	return attributes.Check(h.Kind, v)
}

// ledgerKinds are the kinds that are held by main.cf and master.cf.
var ledgerKinds = []string{schema.KindSetting, schema.KindSmarthost, schema.KindDelivery, schema.KindLookup, schema.KindListener, schema.KindFilter, schema.KindParameter, schema.KindLocation, schema.KindService}

func (w *world) drop(id schema.ID) {
	if i := slices.Index(tableKinds[:], id.Kind); i >= 0 {
		w.tables[i].remove(id.Key)
		delete(w.built[i], id.Key)
		if i == recipients {
			delete(w.users, id.Key)
		}
		return
	}
	if id.Kind == schema.KindSmarthost {
		w.leave(id)
	}
	w.ledger.remove(id.Kind, id.Key)
	if id.Kind == schema.KindLocation {
		delete(w.ledger.Main, queueParameter) // the queue stays where it is
	}
	if id.Kind == schema.KindParameter {
		delete(w.params, id.Key)
	}
	if id.Kind == schema.KindService {
		w.wantRunning = new(bool)
	}
}
