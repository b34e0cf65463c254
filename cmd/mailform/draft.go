package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/plan"
)

// A drafting holds the flags of commands that write configuration for what
// exists.
type drafting struct {
	out     string // -generate-config-out
	secrets string // -secrets-out
	csv     string // -csv; only some commands have it
}

func (d *drafting) flags(fs *flag.FlagSet, what string) {
	fs.StringVar(&d.out, "generate-config-out", "", "FILE: write "+what+" to a new file")
	fs.StringVar(&d.secrets, "secrets-out", "", "FILE: write the password hashes that the new file needs to another new file, which only its owner reads")
}

// csvFlag declares -csv.
func (d *drafting) csvFlag(fs *flag.FlagSet) {
	fs.StringVar(&d.csv, "csv", "", "FILE: write the users to a new CSV file, and one block with for_each for those of a domain")
}

// check refuses files that are there or that mailform would not read. It comes
// before anything is done.
func (d *drafting) check() error {
	switch {
	case d.out == "" && d.secrets+d.csv != "":
		return errors.New("-secrets-out and -csv go with -generate-config-out")
	case d.csv != "" && filepath.Dir(d.csv) != filepath.Dir(d.out):
		return fmt.Errorf("-csv=%s: the file belongs beside the configuration that reads it", d.csv)
	case d.out != "" && !strings.HasSuffix(d.out, ".mf.hcl"):
		return fmt.Errorf("-generate-config-out=%s: the name of a configuration file ends in .mf.hcl", d.out)
	case d.secrets != "" && !strings.HasSuffix(d.secrets, ".mfvars"):
		return fmt.Errorf("-secrets-out=%s: the name of a file with values ends in .mfvars; one that ends in .auto.mfvars is read without being named", d.secrets)
	}
	for _, path := range []string{d.out, d.secrets, d.csv} {
		if path == "" {
			continue
		}
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("the file %s exists already, and is not overwritten; name another", path)
		}
	}
	return nil
}

// draftImports writes the blocks that import blocks name and that are missing,
// before the files are planned. Their secrets are variables of this one run.
func (a *app) draftImports(ctx context.Context, o *operation, gen *drafting) error {
	if gen.out == "" && gen.secrets == "" {
		return nil
	}
	if err := gen.check(); err != nil {
		return err
	}
	if filepath.Dir(gen.out) != "." {
		return fmt.Errorf("-generate-config-out=%s: the file belongs into the directory of the configuration, whose import blocks need it", gen.out)
	}
	if o.destroy || o.refreshOnly {
		return errors.New("-generate-config-out goes with a plan that imports, not with -destroy or -refresh-only")
	}
	first := *o
	first.drafts = true
	s, m, err := a.open(ctx, &first, "plan")
	if err != nil {
		return err
	}
	made, diags := s.Draft(ctx)
	if err := s.Close(); err != nil {
		return err
	}
	if diags.HasErrors() {
		a.report(o, m, diags)
		return errReported
	}
	opts := draft.Options{Heading: []string{"Written by mailform plan for import blocks. Read it, then change and move the", "blocks as you like: plan shows what a change would do."}}
	if err := a.writeDraft(gen, made, opts); err != nil {
		return err
	}
	switch {
	case gen.secrets == "" || made.Secrets() == 0:
		o.vars = append(o.vars, made.Vars()...)
	case !strings.HasSuffix(gen.secrets, ".auto.mfvars") || filepath.Dir(gen.secrets) != ".":
		o.vars = append(o.vars, config.VarArg{File: gen.secrets})
	}
	return nil
}

// writeDraft writes a draft to its files, and tells of them.
func (a *app) writeDraft(d *drafting, made *draft.Draft, opts draft.Options) error {
	w := a.stdout
	if a.json {
		w = io.Discard
	}
	if made.Empty() {
		_, err := fmt.Fprintf(w, "Did not write %s: there is nothing to describe.\n\n", d.out)
		return err
	}
	if d.csv != "" {
		lines, err := made.MakeTable(filepath.Base(d.csv)).CSV()
		if err == nil {
			err = writeNew(d.csv, lines, 0o644)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "Wrote %s: the users, one a line.\n", d.csv)
	}
	n := made.Secrets()
	if d.secrets != "" && n > 0 {
		if err := writeNew(d.secrets, made.Values(), 0o600); err != nil {
			return err
		}
	}
	if err := writeNew(d.out, made.Config(opts), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(w, "Wrote %s: %s.\n", d.out, made.Summary())
	switch {
	case n > 0 && d.secrets != "":
		fmt.Fprintf(w, "Wrote %s: the password hashes of %s. Keep it out of version control.\n", d.secrets, users(n))
	case n > 0:
		fmt.Fprintf(w, "The password hashes of %s have to be handed over: %s says how.\n", users(n), d.out)
	}
	_, err := fmt.Fprintln(w)
	return err
}

func users(n int) string { return plan.Count(int64(n), "user") }

// describeLeft has a line for each thing.
func describeLeft(list []draft.Left) []string {
	var out []string
	for _, l := range list {
		out = append(out, fmt.Sprintf("%s %s: %s", l.ID.Kind, l.ID.Key, l.Why))
	}
	return out
}

// tellDraft tells what a draft does not describe as it is.
func (a *app) tellDraft(made *draft.Draft) {
	all(a.stdout, "Could not be written:", describeLeft(made.Left))
	all(a.stdout, "Not as the written blocks say, so that the next apply changes it:", describeLeft(made.Differs))
	all(a.stdout, "Not there, so that the next apply makes it:", describeLeft(made.Makes))
}
