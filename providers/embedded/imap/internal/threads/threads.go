package threads

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Message is what threads are made of.
type Message struct {
	// Number is what stands for the message in the answer. Messages are handed in
	// by rising sequence number.
	Number uint32
	// Subject is a base subject, collated; Reply says that it was one of a reply or
	// a forward.
	Subject string
	Reply   bool
	// Sent is the date of the Date field, in UTC; where there is none, that of its
	// arrival.
	Sent time.Time
	// ID is the Message-ID, References those of the messages before it in its
	// thread, the nearest last; both as IDs finds them.
	ID         string
	References []string
}

// A Thread is a message with the answers to it. Without a message (nil) it stands
// for one that is not there, and has at least two children.
type Thread struct {
	Message  *Message
	Children []*Thread
}

// mostReferences bounds how many references of one message count: the last ones.
const mostReferences = 1000

// IDs finds message IDs in the value of a References or an In-Reply-To field, in
// order, without their brackets.
func IDs(value string) []string {
	var out []string
	for {
		start := strings.IndexByte(value, '<')
		if start < 0 {
			break
		}
		value = value[start+1:]
		end := strings.IndexAny(value, "<>")
		if end < 0 {
			break
		}
		if value[end] == '<' {
			continue
		}
		if id := strings.Join(strings.Fields(value[:end]), ""); strings.Contains(id, "@") {
			out = append(out, id)
		}
		value = value[end+1:]
	}
	return out[max(0, len(out)-mostReferences):]
}

// BySubject makes threads of messages with the same base subject (RFC 5256 §3,
// ORDEREDSUBJECT).
func BySubject(messages []Message) []*Thread {
	bySubject := map[string][]*Message{}
	var subjects []string
	for i := range messages {
		m := &messages[i]
		if bySubject[m.Subject] == nil {
			subjects = append(subjects, m.Subject)
		}
		bySubject[m.Subject] = append(bySubject[m.Subject], m)
	}
	out := make([]*Thread, 0, len(subjects))
	for _, s := range subjects {
		list := bySubject[s]
		slices.SortStableFunc(list, func(a, b *Message) int { return a.Sent.Compare(b.Sent) })
		t := &Thread{Message: list[0]}
		for _, m := range list[1:] {
			t.Children = append(t.Children, &Thread{Message: m})
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b *Thread) int { return before(a.Message, b.Message) })
	return out
}

func before(a, b *Message) int {
	return cmp.Or(a.Sent.Compare(b.Sent), cmp.Compare(a.Number, b.Number))
}

// A node is a Thread while it is made.
type node struct {
	message  *Message // nil: a dummy
	parent   *node
	children []*node
}

// ByReferences makes threads of messages and those that they refer to, and joins
// threads of the same base subject (RFC 5256 §3, REFERENCES).
func ByReferences(messages []Message) []*Thread {
	roots := link(messages)
	roots = prune(roots)
	for _, r := range roots {
		r.sort()
	}
	sortNodes(roots)
	roots = join(roots)
	for _, r := range roots {
		r.sort()
	}
	sortNodes(roots)
	out := make([]*Thread, len(roots))
	for i, r := range roots {
		out[i] = r.thread()
	}
	return out
}

// link makes a tree of each message with all that refer to it (step 1 and 2).
func link(messages []Message) []*node {
	byID := map[string]*node{}
	all := make([]*node, 0, len(messages))
	at := func(id string) *node {
		n := byID[id]
		if n == nil {
			n = &node{}
			byID[id] = n
			all = append(all, n)
		}
		return n
	}
	for i := range messages {
		m := &messages[i]
		var n *node
		if m.ID != "" {
			n = at(m.ID)
		}
		if n == nil || n.message != nil { // without an ID, or with that of another
			n = &node{}
			all = append(all, n)
		}
		n.message = m
		var last *node
		for _, id := range m.References {
			ref := at(id)
			if last != nil && ref.parent == nil && !ref.above(last) {
				last.adopt(ref)
			}
			last = ref
		}
		// What the message itself says of its parent counts more than what others
		// have said.
		if n.parent != nil && n.parent != last {
			n.leave()
		}
		if last != nil && n.parent == nil && !n.above(last) {
			last.adopt(n)
		}
	}
	var roots []*node
	for _, n := range all {
		if n.parent == nil {
			roots = append(roots, n)
		}
	}
	return roots
}

// above reports whether n is other, or an ancestor of it.
func (n *node) above(other *node) bool {
	for ; other != nil; other = other.parent {
		if other == n {
			return true
		}
	}
	return false
}

func (n *node) adopt(child *node) {
	child.parent = n
	n.children = append(n.children, child)
}

func (n *node) leave() {
	p := n.parent
	p.children = slices.DeleteFunc(p.children, func(c *node) bool { return c == n })
	n.parent = nil
}

// prune takes dummies out (step 3): those without children, and those in whose
// place their children can stand; among the roots only one child can.
func prune(roots []*node) []*node {
	var out []*node
	for _, r := range roots {
		r.prune()
		switch {
		case r.message != nil || len(r.children) > 1:
			out = append(out, r)
		case len(r.children) == 1:
			r.children[0].parent = nil
			out = append(out, r.children[0])
		}
	}
	return out
}

func (n *node) prune() {
	var kept []*node
	for _, c := range n.children {
		c.prune()
		if c.message != nil {
			kept = append(kept, c)
			continue
		}
		for _, grandchild := range c.children {
			grandchild.parent = n
			kept = append(kept, grandchild)
		}
	}
	n.children = kept
}

// first is the message that a node is sorted by.
func (n *node) first() *Message {
	for n.message == nil {
		n = n.children[0]
	}
	return n.message
}

func (n *node) sort() {
	for _, c := range n.children {
		c.sort()
	}
	sortNodes(n.children)
}

func sortNodes(nodes []*node) {
	slices.SortStableFunc(nodes, func(a, b *node) int { return before(a.first(), b.first()) })
}

// join puts threads of one subject together (step 5).
func join(roots []*node) []*node {
	table := map[string]*node{}
	for _, r := range roots {
		m := r.first()
		if m.Subject == "" {
			continue
		}
		t := table[m.Subject]
		if t == nil || t.message != nil && (r.message == nil || t.first().Reply && !m.Reply) {
			table[m.Subject] = r
		}
	}
	gone := map[*node]bool{}
	var made []*node
	for _, r := range roots {
		m := r.first()
		t := table[m.Subject]
		if m.Subject == "" || t == r {
			continue
		}
		gone[r] = true
		switch {
		case t.message == nil && r.message == nil:
			for _, c := range r.children {
				t.adopt(c)
			}
		case t.message == nil, m.Reply && !t.first().Reply:
			t.adopt(r)
		default:
			both := &node{}
			gone[t] = true
			both.adopt(t)
			both.adopt(r)
			made = append(made, both)
			table[m.Subject] = both
		}
	}
	out := slices.DeleteFunc(append(roots, made...), func(n *node) bool { return gone[n] })
	return out
}

func (n *node) thread() *Thread {
	t := &Thread{Message: n.message, Children: make([]*Thread, len(n.children))}
	for i, c := range n.children {
		t.Children[i] = c.thread()
	}
	return t
}
