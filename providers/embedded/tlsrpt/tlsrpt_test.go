package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	"github.com/google/go-cmp/cmp"
)

// example is RFC 8460 Appendix B, without additional-information and with numbers
// as the same RFC has them in §4.4, and without the fields of its failures that are
// not known to who sends mail.
const example = `{
  "organization-name": "Company-X",
  "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {
      "policy-type": "sts",
      "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
      "policy-domain": "company-y.example",
      "mx-host": ["*.mail.company-y.example"]
    },
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
    "failure-details": [{
      "result-type": "certificate-expired",
      "sending-mta-ip": "2001:db8:abcd:0012::1",
      "receiving-mx-hostname": "mx1.mail.company-y.example",
      "failed-session-count": 100
    }, {
      "result-type": "starttls-not-supported",
      "sending-mta-ip": "2001:db8:abcd:0013::1",
      "receiving-mx-hostname": "mx2.mail.company-y.example",
      "receiving-ip": "203.0.113.56",
      "failed-session-count": 200
    }, {
      "result-type": "validation-failure",
      "sending-mta-ip": "198.51.100.62",
      "receiving-mx-hostname": "mx-backup.mail.company-y.example",
      "receiving-ip": "203.0.113.58",
      "failed-session-count": 3,
      "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
    }]
  }]
}`

func exampleCounts() []Count {
	policy := Policy{STS, []string{"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"},
		"company-y.example", []string{"*.mail.company-y.example"}}
	failed := func(n int64, f Failure) Count { return Count{Result{"company-y.example", policy, &f}, n} }
	return []Count{
		failed(200, Failure{Type: NoSTARTTLS, SendIP: "2001:db8:abcd:0013::1", MX: "mx2.mail.company-y.example", IP: "203.0.113.56"}),
		{Result{Domain: "company-y.example", Policy: policy}, 5000},
		failed(3, Failure{Type: Invalid, SendIP: "198.51.100.62", MX: "mx-backup.mail.company-y.example", IP: "203.0.113.58", Reason: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"}),
		failed(100, Failure{Type: Expired, SendIP: "2001:db8:abcd:0012::1", MX: "mx1.mail.company-y.example"}),
		{Result{Domain: "company-y.example", Policy: policy}, 326},
	}
}

func exampleReport() *Report {
	return New("Company-X", "sts-reporting@company-x.example", "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
		time.Date(2016, 4, 1, 13, 0, 0, 0, time.UTC), exampleCounts())
}

func TestTheReportIsThatOfTheRFC(t *testing.T) {
	got, err := json.Marshal(exampleReport())
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(example), &b) != nil {
		t.Fatal("no JSON")
	}
	if d := cmp.Diff(b, a); d != "" {
		t.Error(d)
	}
}

func TestEachPolicyIsCountedByItself(t *testing.T) {
	none := Policy{Type: NoPolicy, Domain: "far.test"}
	counts := append(exampleCounts(), Count{Result{Domain: "far.test", Policy: none}, 7})
	r := New("x", "y", "z", time.Now(), counts)
	if len(r.Policies) != 2 || r.Policies[1].Summary != (Summary{Successful: 7}) {
		t.Errorf("%+v", r.Policies)
	}
}

func TestAReportGoesByMail(t *testing.T) {
	var b bytes.Buffer
	m := Mail{From: "postmaster@company-x.example", To: []string{"a@company-y.example", "b@z.test"}, Domain: "company-y.example",
		Submitter: "company-x.example", Date: time.Date(2016, 4, 2, 0, 0, 0, 0, time.UTC)}
	if err := exampleReport().WriteMail(&b, m); err != nil {
		t.Fatal(err)
	}
	e, err := message.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := e.Header.ContentType()
	if err != nil || kind != "multipart/report" || params["report-type"] != "tlsrpt" {
		t.Errorf("%s %v %v", kind, params, err)
	}
	for name, want := range map[string]string{
		"TLS-Report-Domain": "company-y.example", "TLS-Report-Submitter": "company-x.example", "TLS-Required": "No",
		"Subject": "Report Domain: company-y.example Submitter: company-x.example Report-ID: <5065427c-23d3-47ca-b6e0-946ea0e8c4be>",
		"To":      "<a@company-y.example>, <b@z.test>",
	} {
		if got := e.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	mr := e.MultipartReader()
	if _, err := mr.NextPart(); err != nil {
		t.Fatal(err)
	}
	p, err := mr.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	_, params, err = p.Header.ContentDisposition()
	if want := "company-x.example!company-y.example!1459468800!1459555199.json.gz"; err != nil || params["filename"] != want {
		t.Errorf("file %v, %v", params, err)
	}
	if kind, _, _ := p.Header.ContentType(); kind != "application/tlsrpt+gzip" {
		t.Errorf("type %s", kind)
	}
	zr, err := gzip.NewReader(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exampleReport(), &r); d != "" {
		t.Error(d)
	}
}

func TestParseRecord(t *testing.T) {
	for text, want := range map[string][]string{
		"v=TLSRPTv1;rua=mailto:reports@example.com":                              {"mailto:reports@example.com"},
		"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt":                {"https://reporting.example.com/v1/tlsrpt"},
		"v=TLSRPTv1; rua=mailto:a@example.com , https://r.example.com/x; ext=1;": {"mailto:a@example.com", "https://r.example.com/x"},
		"v=TLSRPTv1; rua=http://r.example.com/x,mailto:nobody,https://":          nil,
		"v=TLSRPTv1":                 nil,
		"v=TLSRPTv2; rua=mailto:a@b": nil,
		"v=TLSRPTv1; rua=mailto:a@b|v=TLSRPTv1; rua=mailto:a@b": nil,
	} {
		if d := cmp.Diff(want, ParseRecord(strings.Split(text, "|"))); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:a@example.com,https://r.example.com/x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, uri := range ParseRecord([]string{text}) {
			if !strings.HasPrefix(strings.ToLower(uri), "mailto:") && !strings.HasPrefix(strings.ToLower(uri), "https:") {
				t.Fatal(uri)
			}
		}
	})
}
