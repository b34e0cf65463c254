package command

import (
	"strings"
)

// Commands without arguments.
type (
	// Capability asks what the server can do.
	Capability struct{}
	// Noop asks for news.
	Noop struct{}
	// Logout ends the session.
	Logout struct{}
	// StartTLS begins TLS.
	StartTLS struct{}
	// Namespace asks for the prefixes of mailbox names (RFC 2342).
	Namespace struct{}
	// Idle waits for news (RFC 2177).
	Idle struct{}
	// Check asks for a checkpoint; only in IMAP4rev1.
	Check struct{}
	// Close expunges without a word and leaves the mailbox.
	Close struct{}
	// Unselect leaves the mailbox.
	Unselect struct{}
)

// ID exchanges names (RFC 2971). Fields holds field, value, field, value.
type ID struct{ Fields []string }

// Authenticate begins a SASL exchange.
type Authenticate struct {
	Mechanism string // upper-case
	// Initial is the initial response in base64, "=" for an empty one;
	// HasInitial says whether there is one (RFC 4959).
	Initial    string
	HasInitial bool
}

// Login authenticates with a password.
type Login struct{ User, Password string }

// Enable switches extensions on (RFC 5161).
type Enable struct{ Extensions []string }

// GetQuota asks for a quota root (RFC 9208).
type GetQuota struct{ Root string }

// GetQuotaRoot asks for the quota roots of a mailbox.
type GetQuotaRoot struct{ Mailbox string }

func (Capability) args()    {}
func (Noop) args()          {}
func (Logout) args()        {}
func (StartTLS) args()      {}
func (Namespace) args()     {}
func (Idle) args()          {}
func (Check) args()         {}
func (Close) args()         {}
func (Unselect) args()      {}
func (*ID) args()           {}
func (*Authenticate) args() {}
func (*Login) args()        {}
func (*Enable) args()       {}
func (*GetQuota) args()     {}
func (*GetQuotaRoot) args() {}

func parseID(p *parser) Args {
	const most = 30 // fields, by RFC 2971 §3.3
	p.Space()
	cmd := &ID{}
	if p.Peek() != '(' {
		if _, ok := p.NString(); ok {
			p.Fail("list or NIL expected")
		}
		return cmd
	}
	p.List(func() {
		field := p.Text()
		p.Space()
		value, _ := p.NString()
		if cmd.Fields = append(cmd.Fields, field, value); len(cmd.Fields) > 2*most {
			p.Fail("more than %d fields", most)
		}
	})
	return cmd
}

func parseAuthenticate(p *parser) Args {
	p.Space()
	cmd := &Authenticate{Mechanism: strings.ToUpper(p.Atom())}
	if p.Accept(' ') {
		cmd.Initial, cmd.HasInitial = string(p.Rest()), true
	}
	return cmd
}

func parseLogin(p *parser) Args {
	cmd := &Login{}
	p.Space()
	cmd.User = p.AString()
	p.Space()
	cmd.Password = p.AString()
	return cmd
}

func parseEnable(p *parser) Args {
	cmd := &Enable{}
	for first := true; first || p.Peek() == ' ' && p.Err() == nil; first = false {
		p.Space()
		cmd.Extensions = append(cmd.Extensions, strings.ToUpper(p.Atom()))
	}
	return cmd
}

func parseGetQuota(p *parser) Args {
	p.Space()
	return &GetQuota{Root: p.AString()}
}

func parseGetQuotaRoot(p *parser) Args {
	p.Space()
	return &GetQuotaRoot{Mailbox: p.mailbox()}
}
