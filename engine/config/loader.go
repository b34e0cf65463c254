package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/source"
	"github.com/zclconf/go-cty/cty"
)

// loadCalls loads the modules that the root module calls, those that these
// call, and so on: each directory once, or once for each combination of values
// that the sources in it are made of.
func (m *Module) loadCalls(opts Options) hcl.Diagnostics {
	l := &loader{root: m, opts: opts, byDir: map[string]*Module{}}
	diags := l.calls(m, []*Module{m}, "")
	m.all = append(m.all, m)
	return diags
}

// A loader finds and reads modules.
type loader struct {
	root *Module
	opts Options
	// byDir are the modules by their directories and what earlyKey makes of the
	// values that their sources are made of.
	byDir map[string]*Module
	vars  map[string]cty.Value // of the root module, for sources
	lock  *source.Lock
	// verified are the packages whose content was held against the lock file,
	// with what came of it.
	verified map[string]error
}

// calls loads what a module calls. way are the modules from the root to it, and
// bound is the directory that local sources must not leave; empty: none.
func (l *loader) calls(m *Module, way []*Module, bound string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range keys(m.calls) {
		c := m.calls[name]
		if c.source == nil || c.source.broken {
			m.incomplete = true
			continue
		}
		more := l.call(m, c, way, bound)
		diags = append(diags, more...)
	}
	return diags
}

func (l *loader) call(m *Module, c *call, way []*Module, bound string) hcl.Diagnostics {
	refuse := func(summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: c.source.Range().Ptr()}}
	}
	text, diags := l.sourceOf(m, c)
	if diags.HasErrors() || text == "" {
		return diags
	}
	src, err := source.Parse(text)
	if err == nil {
		c.from = src.String()
	}
	if errors.Is(err, source.ErrCredentials) {
		m.blank(c.source)
		return append(diags, refuse("Invalid source", "The source of %s cannot be used: %s.", c.address(), err)...)
	}
	if err != nil {
		return append(diags, refuse("Invalid source", "The source %q of %s cannot be used: %s.", text, c.address(), err)...)
	}
	var dir string
	if src.Git == nil {
		dir = filepath.Join(m.dir, filepath.FromSlash(src.Local))
	} else {
		install, err := l.installed(*src.Git, c)
		if err != nil {
			return append(diags, err)
		}
		bound = filepath.Join(l.root.dir, filepath.FromSlash(install))
		dir = filepath.Join(bound, filepath.FromSlash(src.Git.Sub))
	}
	if rel, err := filepath.Rel(bound, dir); bound != "" && (err != nil || !filepath.IsLocal(rel)) {
		return append(diags, refuse("Invalid source", "The source %q of %s leads out of the repository that the module comes from.", text, c.address())...)
	}
	real := dir // so that a link to itself has an end
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		real = resolved
	}
	for i, around := range way {
		if around.real == real {
			names := make([]string, 0, len(way)-i+1)
			for _, w := range append(slices.Clone(way[i:]), around) {
				names = append(names, w.folder())
			}
			return append(diags, refuse("Module calls itself", "The module in %s would be part of itself, without end: %s.", names[0], strings.Join(names, " → "))...)
		}
	}
	key, values := real, map[string]cty.Value(nil)
	if first := l.byDir[real]; first != nil {
		var more hcl.Diagnostics
		if values, more = l.early(m, c, first); more.HasErrors() {
			return append(diags, more...)
		}
		key += earlyKey(values)
	}
	if c.child = l.byDir[key]; c.child != nil {
		return diags
	}
	child, more := l.read(dir, c, text)
	diags = append(diags, more...)
	if child == nil {
		return diags
	}
	child.real = real
	if values == nil {
		if values, more = l.early(m, c, child); more.HasErrors() {
			return append(diags, more...)
		}
	}
	child.early = values
	c.child, l.byDir[real+earlyKey(values)] = child, child
	if l.byDir[real] == nil {
		l.byDir[real] = child
	}
	diags = append(diags, l.calls(child, append(slices.Clone(way), child), bound)...)
	l.root.all = append(l.root.all, child)
	return diags
}

// read takes in the files of a called module; nil where there are none.
func (l *loader) read(dir string, c *call, text string) (*Module, hcl.Diagnostics) {
	refuse := func(summary, detail string) (*Module, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: c.source.Range().Ptr()}}
	}
	name := dir
	if rel, err := filepath.Rel(l.root.dir, dir); err == nil {
		name = filepath.ToSlash(rel)
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		return refuse("Module not found", fmt.Sprintf("The source %q of %s is the directory %s, which cannot be read: %s.%s", text, c.address(), name, cause(err), neighbours(dir)))
	case !info.IsDir():
		return refuse("Module not found", fmt.Sprintf("The source %q of %s is the file %s. A module is a directory of files.", text, c.address(), name))
	}
	child := newModule(dir, name, l.root)
	_, diags := child.readDir()
	if child.loaded < 0 {
		return nil, diags
	}
	if child.loaded == 0 {
		return refuse("Module without files", fmt.Sprintf("The directory %s, which is the source of %s, has no files that end in %s.", name, c.address(), suffixConfig))
	}
	return child, append(diags, child.misplaced()...)
}

// folder is what a message calls the directory of the module.
func (m *Module) folder() string {
	if m.path == "." {
		return "./"
	}
	return m.path
}

// neighbours suggests another directory where there is none of a name.
func neighbours(dir string) string {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return suggestion(filepath.Base(dir), names)
}

// misplaced reports what only the root module can have.
func (m *Module) misplaced() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, p := range m.providers {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Provider in a module",
			Detail: "Providers are configured in the root module, and handed over with the argument providers of a module block. " +
				"So the same module can be used at several of them, and can go without leaving behind what only its own provider could take away.",
			Subject: p.header.Ptr(),
		})
	}
	if m.backend != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Backend in a module",
			Detail:   "Where the state is kept is said in the root module. This block is not used.",
			Subject:  m.backend.header.Ptr(),
		})
		m.backend = nil
	}
	if m.encryption != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Encryption in a module",
			Detail:   "How the state is encrypted is said in the root module. This block is not used.",
			Subject:  m.encryption.header.Ptr(),
		})
		m.encryption = nil
	}
	for name, v := range m.variables {
		if reserved(name) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid name",
				Detail:   fmt.Sprintf("No value can be given to the variable %q of a module: in a module block, that word has a meaning of its own.", name),
				Subject:  v.header.Ptr(),
			})
		}
	}
	return diags
}

// installed is where a package lies, below the directory of the root module.
func (l *loader) installed(r source.Repository, c *call) (string, *hcl.Diagnostic) {
	refuse := func(summary, format string, args ...any) (string, *hcl.Diagnostic) {
		return "", &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: c.source.Range().Ptr()}
	}
	pkg := r.Package()
	dir := pkg.Install()
	if l.opts.Install != nil {
		if err := l.opts.Install(pkg); err != nil {
			return refuse("Module cannot be installed", "The source of %s cannot be fetched: %s.", c.address(), err)
		}
		return dir, nil
	}
	if l.lock == nil {
		lock, err := source.ReadLock(l.root.dir)
		if err != nil {
			return refuse("Damaged lock file", "The modules that lie elsewhere are pinned in %s, which cannot be used: %s. Take it out of version control again, or delete it and run \"mailform init\".", source.LockName, err)
		}
		l.lock, l.verified = lock, map[string]error{}
	}
	locked, ok := l.lock.Modules[pkg.String()]
	if _, err := os.Stat(filepath.Join(l.root.dir, filepath.FromSlash(dir))); !ok || err != nil {
		return refuse("Module not installed", "The source of %s, %s, is not installed yet. Run \"mailform init\", which fetches it.", c.address(), pkg)
	}
	if _, done := l.verified[dir]; !done {
		l.verified[dir] = source.Verify(l.root.dir, pkg, locked)
	}
	if err := l.verified[dir]; err != nil {
		return refuse("Module differs from the lock file", "What is installed for %s in %s is not what %s says: %s. Run \"mailform init\", which fetches that again; to take over another content, \"mailform init -upgrade\".",
			c.address(), dir, source.LockName, err)
	}
	return dir, nil
}
