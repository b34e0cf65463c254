package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A piece is one change as a provider gets it. A replacement under one identity
// has two of them in a batch.
type piece struct {
	batch  *plan.Batch
	index  int // of the plan's change
	change *plan.Change
	give   providers.Change
	// ended is set once the provider has told what became of it.
	ended bool
	err   error
}

// A pieceID tells the pieces of a batch apart.
type pieceID struct {
	action providers.Action
	id     schema.ID
}

func (p *piece) id() pieceID { return pieceID{p.give.Action, p.give.Resource.ID()} }

// A report is what a provider tells of a piece. It is taken in beside the provider's
// further work, up to so many behind it.
type report struct {
	piece *piece
	found providers.Observed
	err   error
}

const ahead = 1024

// pending finds the pieces that a provider has not told of yet. Most providers tell
// in the order in which they were asked, where no map is needed.
type pending struct {
	pieces []*piece
	next   int                // those before it are told of
	rest   map[pieceID]*piece // nil: all others are in order
}

// take finds a piece, once; nil for one that there is not, or no longer.
func (p *pending) take(id pieceID) *piece {
	if p.rest == nil {
		if p.next < len(p.pieces) && p.pieces[p.next].id() == id {
			p.next++
			return p.pieces[p.next-1]
		}
		p.rest = make(map[pieceID]*piece, len(p.pieces)-p.next)
		for _, q := range p.pieces[p.next:] {
			p.rest[q.id()] = q
		}
	}
	found := p.rest[id]
	delete(p.rest, id)
	return found
}

// pieces makes what the provider of a batch gets for one change.
func (r *run) pieces(b *plan.Batch, i int) []*piece {
	c := &r.Plan.Changes[i]
	remove := func() *piece {
		res := schema.Resource{
			Address: c.Address, Target: c.PrevID.Target, Kind: c.PrevID.Kind, Key: c.PrevID.Key,
			Attrs: c.Before, DependsOn: c.DependsOn,
		}
		if c.Observed != nil {
			res.Attrs = c.Observed.Attrs
		}
		return &piece{batch: b, index: i, change: c, give: providers.Change{Action: providers.Delete, Resource: res, Prior: c.Observed, HandedOver: c.HandedOver}}
	}
	if b.Deletes {
		return []*piece{remove()}
	}
	if c.Action == plan.Forget { // the same, for nobody
		res := schema.Resource{Target: c.ID.Target, Kind: c.ID.Kind, Key: c.ID.Key, Attrs: c.Observed.Attrs}
		return []*piece{{batch: b, index: i, change: c, give: providers.Change{Action: providers.Update, Resource: res, Prior: c.Observed}}}
	}
	wanted := c.Wanted
	if found := r.resolved[i]; found != nil {
		wanted = found
	}
	put := &piece{batch: b, index: i, change: c, give: providers.Change{Action: providers.Create, Resource: *wanted}}
	switch {
	case c.Action == plan.Update || c.Action == plan.Adopt:
		put.give.Action, put.give.Prior = providers.Update, c.Observed
	case c.Action == plan.Create:
		put.give.Prior = c.Observed // what is retained, or nil
	case c.Action == plan.Replace && c.PrevID == c.ID:
		return []*piece{remove(), put}
	}
	return []*piece{put}
}

// batch hands a provider what it may do, and writes down what it did. Several
// batches are of one target, and go as one.
func (r *run) batch(ctx context.Context, bs []*plan.Batch) {
	var (
		todo  []*piece
		give  []providers.Change
		count int
	)
	for _, b := range bs {
		count += len(b.Changes)
	}
	todo, give = make([]*piece, 0, count), make([]providers.Change, 0, count)
	r.mu.Lock()
	left := "" // what was to make room and does not
	for _, b := range bs {
		for _, i := range b.Changes {
			ps := r.pieces(b, i)
			why := r.obstacle(b, i)
			if why == "" && !b.Deletes && left != "" {
				why = left + " was to make room and was not destroyed"
			}
			if why != "" {
				r.skip(b, i, ps[len(ps)-1].give.Action, why)
				if b.Deletes {
					left = ps[0].change.Address
				}
				continue
			}
			for _, p := range ps {
				todo, give = append(todo, p), append(give, p.give)
				r.Observer.Started(p.change, p.give.Action)
			}
		}
	}
	r.mu.Unlock()
	if len(todo) == 0 {
		return
	}

	entries := make([]state.Entry, 0, len(todo))
	told := make(chan report, ahead)
	var taking sync.WaitGroup
	taking.Go(func() {
		for t := range told {
			r.mu.Lock()
			p := t.piece
			if p.ended, p.err = true, t.err; p.err != nil {
				r.fail(p)
			} else {
				entries = append(entries, r.complete(p, &t.found))
			}
			r.mu.Unlock()
		}
	})
	expected := pending{pieces: todo}
	done := func(c providers.Change, o providers.Observed, err error) error {
		p := expected.take(pieceID{c.Action, c.Resource.ID()})
		if p == nil {
			return fmt.Errorf("the provider reports a %s of the %s %s, which it was not asked for or has reported before", c.Action, c.Resource.Kind, c.Resource.Key)
		}
		told <- report{p, o, err}
		return nil
	}
	target := bs[0].Target
	err := r.Providers[target].Apply(ctx, give, done)
	close(told)
	taking.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.unreported(target, todo, err)
	r.reportFailures(todo)
	if len(entries) > 0 {
		r.journal(ctx, entries)
	}
}

// complete takes over what a provider has done. The entry says what is there
// now, also where that is not what was wanted.
func (r *run) complete(p *piece, o *providers.Observed) state.Entry {
	c := p.change
	if p.give.Action == providers.Delete {
		id := p.give.Resource.ID()
		delete(r.known, id)
		r.sum.Destroyed++
		r.Observer.Completed(c, p.give.Action)
		return state.Entry{Delete: &id}
	}
	if c.Release {
		return r.released(p, o)
	}
	if c.Action == plan.Forget {
		id := c.ID
		delete(r.known, id)
		r.sum.Forgotten++
		r.Observer.Completed(c, p.give.Action)
		return state.Entry{Delete: &id}
	}
	attrs, why := outcome(p.give.Resource, o)
	if r.known != nil {
		r.known[c.ID] = attrs
	}
	if why != "" {
		p.err = fmt.Errorf("%w: %s", errUnexpected, why)
		r.fail(p)
	} else {
		switch {
		case c.Action == plan.Adopt:
			r.sum.Imported++
			r.sum.Changed++
		case p.give.Action == providers.Update:
			r.sum.Changed++
		default:
			r.sum.Added++
		}
		r.Observer.Completed(c, p.give.Action)
	}
	put := r.resource(c, attrs)
	if put.Staging = nil; c.Observed != nil {
		put.Staging = c.Stage.After(c.Observed.Attrs, attrs, r.Now())
	}
	if put.Staging != nil && put.Staging.Next != nil {
		r.next[c.ID] = put.Staging.Next.NotBefore
	}
	return state.Entry{Put: put}
}

// released takes over that a provider has left of a thing only what is not ours.
// Where it has left something else, the state stays as it is.
func (r *run) released(p *piece, o *providers.Observed) state.Entry {
	c := p.change
	if _, why := outcome(p.give.Resource, o); why != "" {
		p.err = fmt.Errorf("%w: %s", errUnexpected, why)
		r.fail(p)
		if st := r.Prior.Resources[c.ID]; st != nil {
			return state.Entry{Put: st}
		}
	} else {
		r.sum.Changed++
		r.Observer.Completed(c, p.give.Action)
	}
	delete(r.known, c.ID)
	return state.Entry{Delete: &c.ID}
}

// errUnexpected is the error of a change that the provider reports as done, but
// not as it was wanted.
var errUnexpected = errors.New("the provider left it otherwise than it was told")

// outcome is what a change led to, and in what it is not as wanted. A provider
// that says nothing of what is there now is believed.
func outcome(want schema.Resource, o *providers.Observed) (attrs cty.Value, why string) {
	k := schema.KindByName(want.Kind)
	if odd, ok := differences(k, want.Attrs, o.Attrs); ok {
		return o.Attrs, strings.Join(odd, ", ")
	}
	var vals map[string]cty.Value // made where something has no value
	var odd []string
	for i := range k.Attributes {
		a := &k.Attributes[i]
		if a.Info || want.Attrs.GetAttr(a.Name).IsWhollyKnown() {
			continue
		}
		if vals == nil {
			vals = want.Attrs.AsValueMap()
		}
		vals[a.Name] = cty.NullVal(a.Type)
		odd = append(odd, a.Name+" has no value")
	}
	if vals == nil {
		return want.Attrs, ""
	}
	return cty.ObjectVal(vals), strings.Join(odd, ", ")
}

// differences says in what attributes are not as wanted. It is not ok if they are
// not those of the kind, or not known.
func differences(k *schema.Kind, want, have cty.Value) (odd []string, ok bool) {
	if have == cty.NilVal || have.IsNull() || !have.IsKnown() || !have.Type().Equals(k.Type()) {
		return nil, false
	}
	for i := range k.Attributes {
		a := &k.Attributes[i]
		h := have.GetAttr(a.Name)
		if !h.IsWhollyKnown() {
			return nil, false
		}
		if a.Info || a.Computed {
			continue
		}
		if w := want.GetAttr(a.Name); !schema.Equal(w, h) && w.IsWhollyKnown() {
			odd = append(odd, a.Name+" differs")
		}
	}
	return odd, true
}

// fail notes that a piece was not done.
func (r *run) fail(p *piece) {
	b := p.batch
	r.sum.Failed++
	r.lost(b, p.index)
	if p.change.ID.Kind == schema.KindProcess && !b.Deletes {
		r.closed[b.Target] = fmt.Sprintf("%s failed", p.change.Address)
	}
	if b.Deletes {
		r.closed[deletesOf+b.Target] = fmt.Sprintf("%s was not destroyed", p.change.Address)
	}
	r.Observer.Failed(p.change, p.give.Action, p.err)
}

// unreported deals with pieces of which the provider has said nothing, and with
// what it says of the batch as a whole.
func (r *run) unreported(target string, todo []*piece, err error) {
	reason := err
	if reason == nil {
		reason = errors.New("the provider did not say what became of it; this is a bug in the provider")
	}
	for _, p := range todo {
		if !p.ended {
			p.ended, p.err = true, reason
			r.fail(p)
		}
	}
	if err == nil {
		return
	}
	r.closed[target] = "an earlier batch at " + target + " failed"
	for _, p := range todo {
		if errors.Is(p.err, err) {
			return // it is told with that one
		}
	}
	r.errorf(nil, "Provider failed", "The provider %s ended with an error: %s.", target, err)
}

// failuresNamed is how many addresses one diagnostic names.
const failuresNamed = 5

// reportFailures makes a diagnostic of each reason that something failed for.
// Where a batch is one transaction many fail for the same.
func (r *run) reportFailures(todo []*piece) {
	var order []string
	byReason := map[string][]*piece{}
	for _, p := range todo {
		if p.err == nil {
			continue
		}
		key := string(p.give.Action) + "\x00" + p.err.Error()
		if byReason[key] == nil {
			order = append(order, key)
		}
		byReason[key] = append(byReason[key], p)
	}
	for _, key := range order {
		r.reportFailure(byReason[key])
	}
}

func (r *run) reportFailure(ps []*piece) {
	p := ps[0]
	names := make([]string, 0, failuresNamed+1)
	for i, q := range ps {
		if i == failuresNamed {
			names = append(names, fmt.Sprintf("%d more", len(ps)-i))
			break
		}
		names = append(names, q.change.Address)
	}
	who := strings.Join(names, ", ")
	var at *hcl.Range
	if p.change.Wanted != nil {
		at = p.change.Wanted.Range.Ptr()
	}
	switch {
	case errors.Is(p.err, providers.ErrConflict):
		summary := "Changed since the plan was made"
		if r.Saved {
			summary = "Saved plan is stale"
		}
		r.errorf(at, summary, "%s: not done, because it is no longer as the plan saw it: %s. It was left as it is. Make a new plan.", who, p.err)
	case errors.As(p.err, new(*providers.QueuedError)):
		r.errorf(at, "Not stopped yet", "%s: %s. The next plan and apply go on from here.", who, p.err)
	case errors.Is(p.err, errUnexpected):
		r.errorf(at, "Unexpected result of a change", "%s: %s. The next plan shows the difference. This is a bug in the provider %s.", who, p.err, p.give.Resource.Target)
	default:
		r.errorf(at, fmt.Sprintf("Cannot %s", p.give.Action), "%s: %s.", who, p.err)
	}
}
