package engine

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/engine/state/httpstate"
	"github.com/mailform/mailform/engine/state/pgstate"
	"github.com/mailform/mailform/engine/state/s3state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Backend is where the workspace keeps its state, as the module says. It opens
// no connection.
func (w *Workspace) Backend(module *config.Module, opts config.Options) (state.Backend, hcl.Diagnostics) {
	backend, _, diags := w.backend(module, opts)
	return backend, diags
}

// backend is Backend, with the keys that it encrypts with.
func (w *Workspace) backend(module *config.Module, opts config.Options) (state.Backend, *seal.Keyring, hcl.Diagnostics) {
	b, diags := module.Backend(opts)
	keys, more := w.Keyring(module, opts)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, nil, diags
	}
	name := config.Workspace(w.Dir, opts.Environ)
	var backend state.Backend
	err := config.CheckWorkspace(name)
	switch {
	case err != nil:
	case b == nil:
		backend, err = w.openLocal(StateFile, name, keys)
	default:
		backend, err = w.open(b, module.NamesWorkspace(), name, keys, opts.Environ)
	}
	if err != nil {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The backend cannot be used", Detail: fmt.Sprintf("%s.", err)}
		if b != nil {
			d.Subject = &b.Range
		}
		return nil, nil, append(diags, d)
	}
	return backend, keys, diags
}

func (w *Workspace) openLocal(path, workspace string, keys *seal.Keyring) (state.Backend, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.Dir, path)
	}
	l, err := state.OpenLocal(path, keys)
	if err != nil {
		return nil, err
	}
	return l.Workspace(workspace), nil
}

// open opens the backend of a block; named reports whether its arguments are made
// of the workspace's name.
func (w *Workspace) open(b *config.Backend, named bool, workspace string, keys *seal.Keyring, environ []string) (state.Backend, error) {
	switch {
	case named && b.Type != "http":
		return nil, fmt.Errorf("its arguments are made of mailform.workspace, and the backend %q keeps workspaces apart by itself. Only the backend \"http\" needs that", b.Type)
	case !named && b.Type == "http" && workspace != config.DefaultWorkspace:
		return nil, fmt.Errorf("the workspace %q would have the state of all others: the backend \"http\" keeps workspaces apart by their addresses alone. "+
			"Let address and lock_address be made of ${mailform.workspace}", workspace)
	}
	text := func(name string) string { return backendText(b.Value, name) }
	switch b.Type {
	case "local":
		return w.openLocal(text("path"), workspace, keys)
	case "http":
		return httpstate.Open(httpstate.Options{
			Address: text("address"), UpdateMethod: text("update_method"),
			LockAddress: text("lock_address"), LockMethod: text("lock_method"),
			UnlockAddress: text("unlock_address"), UnlockMethod: text("unlock_method"),
			Username: text("username"), Password: text("password"),
			Version: w.Version, Keys: keys,
		}.WithEnviron(environ))
	case "pg":
		lease, err := schema.ParseDuration(text("lease"))
		if err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
		conn := text("conn_str")
		if conn == "" {
			conn = fromEnviron(environ, "PG_CONN_STR")
		}
		return pgstate.Open(pgstate.Options{ConnStr: conn, Schema: text("schema_name"), Name: text("name"), Workspace: workspace, Lease: lease, Keys: keys})
	case "s3":
		lease, err := schema.ParseDuration(text("lease"))
		if err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
		o := s3state.Options{
			Bucket: text("bucket"), Key: text("key"), Workspace: workspace, WorkspacePrefix: text("workspace_key_prefix"),
			Region: text("region"), Endpoint: text("endpoint"),
			AccessKey: text("access_key"), SecretKey: text("secret_key"), Lease: lease, Keys: keys,
		}.WithEnviron(environ)
		// Every server understands the path; AWS alone would rather not.
		o.PathStyle = backendBool(b.Value, "path_style", o.Endpoint != "")
		return s3state.Open(o)
	default:
		return nil, fmt.Errorf("this version of mailform does not have the backend %q", b.Type)
	}
}

// backendText is a string argument of a backend; empty where it is null.
func backendText(obj cty.Value, name string) string {
	v, _ := obj.GetAttr(name).Unmark()
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

// backendBool is an argument that is true or false; without where it is null.
func backendBool(obj cty.Value, name string, without bool) bool {
	v, _ := obj.GetAttr(name).Unmark()
	if v.IsNull() || !v.IsKnown() {
		return without
	}
	return v.True()
}

// fromEnviron is the value of a variable of the environment; empty: it has none.
func fromEnviron(environ []string, name string) string {
	for _, kv := range environ {
		if key, value, _ := strings.Cut(kv, "="); key == name {
			return value
		}
	}
	return ""
}
