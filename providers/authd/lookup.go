package authd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers/embedded/seek"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// LookupFile says how a directory is asked for users whom the file of users does not
// have. It need not be there.
func LookupFile(dir string) string { return filepath.Join(dir, "lookup.json") }

// FormatLookup writes that file.
func FormatLookup(l schema.Lookup) ([]byte, error) {
	k := schema.KindByName(schema.KindLookup)
	text, err := ctyjson.Marshal(k.Object(l.Attrs()), k.Type())
	return append(text, '\n'), err
}

// ParseLookup reads what [FormatLookup] writes. Its errors quote nothing.
func ParseLookup(text []byte) (schema.Lookup, error) {
	v, err := ctyjson.Unmarshal(text, schema.KindByName(schema.KindLookup).Type())
	if err != nil || v.IsNull() {
		return schema.Lookup{}, errors.New("it does not say how a directory is asked")
	}
	return schema.ReadLookup(v)
}

// Lookup reads how the directory is asked, with the file for a later
// [Control.WriteLookup]; nil: it is not.
func (c *Control) Lookup(ctx context.Context) (*schema.Lookup, host.File, error) {
	files, err := c.Host.Read(ctx, LookupFile(c.Dir))
	if err != nil || !files[0].Exists {
		return nil, host.File{}, err
	}
	l, err := ParseLookup(files[0].Content)
	if err != nil {
		return nil, files[0], nil //nolint:nilerr // somebody has edited it: it is not as it was
	}
	return &l, files[0], nil
}

// WriteLookup says from now on how the directory is asked; nil: it is not. The
// daemon heeds it with the next question.
func (c *Control) WriteLookup(ctx context.Context, was host.File, l *schema.Lookup) error {
	if l == nil {
		return c.Host.Remove(ctx, LookupFile(c.Dir))
	}
	text, err := FormatLookup(*l)
	if err != nil {
		return err
	}
	if err := c.Host.Mkdir(ctx, host.Dir{Path: c.Dir, Mode: 0o750, Owner: "0:" + c.Group}); err != nil {
		return err
	}
	f := was.With(text)
	f.Path, f.Mode = LookupFile(c.Dir), 0o600
	return c.Host.Write(ctx, f)
}

// refreshLookup takes in how the directory is asked, where that has changed.
func (d *directory) refreshLookup() error {
	info, err := os.Stat(d.lookup)
	if errors.Is(err, os.ErrNotExist) {
		d.turnTo(nil)
		return nil
	}
	if err != nil {
		return err
	}
	now := stampOf(info)
	if d.sought != nil && now == d.seenLookup {
		return nil
	}
	text, err := os.ReadFile(d.lookup)
	if err != nil {
		return err
	}
	l, err := ParseLookup(text)
	if err != nil {
		return fmt.Errorf("%s: %w", d.lookup, err)
	}
	d.turnTo(seek.New([]schema.Lookup{l}))
	d.seenLookup = now
	return nil
}

// turnTo asks another directory from now on. Whoever asks the former one right now
// is told that it does not answer, and asks again.
func (d *directory) turnTo(other *seek.Directories) {
	if d.sought != nil {
		d.sought.Close()
	}
	d.sought = other
}
