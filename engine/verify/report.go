package verify

import (
	"cmp"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// A Status is what came of a check.
type Status string

// What can come of a check.
const (
	Pass Status = "pass"
	// Warn is what mail gets along with, or what cannot be told for certain.
	Warn Status = "warn"
	Fail Status = "fail"
	// Skip is what could not be looked at, or does not apply here.
	Skip Status = "skip"
)

// A Result is what one check found at one thing.
type Result struct {
	Check *Check
	// Group is what the result is shown with: a zone, a domain, a server.
	Group string
	// Subject is what was looked at: "MX of example.com. at 192.0.2.53:53".
	Subject string
	// Address and Range are those of the block that declares it.
	Address string
	Range   hcl.Range
	Status  Status
	// Detail is what was found. Of what failed it says what was expected, too.
	Detail string
	// Fix is what to change; empty where all is well.
	Fix string
}

// A Report is what a run found.
type Report struct {
	// Results are ordered by group, in the order of the checks.
	Results []Result
	Began   time.Time
	Took    time.Duration
}

// Count is how many results have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Status == s {
			n++
		}
	}
	return n
}

// Failed reports whether anything is not as it has to be.
func (r *Report) Failed() bool { return r.Count(Fail) > 0 }

// sort brings the results into the order in which they are shown.
func (r *Report) sort() {
	order := map[*Check]int{}
	for i, c := range Checks() {
		order[c] = i
	}
	slices.SortStableFunc(r.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(order[a.Check], order[b.Check]), cmp.Compare(a.Subject, b.Subject))
	})
}
