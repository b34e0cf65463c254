package command

import "strings"

// Sort looks for messages and puts them in order (RFC 5256 §3).
type Sort struct {
	Search
	Keys []SortKey
}

// A SortKey is one of the criteria of SORT, upper-case.
type SortKey struct {
	Name    string
	Reverse bool
}

// Thread looks for messages and puts them into threads (RFC 5256 §3).
type Thread struct {
	Search
	// Algorithm is ORDEREDSUBJECT or REFERENCES.
	Algorithm string
}

// mostSortKeys is more than there are different ones.
const mostSortKeys = 20

// sortKeys are those of RFC 5256 and RFC 5957.
var sortKeys = map[string]bool{
	"ARRIVAL": true, "CC": true, "DATE": true, "FROM": true, "SIZE": true, "SUBJECT": true, "TO": true,
	"DISPLAYFROM": true, "DISPLAYTO": true,
}

func parseSort(p *parser) Args {
	cmd := &Sort{Search: Search{UID: p.uid}}
	p.Space()
	if p.Peek() != '(' {
		if strings.ToUpper(p.Atom()) != "RETURN" {
			p.Fail("sort criteria expected")
			return cmd
		}
		p.returnOptions(&cmd.Search)
		if cmd.Options.ReturnSave {
			p.Fail("unknown return option")
		}
	} else {
		cmd.Options.ReturnAll = true
	}
	reverse := false
	p.List(func() {
		switch word := strings.ToUpper(p.Atom()); {
		case word == "REVERSE":
			reverse = true
		case sortKeys[word]:
			if cmd.Keys = append(cmd.Keys, SortKey{word, reverse}); len(cmd.Keys) > mostSortKeys {
				p.Fail("more than %d sort criteria", mostSortKeys)
			}
			reverse = false
		default:
			p.Fail("unknown sort criterion")
		}
	})
	if reverse || len(cmd.Keys) == 0 {
		p.Fail("sort criterion expected")
	}
	p.charsetAndKeys(&cmd.Search)
	return cmd
}

func parseThread(p *parser) Args {
	cmd := &Thread{Search: Search{UID: p.uid}}
	p.Space()
	if cmd.Algorithm = strings.ToUpper(p.Atom()); cmd.Algorithm != "ORDEREDSUBJECT" && cmd.Algorithm != "REFERENCES" {
		p.Fail("unknown threading algorithm")
	}
	p.charsetAndKeys(&cmd.Search)
	return cmd
}

// charsetAndKeys reads what SORT and THREAD have after their own arguments.
func (p *parser) charsetAndKeys(cmd *Search) {
	p.Space()
	cmd.Charset = strings.ToUpper(p.AString())
	p.Space()
	p.searchKeys(p.searchWord(), cmd)
}
