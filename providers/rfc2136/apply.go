package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// tries bounds how often the changes of a zone are held to it anew because others
// write to it all the time.
const tries = 8

// patience is after how many of them the SOA record is no longer demanded, where
// one message holds all: in a zone that others write to without a pause it never
// is the one that was read. The values of record sets are demanded all the same.
const patience = 3

// A job is what a batch does in one zone.
type job struct {
	zone    rdata.Name
	changes []providers.Change
	keys    []zonedata.Key // of record sets, by change
	errs    []error        // by change; nil where it was not told yet
	err     error          // of what is not done in the end

	view  *view
	edits *zonedata.Edits
	// chunks are the units of each message; next is the message to be sent.
	chunks [][]*unit
	next   int
	// soa is the SOA record that the next message demands. It is nil once the
	// server has turned out to compare with another than it shows, as BIND does
	// where it signs a copy of the zone (inline-signing).
	soa   *dns.SOA
	blind bool
	tries int
	// written counts the messages that the server has carried out.
	written, messages int
	ended             bool
}

// Apply implements providers.Provider. What a batch has for a zone is made as a
// whole or not at all, as long as one message holds it; what it has for other
// zones goes on beside that.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	parts, errs := zonedata.Group(batch)
	results := make([]providers.Observed, len(batch))
	jobs := make([]*job, len(parts))
	for i, part := range parts {
		j := &job{zone: part.Zone, errs: make([]error, len(part.Changes))}
		for _, n := range part.Changes {
			_, k, _ := zonedata.ParseSetKey(batch[n].Resource.Key) // none for a zone
			j.changes, j.keys = append(j.changes, batch[n]), append(j.keys, k)
		}
		jobs[i] = j
	}
	p.carryOut(ctx, jobs)
	for i, part := range parts {
		for k, n := range part.Changes {
			results[n], errs[n] = jobs[i].outcome(k)
		}
	}
	for i, c := range batch {
		if err := done(c, results[i], errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does all jobs, side by side, and reads their zones again.
func (p *Provider) carryOut(ctx context.Context, jobs []*job) {
	var unread []*job
	for _, j := range jobs {
		if j.view = p.views[j.zone]; j.view == nil {
			unread = append(unread, j)
		}
	}
	p.lookAgain(ctx, unread)
	var touched, older []*job
	for _, j := range jobs {
		j.prepare(p.limit())
		if j.ended && !slices.Contains(unread, j) {
			older = append(older, j)
		}
	}
	p.lookAgain(ctx, older) // it may be as the plan saw it by now
	for _, j := range older {
		j.ended, j.err = false, nil
		clear(j.errs)
		j.prepare(p.limit())
	}
	for _, j := range jobs {
		if !j.ended {
			touched = append(touched, j)
		}
	}
	p.control(ctx, touched)
	for {
		var under []*job
		var list []*exchange
		for _, j := range touched {
			if x := j.message(p.key); x != nil {
				under, list = append(under, j), append(list, x)
			}
		}
		if len(list) == 0 {
			break
		}
		p.client.run(ctx, list)
		var again []*job
		for i, j := range under {
			if j.answered(list[i].err, p.client.server) {
				again = append(again, j)
			}
		}
		p.lookAgain(ctx, again)
		for _, j := range again {
			j.retry(p.limit())
		}
	}
	if ctx.Err() != nil { // what was written is to be told all the same
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), p.client.timeout)
		defer cancel()
	}
	p.lookAgain(ctx, touched)
	p.settle(ctx, touched)
}

// settling is how long a server may take to show what it has carried out: one that
// signs a copy of a zone does so a moment after it has answered.
const settling = 2 * time.Second

// settle reads zones once more, until they show what was carried out in them.
func (p *Provider) settle(ctx context.Context, jobs []*job) {
	deadline := time.Now().Add(settling)
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		var later []*job
		for _, j := range jobs {
			if j.written > 0 && !j.shown() {
				later = append(later, j)
			}
		}
		if len(later) == 0 || time.Now().Add(wait).After(deadline) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		p.lookAgain(ctx, later)
	}
}

// shown reports whether the zone shows all that was carried out without an error.
func (j *job) shown() bool {
	if j.err != nil || j.view.err != nil {
		return true
	}
	for i := range j.changes {
		if j.errs[i] == nil && !j.made(i) {
			return false
		}
	}
	return true
}

func (p *Provider) limit() int {
	if p.maxSize > 0 {
		return p.maxSize
	}
	return dns.MaxMsgSize - reserve
}

// lookAgain reads the zones of jobs.
func (p *Provider) lookAgain(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	names := make([]rdata.Name, len(jobs))
	declared := map[rdata.Name]map[zonedata.Key]bool{}
	for i, j := range jobs {
		names[i] = j.zone
		keys := map[zonedata.Key]bool{}
		if j.view != nil {
			for k := range j.view.declared {
				keys[k] = true
			}
		}
		for _, c := range j.changes {
			if _, k, err := zonedata.ParseSetKey(c.Resource.Key); err == nil {
				keys[k] = true
			}
		}
		declared[j.zone] = keys
	}
	views := p.look(ctx, names, declared)
	for _, j := range jobs {
		j.view = views[j.zone]
		delete(p.views, j.zone)
		if j.view.err == nil {
			p.views[j.zone] = j.view
		}
	}
}

// prepare holds the changes to what is there and makes messages of what is left
// to do.
func (j *job) prepare(limit int) {
	if j.view.err != nil {
		j.end(j.view.err)
		return
	}
	var errs []error
	j.edits, errs = zonedata.Prepare(j.view.zone, j.changes)
	if zonedata.Refused(errs) {
		j.errs, j.ended = errs, true
		return
	}
	j.chunks, j.next = nil, 0
	if j.edits.Create || j.edits.Delete {
		return // by other means
	}
	all, err := units(j.zone, j.edits.Sets)
	if err == nil && j.view.zone != nil {
		err = beside(j.view.zone, j.edits.Sets)
	}
	if err != nil {
		j.end(err)
		return
	}
	for _, u := range all {
		if u.size > limit {
			j.end(fmt.Errorf("the records at %s have more than the %d octets that an update can hold", u.name(), limit))
			return
		}
	}
	if j.chunks = messages(all, limit); len(j.chunks) == 0 && j.edits.SOA != nil {
		j.chunks = [][]*unit{nil}
	}
	j.messages = j.written + len(j.chunks)
	if j.view.zone != nil && !j.blind {
		j.soa = j.view.zone.SOA
	}
}

func (u *unit) name() string {
	for _, rr := range append(u.adds, u.demands...) {
		return rr.Header().Name
	}
	return "a name"
}

func (j *job) end(err error) {
	j.ended = true
	if j.err == nil {
		j.err = err
	}
}

// message is the next one to be sent; nil: there is none.
func (j *job) message(k *key) *exchange {
	if j.ended || j.next >= len(j.chunks) {
		return nil
	}
	m := update(j.zone, j.chunks[j.next], j.soa, j.nextSOA())
	return &exchange{msg: m, key: k, once: true, take: func(m *dns.Msg) (bool, error) { return true, updateError(m.Rcode) }}
}

// nextSOA is the SOA record that the message leaves. It says so itself where the
// SOA record changes, or where another message has to know it; else the server
// raises the serial.
func (j *job) nextSOA() *dns.SOA {
	now := j.view.zone.SOA
	if j.soa != nil {
		now = j.soa
	}
	serial := zonedata.NextSerial(now.Serial)
	switch last := j.next == len(j.chunks)-1; {
	case j.edits.SOA != nil && (j.next == 0 || !last):
		return j.edits.SOA.RR(j.zone, serial)
	case !last && !j.blind:
		next := dns.Copy(now).(*dns.SOA)
		next.Serial = serial
		return next
	}
	return nil
}

// errMoved is the error of an update one of whose demands is not met.
var errMoved = errors.New("something in the zone is not as the update demands")

func updateError(code int) error {
	switch code {
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeNameError, dns.RcodeYXDomain:
		return fmt.Errorf("%w (%s)", errMoved, dns.RcodeToString[code])
	}
	return rcode(code)
}

// answered takes in what became of a message. It reports whether the zone has to
// be read again before it can go on.
func (j *job) answered(err error, server string) (again bool) {
	switch {
	case err == nil:
		next := j.nextSOA()
		if j.next++; next != nil && j.soa != nil {
			j.soa = next
		}
		j.written++
	case errors.Is(err, errMoved):
		if j.tries++; j.tries < tries {
			return true
		}
		j.end(fmt.Errorf("%s: %w, %d times in a row, though a transfer shows it so. Others may be writing to it all the time; try again", j.zone.Host(), err, j.tries))
	default:
		what := ""
		switch {
		case errors.Is(err, ErrRefused):
			what = "; the key may not change all of this"
			if j.nextSOA() != nil {
				what += ", the SOA record included"
			}
			what += ", or the zone would break a rule of the server, whose log tells which"
		case errors.Is(err, errNoZone):
			what = "; updates go to the primary server of a zone"
		}
		j.end(fmt.Errorf("update the zone %s at %s: %w%s", j.zone.Host(), server, err, what))
	}
	return false
}

// retry goes on with a zone that was read again because something in it is not as
// an update demanded: to a conflict, if that is one of ours, else to the same
// changes on top of what others have made.
func (j *job) retry(limit int) {
	if j.view.err != nil {
		j.end(j.view.err)
		return
	}
	if j.written > 0 {
		// What is done so far is one half of what was planned. The other half is not
		// put on top of what nobody has seen.
		if j.prepare(limit); !j.ended {
			j.end(fmt.Errorf("%w: others have written to the zone %s, whose serial is %d and was to be %d, between two messages of one change",
				providers.ErrConflict, j.zone.Host(), j.view.zone.SOA.Serial, j.soa.Serial))
		}
		return
	}
	before := j.soa
	if j.view.zone != nil && before != nil && before.Serial == j.view.zone.SOA.Serial {
		j.blind, j.soa = true, nil
	}
	if j.tries >= patience && len(j.chunks) == 1 {
		j.blind, j.soa = true, nil
	}
	j.prepare(limit)
}

// outcome is what became of a change, by what the zone has now.
func (j *job) outcome(i int) (providers.Observed, error) {
	c := &j.changes[i]
	err := j.errs[i]
	if err == nil {
		if j.made(i) {
			if c.Action == providers.Delete {
				return providers.Observed{Kind: c.Resource.Kind, Key: c.Resource.Key}, nil
			}
			have, _ := j.view.zone.Find(c.Resource.Kind, c.Resource.Key)
			return have, nil
		}
		if err = j.err; err == nil {
			err = j.view.err
		}
	}
	if err != nil {
		return providers.Observed{}, j.partly(err)
	}
	is := "it is not there"
	if j.view.zone != nil {
		if have, ok := j.view.zone.Find(c.Resource.Kind, c.Resource.Key); ok {
			is = "it is " + describe(have)
		}
	}
	return providers.Observed{}, fmt.Errorf("%s %s: %w: %s", noun(c.Resource.Kind), c.Resource.Key, ErrIgnored, is)
}

// made reports whether the zone has now what a change wants. Of a batch that takes
// a thing away and makes it anew the end counts.
func (j *job) made(i int) bool {
	return j.view.err == nil && j.edits != nil && j.edits.Met(j.view.zone, j.changes[i].Resource.Kind, j.keys[i])
}

func noun(kind string) string {
	if kind == schema.KindRRset {
		return "record set"
	}
	return kind
}

func describe(o providers.Observed) string {
	if o.Kind == schema.KindRRset {
		if _, s, err := zonedata.SetOf(o.Attrs); err == nil {
			return s.String()
		}
	}
	if _, s, err := zonedata.SOAOf(o.Attrs); err == nil {
		return s.String()
	}
	return "another"
}

// partly says of an error what was written before it.
func (j *job) partly(err error) error {
	if j.written == 0 {
		return err
	}
	return fmt.Errorf("%w. Of the %d messages that the changes of the zone %s took, %s before it", err, j.messages, j.zone.Host(), carried(j.written))
}

func carried(n int) string {
	if n == 1 {
		return "1 was carried out"
	}
	return fmt.Sprintf("%d were carried out", n)
}

// keysShown is how many record sets an error names.
const keysShown = 5

// list names record sets for an error text.
func list(keys []zonedata.Key) string {
	names := make([]string, 0, keysShown+1)
	for i, k := range keys {
		if i == keysShown {
			names = append(names, fmt.Sprintf("%d more", len(keys)-i))
			break
		}
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// control makes the zones that are to be made, and removes those that are to go.
func (p *Provider) control(ctx context.Context, jobs []*job) {
	var made, going []*job
	for _, j := range jobs {
		if !j.ended && j.edits.Delete {
			going = append(going, j)
		}
	}
	p.lookAgain(ctx, going) // no server compares for us
	for _, j := range going {
		j.prepare(p.limit())
	}
	for _, j := range jobs {
		var err error
		switch {
		case j.ended || !j.edits.Create && !j.edits.Delete:
			continue
		case j.edits.Create:
			if err = p.creates(); err == nil {
				err = p.Control.Create(ctx, j.zone, p.first(j))
			}
			if err == nil {
				made = append(made, j)
				continue
			}
		case p.Control == nil:
			err = errors.New("RFC 2136 has no way to remove a zone")
		case j.view.partial:
			err = errors.New("its transfer is refused, so that nobody can tell what others have in it. Let the key transfer it, or remove the zone by hand")
		case len(j.edits.Left) > 0:
			err = fmt.Errorf("it still has what mailform did not make: %s. Take that away first, or remove the zone by hand", list(j.edits.Left))
		default:
			err = p.Control.Remove(ctx, j.zone)
		}
		if err != nil {
			j.end(fmt.Errorf("zone %s: %w", j.zone.Host(), err))
		}
	}
	p.lookAgain(ctx, made)
	for _, j := range made {
		if j.view.err == nil && j.view.zone == nil {
			j.end(fmt.Errorf("zone %s: %w: %s does not answer for it", j.zone.Host(), ErrIgnored, p.client.server))
			continue
		}
		j.prepare(p.limit())
	}
}

// begin remembers what is wanted in zones that are not there yet: a zone begins
// with its name servers.
func (p *Provider) begin(scope providers.Scope) {
	p.wanted = nil
	if p.Control == nil || !slices.ContainsFunc(scope.Wanted, func(r schema.Resource) bool {
		if r.Kind != schema.KindZone {
			return false
		}
		name, err := zonedata.ZoneName(r.Kind, r.Key)
		return err == nil && p.views[name] != nil && p.views[name].zone == nil
	}) {
		return
	}
	p.wanted = map[rdata.Name]map[zonedata.Key]*zonedata.Set{}
	for i := range scope.Wanted {
		r := &scope.Wanted[i]
		zone, s, err := zonedata.SetOf(r.Attrs)
		if r.Kind != schema.KindRRset || err != nil || s.Type != "A" && s.Type != "AAAA" && s.Type != "NS" {
			continue
		}
		if p.wanted[zone] == nil {
			p.wanted[zone] = map[zonedata.Key]*zonedata.Set{}
		}
		p.wanted[zone][s.Key] = s
	}
}

// first is what a zone begins with: no server takes one without NS records, nor
// one whose name servers lie in it and have no addresses there.
func (p *Provider) first(j *job) []string {
	soa := j.edits.SOA
	ns := &zonedata.Set{Key: zonedata.Key{Name: j.zone, Type: "NS"}, TTL: soa.NegativeTTL, Values: []string{string(soa.Primary)}}
	sets := map[zonedata.Key]*zonedata.Set{}
	for k, s := range p.wanted[j.zone] {
		sets[k] = s
	}
	for _, e := range j.edits.Sets {
		sets[e.Key] = e.After
	}
	if s := sets[ns.Key]; s != nil {
		ns = s
	}
	lines := []string{soa.RR(j.zone, 1).String()}
	add := func(s *zonedata.Set) {
		for _, v := range s.Values {
			lines = append(lines, rdata.Line(s.Name, s.TTL, s.Type, v))
		}
	}
	add(ns)
	for _, host := range ns.Values {
		for _, t := range []string{"A", "AAAA"} {
			if s := sets[zonedata.Key{Name: rdata.Name(host), Type: t}]; s != nil {
				add(s)
			}
		}
	}
	return lines
}
