package main

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
)

// picked is what entries of the queue have in common, as flags say it.
type picked struct{ to, from, older string }

func pickFlags(fs *flag.FlagSet) *picked {
	p := &picked{}
	fs.StringVar(&p.to, "to", "", "ADDRESS: only what is on its way to an address, or to a domain")
	fs.StringVar(&p.from, "from", "", "ADDRESS: only what comes from an address, or from a domain; <>: reports, which have no sender")
	fs.StringVar(&p.older, "older", "", "DURATION: only what has been in the queue for longer than that: 2h, 3d")
	return p
}

// any says whether a flag was given.
func (p *picked) any() bool { return *p != picked{} }

// check returns what tells whether an entry is meant.
func (p *picked) check(now time.Time) (func(*queued) bool, error) {
	var age time.Duration
	if p.older != "" {
		var err error
		if age, err = schema.ParseDuration(p.older); err != nil {
			return nil, fmt.Errorf("-older: %w", err)
		}
	}
	return func(e *queued) bool {
		if p.older != "" {
			created, err := time.Parse(time.RFC3339, e.Created)
			if err != nil || now.Sub(created) <= age {
				return false
			}
		}
		return isAddressOr(e.To, p.to) && (p.from == "<>" && e.From == "" || p.from != "<>" && isAddressOr(e.From, p.from))
	}, nil
}

// isAddressOr reports whether an address is the one that is asked for, or of the
// domain that is; empty: all are.
func isAddressOr(address, want string) bool {
	return want == "" || strings.EqualFold(address, want) || strings.EqualFold(address[strings.LastIndexByte(address, '@')+1:], strings.TrimPrefix(want, "@"))
}
