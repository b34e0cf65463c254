package queue

import (
	"context"
	"fmt"
	"time"

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

// results turns outcomes into what the store keeps, with one report for all
// recipients of the job that failed.
func (q *Queue) results(ctx context.Context, j *job, outcomes []outcome) []store.QueueResult {
	retry := q.o.Settings().Retry
	if len(retry) == 0 {
		retry = DefaultRetry
	}
	now := q.o.Now()
	var results []store.QueueResult
	var lost []failure
	for i, e := range j.entries {
		o := outcomes[i]
		if o.kind == deferred && e.Attempts >= len(retry) {
			o.kind = failed
			o.text = "gave up after " + now.Sub(e.Created).Round(time.Minute).String() + "; " + o.text
		}
		log := q.o.Logger.With("id", e.Envelope, "to", e.To, "host", o.host)
		switch o.kind {
		case interrupted:
			continue
		case delivered:
			log.Info("delivered", "reply", o.text)
			results = append(results, store.QueueResult{ID: e.ID, Done: true})
		case failed:
			log.Warn("delivery failed", "status", o.status, "error", o.String())
			results = append(results, store.QueueResult{ID: e.ID, Done: true, Err: o.String()})
			lost = append(lost, failure{e, o})
		default:
			next := now.Add(retry[e.Attempts])
			log.Info("delivery deferred", "status", o.status, "error", o.String(), "next", next)
			results = append(results, store.QueueResult{ID: e.ID, Next: next, Err: o.String()})
		}
	}
	if len(lost) == 0 {
		return results
	}
	bounce, err := q.bounce(ctx, lost)
	if err != nil {
		// The sender must hear of it, so the entries stay until that can be written.
		q.o.Logger.Error("queue: write report", "id", lost[0].entry.Envelope, "error", err)
		return putOff(results, lost, now.Add(retry[0]))
	}
	for i := range results {
		if results[i].ID == lost[0].entry.ID {
			results[i].Bounce = bounce
		}
	}
	return results
}

// putOff makes failed results deferred ones.
func putOff(results []store.QueueResult, lost []failure, next time.Time) []store.QueueResult {
	for i := range results {
		for _, f := range lost {
			if results[i].ID == f.entry.ID {
				results[i].Done, results[i].Next = false, next
			}
		}
	}
	return results
}

func closeDrafts(results []store.QueueResult) {
	for _, r := range results {
		if r.Bounce != nil {
			r.Bounce.Draft.Close()
		}
	}
}
