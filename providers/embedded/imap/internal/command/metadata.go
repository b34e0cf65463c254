package command

import (
	"strings"
)

// GetMetadata asks for what is noted about a mailbox, or with an empty name about
// the server (RFC 5464 §4.2).
type GetMetadata struct {
	Mailbox string
	// Entries are names in lower case.
	Entries []string
	// MaxSize leaves out values that are longer; negative: none is.
	MaxSize int64
	// Depth is how many levels below the entries are asked for, too; negative: all.
	Depth int
}

// SetMetadata notes something about a mailbox, or with an empty name about the
// server (RFC 5464 §4.3).
type SetMetadata struct {
	Mailbox string
	Values  []MetadataValue
}

// MetadataValue is an entry, its name in lower case, and what it is to be; nil: it
// goes.
type MetadataValue struct {
	Entry string
	Value []byte
}

func (*GetMetadata) args() {}
func (*SetMetadata) args() {}

// mostEntries of one command.
const mostEntries = 200

func parseGetMetadata(p *parser) Args {
	cmd := &GetMetadata{MaxSize: -1}
	p.Space()
	if p.Peek() == '(' {
		p.List(func() {
			switch strings.ToUpper(p.Atom()) {
			case "MAXSIZE":
				p.Space()
				cmd.MaxSize = int64(p.Number())
			case "DEPTH":
				p.Space()
				cmd.Depth = p.depth()
			default:
				p.Fail("unknown option of GETMETADATA")
			}
		})
		p.Space()
	}
	cmd.Mailbox = p.mailbox()
	p.Space()
	cmd.Entries = p.entries()
	return cmd
}

// depth reads 0, 1 or infinity.
func (p *parser) depth() int {
	switch strings.ToLower(p.Atom()) {
	case "0":
		return 0
	case "1":
		return 1
	case "infinity":
		return -1
	}
	p.Fail("depth is 0, 1 or infinity")
	return 0
}

// entries reads a name of an entry, or a list of them.
func (p *parser) entries() (names []string) {
	if p.Peek() != '(' {
		return []string{p.entry()}
	}
	p.List(func() {
		if names = append(names, p.entry()); len(names) > mostEntries {
			p.Fail("more than %d entries", mostEntries)
		}
	})
	if len(names) == 0 {
		p.Fail("no entries")
	}
	return names
}

// entry reads the name of an entry (RFC 5464 §3.2 and §5).
func (p *parser) entry() string {
	const longest = 256 // bytes
	name := strings.ToLower(p.AString())
	switch {
	case p.Err() != nil:
	case len(name) > longest:
		p.Fail("name of an entry is longer than %d bytes", longest)
	case !strings.HasPrefix(name, "/private/") && !strings.HasPrefix(name, "/shared/"),
		strings.HasSuffix(name, "/"), strings.Contains(name, "//"),
		strings.ContainsFunc(name, func(r rune) bool { return r < 0x21 || r >= 0x7f || r == '*' || r == '%' }):
		p.Fail("malformed name of an entry")
	}
	return name
}

func parseSetMetadata(p *parser) Args {
	cmd := &SetMetadata{}
	p.Space()
	cmd.Mailbox = p.mailbox()
	p.Space()
	p.List(func() {
		v := MetadataValue{Entry: p.entry()}
		p.Space()
		v.Value = p.Value()
		if cmd.Values = append(cmd.Values, v); len(cmd.Values) > mostEntries {
			p.Fail("more than %d entries", mostEntries)
		}
	})
	if len(cmd.Values) == 0 {
		p.Fail("no entries")
	}
	return cmd
}
