package imap

import (
	"context"
	"slices"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
)

// close is CLOSE: what is \Deleted goes without a word, unless the mailbox was
// opened by EXAMINE.
func (c *conn) close(ctx context.Context) (result, error) {
	defer c.leave()
	v := c.view
	if v.readOnly || !v.mailbox.Rights.Has("e") {
		return result{}, nil
	}
	if _, err := v.load(ctx, c.srv.opt.Store); err != nil {
		return result{}, err
	}
	deleted := v.deleted(nil)
	if len(deleted) == 0 {
		return result{}, nil
	}
	_, err := c.srv.opt.Store.Expunge(ctx, v.mailbox.ID, deleted)
	return result{}, err
}

// deleted returns the UIDs of the messages that are \Deleted; of all, or of
// those at the given indexes.
func (v *view) deleted(indexes []int) []uint32 {
	var out []uint32
	add := func(i int) {
		if slices.Contains(v.msgs[i].Flags, `\Deleted`) && !v.isGone(i) {
			out = append(out, v.msgs[i].UID)
		}
	}
	if indexes == nil {
		for i := range v.msgs {
			add(i)
		}
	}
	for _, i := range indexes {
		add(i)
	}
	return out
}

var errReadOnly = no("", "Mailbox is opened read-only")

func (c *conn) expunge(ctx context.Context, cmd *command.Expunge) (result, error) {
	v := c.view
	if v.readOnly {
		return result{}, errReadOnly
	}
	if !v.mailbox.Rights.Has("e") {
		return result{}, errNoPermission
	}
	// Flags may have been taken away elsewhere since the last look.
	if err := c.refresh(ctx, false); err != nil {
		return result{}, err
	}
	var indexes []int
	if cmd.UID {
		var err error
		if indexes, err = v.resolve(cmd.UIDs, false); err != nil || len(indexes) == 0 {
			return result{}, err
		}
	}
	deleted := v.deleted(indexes)
	if len(deleted) > 0 {
		if _, err := c.srv.opt.Store.Expunge(ctx, v.mailbox.ID, deleted); err != nil {
			return result{}, err
		}
	}
	if err := c.refresh(ctx, true); err != nil {
		return result{}, err
	}
	return c.withModSeq(), nil
}

// withModSeq is the result of a command that took messages out (RFC 7162 §3.2.7
// has it for QRESYNC; it serves CONDSTORE clients as well).
func (c *conn) withModSeq() result {
	if !c.condstore {
		return result{}
	}
	return result{code: "HIGHESTMODSEQ " + utoa(c.view.modseq)}
}
