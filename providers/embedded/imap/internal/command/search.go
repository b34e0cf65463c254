package command

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Search looks for messages.
type Search struct {
	UID      bool
	Criteria imap.SearchCriteria
	Options  imap.SearchOptions
	// Extended: the command has RETURN, so that the answer is ESEARCH.
	Extended bool
	// Charset is upper-case; empty where none was given.
	Charset string
	// ModSeq: a key asks for mod-sequences, and so the answer has one.
	ModSeq bool
}

func (*Search) args() {}

// Bounds of one SEARCH. Each key is tried on each message, each text key reads
// it.
const (
	mostSearchKeys = 1000
	mostTextKeys   = 32
)

func parseSearch(p *parser) Args {
	cmd := &Search{UID: p.uid}
	p.Space()
	word := p.searchWord()
	if word == "RETURN" {
		p.returnOptions(cmd)
		word = p.searchWord()
	} else {
		cmd.Options.ReturnAll = true
	}
	if word == "CHARSET" {
		p.Space()
		cmd.Charset = strings.ToUpper(p.AString())
		p.Space()
		word = p.searchWord()
	}
	p.searchKeys(word, cmd)
	return cmd
}

// returnOptions reads what stands after RETURN, and the space behind it.
func (p *parser) returnOptions(cmd *Search) {
	cmd.Extended = true
	p.Space()
	p.List(func() { p.searchReturn(&cmd.Options) })
	if o := &cmd.Options; !o.ReturnMin && !o.ReturnMax && !o.ReturnCount && !o.ReturnAll && !o.ReturnSave {
		o.ReturnAll = true
	}
	p.Space()
}

// searchKeys reads the keys up to the end of the command; word begins the first.
func (p *parser) searchKeys(word string, cmd *Search) {
	p.searchKey(word, &cmd.Criteria)
	for p.Err() == nil && p.Accept(' ') {
		p.searchKey(p.searchWord(), &cmd.Criteria)
	}
	cmd.ModSeq = asksModSeq(&cmd.Criteria)
}

func (p *parser) searchReturn(o *imap.SearchOptions) {
	switch strings.ToUpper(p.Atom()) {
	case "MIN":
		o.ReturnMin = true
	case "MAX":
		o.ReturnMax = true
	case "ALL":
		o.ReturnAll = true
	case "COUNT":
		o.ReturnCount = true
	case "SAVE":
		o.ReturnSave = true
	default:
		p.Fail("unknown return option")
	}
}

// searchWord reads the name of a key, empty before a parenthesis.
func (p *parser) searchWord() string {
	if p.Peek() == '(' {
		return ""
	}
	return strings.ToUpper(p.SearchWord())
}

// searchKey reads the key that word begins and adds it to c.
func (p *parser) searchKey(word string, c *imap.SearchCriteria) {
	if p.Err() != nil {
		return
	}
	if p.keys++; p.keys > mostSearchKeys {
		p.Fail("more than %d search keys", mostSearchKeys)
		return
	}
	switch word {
	case "":
		// A group is one key, also where it stands after NOT.
		p.List(func() { p.searchKey(p.searchWord(), c) })
	case "NOT":
		var not imap.SearchCriteria
		p.Space()
		p.Nested(func() { p.searchKey(p.searchWord(), &not) })
		c.Not = append(c.Not, not)
	case "OR":
		var or [2]imap.SearchCriteria
		p.Nested(func() {
			p.Space()
			p.searchKey(p.searchWord(), &or[0])
			p.Space()
			p.searchKey(p.searchWord(), &or[1])
		})
		c.Or = append(c.Or, or)
	default:
		if !p.flagKey(word, c) && !p.dateKey(word, c) && !p.textKey(word, c) && !p.numberKey(word, c) {
			p.Fail("unknown search key")
		}
	}
}

func (p *parser) flagKey(word string, c *imap.SearchCriteria) bool {
	switch word {
	case "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN":
		c.Flag = append(c.Flag, systemFlags[word])
	case "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN":
		c.NotFlag = append(c.NotFlag, systemFlags[word[2:]])
	case "RECENT", "NEW":
		// No message is ever \Recent here.
		c.Not = append(c.Not, imap.SearchCriteria{})
	case "ALL", "OLD":
	case "KEYWORD":
		p.Space()
		c.Flag = append(c.Flag, imap.Flag(p.Atom()))
	case "UNKEYWORD":
		p.Space()
		c.NotFlag = append(c.NotFlag, imap.Flag(p.Atom()))
	default:
		return false
	}
	return true
}

var systemFlags = map[string]imap.Flag{
	"ANSWERED": imap.FlagAnswered,
	"DELETED":  imap.FlagDeleted,
	"DRAFT":    imap.FlagDraft,
	"FLAGGED":  imap.FlagFlagged,
	"SEEN":     imap.FlagSeen,
}

func (p *parser) dateKey(word string, c *imap.SearchCriteria) bool {
	key := strings.TrimPrefix(word, "SENT")
	if key != "SINCE" && key != "BEFORE" && key != "ON" {
		return false
	}
	p.Space()
	day := p.Date()
	lower, upper := &c.Since, &c.Before
	if strings.HasPrefix(word, "SENT") {
		lower, upper = &c.SentSince, &c.SentBefore
	}
	// SearchCriteria.And would do, did it not forget an earlier SMALLER.
	if key != "BEFORE" && (lower.IsZero() || day.After(*lower)) {
		*lower = day
	}
	if key == "ON" {
		day = day.AddDate(0, 0, 1)
	}
	if key != "SINCE" && (upper.IsZero() || day.Before(*upper)) {
		*upper = day
	}
	return true
}

func (p *parser) textKey(word string, c *imap.SearchCriteria) bool {
	text := func() string {
		p.Space()
		return p.AString()
	}
	switch word {
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		c.Header = append(c.Header, imap.SearchCriteriaHeaderField{Key: word, Value: text()})
	case "HEADER":
		key := text()
		c.Header = append(c.Header, imap.SearchCriteriaHeaderField{Key: key, Value: text()})
	case "BODY":
		c.Body = append(c.Body, text())
	case "TEXT":
		c.Text = append(c.Text, text())
	default:
		return false
	}
	if word == "BODY" || word == "TEXT" {
		// They weigh more than the others.
		if p.keys += mostSearchKeys/mostTextKeys - 1; p.keys > mostSearchKeys {
			p.Fail("more than %d BODY and TEXT keys", mostTextKeys)
		}
	}
	return true
}

func (p *parser) numberKey(word string, c *imap.SearchCriteria) bool {
	switch word {
	case "LARGER":
		p.Space()
		c.Larger = max(c.Larger, int64(p.Number()))
	case "SMALLER":
		p.Space()
		n := int64(p.Number())
		if n == 0 {
			// 0 means "no bound" in SearchCriteria, but nothing is smaller.
			c.Not = append(c.Not, imap.SearchCriteria{})
		} else if c.Smaller == 0 || n < c.Smaller {
			c.Smaller = n
		}
	case "UID":
		p.Space()
		c.UID = append(c.UID, p.UIDSet())
	case "$":
		c.UID = append(c.UID, imap.SearchRes())
	case "MODSEQ":
		p.Space()
		if p.Peek() == '"' { // an entry name and type; there is one mod-sequence for all
			p.Text()
			p.Space()
			p.Atom()
			p.Space()
		}
		n := p.Number()
		if c.ModSeq == nil || n > c.ModSeq.ModSeq {
			c.ModSeq = &imap.SearchCriteriaModSeq{ModSeq: n}
		}
	default:
		if c0 := word[0]; c0 != '*' && (c0 < '0' || c0 > '9') {
			return false
		}
		c.SeqNum = append(c.SeqNum, p.ParseSeqSet(word))
	}
	return true
}

func asksModSeq(c *imap.SearchCriteria) bool {
	if c.ModSeq != nil {
		return true
	}
	for i := range c.Not {
		if asksModSeq(&c.Not[i]) {
			return true
		}
	}
	for i := range c.Or {
		if asksModSeq(&c.Or[i][0]) || asksModSeq(&c.Or[i][1]) {
			return true
		}
	}
	return false
}
