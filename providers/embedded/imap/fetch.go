package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/store"
)

// fetch is FETCH and UID FETCH.
func (c *conn) fetch(ctx context.Context, cmd *command.Fetch) (result, error) {
	f := newFetcher(c, cmd)
	indexes, err := c.view.resolve(cmd.Set, true)
	if err != nil {
		return result{}, err
	}
	if cmd.Vanished {
		if !c.qresync {
			return result{}, bad("QRESYNC is not enabled")
		}
		if set, ok := cmd.Set.(imap.UIDSet); ok && !imap.IsSearchRes(set) {
			if err := c.vanished(ctx, cmd.ChangedSince, set); err != nil {
				return result{}, err
			}
		}
	}
	if cmd.Conditional {
		indexes = slices.DeleteFunc(indexes, func(i int) bool { return c.view.msgs[i].ModSeq <= cmd.ChangedSince })
	}
	// \Seen is set a batch at a time: one transaction for many messages, and few
	// are marked that a broken connection does not deliver.
	const batch = 50
	for n := range indexes {
		if n%batch == 0 {
			if err := f.markSeen(ctx, indexes[n:min(n+batch, len(indexes))]); err != nil {
				return result{}, err
			}
		}
		if err := f.message(ctx, indexes[n:]); err != nil {
			return result{}, err
		}
		if err := errors.Join(ctx.Err(), c.w.Err()); err != nil {
			return result{}, &fatalError{err}
		}
	}
	if f.unknownCTE {
		return result{}, no(imap.ResponseCodeUnknownCTE, "Cannot decode the transfer encoding")
	}
	if f.missing && !cmd.UID {
		return someGone, nil
	}
	return result{}, nil
}

// fetcher writes the FETCH responses of one command.
type fetcher struct {
	c     *conn
	items []command.FetchItem
	// seen: reading a message here sets \Seen.
	seen bool
	// What the client has asked for beyond the body.
	hasFlags, hasModSeq, needsBody bool
	// Outcomes for the tagged response.
	missing, unknownCTE bool
	// marked holds the UIDs that this command has set \Seen on.
	marked map[uint32]bool
	ahead  ahead
}

func newFetcher(c *conn, cmd *command.Fetch) *fetcher {
	f := &fetcher{c: c, marked: make(map[uint32]bool), ahead: ahead{last: -1}}
	has := make(map[string]bool)
	for _, item := range cmd.Items {
		has[item.Name] = true
		switch item.Name {
		case "ENVELOPE", "BODYSTRUCTURE", "BODY":
			f.needsBody = true
		}
		if item.Section != nil {
			f.needsBody = true
			f.seen = f.seen || !item.Section.Peek
		}
	}
	f.hasFlags = has["FLAGS"]
	f.seen = f.seen && !c.view.readOnly && c.view.mailbox.Rights.Has("s")
	if cmd.Conditional || has["MODSEQ"] {
		c.condstore = true
	}
	if cmd.UID && !has["UID"] {
		f.items = append(f.items, command.FetchItem{Name: "UID"})
	}
	f.items = append(f.items, cmd.Items...)
	if c.condstore && !has["MODSEQ"] && (cmd.Conditional || f.hasFlags) {
		f.items = append(f.items, command.FetchItem{Name: "MODSEQ"})
		has["MODSEQ"] = true
	}
	f.hasModSeq = has["MODSEQ"]
	return f
}

// markSeen sets \Seen on the messages at the indexes.
func (f *fetcher) markSeen(ctx context.Context, indexes []int) error {
	if !f.seen {
		return nil
	}
	v := f.c.view
	var unseen []int
	for _, i := range indexes {
		if !slices.Contains(v.msgs[i].Flags, `\Seen`) {
			unseen = append(unseen, i)
		}
	}
	uids := v.uids(unseen)
	if len(uids) == 0 {
		return nil
	}
	changed, _, err := f.c.srv.opt.Store.StoreFlags(ctx, v.mailbox.ID, uids, store.FlagsAdd, []string{`\Seen`}, 0)
	if err != nil {
		return err
	}
	v.replace(changed)
	for _, m := range changed {
		f.marked[m.UID] = true
	}
	return nil
}

// message writes the response for the message at the first of the indexes, which
// are those that are left. It writes nothing for one that is not there any more.
// What it reads first, it reads before it writes.
func (f *fetcher) message(ctx context.Context, indexes []int) error {
	i := indexes[0]
	w, m := f.c.w, &f.c.view.msgs[i]
	content := &content{m: m}
	defer content.close()
	if f.needsBody {
		if f.c.view.isGone(i) {
			f.missing = true
			return nil
		}
		var err error
		if content.body, err = f.ahead.body(ctx, f.c.srv.opt.Store, f.c.view, indexes); err == nil {
			err = content.open(ctx, f.c.srv.opt.Store)
		}
		if errors.Is(err, store.ErrNotFound) {
			f.missing = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	if f.hasFlags {
		f.c.learnKeywords(m.Flags)
	}
	w.Raw("* ").Uint(uint64(i) + 1).Raw(" FETCH (")
	for k := range f.items {
		if k > 0 {
			w.Raw(" ")
		}
		if err := f.item(&f.items[k], content); err != nil {
			err = fmt.Errorf("read message %d of mailbox %d: %w", m.UID, f.c.view.mailbox.ID, err)
			f.c.log.Error("imap: FETCH failed half-way", "error", err)
			return &fatalError{err}
		}
	}
	if f.marked[m.UID] && !f.hasFlags {
		w.Raw(" FLAGS ").Strings(m.Flags)
		if f.c.condstore && !f.hasModSeq {
			w.Raw(" MODSEQ (").Uint(m.ModSeq).Raw(")")
		}
	}
	w.Line(")")
	return nil
}

// item writes one data item.
func (f *fetcher) item(item *command.FetchItem, content *content) error {
	w, m := f.c.w, content.m
	if item.Section != nil {
		return f.section(item, content)
	}
	w.Raw(item.Name).Raw(" ")
	switch item.Name {
	case "UID":
		w.Uint(uint64(m.UID))
	case "FLAGS":
		w.Strings(m.Flags)
	case "INTERNALDATE":
		w.DateTime(m.Internal.In(f.c.srv.zone()))
	case "RFC822.SIZE":
		w.Uint(uint64(m.Size))
	case "MODSEQ":
		w.Raw("(").Uint(m.ModSeq).Raw(")")
	case "ENVELOPE":
		fields, err := content.header()
		if err != nil {
			return err
		}
		writeEnvelope(w, fields)
	case "BODY", "BODYSTRUCTURE":
		root, err := content.parts()
		if err != nil {
			return err
		}
		writeStructure(w, root, item.Name == "BODYSTRUCTURE")
	}
	return nil
}

// section writes BODY[…], an RFC822 item, or one of BINARY.
func (f *fetcher) section(item *command.FetchItem, content *content) error {
	w, s := f.c.w, item.Section
	writeSectionName(w, item)
	w.Raw(" ")
	if item.Name == "BINARY" || item.Name == "BINARY.SIZE" {
		return f.binary(item, content)
	}
	if len(s.HeaderFields) > 0 || len(s.HeaderFieldsNot) > 0 {
		fields, ok, err := content.fieldsOf(s.Part)
		if err != nil || !ok {
			w.Raw("NIL")
			return err
		}
		names, others := s.HeaderFields, false
		if len(names) == 0 {
			names, others = s.HeaderFieldsNot, true
		}
		b := fields.Select(names, others)
		span := cut(message.Span{End: int64(len(b))}, s.Partial)
		w.LiteralHeader(span.Size(), false).Bytes(b[span.Start:span.End])
		return nil
	}
	span, ok, err := content.span(s)
	if err != nil || !ok {
		w.Raw("NIL")
		return err
	}
	span = cut(span, s.Partial)
	if m, ok := content.body.(memory); ok {
		w.LiteralHeader(span.Size(), false).Bytes(m[span.Start:span.End])
		return nil
	}
	return w.Literal(io.NewSectionReader(content.body, span.Start, span.Size()), span.Size(), false)
}

// binary writes a part without its transfer encoding (RFC 3516). It decodes
// twice, once for the size: that needs no memory for the part.
func (f *fetcher) binary(item *command.FetchItem, content *content) error {
	w, s := f.c.w, item.Section
	open := func() (io.Reader, error) {
		if len(s.Part) == 0 {
			return io.NewSectionReader(content.body, 0, content.body.Size()), nil
		}
		root, err := content.parts()
		if err != nil {
			return nil, err
		}
		if part := root.Find(s.Part); part != nil {
			return part.Decoded(content.body)
		}
		return nil, nil
	}
	nothing := "NIL"
	if item.Name == "BINARY.SIZE" {
		nothing = "0"
	}
	r, err := open()
	if errors.Is(err, message.ErrEncoding) {
		f.unknownCTE = true
		err, r = nil, nil
	}
	if err != nil || r == nil {
		w.Raw(nothing)
		return err
	}
	size, err := message.Size(r)
	if err != nil {
		return err
	}
	if item.Name == "BINARY.SIZE" {
		w.Uint(uint64(size))
		return nil
	}
	if r, err = open(); err != nil {
		return err
	}
	span := cut(message.Span{End: size}, s.Partial)
	if _, err := io.CopyN(io.Discard, r, span.Start); err != nil {
		return err
	}
	return w.Literal(r, span.Size(), true)
}

// cut takes the bytes that <offset.size> asks for out of a span.
func cut(s message.Span, p *imap.SectionPartial) message.Span {
	if p == nil {
		return s
	}
	start := s.Start + min(p.Offset, s.Size())
	return message.Span{Start: start, End: start + min(p.Size, s.End-start)}
}

// content is one message, of which no more is read than was asked for.
type content struct {
	m    *store.Message
	body store.Body

	headerLen int64
	fields    message.Fields
	hasHeader bool
	root      *message.Part
}

func (ct *content) open(ctx context.Context, st *store.Store) (err error) {
	if ct.body == nil {
		ct.body, err = st.OpenBody(ctx, ct.m.Body)
	}
	return err
}

func (ct *content) close() {
	if ct.body != nil {
		ct.body.Close()
	}
}

func (ct *content) header() (message.Fields, error) {
	if !ct.hasHeader {
		var err error
		if ct.headerLen, ct.fields, err = message.ReadHeader(ct.body, ct.body.Size()); err != nil {
			return nil, err
		}
		ct.hasHeader = true
	}
	return ct.fields, nil
}

func (ct *content) parts() (*message.Part, error) {
	if ct.root == nil {
		root, err := message.Parse(ct.body, ct.body.Size())
		if err != nil {
			return nil, err
		}
		ct.root = root
	}
	return ct.root, nil
}

// fieldsOf returns the header of the message, or of the message in a part.
func (ct *content) fieldsOf(part []int) (message.Fields, bool, error) {
	if len(part) == 0 {
		fields, err := ct.header()
		return fields, true, err
	}
	root, err := ct.parts()
	if err != nil {
		return nil, false, err
	}
	if p := root.Find(part); p != nil && p.Message != nil {
		return p.Message.Fields, true, nil
	}
	return nil, false, nil
}

// span finds where a section lies; ok is false for one that the message does
// not have.
func (ct *content) span(s *imap.FetchItemBodySection) (span message.Span, ok bool, err error) {
	size := ct.body.Size()
	if len(s.Part) == 0 {
		if s.Specifier == imap.PartSpecifierNone {
			return message.Span{End: size}, true, nil
		}
		if _, err := ct.header(); err != nil {
			return span, false, err
		}
		if s.Specifier == imap.PartSpecifierHeader {
			return message.Span{End: ct.headerLen}, true, nil
		}
		return message.Span{Start: ct.headerLen, End: size}, true, nil
	}
	root, err := ct.parts()
	if err != nil {
		return span, false, err
	}
	p := root.Find(s.Part)
	switch {
	case p == nil:
		return span, false, nil
	case s.Specifier == imap.PartSpecifierMIME:
		return p.Header, true, nil
	case s.Specifier == imap.PartSpecifierNone:
		return p.Body, true, nil
	case p.Message == nil:
		return span, false, nil
	case s.Specifier == imap.PartSpecifierHeader:
		return p.Message.Header, true, nil
	}
	return p.Message.Body, true, nil
}
