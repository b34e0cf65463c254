package wire

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrUTF7 means that a mailbox name is not modified UTF-7 (RFC 3501 §5.1.3).
var ErrUTF7 = errors.New("mailbox name is not modified UTF-7")

var utf7Encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// EncodeUTF7 writes a name in modified UTF-7.
func EncodeUTF7(name string) string {
	plain := func(c rune) bool { return c >= 0x20 && c <= 0x7e }
	if strings.IndexFunc(name, func(c rune) bool { return !plain(c) || c == '&' }) < 0 {
		return name
	}
	var out strings.Builder
	var run []rune
	flush := func() {
		if len(run) == 0 {
			return
		}
		units := utf16.Encode(run)
		b := make([]byte, 0, 2*len(units))
		for _, u := range units {
			b = append(b, byte(u>>8), byte(u))
		}
		out.WriteString("&" + utf7Encoding.EncodeToString(b) + "-")
		run = run[:0]
	}
	for _, c := range name {
		switch {
		case !plain(c):
			run = append(run, c)
			continue
		case c == '&':
			flush()
			out.WriteString("&-")
		default:
			flush()
			out.WriteRune(c)
		}
	}
	flush()
	return out.String()
}

// DecodeUTF7 reads a name in modified UTF-7. Raw UTF-8 is accepted beside it,
// because many clients send it. Every name has one encoding: others are
// ErrUTF7, so that no two names on the wire mean the same mailbox.
func DecodeUTF7(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrUTF7
	}
	if !strings.Contains(s, "&") {
		return s, nil
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		b64, after, closed := strings.Cut(rest, "-")
		if !closed {
			return "", ErrUTF7
		}
		s = after
		if b64 == "" {
			out.WriteByte('&')
			continue
		}
		text, err := decodeUTF7Run(b64)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		if strings.HasPrefix(s, "&") && !strings.HasPrefix(s, "&-") {
			return "", ErrUTF7 // two runs side by side are one run
		}
	}
}

func decodeUTF7Run(b64 string) (string, error) {
	b, err := utf7Encoding.DecodeString(b64)
	if err != nil || len(b) == 0 || len(b)%2 != 0 || strings.ContainsAny(b64, "\r\n") {
		return "", ErrUTF7
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	var out strings.Builder
	for i := 0; i < len(units); i++ {
		c := rune(units[i])
		if utf16.IsSurrogate(c) {
			if i++; i == len(units) {
				return "", ErrUTF7
			}
			if c = utf16.DecodeRune(c, rune(units[i])); c == utf8.RuneError {
				return "", ErrUTF7
			}
		} else if c >= 0x20 && c <= 0x7e {
			return "", ErrUTF7 // printable ASCII stands for itself
		}
		out.WriteRune(c)
	}
	return out.String(), nil
}
