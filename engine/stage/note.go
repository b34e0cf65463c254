package stage

import (
	"slices"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/zclconf/go-cty/cty"
)

// A Note says what to remember of a record set.
type Note struct {
	// Cached are former versions that resolvers may have when the plan is made.
	Cached []state.Version
	// Gained is set where the state does not know of all of them yet: their time
	// begins to run when it does.
	Gained bool
	// Margin is waited beyond each time to live, in seconds.
	Margin int64
	// next comes after what is due.
	next *Step
}

// Stays is what to remember of a set that stays as it is.
func (n *Note) Stays() *state.Staging {
	if n == nil || len(n.Cached) == 0 && n.next == nil {
		return nil
	}
	out := &state.Staging{Cached: n.Cached}
	if n.next != nil {
		out.Next = &n.next.Stage
	}
	return out
}

// Known reports whether a state that remembers was knows all of what Stays says.
// That some versions are forgotten by now is not worth a write.
func (n *Note) Known(was *state.Staging) bool {
	is := n.Stays()
	switch {
	case n == nil || was == nil:
		return is == nil && was == nil
	case n.Gained:
		return false
	case is == nil:
		return was.Next == nil
	}
	return (&state.Staging{Next: is.Next}).Equal(&state.Staging{Next: was.Next})
}

// After is what to remember of a set that was changed: before is what it was, after
// what it is, at the time from which everybody who asks gets that.
func (n *Note) After(before, after cty.Value, at time.Time) *state.Staging {
	if n == nil {
		return nil
	}
	is, ok := versionOf(after)
	if !ok {
		return nil
	}
	cached := n.Cached
	if was, ok := versionOf(before); ok {
		cached = append(slices.Clip(cached), state.Version{
			TTL: was.ttl, Values: was.values,
			Until: ceil(at.Add(time.Duration(was.ttl+n.Margin) * time.Second)).UTC(),
		})
	}
	out := &state.Staging{}
	for _, v := range cached {
		same := v.TTL <= is.ttl && slices.Equal(v.Values, is.values)
		if v.Until.After(at) && !same {
			out.Cached = append(out.Cached, v)
		}
	}
	if n.next != nil {
		next := n.next.Stage
		if next.NotBefore = last(out.Cached); next.NotBefore.IsZero() {
			next.NotBefore = ceil(at).UTC()
		}
		out.Next = &next
	}
	if len(out.Cached) == 0 && out.Next == nil {
		return nil
	}
	return out
}

// last is when all versions are forgotten.
func last(cached []state.Version) time.Time {
	var t time.Time
	for _, v := range cached {
		if v.Until.After(t) {
			t = v.Until
		}
	}
	return t
}
