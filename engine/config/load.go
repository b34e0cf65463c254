package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The names of what is read.
const (
	suffixConfig   = ".mf.hcl"
	suffixVars     = ".mfvars"
	suffixAutoVars = ".auto.mfvars"
	suffixJSON     = ".json"
	nameVars       = "mailform.mfvars"
)

// maxFile bounds a configuration file, in bytes. A hundred thousand users, each
// in a block of its own, are half of that.
const maxFile = 64 << 20

// A Module is a loaded directory with the modules that it calls: its files are
// read, and what they declare is known, but nothing is evaluated.
type Module struct {
	dir  string // absolute
	real string // dir without symbolic links
	path string // from the root module's directory, with slashes; "." for that
	// root is the module that Load was asked for, maybe this one. What a command
	// is told about files, it is told by that one.
	root *Module
	// early are the values of the variables that sources in a called module are
	// made of.
	early   map[string]cty.Value
	all     []*Module                    // of the root module: all modules, each once
	texts   map[string]*text             // all files read so far, by name, of all modules
	sources map[string][sha256.Size]byte // of those of the configuration
	loaded  int                          // configuration files found
	// incomplete is set where a file could not be read in full: what seems not to
	// be declared may be declared there.
	incomplete bool
	names      map[string][]string     // of the blocks by type, once there is an error to suggest one
	syntax     map[string]map[int]bool // lines with syntax errors, by file
	failed     bool                    // Load reported errors

	required  []requirement
	backend   *block  // nil: none is declared
	brakes    *Brakes // nil: the block is not there
	variables map[string]*variable
	locals    map[string]*local
	outputs   map[string]*output
	providers map[providerID]*block
	blocks    map[blockID]*block
	calls     map[string]*call
	moves     []move
	removals  []removal
	takings   []taking
	checks    []check
	varFiles  []*varFile // in rising precedence
	// unread is set where a file with values could not be read in full: what seems
	// not to be set may be set there.
	unread bool
	// commands holds what the commands of variables have printed.
	commands map[string]string
	// given are the values that were set when values were last asked for.
	given map[string]given

	// encryption is the block of that name; nil: none is declared.
	encryption *block

	usesComputed bool
	flow         flow
}

// Load is LoadWith without values for variables and without an environment.
func Load(dir string) (*Module, hcl.Diagnostics) { return LoadWith(dir, Options{}) }

// LoadWith reads the configuration files of a directory, not of those below it:
// *.mf.hcl and *.mf.hcl.json, and the values of variables in mailform.mfvars,
// *.auto.mfvars, their JSON forms, and those encrypted by age or SOPS; and the
// directories of the modules that are called. It reports all errors at once. The
// module is never nil, so that its files can be shown beside the errors. The
// options matter where the source of a module is made of variables.
func LoadWith(dir string, opts Options) (*Module, hcl.Diagnostics) {
	m := newModule(dir, ".", nil)
	vars, diags := m.readDir()
	if m.loaded < 0 {
		return m, diags
	}
	sortValueFiles(vars)
	for _, name := range vars {
		file, more := m.parseVarFile(filepath.Join(dir, name), name)
		diags = append(diags, more...)
		if file != nil {
			m.varFiles = append(m.varFiles, file)
		}
	}
	diags = append(diags, m.loadCalls(opts)...)
	for name, t := range m.texts {
		m.sources[name] = t.digest
	}
	for _, one := range m.all { // called modules come before their callers
		diags = append(diags, one.resolve()...)
	}
	diags = append(diags, m.settle()...)
	for _, one := range m.all {
		one.hide()
	}
	for _, one := range m.all {
		one.failed = diags.HasErrors()
	}
	return m, sortDiagnostics(diags)
}

// newModule makes one that nothing is read of yet. A root module has none.
func newModule(dir, path string, root *Module) *Module {
	m := &Module{
		dir:       dir,
		path:      path,
		root:      root,
		variables: map[string]*variable{},
		locals:    map[string]*local{},
		outputs:   map[string]*output{},
		providers: map[providerID]*block{},
		blocks:    map[blockID]*block{},
		calls:     map[string]*call{},
	}
	if abs, err := filepath.Abs(dir); err == nil {
		m.dir = abs
	}
	if root == nil {
		m.root, m.real = m, m.dir
		if real, err := filepath.EvalSymlinks(m.dir); err == nil {
			m.real = real
		}
		m.texts, m.sources = map[string]*text{}, map[string][sha256.Size]byte{}
	} else {
		m.texts, m.sources = root.texts, root.sources
	}
	return m
}

// named is how diagnostics call a file of the module.
func (m *Module) named(file string) string { return path.Join(m.path, file) }

// readDir takes in the configuration files of the module's directory, and
// lists those with values of variables. loaded is negative afterwards where the
// directory cannot be read.
func (m *Module) readDir() (vars []string, diags hcl.Diagnostics) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		m.loaded = -1
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot read the directory",
			Detail:   fmt.Sprintf("The directory %s of the configuration cannot be read: %s.", m.dir, cause(err)),
		}}
	}
	var configs []string
	for _, entry := range entries { // sorted by name
		name := entry.Name()
		if strings.HasPrefix(name, ".") || entry.IsDir() {
			continue
		}
		if strings.HasSuffix(strings.TrimSuffix(name, suffixJSON), suffixConfig) {
			configs = append(configs, name)
		} else if is, _ := valueFile(name); is {
			vars = append(vars, name)
		}
	}
	m.loaded = len(configs)
	parseAll(m.dir, configs, m.named, func(p parsed) {
		m.keep(p.text)
		diags = append(diags, p.diags...)
		m.noteSyntax(p.diags)
		if p.file != nil {
			more := m.decodeFile(p.file)
			if p.diags.HasErrors() {
				more = halfBlocks(more)
			}
			diags = append(diags, more...)
		}
	})
	return vars, diags
}

// Empty reports whether the directory has no configuration files.
func (m *Module) Empty() bool { return m.loaded <= 0 }

// Sources returns SHA-256 digests of the files that were read from the
// directory and those of modules, by their paths from it: with them, a saved
// plan knows whether the configuration is still the one that it was made from.
func (m *Module) Sources() map[string][sha256.Size]byte { return m.sources }

// UsesComputed reports whether a block or a local reads what others compute
// (domain.example.dkim_txt), so that evaluation has to be repeated once that is
// known. Outputs of the root module do not count.
func (m *Module) UsesComputed() bool {
	return slices.ContainsFunc(m.all, func(one *Module) bool { return one.usesComputed })
}

// noteSyntax remembers where text did not parse.
func (m *Module) noteSyntax(diags hcl.Diagnostics) {
	m.incomplete = m.incomplete || diags.HasErrors()
	for _, d := range diags {
		if d.Subject != nil && d.Severity == hcl.DiagError {
			lines := m.syntax[d.Subject.Filename]
			if lines == nil {
				lines = map[int]bool{}
				if m.syntax == nil {
					m.syntax = map[string]map[int]bool{}
				}
				m.syntax[d.Subject.Filename] = lines
			}
			for n := d.Subject.Start.Line; n <= d.Subject.End.Line; n++ {
				lines[n] = true
			}
		}
	}
}

// damaged reports whether a syntax error lies on the lines of an expression:
// then what is left of it is not what was meant.
func (m *Module) damaged(r hcl.Range) bool {
	if r.End.Byte < r.Start.Byte {
		return true
	}
	if lines := m.syntax[r.Filename]; lines != nil {
		for n := r.Start.Line; n <= r.End.Line; n++ {
			if lines[n] {
				return true
			}
		}
	}
	return false
}

func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(src) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return src, err
}

// cause leaves out the path of an error of package os, which the message around
// it names already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// invalidText finds the first byte that does not belong in text; -1: there is none.
func invalidText(src []byte) int {
	if at := bytes.IndexByte(src, 0); at >= 0 && utf8.Valid(src[:at]) {
		return at
	}
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// byteRange is the range of one byte. Columns count characters up to there,
// bytes that are none as one each.
func byteRange(src []byte, name string, at int) *hcl.Range {
	lineStart := bytes.LastIndexByte(src[:at], '\n') + 1
	start := hcl.Pos{
		Line:   1 + bytes.Count(src[:at], []byte{'\n'}),
		Column: 1 + utf8.RuneCount(src[lineStart:at]),
		Byte:   at,
	}
	end := start
	end.Column++
	end.Byte++
	return &hcl.Range{Filename: name, Start: start, End: end}
}

// sortDiagnostics orders by place, so that the same input gives the same
// output whatever the order of evaluation was, and leaves out what was said twice.
func sortDiagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Or(comparePlaces(a.Subject, b.Subject), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.CompactFunc(diags, func(a, b *hcl.Diagnostic) bool {
		return comparePlaces(a.Subject, b.Subject) == 0 && a.Summary == b.Summary && a.Detail == b.Detail && a.Subject != nil
	})
}

// comparePlaces puts what has no place first.
func comparePlaces(a, b *hcl.Range) int {
	if a == nil || b == nil {
		switch {
		case a == b:
			return 0
		case a == nil:
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Start.Byte, b.Start.Byte), cmp.Compare(a.End.Byte, b.End.Byte))
}

// suggestion is the end of a sentence about an unknown name: " Did you mean …?".
func suggestion(given string, names []string) string {
	sort.Strings(names)
	if near := schema.Suggest(given, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}
