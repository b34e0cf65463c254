// Package move has what a server keeps lie in another directory of its machine: its
// queue, or the mail itself.
//
// A move begins with [Move.Begin], which looks whether it can be and writes it down.
// [Move.Ahead] copies while the server is at work, [Move.Copy] the rest once it
// stands still, and looks over that nothing is missing. Then the caller has the
// server's configuration name the new place. [Move.End] takes away what is of no use
// any more: the old place where the server is in the new one, else the copy. So there
// is a whole one at every time, and whoever finds the note of a move that was cut off
// has only to ask the configuration which of the two it is.
//
// Programs that copy may outlive a mailform that was killed. They hold a lock beside
// the note, and nobody else copies or takes away until they have ended.
package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/host"
)

// spare is what has to stay free on a volume beside what is moved there, in bytes.
const spare = 64 << 20

// A Move is a change of place, of one thing of a server.
type Move struct {
	Host host.Host
	// Note is the path of the file that it is written down in.
	Note string
}

// A Note says which move is under way.
type Note struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Begun is the time by the machine's clock, in seconds.
	Begun int64 `json:"begun"`
	// Copied are names of what was copied, for callers who look for what came later.
	Copied []string `json:"copied,omitempty"`
}

// Under is the move that is under way; nil: none is.
func (m *Move) Under(ctx context.Context) (*Note, error) {
	files, err := m.Host.Read(ctx, m.Note)
	if err != nil || !files[0].Exists {
		return nil, err
	}
	n := new(Note)
	if err := json.Unmarshal(files[0].Content, n); err != nil || !filepath.IsAbs(n.From) || !filepath.IsAbs(n.To) {
		return nil, fmt.Errorf("%s, which says what is being moved, is damaged: %w", m.Note, err)
	}
	return n, nil
}

// Save writes a note down anew.
func (m *Move) Save(ctx context.Context, n *Note) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return m.Host.Write(ctx, host.File{Path: m.Note, Content: append(text, '\n'), Mode: 0o600})
}

// Begin looks whether what lies in one directory can lie in another, and notes that it
// is on its way. One that was cut off goes on. The errors begin with "path: ", as the
// attribute of what is wrong.
func (m *Move) Begin(ctx context.Context, from, to string) error {
	if strings.HasPrefix(to+"/", from+"/") || strings.HasPrefix(from+"/", to+"/") {
		return fmt.Errorf("path: the one of %s and %s lies in the other", from, to)
	}
	n, err := m.Under(ctx)
	if err != nil {
		return err
	}
	goesOn := n != nil && n.From == from && n.To == to
	if n != nil && !goesOn {
		if err := m.End(ctx, from); err != nil {
			return err
		}
	}
	if err := m.whole(ctx, from); err != nil {
		return err
	}
	if !goesOn {
		if err := m.empty(ctx, to); err != nil {
			return err
		}
	}
	size, free, err := Room(ctx, m.Host, from, to)
	if err != nil {
		return err
	}
	if goesOn {
		if has, _, err := Room(ctx, m.Host, to, to); err == nil {
			size -= min(has, size)
		}
	}
	if size+spare > free {
		return fmt.Errorf("path: %s has room for %d bytes, and %d are to be moved there", to, free, size)
	}
	if goesOn {
		return nil
	}
	out, err := host.Must(ctx, m.Host, host.Cmd("date", "+%s"))
	if err != nil {
		return err
	}
	now, err := strconv.ParseInt(strings.TrimSpace(string(out.Stdout)), 10, 64)
	if err != nil {
		return fmt.Errorf("date says %q", out.Stdout)
	}
	return m.Save(ctx, &Note{From: from, To: to, Begun: now})
}

// whole fails where other volumes are mounted below a directory: they would be left.
func (m *Move) whole(ctx context.Context, dir string) error {
	const script = `here=$(stat -L -c %d -- "$1") || exit 1
find "$1"/ -xdev -type d -printf '%D %p\0' | tr '\n\0' '?\n' | while read -r device path; do
  [ "$device" = "$here" ] || { echo "$path"; break; }
done`
	out, err := host.Must(ctx, m.Host, host.Cmd("sh", "-c", script, "sh", dir))
	if err != nil {
		return err
	}
	if other := strings.TrimSpace(string(out.Stdout)); other != "" {
		return fmt.Errorf("path: another volume is mounted on %s, below what is to be moved", other)
	}
	return nil
}

// empty fails where something lies in a directory, but for what comes with a volume.
func (m *Move) empty(ctx context.Context, dir string) error {
	const script = `if [ -e "$1" ] && [ ! -d "$1" ]; then echo "$1"; exit 0; fi
for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
  case $f in */lost+found|"$1/*"|"$1/.[!.]*"|"$1/..?*") ;; *) echo "$f"; exit 0 ;; esac
done`
	out, err := host.Must(ctx, m.Host, host.Cmd("sh", "-c", script, "sh", dir))
	if err != nil {
		return err
	}
	if there := strings.TrimSpace(string(out.Stdout)); there != "" {
		return fmt.Errorf("path: there is %s, and nothing else may lie there", there)
	}
	return nil
}

// Room tells how large a directory is with all that is in it, and what is free where
// another one is to lie, which need not be there.
func Room(ctx context.Context, h host.Host, dir, to string) (size, free int64, err error) {
	// What goes while it is looked at is told of, and no error.
	const script = `if [ -d "$1" ]; then du -sk -- "$1" 2>/dev/null | cut -f 1; else echo 0; fi
to=$2
while [ ! -e "$to" ]; do to=$(dirname -- "$to"); done
df -Pk -- "$to" | awk 'NR == 2 { print $4 }'`
	out, err := host.Must(ctx, h, host.Cmd("sh", "-c", script, "sh", dir, to))
	if err != nil {
		return 0, 0, err
	}
	f := strings.Fields(string(out.Stdout))
	if len(f) != 2 {
		return 0, 0, fmt.Errorf("du and df say %q", out.Stdout)
	}
	size, err = strconv.ParseInt(f[0], 10, 64)
	if err == nil {
		free, err = strconv.ParseInt(f[1], 10, 64)
	}
	return size << 10, free << 10, err
}

// Ahead copies most of it while the server is at work. What changes meanwhile is no
// error: Copy copies it again.
func (m *Move) Ahead(ctx context.Context) error { return m.copy(ctx, "ahead") }

// Copy copies what is not there yet, or is other than it was, of a server that stands
// still. It ends once all is there, is the same, and is on the disk.
func (m *Move) Copy(ctx context.Context) error { return m.copy(ctx, "all") }

func (m *Move) copy(ctx context.Context, how string) error {
	n, err := m.Under(ctx)
	if err != nil {
		return err
	}
	if n == nil {
		return errors.New("nothing is being moved")
	}
	// What has changed since is copied whatever it looks like. The clock of a volume
	// may be another one.
	since := n.Begun - 600
	if err := m.locked(ctx, copyScript, n.From, n.To, how, strconv.FormatInt(since, 10)); err != nil {
		return fmt.Errorf("copy %s to %s: %w", n.From, n.To, err)
	}
	return nil
}

// copyScript has a directory, $2, be like another one, $1. Files are the same where
// type, owner, mode, size and time of change are; what has been changed since $4 is
// copied in any case. With $3 "ahead" nothing of it has to succeed.
const copyScript = `set -u
export LC_ALL=C
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p -- "$2" && chown --reference="$1" -- "$2" && chmod --reference="$1" -- "$2" || exit 1
names() { (cd "$1" && find . -mindepth 1 ! -path ./lost+found ! -path './lost+found/*' ! -type s -printf '%y/%P\0') | sort -z; }
looks() { (cd "$1" && find . -mindepth 1 ! -path ./lost+found ! -path './lost+found/*' ! -type s \
  \( -type d -printf 'd %m %U %G/%P\0' -o -printf '%y %m %U %G %s %Ts/%P\0' \)) | sort -z; }
names "$1" >"$work/want" && names "$2" >"$work/have" || [ "$3" = ahead ] || exit 1
comm -z -13 "$work/want" "$work/have" | cut -z -d / -f 2- | (cd "$2" && xargs -0 -r rm -rf --) || exit 1
looks "$1" >"$work/want" && looks "$2" >"$work/have" || [ "$3" = ahead ] || exit 1
{ comm -z -23 "$work/want" "$work/have" | cut -z -d / -f 2-
  (cd "$1" && find . -mindepth 1 ! -path ./lost+found ! -path './lost+found/*' ! -type s ! -type d -newerct "@$4" -printf '%P\0')
} | sort -z -u >"$work/list"
{ tar -C "$1" --null --no-recursion --verbatim-files-from --no-unquote -T "$work/list" --format=posix --acls --xattrs -cf - || echo read >>"$work/failed"
} | tar -C "$2" --numeric-owner --acls --xattrs -xpf - || echo write >>"$work/failed"
[ "$3" = ahead ] && exit 0
[ ! -e "$work/failed" ] || { echo "tar has failed" >&2; exit 1; }
looks "$1" >"$work/want" && looks "$2" >"$work/have" || exit 1
if ! cmp -s "$work/want" "$work/have"; then
  { comm -z -3 "$work/want" "$work/have" | cut -z -d / -f 2- | head -z -n 1 | tr '\0' '\n'; echo "is not the same"; } >&2
  exit 1
fi
sync -f -- "$2"`

// End ends the move that is under way, if one is: what the server does not use is
// taken away. at is where its configuration says that it is.
func (m *Move) End(ctx context.Context, at string) error {
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	gone := n.To
	if at == n.To {
		gone = n.From
	}
	const script = `[ ! -d "$1" ] || find "$1"/ -xdev -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf -- {} +`
	if err := m.locked(ctx, script, gone); err != nil {
		return fmt.Errorf("empty %s: %w", gone, err)
	}
	return m.Host.Remove(ctx, m.Note)
}

// held is the exit status of a script that found the lock taken.
const held = 75

// locked runs a script while nobody else copies or takes away for the same note. One
// that was left by a mailform that is no more is waited for here and not by a program,
// which could outlive us as well and then begin.
func (m *Move) locked(ctx context.Context, script string, args ...string) error {
	const lock = `exec 9>>"$0" || exit 1
flock -n 9 || exit 75
`
	c := host.Cmd(append([]string{"sh", "-c", lock + script, m.Note + ".lock"}, args...)...)
	for {
		out, err := m.Host.Run(ctx, c)
		if err != nil {
			return err
		}
		if out.Code != held {
			return out.Err(c)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// leaving is how long processes may take to close what they have open of a server that
// was stopped.
const leaving = 20 * time.Second

// Still waits until no process has a file open in what is moved, of a server that was
// stopped. Where one does not close it, the error says which.
func (m *Move) Still(ctx context.Context) error {
	n, err := m.Under(ctx)
	if err != nil {
		return err
	}
	if n == nil {
		return errors.New("nothing is being moved")
	}
	// A process may end while it is looked at, and find then says so.
	pattern := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(n.From) + "/*"
	c := host.Cmd("sh", "-c", `find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname "$1" -printf '%h\n' 2>/dev/null | sort -u | while read -r d; do
  p=${d%/fd}
  echo "${p#/proc/} ($(cat "$p/comm" 2>/dev/null))"
done`, "sh", pattern)
	for begun := time.Now(); ; {
		out, err := host.Must(ctx, m.Host, c)
		if err != nil {
			return err
		}
		who := strings.Join(strings.FieldsFunc(string(out.Stdout), func(r rune) bool { return r == '\n' }), ", ")
		if who == "" {
			return nil
		}
		if time.Since(begun) > leaving {
			return fmt.Errorf("within %s these have not let go of files in %s: process %s", leaving, n.From, who)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
