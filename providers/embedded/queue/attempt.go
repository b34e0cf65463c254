package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

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
	hosts, none := q.route(ctx, j.dest)
	if none == nil {
		m, err := newMessage(j, body)
		if err != nil {
			return same(j, outcome{kind: deferred, status: "4.3.0", text: "the stored message cannot be read: " + err.Error()}), nil
		}
		outcomes, none = q.tryHosts(ctx, m, hosts)
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
func (q *Queue) tryHosts(ctx context.Context, m *message, hosts []host) ([]outcome, *outcome) {
	last := outcome{kind: deferred, status: "4.4.1", text: "no address to connect to"}
	tried := 0
	for _, h := range hosts {
		for _, addr := range h.addrs {
			if tried++; tried > maxAddrs || ctx.Err() != nil {
				return nil, &last
			}
			outcomes, err := q.tryAddr(ctx, m, h.name, addr)
			if err == nil {
				return outcomes, nil
			}
			last = outcomeOf(h.name, err)
			// Whatever a host says before a transaction is about the host, so
			// another may do, or this one later.
			last.kind = deferred
		}
	}
	return nil, &last
}

// tryAddr delivers to one address. TLS that fails is tried without, on a new
// connection. An error means that no transaction was begun.
func (q *Queue) tryAddr(ctx context.Context, m *message, name string, addr netip.AddrPort) ([]outcome, error) {
	outcomes, err := q.connectAndSend(ctx, m, name, addr, true)
	var te *tlsError
	if errors.As(err, &te) && ctx.Err() == nil {
		q.o.Logger.Info("TLS failed, going on without", "host", name, "error", err)
		outcomes, err = q.connectAndSend(ctx, m, name, addr, false)
	}
	return outcomes, err
}

func (q *Queue) connectAndSend(ctx context.Context, m *message, name string, addr netip.AddrPort, useTLS bool) ([]outcome, error) {
	dial, cancel := context.WithTimeout(ctx, q.o.Timeouts.Dial)
	conn, err := q.o.Dial(dial, "tcp", addr.String())
	cancel()
	if err != nil {
		return nil, &connectError{name, err}
	}
	c := newClient(conn, name, &q.o.Timeouts)
	defer c.close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := c.hello(q.o.Settings().Hostname, useTLS); err != nil {
		return nil, err
	}
	if m.utf8 && !c.has("SMTPUTF8") {
		o := outcome{kind: failed, status: "5.6.7", host: name, text: name + " does not take addresses beyond ASCII (SMTPUTF8)"}
		return same(m.job, o), nil
	}
	if limit := c.sizeLimit(); limit > 0 && m.body.Size() > limit {
		o := outcome{kind: failed, status: "5.3.4", host: name, text: fmt.Sprintf("%s takes messages of at most %d bytes", name, limit)}
		return same(m.job, o), nil
	}
	return m.send(ctx, c)
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
}

func newMessage(j *job, body store.Body) (*message, error) {
	m := &message{job: j, body: body}
	m.utf8 = !isASCII(j.entries[0].From)
	for _, e := range j.entries {
		m.utf8 = m.utf8 || !isASCII(e.To)
	}
	head, err := dsn.Header(body)
	m.header8 = !isASCII(string(head))
	return m, err
}

// send makes the transaction. The error means that MAIL was not taken for a
// reason of the host's; everything after that is an outcome.
func (m *message) send(ctx context.Context, c *client) ([]outcome, error) {
	entries := m.job.entries
	if err := c.mail(entries[0], m); err != nil {
		var re *replyError
		if errors.As(err, &re) && re.code/100 == 5 {
			return same(m.job, outcomeOf(c.host, err)), nil
		}
		return nil, err
	}
	outcomes := make([]outcome, len(entries))
	taken := 0
	for i, e := range entries {
		err := c.rcpt(e)
		if err == nil {
			outcomes[i].kind = delivered
			taken++
			continue
		}
		outcomes[i] = outcomeOf(c.host, err)
		var re *replyError
		if !errors.As(err, &re) {
			// The connection is gone, and with it the transaction.
			return m.settle(ctx, outcomes, i, outcomes[i]), nil
		}
	}
	if taken == 0 {
		c.quit()
		return outcomes, nil
	}
	text, err := c.data(reader(m.body))
	o := outcome{kind: delivered, status: "2.0.0", host: c.host, text: text, reports: c.has("DSN")}
	if err != nil {
		o = outcomeOf(c.host, err)
	} else {
		c.quit()
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

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
