package dsn

import (
	"fmt"
	"slices"
	"strings"
)

// Asked is what the sender of a message asked to be told about one recipient.
type Asked struct {
	// Notify holds words of NOTIFY (RFC 3461 §4.1), separated by commas and in
	// capitals. Empty: the sender did not say.
	Notify string
	// Original is ORCPT (RFC 3461 §4.2): a type, ";" and an address, decoded.
	// Empty: the sender did not say.
	Original string
}

// Failure says whether to tell that the message is lost. Who does not ask wants
// to know.
func (a Asked) Failure() bool { return a.Notify == "" || a.has("FAILURE") }

// Delay says whether to tell that the message waits. Who does not ask is told.
func (a Asked) Delay() bool { return a.Notify == "" || a.has("DELAY") }

// Success says whether to tell that the message has arrived.
func (a Asked) Success() bool { return a.has("SUCCESS") }

func (a Asked) has(word string) bool { return slices.Contains(strings.Split(a.Notify, ","), word) }

// Without is what is left to be told by others when one word is dealt with here.
func (a Asked) Without(word string) Asked {
	if a.Notify == "" {
		return a
	}
	words := slices.DeleteFunc(strings.Split(a.Notify, ","), func(w string) bool { return w == word })
	if a.Notify = strings.Join(words, ","); a.Notify == "" {
		a.Notify = "NEVER"
	}
	return a
}

// Xtext is text as it stands in a command line (RFC 3461 §4).
func Xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// OriginalParameter is the value of ORCPT for a command line; empty where there
// is none that can be said in ASCII.
func (a Asked) OriginalParameter() string {
	kind, addr, ok := strings.Cut(a.Original, ";")
	if !ok || addr == "" {
		return ""
	}
	if !strings.EqualFold(kind, "utf-8") {
		if !isASCII(addr) {
			return ""
		}
		return kind + ";" + Xtext(addr)
	}
	// RFC 6533 §3: utf-8-addr-xtext.
	var b strings.Builder
	for _, r := range addr {
		if r < '!' || r > '~' || r == '+' || r == '=' || r == '\\' {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return kind + ";" + b.String()
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
