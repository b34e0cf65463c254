package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const (
	// LockName is the name of the lock file, in the directory of the root module.
	LockName = ".mailform.lock.hcl"
	// Folder is where modules are installed, below the same directory.
	Folder = ".mailform/modules"
)

// A Lock pins the modules that lie elsewhere: the content of the lock file.
type Lock struct {
	// Modules by their packages, as Repository.String has them.
	Modules map[string]Locked
}

// A Locked module.
type Locked struct {
	Commit string // 40 or 64 hexadecimal digits
	Hash   string // as Hash returns it
}

// maxLock bounds a lock file, in bytes.
const maxLock = 1 << 20

var (
	commits = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	hashes  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

	lockSchema   = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "module", LabelNames: []string{"source"}}}}
	lockedSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "commit", Required: true}, {Name: "hash", Required: true}}}
)

// ReadLock reads the lock file of a directory. Without one it is empty.
func ReadLock(dir string) (*Lock, error) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{Modules: map[string]Locked{}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err != nil {
		return nil, err
	}
	return parseLock(src)
}

// parseLock reads the text of a lock file.
func parseLock(src []byte) (*Lock, error) {
	l := &Lock{Modules: map[string]Locked{}}
	if len(src) > maxLock {
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", LockName, maxLock)
	}
	if bytes.Count(src, []byte("{"))+bytes.Count(src, []byte("[")) > maxLock/64 {
		return nil, fmt.Errorf("read %s: it is damaged", LockName) // nothing that the parser should go down into
	}
	file, diags := hclsyntax.ParseConfig(src, LockName, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("read %s: %w", LockName, diags)
	}
	content, diags := file.Body.Content(lockSchema)
	for _, b := range content.Blocks {
		inner, more := b.Body.Content(lockedSchema)
		diags = append(diags, more...)
		var m Locked
		for name, to := range map[string]*string{"commit": &m.Commit, "hash": &m.Hash} {
			if a := inner.Attributes[name]; a != nil {
				v, more := a.Expr.Value(nil)
				diags = append(diags, more...)
				if !more.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
					*to = v.AsString()
				}
			}
		}
		if !diags.HasErrors() && (!commits.MatchString(m.Commit) || !hashes.MatchString(m.Hash)) {
			return nil, fmt.Errorf("read %s: line %d: the module %q has no commit or no hash of the expected form", LockName, b.DefRange.Start.Line, b.Labels[0])
		}
		l.Modules[b.Labels[0]] = m
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("read %s: %w", LockName, diags)
	}
	return l, nil
}

// encode writes the lock as the text of its file.
func (l *Lock) encode() []byte {
	var b bytes.Buffer
	b.WriteString("# Written by mailform init. It belongs into version control: with it, everyone\n# works with the same content of the modules that lie elsewhere.\n")
	for _, name := range slices.Sorted(maps.Keys(l.Modules)) {
		m := l.Modules[name]
		fmt.Fprintf(&b, "\nmodule %s {\n  commit = %q\n  hash   = %q\n}\n", quote(name), m.Commit, m.Hash)
	}
	return b.Bytes()
}

// quote writes a text as HCL does.
func quote(s string) string {
	return string(bytes.ReplaceAll(bytes.ReplaceAll([]byte(strconv.Quote(s)), []byte("${"), []byte("$${")), []byte("%{"), []byte("%%{")))
}

// Write writes the lock file of a directory, whole or not at all, where it says
// something else than it did. Without modules there is none.
func (l *Lock) Write(dir string) (changed bool, err error) {
	path := filepath.Join(dir, LockName)
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if len(l.Modules) == 0 {
			return false, nil
		}
	case err != nil:
		return false, err
	case len(l.Modules) == 0:
		return true, os.Remove(path)
	}
	text := l.encode()
	if bytes.Equal(have, text) {
		return false, nil
	}
	tmp, err := os.CreateTemp(dir, ".mailform-*")
	if err != nil {
		return false, err
	}
	_, werr := tmp.Write(text)
	err = errors.Join(werr, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return false, errors.Join(fmt.Errorf("write %s: %w", LockName, err), os.Remove(tmp.Name()))
	}
	return true, nil
}

// Differs names a module that the other lock says something else of; empty for
// none.
func (l *Lock) Differs(other *Lock) string {
	for _, name := range slices.Sorted(maps.Keys(other.Modules)) {
		if l.Modules[name] != other.Modules[name] {
			return name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Modules)) {
		if _, ok := other.Modules[name]; !ok {
			return name
		}
	}
	return ""
}
