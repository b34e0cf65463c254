package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Install is the directory of a package below that of the root module.
func (r Repository) Install() string {
	name := path.Base(strings.TrimSuffix(strings.TrimRight(r.URL, "/"), ".git"))
	safe := strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return -1
	}, name)
	if len(safe) > 40 {
		safe = safe[:40]
	}
	sum := sha256.Sum256([]byte(r.Package().String()))
	return path.Join(Folder, strings.TrimLeft(safe+"-"+hex.EncodeToString(sum[:6]), "-"))
}

// maxFiles bounds how many files a package may have.
const maxFiles = 100_000

// Hash is the content of a directory in one line: the names of all files, in
// order, whether they are executable, and what is in them. It refuses symbolic
// links that lead out of the directory, and everything that is neither a
// directory, a file nor such a link.
func Hash(dir string) (string, error) {
	all := sha256.New()
	files := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if files++; files > maxFiles {
			return fmt.Errorf("it has more than %d files", maxFiles)
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum := sha256.New()
		sort := "file"
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			sort = "link"
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			// Only a clean path lies where its text says: x/../y goes elsewhere
			// where x is a link itself.
			if clean := path.Clean(to); path.IsAbs(to) || strings.TrimSuffix(to, "/") != clean || !filepath.IsLocal(path.Join(path.Dir(rel), to)) {
				return fmt.Errorf("the link %s leads out of the module, to %s", rel, to)
			}
			io.WriteString(sum, to)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file nor a directory", rel)
		default:
			if info.Mode()&0o100 != 0 {
				sort = "executable"
			}
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			_, err = io.Copy(sum, f)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
		fmt.Fprintf(all, "%s %x %q\n", sort, sum.Sum(nil), rel)
		return nil
	})
	if err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(all.Sum(nil)), nil
}

// Verify holds what is installed of a package below a directory to what the
// lock file says.
func Verify(root string, r Repository, want Locked) error {
	hash, err := Hash(filepath.Join(root, filepath.FromSlash(r.Install())))
	switch {
	case err != nil:
		return err
	case hash != want.Hash:
		return fmt.Errorf("its content is %s, and not %s", hash, want.Hash)
	}
	return nil
}
