package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planfile"
	"github.com/mailform/mailform/engine/seal"
)

// maxPlanFile bounds what is read of a saved plan, in bytes. Encrypted, a plan is
// longer by a third than planfile reads.
const maxPlanFile = 192 << 20

// savedMeta is what a plan file says of itself.
type savedMeta struct {
	planfile.Meta
	sealed bool // it is encrypted
}

// readPlan reads a saved plan. For one that is encrypted it looks for the key in
// the files of the directory. It prints what is wrong there itself.
func (a *app) readPlan(path string, vars []config.VarArg) (*plan.Plan, savedMeta, error) {
	fail := func(err error) (*plan.Plan, savedMeta, error) {
		return nil, savedMeta{}, fmt.Errorf("read the plan %s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, savedMeta{}, fmt.Errorf("read the plan: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > maxPlanFile {
		return fail(fmt.Errorf("%w: it is larger than %d MiB", planfile.ErrDamaged, maxPlanFile>>20))
	}
	meta := savedMeta{sealed: seal.Sealed(data)}
	if meta.sealed {
		keys, err := a.keyring(vars)
		if err != nil {
			return nil, savedMeta{}, err
		}
		plain, at, _, err := keys.Open(data)
		if err != nil {
			return fail(err)
		}
		if at.What != seal.Plan {
			return fail(fmt.Errorf("%w: it is encrypted, and is no plan", planfile.ErrDamaged))
		}
		data = plain
	}
	p, m, err := planfile.Read(bytes.NewReader(data))
	if err != nil {
		return fail(err)
	}
	meta.Meta = m
	return p, meta, nil
}

// sealPlan encrypts a saved plan, where the files say so.
func sealPlan(keys *seal.Keyring, p *plan.Plan, data []byte) ([]byte, error) {
	if !keys.Seals() {
		return data, nil
	}
	return keys.Seal(seal.Place{What: seal.Plan, Lineage: p.Lineage, Serial: p.Serial}, data)
}

// keyring holds the keys that the files of the directory name. It prints what is
// wrong in the files itself.
func (a *app) keyring(vars []config.VarArg) (*seal.Keyring, error) {
	ws, err := a.workspace()
	if err != nil {
		return nil, err
	}
	opts := config.Options{Vars: vars, Environ: a.environ}
	module, diags := config.LoadWith(ws.Dir, opts)
	// Other errors do not matter here: what is encrypted can be looked at in spite of them.
	if !module.Incomplete() && (!module.HasEarly() || !diags.HasErrors()) {
		keys, more := ws.Keyring(module, opts)
		if !more.HasErrors() {
			return keys, nil
		}
		diags = more
	}
	a.diagnostics(diags, module.Files())
	return nil, errReported
}
