package schema

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var durationUnits = []struct {
	name byte
	unit time.Duration
}{
	{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second},
}

// MaxTTL is the largest time to live in seconds (RFC 2181 §8).
const MaxTTL = math.MaxInt32

// ParseDuration reads a duration such as "30d" or "1h30m", a whole number of
// seconds and never negative. A number without a unit is only taken where it is 0.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, errors.New("it is empty")
	}
	if s[0] == '-' {
		return 0, errors.New("a duration cannot be negative")
	}
	var total time.Duration
	for rest, last := s, -1; rest != ""; {
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		if i == 0 {
			return 0, fmt.Errorf("%q does not begin with a number", rest)
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		if err != nil {
			return 0, errors.New("it is longer than any duration can be")
		}
		if i == len(rest) {
			return 0, fmt.Errorf("%q has no unit; the units are w, d, h, m and s", rest)
		}
		unit := -1
		for j, u := range durationUnits {
			if u.name == rest[i] {
				unit = j
			}
		}
		switch {
		case unit < 0:
			return 0, fmt.Errorf("%q is not a unit; the units are w, d, h, m and s", strings.TrimLeft(rest[i:], " "))
		case unit <= last:
			return 0, errors.New("units stand from the largest to the smallest, each once")
		}
		last = unit
		u := durationUnits[unit].unit
		if n > int64((math.MaxInt64-total)/u) {
			return 0, errors.New("it is longer than any duration can be")
		}
		total += time.Duration(n) * u
		rest = rest[i+1:]
	}
	return total, nil
}

// FormatDuration renders a duration of whole seconds with the units that it is
// made of: "30d", "1h30m", "0".
func FormatDuration(d time.Duration) string {
	if d < time.Second {
		return "0"
	}
	if d%(24*time.Hour) == 0 && d%(7*24*time.Hour) != 0 { // "30d" reads better than "4w2d"
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	}
	var b strings.Builder
	for _, u := range durationUnits {
		if n := d / u.unit; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteByte(u.name)
			d -= n * u.unit
		}
	}
	return b.String()
}

// FormatTTL renders a time to live in seconds as a duration: "1h", "0".
func FormatTTL(seconds int64) string { return FormatDuration(time.Duration(seconds) * time.Second) }

// ParseTTL reads a time to live: a duration, or a number of seconds. The result
// is in seconds and at most [MaxTTL].
func ParseTTL(s string) (uint32, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 0:
			return 0, errors.New("a time to live cannot be negative")
		case n > MaxTTL:
			return 0, fmt.Errorf("it is more than %d seconds, the most that a time to live can be (RFC 2181 §8)", MaxTTL)
		}
		return uint32(n), nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		return 0, err
	}
	if d > MaxTTL*time.Second {
		return 0, fmt.Errorf("it is more than %d seconds, the most that a time to live can be (RFC 2181 §8)", MaxTTL)
	}
	return uint32(d / time.Second), nil
}
