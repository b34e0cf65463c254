package ldapconn

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"
)

// A Paged is a connection over which many entries come quickly: those of a page go
// past the library, which makes a tree of each and hands it from one goroutine to the
// next. Where TLS was begun by STARTTLS they take the library's way.
type Paged struct {
	*goldap.Conn
	one   sync.Mutex // one page at a time
	taker *taker     // nil: all goes to the library
}

// OpenPaged opens a connection as [Open] does.
func OpenPaged(ctx context.Context, o Options) (*Paged, error) {
	p := &Paged{}
	if !o.StartTLS {
		p.taker = &taker{}
	}
	var err error
	if p.Conn, err = open(ctx, o, p.taker); err != nil {
		return nil, err
	}
	return p, nil
}

// Page searches for what a request with [goldap.ControlPaging] asks for. The values
// of attributes are there as texts alone. They come in no particular order.
func (p *Paged) Page(request *goldap.SearchRequest) (*goldap.SearchResult, error) {
	if p.taker == nil {
		return p.Search(request)
	}
	p.one.Lock()
	defer p.one.Unlock()
	page := &page{}
	p.taker.await(page)
	result, err := p.Search(request)
	p.taker.await(nil)
	if err == nil {
		result.Entries = append(page.entries, result.Entries...)
	}
	return result, err
}

// A page is what comes to one request.
type page struct {
	request string // its message's number, as it stands on the wire; empty: not yet sent
	entries []*goldap.Entry
}

// A taker is what the library takes for the network. It sees the messages of both
// directions, keeps the entries of the page that is awaited, and hands on all else as
// it is; also what it cannot read.
type taker struct {
	net.Conn
	in      *bufio.Reader
	scratch []byte
	rest    []byte // of a message that is handed on
	strange bool   // what comes is not in messages that we know the end of

	mu   sync.Mutex
	page *page // nil: none is awaited
}

// Tags of messages (RFC 4511 §4.1.1, §4.5).
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagSequence = 0x30
	tagSet      = 0x31
	tagSearch   = 0x63
	tagEntry    = 0x64
)

// largestMessage is the size of the largest message that is read before it is handed
// on.
const largestMessage = 16 << 20

func (t *taker) await(p *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.page = p
}

// Write notes which request is that for the page.
func (t *taker) Write(b []byte) (int, error) {
	t.mu.Lock()
	if t.page != nil && t.page.request == "" {
		if number, op, _, ok := parseMessage(string(b)); ok && op == tagSearch && strings.Contains(string(b), goldap.ControlTypePaging) {
			t.page.request = number
		}
	}
	t.mu.Unlock()
	return t.Conn.Write(b)
}

func (t *taker) Read(b []byte) (int, error) {
	for len(t.rest) == 0 {
		if t.strange {
			return t.in.Read(b)
		}
		m, err := t.message()
		if err != nil {
			return 0, err
		}
		if !t.take(m) {
			t.rest = m
		}
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// message reads one message; nothing where it is strange.
func (t *taker) message() ([]byte, error) {
	head, err := t.in.Peek(2)
	if len(head) == 1 && err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	size, more := int(head[1]), 0
	if size >= 0x80 {
		more = size & 0x7f
		if more < 1 || more > 4 {
			t.strange = true
			return nil, nil
		}
		if head, err = t.in.Peek(2 + more); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint32(append(make([]byte, 4-more, 4), head[2:]...)))
	}
	if head[0] != tagSequence || size > largestMessage {
		t.strange = true
		return nil, nil
	}
	size += 2 + more
	if cap(t.scratch) < size {
		t.scratch = make([]byte, size)
	}
	m := t.scratch[:size]
	_, err = io.ReadFull(t.in, m)
	return m, err
}

// take keeps a message if it is an entry of the page.
func (t *taker) take(m []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.page == nil || t.page.request == "" {
		return false
	}
	number, op, content, ok := parseMessage(string(m))
	if !ok || op != tagEntry || number != t.page.request {
		return false
	}
	e, ok := parseEntry(content)
	if ok {
		t.page.entries = append(t.page.entries, e)
	}
	return ok
}

// parseMessage finds the number of a message, and what it is about.
func parseMessage(m string) (number string, op byte, content string, ok bool) {
	tag, in, after, ok := element(m)
	if !ok || tag != tagSequence || after != "" {
		return "", 0, "", false
	}
	tag, number, in, ok = element(in)
	if !ok || tag != tagInteger || number == "" {
		return "", 0, "", false
	}
	op, content, _, ok = element(in)
	return number, op, content, ok
}

// parseEntry reads a SearchResultEntry (RFC 4511 §4.5.2). Its texts are parts of the
// text that it was read from.
func parseEntry(s string) (*goldap.Entry, bool) {
	tag, dn, s, ok := element(s)
	if !ok || tag != tagOctets {
		return nil, false
	}
	tag, list, s, ok := element(s)
	if !ok || tag != tagSequence || s != "" {
		return nil, false
	}
	e := &goldap.Entry{DN: dn}
	for list != "" {
		var attribute, name, set string
		if tag, attribute, list, ok = element(list); !ok || tag != tagSequence {
			return nil, false
		}
		if tag, name, attribute, ok = element(attribute); !ok || tag != tagOctets {
			return nil, false
		}
		if tag, set, attribute, ok = element(attribute); !ok || tag != tagSet || attribute != "" {
			return nil, false
		}
		a := &goldap.EntryAttribute{Name: name}
		for set != "" {
			var value string
			if tag, value, set, ok = element(set); !ok || tag != tagOctets {
				return nil, false
			}
			a.Values = append(a.Values, value)
		}
		e.Attributes = append(e.Attributes, a)
	}
	return e, true
}

// element reads the first element of a text in BER, with a length that it says
// (RFC 4511 §5.1), and of a tag of one byte.
func element(s string) (tag byte, content, after string, ok bool) {
	if len(s) < 2 || s[0]&0x1f == 0x1f {
		return 0, "", "", false
	}
	tag, size, s := s[0], int(s[1]), s[2:]
	if size >= 0x80 {
		more := size & 0x7f
		if more < 1 || more > 4 || len(s) < more {
			return 0, "", "", false
		}
		size = 0
		for _, b := range []byte(s[:more]) {
			size = size<<8 | int(b)
		}
		s = s[more:]
	}
	if size < 0 || size > len(s) { // below 0: where a number has 32 bits
		return 0, "", "", false
	}
	return tag, s[:size], s[size:], true
}
