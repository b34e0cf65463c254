package imap

import (
	"context"

	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/store"
)

// worth is how many messages make it worth asking the index.
const worth = 50

// narrow asks the index which messages a search can find. What the index cannot
// tell is everything (nil): the messages are read then.
func (s *searcher) narrow(ctx context.Context) *fulltext.Found {
	v := s.c.view
	if s.c.srv.opt.Index == nil || v.told < worth {
		return nil
	}
	first, last := v.msgs[0].Body, v.msgs[0].Body
	for i := range v.told {
		first, last = min(first, v.msgs[i].Body), max(last, v.msgs[i].Body)
	}
	ask := func(needle string) *fulltext.Found {
		found, err := s.c.srv.opt.Index.Find(ctx, needle, first, last)
		if err != nil {
			if ctx.Err() == nil {
				s.c.log.Warn("imap: search without the index", "error", err)
			}
			return nil
		}
		return found
	}
	return s.in.narrow(ask)
}

// narrow is what all keys together leave over.
func (c *criteria) narrow(ask func(needle string) *fulltext.Found) *fulltext.Found {
	var needles []string
	for _, h := range c.headers {
		needles = append(needles, h.Value)
	}
	needles = append(append(needles, c.text...), c.body...)
	var all *fulltext.Found
	for _, n := range needles {
		if fulltext.Usable(n) {
			all = all.And(ask(n))
		}
	}
	for i := range c.ors {
		all = all.And(c.ors[i][0].narrow(ask).Or(c.ors[i][1].narrow(ask)))
	}
	return all
}

// mostText is how much of the text of a message is indexed, in bytes. Longer ones
// are read whenever a text is looked for.
const mostText = 1 << 20

// Text is what the index has of a body (fulltext.Source). Of one that cannot be read
// that is nothing, and not all: who searches tries for himself.
func Text(ctx context.Context, st *store.Store, body int64) (text string, whole bool, err error) {
	b, err := st.OpenBody(ctx, body)
	if err == nil {
		defer b.Close()
		var root *message.Part
		if root, err = message.Parse(b, b.Size()); err == nil {
			text, whole = root.SearchText(b, mostText)
		}
	}
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	return text, whole, nil
}
