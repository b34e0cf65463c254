package command

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Fetch reads data of messages.
type Fetch struct {
	UID   bool
	Set   imap.NumSet
	Items []FetchItem
	// ChangedSince is a condition where Conditional is set (RFC 7162 §3.1.4.1).
	ChangedSince uint64
	Conditional  bool
	// Vanished asks for what is gone since then as well (RFC 7162 §3.2.6).
	Vanished bool
}

// A FetchItem is one item of a FETCH, in the order in which it was asked for.
type FetchItem struct {
	// Name is how the item is called in the response: "FLAGS", "BODY",
	// "BINARY.SIZE", "RFC822.HEADER". "BODY" with a nil Section is the
	// structure.
	Name string
	// Section says what of the message: for BODY[…] and the RFC822 items, and,
	// with Part and Partial alone, for BINARY.
	Section *imap.FetchItemBodySection
}

func (*Fetch) args() {}

var fetchMacros = map[string][]string{
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}

func parseFetch(p *parser) Args {
	const most = 256 // items; a client's list is a tenth of that
	cmd := &Fetch{UID: p.uid, Set: p.set()}
	p.Space()
	if p.Peek() == '(' {
		p.List(func() {
			if cmd.Items = append(cmd.Items, p.fetchItem(p.Word())); len(cmd.Items) > most {
				p.Fail("more than %d items", most)
			}
		})
	} else {
		name := p.Word()
		if macro := fetchMacros[strings.ToUpper(name)]; macro != nil {
			for _, item := range macro {
				cmd.Items = append(cmd.Items, FetchItem{Name: item})
			}
		} else {
			cmd.Items = append(cmd.Items, p.fetchItem(name))
		}
	}
	if p.Accept(' ') {
		p.List(func() {
			switch strings.ToUpper(p.Atom()) {
			case "CHANGEDSINCE":
				p.Space()
				cmd.ChangedSince, cmd.Conditional = p.Number(), true
			case "VANISHED":
				cmd.Vanished = true
			default:
				p.Fail("unknown fetch modifier")
			}
		})
		if cmd.Vanished && !(cmd.UID && cmd.Conditional) {
			p.Fail("VANISHED stands with UID FETCH and CHANGEDSINCE")
		}
	}
	return cmd
}

func (p *parser) fetchItem(name string) FetchItem {
	name = strings.ToUpper(name)
	section := func(s imap.FetchItemBodySection) FetchItem {
		return FetchItem{Name: name, Section: &s}
	}
	switch name {
	case "ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "UID", "MODSEQ", "BODYSTRUCTURE":
		return FetchItem{Name: name}
	case "RFC822":
		return section(imap.FetchItemBodySection{})
	case "RFC822.HEADER":
		return section(imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true})
	case "RFC822.TEXT":
		return section(imap.FetchItemBodySection{Specifier: imap.PartSpecifierText})
	case "BODY", "BODY.PEEK":
		if name == "BODY" && p.Peek() != '[' {
			return FetchItem{Name: name}
		}
		s := p.bodySection()
		s.Peek = name == "BODY.PEEK"
		return FetchItem{Name: "BODY", Section: s}
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		s := &imap.FetchItemBodySection{Peek: name != "BINARY"}
		p.Expect('[')
		if p.Peek() != ']' {
			s.Part = p.partNumbers()
		}
		p.Expect(']')
		if name != "BINARY.SIZE" {
			s.Partial = p.partial()
			name = "BINARY"
		}
		return FetchItem{Name: name, Section: s}
	}
	p.Fail("unknown fetch item")
	return FetchItem{}
}

// bodySection reads [section]<partial>.
func (p *parser) bodySection() *imap.FetchItemBodySection {
	s := &imap.FetchItemBodySection{}
	p.Expect('[')
	if c := p.Peek(); c >= '0' && c <= '9' {
		s.Part = p.partNumbers()
	}
	if c := p.Peek(); c != ']' && p.Err() == nil {
		p.sectionText(s)
	}
	p.Expect(']')
	s.Partial = p.partial()
	return s
}

// partNumbers reads 1.2.3 and the dot before a following name.
func (p *parser) partNumbers() []int {
	const deepest = 100
	var part []int
	for {
		n := p.Number()
		if n == 0 || n > 1<<31-1 || len(part) == deepest {
			p.Fail("bad part number")
			return nil
		}
		part = append(part, int(n))
		if !p.Accept('.') {
			return part
		}
		if c := p.Peek(); c < '0' || c > '9' {
			if c == ']' || c == 0 {
				p.Fail("part number expected")
			}
			return part
		}
	}
}

func (p *parser) sectionText(s *imap.FetchItemBodySection) {
	switch name := strings.ToUpper(p.Word()); name {
	case "HEADER", "TEXT":
		s.Specifier = imap.PartSpecifier(name)
	case "MIME":
		s.Specifier = imap.PartSpecifierMIME
		if len(s.Part) == 0 {
			p.Fail("MIME needs a part number")
		}
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		s.Specifier = imap.PartSpecifierHeader
		var fields []string
		p.Space()
		p.List(func() { fields = append(fields, p.AString()) })
		if len(fields) == 0 {
			p.Fail("header fields expected")
		}
		if name == "HEADER.FIELDS" {
			s.HeaderFields = fields
		} else {
			s.HeaderFieldsNot = fields
		}
	default:
		p.Fail("unknown section")
	}
}

func (p *parser) partial() *imap.SectionPartial {
	if !p.Accept('<') {
		return nil
	}
	part := &imap.SectionPartial{Offset: int64(p.Number())}
	p.Expect('.')
	part.Size = int64(p.Number())
	p.Expect('>')
	if part.Size == 0 {
		p.Fail("partial of no bytes")
	}
	return part
}
