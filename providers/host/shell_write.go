package host

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// writing has the four steps of a file: stage writes it beside its place, check
// compares what is there with what has to be, place puts it there. An end in
// between, as that of the connection, takes away what lies beside.
const writing = fails + `stage() {
i=$1 p=$2 n=$3 m=$4 o=$5 s=$6 k=
if [ -e "$p" ]; then r=$(readlink -f "$p" && echo /) || fail "$p: it leads nowhere"; p=${r%?/}; fi
[ -d "$p" ] && fail "x: Is a directory"
d=${p%/*}
t=$(mktemp "$d/.${p##*/}.mailform-XXXXXX" 2>&1 && echo /) || fail "$t"
t=${t%?/}
eval "t$i=\$t p$i=\$p"
q=$((n / 65536)) z=$((n % 65536))
e=$({ { [ $q = 0 ] || dd bs=65536 count=$q iflag=fullblock status=none; } && { [ $z = 0 ] || dd bs=$z count=1 iflag=fullblock status=none; }; } 2>&1 >"$t") || fail "$e"
[ "$(wc -c <"$t")" -eq "$n" ] || fail "the connection broke off"
if [ -e "$p" ]; then
k=$(stat -c '%a %u:%g' "$p" 2>&1) || fail "$k"
[ "$m" = - ] && m=${k%% *}
k=${k#* }
[ -d /sys/fs/selinux ] && chcon --reference="$p" "$t" 2>/dev/null
fi
[ "$m" = - ] && m=644
if [ "$o" != - ]; then e=$(chown "$o" "$t" 2>&1) || fail "$e"
elif [ -n "$k" ]; then chown "$k" "$t" 2>/dev/null; fi
e=$(chmod "$m" "$t" 2>&1) || fail "$e"
[ "$s" = 0 ] || e=$(touch -d "@$(($(date +%s) - s))" "$t" 2>&1) || fail "$e"
}
check() {
i=$1
h=absent
if [ -e "$2" ]; then
[ -r "$2" ] || fail "x: Permission denied"
h=$(sha256sum <"$2" 2>&1) || fail "$h"
h=${h%% *}
fi
[ "$h" = "$3" ] || { echo "~ $i"; exit 1; }
}
backup() {
i=$1
if [ -e "$2" ] && [ ! -e "$2$3" ] && [ ! -L "$2$3" ]; then e=$(ln "$2" "$2$3" 2>&1) || [ -e "$2$3" ] || fail "$e"; fi
}
place() { i=$1; e=$(mv -f "$2" "$3" 2>&1) || fail "$e"; }
onto() { i=0; e=$(sync "$@" 2>&1) || fail "$e"; }
umask 077
trap 'exit 1' HUP INT TERM PIPE
`

// Write implements Host.
func (s *shell) Write(ctx context.Context, files ...File) error {
	paths := make([]string, len(files))
	contents := make([][]byte, len(files))
	var b, temps, places, checks, puts strings.Builder
	for i := range files {
		f := &files[i]
		if paths[i], contents[i] = f.Path, f.Content; !path.IsAbs(f.Path) {
			return fmt.Errorf("write %s: the path is not absolute", f.Path)
		}
		mode := "-"
		if f.Mode != 0 {
			mode = fmt.Sprintf("%o", f.Mode.Perm())
		}
		age := 0
		if f.Settled {
			age = settledAge
		}
		fmt.Fprintf(&b, "stage %d %s %d %s %s %d\n", i, quote(f.Path), len(f.Content), mode, quote(orDash(f.Owner)), age)
		fmt.Fprintf(&temps, ` "$t%d"`, i)
		fmt.Fprintf(&places, ` "${p%d%%/*}/"`, i)
		if f.Was != "" {
			fmt.Fprintf(&checks, "check %d \"$p%d\" %s\n", i, i, quote(f.Was))
		}
		if f.Backup {
			fmt.Fprintf(&puts, "backup %d \"$p%d\" %s\n", i, i, quote(BackupOf("")))
		}
		fmt.Fprintf(&puts, "place %d \"$t%d\" \"$p%d\"\n", i, i, i)
	}
	script := writing + "trap 'rm -f" + temps.String() + " 2>/dev/null' EXIT\n" +
		b.String() + "onto" + temps.String() + "\n" + checks.String() + puts.String() + "onto" + places.String() + "\n"
	return s.change(ctx, "write", paths, script, contents...)
}
