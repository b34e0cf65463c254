package imap

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
)

// resync tells a client that has been here before what has happened since: what
// is gone, and what has other flags or is new (RFC 7162 §3.2.5.1). Where its UIDs
// are of another mailbox by that name, it hears nothing and begins anew.
func (c *conn) resync(ctx context.Context, r *command.Resync) error {
	v := c.view
	if r == nil || r.UIDValidity != uint64(v.mailbox.UIDValidity) {
		return nil
	}
	if err := c.vanished(ctx, r.ModSeq, r.Known); err != nil {
		return err
	}
	for i := range v.msgs {
		if v.msgs[i].ModSeq > r.ModSeq && known(r.Known, v.msgs[i].UID) {
			c.writeFlags(i, true)
		}
	}
	return nil
}

// vanished writes which of some UIDs are gone since a mod-sequence.
func (c *conn) vanished(ctx context.Context, since uint64, of imap.UIDSet) error {
	ch, err := c.srv.opt.Store.Changes(ctx, c.view.mailbox.ID, since)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(ch.Vanished, func(uid uint32) bool { return !known(of, uid) })
	if len(gone) > 0 {
		c.w.Raw("* VANISHED (EARLIER) ").Line(uidSet(gone).String())
	}
	return nil
}

// known reports whether a client that says what it has has a UID.
func known(of imap.UIDSet, uid uint32) bool {
	return of == nil || of.Contains(imap.UID(uid))
}
