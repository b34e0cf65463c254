package state

import (
	"fmt"
	"strings"
)

// A Rename is an address that a resource had and the one that it has now.
type Rename struct{ From, To string }

// Covers reports whether an address is the one given, or below it: user.a covers
// user.a.mailbox and user.a["x"].mailbox, not user.ab.
func Covers(given, address string) bool {
	rest, ok := strings.CutPrefix(address, given)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Move makes the entries that give everything at or below an address another
// one. What things are at their target does not change, only how the state calls
// them; what depends on them is told. Nothing to move is no error.
func Move(s *State, from, to string) ([]Entry, []Rename, error) {
	if from == to {
		return nil, nil, fmt.Errorf("%s is both the old and the new address", from)
	}
	rename := func(address string) string {
		if Covers(from, address) {
			return to + strings.TrimPrefix(address, from)
		}
		return address
	}
	stays := map[string]bool{}
	for _, r := range s.Resources {
		if !Covers(from, r.Address) {
			stays[r.Address] = true
		}
	}
	var entries []Entry
	var moved []Rename
	for _, r := range s.Sorted() {
		next := *r
		next.Address = rename(r.Address)
		next.DependsOn = nil
		changed := next.Address != r.Address
		for _, d := range r.DependsOn {
			next.DependsOn = append(next.DependsOn, rename(d))
			changed = changed || rename(d) != d
		}
		if !changed {
			continue
		}
		entries = append(entries, Entry{Put: &next})
		if next.Address != r.Address {
			if stays[next.Address] {
				return nil, nil, fmt.Errorf("there is already a %s in the state", next.Address)
			}
			moved = append(moved, Rename{r.Address, next.Address})
		}
	}
	if len(moved) == 0 {
		return nil, nil, nil
	}
	return entries, moved, nil
}

// Remove makes the entries that forget everything at or below an address, and
// lists what that is. It changes nothing at the targets.
func Remove(s *State, address string) (entries []Entry, gone []string) {
	for _, r := range s.Sorted() {
		if Covers(address, r.Address) {
			entries = append(entries, Entry{Delete: &r.ID})
			gone = append(gone, r.Address)
		}
	}
	return entries, gone
}

// CheckPush says why a state should not be put in the place of another: it is of
// another lineage, or older, or another one with the same serial. An empty state
// can be replaced by any.
func CheckPush(have, next *State) error {
	switch {
	case have.Lineage == "":
		return nil
	case have.Lineage != next.Lineage:
		return fmt.Errorf("cannot overwrite the state with lineage %q by one with lineage %q", have.Lineage, next.Lineage)
	case next.Serial < have.Serial:
		return fmt.Errorf("cannot overwrite the state with serial %d by an older one with serial %d", have.Serial, next.Serial)
	case next.Serial > have.Serial:
		return nil
	}
	same, err := Same(have, next)
	if err == nil && !same {
		err = fmt.Errorf("both states have the serial %d, and they are not the same", have.Serial)
	}
	return err
}
