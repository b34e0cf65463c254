package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config/internal/sealed"
	"github.com/zclconf/go-cty/cty"
)

// Suffixes of encrypted files with values of variables, after that of a plain
// one: staff.auto.mfvars.age.
const (
	suffixAge  = ".age"
	suffixSOPS = ".sops"
	suffixYAML = ".yaml"
	suffixYML  = ".yml"
)

// valueFile reports whether a file of the directory holds values that are always
// taken, and whether it is the general one, which comes before the others.
func valueFile(name string) (is, general bool) {
	base := strings.TrimSuffix(name, suffixAge)
	for _, suffix := range []string{suffixJSON, suffixYAML, suffixYML} {
		base = strings.TrimSuffix(base, suffix)
	}
	base = strings.TrimSuffix(base, suffixSOPS)
	return base == nameVars || strings.HasSuffix(base, suffixAutoVars), base == nameVars
}

// sortValueFiles puts the general ones first, so that what is more special wins.
func sortValueFiles(names []string) {
	slices.SortStableFunc(names, func(a, b string) int {
		_, first := valueFile(a)
		_, second := valueFile(b)
		switch {
		case first == second:
			return 0
		case first:
			return -1
		}
		return 1
	})
}

// A sealedFile is an encrypted file of values. It is opened when the values are
// asked for: the keys come from the environment.
type sealedFile struct {
	src  []byte // encrypted by age; nil: by SOPS
	sops *sealed.File
	json bool // what age has encrypted is JSON
}

// isYAML and isJSON tell the syntax of a file by its name.
func isYAML(name string) bool {
	return strings.HasSuffix(name, suffixYAML) || strings.HasSuffix(name, suffixYML)
}

func isJSON(name string) bool { return strings.HasSuffix(name, suffixJSON) }

// sealedVarFile reads a file that is encrypted, by its name or by what is in it.
// The file is nil, without errors, for one that is not.
func (m *Module) sealedVarFile(path, name string) (*varFile, hcl.Diagnostics) {
	byName := strings.HasSuffix(name, suffixAge) || isYAML(name) ||
		isJSON(name) && strings.HasSuffix(strings.TrimSuffix(name, suffixJSON), suffixSOPS)
	if !byName && !isJSON(name) {
		return nil, nil
	}
	src, err := readRegular(path)
	if err != nil {
		if !byName {
			return nil, nil // reading it as a plain one says the same
		}
		return nil, hcl.Diagnostics{sealedProblem("Cannot read the file", name, fmt.Sprintf("The file %s cannot be read: %s.", name, cause(err)))}
	}
	f := &varFile{name: name, sealed: &sealedFile{}}
	if inner, ok := strings.CutSuffix(name, suffixAge); ok {
		f.sealed.src, f.sealed.json = src, isJSON(inner)
	} else {
		format := sealed.YAML
		if isJSON(name) {
			format = sealed.JSON
		}
		f.sealed.sops, err = sealed.SOPS(src, format)
		switch {
		case err != nil && !byName:
			return nil, nil
		case err != nil:
			return nil, hcl.Diagnostics{sealedProblem("Not an encrypted file", name,
				fmt.Sprintf("The file %s cannot be used: %s. Values that are not encrypted stand in %s, *%s, or the same with %s.", name, err, nameVars, suffixAutoVars, suffixJSON))}
		}
	}
	// Without its bytes: nothing of it is shown.
	m.keep(&text{name: name, digest: sha256.Sum256(src)})
	return f, nil
}

func sealedProblem(summary, name, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: fileStart(name)}
}

// fileStart is the place of what is said of a file as a whole.
func fileStart(name string) *hcl.Range {
	return &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// open decrypts a file, if that has not been done. Where values need not be set,
// and there is no key, it is left closed with a warning.
func (f *varFile) open(opts Options) hcl.Diagnostics {
	if f.sealed == nil || f.values != nil {
		return nil
	}
	ids, err := sealed.Identities(opts.Environ)
	if err != nil {
		return hcl.Diagnostics{sealedProblem("Unusable key", f.name, fmt.Sprintf("The file %s is encrypted, and the keys for it cannot be read: %s.", f.name, err))}
	}
	values, diags := f.decrypt(func(src []byte) ([]byte, error) { return sealed.Age(src, ids) },
		func(s *sealed.File) (map[string]cty.Value, error) { return s.Open(ids) })
	if diags.HasErrors() {
		if opts.AllowUnset && diags[0].Summary == noKey {
			return hcl.Diagnostics{{
				Severity: hcl.DiagWarning,
				Summary:  "Encrypted values not read",
				Detail:   fmt.Sprintf("The file %s is encrypted, and there is no age key here that opens it. What it sets is taken as not known.", f.name),
				Subject:  fileStart(f.name),
			}}
		}
		return diags
	}
	f.values = values
	return nil
}

// decrypt makes values of an encrypted file. What is said about it never holds
// anything of what was encrypted but names of variables: not even the text
// around an error.
func (f *varFile) decrypt(byAge func([]byte) ([]byte, error), bySOPS func(*sealed.File) (map[string]cty.Value, error)) (map[string]given, hcl.Diagnostics) {
	values := map[string]given{}
	source := "in " + f.name
	if f.sealed.sops != nil {
		opened, err := bySOPS(f.sealed.sops)
		if err != nil {
			return nil, f.closed(err)
		}
		for name, v := range opened {
			values[name] = given{value: v, source: source, rng: fileStart(f.name), secret: secretLeaves}
		}
		return values, nil
	}
	plain, err := byAge(f.sealed.src)
	if err != nil {
		return nil, f.closed(err)
	}
	t := &text{name: f.name, bytes: plain}
	if invalidText(plain) >= 0 {
		return nil, hcl.Diagnostics{sealedProblem("Invalid UTF-8", f.name, fmt.Sprintf("What is encrypted in %s is not UTF-8 text.", f.name))}
	}
	file, diags := t.parseAs(f.sealed.json)
	if file == nil || file.Body == nil || diags.HasErrors() {
		return nil, f.veiled(diags)
	}
	attrs, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		return nil, f.veiled(diags)
	}
	for name, a := range attrs {
		v, more := a.Expr.Value(nil)
		diags = append(diags, more...)
		values[name] = given{value: v, source: source, rng: fileStart(f.name), secret: secretWhole}
	}
	if diags.HasErrors() {
		return nil, f.veiled(diags)
	}
	return values, nil
}

// noKey is the summary of the message about a file that no key opens.
const noKey = "No key for encrypted values"

// closed says why a file could not be opened.
func (f *varFile) closed(err error) hcl.Diagnostics {
	if errors.Is(err, sealed.ErrNoKey) {
		return hcl.Diagnostics{sealedProblem(noKey, f.name,
			fmt.Sprintf("The file %s is encrypted, and %s. Keys come from %s in the environment, or from where sops keeps its own.", f.name, err, strings.Join(sealed.Sources, ", ")))}
	}
	return hcl.Diagnostics{sealedProblem("Cannot open encrypted values", f.name, fmt.Sprintf("The file %s cannot be opened: %s.", f.name, err))}
}

// veiled tells of errors in what was encrypted by their lines and summaries:
// details may quote what is there.
func (f *varFile) veiled(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		where := ""
		if d.Subject != nil {
			where = fmt.Sprintf(" in line %d, column %d", d.Subject.Start.Line, d.Subject.Start.Column)
		}
		if !strings.Contains(d.Summary, `"`) { // it quotes nothing
			where += ": " + d.Summary
		}
		out = append(out, sealedProblem("Invalid encrypted values", f.name,
			fmt.Sprintf("What is encrypted in %s has an error%s. It is not shown, because it is secret.", f.name, where)))
	}
	if len(out) == 0 {
		out = hcl.Diagnostics{sealedProblem("Invalid encrypted values", f.name, fmt.Sprintf("What is encrypted in %s holds no values.", f.name))}
	}
	return out
}

// A secrecy says how much of a value that somebody has set is secret.
type secrecy int

const (
	notSecret secrecy = iota
	// secretWhole: all of it, names and numbers of elements too.
	secretWhole
	// secretLeaves: what has names stands in clear where it comes from, and only
	// the values at its ends are secret. So one can be made of it by for_each.
	secretLeaves
)

// mark marks as much of a value as is secret.
func (s secrecy) mark(v cty.Value) cty.Value {
	switch s {
	case secretWhole:
		return v.Mark(Sensitive)
	case secretLeaves:
		marked, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
			if t := v.Type(); t.IsPrimitiveType() || t == cty.DynamicPseudoType || !v.IsKnown() {
				return v.Mark(Sensitive), nil
			}
			return v, nil
		})
		if err != nil { // nothing above returns one
			return v.Mark(Sensitive)
		}
		return marked
	}
	return v
}
