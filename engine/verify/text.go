package verify

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Colours are what text is marked with; the zero value is none.
type Colours struct{ Pass, Warn, Fail, Skip, Reset string }

func (c Colours) of(s Status) string {
	switch s {
	case Pass:
		return c.Pass
	case Warn:
		return c.Warn
	case Fail:
		return c.Fail
	}
	return c.Skip
}

// Text writes a report for people: what failed with what to do about it.
func Text(w io.Writer, rep *Report, c Colours) error {
	var b strings.Builder
	group := ""
	for i := range rep.Results {
		res := &rep.Results[i]
		if i == 0 || res.Group != group {
			if i > 0 {
				b.WriteByte('\n')
			}
			group = res.Group
			b.WriteString(group + "\n")
		}
		fmt.Fprintf(&b, "  %s%-4s%s  %-13s  %s: %s\n", c.of(res.Status), res.Status, c.Reset, res.Check.ID, res.Subject, res.Detail)
		if res.Status != Fail && res.Status != Warn {
			continue
		}
		if res.Address != "" {
			fmt.Fprintf(&b, "        declared in %s%s\n", res.Address, at(res.Range))
		}
		if res.Fix != "" {
			fmt.Fprintf(&b, "        to mend it: %s (%s)\n", res.Fix, res.Check.RFC)
		}
	}
	if len(rep.Results) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Verify: %d passed, %d failed, %s, %d skipped.\n", rep.Count(Pass), rep.Count(Fail), warnings(rep.Count(Warn)), rep.Count(Skip))
	_, err := io.WriteString(w, b.String())
	return err
}

func warnings(n int) string {
	if n == 1 {
		return "1 warning"
	}
	return fmt.Sprintf("%d warnings", n)
}

func at(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return fmt.Sprintf(", %s line %d", r.Filename, r.Start.Line)
}

// A jsonResult is a result as JSON.
type jsonResult struct {
	Check   string `json:"check"`
	Group   string `json:"group"`
	Subject string `json:"subject"`
	Status  Status `json:"status"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
	RFC     string `json:"rfc"`
	Address string `json:"address,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
}

// JSON writes a report for programs: an object with format_version, passed, warned,
// failed, skipped, seconds, and results.
func JSON(w io.Writer, rep *Report) error {
	out := struct {
		FormatVersion string       `json:"format_version"`
		Began         string       `json:"began"`
		Seconds       float64      `json:"seconds"`
		Passed        int          `json:"passed"`
		Warned        int          `json:"warned"`
		Failed        int          `json:"failed"`
		Skipped       int          `json:"skipped"`
		Results       []jsonResult `json:"results"`
	}{"1.0", rep.Began.UTC().Format("2006-01-02T15:04:05Z"), rep.Took.Seconds(), rep.Count(Pass), rep.Count(Warn), rep.Count(Fail), rep.Count(Skip), []jsonResult{}}
	for i := range rep.Results {
		r := &rep.Results[i]
		out.Results = append(out.Results, jsonResult{r.Check.ID, r.Group, r.Subject, r.Status, r.Detail, r.Fix, r.Check.RFC, r.Address, r.Range.Filename, r.Range.Start.Line})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Failure *junitWords `xml:"failure"`
	Skipped *junitWords `xml:"skipped"`
	Out     string      `xml:"system-out,omitempty"`
}

type junitWords struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

// JUnit writes a report in the XML that pipelines show: a suite each group.
func JUnit(w io.Writer, rep *Report) error {
	var out struct {
		XMLName xml.Name      `xml:"testsuites"`
		Suites  []*junitSuite `xml:"testsuite"`
	}
	for i := range rep.Results {
		r := &rep.Results[i]
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != r.Group {
			out.Suites = append(out.Suites, &junitSuite{Name: r.Group})
		}
		s := out.Suites[len(out.Suites)-1]
		c := junitCase{Name: r.Check.ID + ": " + r.Subject, Class: r.Check.ID, Out: r.Detail}
		s.Tests++
		switch r.Status {
		case Fail:
			s.Failures++
			c.Failure, c.Out = &junitWords{r.Detail, strings.TrimSpace(r.Fix + at(r.Range))}, ""
		case Skip:
			s.Skipped++
			c.Skipped, c.Out = &junitWords{Message: r.Detail}, ""
		}
		s.Cases = append(s.Cases, c)
	}
	b, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(b)+"\n")
	return err
}
