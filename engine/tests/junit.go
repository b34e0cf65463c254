package tests

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// A JUnit is an Observer that keeps the results, for a report in the XML that
// most CI systems read: a testsuite for each file, a testcase for each run.
type JUnit struct {
	suites []*junitSuite
}

type junitReport struct {
	XMLName xml.Name      `xml:"testsuites"`
	Suites  []*junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Started implements Observer.
func (j *JUnit) Started([]*File) {}

// FileStarted implements Observer.
func (j *JUnit) FileStarted(f *File) { j.suites = append(j.suites, &junitSuite{Name: f.Path}) }

// RunStarted implements Observer.
func (j *JUnit) RunStarted(*File, *Run) {}

// RunDone implements Observer.
func (j *JUnit) RunDone(f *File, res *Result) {
	s := j.suites[len(j.suites)-1]
	s.Tests++
	c := junitCase{Name: res.Run.Name, Class: f.Path, Time: fmt.Sprintf("%.3f", res.Took.Seconds())}
	m := &junitMessage{Message: firstError(res.Diags), Text: diagnosticText(res.Diags)}
	switch res.Status {
	case Fail:
		s.Failures++
		c.Failure = m
	case Error:
		s.Errors++
		c.Error = m
	case Skip:
		s.Skipped++
		c.Skipped = &junitMessage{Message: "A run before it could not be carried out."}
	}
	s.Cases = append(s.Cases, c)
}

// FileDone implements Observer.
func (j *JUnit) FileDone(*File, Status) {}

// Done implements Observer.
func (j *JUnit) Done(Summary) {}

// Write writes the report.
func (j *JUnit) Write(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitReport{Suites: j.suites}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func firstError(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			first, _, _ := strings.Cut(d.Detail, "\n")
			return d.Summary + ": " + first
		}
	}
	return ""
}

func diagnosticText(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		word := "Error"
		if d.Severity == hcl.DiagWarning {
			word = "Warning"
		}
		fmt.Fprintf(&b, "%s: %s\n", word, d.Summary)
		if d.Subject != nil {
			fmt.Fprintf(&b, "  on %s line %d\n", d.Subject.Filename, d.Subject.Start.Line)
		}
		fmt.Fprintf(&b, "\n%s\n\n", d.Detail)
	}
	return b.String()
}
