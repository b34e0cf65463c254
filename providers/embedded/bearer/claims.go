package bearer

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// claims are what is said of a token, as JSON.
type claims map[string]json.RawMessage

// text is a claim that is a string; empty: there is none.
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// texts is a claim that is a string or a list of them.
func (c claims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c[name], &list) == nil {
		return list
	}
	if s := c.text(name); s != "" {
		return []string{s}
	}
	return nil
}

// scopes are words with blanks between them (RFC 8693 §4.2), or, as some servers have
// it, a list by this name or "scp".
func (c claims) scopes() []string {
	var all []string
	for _, name := range []string{"scope", "scp"} {
		for _, s := range c.texts(name) {
			all = append(all, strings.Fields(s)...)
		}
	}
	return all
}

// denies reports whether a claim says no, in whichever way.
func (c claims) denies(name string) bool {
	raw, there := c[name]
	if !there {
		return false
	}
	var yes bool
	if json.Unmarshal(raw, &yes) == nil {
		return !yes
	}
	return !strings.EqualFold(c.text(name), "true")
}

// time is a claim that is a NumericDate (RFC 7519 §2).
func (c claims) time(name string) (at time.Time, there bool, err error) {
	raw, there := c[name]
	if !there {
		return at, false, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil {
		return at, true, err
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return at, true, errors.New("out of bounds")
	}
	return time.Unix(int64(seconds), 0), true, nil
}
