package state

import (
	"slices"
	"time"
)

// A Staging is what is remembered of a record set that moves in stages: what
// resolvers may still have of it, and what comes next.
type Staging struct {
	// Cached are former versions of the set that a resolver may still have.
	Cached []Version `json:"cached,omitempty"`
	// Next is the stage that comes next; nil: none that the last apply knew of.
	Next *Stage `json:"next,omitempty"`
}

// A Version is what a record set was, for as long as it may be in caches.
type Version struct {
	// TTL in seconds.
	TTL    int64    `json:"ttl"`
	Values []string `json:"values"`
	// Until is when the last resolver has forgotten it, with the margin.
	Until time.Time `json:"until"`
}

// A Stage is one step of a move.
type Stage struct {
	// Step is StepLower, StepSwitch or StepRetire.
	Step string `json:"step"`
	// NotBefore is the earliest time for it.
	NotBefore time.Time `json:"not_before"`
	// TTL and Values are what the set is from then on.
	TTL    int64    `json:"ttl"`
	Values []string `json:"values"`
}

// The steps of a move.
const (
	StepLower  = "lower"  // the time to live is lowered
	StepSwitch = "switch" // the new values take the place of the old ones
	StepRetire = "retire" // the time to live is raised, what was kept is taken away
)

// Equal reports whether both say the same; either may be nil.
func (s *Staging) Equal(o *Staging) bool {
	if s == nil || o == nil {
		return s == o
	}
	return slices.EqualFunc(s.Cached, o.Cached, Version.equal) && s.Next.equal(o.Next)
}

func (v Version) equal(o Version) bool {
	return v.TTL == o.TTL && v.Until.Equal(o.Until) && slices.Equal(v.Values, o.Values)
}

func (s *Stage) equal(o *Stage) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Step == o.Step && s.NotBefore.Equal(o.NotBefore) && s.TTL == o.TTL && slices.Equal(s.Values, o.Values)
}
