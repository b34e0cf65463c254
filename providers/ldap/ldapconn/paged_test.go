package ldapconn

import (
	"bufio"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// tlv is an element in BER.
func tlv(tag byte, content ...string) string {
	s := strings.Join(content, "")
	if len(s) < 0x80 {
		return string([]byte{tag, byte(len(s))}) + s
	}
	return string(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, uint32(len(s)))) + s
}

// rendered is what parseEntry reads.
func rendered(e *goldap.Entry) string {
	var list strings.Builder
	for _, a := range e.Attributes {
		var set strings.Builder
		for _, v := range a.Values {
			set.WriteString(tlv(tagOctets, v))
		}
		list.WriteString(tlv(tagSequence, tlv(tagOctets, a.Name), tlv(tagSet, set.String())))
	}
	return tlv(tagOctets, e.DN) + tlv(tagSequence, list.String())
}

func entryOf(dn string, mail ...string) *goldap.Entry {
	return &goldap.Entry{DN: dn, Attributes: []*goldap.EntryAttribute{{Name: "mail", Values: mail}}}
}

// serve answers each search of a connection by what answer makes of its number: whole
// messages.
func serve(t *testing.T, answer func(number string) string) *Paged {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	between := &taker{Conn: here, in: bufio.NewReader(here)}
	p := &Paged{Conn: goldap.NewConn(between, false), taker: between}
	p.Start()
	t.Cleanup(func() { _ = p.Close(); _ = there.Close() })
	go func() {
		in := &taker{Conn: there, in: bufio.NewReader(there)}
		for {
			m, err := in.message()
			if err != nil {
				return
			}
			number, op, _, ok := parseMessage(string(m))
			if !ok || op != tagSearch {
				continue
			}
			if _, err := there.Write([]byte(answer(number))); err != nil {
				return
			}
		}
	}()
	return p
}

func message(number, content string) string {
	return tlv(tagSequence, tlv(tagInteger, number), content)
}

// done is a SearchResultDone of success.
func done(number string) string {
	return message(number, tlv(0x65, tlv(0x0a, "\x00"), tlv(tagOctets), tlv(tagOctets)))
}

func request(paged bool) *goldap.SearchRequest {
	var controls []goldap.Control
	if paged {
		controls = append(controls, goldap.NewControlPaging(10))
	}
	return goldap.NewSearchRequest("dc=test", goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, "(mail=*)", []string{"mail"}, controls)
}

func names(result *goldap.SearchResult) string {
	var all []string
	for _, e := range result.Entries {
		all = append(all, e.DN+"="+strings.Join(e.GetAttributeValues("mail"), "+"))
	}
	return strings.Join(all, " ")
}

func TestEntriesOfAPage(t *testing.T) {
	entry := func(number, dn string, mail ...string) string {
		return message(number, tlv(tagEntry, rendered(entryOf(dn, mail...))))
	}
	// Its length is said at its end, which BER allows and LDAP does not.
	endless := func(m string) string { return "\x30\x80" + m[2:] + "\x00\x00" }
	for name, tt := range map[string]struct {
		answer func(number string) string
		want   string
	}{
		"none":                                  {done, ""},
		"some":                                  {func(n string) string { return entry(n, "a", "x", "y") + entry(n, "b") + done(n) }, "a=x+y b="},
		"a large one":                           {func(n string) string { return entry(n, "a", strings.Repeat("x", 70000)) + done(n) }, "a=" + strings.Repeat("x", 70000)},
		"those of another request go elsewhere": {func(n string) string { return entry("\x7e", "stray", "x") + entry(n, "a", "x") + done(n) }, "a=x"},
		"what is no entry of ours is the library's": {func(n string) string {
			return entry(n, "a", "x") + message(n, tlv(tagEntry, tlv(tagOctets, "b"), tlv(tagSequence, tlv(tagSequence, tlv(tagOctets, "mail"), tlv(tagSet, tlv(0x0c, "y")))))) + done(n)
		}, "a=x b=y"},
		"messages without a length": {func(n string) string {
			return entry(n, "a", "x") + endless(entry(n, "b", "y")) + entry(n, "c", "z") + done(n)
		}, "a=x b=y c=z"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := serve(t, tt.answer).Page(request(true))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, names(result)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Searches side by side over one connection have each their own.
func TestSearchesBesideAPage(t *testing.T) {
	p := serve(t, func(n string) string {
		return message(n, tlv(tagEntry, rendered(entryOf("n", n)))) + done(n)
	})
	errs := make(chan error)
	for i := range 40 {
		go func() {
			search := p.Search
			if i%2 == 0 {
				search = p.Page
			}
			result, err := search(request(i%2 == 0))
			if err == nil && len(result.Entries) != 1 {
				t.Errorf("%d entries", len(result.Entries))
			}
			errs <- err
		}()
	}
	for range 40 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestAConnectionThatBreaksInAPage(t *testing.T) {
	var p *Paged
	p = serve(t, func(n string) string {
		whole := message(n, tlv(tagEntry, rendered(entryOf("a", "x"))))
		go func() { _ = p.Close() }()
		return whole + whole[:len(whole)/2]
	})
	if result, err := p.Page(request(true)); err == nil {
		t.Errorf("half a page is one: %q", names(result))
	}
}

// FuzzEntry reads entries: what is read is rendered and read again as it was, and a
// text that is none is refused.
func FuzzEntry(f *testing.F) {
	f.Add(rendered(entryOf("uid=a,dc=test", "a@example.com", "b@example.com")))
	f.Add(rendered(entryOf("", strings.Repeat("x", 300))))
	f.Add(rendered(&goldap.Entry{}))
	f.Add("\x04\x01a\x30\x84\xff\xff\xff\xff")
	f.Add(message("\x01", tlv(tagEntry, "x")))
	f.Fuzz(func(t *testing.T, s string) {
		_, _, _, _ = parseMessage(s) // it must not panic
		e, ok := parseEntry(s)
		if !ok {
			return
		}
		again, ok := parseEntry(rendered(e))
		if !ok {
			t.Fatalf("%q is read, and not what is made of it", s)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Error(d)
		}
	})
}
