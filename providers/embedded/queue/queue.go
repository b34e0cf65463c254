package queue

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A Queue runs deliveries.
type Queue struct {
	o    Options
	kick chan struct{}
	pool pool
}

// New makes a queue. It does nothing until Run.
func New(o Options) *Queue {
	o.setDefaults()
	return &Queue{o: o, kick: make(chan struct{}, 1)}
}

// Wake makes Run look for due entries at once.
func (q *Queue) Wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// A job is one message for some recipients at one destination: one SMTP
// transaction.
type job struct {
	dest    string // domain, or what tells a relay apart
	relay   *Relay // nil: it goes to the servers of the domain
	entries []store.QueueEntry
}

// run is the state of one Run; it belongs to Run's goroutine.
type run struct {
	q       *Queue
	busy    map[int64]bool    // entries in waiting or running jobs
	waiting map[string][]*job // by destination
	order   []string          // destinations with waiting jobs, in turn
	active  map[string]int    // running jobs by destination
	running int
	done    chan finished
	wg      sync.WaitGroup
	more    bool // the last look at the store may not have found everything
}

// finished tells Run the end of a job.
type finished struct {
	job *job
	// down is the reason why the destination cannot be reached at all, or nil.
	down *outcome
}

const (
	// batch is how many entries are loaded at a time.
	batch = 500
	// poll is the longest wait for the next look at the store, while entries that
	// are under way hide when the others are due.
	poll = 5 * time.Second
	// idle is the longest wait otherwise, in case the clock is set.
	idle = time.Minute
)

// Run delivers until ctx ends; then it starts nothing more and gives what is
// under way Timeouts.Grace to end. What is cut off after that stays in the queue
// as it was. Run returns nil; no goroutine of it is left.
//
// One entry that cannot be read or delivered never keeps others from theirs.
func (q *Queue) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := &run{
		q: q, busy: map[int64]bool{}, waiting: map[string][]*job{}, active: map[string]int{},
		done: make(chan finished),
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case f := <-r.done:
			r.finish(work, f)
			// With the last job the store knows again when the next is due.
			if r.running > 0 && (!r.more || len(r.order) > 0) {
				r.start(work)
				continue
			}
		case <-q.o.Store.QueueWake():
		case <-q.kick:
		case <-timer.C:
		}
		r.load(ctx)
		r.start(work)
		timer.Reset(r.wait(ctx))
	}
	r.drain(work, stop)
	q.pool.close()
	return nil
}

// drain waits for running jobs, at most for the grace time.
func (r *run) drain(work context.Context, stop context.CancelFunc) {
	grace := time.AfterFunc(r.q.o.Timeouts.Grace, stop)
	defer grace.Stop()
	for r.running > 0 {
		f := <-r.done
		r.release(f.job)
	}
	r.wg.Wait()
}

// load takes due entries in, as jobs.
func (r *run) load(ctx context.Context) {
	limit := len(r.busy) + batch
	entries, err := r.q.o.Store.QueueDue(ctx, r.q.o.Now(), limit)
	if err != nil {
		if ctx.Err() == nil {
			r.q.o.Logger.Error("queue: read due entries", "error", err)
		}
		return
	}
	r.more = len(entries) >= limit
	settings := r.q.o.Settings()
	type key struct {
		dest, envelope, from string
		body                 int64
	}
	open := map[key]*job{}
	for _, e := range entries {
		if r.busy[e.ID] || e.Held {
			continue
		}
		r.busy[e.ID] = true
		k := key{strings.ToLower(domainOf(e.To)), e.Envelope, e.From, e.Body}
		relay := settings.relayFor(strings.ToLower(domainOf(e.From)), k.dest)
		if relay != nil {
			if ours, err := r.q.ours(ctx, e.To); ours || err != nil {
				relay = nil
			}
		}
		if relay != nil {
			k.dest = relay.key()
		}
		j := open[k]
		if j == nil || len(j.entries) >= r.q.o.Recipients {
			j = &job{dest: k.dest, relay: relay}
			open[k] = j
			if len(r.waiting[k.dest]) == 0 {
				r.order = append(r.order, k.dest)
			}
			r.waiting[k.dest] = append(r.waiting[k.dest], j)
		}
		j.entries = append(j.entries, e)
	}
}

// start runs waiting jobs as far as the limits allow, each destination in turn.
func (r *run) start(work context.Context) {
	settings := r.q.o.Settings()
	most, each := cmp.Or(settings.Concurrency, r.q.o.Concurrency), cmp.Or(settings.PerDestination, r.q.o.PerDestination)
	for progress := true; progress; {
		progress = false
		for i := 0; i < len(r.order) && r.running < most; {
			dest := r.order[i]
			if r.active[dest] >= each {
				i++
				continue
			}
			jobs := r.waiting[dest]
			j := jobs[0]
			if len(jobs) == 1 {
				delete(r.waiting, dest)
				r.order = append(r.order[:i], r.order[i+1:]...)
			} else {
				r.waiting[dest] = jobs[1:]
				i++
			}
			r.active[dest]++
			r.running++
			progress = true
			r.wg.Go(func() { r.done <- finished{j, r.q.work(work, j)} })
		}
	}
}

// finish takes a job out. When its destination is down, those that wait for it
// are put off as well, instead of each finding out for itself.
func (r *run) finish(work context.Context, f finished) {
	r.release(f.job)
	if f.down == nil || len(r.waiting[f.job.dest]) == 0 {
		return
	}
	jobs := r.waiting[f.job.dest]
	delete(r.waiting, f.job.dest)
	for i, d := range r.order {
		if d == f.job.dest {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
	// Off this goroutine: putting off may write reports, and it retries.
	r.active[f.job.dest]++
	r.running++
	all := &job{dest: f.job.dest}
	for _, j := range jobs {
		all.entries = append(all.entries, j.entries...)
	}
	down := *f.down
	r.wg.Go(func() {
		for _, j := range jobs {
			r.q.record(work, j, same(j, down))
		}
		r.done <- finished{job: all}
	})
}

func (r *run) release(j *job) {
	r.running--
	if r.active[j.dest]--; r.active[j.dest] == 0 {
		delete(r.active, j.dest)
	}
	for _, e := range j.entries {
		delete(r.busy, e.ID)
	}
}

// wait is how long nothing will be due.
func (r *run) wait(ctx context.Context) time.Duration {
	next, ok, err := r.q.o.Store.NextDue(ctx)
	if err != nil || !ok {
		return idle
	}
	d := next.Sub(r.q.o.Now())
	if d > 0 {
		return min(d, idle)
	}
	// Under way, or more than were loaded: their ends wake Run.
	return poll
}

// domainOf is the part of an address after its last "@".
func domainOf(addr string) string {
	return addr[strings.LastIndexByte(addr, '@')+1:]
}
