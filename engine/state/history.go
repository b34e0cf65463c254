package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sort"
	"time"

	"github.com/mailform/mailform/schema"
)

// Operations that an [Applied] can be of.
const (
	OperationApply    = "apply"
	OperationRollback = "rollback"
)

// An Applied is what one apply changed in the state: enough to say what was
// described before it. Its size is that of the apply, not that of the state.
type Applied struct {
	// Operation is OperationApply or OperationRollback.
	Operation string
	// Who carried it out, "user@host", and when it began.
	Who string
	At  time.Time

	undo *undo
	// raw is undo as it was read, until somebody asks for it.
	raw json.RawMessage
}

// An undo is what was there before an apply.
type undo struct {
	// was holds the resources as they were; nil for one that was not there.
	was map[schema.ID]*Resource
	// outputs are those from before; nil where they did not change.
	outputs map[string]Output
}

// NewApplied begins the record of an apply.
func NewApplied(operation, who string, at time.Time) *Applied {
	return &Applied{Operation: operation, Who: who, At: at.UTC().Truncate(time.Second), undo: &undo{was: map[schema.ID]*Resource{}}}
}

// Undo says what has to be put back: resources as they were before, nil for
// those that were not there, and the outputs, nil where they did not change. The
// maps are not for changing.
func (a *Applied) Undo() (was map[schema.ID]*Resource, outputs map[string]Output, err error) {
	u, err := a.decoded()
	if err != nil {
		return nil, nil, err
	}
	return u.was, u.outputs, nil
}

func (a *Applied) decoded() (*undo, error) {
	if a.undo != nil {
		return a.undo, nil
	}
	var r undoRecord
	if err := json.Unmarshal(a.raw, &r); err != nil {
		return nil, fmt.Errorf("what the last apply changed cannot be read: %w", err)
	}
	u := &undo{was: map[schema.ID]*Resource{}, outputs: r.Outputs}
	if u.outputs == nil && r.NoOutputs {
		u.outputs = map[string]Output{}
	}
	var d decoder
	for _, raw := range r.Was {
		if raw == nil || raw.Kind == "" || raw.Key == "" || raw.Address == "" {
			return nil, errors.New("what the last apply changed cannot be read: kind, key or address is missing")
		}
		was, err := d.resource(raw)
		if err != nil {
			return nil, fmt.Errorf("what the last apply changed cannot be read: %w", err)
		}
		u.was[was.ID] = was
	}
	for _, m := range r.Made {
		for _, key := range m.Keys {
			u.was[schema.ID{Target: m.Target, Kind: m.Kind, Key: key}] = nil
		}
	}
	a.undo = u
	return u, nil
}

// Back is the apply that a rollback undoes; nil: there is none. It is unfinished
// where it did not come to its end: then more may have been changed than the
// state knows. A rollback that did not come to its end is gone on with.
func (s *State) Back() (a *Applied, unfinished bool) {
	if s.Open != nil && s.Open.Operation == OperationApply {
		return s.Open, true
	}
	return s.Last, false
}

// An appliedRecord is an Applied in a file. In a journal, where the entries
// themselves follow, it has no undo.
type appliedRecord struct {
	Operation string    `json:"operation"`
	Who       string    `json:"who,omitempty"`
	At        time.Time `json:"at"`
	// Open marks one that has not come to its end.
	Open bool            `json:"open,omitempty"`
	Undo json.RawMessage `json:"undo,omitempty"`
}

type undoRecord struct {
	Was       []*resourceRecord `json:"was,omitempty"`
	Made      []madeRecord      `json:"made,omitempty"`
	Outputs   map[string]Output `json:"outputs,omitempty"`
	NoOutputs bool              `json:"no_outputs,omitempty"`
}

// A madeRecord names things of one kind at one target that were not there.
type madeRecord struct {
	Target string   `json:"target"`
	Kind   string   `json:"kind"`
	Keys   []string `json:"keys"`
}

// header is the record of a journal.
func (a *Applied) header() *appliedRecord {
	return &appliedRecord{Operation: a.Operation, Who: a.Who, At: a.At}
}

// record is the whole of it, for snapshots and documents.
func (a *Applied) record(open bool) (*appliedRecord, error) {
	r := a.header()
	r.Open = open
	if a.undo == nil {
		r.Undo = a.raw
		return r, nil
	}
	ids := make([]schema.ID, 0, len(a.undo.was))
	for id := range a.undo.was {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i].Less(ids[j]) })
	u := undoRecord{Outputs: a.undo.outputs, NoOutputs: a.undo.outputs != nil && len(a.undo.outputs) == 0}
	for _, id := range ids {
		was := a.undo.was[id]
		if was != nil {
			rec, err := was.record()
			if err != nil {
				return nil, err
			}
			u.Was = append(u.Was, rec)
			continue
		}
		if n := len(u.Made); n > 0 && u.Made[n-1].Target == id.Target && u.Made[n-1].Kind == id.Kind {
			u.Made[n-1].Keys = append(u.Made[n-1].Keys, id.Key)
		} else {
			u.Made = append(u.Made, madeRecord{id.Target, id.Kind, []string{id.Key}})
		}
	}
	var err error
	r.Undo, err = json.Marshal(u)
	return r, err
}

func (r *appliedRecord) applied() *Applied {
	a := &Applied{Operation: r.Operation, Who: r.Who, At: r.At, raw: r.Undo}
	if len(r.Undo) == 0 {
		a.undo = &undo{was: map[schema.ID]*Resource{}}
	}
	return a
}

// clone is an open apply that goes on without the other.
func (a *Applied) clone() *Applied {
	if a == nil {
		return nil
	}
	c := *a
	if a.undo != nil {
		c.undo = &undo{was: maps.Clone(a.undo.was), outputs: a.undo.outputs}
	}
	return &c
}

// begin notes that an apply begins. One that has not come to its end is gone on
// with: nobody has described what it left half done. A rollback that goes on
// with an apply is part of undoing it.
func (s *State) begin(a *Applied) {
	if s.Open == nil {
		s.Open = &Applied{Operation: a.Operation, Who: a.Who, At: a.At, undo: &undo{was: map[schema.ID]*Resource{}}}
		return
	}
	next := *s.Open
	next.Who, next.At = a.Who, a.At
	if a.Operation == OperationApply {
		next.Operation = OperationApply
	}
	s.Open = &next
}

// end notes that the apply which was begun has come to its end. One that left
// everything as it was described before is no apply to speak of.
func (s *State) end() {
	if s.Open == nil {
		return
	}
	u, err := s.Open.decoded()
	if err != nil { // nobody can undo it; neither what came before it
		s.Last, s.Open = nil, nil
		return
	}
	for id, was := range u.was {
		now := s.Resources[id]
		if was == nil && now == nil || was != nil && now != nil && was.equal(now) {
			delete(u.was, id)
		}
	}
	if u.outputs != nil && sameOutputs(u.outputs, s.Outputs) {
		u.outputs = nil
	}
	if len(u.was) > 0 || u.outputs != nil {
		s.Last = s.Open
	}
	s.Open = nil
}

// remember keeps what an entry is about to change, for the apply that is under
// way. What it changes twice, it keeps as it was at first.
func (s *State) remember(r loaded) {
	if s.Open == nil {
		return
	}
	u, err := s.Open.decoded()
	if err != nil {
		return // end finds out
	}
	switch {
	case r.put != nil:
		s.rememberID(u, r.put.ID)
	case r.del != nil:
		s.rememberID(u, *r.del)
	case r.outputs != nil && u.outputs == nil:
		u.outputs = s.Outputs
		if u.outputs == nil {
			u.outputs = map[string]Output{}
		}
	}
}

func (s *State) rememberID(u *undo, id schema.ID) {
	if _, ok := u.was[id]; !ok {
		u.was[id] = s.Resources[id]
	}
}

// equal reports whether two resources say the same.
func (r *Resource) equal(o *Resource) bool {
	if r == o {
		return true
	}
	if r.Address != o.Address || r.PreventDestroy != o.PreventDestroy || r.Adopted != o.Adopted || len(r.DependsOn) != len(o.DependsOn) {
		return false
	}
	for i := range r.DependsOn {
		if r.DependsOn[i] != o.DependsOn[i] {
			return false
		}
	}
	return r.Attrs.RawEquals(o.Attrs)
}

func sameOutputs(a, b map[string]Output) bool {
	if len(a) != len(b) {
		return false
	}
	for name, x := range a {
		y, ok := b[name]
		if !ok || x.Sensitive != y.Sensitive || string(x.Value) != string(y.Value) || string(x.Type) != string(y.Type) {
			return false
		}
	}
	return true
}
