package config

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/mailform/mailform/engine/config/internal/nesting"
	"github.com/mailform/mailform/engine/config/internal/plain"
)

// A text is a file that was read. What is kept of it is its bytes: the syntax
// tree of a file is many times as large, and is dropped once what it declares
// is taken in. Where a message needs it, the bytes are parsed again.
type text struct {
	name   string
	bytes  []byte
	digest [sha256.Size]byte
	// shown is what messages show in place of bytes; nil: bytes.
	shown []byte
	// secrets are the places to blank out before anything is shown.
	secrets []span
	parsed  bool // the parser has looked at it
}

// A parsed file; file is nil where nothing of it is usable, and text where it
// could not be read.
type parsed struct {
	text  *text
	file  *hcl.File
	diags hcl.Diagnostics
}

// parseFile reads and parses a file that diagnostics call by name.
func parseFile(path, name string) parsed {
	t, diags := readFile(path, name)
	if diags.HasErrors() {
		return parsed{text: t, diags: diags}
	}
	file, diags := t.parse()
	diags = syntaxErrors(diags, t.json())
	t.parsed = file != nil
	if diags.HasErrors() {
		t.shown = blankLines(t.bytes)
	}
	if file != nil && (file.Body == nil || t.json() && diags.HasErrors()) {
		file = nil // what is left of JSON makes no sense
	}
	return parsed{t, file, diags}
}

// parse makes a syntax tree of the text; nil where it was not even looked at.
func (t *text) parse() (*hcl.File, hcl.Diagnostics) { return t.parseAs(t.json()) }

// parseAs does so in one of the two syntaxes.
func (t *text) parseAs(inJSON bool) (*hcl.File, hcl.Diagnostics) {
	if inJSON {
		if diags := nesting.JSON(t.bytes, t.name); diags.HasErrors() {
			return nil, diags
		}
		return json.Parse(t.bytes, t.name)
	}
	body, diags := plain.Parse(t.bytes, t.name, parseConfig)
	return &hcl.File{Body: body, Bytes: t.bytes, Nav: fileBlocks(body.Blocks)}, diags
}

// parseConfig parses a file, or a part of one, unless that would go too deep.
func parseConfig(src []byte, filename string, start hcl.Pos) (*hclsyntax.Body, hcl.Diagnostics) {
	if diags := nesting.Config(src, filename, start); diags.HasErrors() {
		return nil, diags
	}
	file, diags := hclsyntax.ParseConfig(src, filename, start)
	return file.Body.(*hclsyntax.Body), diags
}

func (t *text) json() bool { return strings.HasSuffix(t.name, suffixJSON) }

// readFile reads a file that has to be text. Where it is none, the text is
// still there to be shown.
func readFile(path, name string) (*text, hcl.Diagnostics) {
	src, err := readRegular(path)
	if err != nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot read the file",
			Detail:   fmt.Sprintf("The file %s cannot be read: %s.", name, cause(err)),
			Subject:  &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos},
		}}
	}
	t := &text{name: name, bytes: src, digest: sha256.Sum256(src)}
	if at := invalidText(src); at >= 0 {
		summary, detail := "Invalid UTF-8", fmt.Sprintf("Configuration files are UTF-8 text. The byte 0x%02x does not belong to any character of it; the file may be in another encoding.", src[at])
		if src[at] == 0 {
			summary, detail = "Invalid character", "The file holds a NUL byte. Configuration files are UTF-8 text; the file may be in another encoding, or damaged."
		}
		t.shown = bytes.ToValidUTF8(bytes.ReplaceAll(src, []byte{0}, []byte{'?'}), []byte{'?'})
		return t, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  summary,
			Detail:   detail,
			Subject:  byteRange(src, name, at),
		}}
	}
	return t, nil
}

// parseAll parses files of a directory on all processors, and hands them over,
// under the names that called gives them,
// in the order of their names, so that what is found does not depend on which
// was ready first. Few files are ahead of the one that is taken in: their
// syntax trees are large.
func parseAll(dir string, names []string, called func(string) string, take func(parsed)) {
	ahead := make(chan chan parsed, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	all.Go(func() {
		for _, name := range names {
			one := make(chan parsed, 1)
			ahead <- one
			all.Go(func() { one <- parseFile(filepath.Join(dir, name), called(name)) })
		}
		close(ahead)
	})
	for one := range ahead {
		take(<-one)
	}
	all.Wait()
}

// keep remembers a file for diagnostics.
func (m *Module) keep(t *text) {
	if t != nil {
		m.texts[t.name] = t
	}
}

// Files returns the files that were read, by the names that diagnostics use, so
// that the lines in question can be shown. Secrets written into them are
// blanked out.
func (m *Module) Files() map[string]*hcl.File {
	files := make(map[string]*hcl.File, len(m.texts))
	for name, t := range m.texts {
		files[name] = &hcl.File{Bytes: t.blanked()}
		if t.parsed {
			files[name].Nav = &navigation{text: t}
		}
	}
	return files
}

// The blocks of a file, in its order, tell which of them a place lies in.
type fileBlocks hclsyntax.Blocks

// ContextString is how package hcl asks for it.
func (l fileBlocks) ContextString(offset int) string {
	i := sort.Search(len(l), func(i int) bool { return l[i].Range().End.Byte > offset })
	if i == len(l) || !l[i].Range().ContainsOffset(offset) {
		return ""
	}
	text := l[i].Type
	for _, label := range l[i].Labels {
		text += fmt.Sprintf(" %q", label)
	}
	return text
}

// A navigation tells which block a place in a file lies in.
type navigation struct {
	text *text
	once sync.Once
	nav  any
}

// ContextString is how package hcl asks for it.
func (n *navigation) ContextString(offset int) string {
	n.once.Do(func() {
		if file, _ := n.text.parse(); file != nil {
			n.nav = file.Nav
		}
	})
	if nav, ok := n.nav.(interface{ ContextString(int) string }); ok {
		return nav.ContextString(offset)
	}
	return ""
}
