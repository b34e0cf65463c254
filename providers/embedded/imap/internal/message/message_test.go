package message_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
)

// crlf makes a message of lines.
func crlf(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

var mixed = crlf(
	"From: a@example.com",
	"Content-Type: multipart/mixed; boundary=\"out er\"",
	"",
	"preamble",
	"--out er",
	"Content-Type: multipart/alternative; boundary=in",
	"",
	"--in",
	"",
	"plain",
	"--in",
	"Content-Type: text/html; charset=utf-8",
	"Content-Transfer-Encoding: quoted-printable",
	"",
	"<p>gr=C3=BC=",
	"n</p>",
	"--in--",
	"epilogue of the inner one",
	"--out er",
	"Content-Type: message/rfc822",
	"",
	"Subject: inner",
	"Content-Type: multipart/mixed; boundary=deep",
	"",
	"--deep",
	"Content-Type: text/plain",
	"",
	"deep one",
	"",
	"--deep",
	"Content-Type: application/octet-stream",
	"Content-Transfer-Encoding: base64",
	"",
	"AAEC",
	"--deep--",
	"--out er--",
	"epilogue",
)

// outline writes a part and what is below it in short.
func outline(raw string, p *message.Part) string {
	s := p.Type + "/" + p.Subtype
	switch {
	case p.Multipart():
		var below []string
		for _, c := range p.Children {
			below = append(below, outline(raw, c))
		}
		return s + "(" + strings.Join(below, " ") + ")"
	case p.Message != nil:
		return s + "[" + outline(raw, p.Message) + "]"
	}
	return fmt.Sprintf("%s %q %d", s, raw[p.Body.Start:p.Body.End], p.Lines)
}

func TestParse(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"a plain message": {crlf("Subject: x", "", "one", "two"), `text/plain "one\r\ntwo\r\n" 2`},
		"a header alone":  {"Subject: x\r\n", `text/plain "" 0`},
		"nothing":         {"", `text/plain "" 0`},
		"no header":       {crlf("", "body"), `text/plain "body\r\n" 1`},
		"line feeds alone": {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
			`multipart/mixed(text/plain "one" 0)`},
		"parts within parts": {mixed, `multipart/mixed(` +
			`multipart/alternative(text/plain "plain" 0 text/html "<p>gr=C3=BC=\r\nn</p>" 1) ` +
			`message/rfc822[multipart/mixed(text/plain "deep one\r\n" 1 application/octet-stream "AAEC" 0)])`},
		"a multipart without an end": {crlf("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "one"),
			`multipart/mixed(text/plain "one\r\n" 1)`},
		"a multipart without parts": {crlf("Content-Type: multipart/mixed; boundary=b", "", "one"),
			`multipart/mixed "one\r\n" 1`},
		"a multipart without a boundary": {crlf("Content-Type: multipart/mixed", "", "one"),
			`multipart/mixed "one\r\n" 1`},
		"an inner part that the outer boundary ends": {
			crlf("Content-Type: multipart/mixed; boundary=b", "", "--b",
				"Content-Type: multipart/mixed; boundary=c", "", "--c", "", "one", "--b", "", "two", "--b--"),
			`multipart/mixed(multipart/mixed(text/plain "one" 0) text/plain "two" 0)`},
		"a boundary that begins like another": {
			crlf("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "one", "--bc", "two", "--b--"),
			`multipart/mixed(text/plain "one\r\n--bc\r\ntwo" 2)`},
		"a digest": {crlf("Content-Type: multipart/digest; boundary=b", "", "--b", "", "Subject: x", "", "one", "--b--"),
			`multipart/digest(message/rfc822[text/plain "one" 0])`},
		"an encoded message is no message": {
			crlf("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", "AAEC"),
			`message/rfc822 "AAEC\r\n" 1`},
		"a type that is none": {crlf("Content-Type: nonsense", "", "one"), `text/plain "one\r\n" 1`},
		"a line beyond every buffer": {crlf("Subject: x", "", strings.Repeat("x", 40<<10)+"--b"),
			fmt.Sprintf("text/plain %q 1", strings.Repeat("x", 40<<10)+"--b\r\n")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := message.Parse(strings.NewReader(tt.raw), int64(len(tt.raw)))
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(tt.raw, p); got != tt.want {
				t.Errorf("structure\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	p, err := message.Parse(strings.NewReader(mixed), int64(len(mixed)))
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string]string{
		"1":     "multipart/alternative",
		"1.1":   "text/plain",
		"1.2":   "text/html",
		"1.3":   "",
		"1.1.1": "",
		"2":     "message/rfc822",
		"2.1":   "text/plain",
		"2.2":   "application/octet-stream",
		"2.3":   "",
		"3":     "",
	} {
		var path []int
		for _, n := range strings.Split(number, ".") {
			path = append(path, int(n[0]-'0'))
		}
		got := ""
		if f := p.Find(path); f != nil {
			got = f.Type + "/" + f.Subtype
		}
		if got != want {
			t.Errorf("part %s is %q, want %q", number, got, want)
		}
	}
}

func TestDecoded(t *testing.T) {
	tests := map[string]struct{ encoding, body, want string }{
		"as it is":              {"8bit", "gr\xc3\xbcn", "gr\xc3\xbcn"},
		"quoted-printable":      {"Quoted-Printable", "gr=C3=BC=\r\nn", "grün"},
		"base64 over lines":     {"base64", "aGVs\r\nbG8=", "hello"},
		"base64 with rubbish":   {"base64", "aGVs!bG8=", "hello"},
		"base64 without an end": {"base64", "aGVsbG8", "hello"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw := "Content-Transfer-Encoding: " + tt.encoding + "\r\n\r\n" + tt.body
			p, err := message.Parse(strings.NewReader(raw), int64(len(raw)))
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Decoded(strings.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != tt.want || err != nil {
				t.Errorf("decoded to %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestReadHeaderAgreesWithParse(t *testing.T) {
	for name, raw := range map[string]string{
		"short":           crlf("Subject: x", "", "body"),
		"without a body":  "Subject: x\r\n",
		"beyond a buffer": crlf("X: "+strings.Repeat("x", 30<<10), "Subject: x", "", "body"),
		"beyond bounds":   crlf("X: "+strings.Repeat("x", 300<<10), "Subject: x", "", "body"),
		"many fields":     strings.Repeat("X: y\r\n", 80<<10) + "\r\nbody",
	} {
		t.Run(name, func(t *testing.T) {
			r := strings.NewReader(raw)
			n, fields, err := message.ReadHeader(r, int64(len(raw)))
			if err != nil {
				t.Fatal(err)
			}
			p, err := message.Parse(r, int64(len(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if n != p.Header.End || fields.Get("Subject") != p.Fields.Get("Subject") {
				t.Errorf("header of %d bytes with subject %q; parsed: %d and %q",
					n, fields.Get("Subject"), p.Header.End, p.Fields.Get("Subject"))
			}
		})
	}
}

func TestFields(t *testing.T) {
	fields := message.SplitFields([]byte("From: a\r\nno field\r\n continued nothing\r\nSubject: one\r\n\ttwo\r\nTO : b"))
	if got := fields.Get("subject"); got != "one\ttwo" {
		t.Errorf("folded subject is %q", got)
	}
	if got := string(fields.Select([]string{"to", "from"}, false)); got != "From: a\r\nTO : b\r\n\r\n" {
		t.Errorf("selected fields are %q", got)
	}
	if got := string(fields.Select([]string{"to", "from"}, true)); got != "Subject: one\r\n\ttwo\r\n\r\n" {
		t.Errorf("the other fields are %q", got)
	}
}

func TestParseAddresses(t *testing.T) {
	type list = []imap.Address
	tests := map[string]list{
		"":                              nil,
		"a@example.com":                 {{Mailbox: "a", Host: "example.com"}},
		"A B <a@example.com>":           {{Name: "A B", Mailbox: "a", Host: "example.com"}},
		`"B, A" <a@example.com>, c@d.e`: {{Name: "B, A", Mailbox: "a", Host: "example.com"}, {Mailbox: "c", Host: "d.e"}},
		"a@example.com (A (the) B)":     {{Name: "A (the) B", Mailbox: "a", Host: "example.com"}},
		"=?utf-8?q?=C3=BC?= <u@d.e>":    {{Name: "=?utf-8?q?=C3=BC?=", Mailbox: "u", Host: "d.e"}},
		`"a b"@d.e`:                     {{Mailbox: "a b", Host: "d.e"}},
		"<@r.e,@s.e:a@d.e>":             {{Mailbox: "a", Host: "d.e"}},
		"nobody":                        {{Mailbox: "nobody", Host: "MISSING_DOMAIN"}},
		"a@b@c":                         {{Mailbox: "a@b", Host: "c"}},
		",, a@d.e ,":                    {{Mailbox: "a", Host: "d.e"}},
		"friends: a@d.e, B <b@d.e>;":    {{Mailbox: "friends"}, {Mailbox: "a", Host: "d.e"}, {Name: "B", Mailbox: "b", Host: "d.e"}, {}},
		"undisclosed-recipients:;":      {{Mailbox: "undisclosed-recipients"}, {}},
		"open: a@d.e":                   {{Mailbox: "open"}, {Mailbox: "a", Host: "d.e"}, {}},
		"a@d.e <b@d.e":                  {{Name: "a@d.e", Mailbox: "b", Host: "d.e"}},
		`"no end <a@d.e>`:               {{Mailbox: "no end <a", Host: "d.e>"}},
		`(no end \`:                     {{Name: `no end \`, Mailbox: "MISSING_MAILBOX", Host: "MISSING_DOMAIN"}},
	}
	for in, want := range tests {
		if diff := cmp.Diff(want, message.ParseAddresses(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestBodyContains(t *testing.T) {
	far := strings.Repeat("x", 32<<10-3) + "Grüße" // lies across the pieces that are read
	tests := map[string]struct {
		raw, needle string
		want        bool
	}{
		"in any case":               {crlf("", "Hello"), "hELLO", true},
		"decoded":                   {mixed, "GRÜN", true},
		"not in the encoded form":   {mixed, "=c3", false},
		"in a message inside":       {mixed, "Deep One", true},
		"in the header inside":      {mixed, "subject: INNER", true},
		"not in other types":        {mixed, "AAEC", false},
		"across two pieces":         {crlf("", far), "grüße", true},
		"in another charset":        {crlf("Content-Type: text/plain; charset=iso-8859-1", "", "gr\xfcn"), "grün", true},
		"in a charset nobody knows": {crlf("Content-Type: text/plain; charset=x-none", "", "text"), "text", true},
		"nowhere":                   {mixed, "absent", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := strings.NewReader(tt.raw)
			p, err := message.Parse(r, r.Size())
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.BodyContains(r, message.Fold(tt.needle))
			if got != tt.want || err != nil {
				t.Errorf("found %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestDeepNestingCostsLittle holds the bounds: what nests without end is read
// once, and no deeper than a client could ask.
func TestDeepNestingCostsLittle(t *testing.T) {
	var raw bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&raw, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	p, err := message.Parse(bytes.NewReader(raw.Bytes()), int64(raw.Len()))
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for ; len(p.Children) > 0; p = p.Children[0] {
		depth++
	}
	if depth == 0 || depth > 100 {
		t.Errorf("parts nest %d deep", depth)
	}
}

// FuzzParse holds that parts lie within the message and within each other.
func FuzzParse(f *testing.F) {
	f.Add(mixed)
	f.Add("Content-Type: message/rfc822\n\nContent-Type: multipart/digest; boundary=\"\"\n\n----\n")
	f.Fuzz(func(t *testing.T, raw string) {
		r := strings.NewReader(raw)
		root, err := message.Parse(r, r.Size())
		if err != nil {
			t.Fatal(err)
		}
		var check func(p *message.Part, within message.Span)
		check = func(p *message.Part, within message.Span) {
			if p.Header.Start < within.Start || p.Header.End > p.Body.Start || p.Body.Start > p.Body.End || p.Body.End > within.End {
				t.Fatalf("part with header %v and body %v in %v", p.Header, p.Body, within)
			}
			for _, c := range p.Children {
				check(c, p.Body)
			}
			if p.Message != nil {
				check(p.Message, p.Body)
			}
		}
		check(root, message.Span{End: int64(len(raw))})
		message.ParseAddresses(root.Fields.Get("From"))
		if _, err := root.BodyContains(r, "x"); err != nil {
			t.Fatal(err)
		}
	})
}
