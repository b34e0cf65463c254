package command

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Select opens a mailbox; ReadOnly is EXAMINE.
type Select struct {
	Mailbox             string
	ReadOnly, CondStore bool
	// Resync is what the client knows of the mailbox; nil: it does not say.
	Resync *Resync
}

// Resync is the parameter QRESYNC (RFC 7162 §3.2.5). What it says of sequence
// numbers is read, and not needed: no UID is ever forgotten here.
type Resync struct {
	UIDValidity uint64
	ModSeq      uint64
	Known       imap.UIDSet // UIDs that the client has; nil: all there may be
}

// Create makes a mailbox (CREATE-SPECIAL-USE: RFC 6154 §3).
type Create struct {
	Mailbox string
	Use     []imap.MailboxAttr
}

// Delete removes a mailbox.
type Delete struct{ Mailbox string }

// Rename renames a mailbox.
type Rename struct{ From, To string }

// Subscribe adds or takes away a subscription.
type Subscribe struct {
	Mailbox string
	On      bool
}

// List is LIST with its extensions (RFC 5258, 5819, 6154).
type List struct {
	Reference string
	Patterns  []string
	Options   imap.ListOptions
	// Metadata are entries that are asked for with each mailbox (RFC 9590).
	Metadata []string
	// Extended: the command has a part that only LIST-EXTENDED knows.
	Extended bool
}

// LSub is the LIST of subscriptions of IMAP4rev1.
type LSub struct{ Reference, Pattern string }

// Status asks about a mailbox that need not be selected.
type Status struct {
	Mailbox string
	Items   imap.StatusOptions
}

func (*Select) args()    {}
func (*Create) args()    {}
func (*Delete) args()    {}
func (*Rename) args()    {}
func (*Subscribe) args() {}
func (*List) args()      {}
func (*LSub) args()      {}
func (*Status) args()    {}

func parseSelect(readOnly bool) func(*parser) Args {
	return func(p *parser) Args {
		p.Space()
		cmd := &Select{Mailbox: p.mailbox(), ReadOnly: readOnly}
		if p.Accept(' ') {
			p.List(func() {
				switch name := strings.ToUpper(p.Atom()); name {
				case "CONDSTORE":
					cmd.CondStore = true
				case "QRESYNC":
					p.Space()
					cmd.Resync = p.resync()
				default:
					p.Fail("unknown select parameter")
				}
			})
		}
		return cmd
	}
}

// resync reads (UIDVALIDITY MODSEQ [UIDS] [(NUMBERS UIDS)]).
func (p *parser) resync() *Resync {
	r := &Resync{}
	p.Expect('(')
	r.UIDValidity = p.Number()
	p.Space()
	r.ModSeq = p.Number()
	more := p.Accept(' ')
	if more && p.Peek() != '(' {
		r.Known = p.UIDSet()
		more = p.Accept(' ')
	}
	if more {
		p.Expect('(')
		p.SeqSet()
		p.Space()
		p.UIDSet()
		p.Expect(')')
	}
	p.Expect(')')
	return r
}

func parseCreate(p *parser) Args {
	p.Space()
	cmd := &Create{Mailbox: p.mailbox()}
	if p.Accept(' ') {
		p.List(func() {
			if !strings.EqualFold(p.Atom(), "USE") {
				p.Fail("unknown create parameter")
			}
			p.Space()
			p.List(func() { cmd.Use = append(cmd.Use, imap.MailboxAttr(p.Flag())) })
		})
	}
	return cmd
}

func parseDelete(p *parser) Args {
	p.Space()
	return &Delete{Mailbox: p.mailbox()}
}

func parseRename(p *parser) Args {
	cmd := &Rename{}
	p.Space()
	cmd.From = p.mailbox()
	p.Space()
	cmd.To = p.mailbox()
	return cmd
}

func parseSubscribe(on bool) func(*parser) Args {
	return func(p *parser) Args {
		p.Space()
		return &Subscribe{Mailbox: p.mailbox(), On: on}
	}
}

func parseList(p *parser) Args {
	cmd := &List{}
	o := &cmd.Options
	p.Space()
	if p.Peek() == '(' {
		cmd.Extended = true
		p.List(func() {
			switch strings.ToUpper(p.Atom()) {
			case "SUBSCRIBED":
				o.SelectSubscribed = true
			case "REMOTE":
				o.SelectRemote = true
			case "RECURSIVEMATCH":
				o.SelectRecursiveMatch = true
			case "SPECIAL-USE":
				o.SelectSpecialUse = true
			default:
				p.Fail("unknown selection option")
			}
		})
		p.Space()
	}
	// RFC 9051 §6.3.9: RECURSIVEMATCH needs another option that selects.
	if o.SelectRecursiveMatch && !o.SelectSubscribed && !o.SelectSpecialUse {
		p.Fail("RECURSIVEMATCH alone")
	}
	cmd.Reference = p.decodeName(p.AString())
	p.Space()
	if p.Peek() == '(' {
		cmd.Extended = true
		p.List(func() { cmd.Patterns = append(cmd.Patterns, p.pattern()) })
	} else {
		cmd.Patterns = []string{p.pattern()}
	}
	if p.Accept(' ') {
		cmd.Extended = true
		p.listReturn(cmd)
	}
	return cmd
}

func (p *parser) listReturn(cmd *List) {
	o := &cmd.Options
	if !strings.EqualFold(p.Atom(), "RETURN") {
		p.Fail("RETURN expected")
	}
	p.Space()
	p.List(func() {
		switch strings.ToUpper(p.Atom()) {
		case "SUBSCRIBED":
			o.ReturnSubscribed = true
		case "CHILDREN":
			o.ReturnChildren = true
		case "SPECIAL-USE":
			o.ReturnSpecialUse = true
		case "STATUS":
			p.Space()
			items := p.statusItems()
			o.ReturnStatus = &items
		case "METADATA":
			p.Space()
			cmd.Metadata = p.entries()
		default:
			p.Fail("unknown return option")
		}
	})
}

func parseLSub(p *parser) Args {
	p.Space()
	cmd := &LSub{Reference: p.decodeName(p.AString())}
	p.Space()
	cmd.Pattern = p.pattern()
	return cmd
}

// pattern reads a mailbox pattern. The shift characters of modified UTF-7 are no
// wildcards, so that a pattern can be decoded as a name is.
func (p *parser) pattern() string { return p.decodeName(p.Pattern()) }

func parseStatus(p *parser) Args {
	p.Space()
	cmd := &Status{Mailbox: p.mailbox()}
	p.Space()
	cmd.Items = p.statusItems()
	return cmd
}

func (p *parser) statusItems() (o imap.StatusOptions) {
	p.List(func() {
		switch strings.ToUpper(p.Atom()) {
		case "MESSAGES":
			o.NumMessages = true
		case "RECENT":
			o.NumRecent = true
		case "UIDNEXT":
			o.UIDNext = true
		case "UIDVALIDITY":
			o.UIDValidity = true
		case "UNSEEN":
			o.NumUnseen = true
		case "DELETED":
			o.NumDeleted = true
		case "SIZE":
			o.Size = true
		case "APPENDLIMIT":
			o.AppendLimit = true
		case "DELETED-STORAGE":
			o.DeletedStorage = true
		case "HIGHESTMODSEQ":
			o.HighestModSeq = true
		default:
			p.Fail("unknown status item")
		}
	})
	return o
}
