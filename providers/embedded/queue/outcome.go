package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

// An outcome is what became of one recipient in one attempt.
type outcome struct {
	kind kind
	// status is an enhanced status code (RFC 3463).
	status string
	// text says why, for people; diagnostic is the other server's reply, if it
	// was one that decided.
	text, diagnostic string
	// host is the other server's name.
	host string
	// reports: that server tells the sender itself what becomes of the message
	// from there (RFC 3461 §5.2.1).
	reports bool
	// into is the message as it goes into a mailbox of ours; nil: it has gone
	// elsewhere. It is committed together with the outcome.
	into *store.Envelope
}

type kind int

const (
	deferred kind = iota // to be tried again
	delivered
	failed      // for good
	interrupted // by our own end: nothing is recorded
)

func (o outcome) String() string {
	if o.diagnostic != "" {
		return fmt.Sprintf("%s: %s", o.text, o.diagnostic)
	}
	return o.text
}

// same is one outcome for all recipients of a job.
func same(j *job, o outcome) []outcome {
	os := make([]outcome, len(j.entries))
	for i := range os {
		os[i] = o
	}
	return os
}

// work makes one attempt and records it. It returns why the destination as a
// whole is down, or nil.
func (q *Queue) work(ctx context.Context, j *job) *outcome {
	outcomes, down := q.attempt(ctx, j)
	q.record(ctx, j, outcomes)
	return down
}

// record writes the outcomes down. As long as the store refuses, it tries again:
// the entries stay under way, so that nothing is sent twice.
func (q *Queue) record(ctx context.Context, j *job, outcomes []outcome) {
	results := q.results(ctx, j, outcomes)
	defer closeDrafts(results)
	if len(results) == 0 {
		return
	}
	const longest = 30 * time.Second
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, longest) {
		// A delivery must be recorded even when Run has been told to stop.
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
		err := q.o.Store.QueueFinish(write, results)
		cancel()
		if err == nil {
			return
		}
		q.o.Logger.Error("queue: record results", "destination", j.dest, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// results turns outcomes into what the store keeps, with a report for each thing
// that became of some recipients of the job and that the sender wants to know.
func (q *Queue) results(ctx context.Context, j *job, outcomes []outcome) []store.QueueResult {
	settings := q.o.Settings()
	retry := settings.Retry
	if len(retry) == 0 {
		retry = DefaultRetry
	}
	now := q.o.Now()
	var results []store.QueueResult
	about := map[dsn.Action][]told{}
	for i, e := range j.entries {
		o := outcomes[i]
		if o.kind == deferred && e.Attempts >= len(retry) {
			o.kind = failed
			o.text = "gave up after " + now.Sub(e.Created).Round(time.Minute).String() + "; " + o.text
		}
		log := q.o.Logger.With("id", e.Envelope, "to", e.To, "host", o.host)
		r := store.QueueResult{ID: e.ID, Done: true}
		switch o.kind {
		case interrupted:
			continue
		case delivered:
			log.Info("delivered", "reply", o.text)
			r.Into = o.into
			if e.Asked.Success() && !o.reports {
				about[dsn.Relayed] = append(about[dsn.Relayed], told{entry: e, outcome: o})
			}
		case failed:
			log.Warn("delivery failed", "status", o.status, "error", o.String())
			r.Err = o.String()
			if e.Asked.Failure() {
				about[dsn.Failed] = append(about[dsn.Failed], told{entry: e, outcome: o})
			}
		default:
			r.Done, r.Err, r.Next = false, o.String(), now.Add(retry[e.Attempts])
			log.Info("delivery deferred", "status", o.status, "error", o.String(), "next", r.Next)
			if settings.warns(e, now) {
				about[dsn.Delayed] = append(about[dsn.Delayed], told{e, o, until(r.Next, retry[e.Attempts+1:])})
			}
		}
		results = append(results, r)
	}
	for _, action := range []dsn.Action{dsn.Failed, dsn.Delayed, dsn.Relayed} {
		if len(about[action]) > 0 {
			q.attach(ctx, results, action, about[action], now.Add(retry[0]))
		}
	}
	return results
}

// until is when the last of the attempts is made that follow next.
func until(next time.Time, rest []time.Duration) time.Time {
	for _, d := range rest {
		next = next.Add(d)
	}
	return next
}

// attach makes a report and puts it beside the first result that it is about. When
// a report of a loss cannot be written, those entries stay until it can: the sender
// must hear of it.
func (q *Queue) attach(ctx context.Context, results []store.QueueResult, action dsn.Action, about []told, later time.Time) {
	e, err := q.report(ctx, action, about)
	if err != nil {
		q.o.Logger.Error("queue: write report", "id", about[0].entry.Envelope, "error", err)
	}
	for i := range results {
		r := &results[i]
		if !slices.ContainsFunc(about, func(t told) bool { return t.entry.ID == r.ID }) {
			continue
		}
		switch {
		case err != nil && action == dsn.Failed:
			r.Done, r.Next = false, later
		case err == nil:
			r.Warned = action == dsn.Delayed
			r.Bounce, e = e, nil
		}
	}
}

func closeDrafts(results []store.QueueResult) {
	for _, r := range results {
		if r.Bounce != nil {
			r.Bounce.Draft.Close()
		}
		if r.Into != nil {
			r.Into.Draft.Close()
			if r.Into.RemoteDraft != nil {
				r.Into.RemoteDraft.Close()
			}
		}
	}
}
