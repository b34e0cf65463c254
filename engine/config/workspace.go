package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// DefaultWorkspace is the name of the workspace that every directory has.
const DefaultWorkspace = "default"

// WorkspaceFile, below the directory of the root module, holds the name of the
// workspace that is selected there. WorkspaceEnv in the environment outweighs it.
const (
	WorkspaceFile = ".mailform/workspace"
	WorkspaceEnv  = "MF_WORKSPACE"
)

// Workspace is the name of the workspace that is selected for a directory. The
// name may be one that CheckWorkspace refuses.
func Workspace(dir string, environ []string) string {
	if name, set := WorkspaceOfEnviron(environ); set {
		return name
	}
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(WorkspaceFile)))
	if name := strings.TrimSpace(string(data)); err == nil && name != "" {
		return name
	}
	return DefaultWorkspace
}

// WorkspaceOfEnviron is the name of the workspace that the environment sets.
func WorkspaceOfEnviron(environ []string) (name string, set bool) {
	for _, kv := range environ {
		if name, ok := strings.CutPrefix(kv, WorkspaceEnv+"="); ok && name != "" {
			return name, true
		}
	}
	return "", false
}

// CheckWorkspace says why a name cannot be that of a workspace, which stands in
// file names, URLs and keys of objects.
func CheckWorkspace(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}
	if name == "" || len(name) > 90 || name[0] == '.' || name[0] == '-' || strings.IndexFunc(name, odd) >= 0 {
		return fmt.Errorf("%q cannot be the name of a workspace: it has at most 90 letters, digits, hyphens, underscores and dots, and does not begin with a hyphen or a dot", name)
	}
	return nil
}

// workspaceOf is what the word mailform stands for in expressions.
func (m *Module) workspaceOf(environ []string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"workspace": cty.StringVal(Workspace(m.root.dir, environ))})
}

// workspace is workspaceOf, asked once.
func (r *run) workspace() cty.Value {
	if r.selected == cty.NilVal {
		r.selected = r.root.m.workspaceOf(r.opts.Environ)
	}
	return r.selected
}

// NamesWorkspace reports whether the arguments of the block backend are made of
// mailform.workspace.
func (m *Module) NamesWorkspace() bool {
	if m.backend == nil {
		return false
	}
	for i := range m.backend.attrs {
		if m.readsWorkspace(m.backend.attrs[i].expr, map[string]bool{}) {
			return true
		}
	}
	return false
}

// readsWorkspace reports whether an expression is made of mailform.workspace,
// directly or through local values.
func (m *Module) readsWorkspace(e *expression, seen map[string]bool) bool {
	for _, t := range e.Variables() {
		if t.RootName() == "mailform" {
			return true
		}
	}
	for _, r := range e.uses.roots {
		l := m.locals[r.name]
		if r.root != "local" || l == nil || seen[r.name] {
			continue
		}
		seen[r.name] = true
		if m.readsWorkspace(l.expr, seen) {
			return true
		}
	}
	return false
}
