package queue

import (
	"context"

	"github.com/mailform/mailform/providers/embedded/store"
)

// Return takes entries out of the queue and tells their senders so, as of
// messages that could not be delivered. Those of one message are one report. One
// that is under way may be delivered all the same.
func (q *Queue) Return(ctx context.Context, entries []store.QueueEntry) {
	type message struct {
		envelope, from string
		body           int64
	}
	jobs := map[message]*job{}
	var order []*job
	for _, e := range entries {
		m := message{e.Envelope, e.From, e.Body}
		j := jobs[m]
		if j == nil {
			j = &job{dest: domainOf(e.To)}
			jobs[m] = j
			order = append(order, j)
		}
		j.entries = append(j.entries, e)
	}
	for _, j := range order {
		q.record(ctx, j, same(j, outcome{kind: failed, status: "5.3.0", text: "returned by the administrator of the mail system"}))
	}
}
