package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrForeign is the error for a data directory that holds the files of others.
var ErrForeign = errors.New("a data directory holds nothing but the server's own files")

// ErrRemoved is the error for a store whose files were removed or replaced while
// it is open.
var ErrRemoved = errors.New("the files of the store have been removed or replaced")

// Exists reports whether there is a store in a directory.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, databaseFile)) // it may be away
	return err == nil
}

// reachable is the error of a database that lies elsewhere and is not there.
func reachable(dir string) error {
	link, err := os.Readlink(filepath.Join(dir, databaseFile))
	if err != nil {
		return nil
	}
	if _, err = os.Stat(link); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store of %s lies in %s, and is not there: %w", dir, filepath.Dir(link), ErrAway)
	}
	return err
}

// ownFiles is what may lie in a data directory before its database is there: a
// first start may have been cut off, and a volume of its own brings lost+found.
var ownFiles = []string{lockFile, workspaceFile, tmpDir, "admin.sock", "mailform.log", "tls", "lost+found"}

// CheckDir tells whether a directory can be a data directory: it is missing, or
// empty, or holds a store. A server takes its directory for its own: it changes
// the mode and clears away what lies in tmp. Done to /var or to a home directory
// that would be a disaster, so that the error for those is [ErrForeign].
func CheckDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var foreign []string
	for _, e := range entries {
		if e.Name() == databaseFile {
			return nil
		}
		if !slices.Contains(ownFiles, e.Name()) {
			foreign = append(foreign, e.Name())
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	const most = 3
	names := strings.Join(foreign[:min(len(foreign), most)], ", ")
	if n := len(foreign) - most; n > 0 {
		names += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%s has %s: %w", dir, names, ErrForeign)
}

// identity is what tells the files of an open store from others under their
// names.
type identity struct {
	// root follows the directory when it is moved.
	root           *os.Root
	lock, database fs.FileInfo
}

func identify(dir string) (*identity, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	id := &identity{root: root}
	if id.lock, err = root.Stat(lockFile); err == nil {
		id.database, err = statIn(root, databaseFile)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return id, nil
}

// statIn is the file of a name, which may lie elsewhere.
func statIn(root *os.Root, name string) (fs.FileInfo, error) {
	if link, err := root.Readlink(name); err == nil && filepath.IsAbs(link) {
		return os.Stat(link)
	}
	return root.Stat(name)
}

// Intact returns [ErrRemoved] where the store's files have been removed or
// replaced since it was opened. What is written then lands in files that nobody
// can find any more, so that nothing may be accepted. To move the whole
// directory does no harm.
func (s *Store) Intact() error {
	if s.identity == nil {
		return nil
	}
	for name, was := range map[string]fs.FileInfo{lockFile: s.identity.lock, databaseFile: s.identity.database} {
		switch now, err := statIn(s.identity.root, name); {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: %w", filepath.Join(s.dir, name), ErrRemoved)
		case err != nil:
			return err
		case !os.SameFile(was, now):
			return fmt.Errorf("%s: %w", filepath.Join(s.dir, name), ErrRemoved)
		}
	}
	return nil
}

// workspaceFile names the workspace that a data directory belongs to. The default
// one has none.
const workspaceFile = "workspace"

// DefaultWorkspace is that of a data directory that says nothing of it.
const DefaultWorkspace = "default"

// Workspace tells the workspace that a data directory belongs to; empty: nobody's,
// for there is no store yet.
func Workspace(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, workspaceFile))
	switch {
	case err == nil && len(strings.TrimSpace(string(data))) > 0:
		return strings.TrimSpace(string(data)), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case !Exists(dir):
		return "", nil
	}
	return DefaultWorkspace, nil
}

// ClaimWorkspace notes whose a data directory is that is to be made.
func ClaimWorkspace(dir, workspace string) error {
	if workspace == "" || workspace == DefaultWorkspace {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, workspaceFile), []byte(workspace+"\n"), 0o600)
}
