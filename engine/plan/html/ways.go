package html

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A picture is the way of one domain's mail: four columns of boxes, and lines between them.
type picture struct {
	Domain        string
	Boxes         []box
	Lines         []line
	Width, Height int
	Changed       bool
	// Text is the same for those who do not see it.
	Text string
}

// A box stands for a thing. State is "same", "new", "gone" or "changed".
type box struct {
	X, Y          int
	Title, Detail string // cut, so that they fit
	Full          string
	State         string
}

type line struct {
	Path  string
	State string
}

// Measures of a picture, in units of its own.
const (
	columns   = 4
	boxWidth  = 190
	boxHeight = 46
	gapX      = 46
	gapY      = 14
	most      = 24 // letters that fit into a box
)

// A side is what there is, before or after.
type side struct {
	domains map[string]bool              // that mail is taken for
	mx      map[string]map[string]string // preference by domain and host
	doors   map[string]map[string]bool   // servers by host name: "server.main at embedded"
	boxes   map[string]map[string]int    // numbers by domain, and what they are of: "mailboxes at dovecot"
}

func newSide() *side {
	return &side{map[string]bool{}, map[string]map[string]string{}, map[string]map[string]bool{}, map[string]map[string]int{}}
}

func put[V any](m map[string]map[string]V, a, b string, v V) {
	if m[a] == nil {
		m[a] = map[string]V{}
	}
	m[a][b] = v
}

// sides are what there is before and after a plan.
func sides(p *plan.Plan) (before, after *side) {
	before, after = newSide(), newSide()
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action != plan.Create {
			address := cmp.Or(c.PrevAddress, c.Address)
			before.add(address, c.PrevID, c.Before)
		}
		after.add(c.Address, c.ID, c.After)
	}
	for domain, lines := range p.Records {
		for _, l := range lines {
			if name, _, rrtype, value, err := rdata.ParseLine(l); err == nil && rrtype == "MX" && name.Host() == domain {
				before.addMX(domain, value)
				after.addMX(domain, value)
			}
		}
	}
	return before, after
}

func (s *side) add(address string, id schema.ID, attrs cty.Value) {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() {
		return
	}
	switch id.Kind {
	case schema.KindMailDomain:
		s.domains[id.Key] = true
	case schema.KindRRset:
		if text(attrs, "type") != "MX" {
			return
		}
		for _, v := range list(attrs, "values") {
			s.addMX(rdata.Name(text(attrs, "name")).Host(), v)
		}
	case schema.KindListener:
		if text(attrs, "service") == "smtp" {
			put(s.doors, text(attrs, "hostname"), strings.TrimSuffix(address, ".smtp")+" at "+id.Target, true)
		}
	case schema.KindMailbox:
		s.count(id, "mailboxes")
	case schema.KindRoute:
		s.count(id, "other addresses")
	}
}

func (s *side) addMX(domain, value string) {
	preference, host, _ := strings.Cut(value, " ")
	put(s.mx, domain, rdata.Name(host).Host(), preference)
}

func (s *side) count(id schema.ID, what string) {
	_, domain, _ := strings.Cut(id.Key, "@")
	put(s.boxes, domain, what+" at "+id.Target, s.boxes[domain][what+" at "+id.Target]+1)
}

func text(v cty.Value, name string) string {
	if !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	if a := v.GetAttr(name); a.Type() == cty.String && a.IsKnown() && !a.IsNull() {
		return a.AsString()
	}
	return ""
}

func list(v cty.Value, name string) (out []string) {
	if !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return nil
	}
	a := v.GetAttr(name)
	if a.IsNull() || !a.IsWhollyKnown() || !a.CanIterateElements() {
		return nil
	}
	for _, el := range a.AsValueSlice() {
		if el.Type() == cty.String && !el.IsNull() {
			out = append(out, el.AsString())
		}
	}
	return out
}

// pictures are the ways of the mail of all domains, those first where something changes.
func pictures(p *plan.Plan) []picture {
	before, after := sides(p)
	var out []picture
	for _, domain := range keys(before.mx, after.mx, of(before.domains), of(after.domains)) {
		out = append(out, draw(domain, before, after))
	}
	slices.SortStableFunc(out, func(a, b picture) int {
		switch {
		case a.Changed == b.Changed:
			return 0
		case a.Changed:
			return -1
		}
		return 1
	})
	return out
}

// of makes a set fit for keys.
func of(set map[string]bool) map[string]map[string]string {
	out := make(map[string]map[string]string, len(set))
	for k := range set {
		out[k] = nil
	}
	return out
}

func keys[V any](maps ...map[string]V) []string {
	var out []string
	for _, m := range maps {
		for k := range m {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}

// between says what becomes of a thing.
func between[V comparable](before, after map[string]V, key string) string {
	b, was := before[key]
	a, is := after[key]
	switch {
	case !was:
		return "new"
	case !is:
		return "gone"
	case a != b:
		return "changed"
	}
	return "same"
}

// A node is a box that lines are drawn to.
type node struct {
	box
	id string
}

// draw makes the picture of a domain: the domain, its MX hosts, the servers of these names,
// and what they keep for it.
func draw(domain string, before, after *side) picture {
	p := picture{Domain: domain}
	var cols [columns][]node
	var links [][3]string // from, to, state
	add := func(col int, id, title, detail, state string) {
		cols[col] = append(cols[col], node{box{Title: cut(title), Detail: cut(detail), Full: strings.TrimSpace(title + " " + detail), State: state}, id})
		p.Changed = p.Changed || state != "same"
	}
	there := func(s *side) map[string]bool {
		_, mx := s.mx[domain]
		if mx || s.domains[domain] {
			return map[string]bool{domain: true}
		}
		return nil
	}
	add(0, "domain", domain, "", between(there(before), there(after), domain))
	servers := map[string]bool{}
	for _, host := range keys(before.mx[domain], after.mx[domain]) {
		state := between(before.mx[domain], after.mx[domain], host)
		was, is := before.mx[domain][host], after.mx[domain][host]
		detail := "preference " + cmp.Or(is, was)
		if state == "changed" {
			detail = "preference " + was + " → " + is
		}
		title := "MX " + host
		if host == "" {
			title, detail = "no MX", "takes no mail"
		}
		add(1, "mx "+host, title, detail, state)
		links = append(links, [3]string{"domain", "mx " + host, state})
		for _, srv := range keys(before.doors[host], after.doors[host]) {
			s := between(before.doors[host], after.doors[host], srv)
			if !servers[srv] {
				name, target, _ := strings.Cut(srv, " at ")
				add(2, srv, name, "at "+target, s)
				servers[srv] = true
			}
			links = append(links, [3]string{"mx " + host, srv, worse(state, s)})
		}
	}
	for _, what := range keys(before.boxes[domain], after.boxes[domain]) {
		state := between(before.boxes[domain], after.boxes[domain], what)
		was, is := before.boxes[domain][what], after.boxes[domain][what]
		name, target, _ := strings.Cut(what, " at ")
		title := numbered(cmp.Or(is, was), name)
		if state == "changed" {
			title = fmt.Sprintf("%d → %d %s", was, is, name)
		}
		add(3, what, title, "at "+target, state)
		for srv := range servers {
			links = append(links, [3]string{srv, what, "same"})
		}
	}
	p.place(cols, links)
	return p
}

// numbered says how many there are: "2 mailboxes", "1 mailbox".
func numbered(n int, what string) string {
	if n == 1 {
		what = strings.TrimSuffix(what, "es")
	}
	return strconv.Itoa(n) + " " + what
}

// worse is the state of a line between two things.
func worse(a, b string) string {
	for _, s := range []string{"gone", "new", "changed"} {
		if a == s || b == s {
			return s
		}
	}
	return "same"
}

// place puts the boxes where they stand, and draws the lines.
func (p *picture) place(cols [columns][]node, links [][3]string) {
	rows := 1
	for _, c := range cols {
		rows = max(rows, len(c))
	}
	p.Width = columns*boxWidth + (columns-1)*gapX
	p.Height = rows*boxHeight + (rows-1)*gapY
	at := map[string]box{}
	var said []string
	for col, c := range cols {
		top := (p.Height - len(c)*boxHeight - max(0, len(c)-1)*gapY) / 2
		for row := range c {
			b := &c[row].box
			b.X, b.Y = col*(boxWidth+gapX), top+row*(boxHeight+gapY)
			at[c[row].id] = *b
			p.Boxes = append(p.Boxes, *b)
			if col > 0 {
				said = append(said, b.Full+mark(b.State))
			}
		}
	}
	slices.SortFunc(links, func(a, b [3]string) int { return slices.Compare(a[:], b[:]) })
	for _, l := range links {
		from, to := at[l[0]], at[l[1]]
		x1, y1, x2, y2 := from.X+boxWidth, from.Y+boxHeight/2, to.X, to.Y+boxHeight/2
		state := l[2]
		if state == "changed" {
			state = "same"
		}
		if state == "same" && (from.State == "gone" || to.State == "gone") {
			state = "gone"
		} else if state == "same" && (from.State == "new" || to.State == "new") {
			state = "new"
		}
		p.Lines = append(p.Lines, line{fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, x1+gapX/2, y1, x2-gapX/2, y2, x2, y2), state})
	}
	p.Text = "Mail for " + p.Domain + ": " + strings.Join(said, "; ") + "."
}

func mark(state string) string {
	if state == "same" {
		return ""
	}
	return " (" + state + ")"
}

// cut shortens a text in the middle, where names differ least.
func cut(s string) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most/2-1]) + "…" + string(r[len(r)-most/2:])
}
