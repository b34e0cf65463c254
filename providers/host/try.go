package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// A Trial changes files of a server that may refuse them: what it refuses is put
// back as it was. It is written down in a file first, so that after a kill in
// between the next one goes on: see [Trial.Finish].
type Trial struct {
	Host Host
	// Note is the path of the file that it is written down in, which only its
	// owner can read.
	Note string
	// Accept has the server check its configuration and take it over. It is called
	// after the files were written, and again once they were put back.
	Accept func(ctx context.Context) error
}

// A note is what the file of a trial holds: how things were before.
type note struct {
	Files []former `json:"files"`
}

type former struct {
	Path    string      `json:"path"`
	Exists  bool        `json:"exists"`
	Content []byte      `json:"content,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	Owner   string      `json:"owner,omitempty"`
	Settled bool        `json:"settled,omitempty"`
}

// Run writes files and has them accepted. Without files it has what is there
// accepted. Where the server refuses them they are as before, and the error says
// why; so they are where a file has been changed since it was read.
func (t *Trial) Run(ctx context.Context, files ...File) error {
	if err := t.Finish(ctx); err != nil {
		return err
	}
	if len(files) == 0 {
		return t.Accept(ctx)
	}
	paths := make([]string, len(files))
	for i := range files {
		paths[i] = files[i].Path
	}
	before, err := t.Host.Read(ctx, paths...)
	if err != nil {
		return err
	}
	for i := range before { // what is put back is what was compared
		before[i].Settled = files[i].Settled
		if files[i].Was == "" {
			files[i].Was = before[i].Digest()
		} else if files[i].Was != before[i].Digest() {
			return fmt.Errorf("%s: %w", files[i].Path, ErrChanged)
		}
	}
	if err := t.write(ctx, before); err != nil {
		return err
	}
	if err := t.Host.Write(ctx, files...); err != nil {
		return errors.Join(err, t.back(ctx, before))
	}
	if err := t.Accept(ctx); err != nil {
		return errors.Join(err, t.back(ctx, before))
	}
	return t.Host.Remove(ctx, t.Note)
}

// Unfinished reports whether a trial has begun and not ended.
func (t *Trial) Unfinished(ctx context.Context) (bool, error) {
	files, err := t.Host.Read(ctx, t.Note)
	if err != nil {
		return false, err
	}
	return files[0].Exists, nil
}

// Before are the files of a trial that has begun and not ended, as they were; nil
// where there is none.
func (t *Trial) Before(ctx context.Context) ([]File, error) {
	files, err := t.Host.Read(ctx, t.Note)
	if err != nil || !files[0].Exists {
		return nil, err
	}
	var n note
	if err := json.Unmarshal(files[0].Content, &n); err != nil {
		return nil, fmt.Errorf("%s does not say what was changed when mailform was interrupted (%w). Look after the configuration, then remove that file", t.Note, err)
	}
	before := make([]File, len(n.Files))
	for i, f := range n.Files {
		before[i] = File{Path: f.Path, Exists: f.Exists, Content: f.Content, Mode: f.Mode, Owner: f.Owner, Settled: f.Settled}
	}
	return before, nil
}

// Finish goes on with a trial that was killed: what lies there now is accepted,
// or put back. Without one it does nothing.
func (t *Trial) Finish(ctx context.Context) error {
	before, err := t.Before(ctx)
	if err != nil || before == nil {
		return err
	}
	if err := t.Accept(ctx); err == nil {
		return t.Host.Remove(ctx, t.Note)
	}
	return t.back(ctx, before)
}

// write writes down how things were.
func (t *Trial) write(ctx context.Context, before []File) error {
	n := note{Files: make([]former, len(before))}
	for i := range before {
		f := &before[i]
		n.Files[i] = former{f.Path, f.Exists, f.Content, f.Mode, f.Owner, f.Settled}
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return t.Host.Write(ctx, File{Path: t.Note, Content: text, Mode: 0o600})
}

// back puts files back as they were, and has the server take them over again.
func (t *Trial) back(ctx context.Context, before []File) error {
	ctx = context.WithoutCancel(ctx) // half a change is worse than none
	var there []File
	var gone []string
	for _, f := range before {
		if f.Exists {
			there = append(there, File{Path: f.Path, Content: f.Content, Mode: f.Mode, Owner: f.Owner, Settled: f.Settled})
		} else {
			gone = append(gone, f.Path)
		}
	}
	if err := t.Host.Write(ctx, there...); err != nil {
		return fmt.Errorf("put back what was there: %w", err)
	}
	if err := t.Host.Remove(ctx, gone...); err != nil {
		return fmt.Errorf("put back what was there: %w", err)
	}
	if err := t.Accept(ctx); err != nil {
		return fmt.Errorf("take over again what was there: %w", err)
	}
	return t.Host.Remove(ctx, t.Note)
}
