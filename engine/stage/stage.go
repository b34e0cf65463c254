package stage

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Input is what Settle decides by. It changes nothing of it.
type Input struct {
	// Desired is what is declared; its attributes are objects of the kinds' types.
	Desired []*schema.Resource
	// Declared finds what is desired, and Observed what is there, but for what is only
	// retained; nil for what is not. There is all of it, in any order.
	Declared func(schema.ID) *schema.Resource
	Observed func(schema.ID) *providers.Observed
	There    iter.Seq2[schema.ID, *providers.Observed]
	Prior    *state.State
	Now      time.Time
	// AtOnce switches values without waiting, as a rollback does. What the old ones
	// lead to is kept all the same.
	AtOnce bool
}

// Result is what is to be planned.
type Result struct {
	// Attrs are what desired resources shall be for now, where that is something
	// else than what is declared.
	Attrs map[schema.ID]cty.Value
	// Keep are things of ours that are not desired and stay for now.
	Keep map[schema.ID]bool
	// Also are things that stay for now, with other attributes than they have.
	Also []*schema.Resource
	// Notes say what is to be remembered of record sets that are changed or stay.
	Notes map[schema.ID]*Note
	// Moves are under way or begin, by address.
	Moves []Move
}

// A Move is a record set on its way to what is declared.
type Move struct {
	Address string
	ID      schema.ID
	// TTL is the time to live that is there, in seconds.
	TTL int64
	// From are the values that are there, To those declared.
	From, To []string
	// Was are values that it was on its way to before; nil: the same, or nowhere.
	Was []string
	// Steps are those that are still to come. Only the first can be due.
	Steps []Step
	// Kept is what stays because of the move until its last step, sorted.
	Kept []schema.ID
	// Begins is set where nothing is due, and the time that is waited begins to run
	// only when the state knows of it.
	Begins bool
}

// A Step is a stage of a move.
type Step struct {
	state.Stage
	// Due is set where the step is to be made now; NotBefore is zero then.
	Due bool
}

// Next is the first step that is not due; nil: there is none.
func (m *Move) Next() *Step {
	for i := range m.Steps {
		if !m.Steps[i].Due {
			return &m.Steps[i]
		}
	}
	return nil
}

// Settle says what is due of what is desired.
func Settle(in Input) Result {
	s := &settler{Input: in, res: Result{
		Attrs: map[schema.ID]cty.Value{}, Keep: map[schema.ID]bool{}, Notes: map[schema.ID]*Note{},
	}}
	if s.Prior == nil {
		s.Prior = &state.State{}
	}
	candidates := s.candidates()
	if !slices.ContainsFunc(candidates, s.stirs) {
		return s.res // which is nearly always so
	}
	sets := make([]*set, 0, len(candidates))
	for _, r := range candidates {
		if x := s.set(r); x != nil {
			sets = append(sets, x)
		}
	}
	s.index(sets)
	for _, x := range sets {
		s.settle(x)
	}
	s.keep()
	s.finish()
	return s.res
}

// candidates are the record sets that can be staged: of those with addresses only
// the ones of hosts that MX and NS sets name, have named or will name.
func (s *settler) candidates() []*schema.Resource {
	var out, addresses []*schema.Resource
	named := map[string]bool{}
	for _, r := range s.Desired {
		if r.Kind != schema.KindRRset {
			continue
		}
		st := s.Prior.Resources[r.ID()]
		remembered := st != nil && st.Staging != nil
		switch t := text(r.Attrs, "type"); {
		case !remembered && r.Staging == nil:
		case !remembered && r.Staging.When != schema.StageAny && (t == "A" || t == "AAAA"):
			addresses = append(addresses, r)
		default:
			out = append(out, r)
			if t == "MX" || t == "NS" {
				s.names(r, st, t, named)
			}
		}
	}
	for _, r := range addresses {
		if named[host(text(r.Attrs, "name"))] {
			out = append(out, r)
		}
	}
	return out
}

// names collects the hosts that a set names or has named.
func (s *settler) names(r *schema.Resource, st *state.Resource, rrtype string, named map[string]bool) {
	x := set{rrtype: rrtype}
	take := func(values []string) {
		for _, h := range x.points(values) {
			named[h] = true
		}
	}
	all := []cty.Value{r.Attrs}
	if s.stirs(r) {
		all = append(all, s.Observed(r.ID()).Attrs)
		if st != nil {
			all = append(all, st.Attrs)
		}
		if st != nil && st.Staging != nil {
			for _, v := range st.Staging.Cached {
				take(v.Values)
			}
		}
	}
	for _, v := range all {
		values, _ := texts(attr(v, "values"))
		take(values)
	}
}

// A settler holds what one call of Settle works with.
type settler struct {
	Input
	res Result
	// sets are those that were settled.
	sets []*set
	// domains holds, by host, the names of the MX sets that name it, have named or
	// will name it.
	domains map[string][]string
	// hosts are those that a listener of ours or an address record of ours has.
	hosts map[string]bool
	// listeners are ours; addressSets are the sets with the addresses of each host,
	// processes those of each target.
	listeners   []schema.ID
	addressSets map[string][]schema.ID
	processes   map[string][]schema.ID
	// What stays of a host and of a mail domain is found once.
	hostStays   map[string]*stayed
	domainStays map[schema.ID]*stayed
	// mail and desiredAt are made by indexMail.
	mail      map[schema.ID][]schema.ID
	desiredAt map[[2]string][]string
}

// index finds out which hosts there are, and who names them.
func (s *settler) index(sets []*set) {
	s.domains, s.hosts = map[string][]string{}, map[string]bool{}
	s.addressSets, s.processes = map[string][]schema.ID{}, map[string][]schema.ID{}
	s.hostStays, s.domainStays = map[string]*stayed{}, map[schema.ID]*stayed{}
	for _, x := range sets {
		if x.rrtype != "MX" {
			continue
		}
		for _, v := range append([]version{x.want, x.have}, versions(x.cached)...) {
			for _, host := range x.points(v.values) {
				if all := s.domains[host]; len(all) == 0 || all[len(all)-1] != x.name { // each set comes once
					s.domains[host] = append(all, x.name)
				}
			}
		}
	}
	for id, o := range s.There {
		switch id.Kind {
		case schema.KindListener:
			if s.ours(id) {
				s.hosts[text(o.Attrs, "hostname")] = true
				s.listeners = append(s.listeners, id)
			}
		case schema.KindProcess:
			s.processes[id.Target] = append(s.processes[id.Target], id)
		case schema.KindRRset:
			if t := text(o.Attrs, "type"); t == "A" || t == "AAAA" {
				name := host(text(o.Attrs, "name"))
				s.addressSets[name] = append(s.addressSets[name], id)
				s.hosts[name] = s.hosts[name] || s.ours(id)
			}
		}
	}
	slices.SortFunc(s.listeners, schema.ID.Compare)
}

// ours reports whether something that is there is mailform's.
func (s *settler) ours(id schema.ID) bool {
	o := s.Observed(id)
	return o != nil && (o.Owner != "" || s.Prior.Resources[id] != nil)
}

// settle decides about one record set.
func (s *settler) settle(x *set) {
	if x.staging == nil {
		return // it was staged, and no longer is: the rest happens at once
	}
	note := &Note{Margin: x.staging.Margin, Cached: x.cached, Gained: x.gained}
	x.note = note
	x.leaving = without(x.points(x.have.values), x.points(x.want.values))
	for _, v := range x.cached {
		x.former = append(x.former, without(x.points(v.Values), x.points(x.want.values))...)
	}
	x.outlive(x.latest(x.former))
	low := min(x.staging.TTL, x.want.ttl)
	switch {
	case len(x.leaving) == 0 || !s.applies(x, x.leaving):
		x.leaving = nil
		s.arrive(x)
	case s.AtOnce || x.drifted:
		// What somebody else has changed is put back at once.
		s.arrive(x)
	default:
		s.move(x, low)
	}
	if x.due.ttl != x.want.ttl || !slices.Equal(x.due.values, x.want.values) {
		s.res.Attrs[x.id] = x.attrs(x.due)
	}
	s.sets = append(s.sets, x)
	if note.Gained || x.memory != nil || len(x.steps) > 0 || !x.due.equal(x.have) {
		s.res.Notes[x.id] = note
	}
}

// applies reports whether it matters to the set that resolvers may be led to these
// points.
func (s *settler) applies(x *set, points []string) bool {
	if x.staging.When != schema.StageOurs || x.memory != nil && x.memory.Next != nil {
		return true
	}
	if x.isAddress() {
		return s.hosts[x.name]
	}
	return slices.ContainsFunc(points, func(p string) bool { return s.hosts[p] })
}

// move makes the next step of a move.
func (s *settler) move(x *set, low int64) {
	margin := time.Duration(x.staging.Margin) * time.Second
	wait, ttl := x.latest(x.leaving), x.have.ttl
	switch {
	case x.have.ttl > low:
		ttl = low
		x.due = version{low, x.have.values}
		x.step(state.StepLower, time.Time{}, x.due)
		if t := s.Now.Add(time.Duration(x.have.ttl)*time.Second + margin); t.After(wait) {
			wait = t
		}
		x.step(state.StepSwitch, wait, version{low, x.want.values})
	case wait.After(s.Now):
		x.due = x.have
		x.step(state.StepSwitch, wait, version{x.have.ttl, x.want.values})
	default:
		wait = s.Now
		x.due = version{x.have.ttl, x.want.values}
		x.step(state.StepSwitch, time.Time{}, x.due)
	}
	x.outlive(wait.Add(time.Duration(ttl)*time.Second + margin))
}

// arrive deals with a set whose values are what they are to be, or become it now:
// as long as resolvers may have others, the time to live is not raised.
func (s *settler) arrive(x *set) {
	x.due = x.want
	if len(x.former) > 0 && !x.drifted && s.applies(x, x.former) {
		x.due.ttl = min(x.have.ttl, x.want.ttl)
	}
	if len(x.leaving) > 0 {
		x.outlive(s.Now.Add(time.Duration(x.have.ttl+x.staging.Margin) * time.Second))
	}
}

// finish makes the steps that end the moves, now that it is known what they keep.
func (s *settler) finish() {
	for _, x := range s.sets {
		kept := x.kept
		slices.SortFunc(kept, schema.ID.Compare)
		kept = slices.Compact(kept)
		ending := x.memory != nil && x.memory.Next != nil && x.memory.Next.Step == state.StepRetire
		switch {
		case !x.retire.IsZero() && (len(kept) > 0 || x.due.ttl < x.want.ttl):
			x.step(state.StepRetire, x.retire, x.want)
		case ending && len(x.steps) == 0 && slices.Equal(x.have.values, x.want.values):
			x.step(state.StepRetire, time.Time{}, x.want)
		}
		if len(x.steps) == 0 {
			continue
		}
		m := Move{Address: x.address, ID: x.id, TTL: x.have.ttl, From: x.have.values, To: x.want.values, Steps: x.steps, Kept: kept}
		if x.memory != nil && x.memory.Next != nil && !slices.Equal(x.memory.Next.Values, x.want.values) {
			m.Was = x.memory.Next.Values
		}
		x.note.next = m.Next()
		m.Begins = x.note.Gained && !x.steps[0].Due
		s.res.Moves = append(s.res.Moves, m)
		s.res.Notes[x.id] = x.note
	}
	slices.SortFunc(s.res.Moves, func(a, b Move) int { return strings.Compare(a.Address, b.Address) })
}
