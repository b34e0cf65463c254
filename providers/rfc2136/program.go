package rfc2136

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// controlTimeout is how long a control program may take.
const controlTimeout = time.Minute

// A Program controls a server: rndc, knotc.
type Program struct {
	Path string
	// Args come before those of each call.
	Args []string
}

// FindProgram looks for a program in the PATH and, since control programs are the
// administrator's, in /usr/sbin. A relative path with a slash starts from dir.
func FindProgram(name, dir string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	if _, err := exec.LookPath(name); errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		if path := filepath.Join("/usr/sbin", name); executable(path) {
			return path
		}
	}
	return name
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// Run runs the program. Its error has what the program says.
func (p Program) Run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, append(p.Args[:len(p.Args):len(p.Args)], args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := strings.Join(strings.Fields(out.String()), " ")
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if said != "" {
			return said, fmt.Errorf("%s %s: %w: %s", filepath.Base(p.Path), args[0], err, said)
		}
		return said, fmt.Errorf("%s %s: %w", filepath.Base(p.Path), args[0], err)
	}
	return said, nil
}
