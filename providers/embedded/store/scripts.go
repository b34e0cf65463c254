package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mailform/mailform/providers/embedded/sieve"
)

// DeclaredScript is the name under which users see the script that is declared for
// them. None of their own has it.
const DeclaredScript = "mailform"

// Bounds of what users put here.
const (
	maxScripts     = 32
	maxScriptBytes = 512 << 10 // all of an account
	maxScriptName  = 512       // bytes
)

// Errors about scripts.
var (
	// ErrDeclared: the script is declared, and not the user's to change.
	ErrDeclared = errors.New("declared by the administrator")
	// ErrScriptActive: the active script cannot be deleted.
	ErrScriptActive = errors.New("the script is active")
	// ErrScriptName: no script can have that name.
	ErrScriptName = errors.New("no name for a script")
)

// A ScriptLimitError says that there is no room, with the code of RFC 5804 §1.3.
type ScriptLimitError struct{ Code, Message string }

func (e *ScriptLimitError) Error() string { return e.Message }

// A ScriptInfo is one script of a user.
type ScriptInfo struct {
	Name   string
	Active bool
}

func checkScriptName(name string) error {
	if name == "" || len(name) > maxScriptName || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 }) {
		return ErrScriptName
	}
	return nil
}

// Scripts lists the scripts of an account by name; the declared one, which is
// active then, comes first.
func (s *Store) Scripts(ctx context.Context, account int64) (list []ScriptInfo, err error) {
	var declared, active string
	err = s.read.row(ctx, `SELECT sieve, script FROM account WHERE id = ? AND closed_at = 0`, []any{account}, &declared, &active)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("list scripts: %w", err)
	}
	if declared != "" {
		list, active = append(list, ScriptInfo{DeclaredScript, true}), ""
	}
	err = s.read.rows(ctx, `SELECT name FROM script WHERE account = ? ORDER BY name`, []any{account}, func(r *sql.Rows) error {
		var i ScriptInfo
		err := r.Scan(&i.Name)
		i.Active = i.Name == active
		list = append(list, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list scripts: %w", err)
	}
	return list, nil
}

// ScriptText reads a script. The error is [ErrNotFound].
func (s *Store) ScriptText(ctx context.Context, account int64, name string) (text string, err error) {
	if name == DeclaredScript {
		err = s.read.row(ctx, `SELECT sieve FROM account WHERE id = ? AND closed_at = 0`, []any{account}, &text)
		if err == nil && text == "" {
			err = sql.ErrNoRows
		}
	} else {
		err = s.read.row(ctx, `SELECT text FROM script WHERE account = ? AND name = ?`, []any{account, name}, &text)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read script: %w", err)
	}
	return text, nil
}

// ScriptRoom checks that a script of some size would be taken. The error is that of
// PutScript.
func (s *Store) ScriptRoom(ctx context.Context, account int64, name string, size int64) error {
	return scriptRoom(s.readRow(ctx), account, name, size)
}

func scriptRoom(row func(q string, args []any, into ...any) error, account int64, name string, size int64) error {
	if name == DeclaredScript {
		return ErrDeclared
	}
	if err := checkScriptName(name); err != nil {
		return err
	}
	if size > sieve.MaxScript {
		return &ScriptLimitError{"QUOTA/MAXSIZE", fmt.Sprintf("A script may have %d bytes", sieve.MaxScript)}
	}
	var n int
	var all int64
	if err := row(`SELECT COUNT(*), COALESCE(SUM(LENGTH(text)), 0) FROM script WHERE account = ? AND name <> ?`, []any{account, name}, &n, &all); err != nil {
		return fmt.Errorf("count scripts: %w", err)
	}
	if n >= maxScripts {
		return &ScriptLimitError{"QUOTA/MAXSCRIPTS", fmt.Sprintf("There may be %d scripts", maxScripts)}
	}
	if all+size > maxScriptBytes {
		return &ScriptLimitError{"QUOTA", fmt.Sprintf("All scripts together may have %d bytes", maxScriptBytes)}
	}
	return nil
}

// changeScripts runs a change of an open account's scripts. Whose mail is sorted is
// asked anew after it.
func (s *Store) changeScripts(ctx context.Context, what string, account int64, change func(t *tx, active string) error) error {
	err := s.write(ctx, func(t *tx) error {
		if _, err := t.openAccount(account); err != nil {
			return err
		}
		var active string
		if err := t.row(`SELECT script FROM account WHERE id = ?`, []any{account}, &active); err != nil {
			return err
		}
		if err := change(t, active); err != nil {
			return err
		}
		t.effects.directory = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// PutScript stores a script, which the caller has checked, in place of one of the
// same name. Errors: [ErrDeclared], [ErrScriptName], [*ScriptLimitError].
func (s *Store) PutScript(ctx context.Context, account int64, name, text string) error {
	return s.changeScripts(ctx, "store script", account, func(t *tx, _ string) error {
		if err := scriptRoom(t.row, account, name, int64(len(text))); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM script WHERE account = ? AND name = ?`, account, name); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO script (account, name, text) VALUES (?, ?, ?)`, account, name, text)
		return err
	})
}

func (t *tx) hasScript(account int64, name string) (bool, error) {
	var n int
	err := t.row(`SELECT COUNT(*) FROM script WHERE account = ? AND name = ?`, []any{account, name}, &n)
	return n > 0, err
}

// ActivateScript makes a script the one that sorts the mail; an empty name: none
// does. Errors: [ErrNotFound], and [ErrDeclared] where another one does.
func (s *Store) ActivateScript(ctx context.Context, account int64, name string) error {
	return s.changeScripts(ctx, "activate script", account, func(t *tx, _ string) error {
		var declared string
		if err := t.row(`SELECT sieve FROM account WHERE id = ?`, []any{account}, &declared); err != nil {
			return err
		}
		if declared != "" {
			if name == DeclaredScript {
				return nil
			}
			return ErrDeclared
		}
		if name != "" {
			if there, err := t.hasScript(account, name); err != nil || !there {
				return cmp.Or(err, ErrNotFound)
			}
		}
		_, err := t.exec(`UPDATE account SET script = ? WHERE id = ?`, name, account)
		return err
	})
}

// DeleteScript deletes a script. Errors: [ErrNotFound], [ErrScriptActive],
// [ErrDeclared].
func (s *Store) DeleteScript(ctx context.Context, account int64, name string) error {
	return s.changeScripts(ctx, "delete script", account, func(t *tx, active string) error {
		switch there, err := t.hasScript(account, name); {
		case err != nil:
			return err
		case name == DeclaredScript:
			return ErrDeclared
		case !there:
			return ErrNotFound
		case name == active:
			return ErrScriptActive
		}
		_, err := t.exec(`DELETE FROM script WHERE account = ? AND name = ?`, account, name)
		return err
	})
}

// RenameScript gives a script another name; it stays active if it was. Errors:
// [ErrNotFound], [ErrExists], [ErrScriptName], [ErrDeclared].
func (s *Store) RenameScript(ctx context.Context, account int64, old, name string) error {
	return s.changeScripts(ctx, "rename script", account, func(t *tx, active string) error {
		if old == DeclaredScript || name == DeclaredScript {
			return ErrDeclared
		}
		if err := checkScriptName(name); err != nil {
			return err
		}
		if there, err := t.hasScript(account, old); err != nil || !there {
			return cmp.Or(err, ErrNotFound)
		}
		if there, err := t.hasScript(account, name); err != nil || there {
			return cmp.Or(err, ErrExists)
		}
		if _, err := t.exec(`UPDATE script SET name = ? WHERE account = ? AND name = ?`, name, account, old); err != nil {
			return err
		}
		if old != active {
			return nil
		}
		_, err := t.exec(`UPDATE account SET script = ? WHERE id = ?`, name, account)
		return err
	})
}
