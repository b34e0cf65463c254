package srs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"
)

// Lifetime is how long bounces of a message come back.
const Lifetime = 21 * 24 * time.Hour

// Errors of [Scheme.Reverse].
var (
	// ErrForeign: the address is none of the scheme.
	ErrForeign = errors.New("not a rewritten address")
	// ErrForged: the code is none that we have made, or the address is damaged.
	ErrForged = errors.New("the code does not fit")
	// ErrExpired: it was made longer ago than [Lifetime].
	ErrExpired = errors.New("too old")
)

// A Scheme rewrites with a key. The zero value has none and rewrites nothing.
type Scheme struct {
	key []byte
}

// New makes a scheme with a secret key.
func New(key []byte) Scheme { return Scheme{key} }

const (
	prefix0 = "srs0"
	prefix1 = "srs1"
	// separator is what is written; "+" and "-" are read, too.
	separator = "="
	// codeLen is the length of a code in letters, of five bits each.
	codeLen = 8
	// maxLocal is the longest local part (RFC 5321 §4.5.3.1.1).
	maxLocal = 64
)

// alphabet is that of the codes and of the days, in lower case: some servers
// change the letter case of a local part.
var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Forward is the sender under which a message of sender goes on from domain. It
// reports false where it cannot be rewritten: it would be longer than an address
// may be, or is quoted.
func (s Scheme) Forward(sender, domain string, now time.Time) (string, bool) {
	at := strings.LastIndexByte(sender, '@')
	if at <= 0 || len(s.key) == 0 || strings.ContainsAny(sender[:at], "\"@ ") {
		return "", false
	}
	local, from := sender[:at], sender[at+1:]
	if from == "" || strings.ContainsAny(from, "=[]") {
		return "", false
	}
	var out string
	switch rest, kind := cut(local); kind {
	case prefix0: // the second hop keeps what the first has made
		body := separator + rest // with the separator after SRS0
		out = "SRS1" + separator + s.code("1", from, body) + separator + from + separator + body
	case prefix1: // and so do all others, which only change the code
		_, rest, ok := field(rest)
		first, body, ok2 := field(rest)
		if !ok || !ok2 || first == "" || body == "" {
			return "", false
		}
		out = "SRS1" + separator + s.code("1", first, body) + separator + first + separator + body
	default:
		day := dayOf(now)
		out = "SRS0" + separator + s.code("0", day, from, local) + separator + day + separator + from + separator + local
	}
	if len(out) > maxLocal {
		return "", false
	}
	return out + "@" + domain, true
}

// Reverse is where a message to a rewritten local part goes: back to the sender,
// or to the server that rewrote him first.
func (s Scheme) Reverse(local string, now time.Time) (string, error) {
	rest, kind := cut(local)
	if kind == "" {
		return "", ErrForeign
	}
	code, rest, ok := field(rest)
	if !ok || len(s.key) == 0 {
		return "", ErrForged
	}
	first, rest, ok := field(rest)
	if !ok || rest == "" {
		return "", ErrForged
	}
	if kind == prefix1 {
		// What the first hop has made keeps its separator.
		if !s.fits(code, "1", first, rest) {
			return "", ErrForged
		}
		return "SRS0" + rest + "@" + first, nil
	}
	from, user, ok := field(rest)
	if !ok || user == "" || from == "" || !s.fits(code, "0", first, from, user) {
		return "", ErrForged
	}
	made, ok := daysOf(first)
	if !ok {
		return "", ErrForged
	}
	// The day goes round, after 1,024 of them.
	age := (days(now) - made + cycle) % cycle
	if age > int(Lifetime/(24*time.Hour)) && age != cycle-1 { // a clock may be a bit ahead
		return "", ErrExpired
	}
	return user + "@" + from, nil
}

// cut takes the prefix and its separator off.
func cut(local string) (rest, kind string) {
	if len(local) < len(prefix0)+1 || !strings.ContainsRune("=+-", rune(local[len(prefix0)])) {
		return "", ""
	}
	switch kind := strings.ToLower(local[:len(prefix0)]); kind {
	case prefix0, prefix1:
		return local[len(prefix0)+1:], kind
	}
	return "", ""
}

func field(s string) (value, rest string, ok bool) { return strings.Cut(s, separator) }

// code is what only we can make of some parts. Letter case is none of it.
func (s Scheme) code(parts ...string) string {
	mac := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		mac.Write([]byte(strings.ToLower(p)))
		mac.Write([]byte{0})
	}
	return alphabet.EncodeToString(mac.Sum(nil))[:codeLen]
}

func (s Scheme) fits(code string, parts ...string) bool {
	return hmac.Equal([]byte(strings.ToLower(code)), []byte(s.code(parts...)))
}

// cycle is how many days have names of their own.
const cycle = 1024

func days(t time.Time) int { return int(t.Unix() / (24 * 60 * 60) % cycle) }

const dayLetters = "abcdefghijklmnopqrstuvwxyz234567"

func dayOf(t time.Time) string {
	d := days(t)
	return string([]byte{dayLetters[d/32], dayLetters[d%32]})
}

func daysOf(s string) (int, bool) {
	if len(s) != 2 {
		return 0, false
	}
	s = strings.ToLower(s)
	a, b := strings.IndexByte(dayLetters, s[0]), strings.IndexByte(dayLetters, s[1])
	return a*32 + b, a >= 0 && b >= 0
}
