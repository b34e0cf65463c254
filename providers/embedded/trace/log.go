// Package trace keeps a log of what became of each message, a line of JSON for
// each event, and finds messages in it.
package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The log is a file of the data directory. When it has grown to mostBytes it gets
// the number 1, and those before it the next ones, up to mostFiles.
const (
	file      = "transactions.log"
	mostBytes = 32 << 20
	mostFiles = 8
)

// A Log is what is written to. It is no record of anything: a line that cannot be
// written is lost, and the mail goes on.
type Log struct {
	path string

	mu   sync.Mutex
	f    *os.File
	size int64
	most int64
	err  error // told once
}

// Open opens the log of a data directory.
func Open(dir string) (*Log, error) {
	l := &Log{path: filepath.Join(dir, file), most: mostBytes}
	return l, l.open()
}

func (l *Log) open() error {
	// It says who writes to whom.
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of transactions: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log of transactions: %w", err), f.Close())
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Close closes it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// write adds a line, with its end.
func (l *Log) write(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	var err error
	if l.size+int64(len(line)) > l.most {
		err = l.rotate()
	}
	if err == nil {
		var n int
		n, err = l.f.Write(line)
		l.size += int64(n)
	}
	if l.err != nil {
		return nil
	}
	l.err = err
	return err
}

func (l *Log) rotate() error {
	for n := mostFiles - 1; n >= 0; n-- {
		err := os.Rename(numbered(l.path, n), numbered(l.path, n+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate the log of transactions: %w", err)
		}
	}
	old := l.f
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

// id is the attribute by which a record of a log is one of a transaction.
const id = "id"

// Handler hands records on, and writes those that have the attribute "id" into the
// log as well. seen is told of each of these; it may be nil.
func (l *Log) Handler(next slog.Handler, seen func(event string)) slog.Handler {
	return &handler{Handler: next, log: l, seen: seen}
}

type handler struct {
	slog.Handler
	log   *Log
	seen  func(string)
	attrs []slog.Attr // those of With
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.Handler, c.attrs = h.Handler.WithAttrs(attrs), append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	return &c
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	e := Event{Time: r.Time, What: r.Message}
	for _, a := range h.attrs {
		e.add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		e.add(a)
		return true
	})
	if e.ID == "" {
		return err
	}
	if h.seen != nil {
		h.seen(e.What)
	}
	line, jerr := json.Marshal(e)
	if jerr == nil {
		jerr = h.log.write(append(line, '\n'))
	}
	if jerr != nil {
		told := slog.NewRecord(time.Now(), slog.LevelError, "write the log of transactions", 0)
		told.Add("error", jerr)
		err = errors.Join(err, h.Handler.Handle(ctx, told))
	}
	return err
}

// An Event is one thing that happened to a message.
type Event struct {
	Time time.Time `json:"time"`
	// ID is the server's own of the transaction, which its answer to the client has
	// and the Received field.
	ID string `json:"id"`
	// What happened, in words.
	What string `json:"what"`
	// MessageID is that of the message, without brackets.
	MessageID string `json:"message_id,omitempty"`
	// From and To are addresses of the envelope.
	From *string  `json:"from,omitempty"` // empty: <>
	To   []string `json:"to,omitempty"`
	// Details are the rest.
	Details []Detail `json:"details,omitempty"`
}

// A Detail is a name with a value.
type Detail struct{ Name, Value string }

// MarshalJSON writes a pair.
func (d Detail) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{d.Name, d.Value}) }

// UnmarshalJSON reads one.
func (d *Detail) UnmarshalJSON(b []byte) error {
	var pair [2]string
	err := json.Unmarshal(b, &pair)
	d.Name, d.Value = pair[0], pair[1]
	return err
}

func (e *Event) add(a slog.Attr) {
	v := a.Value.Resolve()
	switch a.Key {
	case id:
		e.ID = v.String()
	case "message_id":
		e.MessageID = v.String()
	case "from":
		from := v.String()
		e.From = &from
	case "to":
		if list, ok := v.Any().([]string); ok {
			e.To = append(e.To, list...)
		} else {
			e.To = append(e.To, v.String())
		}
	default:
		text := v.String()
		if v.Kind() == slog.KindTime {
			text = v.Time().UTC().Format(time.RFC3339)
		}
		if text != "" {
			e.Details = append(e.Details, Detail{a.Key, text})
		}
	}
}
