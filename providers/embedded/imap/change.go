package imap

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

// store is STORE and UID STORE.
func (c *conn) store(ctx context.Context, cmd *command.Store) (result, error) {
	v := c.view
	if v.readOnly {
		return result{}, errReadOnly
	}
	names := make([]string, len(cmd.Store.Flags))
	for i, f := range cmd.Store.Flags {
		names[i] = string(f)
	}
	flags, err := newFlags(names)
	if err != nil {
		return result{}, err
	}
	indexes, err := v.resolve(cmd.Set, true)
	if err != nil {
		return result{}, err
	}
	if cmd.Conditional {
		c.condstore = true
	}
	uids := v.uids(indexes)
	if len(uids) == 0 {
		return c.expungeIssued(cmd.UID, indexes), nil
	}

	refused := uids // a condition of 0 holds for no message (RFC 7162 §3.1.3)
	if !cmd.Conditional || cmd.UnchangedSince > 0 {
		if refused, err = c.storeFlags(ctx, cmd, uids, flags); err != nil {
			return result{}, err
		}
	}
	if err := c.refresh(ctx, false); err != nil {
		return result{}, err
	}
	c.answerStore(cmd, indexes, refused)
	if len(refused) > 0 {
		return result{code: "MODIFIED " + v.set(refused, cmd.UID).String(), text: "Some messages were changed meanwhile"}, nil
	}
	return c.expungeIssued(cmd.UID, indexes), nil
}

// storeFlags stores the flags that the client may store. It fails where that is none
// of them.
func (c *conn) storeFlags(ctx context.Context, cmd *command.Store, uids []uint32, flags []string) (refused []uint32, err error) {
	v := c.view
	op := map[imap.StoreFlagsOp]store.FlagOp{
		imap.StoreFlagsSet: store.FlagsSet,
		imap.StoreFlagsAdd: store.FlagsAdd,
		imap.StoreFlagsDel: store.FlagsRemove,
	}[cmd.Store.Op]
	rights := v.mailbox.Rights
	mine := allowed(rights, flags)
	switch {
	case !rights.HasAny("swt"), len(flags) > 0 && len(mine) == 0: // RFC 4314 §4
		return nil, errNoPermission
	case op == store.FlagsSet && !rights.Has("swt"):
		// The others stay as they are: those that are the client's go one by one.
		var old []string
		for _, uid := range uids {
			if i := v.index(uid); i >= 0 {
				old = append(old, v.msgs[i].Flags...)
			}
		}
		old = slices.DeleteFunc(allowed(rights, old), func(f string) bool { return slices.Contains(mine, f) })
		slices.Sort(old)
		changed, without, err := c.srv.opt.Store.StoreFlags(ctx, v.mailbox.ID, uids, store.FlagsRemove, slices.Compact(old), cmd.UnchangedSince)
		if err != nil {
			return nil, err
		}
		v.replace(changed)
		uids = slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { return slices.Contains(without, uid) })
		changed, _, err = c.srv.opt.Store.StoreFlags(ctx, v.mailbox.ID, uids, store.FlagsAdd, mine, 0)
		v.replace(changed)
		return without, err
	}
	changed, refused, err := c.srv.opt.Store.StoreFlags(ctx, v.mailbox.ID, uids, op, mine, cmd.UnchangedSince)
	v.replace(changed)
	return refused, err
}

// answerStore writes the flags that STORE has left. A message that the
// condition has refused is written as well: the client has to know why.
func (c *conn) answerStore(cmd *command.Store, indexes []int, refused []uint32) {
	isRefused := make(map[uint32]bool, len(refused))
	for _, uid := range refused {
		isRefused[uid] = true
	}
	for _, i := range indexes {
		m := &c.view.msgs[i]
		switch {
		case c.view.isGone(i):
		case !cmd.Store.Silent || isRefused[m.UID]:
			c.writeFlags(i, cmd.UID || c.condstore)
		case c.condstore: // also when silent: RFC 7162 §3.1.3
			c.w.Raw("* ").Uint(uint64(i) + 1).Raw(" FETCH (UID ").Uint(uint64(m.UID)).
				Raw(" MODSEQ (").Uint(m.ModSeq).Line("))")
		default:
			c.learnKeywords(m.Flags)
		}
	}
}

// someGone answers a command with sequence numbers of messages that are not there
// any more (RFC 5530).
var someGone = result{code: "EXPUNGEISSUED", text: "Some messages no longer exist"}

// expungeIssued tells, where sequence numbers were used, that some of the
// messages are no longer there.
func (c *conn) expungeIssued(uid bool, indexes []int) result {
	if !uid {
		for _, i := range indexes {
			if c.view.isGone(i) {
				return someGone
			}
		}
	}
	return result{}
}

// set writes UIDs in the terms of the command.
func (v *view) set(uids []uint32, asUID bool) imap.NumSet {
	if asUID {
		return uidSet(uids)
	}
	var indexes []int
	for _, u := range uids {
		if i := v.index(u); i >= 0 {
			indexes = append(indexes, i)
		}
	}
	return seqSet(indexes)
}

// copy is COPY and MOVE with their UID forms.
func (c *conn) copy(ctx context.Context, cmd *command.Copy) (result, error) {
	v, st := c.view, c.srv.opt.Store
	if cmd.Move && v.readOnly {
		return result{}, errReadOnly
	}
	indexes, err := v.resolve(cmd.Set, true)
	if err != nil {
		return result{}, err
	}
	if cmd.Move && !v.mailbox.Rights.Has("te") { // RFC 6851 §4.4
		return result{}, errNoPermission
	}
	to, err := c.mailbox(ctx, cmd.Mailbox, "i")
	if err != nil {
		return result{}, tryCreate(err)
	}
	uids := v.uids(indexes)
	if len(uids) == 0 {
		if len(indexes) > 0 && !cmd.UID {
			return result{}, no("EXPUNGEISSUED", "The messages no longer exist")
		}
		return result{}, nil
	}
	if !cmd.Move {
		validity, src, dst, err := st.Copy(ctx, v.mailbox.ID, uids, to.ID, to.Rights)
		if err != nil {
			return result{}, tryCreate(err)
		}
		return result{code: copyUID(validity, src, dst)}, nil
	}
	validity, src, dst, err := st.Move(ctx, v.mailbox.ID, uids, to.ID, to.Rights)
	if err != nil {
		return result{}, tryCreate(err)
	}
	// RFC 6851 §4.3: the UIDs before the EXPUNGEs.
	if code := copyUID(validity, src, dst); code != "" {
		c.w.Line("* OK [" + code + "] Moved")
	}
	if err := c.refresh(ctx, true); err != nil {
		return result{}, err
	}
	return c.withModSeq(), nil
}

// copyUID is the response code of RFC 4315 §3; empty where nothing was copied.
func copyUID(validity uint32, src, dst []uint32) string {
	if len(src) == 0 {
		return ""
	}
	return fmt.Sprintf("COPYUID %d %s %s", validity, uidSet(src), uidSet(dst))
}
