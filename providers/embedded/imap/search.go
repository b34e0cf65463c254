package imap

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/store"
)

// search is SEARCH and UID SEARCH.
func (c *conn) search(ctx context.Context, tag string, cmd *command.Search) (result, error) {
	v, o := c.view, &cmd.Options
	found, err := c.find(ctx, cmd)
	if err != nil {
		if o.ReturnSave {
			v.saved = nil // RFC 5182 §2.1: a search that fails saves nothing
		}
		return result{}, err
	}
	if o.ReturnSave {
		v.saved = v.uids(toSave(found, o))
	}
	switch saves := o.ReturnSave && !o.ReturnMin && !o.ReturnMax && !o.ReturnCount && !o.ReturnAll; {
	case !cmd.Extended && !c.rev2:
		c.writeNumbers("SEARCH", cmd, found)
	case saves: // and wants no answer
	default:
		c.writeESearch(tag, cmd, found, func() { c.w.Raw(v.set(v.uids(found), cmd.UID).String()) })
	}
	return result{}, nil
}

// writeNumbers writes what was found as a list of numbers, in its order.
func (c *conn) writeNumbers(name string, cmd *command.Search, found []int) {
	c.w.Raw("* " + name)
	for _, i := range found {
		c.w.Raw(" ").Uint(c.view.number(i, cmd.UID))
	}
	if cmd.ModSeq && len(found) > 0 {
		c.w.Raw(" (MODSEQ ").Uint(c.view.highest(found)).Raw(")")
	}
	c.w.End()
}

// find looks for the messages that a search is about.
func (c *conn) find(ctx context.Context, cmd *command.Search) ([]int, error) {
	switch cmd.Charset {
	case "", "US-ASCII", "UTF-8":
	default:
		return nil, no("BADCHARSET (US-ASCII UTF-8)", "Charset is not supported")
	}
	if cmd.ModSeq {
		c.condstore = true
	}
	s := &searcher{c: c, in: prepare(c.view, &cmd.Criteria)}
	return s.run(ctx)
}

// toSave is what SAVE keeps: with MIN or MAX alone, only those (RFC 5182 §2.4).
func toSave(found []int, o *imap.SearchOptions) []int {
	if len(found) == 0 || o.ReturnAll || o.ReturnCount || !o.ReturnMin && !o.ReturnMax {
		return found
	}
	var out []int
	if o.ReturnMin {
		out = append(out, found[0])
	}
	if o.ReturnMax {
		out = append(out, found[len(found)-1])
	}
	return slices.Compact(out)
}

// writeESearch writes the answer of RFC 4731 §3.1, in which MIN and MAX are the first
// and the last in the order of found. all writes the numbers of ALL.
func (c *conn) writeESearch(tag string, cmd *command.Search, found []int, all func()) {
	v, o := c.view, &cmd.Options
	c.w.Raw("* ESEARCH (TAG ").String(tag).Raw(")")
	if cmd.UID {
		c.w.Raw(" UID")
	}
	if n := len(found); n > 0 {
		if o.ReturnMin {
			c.w.Raw(" MIN ").Uint(v.number(found[0], cmd.UID))
		}
		if o.ReturnMax {
			c.w.Raw(" MAX ").Uint(v.number(found[n-1], cmd.UID))
		}
		if o.ReturnAll {
			c.w.Raw(" ALL ")
			all()
		}
	}
	if o.ReturnCount {
		c.w.Raw(" COUNT ").Uint(uint64(len(found)))
	}
	if cmd.ModSeq && len(found) > 0 {
		c.w.Raw(" MODSEQ ").Uint(v.highest(found))
	}
	c.w.End()
}

func (v *view) number(i int, uid bool) uint64 {
	if uid {
		return uint64(v.msgs[i].UID)
	}
	return uint64(i) + 1
}

func (v *view) highest(indexes []int) (modseq uint64) {
	for _, i := range indexes {
		modseq = max(modseq, v.msgs[i].ModSeq)
	}
	return modseq
}

// criteria is a search with what can be worked out beforehand: sets as indexes,
// texts folded.
type criteria struct {
	*imap.SearchCriteria
	within     [][]int
	flags, not []string
	headers    []imap.SearchCriteriaHeaderField
	body, text []string
	nots       []criteria
	ors        [][2]criteria
}

func prepare(v *view, c *imap.SearchCriteria) criteria {
	out := criteria{SearchCriteria: c}
	resolve := func(set imap.NumSet) {
		// Numbers beyond the end find nothing, and are no error here.
		if indexes, err := v.resolve(set, false); err == nil {
			out.within = append(out.within, indexes)
		}
	}
	for _, s := range c.SeqNum {
		resolve(s)
	}
	for _, s := range c.UID {
		resolve(s)
	}
	for _, f := range c.Flag {
		out.flags = append(out.flags, canonical(string(f)))
	}
	for _, f := range c.NotFlag {
		out.not = append(out.not, canonical(string(f)))
	}
	for _, h := range c.Header {
		out.headers = append(out.headers, imap.SearchCriteriaHeaderField{Key: h.Key, Value: message.Fold(h.Value)})
	}
	for _, s := range c.Body {
		out.body = append(out.body, message.Fold(s))
	}
	for _, s := range c.Text {
		out.text = append(out.text, message.Fold(s))
	}
	for i := range c.Not {
		out.nots = append(out.nots, prepare(v, &c.Not[i]))
	}
	for i := range c.Or {
		out.ors = append(out.ors, [2]criteria{prepare(v, &c.Or[i][0]), prepare(v, &c.Or[i][1])})
	}
	return out
}

// searcher tries messages one by one.
type searcher struct {
	c  *conn
	in criteria
}

func (s *searcher) run(ctx context.Context) ([]int, error) {
	v := s.c.view
	may := s.narrow(ctx)
	var found []int
	for i := range v.told {
		if v.isGone(i) || !may.May(v.msgs[i].Body) {
			continue
		}
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ok, err := s.try(ctx, i)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, i)
		}
	}
	return found, nil
}

func (s *searcher) try(ctx context.Context, i int) (bool, error) {
	cand := &candidate{i: i, content: content{m: &s.c.view.msgs[i]}, st: s.c.srv.opt.Store, zone: s.c.srv.zone()}
	defer cand.content.close()
	ok, err := cand.match(ctx, &s.in)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // expunged meanwhile
	}
	return ok, err
}

// candidate is a message that is tried. It is read only where a key needs that.
type candidate struct {
	i       int
	content content
	st      *store.Store
	zone    *time.Location // of the days of INTERNALDATE
}

// match tries what costs little first.
func (m *candidate) match(ctx context.Context, c *criteria) (bool, error) {
	if !m.matchAttributes(c) {
		return false, nil
	}
	for i := range c.nots {
		if ok, err := m.match(ctx, &c.nots[i]); ok || err != nil {
			return false, err
		}
	}
	for i := range c.ors {
		ok, err := m.match(ctx, &c.ors[i][0])
		if !ok && err == nil {
			ok, err = m.match(ctx, &c.ors[i][1])
		}
		if !ok || err != nil {
			return false, err
		}
	}
	return m.matchContent(ctx, c)
}

// matchAttributes tries what the view knows of the message.
func (m *candidate) matchAttributes(c *criteria) bool {
	msg := m.content.m
	for _, set := range c.within {
		if _, ok := slices.BinarySearch(set, m.i); !ok {
			return false
		}
	}
	for _, f := range c.flags {
		if !hasFlag(msg.Flags, f) {
			return false
		}
	}
	for _, f := range c.not {
		if hasFlag(msg.Flags, f) {
			return false
		}
	}
	if c.Larger > 0 && msg.Size <= c.Larger || c.Smaller > 0 && msg.Size >= c.Smaller {
		return false
	}
	if c.ModSeq != nil && msg.ModSeq < c.ModSeq.ModSeq {
		return false
	}
	return within(msg.Internal.In(m.zone), c.Since, c.Before)
}

func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return equalFold(f, flag) })
}

// within compares days, as SEARCH does, without time and zone.
func within(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

// matchContent tries what the message has to be read for.
func (m *candidate) matchContent(ctx context.Context, c *criteria) (bool, error) {
	sent := !c.SentSince.IsZero() || !c.SentBefore.IsZero()
	if !sent && len(c.headers) == 0 && len(c.body) == 0 && len(c.text) == 0 {
		return true, nil
	}
	if err := m.content.open(ctx, m.st); err != nil {
		return false, err
	}
	fields, err := m.content.header()
	if err != nil {
		return false, err
	}
	if sent {
		date, err := mail.ParseDate(fields.Get("Date"))
		if err != nil || !within(date, c.SentSince, c.SentBefore) {
			return false, nil
		}
	}
	for _, h := range c.headers {
		if !fields.Match(h.Key, h.Value) {
			return false, nil
		}
	}
	for _, text := range c.text {
		if fields.Contain(text) {
			continue
		}
		if ok, err := m.inBody(text); !ok || err != nil {
			return false, err
		}
	}
	for _, text := range c.body {
		if ok, err := m.inBody(text); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (m *candidate) inBody(text string) (bool, error) {
	root, err := m.content.parts()
	if err != nil {
		return false, err
	}
	return root.BodyContains(m.content.body, text)
}
