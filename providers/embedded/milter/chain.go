package milter

import (
	"context"
	"log/slog"
	"strings"
)

// A Chain asks filters in their order, for one SMTP connection. It is used by one
// goroutine at a time.
type Chain struct {
	peers []*peer
	log   *slog.Logger
	// discarded: a filter has the message thrown away, and the client be told that
	// all is well.
	discarded bool
}

// New makes the chain of a connection. limit is the largest message that the
// server takes, in bytes: no filter may make more of one. Nothing is connected to
// before there is mail.
func New(filters []Filter, limit int64, log *slog.Logger) *Chain {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Chain{log: log}
	for i := range filters {
		c.peers = append(c.peers, &peer{filter: &filters[i], limit: limit, log: log.With("filter", filters[i].Name)})
	}
	return c
}

// Mail begins a transaction: filters hear of the connection, if they have not yet,
// and of the sender, in the form of RFC 5321 without angle brackets. A reply
// refuses the sender.
func (c *Chain) Mail(ctx context.Context, on *Connection, id, from string, args []string) *Reply {
	c.Reset()
	for _, p := range c.peers {
		p.macros(on, id, from)
		if r := p.ask(ctx, small, func() (verdict, error) { return p.mail(ctx, on, from, strings.Join(args, " ")) }); r != nil {
			return r
		}
		if c.discarded = c.discarded || p.discarded; c.discarded {
			return nil
		}
	}
	return nil
}

// Rcpt tells of a recipient that the server takes. A reply refuses it.
func (c *Chain) Rcpt(ctx context.Context, to string, args []string) *Reply {
	for _, p := range c.peers {
		if c.discarded {
			return nil
		}
		if r := p.ask(ctx, small, func() (verdict, error) { return p.rcpt(to, strings.Join(args, " ")) }); r != nil {
			return r
		}
		c.discarded = c.discarded || p.discarded
	}
	return nil
}

// Message has the filters judge a message, each as the one before has left it. m
// is then as the last has left it. A reply refuses it.
func (c *Chain) Message(ctx context.Context, m *Message) *Reply {
	for _, p := range c.peers {
		if c.discarded {
			break
		}
		if r := p.ask(ctx, p.limit+large, func() (verdict, error) { return p.message(m) }); r != nil {
			return r
		}
		c.discarded = c.discarded || p.discarded
	}
	m.Discard = c.discarded
	return nil
}

// Reset ends a transaction.
func (c *Chain) Reset() {
	c.discarded = false
	for _, p := range c.peers {
		p.reset()
	}
}

// Close ends the connections to the filters.
func (c *Chain) Close() {
	for _, p := range c.peers {
		p.close()
	}
}
