package rdata

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a TXT record (RFC 1035 §3.3.14).
const (
	// maxString is the length of one character-string, in octets.
	maxString = 255
	// MaxTXT is the longest text that the 65,535 octets of a record hold, each
	// character-string with its length octet.
	MaxTXT = 65535 - 256
)

// SplitTXT cuts a text into character-strings of at most 255 octets. An empty
// text is one empty string, since a TXT record has at least one. Joined without
// anything between, the strings are the text again.
func SplitTXT(text string) []string {
	if len(text) <= maxString {
		return []string{text}
	}
	chunks := make([]string, 0, (len(text)+maxString-1)/maxString)
	for len(text) > maxString {
		chunks = append(chunks, text[:maxString])
		text = text[maxString:]
	}
	return append(chunks, text)
}

// SplitUTF8 does the same to a text of UTF-8 without cutting a character in two,
// for those who need each string to be text.
func SplitUTF8(text string) []string {
	var chunks []string
	for len(text) > maxString {
		end := maxString
		for end > maxString-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		chunks = append(chunks, text[:end])
		text = text[end:]
	}
	return append(chunks, text)
}

// checkTXT holds the limit of the type.
func checkTXT(text string) error {
	if len(text) > MaxTXT {
		return fmt.Errorf("the text has %d octets, and a TXT record holds at most %d", len(text), MaxTXT)
	}
	return nil
}

// escapeTXT writes octets as presentation format has them within quotes.
func escapeTXT(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
}

// quoteTXT is a text as a zone file has it: "one" "two".
func quoteTXT(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/32 + 4)
	for i, chunk := range SplitTXT(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		escapeTXT(&b, chunk)
		b.WriteByte('"')
	}
	return b.String()
}

// unescapeTXT undoes presentation format: \X and \DDD.
func unescapeTXT(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		n, err := escapeLength(s[i:])
		if err != nil { // a lone backslash stands for itself
			b.WriteByte('\\')
			continue
		}
		if n == 2 {
			b.WriteByte(s[i+1])
		} else {
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
		}
		i += n - 1
	}
	return b.String()
}
