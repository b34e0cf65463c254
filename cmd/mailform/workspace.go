package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
)

func workspaceCommands() []command {
	return []command{
		{"list", "", "Print the workspaces that there are", (*app).workspaceList},
		{"show", "", "Print the workspace that is selected", (*app).workspaceShow},
		{"new", "NAME", "Make a workspace and select it", (*app).workspaceNew},
		{"select", "NAME", "Select a workspace", (*app).workspaceSelect},
		{"delete", "NAME", "Remove a workspace that holds nothing any more", (*app).workspaceDelete},
	}
}

// workspaceCommand deals with the workspaces of a directory: states of the same
// files, side by side.
func (a *app) workspaceCommand(ctx context.Context, args []string) int {
	return a.group(ctx, "workspace", args)
}

// selected is the workspace that the directory's commands work in.
func (a *app) selected(ws *engine.Workspace) string { return config.Workspace(ws.Dir, a.environ) }

// keeper opens the state of a workspace.
func (a *app) keeper(ws *engine.Workspace, vars []config.VarArg, name string) (interface {
	state.Backend
	state.Keeper
}, error) {
	if err := config.CheckWorkspace(name); err != nil {
		return nil, err
	}
	other := *a
	other.environ = append([]string{config.WorkspaceEnv + "=" + name}, a.environ...)
	backend, err := other.backend(ws, vars)
	if err != nil {
		return nil, err
	}
	k, ok := backend.(interface {
		state.Backend
		state.Keeper
	})
	if !ok {
		return nil, errors.New("the backend has no workspaces")
	}
	return k, nil
}

// workspaceNames lists the workspaces, the default one first. Complete is false where the
// backend cannot tell: then there may be others.
func (a *app) workspaceNames(ctx context.Context, ws *engine.Workspace, vars []config.VarArg) (names []string, complete bool, err error) {
	k, err := a.keeper(ws, vars, config.DefaultWorkspace)
	if err != nil {
		return nil, false, err
	}
	names, err = k.Workspaces(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		if s := a.selected(ws); s != config.DefaultWorkspace {
			names = []string{s}
		}
		return append([]string{config.DefaultWorkspace}, names...), false, nil
	}
	return append([]string{config.DefaultWorkspace}, names...), true, err
}

func (a *app) workspaceList(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("workspace list", flag.ContinueOnError)
	var vars []config.VarArg
	varFlags(fs, &vars)
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	names, complete, err := a.workspaceNames(ctx, ws, vars)
	if err != nil {
		return a.failed(err)
	}
	for _, name := range names {
		mark := " "
		if name == a.selected(ws) {
			mark = "*"
		}
		fmt.Fprintf(a.stdout, "%s %s\n", mark, name)
	}
	if !complete {
		fmt.Fprintln(a.stderr, "There may be others: this backend cannot list them.")
	}
	return exitOK
}

func (a *app) workspaceShow(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("workspace show", flag.ContinueOnError)
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	fmt.Fprintln(a.stdout, a.selected(ws))
	return exitOK
}

// A workspaceEdit holds the flags of the commands that change workspaces.
type workspaceEdit struct {
	vars        []config.VarArg
	lockTimeout time.Duration
}

func (e *workspaceEdit) flags(fs *flag.FlagSet) {
	varFlags(fs, &e.vars)
	fs.DurationVar(&e.lockTimeout, "lock-timeout", 0, "how long to wait for the state's lock, such as 30s")
}

// named parses the arguments of a command that takes the name of a workspace.
func (a *app) named(fs *flag.FlagSet, args []string) (*engine.Workspace, string, error) {
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return nil, "", err
	}
	if len(rest) == 0 {
		a.fail(fmt.Errorf("mailform %s needs the name of a workspace", fs.Name()))
		return nil, "", errUsage
	}
	ws, err := a.workspace()
	if err != nil {
		a.fail(err)
		return nil, "", errUsage
	}
	return ws, rest[0], nil
}

func (a *app) workspaceNew(ctx context.Context, args []string) int {
	var e workspaceEdit
	fs := flag.NewFlagSet("workspace new", flag.ContinueOnError)
	e.flags(fs)
	from := fs.String("state", "", "FILE: begin with this state, as \"mailform state pull\" prints it")
	ws, name, err := a.named(fs, args)
	if err != nil {
		return usageExit(err)
	}
	if err := a.overridden(); err != nil {
		return a.fail(err)
	}
	var first *state.State
	if *from != "" {
		if first, err = a.readStateFile(*from); err != nil {
			return a.fail(err)
		}
	}
	return a.makeWorkspace(ctx, ws, name, first, &e)
}

// makeWorkspace makes a workspace, of a state where one is given, and selects it.
func (a *app) makeWorkspace(ctx context.Context, ws *engine.Workspace, name string, first *state.State, e *workspaceEdit) int {
	k, err := a.keeper(ws, e.vars, name)
	if err != nil {
		return a.failed(err)
	}
	return a.inLock(ctx, k, e, "workspace new", func(st *state.State) error {
		if name == config.DefaultWorkspace || st.Lineage != "" {
			return fmt.Errorf("the workspace %q is there already. \"mailform workspace select %s\" selects it", name, name)
		}
		var err error
		if first != nil {
			err = k.Replace(ctx, first)
		} else {
			err = k.Append(ctx, nil)
		}
		if err == nil {
			err = selectWorkspace(ws, name)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "Created and switched to workspace %q!\n", name)
		if first == nil {
			fmt.Fprint(a.stdout, "\nIts state is empty, so a plan shows all that the files describe as new.\n")
		}
		return nil
	})
}

// inLock locks and loads the state of a workspace, and releases it.
func (a *app) inLock(ctx context.Context, k state.Backend, e *workspaceEdit, operation string, do func(*state.State) error) int {
	a.heedInterrupts()
	unlock, err := k.Lock(ctx, engine.NewLockInfo(operation, a.environ), e.lockTimeout)
	if err != nil {
		return a.lockFailed(err)
	}
	st, err := k.Load(ctx)
	if err == nil {
		err = do(st)
	}
	if err = errors.Join(err, unlock()); err != nil {
		return a.failed(err)
	}
	return exitOK
}

func (a *app) workspaceSelect(ctx context.Context, args []string) int {
	var e workspaceEdit
	fs := flag.NewFlagSet("workspace select", flag.ContinueOnError)
	e.flags(fs)
	create := fs.Bool("or-create", false, "make the workspace where there is none by that name")
	ws, name, err := a.named(fs, args)
	if err != nil {
		return usageExit(err)
	}
	if err := a.overridden(); err != nil {
		return a.fail(err)
	}
	k, err := a.keeper(ws, e.vars, name)
	if err != nil {
		return a.failed(err)
	}
	if name != config.DefaultWorkspace {
		st, err := k.Load(ctx)
		if err != nil {
			return a.fail(err)
		}
		if st.Lineage == "" && *create {
			return a.makeWorkspace(ctx, ws, name, nil, &e)
		}
		if st.Lineage == "" {
			hint := ""
			if names, _, err := a.workspaceNames(ctx, ws, e.vars); err == nil {
				if s := suggest(name, names); s != "" {
					hint = fmt.Sprintf(" Did you mean %q?", s)
				}
			}
			return a.fail(fmt.Errorf("there is no workspace %q.%s \"mailform workspace new %s\" makes it", name, hint, name))
		}
	}
	if err := selectWorkspace(ws, name); err != nil {
		return a.fail(err)
	}
	fmt.Fprintf(a.stdout, "Switched to workspace %q.\n", name)
	return exitOK
}

func (a *app) workspaceDelete(ctx context.Context, args []string) int {
	var e workspaceEdit
	fs := flag.NewFlagSet("workspace delete", flag.ContinueOnError)
	e.flags(fs)
	force := fs.Bool("force", false, "even if it holds resources: they go on to run, and nothing remembers them")
	ws, name, err := a.named(fs, args)
	if err != nil {
		return usageExit(err)
	}
	switch name {
	case config.DefaultWorkspace:
		return a.fail(errors.New("the workspace \"default\" cannot be deleted: there always is one"))
	case a.selected(ws):
		return a.fail(fmt.Errorf("the workspace %q is the one that is selected, and cannot be deleted. Select another one first: mailform workspace select default", name))
	}
	k, err := a.keeper(ws, e.vars, name)
	if err != nil {
		return a.failed(err)
	}
	return a.inLock(ctx, k, &e, "workspace delete", func(st *state.State) error {
		switch n := len(st.Resources); {
		case st.Lineage == "":
			return fmt.Errorf("there is no workspace %q. \"mailform workspace list\" prints those that there are", name)
		case n > 0 && !*force:
			first := st.Sorted()[0].Address
			return fmt.Errorf("the workspace %q is not empty: it holds %d resources, %s among them. Take them away by \"mailform destroy\" there; or forget them by -force, and they go on to run", name, n, first)
		}
		if err := k.Delete(ctx); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "Deleted workspace %q!\n", name)
		return nil
	})
}

// overridden is the error for a choice that the environment makes ineffective.
func (a *app) overridden() error {
	if name, set := config.WorkspaceOfEnviron(a.environ); set {
		return fmt.Errorf("the workspace is set to %q by %s in the environment, which outweighs what is selected", name, config.WorkspaceEnv)
	}
	return nil
}

// selectWorkspace writes down what is selected in a directory.
func selectWorkspace(ws *engine.Workspace, name string) error {
	path := filepath.Join(ws.Dir, filepath.FromSlash(config.WorkspaceFile))
	if name == config.DefaultWorkspace {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("select the workspace: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("select the workspace: %w", err)
	}
	if err := writeWhole(path, []byte(name+"\n"), 0o644); err != nil {
		return fmt.Errorf("select the workspace: %w", err)
	}
	return nil
}

// there is an error where the workspace that is selected does not exist.
func (a *app) there(ws *engine.Workspace, st *state.State) error {
	if name := a.selected(ws); st.Lineage == "" && name != config.DefaultWorkspace {
		return &engine.NoWorkspaceError{Name: name}
	}
	return nil
}
