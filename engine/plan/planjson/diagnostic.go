package planjson

import (
	"io"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
)

type diagnostic struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Address  string       `json:"address,omitempty"` // whose condition failed
	Range    *sourceRange `json:"range,omitempty"`
	Snippet  *snippet     `json:"snippet,omitempty"`
}

// A snippet is the lines that a diagnostic is about.
type snippet struct {
	Context        *string    `json:"context"` // the block around them
	Code           string     `json:"code"`
	StartLine      int        `json:"start_line"`
	HighlightStart int        `json:"highlight_start_offset"` // bytes of Code
	HighlightEnd   int        `json:"highlight_end_offset"`
	Values         []struct{} `json:"values"` // always empty: values may be secret
}

// snippetLimit bounds the code of a snippet, in bytes. Of longer lines there is
// none.
const snippetLimit = 2000

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

func newDiagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) *diagnostic {
	out := &diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if f, ok := d.Extra.(config.Failed); ok {
		out.Address = f.Address
	}
	if r := d.Subject; r != nil {
		out.Range = &sourceRange{
			Filename: r.Filename,
			Start:    sourcePosition(r.Start),
			End:      sourcePosition(r.End),
		}
		out.Snippet = newSnippet(r, files[r.Filename])
	}
	return out
}

func newSnippet(r *hcl.Range, file *hcl.File) *snippet {
	if file == nil || r.Start.Byte > r.End.Byte || r.End.Byte > len(file.Bytes) {
		return nil
	}
	src := file.Bytes
	from, to := r.Start.Byte, r.End.Byte
	for from > 0 && src[from-1] != '\n' && r.Start.Byte-from <= snippetLimit {
		from--
	}
	for to < len(src) && src[to] != '\n' && to-from <= snippetLimit {
		to++
	}
	if to-from > snippetLimit || !utf8.Valid(src[from:to]) {
		return nil
	}
	s := &snippet{Code: string(src[from:to]), StartLine: r.Start.Line, HighlightStart: r.Start.Byte - from, HighlightEnd: r.End.Byte - from, Values: []struct{}{}}
	if nav, ok := file.Nav.(interface{ ContextString(offset int) string }); ok {
		if in := nav.ContextString(r.Start.Byte); in != "" {
			s.Context = &in
		}
	}
	return s
}

type validation struct {
	FormatVersion string        `json:"format_version"`
	Valid         bool          `json:"valid"`
	ErrorCount    int           `json:"error_count"`
	WarningCount  int           `json:"warning_count"`
	Diagnostics   []*diagnostic `json:"diagnostics"`
}

// Validation writes the document of validate -json. files are those that the
// diagnostics are about, as they may be shown.
func Validation(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	doc := validation{FormatVersion: validationFormat, Valid: !diags.HasErrors(), Diagnostics: []*diagnostic{}}
	for _, d := range diags {
		if d.Severity == hcl.DiagWarning {
			doc.WarningCount++
		} else {
			doc.ErrorCount++
		}
		doc.Diagnostics = append(doc.Diagnostics, newDiagnostic(d, files))
	}
	return write(w, doc)
}
