package wire_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

func TestUTF7(t *testing.T) {
	tests := map[string]string{ // encoded: name; an empty name is an error
		"INBOX":                  "INBOX",
		"A&-B":                   "A&B",
		"~peter/mail/&U,BTFw-/x": "~peter/mail/台北/x",
		"&ZeVnLIqe-":             "日本語",
		"Entw&APw-rfe":           "Entwürfe",
		"&2D3eAA-":               "😀",
		"&AGE-":                  "", // "a" has to stand for itself
		"&U,BTFw-&ZeVnLIqe-":     "", // two runs that are one
		"&U,BTFw":                "", // no end
		"&U,BTF-":                "", // half a character
		"&2D0-":                  "", // half a surrogate pair
		"&ZeV=-":                 "",
		"\xff":                   "",
	}
	for encoded, name := range tests {
		got, err := wire.DecodeUTF7(encoded)
		if name == "" {
			if err == nil {
				t.Errorf("DecodeUTF7(%q) = %q, want an error", encoded, got)
			}
			continue
		}
		if err != nil || got != name {
			t.Errorf("DecodeUTF7(%q) = %q, %v; want %q", encoded, got, err, name)
		}
		if back := wire.EncodeUTF7(name); back != encoded {
			t.Errorf("EncodeUTF7(%q) = %q, want %q", name, back, encoded)
		}
	}
	if got, err := wire.DecodeUTF7("Entwürfe"); err != nil || got != "Entwürfe" {
		t.Errorf("raw UTF-8 is %q, %v", got, err)
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("Entwürfe & mehr 台北😀")
	f.Fuzz(func(t *testing.T, name string) {
		name = strings.ToValidUTF8(name, "?")
		if back, err := wire.DecodeUTF7(wire.EncodeUTF7(name)); err != nil || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	})
}

func TestSets(t *testing.T) {
	tests := map[string]string{ // an empty value is an error
		"1":                    "1",
		"3:1":                  "1:3",
		"5,1,2,4":              "1:2,4:5",
		"1:3,2:8":              "1:8",
		"*":                    "*",
		"*:4":                  "4:*",
		"9,4:*,2":              "2,4:*",
		"4:*,*":                "4:*",
		"1,*":                  "1,*",
		"4294967295":           "4294967295",
		"4294967295,*":         "4294967295,*",
		"0":                    "",
		"01":                   "",
		"4294967296":           "",
		"1:":                   "",
		":1":                   "",
		"1,,2":                 "",
		"1:2:3":                "",
		"18446744073709551617": "",
	}
	for in, want := range tests {
		asked := 0
		r := newReader(in+"\r\n", &asked)
		if err := r.Next(time.Second); err != nil {
			t.Fatal(err)
		}
		set := r.SeqSet()
		switch r.End(); {
		case want == "" && r.Err() == nil:
			t.Errorf("%q is %v, want an error", in, set)
		case want != "" && (r.Err() != nil || set.String() != want):
			t.Errorf("%q is %v, %v; want %q", in, set, r.Err(), want)
		}
	}
}

func TestStringsAreQuotedOrLiterals(t *testing.T) {
	tests := []struct {
		in   string
		utf8 bool
		want string
	}{
		{`a "b" \c`, false, `"a \"b\" \\c"`},
		{"", false, `""`},
		{"a\r\nb", false, "{4}\r\na\r\nb"},
		{"ü", false, "{2}\r\nü"},
		{"ü", true, `"ü"`},
		{"\xff", true, "{1}\r\n\xff"},
		{"a\x00b", false, "{2}\r\nab"},
	}
	for _, tt := range tests {
		var buf bytes.Buffer
		w := wire.NewWriter(&buf)
		w.UTF8 = tt.utf8
		w.String(tt.in)
		w.Flush()
		if buf.String() != tt.want {
			t.Errorf("String(%q) with UTF8 %v is %q, want %q", tt.in, tt.utf8, buf.String(), tt.want)
		}
	}
}
