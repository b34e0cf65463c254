package funcs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFile bounds what file functions read, in bytes: a spreadsheet of a million
// lines, not a disk image named by mistake.
const maxFile = 256 << 20

// locate makes a path absolute: relative ones start from dir, "~" is the home
// directory.
func locate(dir, path string) (string, error) {
	if strings.ContainsRune(path, 0) {
		return "", errors.New("holds a NUL byte")
	}
	path, err := expandHome(path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return path, nil
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("begins with ~, and the home directory is not known: %w", err)
	}
	return filepath.Join(home, path[1:]), nil
}

// readFile reads a regular file. Its errors name the path as written.
func readFile(dir, path string) ([]byte, error) {
	full, err := locate(dir, path)
	if err != nil {
		return nil, argError("%w", err)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, argError("there is no file %q; relative paths start from the directory of the configuration", path)
	case err != nil:
		return nil, argError("cannot read %q: %w", path, withoutPath(err))
	case info.IsDir():
		return nil, argError("%q is a directory", path)
	case !info.Mode().IsRegular():
		return nil, argError("%q is not a regular file", path)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, argError("cannot read %q: %w", path, withoutPath(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, argError("cannot read %q: %w", path, withoutPath(err))
	case len(b) > maxFile:
		return nil, argError("%q is larger than %d MiB", path, maxFile>>20)
	}
	return b, nil
}

// withoutPath leaves the cause of an error of package os, whose path would be
// another one than was written.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func readText(dir, path string) (string, error) {
	b, err := readFile(dir, path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", argError("the contents of %q are not valid UTF-8; filebase64 reads binary files", path)
	}
	return string(b), nil
}

func pathFunc(ret cty.Type, f func(path string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   static(ret),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0].AsString()) },
	})
}

func fileText(dir string) function.Function {
	return pathFunc(cty.String, func(path string) (cty.Value, error) {
		s, err := readText(dir, path)
		return cty.StringVal(s), err
	})
}

func fileBase64(dir string) function.Function {
	return pathFunc(cty.String, func(path string) (cty.Value, error) {
		b, err := readFile(dir, path)
		return cty.StringVal(base64.StdEncoding.EncodeToString(b)), err
	})
}

func fileExists(dir string) function.Function {
	return pathFunc(cty.Bool, func(path string) (cty.Value, error) {
		full, err := locate(dir, path)
		if err != nil {
			return cty.NilVal, argError("%w", err)
		}
		info, err := os.Stat(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return cty.False, nil
		case err != nil:
			return cty.NilVal, argError("cannot look at %q: %w", path, withoutPath(err))
		case !info.Mode().IsRegular():
			return cty.NilVal, argError("%q is not a regular file", path)
		}
		return cty.True, nil
	})
}

func fileSet(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   static(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			root, err := locate(dir, args[0].AsString())
			if err != nil {
				return cty.NilVal, argError("%w", err)
			}
			names, err := doublestar.Glob(os.DirFS(root), filepath.ToSlash(filepath.Clean(args[1].AsString())), doublestar.WithFilesOnly())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "is not a valid pattern: %w", err)
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			vals := make([]cty.Value, len(names))
			for i, n := range names {
				vals[i] = cty.StringVal(n)
			}
			return cty.SetVal(vals), nil
		},
	})
}

var (
	baseName   = textFunc(func(s string) (string, error) { return filepath.Base(s), nil })
	dirName    = textFunc(func(s string) (string, error) { return filepath.Dir(s), nil })
	pathExpand = textFunc(expandHome)
)

func absPath(dir string) function.Function {
	return textFunc(func(s string) (string, error) { return locate(dir, s) })
}
