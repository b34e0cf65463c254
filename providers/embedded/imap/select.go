package imap

import (
	"context"
	"slices"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

func (c *conn) cmdSelect(ctx context.Context, cmd *command.Select) (result, error) {
	if c.view != nil {
		// RFC 9051 §6.3.2: also when the new one cannot be selected.
		c.leave()
		c.w.Line("* OK [CLOSED] Previous mailbox is closed")
	}
	if cmd.CondStore {
		c.condstore = true
	}
	if cmd.Resync != nil && !c.qresync { // RFC 7162 §3.2.5
		return result{}, bad("QRESYNC is not enabled")
	}
	v, err := c.open(ctx, cmd.Mailbox)
	if err != nil {
		return result{}, err
	}
	v.readOnly = cmd.ReadOnly || !v.mailbox.Rights.HasAny("swite")
	c.view = v
	c.describe(v)
	if err := c.resync(ctx, cmd.Resync); err != nil {
		return result{}, err
	}
	if v.readOnly {
		return result{code: "READ-ONLY"}, nil
	}
	return result{code: "READ-WRITE"}, nil
}

// open makes a view of a mailbox. The watch begins before the messages are
// read, so that nothing falls between the two.
func (c *conn) open(ctx context.Context, name string) (*view, error) {
	st := c.srv.opt.Store
	mb, err := c.mailbox(ctx, name, "r")
	if err != nil {
		return nil, err
	}
	v := &view{
		mailbox:  mb,
		watch:    st.Watch(mb.ID),
		gone:     make(map[uint32]struct{}),
		keywords: make(map[string]struct{}),
	}
	if err := c.srv.read(ctx, v); err != nil {
		v.watch.Close()
		return nil, err
	}
	v.told = len(v.msgs)
	for i := range v.msgs {
		v.learn(v.msgs[i].Flags)
	}
	return v, nil
}

// read lists the messages of a view that is to be: those that were there when
// somebody last looked, with what has changed since, or all of them.
func (s *Server) read(ctx context.Context, v *view) (err error) {
	var ok bool
	if v.msgs, v.modseq, ok = s.recent.get(v.mailbox.ID); ok {
		if _, err := v.load(ctx, s.opt.Store); err != nil {
			return err
		}
		v.forget()
		return nil
	}
	v.msgs, v.modseq, err = s.opt.Store.Messages(ctx, v.mailbox.ID)
	return err
}

// forget takes out the messages that are gone, which nobody has been told of.
func (v *view) forget() {
	if len(v.gone) == 0 {
		return
	}
	v.msgs = slices.DeleteFunc(v.msgs, func(m store.Message) bool {
		_, gone := v.gone[m.UID]
		return gone
	})
	clear(v.gone)
}

// describe writes the untagged responses of SELECT.
func (c *conn) describe(v *view) {
	c.w.Raw("* ").Uint(uint64(len(v.msgs))).Line(" EXISTS")
	if !c.rev2 {
		c.w.Line("* 0 RECENT")
		unseen := slices.IndexFunc(v.msgs, func(m store.Message) bool { return !slices.Contains(m.Flags, `\Seen`) })
		if unseen >= 0 {
			c.w.Raw("* OK [UNSEEN ").Uint(uint64(unseen) + 1).Line("] First unseen")
		}
	}
	flags := v.flags()
	c.w.Raw("* FLAGS ").Strings(flags).End()
	var permanent []string
	if !v.readOnly {
		permanent = allowed(v.mailbox.Rights, append(flags, `\*`))
	}
	c.w.Raw("* OK [PERMANENTFLAGS ").Strings(permanent).Line("] Flags that are kept")
	c.w.Raw("* OK [UIDVALIDITY ").Uint(uint64(v.mailbox.UIDValidity)).Line("] UIDs are valid")
	c.w.Raw("* OK [UIDNEXT ").Uint(uint64(max(v.mailbox.UIDNext, v.lastUID()+1))).Line("] Next UID")
	c.w.Raw("* OK [HIGHESTMODSEQ ").Uint(max(v.modseq, 1)).Line("] Highest mod-sequence")
	if c.rev2 {
		c.w.Raw(`* LIST () "/" `).Mailbox(v.mailbox.Name).End()
	}
}
