package imap

import (
	"context"
	"errors"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/imap/internal/threads"
	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
	"github.com/mailform/mailform/providers/embedded/store"
)

// thread is THREAD and UID THREAD (RFC 5256).
func (c *conn) thread(ctx context.Context, cmd *command.Thread) (result, error) {
	found, err := c.find(ctx, &cmd.Search)
	if err != nil {
		return result{}, err
	}
	list := make([]threads.Message, 0, len(found))
	for _, i := range found {
		m := &c.view.msgs[i]
		fields, err := c.headerOf(ctx, m)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return result{}, err
		}
		list = append(list, threadable(m, fields, uint32(c.view.number(i, cmd.UID))))
	}
	var all []*threads.Thread
	if cmd.Algorithm == "REFERENCES" {
		all = threads.ByReferences(list)
	} else {
		all = threads.BySubject(list)
	}
	c.w.Raw("* THREAD")
	if len(all) > 0 {
		c.w.Raw(" ")
	}
	for _, t := range all {
		c.w.Raw("(")
		writeThread(c.w, t)
		c.w.Raw(")")
	}
	c.w.End()
	return result{}, nil
}

func threadable(m *store.Message, fields message.Fields, number uint32) threads.Message {
	base, reply := threads.BaseSubject(message.Decode(fields.Get("Subject")))
	t := threads.Message{Number: number, Subject: threads.Collate(base), Reply: reply, Sent: sent(m, fields)}
	if ids := threads.IDs(fields.Get("Message-ID")); len(ids) > 0 {
		t.ID = ids[0]
	}
	if t.References = threads.IDs(fields.Get("References")); len(t.References) == 0 {
		if ids := threads.IDs(fields.Get("In-Reply-To")); len(ids) > 0 {
			t.References = ids[:1]
		}
	}
	return t
}

// writeThread writes a thread without the parentheses around it. A run of answers
// that have one answer each goes on without any.
func writeThread(w *wire.Writer, t *threads.Thread) {
	for {
		if t.Message != nil {
			w.Uint(uint64(t.Message.Number))
		}
		switch len(t.Children) {
		case 0:
			return
		case 1:
			w.Raw(" ")
			t = t.Children[0]
			continue
		}
		if t.Message != nil {
			w.Raw(" ")
		}
		for _, child := range t.Children {
			w.Raw("(")
			writeThread(w, child)
			w.Raw(")")
		}
		return
	}
}
