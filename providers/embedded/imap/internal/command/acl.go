package command

// Commands on who may do what with a mailbox (RFC 4314).
type (
	// GetACL asks who has which rights.
	GetACL struct{ Mailbox string }
	// SetACL changes the rights of somebody.
	SetACL struct {
		Mailbox, Identifier string
		// Change is '+', '-', or '=' for exactly these.
		Change byte
		Rights string // as the client has written them
	}
	// ListRights asks which rights somebody can have.
	ListRights struct{ Mailbox, Identifier string }
	// MyRights asks for one's own.
	MyRights struct{ Mailbox string }
)

func (*GetACL) args()     {}
func (*SetACL) args()     {}
func (*ListRights) args() {}
func (*MyRights) args()   {}

func parseGetACL(p *parser) Args {
	p.Space()
	return &GetACL{Mailbox: p.mailbox()}
}

// parseSetACL parses SETACL, or DELETEACL, which takes all rights away.
func parseSetACL(remove bool) func(*parser) Args {
	return func(p *parser) Args {
		cmd := &SetACL{Change: '='}
		p.Space()
		cmd.Mailbox = p.mailbox()
		p.Space()
		cmd.Identifier = p.identifier()
		if remove {
			return cmd
		}
		p.Space()
		cmd.Rights = p.AString()
		if len(cmd.Rights) > 0 && (cmd.Rights[0] == '+' || cmd.Rights[0] == '-') {
			cmd.Change, cmd.Rights = cmd.Rights[0], cmd.Rights[1:]
		}
		return cmd
	}
}

func (p *parser) identifier() string {
	const longest = 320 // bytes, of an address
	id := p.AString()
	if p.Err() == nil && (id == "" || len(id) > longest) {
		p.Fail("malformed identifier")
	}
	return id
}

func parseListRights(p *parser) Args {
	cmd := &ListRights{}
	p.Space()
	cmd.Mailbox = p.mailbox()
	p.Space()
	cmd.Identifier = p.identifier()
	return cmd
}

func parseMyRights(p *parser) Args {
	p.Space()
	return &MyRights{Mailbox: p.mailbox()}
}
