package queue

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A pipeline sends commands of a transaction: together, where the server takes them
// so (RFC 2920), otherwise each after the answer to the one before.
type pipeline struct {
	c *client
	// together: answers come at the next sync.
	together bool
	pending  []pending
}

// A pending command is one whose answer is still to be read.
type pending struct {
	verb    string
	expect  int
	timeout time.Duration
	then    func(text string, err error)
}

// window is how many answers may be on their way at once. So many fit into what
// the two systems keep, however long they are within reason: neither side waits
// for the other to read (RFC 2920 §3.1).
const window = 100

// errOutOfStep: the server waits for a message that there is none for.
var errOutOfStep = errors.New("the server asks for a message without a transaction")

func (c *client) pipeline() *pipeline {
	return &pipeline{c: c, together: c.has("PIPELINING")}
}

// ask sends a command. What is answered goes to then, at once or at the next sync.
func (p *pipeline) ask(line string, expect int, timeout time.Duration, then func(text string, err error)) {
	verb, _, _ := strings.Cut(line, " ")
	if err := p.c.write(line); err != nil {
		p.sync() // in order
		then("", err)
		return
	}
	p.pending = append(p.pending, pending{verb, expect, timeout, then})
	if !p.together || len(p.pending) >= window {
		p.sync()
	}
}

// sync reads all answers that are due.
func (p *pipeline) sync() {
	for _, one := range p.pending {
		one.then(p.c.read(one.verb, one.expect, one.timeout))
	}
	p.pending = p.pending[:0]
}

// write puts a line on its way; read sends it. An address that would be more than
// one line never gets there.
func (c *client) write(line string) error {
	verb, _, _ := strings.Cut(line, " ")
	if strings.ContainsAny(line, "\r\n\x00") {
		return &replyError{command: verb, code: 553, text: "5.1.3 the address holds control characters"}
	}
	_, err := c.text.W.WriteString(line + "\r\n")
	if err != nil {
		return c.broken(fmt.Errorf("send %s to %s: %w", verb, c.host, err))
	}
	return nil
}

// nothing ends a message that was begun for no recipient (RFC 2920 §3.1).
func (c *client) nothing() {
	if c.write(".") == nil {
		// Whatever the answer is, nobody gets anything.
		_, _ = c.read("the message", 250, c.times.Command)
	}
}
