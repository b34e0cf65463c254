package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Transaction is a message with all that happened to it, in order.
type Transaction struct {
	ID     string  `json:"id"`
	Events []Event `json:"events"`
}

// longestLine is more than a line of the log ever has, in bytes.
const longestLine = 1 << 20

// Find looks for messages in the log of a data directory, oldest first: by their
// Message-ID, with or without brackets, by the ID that the server has given, or by
// an address of the envelope. Of more than most messages it finds the latest.
// damaged counts lines that cannot be read, as the end of a server that was killed
// may leave one.
func Find(dir, query string, most int) (found []*Transaction, damaged int, err error) {
	query = strings.Trim(strings.TrimSpace(query), "<>")
	byID := map[string]*Transaction{}
	var order []*Transaction
	// Twice: what happened before the event that names it belongs to it, too.
	for _, pass := range []func(*Event){
		func(e *Event) {
			if byID[e.ID] == nil && e.matches(query) {
				t := &Transaction{ID: e.ID}
				byID[e.ID] = t
				order = append(order, t)
			}
		},
		func(e *Event) {
			if t := byID[e.ID]; t != nil {
				t.Events = append(t.Events, *e)
			}
		},
	} {
		damaged = 0
		if err := scan(dir, pass, &damaged); err != nil {
			return nil, 0, err
		}
		if n := len(order) - most; n > 0 {
			for _, t := range order[:n] {
				delete(byID, t.ID)
			}
			order = order[n:]
		}
	}
	for _, t := range order {
		if len(t.Events) > 0 { // else the file went meanwhile
			found = append(found, t)
		}
	}
	return found, damaged, nil
}

func (e *Event) matches(query string) bool {
	is := func(s string) bool { return strings.EqualFold(s, query) }
	return query != "" && (e.ID == query || e.MessageID == query || e.From != nil && is(*e.From) || slices.ContainsFunc(e.To, is))
}

// scan reads all files of a log, oldest first.
func scan(dir string, each func(*Event), damaged *int) error {
	some := false
	for n := mostFiles; n >= 0; n-- {
		f, err := os.Open(numbered(filepath.Join(dir, file), n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the log of transactions: %w", err)
		}
		some = true
		err = lines(f, each, damaged)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("read the log of transactions: %w", err)
		}
	}
	if !some {
		return fmt.Errorf("read the log of transactions: %w", &fs.PathError{Op: "open", Path: filepath.Join(dir, file), Err: fs.ErrNotExist})
	}
	return nil
}

func lines(r io.Reader, each func(*Event), damaged *int) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), longestLine)
	for s.Scan() {
		var e Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.ID == "" {
			*damaged++
			continue
		}
		each(&e)
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		*damaged++
		return nil
	}
	return s.Err()
}
