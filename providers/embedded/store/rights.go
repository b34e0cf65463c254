package store

import (
	"fmt"
	"strings"
)

// Rights are what somebody may do with a mailbox (RFC 4314 §2.1), each a letter, in
// the order of [AllRights].
type Rights string

// AllRights has every right there is; the owner of a mailbox has it:
//
//	l  sees it in lists          x  deletes and renames it
//	r  reads it                  t  sets \Deleted
//	s  sets \Seen                e  expunges
//	w  sets other flags          a  says who may do what
//	i  puts messages into it     p  may be asked for mail to be sent to it
//	k  makes mailboxes below it
const AllRights Rights = "lrswipkxtea"

// Anyone is everybody who has an account here.
const Anyone = "anyone"

// Rights that RFC 2086 had, and what they are by RFC 4314 §2.1.1.
const (
	oldCreate, oldCreates = 'c', "k"
	oldDelete, oldDeletes = 'd', "xte"
)

// ParseRights reads letters in any order.
func ParseRights(text string) (Rights, error) {
	all := strings.NewReplacer(string(oldCreate), oldCreates, string(oldDelete), oldDeletes).Replace(text)
	for _, c := range all {
		if !strings.ContainsRune(string(AllRights), c) {
			return "", fmt.Errorf("%q is no right: expected letters out of %s", c, AllRights)
		}
	}
	return AllRights.those(func(c rune) bool { return strings.ContainsRune(all, c) }), nil
}

func (r Rights) those(wanted func(rune) bool) Rights {
	return Rights(strings.Map(func(c rune) rune {
		if wanted(c) {
			return c
		}
		return -1
	}, string(r)))
}

// Has says whether all the needed rights are among them.
func (r Rights) Has(needed Rights) bool {
	return needed.those(func(c rune) bool { return !r.has(c) }) == ""
}

// HasAny says whether one of them is.
func (r Rights) HasAny(of Rights) bool { return of.those(r.has) != "" }

func (r Rights) has(c rune) bool { return strings.ContainsRune(string(r), c) }

// With has those of both.
func (r Rights) With(more Rights) Rights {
	return AllRights.those(func(c rune) bool { return r.has(c) || more.has(c) })
}

// Without has those that are not in the other.
func (r Rights) Without(less Rights) Rights {
	return r.those(func(c rune) bool { return !less.has(c) })
}

// Told is how they are told to clients: with the letters that RFC 2086 had where
// all is there that they stand for.
func (r Rights) Told() string {
	out := string(r)
	if r.Has(oldCreates) {
		out += string(oldCreate)
	}
	if r.Has(oldDeletes) {
		out += string(oldDelete)
	}
	return out
}

// keep is what somebody with these rights may leave of the flags of a message that
// he puts somewhere.
func (r Rights) keep(s stored) stored {
	if !r.has('s') {
		s.flags &^= flagSeen
	}
	if !r.has('t') {
		s.flags &^= flagDeleted
	}
	if !r.has('w') {
		s.flags &= flagSeen | flagDeleted
		s.keywords = ""
	}
	return s
}
