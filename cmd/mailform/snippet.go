package main

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Bounds of what a diagnostic shows of a file: lines can be megabytes long,
// blocks thousands of lines.
const (
	snippetLines = 20
	snippetWidth = 240 // bytes of a line
)

// A diagnosticWriter writes diagnostics as package hcl does, in time that does
// not depend on the size of the files: hcl's own writer goes through the whole
// file for each. What it writes of a file is bounded and printable.
type diagnosticWriter struct {
	w     io.Writer
	files map[string]*hcl.File
	width uint // of the terminal; 0: lines are not broken
	color bool

	starts map[string][]int // offsets of the lines of a file, as they are needed
}

func (d *diagnosticWriter) write(diag *hcl.Diagnostic) error {
	var b strings.Builder
	// Without the files hcl's writer says that it has none, in the place where
	// ours belongs.
	if err := hcl.NewDiagnosticTextWriter(&b, nil, d.width, d.color).WriteDiagnostic(diag); err != nil {
		return err
	}
	text := b.String()
	if s := diag.Subject; s != nil && d.files[s.Filename] != nil && d.files[s.Filename].Bytes != nil {
		none := fmt.Sprintf("  on %s line %d:\n  (source code not available)\n", s.Filename, s.Start.Line)
		text = strings.Replace(text, none, d.snippet(d.files[s.Filename], diag), 1)
	}
	_, err := io.WriteString(d.w, text)
	return err
}

// snippet is the place of a diagnostic and the lines that it is about.
func (d *diagnosticWriter) snippet(file *hcl.File, diag *hcl.Diagnostic) string {
	subject := *diag.Subject
	var b strings.Builder
	fmt.Fprintf(&b, "  on %s line %d", subject.Filename, subject.Start.Line)
	if nav, ok := file.Nav.(interface{ ContextString(offset int) string }); ok {
		if in := nav.ContextString(subject.Start.Byte); in != "" {
			fmt.Fprintf(&b, ", in %s", in)
		}
	}
	b.WriteString(":\n")

	shown := subject
	if diag.Context != nil {
		shown = hcl.RangeOver(subject, *diag.Context)
	}
	src, starts := file.Bytes, d.lines(subject.Filename, file.Bytes)
	first, last := lineOf(starts, shown.Start.Byte), lineOf(starts, max(shown.Start.Byte, shown.End.Byte-1))
	for i := first; i <= last; i++ {
		if i-first == snippetLines {
			fmt.Fprintf(&b, "   …: (%d more lines)\n", last-i+1)
			break
		}
		end := len(src)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		line := bytes.TrimSuffix(bytes.TrimSuffix(src[starts[i]:end], []byte("\n")), []byte("\r"))
		fmt.Fprintf(&b, "%4d: %s\n", i+1, d.mark(line, subject.Start.Byte-starts[i], subject.End.Byte-starts[i]))
	}
	return b.String()
}

// mark cuts a long line around what a diagnostic is about, which stands from
// byte from to byte to of it and may begin before and end after the line, and
// sets that off on a terminal.
func (d *diagnosticWriter) mark(line []byte, from, to int) string {
	from, to = min(max(from, 0), len(line)), min(max(to, 0), len(line))
	begin, end := 0, len(line)
	if end > snippetWidth {
		begin = runeStart(line, max(0, min(from-snippetWidth/4, end-snippetWidth)))
		end = runeStart(line, min(begin+snippetWidth, len(line)))
	}
	from, to = min(max(from, begin), end), min(max(to, begin), end)
	before, marked, after := printable(line[begin:from]), printable(line[from:to]), printable(line[to:end])
	if begin > 0 {
		before = "…" + before
	}
	if end < len(line) {
		after += "…"
	}
	if d.color && marked != "" {
		marked = "\x1b[1;4m" + marked + "\x1b[0m"
	}
	return before + marked + after
}

// runeStart is the offset of the character that offset at lies in.
func runeStart(line []byte, at int) int {
	for i := at; i > 0 && i > at-utf8.UTFMax; i-- {
		if i == len(line) || utf8.RuneStart(line[i]) {
			return i
		}
	}
	return at
}

// printable keeps what a terminal would obey, and what is no text, from it.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(string(text), string(utf8.RuneError)))
}

// lines are the offsets at which the lines of a file start.
func (d *diagnosticWriter) lines(name string, src []byte) []int {
	if starts, ok := d.starts[name]; ok {
		return starts
	}
	starts := []int{0}
	for i, c := range src {
		if c == '\n' && i+1 < len(src) {
			starts = append(starts, i+1)
		}
	}
	if d.starts == nil {
		d.starts = map[string][]int{}
	}
	d.starts[name] = starts
	return starts
}

// lineOf is the index of the line that an offset lies in.
func lineOf(starts []int, offset int) int {
	return max(0, sort.SearchInts(starts, offset+1)-1)
}
