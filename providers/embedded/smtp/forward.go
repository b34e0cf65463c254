package smtp

import (
	"context"
	"slices"

	"github.com/mailform/mailform/providers/embedded/store"
)

// deliveredTo is the field by which a forward knows its own mail when it comes
// back.
const deliveredTo = "Delivered-To"

// forward notes that mail for a goes on to addresses elsewhere, and under which
// sender. That of a user who submits mail is one of ours anyway.
func (s *session) forward(ctx context.Context, tx *transaction, a address, to []string) error {
	if s.srv.o.Mode != MTA || len(to) == 0 {
		return nil
	}
	tx.forwarders = append(tx.forwarders, a)
	sender, err := s.srv.o.Store.SenderOf(ctx, tx.from.path(), a.path())
	if err != nil || sender == tx.from.path() {
		return err
	}
	if tx.senders == nil {
		tx.senders = map[string]string{}
	}
	for _, t := range to {
		if !slices.Contains(tx.remote, t) {
			tx.senders[t] = sender
		}
	}
	return nil
}

// loops says whether a message has been forwarded from one of its recipients
// before.
func (tx *transaction) loops(h *header) bool {
	if len(tx.forwarders) == 0 {
		return false
	}
	for _, f := range h.all("delivered-to") {
		if a, err := parseAddress(f.value()); err == nil && slices.ContainsFunc(tx.forwarders, func(b address) bool { return b.key() == a.key() }) {
			return true
		}
	}
	return false
}

// mark puts the address on top of a message that it goes on from. Where there are
// several none is named: they are not to know of each other. Loops of those end by
// the number of Received fields.
func (tx *transaction) mark(d *store.Draft) {
	if len(tx.forwarders) == 1 {
		d.Prepend([]byte(deliveredTo + ": " + tx.forwarders[0].path() + "\r\n"))
	}
}
