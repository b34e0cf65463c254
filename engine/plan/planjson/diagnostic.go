package planjson

import (
	"io"

	"github.com/hashicorp/hcl/v2"
)

type diagnostic struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *sourceRange `json:"range,omitempty"`
}

type sourceRange struct {
	Filename string         `json:"filename"`
	Start    sourcePosition `json:"start"`
	End      sourcePosition `json:"end"`
}

type sourcePosition struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func newDiagnostic(d *hcl.Diagnostic) *diagnostic {
	out := &diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.Range = &sourceRange{
			Filename: r.Filename,
			Start:    sourcePosition(r.Start),
			End:      sourcePosition(r.End),
		}
	}
	return out
}

type validation struct {
	FormatVersion string        `json:"format_version"`
	Valid         bool          `json:"valid"`
	ErrorCount    int           `json:"error_count"`
	WarningCount  int           `json:"warning_count"`
	Diagnostics   []*diagnostic `json:"diagnostics"`
}

// Validation writes the document of validate -json.
func Validation(w io.Writer, diags hcl.Diagnostics) error {
	doc := validation{FormatVersion: validationFormat, Valid: !diags.HasErrors(), Diagnostics: []*diagnostic{}}
	for _, d := range diags {
		if d.Severity == hcl.DiagWarning {
			doc.WarningCount++
		} else {
			doc.ErrorCount++
		}
		doc.Diagnostics = append(doc.Diagnostics, newDiagnostic(d))
	}
	return write(w, doc)
}
