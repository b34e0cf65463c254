package move

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// A Part is a move of some files of a server that can lie beside others, in Base, or
// in a directory of their own: its indexes, which lie with the mail unless it is told
// otherwise. From one directory of their own to another they are moved as all else
// is. To and from Base they are copied while the server stands still, and nothing
// but them is taken away there.
type Part struct {
	Move
	// Base is where they lie beside others.
	Base string
	// Within and Names are expressions of find. What is Within is not looked into;
	// Names are the files.
	Within, Names string
	// Out and Back are expressions of sed that make of a name in Base that in a
	// directory of their own, and of one there that in Base. Empty: they are the same.
	Out, Back string
}

// inBase reports whether the move that is under way is from Base, or to it.
func (p *Part) inBase(n *Note) bool { return n.From == p.Base || n.To == p.Base }

// Begin is that of a Move, but that Base is not empty.
func (p *Part) Begin(ctx context.Context, from, to string) error {
	own := []string{from, to}
	for _, dir := range own {
		if dir != p.Base && (strings.HasPrefix(dir+"/", p.Base+"/") || strings.HasPrefix(p.Base+"/", dir+"/")) {
			return fmt.Errorf("path: the one of %s and %s lies in the other", dir, p.Base)
		}
	}
	n := &Note{From: from, To: to}
	if !p.inBase(n) {
		return p.Move.Begin(ctx, from, to)
	}
	was, err := p.Under(ctx)
	if err != nil {
		return err
	}
	if was != nil { // what was copied of it may have changed since
		if err := p.End(ctx, from); err != nil {
			return err
		}
	}
	if to != p.Base {
		if err := p.empty(ctx, to); err != nil {
			return err
		}
	}
	size, free, err := p.Room(ctx, from, to)
	if err != nil {
		return err
	}
	if size+spare > free {
		return fmt.Errorf("path: %s has room for %d bytes, and %d are to be moved there", to, free, size)
	}
	return p.Save(ctx, n)
}

// Room tells how large they are where they lie, and what is free in another place.
func (p *Part) Room(ctx context.Context, from, to string) (size, free int64, err error) {
	if from != p.Base {
		return Room(ctx, p.Host, from, to)
	}
	if _, free, err = Room(ctx, p.Host, "", to); err != nil {
		return 0, 0, err
	}
	out, err := host.Must(ctx, p.Host, host.Cmd("sh", "-c", `[ -d "$1" ] || { echo 0; exit 0; }
cd "$1" && eval "find . -mindepth 1 \\( $2 \\) -prune -o -type f \\( $3 \\) -printf '%s\n'" 2>/dev/null | awk '{ n += $1 } END { printf "%d\n", n }'`, "sh", from, p.Within, p.Names))
	if err != nil {
		return 0, 0, err
	}
	size, err = strconv.ParseInt(strings.TrimSpace(string(out.Stdout)), 10, 64)
	return size, free, err
}

// Ahead is that of a Move between directories of their own.
func (p *Part) Ahead(ctx context.Context) error {
	n, err := p.Under(ctx)
	if err != nil || n == nil || p.inBase(n) {
		return err
	}
	return p.Move.Ahead(ctx)
}

// Copy copies them, of a server that stands still.
func (p *Part) Copy(ctx context.Context) error {
	n, err := p.Under(ctx)
	switch {
	case err != nil:
		return err
	case n == nil:
		return errors.New("nothing is being moved")
	case !p.inBase(n):
		return p.Move.Copy(ctx)
	}
	how, rename := "out", p.Out
	if n.To == p.Base {
		how, rename = "back", p.Back
	}
	if err := p.locked(ctx, partScript, n.From, n.To, how, p.Within, p.Names, rename); err != nil {
		return fmt.Errorf("copy %s to %s: %w", n.From, n.To, err)
	}
	return nil
}

// partScript copies files of $1, where they lie beside others if $3 is "out", to $2,
// where they do if it is "back". Those whose directory is not there any more are left.
const partScript = `set -u
export LC_ALL=C
[ -d "$1" ] || exit 0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p -- "$2" || exit 1
rename=${6:-s,^,,}
if [ "$3" = out ]; then
  chown --reference="$1" -- "$2" && chmod --reference="$1" -- "$2" || exit 1
  (cd "$1" && eval "find . -mindepth 1 \\( $4 \\) -prune -o \\( -type d -o -type f \\( $5 \\) \\) -printf '%P\\0'") >"$work/names" || exit 1
else
  (cd "$1" && find . -type f -printf '%P\0') >"$work/all" || exit 1
  sed -z -e "$rename" -e 's,^,/,' "$work/all" | paste -z -d / "$work/all" - | (cd "$2" && xargs -0 -r -n 500 sh -c '
    for pair; do
      to=${pair##*//}
      [ ! -d "${to%/*}" ] || printf "%s\0" "${pair%%//*}"
    done' sh) >"$work/names" || exit 1
fi
{ tar -C "$1" --null --no-recursion --verbatim-files-from --no-unquote -T "$work/names" --transform "flags=r;$rename" --format=posix --acls --xattrs -cf - || echo read >>"$work/failed"
} | tar -C "$2" --numeric-owner --acls --xattrs -xpf - || echo write >>"$work/failed"
[ ! -e "$work/failed" ] || { echo "tar has failed" >&2; exit 1; }
looks() { (cd "$1" && xargs -0 -r stat -c '%F %a %u %g %Y' --) | sed '/^directory/s/ [0-9]*$//'; }
looks "$1" <"$work/names" >"$work/want" && sed -z -e "$rename" "$work/names" | looks "$2" >"$work/have" || exit 1
cmp -s "$work/want" "$work/have" || { echo "what was copied is not the same" >&2; exit 1; }
sync -f -- "$2"`

// End is that of a Move, but that in Base nothing else is taken away.
func (p *Part) End(ctx context.Context, at string) error {
	n, err := p.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	gone := n.To
	if at == n.To {
		gone = n.From
	}
	if gone != p.Base {
		return p.Move.End(ctx, at)
	}
	const script = `[ ! -d "$1" ] || { cd "$1" && eval "find . -mindepth 1 \\( $2 \\) -prune -o -type f \\( $3 \\) -exec rm -f -- {} +"; }`
	if err := p.locked(ctx, script, gone, p.Within, p.Names); err != nil {
		return fmt.Errorf("take what was moved away from %s: %w", gone, err)
	}
	return p.Host.Remove(ctx, p.Note)
}
