package imap

import (
	"sync"

	"github.com/mailform/mailform/providers/embedded/store"
)

// maxRecent bounds how many messages recent lists hold together: some 20 MB.
const maxRecent = 200_000

// recent keeps the lists of messages of mailboxes that were looked at not long
// ago. The store tells what has changed since, so that a mailbox which is selected
// again need not be read anew. It is safe for concurrent use.
type recent struct {
	mu    sync.Mutex
	lists map[int64]*recentList // by the ID of the mailbox, which is never used again
	held  int                   // messages
	// newest and oldest by use.
	newest, oldest *recentList
}

// A recentList is what is in a mailbox as of a mod-sequence. The messages are
// never changed.
type recentList struct {
	mailbox       int64
	msgs          []store.Message
	modseq        uint64
	newer, before *recentList
}

// get returns a list of the caller's own; false: there is none.
func (r *recent) get(mailbox int64) (msgs []store.Message, modseq uint64, ok bool) {
	r.mu.Lock()
	l := r.lists[mailbox]
	if l == nil {
		r.mu.Unlock()
		return nil, 0, false
	}
	r.unlink(l)
	r.link(l)
	from, modseq := l.msgs, l.modseq
	r.mu.Unlock()
	return append(make([]store.Message, 0, len(from)+8), from...), modseq, true
}

// put keeps a list, which is no longer the caller's, unless there is a newer one.
func (r *recent) put(mailbox int64, msgs []store.Message, modseq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.lists[mailbox]; old != nil {
		if old.modseq > modseq {
			return
		}
		r.drop(old)
	}
	if len(msgs) > maxRecent {
		return
	}
	if r.lists == nil {
		r.lists = map[int64]*recentList{}
	}
	l := &recentList{mailbox: mailbox, msgs: msgs, modseq: modseq}
	r.lists[mailbox] = l
	r.held += len(msgs) + 1 // an empty one is something, too
	r.link(l)
	for r.held > maxRecent {
		r.drop(r.oldest)
	}
}

func (r *recent) drop(l *recentList) {
	r.unlink(l)
	delete(r.lists, l.mailbox)
	r.held -= len(l.msgs) + 1
}

func (r *recent) link(l *recentList) {
	l.before = r.newest
	if r.newest != nil {
		r.newest.newer = l
	}
	r.newest = l
	if r.oldest == nil {
		r.oldest = l
	}
}

func (r *recent) unlink(l *recentList) {
	if l.newer != nil {
		l.newer.before = l.before
	} else {
		r.newest = l.before
	}
	if l.before != nil {
		l.before.newer = l.newer
	} else {
		r.oldest = l.newer
	}
	l.newer, l.before = nil, nil
}
