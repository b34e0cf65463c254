package tlsrpt

import (
	"cmp"
	"slices"
	"time"
)

// Types of policies (RFC 8460 §4.4).
const (
	TLSA     = "tlsa"
	STS      = "sts"
	NoPolicy = "no-policy-found"
)

// Types of failures (RFC 8460 §4.3).
const (
	NoSTARTTLS       = "starttls-not-supported"
	HostMismatch     = "certificate-host-mismatch"
	Expired          = "certificate-expired"
	NotTrusted       = "certificate-not-trusted"
	Invalid          = "validation-failure"
	TLSAInvalid      = "tlsa-invalid"
	DNSSECInvalid    = "dnssec-invalid"
	STSFetchError    = "sts-policy-fetch-error"
	STSPolicyInvalid = "sts-policy-invalid"
	STSWebPKIInvalid = "sts-webpki-invalid"
)

// A Policy is what connections were judged by.
type Policy struct {
	Type string `json:"policy-type"`
	// Text is the policy: lines of MTA-STS, or TLSA records.
	Text   []string `json:"policy-string,omitempty"`
	Domain string   `json:"policy-domain"`
	// MX are the patterns of an MTA-STS policy, or the host of TLSA records.
	MX []string `json:"mx-host,omitempty"`
}

// A Failure is why a connection was not as it should have been.
type Failure struct {
	Type     string `json:"result-type"`
	SendIP   string `json:"sending-mta-ip,omitempty"`
	MX       string `json:"receiving-mx-hostname,omitempty"`
	IP       string `json:"receiving-ip,omitempty"`
	Sessions int64  `json:"failed-session-count"`
	// Reason is what went wrong, for people.
	Reason string `json:"failure-reason-code,omitempty"`
}

// A Result is one connection.
type Result struct {
	Domain  string // of the recipients
	Policy  Policy
	Failure *Failure // nil: it was protected as it should be; Sessions does not matter
}

// A Count is how many connections ended in a way.
type Count struct {
	Result
	Sessions int64
}

// A Report is what a domain is sent of one day (RFC 8460 §4.4).
type Report struct {
	Organization string          `json:"organization-name"`
	Range        DateRange       `json:"date-range"`
	Contact      string          `json:"contact-info"`
	ID           string          `json:"report-id"`
	Policies     []PolicyResults `json:"policies"`
}

// A DateRange is the time of a report.
type DateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// PolicyResults are the connections that one policy judged.
type PolicyResults struct {
	Policy   Policy    `json:"policy"`
	Summary  Summary   `json:"summary"`
	Failures []Failure `json:"failure-details,omitempty"`
}

// A Summary counts connections.
type Summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

// New makes the report of a day, which begins at midnight UTC, from counts of one
// domain.
func New(organization, contact, id string, day time.Time, counts []Count) *Report {
	day = day.UTC().Truncate(24 * time.Hour)
	r := &Report{
		Organization: organization, Contact: contact, ID: id, Policies: []PolicyResults{},
		Range: DateRange{day, day.Add(24*time.Hour - time.Second)},
	}
	for _, c := range counts {
		p := r.of(c.Policy)
		if c.Failure == nil {
			p.Summary.Successful += c.Sessions
			continue
		}
		p.Summary.Failed += c.Sessions
		f := *c.Failure
		f.Sessions = c.Sessions
		p.Failures = append(p.Failures, f)
	}
	for i := range r.Policies {
		slices.SortFunc(r.Policies[i].Failures, func(a, b Failure) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.MX, b.MX), cmp.Compare(a.IP, b.IP), cmp.Compare(a.Reason, b.Reason))
		})
	}
	return r
}

func (r *Report) of(p Policy) *PolicyResults {
	for i := range r.Policies {
		q := r.Policies[i].Policy
		if q.Type == p.Type && q.Domain == p.Domain && slices.Equal(q.Text, p.Text) && slices.Equal(q.MX, p.MX) {
			return &r.Policies[i]
		}
	}
	r.Policies = append(r.Policies, PolicyResults{Policy: p})
	return &r.Policies[len(r.Policies)-1]
}
