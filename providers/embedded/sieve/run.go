package sieve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what one message may cause. A script that goes beyond them fails as
// a whole, and the message is kept.
const (
	maxSteps   = 200_000 // commands, tests, comparisons
	maxActions = 32      // mailboxes
	// MaxRedirects is how often one message may be redirected.
	MaxRedirects = 4
	maxVariable  = 16 << 10 // bytes of a value; what is longer is cut off
	maxVariables = 128
)

// Errors of a run, for errors.Is.
var (
	// ErrLimit: the script does more than it may.
	ErrLimit = errors.New("the script does more than it may")
	// ErrAction: actions were asked for that exclude each other, or cannot be done.
	ErrAction = errors.New("the script asks for what cannot be done")
)

// An Envelope is how a message came, and whom it came for.
type Envelope struct {
	// From is the reverse path, empty for <>; To the address that led to the user.
	From, To string
	// Auth is who had logged in; empty: nobody.
	Auth string
	// Addresses are those of the user.
	Addresses []string
	Received  time.Time
	// Mailbox reports whether the user has a mailbox of a name; nil: any.
	Mailbox func(name string) bool
	// SpecialUse reports whether the user has a mailbox for something, as `\Junk`;
	// nil: none.
	SpecialUse func(use string) bool
}

// An Outcome is what becomes of a message. Without places it is not kept.
type Outcome struct {
	Places []Place
	// Redirects are addresses that get the message.
	Redirects []string
	// Reject: the message is refused, for a reason; then nothing else happens.
	Reject bool
	Reason string
	// Reply is what the sender hears of the user's absence; nil: nothing.
	Reply *Reply
}

// A Place is a mailbox that gets the message.
type Place struct {
	// Mailbox is its name; empty: where mail goes that no script speaks of.
	Mailbox string
	// SpecialUse goes before Mailbox where there is such a mailbox.
	SpecialUse string
	// Create: it is made where it is missing.
	Create bool
	Flags  []string
}

// Inbox is the mailbox that "keep" means.
const Inbox = "INBOX"

// A run is a script at work on one message.
type run struct {
	script    *Script
	message   *Message
	envelope  *Envelope
	steps     int
	variables map[string]string
	matched   []string // what the last :matches found: ${0}, ${1}, …
	flags     []string
	implicit  bool // the message is kept unless something else is said
	out       Outcome
}

// errStop ends a script that says "stop".
var errStop = errors.New("stop")

// Run decides what becomes of a message. Where the error is not nil the message
// is to be kept as if there was no script.
func (s *Script) Run(m *Message, e *Envelope) (*Outcome, error) {
	r := &run{script: s, message: m, envelope: e, variables: map[string]string{}, implicit: true}
	if err := r.commands(s.commands); err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	if r.implicit && !r.out.Reject {
		r.out.Places = append(r.out.Places, Place{Flags: r.flags})
	}
	return &r.out, nil
}

func (r *run) step(n int) error {
	if r.steps += n; r.steps > maxSteps {
		return fmt.Errorf("%w: more than %d steps", ErrLimit, maxSteps)
	}
	return nil
}

func (r *run) commands(list []*command) error {
	taken := false // one of a chain of if, elsif, else was
	for _, c := range list {
		if err := r.step(1); err != nil {
			return err
		}
		switch c.name {
		case "if", "elsif", "else":
			if c.name == "if" {
				taken = false
			}
			if taken {
				continue
			}
			if taken = c.name == "else"; !taken {
				var err error
				if taken, err = r.test(c.tests[0]); err != nil {
					return err
				}
			}
			if !taken {
				continue
			}
			if err := r.commands(c.block); err != nil {
				return err
			}
		default:
			if err := r.act(c); err != nil {
				return at(c, err)
			}
		}
	}
	return nil
}

// at says which line an error comes from.
func at(c *command, err error) error {
	if errors.Is(err, errStop) {
		return err
	}
	return fmt.Errorf("line %d: %s: %w", c.pos.Line, c.name, err)
}

func (r *run) act(c *command) error {
	switch c.name {
	case "stop":
		return errStop
	case "discard":
		r.implicit = false
	case "keep":
		r.implicit = false
		return r.place(Place{Mailbox: Inbox, Flags: r.flagsOf(c)})
	case "fileinto":
		return r.fileInto(c)
	case "redirect":
		return r.redirect(c)
	case "reject", "ereject":
		return r.reject(r.expand(c.args[0].list[0]))
	case "vacation":
		return r.vacation(c)
	case "set":
		r.set(c)
	case "setflag", "addflag", "removeflag":
		r.changeFlags(c)
	}
	return nil
}

// place adds a mailbox, each once.
func (r *run) place(p Place) error {
	if r.out.Reject {
		return fmt.Errorf("%w: a message that is rejected cannot be kept", ErrAction)
	}
	if strings.EqualFold(p.Mailbox, Inbox) {
		p.Mailbox = Inbox
	}
	i := slices.IndexFunc(r.out.Places, func(o Place) bool { return o.Mailbox == p.Mailbox && o.SpecialUse == p.SpecialUse })
	if i >= 0 {
		r.out.Places[i].Create = r.out.Places[i].Create || p.Create
		r.out.Places[i].Flags = p.Flags // RFC 5232 §5: those of the last
		return nil
	}
	if len(r.out.Places) >= maxActions {
		return fmt.Errorf("%w: more than %d mailboxes", ErrLimit, maxActions)
	}
	r.out.Places = append(r.out.Places, p)
	return nil
}

func (r *run) fileInto(c *command) error {
	p := Place{Mailbox: r.expand(c.args[0].list[0]), Create: c.has("create"), Flags: r.flagsOf(c)}
	if use, ok := c.tags["specialuse"]; ok {
		p.SpecialUse = r.expand(use.list[0])
	}
	if !isMailboxName(p.Mailbox) {
		return fmt.Errorf("%w: %q is no name of a mailbox", ErrAction, p.Mailbox)
	}
	if !c.has("copy") {
		r.implicit = false
	}
	return r.place(p)
}

func (r *run) redirect(c *command) error {
	to := r.expand(c.args[0].list[0])
	if !isAddress(to) {
		return fmt.Errorf("%w: %q is no mail address", ErrAction, to)
	}
	if r.out.Reject {
		return fmt.Errorf("%w: a message that is rejected cannot be redirected", ErrAction)
	}
	if !c.has("copy") {
		r.implicit = false
	}
	if slices.Contains(r.out.Redirects, to) {
		return nil
	}
	if len(r.out.Redirects) >= MaxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrLimit, MaxRedirects)
	}
	r.out.Redirects = append(r.out.Redirects, to)
	return nil
}

func (r *run) reject(reason string) error {
	if len(r.out.Places)+len(r.out.Redirects) > 0 || r.out.Reply != nil || r.out.Reject {
		return fmt.Errorf("%w: a message that is kept, redirected or answered cannot be rejected", ErrAction)
	}
	r.out.Reject, r.out.Reason, r.implicit = true, reason, false
	return nil
}
