package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Warnings say when users hear that their mailbox fills up.
type Warnings struct {
	Percents []int            // of the quota, rising
	Hostname string           // of the server that says so
	Now      func() time.Time // the clock of that server; nil: time.Now
}

func (w *Warnings) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

// SetWarnings sets them anew.
func (s *Store) SetWarnings(w Warnings) {
	if s.writer != nil {
		s.writer.warnings.Store(&w)
	}
}

// fill notes that the present change touches an account with a quota.
func (t *tx) fill(a *accountState) {
	if !a.closed && !slices.Contains(t.filling, a.id) {
		t.filling = append(t.filling, a.id)
	}
}

// warn compares, at the end of a change, what the accounts hold that it has touched
// with the thresholds. Beyond a further one the user is told; below one it is
// armed again.
func (t *tx) warn() error {
	w := t.w.warnings.Load()
	for w != nil && len(t.filling) > 0 {
		id := t.filling[0]
		t.filling = t.filling[1:]
		a, err := t.openAccount(id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		level := 0
		for _, p := range w.Percents {
			if a.quota > 0 && float64(a.bytes) > float64(a.quota)/100*float64(p) {
				level = p
			}
		}
		if level == a.warned {
			continue
		}
		told := a.warned >= level
		a.warned = level
		t.dirty(a)
		if told {
			continue
		}
		// This may lead beyond the next threshold, so that it comes up again.
		if err := t.warnOne(a, w); err != nil {
			return fmt.Errorf("warn account %d: %w", a.id, err)
		}
	}
	return nil
}

func (t *tx) warnOne(a *accountState, w *Warnings) error {
	var address string
	if err := t.row(`SELECT address FROM account WHERE id = ?`, []any{a.id}, &address); err != nil {
		return err
	}
	now := w.now()
	validity, err := t.uidValidities(1) // a number that none had before
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <>\r\nFrom: Mail System <MAILER-DAEMON@%s>\r\nTo: <%s>\r\nSubject: Your mailbox is %d %% full\r\n", w.Hostname, address, a.bytes*100/a.quota)
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <quota.%d.%d@%s>\r\nAuto-Submitted: auto-generated\r\n", now.Format("Mon, 02 Jan 2006 15:04:05 -0700"), a.id, validity, w.Hostname)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	fmt.Fprintf(&b, "The mailbox of %s holds %s of the %s that it may hold.\r\n", address, size(a.bytes), size(a.quota))
	b.WriteString("When it is full, mail to it is refused. What you delete makes room; the\r\nmailboxes Trash and Junk count as well.\r\n")
	d := NewDraft("", 0)
	defer d.Close()
	if _, err := d.Write([]byte(b.String())); err != nil {
		return err
	}
	return t.deliverHere(&Envelope{Draft: d, Accounts: []int64{a.id}, Received: now})
}

// size is a number of bytes for people.
func size(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
