package command

import (
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

// Append stores a message. The reader stands before the message then; what
// follows the message is read by [Append.Rest].
type Append struct {
	Mailbox string
	Flags   []string
	Time    time.Time // zero: now
	Literal wire.Literal
	// wrapped: the message stands in UTF8 (…) (RFC 6855 §4).
	wrapped bool
}

// Expunge removes messages; UIDs is nil for all that are \Deleted.
type Expunge struct {
	UID  bool
	UIDs imap.UIDSet
}

// Store changes flags.
type Store struct {
	UID   bool
	Set   imap.NumSet
	Store imap.StoreFlags
	// UnchangedSince is a condition where Conditional is set; it may be 0
	// (RFC 7162 §3.1.3).
	UnchangedSince uint64
	Conditional    bool
}

// Copy is COPY or MOVE.
type Copy struct {
	UID, Move bool
	Set       imap.NumSet
	Mailbox   string
}

func (*Append) args()  {}
func (*Expunge) args() {}
func (*Store) args()   {}
func (*Copy) args()    {}

func parseAppend(p *parser) Args {
	p.Space()
	cmd := &Append{Mailbox: p.mailbox()}
	p.Space()
	if p.Peek() == '(' {
		cmd.Flags = p.flagList()
		p.Space()
	}
	if p.Peek() == '"' {
		cmd.Time = p.DateTime()
		p.Space()
	}
	if !p.AtLiteral() {
		if !strings.EqualFold(p.Atom(), "UTF8") {
			p.Fail("message expected")
		}
		p.Space()
		p.Expect('(')
		cmd.wrapped = true
	}
	cmd.Literal = p.Announce()
	return cmd
}

// Rest reads what follows the message.
func (cmd *Append) Rest(r *wire.Reader) error {
	r.NextLine()
	if cmd.wrapped {
		r.Expect(')')
	}
	r.End()
	return r.Err()
}

func (p *parser) flagList() []string {
	flags := []string{}
	p.List(func() { flags = append(flags, p.Flag()) })
	return flags
}

func parseExpunge(p *parser) Args {
	cmd := &Expunge{UID: p.uid}
	if p.uid {
		p.Space()
		cmd.UIDs = p.UIDSet()
	}
	return cmd
}

// set reads the message set of a command: UIDs for its UID form.
func (p *parser) set() imap.NumSet {
	p.Space()
	if p.uid {
		return p.UIDSet()
	}
	return p.SeqSet()
}

func parseStore(p *parser) Args {
	cmd := &Store{UID: p.uid, Set: p.set()}
	p.Space()
	if p.Accept('(') {
		if !strings.EqualFold(p.Atom(), "UNCHANGEDSINCE") {
			p.Fail("unknown store modifier")
		}
		p.Space()
		cmd.UnchangedSince, cmd.Conditional = p.Number(), true
		p.Expect(')')
		p.Space()
	}
	switch {
	case p.Accept('+'):
		cmd.Store.Op = imap.StoreFlagsAdd
	case p.Accept('-'):
		cmd.Store.Op = imap.StoreFlagsDel
	}
	switch strings.ToUpper(p.Atom()) {
	case "FLAGS":
	case "FLAGS.SILENT":
		cmd.Store.Silent = true
	default:
		p.Fail("FLAGS expected")
	}
	p.Space()
	var flags []string
	if p.Peek() == '(' {
		flags = p.flagList()
	} else {
		flags = append(flags, p.Flag())
		for p.Accept(' ') {
			flags = append(flags, p.Flag())
		}
	}
	for _, f := range flags {
		cmd.Store.Flags = append(cmd.Store.Flags, imap.Flag(f))
	}
	return cmd
}

func parseCopy(move bool) func(*parser) Args {
	return func(p *parser) Args {
		cmd := &Copy{UID: p.uid, Move: move, Set: p.set()}
		p.Space()
		cmd.Mailbox = p.mailbox()
		return cmd
	}
}
