package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

// attempt tries to deliver a job once, at one host after the other until one of
// them takes part in a transaction. The second result says that none did.
func (q *Queue) attempt(ctx context.Context, j *job) (outcomes []outcome, down *outcome) {
	body, err := q.o.Store.OpenBody(ctx, j.entries[0].Body)
	if err != nil {
		o := outcome{kind: deferred, status: "4.3.0", text: "the stored message cannot be read: " + err.Error()}
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			o.kind, o.status = failed, "5.3.0"
		}
		return same(j, o), nil
	}
	defer body.Close()
	// What goes to a relay was looked up when that was decided.
	ours := false
	if j.relay == nil {
		ours, err = q.ours(ctx, j.entries[0].To)
	}
	switch {
	case err != nil:
		return same(j, outcome{kind: deferred, status: "4.3.0", text: "the recipient cannot be looked up: " + err.Error()}), nil
	case ours:
		return q.here(ctx, j, body), nil
	}
	rt, none := q.route(ctx, j)
	if none == nil {
		m, err := newMessage(j, body)
		if err != nil {
			return same(j, outcome{kind: deferred, status: "4.3.0", text: "the stored message cannot be read: " + err.Error()}), nil
		}
		outcomes, none = q.tryHosts(ctx, m, rt)
	}
	if ctx.Err() != nil && none != nil {
		return same(j, outcome{kind: interrupted}), nil
	}
	if none != nil {
		outcomes = same(j, *none)
		if none.kind == deferred {
			down = none
		}
	}
	return outcomes, down
}

// tryHosts returns the outcomes, or why no host would begin a transaction.
func (q *Queue) tryHosts(ctx context.Context, m *message, rt *route) ([]outcome, *outcome) {
	last := outcome{kind: deferred, status: "4.4.1", text: "no address to connect to"}
	tried := 0
	for _, h := range rt.hosts {
		p, err := q.protect(ctx, rt, h, m)
		if err != nil {
			last = *err
			continue
		}
		for _, addr := range h.addrs {
			if tried++; tried > maxAddrs || ctx.Err() != nil {
				return nil, &last
			}
			outcomes, err := q.tryAddr(ctx, m, rt, h.name, addr, p)
			if err == nil {
				return outcomes, nil
			}
			last = outcomeOf(h.name, err)
			var re *requireError
			if !errors.As(err, &re) {
				// Whatever a host says before a transaction is about the host, so
				// another may do, or this one later.
				last.kind = deferred
			}
		}
	}
	return nil, &last
}

// tryAddr delivers to one address, over a connection that waits for it or a new
// one. TLS that fails is tried without, where it does not have to be. An error
// means that no transaction was begun.
func (q *Queue) tryAddr(ctx context.Context, m *message, rt *route, name string, addr netip.AddrPort, p *protection) ([]outcome, error) {
	key := p.key(name, addr)
	for c := q.pool.take(key); c != nil; c = q.pool.take(key) {
		outcomes, err := q.sendOver(ctx, m, c, key)
		if err == nil {
			return outcomes, nil
		}
		// It has been closed meanwhile, as a rule; a new one tells.
	}
	p.flaw = nil
	c, err := q.connect(ctx, name, addr, p)
	var te *tlsError
	if errors.As(err, &te) && p.level == mayTLS && ctx.Err() == nil {
		q.o.Logger.Info("TLS failed, going on without", "host", name, "error", err)
		plain := *p
		plain.level = noTLS
		c, err = q.connect(ctx, name, addr, &plain)
	}
	q.note(ctx, rt, name, addr, p, c, te)
	if err != nil {
		return nil, err
	}
	return q.sendOver(ctx, m, c, key)
}

// connect makes a connection that is ready for a transaction.
func (q *Queue) connect(ctx context.Context, name string, addr netip.AddrPort, p *protection) (*client, error) {
	dial, cancel := context.WithTimeout(ctx, q.o.Timeouts.Dial)
	conn, err := q.o.Dial(dial, "tcp", addr.String())
	cancel()
	if err != nil {
		return nil, &connectError{name, err}
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := newClient(conn, name, &q.o.Timeouts)
	err = c.hello(ctx, q.o.Settings().Hostname, p)
	if err == nil && p.login != nil {
		err = c.login(p.login)
	}
	if err == nil && p.require && !(c.secure && c.has("REQUIRETLS")) {
		err = &requireError{name}
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// sendOver makes a transaction over a connection, which is kept for the next or
// closed.
func (q *Queue) sendOver(ctx context.Context, m *message, c *client, key string) ([]outcome, error) {
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	if m.utf8 && !c.has("SMTPUTF8") {
		q.pool.put(key, c, time.Now())
		o := outcome{kind: failed, status: "5.6.7", host: c.host, text: c.host + " does not take addresses beyond ASCII (SMTPUTF8)"}
		return same(m.job, o), nil
	}
	if limit := c.sizeLimit(); limit > 0 && m.body.Size() > limit {
		q.pool.put(key, c, time.Now())
		o := outcome{kind: failed, status: "5.3.4", host: c.host, text: fmt.Sprintf("%s takes messages of at most %d bytes", c.host, limit)}
		return same(m.job, o), nil
	}
	outcomes, err := m.send(ctx, c)
	if err == nil && ctx.Err() == nil && c.err == nil && (c.clean || c.reset() == nil) {
		q.pool.put(key, c, time.Now())
	} else {
		c.close()
	}
	return outcomes, err
}

// A requireError says that a host cannot be trusted with a message whose sender
// requires TLS all the way (RFC 8689 §4.2.1).
type requireError struct{ host string }

func (e *requireError) Error() string {
	return e.host + " does not promise to send the message over TLS only (REQUIRETLS)"
}

// A connectError says that a host cannot be reached.
type connectError struct {
	host string
	err  error
}

func (e *connectError) Error() string { return "connect to " + e.host + ": " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// A message is a job with its content.
type message struct {
	job  *job
	body store.Body
	// utf8: an address needs SMTPUTF8 (RFC 6531); header8: header fields hold raw
	// UTF-8, which is announced where it can be.
	utf8, header8 bool
	// anyhow: the header says that the message shall go whatever TLS is there
	// (RFC 8689 §5).
	anyhow bool
}

func newMessage(j *job, body store.Body) (*message, error) {
	m := &message{job: j, body: body}
	m.utf8 = !isASCII(j.entries[0].From)
	for _, e := range j.entries {
		m.utf8 = m.utf8 || !isASCII(e.To)
	}
	head, err := dsn.Header(body)
	m.header8 = !isASCII(string(head))
	m.anyhow = !j.entries[0].RequireTLS && tlsNotRequired(head)
	return m, err
}

// send makes the transaction. The error means that MAIL was not taken for a
// reason of the host's; everything after that is an outcome.
func (m *message) send(ctx context.Context, c *client) ([]outcome, error) {
	entries := m.job.entries
	c.clean = false
	var refused error
	p := c.pipeline()
	p.ask(c.mail(entries[0], m), 250, c.times.Command, func(_ string, err error) { refused = err })
	outcomes := make([]outcome, len(entries))
	taken, asked := 0, 0
	var gone *outcome
	for i, e := range entries {
		if refused != nil || gone != nil {
			break
		}
		asked++
		p.ask(c.rcpt(e), 25, c.times.Command, func(_ string, err error) {
			if err == nil {
				outcomes[i].kind = delivered
				taken++
				return
			}
			outcomes[i] = outcomeOf(c.host, err)
			var re *replyError
			if !errors.As(err, &re) && gone == nil {
				// The connection is gone, and with it the transaction.
				gone, asked = &outcomes[i], i
			}
		})
	}
	var open error
	if refused == nil && gone == nil && (p.together || taken > 0) {
		p.ask("DATA", 354, c.times.DataInit, func(_ string, err error) { open = err })
	}
	p.sync()
	if refused != nil {
		if p.together && open == nil {
			c.broken(errOutOfStep)
		}
		var re *replyError
		if errors.As(refused, &re) && re.code/100 == 5 {
			return same(m.job, outcomeOf(c.host, refused)), nil
		}
		return nil, refused
	}
	if gone != nil {
		return m.settle(ctx, outcomes, asked, *gone), nil
	}
	if taken == 0 {
		if p.together && open == nil {
			c.nothing()
		}
		return outcomes, nil
	}
	var text string
	err := open
	if err == nil {
		text, err = c.content(reader(m.body))
	}
	o := outcome{kind: delivered, status: "2.0.0", host: c.host, text: text, reports: c.has("DSN")}
	if err != nil {
		o = outcomeOf(c.host, err)
	} else {
		c.clean = true
	}
	return m.settle(ctx, outcomes, len(entries), o), nil
}

// settle gives o to all recipients that the host had taken, and to those from
// the index on that it was not asked about.
func (m *message) settle(ctx context.Context, outcomes []outcome, from int, o outcome) []outcome {
	if o.kind != delivered && ctx.Err() != nil {
		o.kind = interrupted
	}
	for i := range outcomes {
		if outcomes[i].kind == delivered || i >= from {
			outcomes[i] = o
		}
	}
	return outcomes
}

// outcomeOf words an error of the client.
func outcomeOf(host string, err error) outcome {
	var ce *connectError
	if errors.As(err, &ce) {
		return outcome{kind: deferred, status: "4.4.1", host: host, text: err.Error()}
	}
	var require *requireError
	if errors.As(err, &require) {
		return outcome{kind: failed, status: "5.7.30", host: host, text: err.Error()}
	}
	var le *loginError
	if errors.As(err, &le) {
		return outcome{kind: deferred, status: "4.7.0", host: host, text: host + " does not let us in: " + le.err.Error()}
	}
	var te *tlsError
	if errors.As(err, &te) {
		return outcome{kind: deferred, status: "4.7.5", host: host, text: "TLS with " + host + " is not as it has to be: " + te.err.Error()}
	}
	var re *replyError
	if !errors.As(err, &re) {
		return outcome{kind: deferred, status: "4.4.2", host: host, text: err.Error()}
	}
	o := outcome{kind: deferred, status: re.status(), host: host, diagnostic: re.reply(), text: host + " refused " + re.command}
	if re.code/100 == 5 {
		o.kind = failed
	}
	return o
}

// tlsNotRequired looks for the field TLS-Required: No.
func tlsNotRequired(header []byte) bool {
	for l := range strings.SplitSeq(string(header), "\r\n") {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.EqualFold(name, "TLS-Required") {
			return strings.EqualFold(strings.Trim(value, " \t"), "No")
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
