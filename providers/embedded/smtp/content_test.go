package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	gosmtp "github.com/emersion/go-smtp"
)

func TestContentIsRefusedWhen(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want *gosmtp.SMTPError
	}{
		"nothing is wrong":           {"a: b\r\n\r\nc\r\n", nil},
		"it is empty":                {"", nil},
		"its last line has no end":   {"a: b\r\n\r\nc", nil},
		"a LF stands alone":          {"a\nb\r\n", errBareLF},
		"a LF comes first":           {"\nb\r\n", errBareLF},
		"two LF follow a CR":         {"a\r\n\nb", errBareLF},
		"a CR stands alone":          {"a\rb\r\n", errBareCR},
		"two CR come before a LF":    {"a\r\r\n", errBareCR},
		"it ends in CR":              {"a\r\nb\r", errBareCR},
		"it holds NUL":               {"a: b\r\n\r\nc\x00d\r\n", errNUL},
		"a line is one too long":     {strings.Repeat("x", 21) + "\r\n", errLongLine},
		"a line is just long enough": {strings.Repeat("x", 19) + "\r\n", nil},
		"it is one byte too big":     {strings.Repeat("0123456\r\n", 5) + "abcdef", errTooBig},
		"it is just small enough":    {strings.Repeat("0123456\r\n", 5) + "abcde", nil},
	} {
		for how, r := range map[string]io.Reader{
			"at once": strings.NewReader(tt.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.text)),
			"with its end": iotest.DataErrReader(strings.NewReader(tt.text)),
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				got, err := io.ReadAll(&content{r: r, limit: 50, maxLine: 20})
				if tt.want == nil {
					if err != nil || string(got) != tt.text {
						t.Fatalf("got %q, %v", got, err)
					}
					return
				}
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
			})
		}
	}
}

func TestHeaderIsPutInOrder(t *testing.T) {
	for name, tt := range map[string]struct{ in, fields, rest string }{
		"a plain header stays as it is":           {"A: b\r\nC: d\r\n e\r\n\r\nbody", "A: b\r\nC: d\r\n e\r\n", "\r\nbody"},
		"a Return-Path goes":                      {"A: b\r\nReturn-Path: <x>\r\n\ty\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n", "\r\n"},
		"results in our name go":                  {"Authentication-Results: MX.example 1; spf=pass\r\nA: b\r\n\r\n", "A: b\r\n", "\r\n"},
		"results of others stay":                  {"Authentication-Results: other; spf=pass\r\n\r\n", "Authentication-Results: other; spf=pass\r\n", "\r\n"},
		"a line that is no field begins the body": {"A: b\r\nno field\r\n\r\n", "A: b\r\n", "no field\r\n\r\n"},
		"a message may have no header":            {"just text\r\n", "", "just text\r\n"},
		"a folded line cannot come first":         {" x\r\nA: b\r\n", "", " x\r\nA: b\r\n"},
		"a message may have no body":              {"A: b\r\n", "A: b\r\n", ""},
		"a header may break off":                  {"A: b", "A: b\r\n", ""},
		"an empty message":                        {"", "", ""},
		"an empty header":                         {"\r\nA: b\r\n", "", "\r\nA: b\r\n"},
		"old syntax before the colon":             {"Return-Path : x\r\nA : b\r\n\r\n", "A : b\r\n", "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			buf := new(bytes.Buffer)
			end, err := readHeader(&content{r: strings.NewReader(tt.in), limit: 1e6, maxLine: 1e6}, buf, 1e6)
			if err != nil {
				t.Fatal(err)
			}
			h := parseHeader(buf.Bytes()[:end])
			rest := string(buf.Bytes()[h.length:])
			h.clean("mx.example")
			var out bytes.Buffer
			if err := h.write(&out); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.fields || rest != tt.rest {
				t.Errorf("fields %q, rest %q; want %q, %q", out.String(), rest, tt.fields, tt.rest)
			}
		})
	}
}

func TestAHeaderWithoutEndIsRefused(t *testing.T) {
	in := strings.Repeat("A: 0123456789\r\n", 1000)
	_, err := readHeader(&content{r: strings.NewReader(in), limit: 1e6, maxLine: 1e6}, new(bytes.Buffer), 4096)
	if !errors.Is(err, errBigHeader) {
		t.Errorf("got %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\nReturn-Path: x\r\n\r\nbody"))
	f.Add([]byte(": \r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := parseHeader(b)
		if h.length > len(b) {
			t.Fatal("header is longer than the message")
		}
		var n int
		for _, fd := range h.fields {
			n += len(fd.raw)
			fd.value()
		}
		if n != h.length {
			t.Fatalf("fields have %d bytes of %d", n, h.length)
		}
		var out bytes.Buffer
		if err := h.write(&out); err != nil || !bytes.HasPrefix(out.Bytes(), b[:h.length]) {
			t.Fatalf("%q was written as %q", b[:h.length], out.Bytes())
		}
	})
}
