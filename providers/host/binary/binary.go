// Package binary puts mailform itself on another machine.
package binary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// machines are the names by which uname knows the processors that a binary may
// be for.
var machines = map[elf.Machine][]string{
	elf.EM_X86_64:  {"x86_64"},
	elf.EM_AARCH64: {"aarch64"},
	elf.EM_386:     {"i386", "i486", "i586", "i686"},
	elf.EM_ARM:     {"armv6l", "armv7l", "armv8l"},
	elf.EM_RISCV:   {"riscv64"},
	elf.EM_PPC64:   {"ppc64le", "ppc64"},
	elf.EM_S390:    {"s390x"},
}

// A Binary is mailform as it is to lie on a host.
type Binary struct {
	Host host.Host
	// Source is the path of the file here, Path where it is to be there.
	Source, Path string
	// Version has to be the one that the file says of itself, where the user has
	// chosen it. Empty: the file is the mailform that runs here.
	Version string
}

// Install puts the binary where it has to be, unless it is there.
func (b *Binary) Install(ctx context.Context) error {
	content, err := os.ReadFile(b.Source)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	// What is there is neither read nor sent.
	out, err := host.Must(ctx, b.Host, host.Cmd("sh", "-c", `uname -s; uname -m; [ ! -f "$1" ] || sha256sum <"$1"`, "sh", b.Path))
	if err != nil {
		return err
	}
	words := strings.Fields(string(out.Stdout))
	if len(words) < 2 {
		return fmt.Errorf("it does not say what machine it is: %q", out.Stdout)
	}
	if len(words) > 2 && words[2] == hex.EncodeToString(sum[:]) {
		return b.checkVersion(ctx, b.Path)
	}
	if err := b.fits(content, words[0], words[1]); err != nil {
		return err
	}
	if err := b.Host.Mkdir(ctx, host.Dir{Path: path.Dir(b.Path)}); err != nil {
		return err
	}
	// One that does not say that it is what it should be is never put in its place.
	trial := b.Path + ".new"
	if err := b.Host.Write(ctx, host.File{Path: trial, Content: content, Mode: 0o755}); err != nil {
		return err
	}
	if err := b.checkVersion(ctx, trial); err != nil {
		_ = b.Host.Remove(ctx, trial) // the error that counts is the other
		return err
	}
	_, err = host.Must(ctx, b.Host, host.Cmd("mv", "-f", "--", trial, b.Path))
	return err
}

// checkVersion refuses a binary there that is of another version than this one.
func (b *Binary) checkVersion(ctx context.Context, program string) error {
	if b.Version == "" {
		return nil
	}
	out, err := host.Must(ctx, b.Host, host.Cmd(program, "version"))
	if err != nil {
		return err
	}
	if line, _, _ := strings.Cut(string(out.Stdout), "\n"); line != "mailform v"+b.Version {
		return fmt.Errorf("%s is %q, and this is mailform v%s. Give binary_file one of the same version", b.Source, line, b.Version)
	}
	return nil
}

// fits refuses a binary for another machine.
func (b *Binary) fits(content []byte, system, machine string) error {
	if system != "Linux" {
		return fmt.Errorf("it runs %s, and mailform's servers run on Linux alone", system)
	}
	e, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("%s is no program for Linux: %w", b.Source, err)
	}
	for _, name := range machines[e.Machine] {
		if name == machine {
			return nil
		}
	}
	if b.Version == "" {
		return fmt.Errorf("its processor is %s, and %s is for %s: it has to be told by a mailform that is for the same", machine, b.Source, strings.TrimPrefix(e.Machine.String(), "EM_"))
	}
	return fmt.Errorf("its processor is %s, and %s is for %s. Give binary_file a mailform v%s for that machine", machine, b.Source, strings.TrimPrefix(e.Machine.String(), "EM_"), b.Version)
}
