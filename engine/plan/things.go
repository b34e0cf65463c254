package plan

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// A thing is one identity with all that is said of it. What nobody says is nil.
type thing struct {
	id       schema.ID
	desired  *schema.Resource
	observed *providers.Observed
	// retained is what was deleted and can come back.
	retained *providers.Observed
	prior    *state.Resource
	// asWas is set where it was found to be what the state remembers.
	asWas bool
	// replaced is set where some Replace takes it away.
	replaced bool
}

// things finds them by their identity. One map serves for what is declared, what
// is there and what is remembered, because in a large world they are the same.
type things struct {
	byID map[schema.ID]*thing
	// room is where the next ones are made.
	room []thing
}

func newThings(n int) things {
	return things{byID: make(map[schema.ID]*thing, n), room: make([]thing, 0, n)}
}

// roomMore is how much room is made when there is none.
const roomMore = 256

// add finds a thing, or makes one of which nothing is said yet.
func (ts *things) add(id schema.ID) *thing {
	if t := ts.byID[id]; t != nil {
		return t
	}
	if len(ts.room) == cap(ts.room) {
		ts.room = make([]thing, 0, roomMore)
	}
	ts.room = append(ts.room, thing{id: id})
	t := &ts.room[len(ts.room)-1]
	ts.byID[id] = t
	return t
}

// at finds a thing. Of what nobody knows nothing is said.
func (ts *things) at(id schema.ID) *thing {
	if t := ts.byID[id]; t != nil {
		return t
	}
	return &thing{id: id}
}

// all are the things in no particular order.
func (ts *things) all() iter.Seq[*thing] {
	return func(yield func(*thing) bool) {
		for _, t := range ts.byID {
			if !yield(t) {
				return
			}
		}
	}
}

func byIdentity(a, b *thing) int { return a.id.Compare(b.id) }

// sortChanges orders changes by address, and by identity where they share one.
// Most of them come in that order.
func sortChanges(changes []Change) {
	order := func(a, b Change) int { return cmp.Or(strings.Compare(a.Address, b.Address), a.ID.Compare(b.ID)) }
	if !slices.IsSortedFunc(changes, order) {
		slices.SortStableFunc(changes, order)
	}
}
