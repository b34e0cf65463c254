package providertest

import (
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// Lineages of the states that the suite plays.
const (
	ours   = "11111111-1111-4111-8111-111111111111"
	theirs = "22222222-2222-4222-8222-222222222222"
)

// A check is one promise of a provider.
type check struct {
	name string
	run  func(t *testing.T, w *world)
	// values: it is about what is held, and not about how it comes there.
	values bool
}

// checks are run for each kind, one after the other in one system.
var checks = []check{
	{"what is created is read back as declared", createAndRead, false},
	{"each attribute is updated by itself", updateEach, true},
	{"an update to what is there already is harmless", updateSame, true},
	{"what is deleted is gone and can be created again", deleteAndCreate, false},
	{"delete and create in one batch replace", replace, true},
	{"odd values are read back as declared", oddValues, true},
	{"the revision changes with each change and not by itself", revisions, true},
	{"an error of the engine stops the batch", engineStops, true},
	{"nothing is done once the context has ended", cancelled, false},
	{"the mark of the owner is kept for its lineage", ownerMarks, true},
	{"a change behind our back is seen", drift, false},
	{"a change behind our back is not overwritten", conflicts, false},
	{"what exists is not created over", createExisting, false},
	{"unknown and missing values are refused", unknowns, true},
	{"what the system cannot hold is refused by name", refused, true},
	// Large batches come last: what they leave behind in the system is read again
	// by every check after them.
	{"a large batch is done in its order", large, true},
	{"a batch whose answer was lost can be sent again", again, false},
	{"a kill in the middle loses nothing that was reported", kill, false},
}

// Run tries everything that a provider promises.
func Run(t *testing.T, h Harness) {
	for _, k := range schema.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if why, ok := h.Untried[k.Name]; ok {
				t.Skip(why)
			}
			w := newWorld(t, h, k)
			for _, c := range checks {
				if c.values && h.Far {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					defer w.clear(t)
					w.begin(t)
					c.run(t, w)
				})
			}
		})
	}
	t.Run("an unknown kind is refused", func(t *testing.T) {
		p := h.New(t).Provider(ours)
		r := schema.Resource{Address: "nothing.test", Kind: "nothing", Key: "nothing"}
		for _, action := range []providers.Action{providers.Create, providers.Update, providers.Delete} {
			if reports, err := carryOut(t, p, []providers.Change{{Action: action, Resource: r}}); err == nil && reports[0].err == nil {
				t.Errorf("%s was reported as done", action)
			}
		}
	})
}
