package sieve

import (
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// dateParts are the parts of a date (RFC 5260 §4.2).
var dateParts = []string{
	"year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
}

// parseZone reads "+0100".
func parseZone(s string) (*time.Location, error) {
	if len(s) == 5 && (s[0] == '+' || s[0] == '-') {
		h, herr := strconv.ParseUint(s[1:3], 10, 8)
		m, merr := strconv.ParseUint(s[3:], 10, 8)
		if herr == nil && merr == nil && h < 24 && m < 60 {
			offset := int(h*60+m) * 60
			if s[0] == '-' {
				offset = -offset
			}
			return time.FixedZone(s, offset), nil
		}
	}
	return nil, fmt.Errorf("%q is no time zone: expected one as \"+0100\"", s)
}

func (r *run) dateTest(c *command) (bool, error) {
	t := r.envelope.Received
	parts, keys := c.args[0], c.args[1]
	original := false
	if c.name == "date" {
		parts, keys = c.args[1], c.args[2]
		var values []string
		for _, v := range indexed(c, r.message.raw(r.expand(c.args[0].list[0]))) {
			values = append(values, v)
		}
		if len(values) == 0 {
			return r.any(c.match, nil, keys.list)
		}
		// Received fields have their date after the last semicolon.
		text := values[0]
		if i := strings.LastIndexByte(text, ';'); i >= 0 {
			text = text[i+1:]
		}
		parsed, err := mail.ParseDate(strings.TrimSpace(text))
		if err != nil {
			return r.any(c.match, nil, keys.list)
		}
		t, original = parsed, c.has("originalzone")
	}
	zone := r.envelope.Received.Location() // that of the server
	if a, ok := c.tags["zone"]; ok {
		var err error
		if zone, err = parseZone(r.expand(a.list[0])); err != nil {
			return false, fmt.Errorf("%w: %w", ErrAction, err)
		}
	}
	if !original {
		t = t.In(zone)
	}
	return r.any(c.match, []string{datePart(t, strings.ToLower(r.expand(parts.list[0])))}, keys.list)
}

func datePart(t time.Time, part string) string {
	switch part {
	case "year":
		return t.Format("2006")
	case "month":
		return t.Format("01")
	case "day":
		return t.Format("02")
	case "date":
		return t.Format("2006-01-02")
	case "julian":
		// Days since 17 November 1858.
		day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
		return strconv.FormatInt(day+40587, 10)
	case "hour":
		return t.Format("15")
	case "minute":
		return t.Format("04")
	case "second":
		return t.Format("05")
	case "time":
		return t.Format("15:04:05")
	case "iso8601":
		return t.Format("2006-01-02T15:04:05-07:00")
	case "std11":
		return t.Format("Mon, 02 Jan 2006 15:04:05 -0700")
	case "zone":
		return t.Format("-0700")
	case "weekday":
		return strconv.Itoa(int(t.Weekday()))
	}
	return ""
}
