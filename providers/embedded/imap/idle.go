package imap

import (
	"context"
	"errors"
	"time"
)

// idle writes news as they happen until the client says DONE (RFC 2177).
func (c *conn) idle(ctx context.Context) (result, error) {
	c.w.Line("+ idling")
	if err := c.w.Flush(); err != nil {
		return result{}, &fatalError{err}
	}
	watching, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.watch(watching)
	}()
	err := c.r.Next(c.limits.Idle)
	line := string(c.r.Rest())
	stop()
	<-ended
	if err != nil {
		return result{}, &fatalError{err}
	}
	if err := c.w.Err(); err != nil {
		return result{}, &fatalError{err}
	}
	if !equalFold(line, "DONE") {
		c.countBad()
		return result{}, bad("DONE expected")
	}
	return result{}, nil
}

// watch writes the news during IDLE. Whenever it cannot go on it wakes the
// connection, which then ends.
func (c *conn) watch(ctx context.Context) {
	// Routers forget a connection on which nothing happens.
	const keepAlive = 2 * time.Minute
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
			c.bye = "[SERVERBUG] Internal error"
			c.Interrupt()
		}
	}()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	var news <-chan struct{}
	if c.view != nil {
		news = c.view.watch.C
		if err := c.refresh(ctx, true); err != nil {
			c.idleFailed(ctx, err)
			return
		}
	}
	for {
		if err := c.w.Flush(); err != nil {
			c.Interrupt()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
			if err := c.recheckRights(ctx); err != nil {
				c.idleFailed(ctx, err)
				return
			}
			if c.bye != "" {
				c.Interrupt()
				return
			}
			if err := c.refresh(ctx, true); err != nil {
				c.idleFailed(ctx, err)
				return
			}
		case <-tick.C:
			if err := errors.Join(c.recheckAccount(ctx), c.recheckRights(ctx)); err != nil {
				c.idleFailed(ctx, err)
				return
			}
			if c.bye != "" {
				c.Interrupt()
				return
			}
			c.w.Line("* OK Still here")
		}
	}
}

func (c *conn) idleFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // DONE has come
	}
	c.log.Error("imap: news for an idle session", "error", err)
	c.bye = "[UNAVAILABLE] Internal error"
	c.Interrupt()
}
