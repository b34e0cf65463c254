package wire

import (
	"strings"
	"time"
)

// DateTimeLayout is date-time of the grammar, as in INTERNALDATE.
const DateTimeLayout = "02-Jan-2006 15:04:05 -0700"

// DateTime reads a quoted date-time; its day may begin with a space.
func (r *Reader) DateTime() time.Time {
	s := r.Text()
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", s)
	if err != nil || t.Year() < 1 {
		r.Fail("bad date-time")
		return time.Time{}
	}
	return t
}

// Date reads a date such as 1-Feb-2026, quoted or not. The result is that
// midnight in UTC.
func (r *Reader) Date() time.Time {
	s := r.AString()
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse("2-Jan-2006", strings.TrimSpace(s))
	if err != nil {
		r.Fail("bad date")
		return time.Time{}
	}
	return t
}
