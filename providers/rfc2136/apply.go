package rfc2136

import (
	"context"
	"slices"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// Apply implements providers.Provider. What a batch has for a zone is made as a
// whole or not at all, as long as one message holds it; what it has for other
// zones goes on beside that.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	parts, errs := zonedata.Group(batch)
	type place struct {
		job *job // nil: there is an error already
		at  int
	}
	places := make([]place, len(batch))
	jobs := make([]*job, len(parts))
	for i, part := range parts {
		j := &job{zone: part.Zone, errs: make([]error, len(part.Changes))}
		for at, n := range part.Changes {
			_, k, _ := zonedata.ParseSetKey(batch[n].Resource.Key) // none for a zone
			j.changes, j.keys = append(j.changes, batch[n]), append(j.keys, k)
			places[n] = place{j, at}
		}
		jobs[i] = j
	}
	p.carryOut(ctx, jobs)
	for i, c := range batch {
		var found providers.Observed
		err := errs[i]
		if at := places[i]; at.job != nil {
			found, err = at.job.outcome(at.at)
		}
		if err := done(c, found, err); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does all jobs, side by side, and reads their zones again.
func (p *Provider) carryOut(ctx context.Context, jobs []*job) {
	var unread []*job
	for _, j := range jobs {
		if j.view = p.views[j.zone]; j.view == nil {
			unread = append(unread, j)
		}
	}
	p.lookAgain(ctx, unread)
	var touched, older []*job
	for _, j := range jobs {
		j.prepare(p.limit())
		if j.ended && !slices.Contains(unread, j) {
			older = append(older, j)
		}
	}
	p.lookAgain(ctx, older) // it may be as the plan saw it by now
	for _, j := range older {
		j.ended, j.err = false, nil
		clear(j.errs)
		j.prepare(p.limit())
	}
	for _, j := range jobs {
		if !j.ended {
			touched = append(touched, j)
		}
	}
	p.control(ctx, touched)
	for {
		var under []*job
		var list []*exchange
		for _, j := range touched {
			if x := j.message(p.key); x != nil {
				under, list = append(under, j), append(list, x)
			}
		}
		if len(list) == 0 {
			break
		}
		p.client.run(ctx, list)
		var again []*job
		for i, j := range under {
			if j.answered(list[i].err, p.client.server) {
				again = append(again, j)
			}
		}
		p.lookAgain(ctx, again)
		for _, j := range again {
			j.retry(p.limit())
		}
	}
	if ctx.Err() != nil { // what was written is to be told all the same
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), p.client.timeout)
		defer cancel()
	}
	p.lookAgain(ctx, touched)
	p.settle(ctx, touched)
}

// settling is how long a server may take to show what it has carried out: one that
// signs a copy of a zone does so a moment after it has answered.
const settling = 2 * time.Second

// settle reads zones once more, until they show what was carried out in them.
func (p *Provider) settle(ctx context.Context, jobs []*job) {
	deadline := time.Now().Add(settling)
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		var later []*job
		for _, j := range jobs {
			if j.written > 0 && !j.shown() {
				later = append(later, j)
			}
		}
		if len(later) == 0 || time.Now().Add(wait).After(deadline) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		p.lookAgain(ctx, later)
	}
}

// shown reports whether the zone shows all that was carried out without an error.
func (j *job) shown() bool {
	if j.err != nil || j.view.err != nil {
		return true
	}
	for i := range j.changes {
		if j.errs[i] == nil && !j.made(i) {
			return false
		}
	}
	return true
}

func (p *Provider) limit() int {
	if p.maxSize > 0 {
		return p.maxSize
	}
	return dns.MaxMsgSize - reserve
}

// lookAgain reads the zones of jobs.
func (p *Provider) lookAgain(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	names := make([]rdata.Name, len(jobs))
	declared := map[rdata.Name]map[zonedata.Key]bool{}
	for i, j := range jobs {
		names[i] = j.zone
		keys := map[zonedata.Key]bool{}
		if j.view != nil {
			for k := range j.view.declared {
				keys[k] = true
			}
		}
		for _, c := range j.changes {
			if _, k, err := zonedata.ParseSetKey(c.Resource.Key); err == nil {
				keys[k] = true
			}
		}
		declared[j.zone] = keys
	}
	views := p.look(ctx, names, declared)
	for _, j := range jobs {
		j.view = views[j.zone]
		delete(p.views, j.zone)
		if j.view.err == nil {
			p.views[j.zone] = j.view
		}
	}
}
