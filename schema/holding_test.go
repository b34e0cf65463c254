package schema

import "testing"

// Whoever reads the tables of a provider finds every attribute there.
func TestHoldingsAreWhole(t *testing.T) {
	for _, name := range Providers() {
		p := ProviderByName(name)
		kinds := map[string]bool{}
		seen := map[string]bool{}
		for i := range p.Holds {
			h := &p.Holds[i]
			kind, attribute := h.Names()
			k := KindByName(kind)
			if k == nil || k.Attribute(attribute) == nil {
				t.Errorf("%s says how it holds %s, which there is not", name, h.Attribute)
				continue
			}
			if seen[h.Attribute] {
				t.Errorf("%s says twice how it holds %s", name, h.Attribute)
			}
			if h.As == "" {
				t.Errorf("%s does not say how it holds %s", name, h.Attribute)
			}
			kinds[kind], seen[h.Attribute] = true, true
		}
		for kind := range kinds {
			for _, a := range KindByName(kind).Attributes {
				if !seen[kind+"."+a.Name] {
					t.Errorf("%s does not say how it holds %s.%s", name, kind, a.Name)
				}
			}
		}
	}
}
