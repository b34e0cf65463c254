package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/engine/tests"
	"github.com/rogpeppe/go-internal/diff"
)

// fmt rewrites files in canonical style and prints the names of those it
// changed. With -check it only tells, by exit code 3 as Terraform does.
func (a *app) fmt(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("fmt", flag.ContinueOnError)
	check := flags.Bool("check", false, "change nothing; exit code 3 if a file is not in canonical style")
	showDiff := flags.Bool("diff", false, "print what would change or has changed")
	write := flags.Bool("write", true, "write the files")
	list := flags.Bool("list", true, "print the names of the files that change")
	recursive := flags.Bool("recursive", false, "go into folders too")
	paths, err := a.parse(flags, args, 1<<10)
	if err != nil {
		return usageExit(err)
	}
	if len(paths) == 1 && paths[0] == "-" {
		return a.fmtStdin(*check, *showDiff)
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	files, err := formatted(paths, *recursive)
	if err != nil {
		return a.fail(err)
	}
	f := formatter{app: a, write: *write && !*check, list: *list, diff: *showDiff}
	code := exitOK
	changed := false
	for _, file := range files {
		did, err := f.file(file)
		if err != nil {
			code = exitError
		}
		changed = changed || did
	}
	if code == exitOK && *check && changed {
		return 3
	}
	return code
}

type formatter struct {
	*app
	write, list, diff bool
}

// file formats one file. It reports its errors itself.
func (f formatter) file(path string) (changed bool, err error) {
	src, err := os.ReadFile(path)
	if err != nil {
		f.fail(err)
		return false, err
	}
	out, diags := formatSource(src, path)
	if diags.HasErrors() {
		f.diagnostics(diags, map[string]*hcl.File{path: {Bytes: src}})
		return false, diags
	}
	if bytes.Equal(src, out) {
		return false, nil
	}
	if f.list {
		fmt.Fprintln(f.stdout, path)
	}
	if f.diff {
		f.stdout.Write(diff.Diff("old/"+path, src, "new/"+path, out))
	}
	if f.write {
		st, err := os.Stat(path)
		if err == nil {
			err = writeWhole(path, out, st.Mode().Perm())
		}
		if err != nil {
			f.fail(err)
			return true, err
		}
	}
	return true, nil
}

func (a *app) fmtStdin(check, showDiff bool) int {
	src, err := io.ReadAll(a.stdin)
	if err != nil {
		return a.fail(fmt.Errorf("read standard input: %w", err))
	}
	out, diags := formatSource(src, "<stdin>")
	if diags.HasErrors() {
		a.diagnostics(diags, map[string]*hcl.File{"<stdin>": {Bytes: src}})
		return exitError
	}
	switch {
	case showDiff:
		a.stdout.Write(diff.Diff("old/<stdin>", src, "new/<stdin>", out))
	case !check:
		a.stdout.Write(out)
	}
	if check && !bytes.Equal(src, out) {
		return 3
	}
	return exitOK
}

// formatSource formats a file that is syntactically right.
func formatSource(src []byte, name string) ([]byte, hcl.Diagnostics) {
	if !utf8.Valid(src) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Invalid UTF-8", Detail: fmt.Sprintf("The file %s is no text, or in another encoding than UTF-8.", name)}}
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		return nil, diags
	}
	return hclwrite.Format(src), nil
}

// formatted lists the files that fmt looks at: named ones, and those with
// mailform's endings in named folders. JSON has no canonical style of ours.
func formatted(paths []string, recursive bool) ([]string, error) {
	var files []string
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", path, cause(err))
		}
		if !st.IsDir() && strings.HasSuffix(path, ".json") {
			return nil, fmt.Errorf("the file %s is JSON, which has no style of ours: fmt takes files that end in .mf.hcl, .mfvars and %s", path, tests.Suffix)
		}
		if !st.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && p != path && (!recursive || strings.HasPrefix(d.Name(), ".")):
				return filepath.SkipDir
			case !d.IsDir() && (strings.HasSuffix(p, ".mf.hcl") || strings.HasSuffix(p, tests.Suffix) || strings.HasSuffix(p, ".mfvars")):
				files = append(files, p)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// cause leaves out the path of an error of package os, which the message around
// it names already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
