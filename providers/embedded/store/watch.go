package store

import "sync"

// A Watch tells of commits that touched a mailbox.
type Watch struct {
	// C receives after such commits; several are told as one.
	C <-chan struct{}

	c       chan struct{}
	mailbox int64
	owner   *watches
}

// watches are the open watches by mailbox.
type watches struct {
	mu sync.Mutex
	of map[int64]map[*Watch]struct{}
}

// Watch begins to watch a mailbox. What was committed before the call is not
// told; read the mailbox after it. Deletion of the mailbox is told, too.
func (s *Store) Watch(mailbox int64) *Watch {
	c := make(chan struct{}, 1)
	w := &Watch{C: c, c: c, mailbox: mailbox, owner: &s.watches}
	s.watches.mu.Lock()
	defer s.watches.mu.Unlock()
	if s.watches.of == nil {
		s.watches.of = map[int64]map[*Watch]struct{}{}
	}
	if s.watches.of[mailbox] == nil {
		s.watches.of[mailbox] = map[*Watch]struct{}{}
	}
	s.watches.of[mailbox][w] = struct{}{}
	return w
}

// Close ends the watch. C receives nothing more; it is not closed.
func (w *Watch) Close() {
	w.owner.mu.Lock()
	defer w.owner.mu.Unlock()
	delete(w.owner.of[w.mailbox], w)
	if len(w.owner.of[w.mailbox]) == 0 {
		delete(w.owner.of, w.mailbox)
	}
}

func (ws *watches) notify(mailboxes map[int64]struct{}) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.of) == 0 {
		return
	}
	for id := range mailboxes {
		for w := range ws.of[id] {
			select {
			case w.c <- struct{}{}:
			default:
			}
		}
	}
}

// LockMaildrop takes an account's maildrop for one POP3 session (RFC 1939 §4).
// It reports false while another one has it.
func (s *Store) LockMaildrop(account int64) (release func(), ok bool) {
	s.dropsMu.Lock()
	defer s.dropsMu.Unlock()
	if s.drops[account] {
		return nil, false
	}
	s.drops[account] = true
	return sync.OnceFunc(func() {
		s.dropsMu.Lock()
		defer s.dropsMu.Unlock()
		delete(s.drops, account)
	}), true
}
