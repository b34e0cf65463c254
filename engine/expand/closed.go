package expand

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A closed address gets no mail: that of a disabled user, and every one whose mail
// would go to closed addresses alone. The embedded server follows each message, leaves
// such addresses out, and refuses what nobody is left for. A server beside the one that
// keeps the mailboxes hands on as its maps say: they must not lead there.

// A mailAddress is one at a server that takes mail, by its target.
type mailAddress struct{ target, address string }

// leaveOutClosed has no route of such a server lead to a closed address. A route that
// leads nowhere else refuses its mail. A catch-all that does is left out, so that all
// other addresses are unknown, and so is a forward that keeps a copy: the mailbox gets it.
func (e *expander) leaveOutClosed() {
	if len(e.closed) == 0 {
		return
	}
	open := map[int]int{}               // members of a route that are not closed
	leading := map[mailAddress][]int{}  // the routes that have an address as a member
	keyed := make([]mailAddress, 0, 16) // closed ones whose routes are yet to be looked at
	for address := range e.closed {
		keyed = append(keyed, address)
	}
	for i := range e.out {
		r := &e.out[i]
		if r.Kind != schema.KindRoute || runs(r.Target) || !r.Attrs.GetAttr("members").IsWhollyKnown() {
			continue
		}
		for _, m := range membersOf(r) {
			open[i]++
			at := e.endOf(r.Target, m)
			leading[at] = append(leading[at], i)
		}
	}
	gone := map[int]bool{}
	shorter := map[int]bool{}
	for len(keyed) > 0 {
		address := keyed[len(keyed)-1]
		keyed = keyed[:len(keyed)-1]
		for _, i := range leading[address] {
			r := &e.out[i]
			shorter[i] = true
			if open[i]--; open[i] > 0 {
				continue
			}
			keeps := r.Attrs.GetAttr("keep_copy").True()
			gone[i] = keeps || strings.HasPrefix(r.Key, "@")
			if at := (mailAddress{r.Target, r.Key}); !keeps && !e.closed[at] {
				e.closed[at] = true
				keyed = append(keyed, at)
			}
		}
	}
	for i := range shorter {
		e.shorten(&e.out[i])
	}
	out, owner := e.out[:0], e.owner[:0]
	for i := range e.out {
		if !gone[i] {
			out, owner = append(out, e.out[i]), append(owner, e.owner[i])
		}
	}
	e.out, e.owner = out, owner
}

// endOf is the address that a member's mail is for: himself, or a catch-all.
func (e *expander) endOf(target, member string) mailAddress {
	if all := member[strings.LastIndexByte(member, '@'):]; e.mail[member] == nil && e.mail[all] != nil {
		member = all
	}
	return mailAddress{target, member}
}

// shorten takes the members out of a route that are closed.
func (e *expander) shorten(r *schema.Resource) {
	var left []string
	for _, m := range membersOf(r) {
		if !e.closed[e.endOf(r.Target, m)] {
			left = append(left, m)
		}
	}
	vals := r.Attrs.AsValueMap()
	vals["members"] = list(left, known)
	if len(left) == 0 {
		vals["type"] = cty.StringVal("refused")
	}
	r.Attrs = schema.KindByName(schema.KindRoute).Object(vals)
}

func membersOf(r *schema.Resource) []string {
	var out []string
	for _, v := range r.Attrs.GetAttr("members").AsValueSlice() {
		out = append(out, v.AsString())
	}
	return out
}
