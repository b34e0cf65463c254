package rfc2136

import (
	"errors"
	"fmt"

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
			return j.edits.Observed(j.view.zone, &c.Resource, j.keys[i]), nil
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
