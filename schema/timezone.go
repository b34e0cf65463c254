package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // where the system has no time zones, and where it is said which there are
	"unicode"
)

// ParseTimeZone finds a time zone by its name in the IANA database, as
// "Europe/Berlin". What the system has of the database comes before what mailform
// brings along: it may be newer.
func ParseTimeZone(s string) (*time.Location, error) {
	if s == "" {
		return nil, errors.New("it is empty")
	}
	zone, err := loadZone(s)
	if err == nil {
		return zone, nil
	}
	if other := usualZone(s); other != s {
		if _, err := loadZone(other); err == nil {
			return nil, fmt.Errorf("there is no time zone of this name. Did you mean %q?", other)
		}
	}
	return nil, errors.New("there is no time zone of this name in the IANA database")
}

// loadZone is time.LoadLocation without the names that are no zone of the database:
// "Local" is another one on each machine.
func loadZone(s string) (*time.Location, error) {
	if s == "" || s == "Local" {
		return nil, errors.New("no name of a time zone")
	}
	return time.LoadLocation(s)
}

// usualZone writes a name as most of the names are written: words with a capital,
// joined by underscores.
func usualZone(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), " ", "_")
	if up := strings.ToUpper(s); !strings.Contains(s, "/") {
		return up // "utc", "cet"
	}
	b := []rune(strings.ToLower(s))
	for i, c := range b {
		if i == 0 || strings.ContainsRune("/_-", b[i-1]) {
			b[i] = unicode.ToUpper(c)
		}
	}
	return string(b)
}
