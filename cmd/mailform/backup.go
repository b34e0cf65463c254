package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers/embedded/store"
)

// backup copies what a data directory holds into one file. A daemon that runs
// there goes on.
func (a *app) backup(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("backup", flag.ContinueOnError)
	data := dataFlag(fs)
	files, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(files) == 0 {
		return a.fail(errors.New("mailform backup needs the file to write: mailform backup mail.tar"))
	}
	dir, err := a.oneDataDir(ctx, *data)
	if err != nil {
		return a.reported(err)
	}
	file, err := filepath.Abs(files[0])
	if err != nil {
		return a.fail(err)
	}
	size, err := writeBackup(ctx, dir, file)
	if err != nil {
		return a.fail(fmt.Errorf("back up %s: %w", dir, err))
	}
	fmt.Fprintf(a.stdout, "%s: backed up to %s, %d bytes\n", dir, files[0], size)
	return exitOK
}

// writeBackup writes a backup beside its place, and puts it there once it is
// whole and on the disk. Nobody else can read it: it holds mail and keys.
func writeBackup(ctx context.Context, dir, file string) (size int64, err error) {
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-") // mode 0600
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	err = store.Backup(ctx, dir, filepath.Dir(file), out)
	if err == nil {
		err = out.Sync()
	}
	if err == nil {
		size, err = out.Seek(0, 1)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(out.Name(), file)
}

// restore makes a data directory of a backup.
func (a *app) restore(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("restore", flag.ContinueOnError)
	data := dataFlag(fs)
	files, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(files) == 0 {
		return a.fail(errors.New("mailform restore needs a backup: mailform restore mail.tar"))
	}
	dir, err := a.oneDataDir(ctx, *data)
	if err != nil {
		return a.reported(err)
	}
	in, err := os.Open(files[0])
	if err != nil {
		return a.fail(err)
	}
	defer in.Close()
	if err := store.Restore(ctx, in, dir); err != nil {
		return a.fail(fmt.Errorf("restore %s to %s: %w", files[0], dir, err))
	}
	fmt.Fprintf(a.stdout, "%s: restored from %s. \"mailform start\" starts it\n", dir, files[0])
	return exitOK
}

// oneDataDir is the data directory that is meant, of which there can be only one.
func (a *app) oneDataDir(ctx context.Context, given string) (string, error) {
	dirs := []string{given}
	if given == "" {
		var err error
		if dirs, err = a.dataDirs(ctx); err != nil {
			return "", err
		}
	}
	if len(dirs) != 1 {
		return "", fmt.Errorf("there are %d data directories: name the one that is meant by -data", len(dirs))
	}
	return nearDir(dirs[0])
}

// reported is the exit code of an error that may have been told already.
func (a *app) reported(err error) int {
	if errors.Is(err, errReported) {
		return exitError
	}
	return a.fail(err)
}

// checkStore looks for damage in the stores of the embedded servers. Its exit
// code is 0 if there is none, or none any more.
func (a *app) checkStore(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("check-store", flag.ContinueOnError)
	data := dataFlag(fs)
	mend := fs.Bool("repair", false, "put right what can be; the daemon must not run")
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	type checked struct {
		DataDir string         `json:"data_dir"`
		Damages []store.Damage `json:"damages"`
	}
	all := []checked{}
	left := false
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		found, err := look(ctx, dir, *mend)
		if err != nil {
			return err
		}
		for _, d := range found {
			left = left || !d.Mended
		}
		all = append(all, checked{dir, append([]store.Damage{}, found...)})
		return nil
	})
	if *asJSON {
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
	} else {
		for _, c := range all {
			a.printDamages(c.DataDir, c.Damages)
		}
	}
	if left {
		return exitError
	}
	return code
}

func look(ctx context.Context, dir string, mend bool) ([]store.Damage, error) {
	found, err := store.Examine(ctx, dir, mend)
	if errors.Is(err, store.ErrLocked) {
		err = fmt.Errorf("%w: \"mailform stop\" stops it", err)
	}
	return found, err
}

func (a *app) printDamages(dir string, found []store.Damage) {
	if len(found) == 0 {
		fmt.Fprintf(a.stdout, "%s: sound\n", dir)
		return
	}
	fmt.Fprintf(a.stdout, "%s: damaged\n", dir)
	for _, d := range found {
		what := ""
		switch {
		case d.Mended && d.Lost:
			what = "; taken out, for nothing is left of it"
		case d.Mended:
			what = "; put right"
		case d.Lost:
			what = "; mail is lost: a backup may have it"
		}
		fmt.Fprintf(a.stdout, "  %s%s\n", d, what)
	}
}
