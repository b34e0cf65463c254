package main

import (
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/providers"
)

// A view shows an apply while it runs. Close ends what it has drawn.
type view interface {
	apply.Observer
	Close()
}

// progress chooses the view: events under -json, one line that is drawn anew on
// a terminal when there is much to do, else a line for each change.
func (a *app) progress(o *operation, p *plan.Plan) view {
	if a.into != nil {
		return both{a.progressFor(o, p), newTelling(a.into)}
	}
	return a.progressFor(o, p)
}

func (a *app) progressFor(o *operation, p *plan.Plan) view {
	const much = 30
	switch {
	case o.json:
		return newTelling(a.events())
	case isTerminal(a.stderr) && len(p.Changes) > much:
		return newBar(a.stderr, p)
	default:
		return text.NewProgress(a.stderr, a.style(a.stderr))
	}
}

// A telling tells in events, from time to time also of what takes long.
type telling struct {
	*planjson.Stream
	done, ended chan struct{}
}

// tellAgain is how long it is silent about what goes on.
const tellAgain = 10 * time.Second

func newTelling(s *planjson.Stream) *telling {
	t := &telling{s, make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(t.ended)
		tick := time.NewTicker(tellAgain)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.Progress()
			case <-t.done:
				return
			}
		}
	}()
	return t
}

func (t *telling) Close() {
	close(t.done)
	<-t.ended
}

// A bar is a single line on a terminal: how many changes of how many are done.
// It is drawn at most ten times a second.
type bar struct {
	w           io.Writer
	total, done int
	drawn       time.Time
}

const (
	redraw    = 100 * time.Millisecond
	clearLine = "\r\x1b[K"
)

func newBar(w io.Writer, p *plan.Plan) *bar {
	b := &bar{w: w}
	for _, ph := range p.Phases {
		for _, batch := range ph.Batches {
			b.total += len(batch.Changes)
		}
	}
	return b
}

func (b *bar) Started(c *plan.Change, _ providers.Action) { b.draw(c.Address, false) }

func (b *bar) Completed(c *plan.Change, _ providers.Action) {
	b.done++
	b.draw(c.Address, b.done == b.total)
}

// Failed only counts: the reason is among the diagnostics after the apply.
func (b *bar) Failed(c *plan.Change, _ providers.Action, _ error) {
	b.done++
	b.draw(c.Address, true)
}

func (b *bar) Skipped(c *plan.Change, _ providers.Action, _ string) {
	b.done++
	b.draw(c.Address, false)
}

func (b *bar) draw(address string, now bool) {
	if !now && time.Since(b.drawn) < redraw {
		return
	}
	b.drawn = time.Now()
	const width = 50
	if len(address) > width {
		address = address[:width-1] + "…"
	}
	fmt.Fprintf(b.w, "%s%d of %d  %s", clearLine, b.done, b.total, address)
}

func (b *bar) Close() { fmt.Fprint(b.w, clearLine) }
