package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/embedded/store"
)

// poll tells the client what others did, if anything was done. EXPUNGE waits
// for a command that allows it.
func (c *conn) poll(ctx context.Context, expunge bool) error {
	select {
	case <-c.view.watch.C:
		return c.refresh(ctx, expunge)
	default:
	}
	if c.view.stale {
		return c.refresh(ctx, expunge)
	}
	c.announce(nil, expunge)
	return nil
}

// refresh is poll without asking whether there is anything new.
func (c *conn) refresh(ctx context.Context, expunge bool) error {
	// The signal is spent, also if reading fails, as it does where DONE ends an
	// IDLE in the middle of it.
	c.view.stale = true
	changed, err := c.view.load(ctx, c.srv.opt.Store)
	if err != nil {
		return err
	}
	c.view.stale = false
	c.announce(changed, expunge)
	return nil
}

// announce writes the news of the view: changed flags, then what is gone, then
// what is new.
func (c *conn) announce(changed []int, expunge bool) {
	v := c.view
	for _, i := range changed {
		if !v.isGone(i) {
			c.writeFlags(i, c.condstore)
		}
	}
	if expunge && len(v.gone) > 0 {
		c.announceGone()
	}
	if len(v.msgs) > v.told {
		v.told = len(v.msgs)
		c.w.Raw("* ").Uint(uint64(v.told)).Line(" EXISTS")
	}
}

// announceGone takes the messages that are gone out of the view. From the end to
// the front, so that no number changes before it was named.
func (c *conn) announceGone() {
	v := c.view
	told := v.told
	var uids []uint32 // falling
	for i := len(v.msgs) - 1; i >= 0; i-- {
		if i >= told || !v.isGone(i) {
			continue // what came and went meanwhile was never there for the client
		}
		v.told--
		if c.qresync {
			uids = append(uids, v.msgs[i].UID)
		} else {
			c.w.Raw("* ").Uint(uint64(i) + 1).Line(" EXPUNGE")
		}
	}
	if len(uids) > 0 {
		slices.Reverse(uids)
		c.w.Raw("* VANISHED ").Line(uidSet(uids).String())
	}
	v.msgs = slices.DeleteFunc(v.msgs, func(m store.Message) bool {
		_, gone := v.gone[m.UID]
		return gone
	})
	clear(v.gone)
}

// writeFlags writes an untagged FETCH with the flags of a message.
func (c *conn) writeFlags(i int, withUID bool) {
	m := &c.view.msgs[i]
	c.learnKeywords(m.Flags)
	c.w.Raw("* ").Uint(uint64(i) + 1).Raw(" FETCH (")
	if withUID {
		c.w.Raw("UID ").Uint(uint64(m.UID)).Raw(" ")
	}
	c.w.Raw("FLAGS ").Strings(m.Flags)
	if c.condstore {
		c.w.Raw(" MODSEQ (").Uint(m.ModSeq).Raw(")")
	}
	c.w.Line(")")
}

// learnKeywords announces keywords that FLAGS has not named yet.
func (c *conn) learnKeywords(flags []string) {
	if c.view.learn(flags) {
		c.w.Raw("* FLAGS ").Strings(c.view.flags()).End()
	}
}

// learn says whether there is a new keyword among flags.
func (v *view) learn(flags []string) bool {
	news := false
	for _, f := range flags {
		if strings.HasPrefix(f, `\`) {
			continue
		}
		if _, known := v.keywords[f]; !known {
			v.keywords[f] = struct{}{}
			news = true
		}
	}
	return news
}

// flags lists what FLAGS names: the system flags and the keywords in use.
func (v *view) flags() []string {
	out := []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`}
	first := len(out)
	for k := range v.keywords {
		out = append(out, k)
	}
	slices.Sort(out[first:])
	return out
}
