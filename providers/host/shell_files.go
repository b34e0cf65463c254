package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"golang.org/x/sys/unix"
)

// fails is what scripts have to say that something went wrong: the line
// "! NUMBER USER REASON", with the number of the file and who did not manage.
const fails = `fail() { u=$(id -un 2>/dev/null) || u=$(id -u); printf '! %s %s ' "$i" "$u"; printf '%s' "$1" | tr '\n' ' '; echo; exit 1; }
`

// reading says of each file a line "=MODE SIZE OWNER" and its content in base64,
// which ends with a dot; or "-" where there is none.
const reading = fails + `file() {
i=$1
m=$(stat -L -c '%f %s %u:%g' "$2" 2>&1) || { case $m in *": No such file or directory") echo -; return;; esac; fail "$m"; }
[ -f "$2" ] || fail "it is not a file"
z=${m#* }; [ "${z%% *}" -le "$limit" ] || fail "it has ${z%% *} bytes; more than $limit are not read"
[ -r "$2" ] || fail "x: Permission denied"
echo "=$m"
base64 <"$2" || fail "it cannot be read to its end"
echo .
}
`

// Read implements Host.
func (s *shell) Read(ctx context.Context, paths ...string) ([]File, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	if err := passable(paths...); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "limit=%d\n%s", MaxFile, reading)
	for i, p := range paths {
		fmt.Fprintf(&b, "file %d %s\n", i, quote(slashed(p)))
	}
	out, err := s.files(ctx, b.String())
	if err != nil {
		return nil, underWay("read", paths, err)
	}
	files := make([]File, len(paths))
	for i, p := range paths {
		files[i].Path = p
		if out, err = readReply(out, &files[i]); err != nil {
			return nil, s.failed("read", paths, out, err)
		}
	}
	return files, nil
}

var errFailed = errors.New("a script has failed")

// readReply takes what reading says of one file off the front of the output.
func readReply(out []byte, f *File) (rest []byte, err error) {
	line, rest, ok := bytes.Cut(out, []byte("\n"))
	switch {
	case !ok || len(line) == 0 || line[0] == '!':
		return out, errFailed
	case string(line) == "-":
		return rest, nil
	}
	content, rest, ok := bytes.Cut(rest, []byte(".\n"))
	if !ok {
		if at := bytes.LastIndex(out, []byte("\n! ")); at >= 0 {
			return out[at+1:], errFailed
		}
		return out, errFailed
	}
	var mode uint32
	var size int64
	if _, err := fmt.Sscanf(string(line), "=%x %d %s", &mode, &size, &f.Owner); err != nil {
		return out, fmt.Errorf("%w: %q", errFailed, line)
	}
	f.Exists, f.Mode = true, fs.FileMode(mode).Perm()
	f.Content, err = base64.StdEncoding.DecodeString(string(content))
	return rest, err
}

// failed is the error that a script's "! NUMBER USER REASON" stands for.
func (s *shell) failed(verb string, paths []string, out []byte, err error) error {
	line, _, _ := bytes.Cut(out, []byte("\n"))
	words := strings.SplitN(string(line), " ", 4)
	i := -1
	if len(words) == 4 && words[0] == "!" {
		i, _ = strconv.Atoi(words[1])
	}
	if i < 0 || i >= len(paths) {
		return fmt.Errorf("%s: %s files: the answer is not to be understood: %.100q, %w", s.name, verb, line, err)
	}
	user := words[2]
	err = reason(words[3])
	switch {
	case !errors.Is(err, fs.ErrPermission) || user == "root" || s.block == "":
	case s.block == schema.ReadConnection:
		err = fmt.Errorf("%w: %s, who comes by read_connection, has to be able to %s it", err, user, verb)
	default:
		err = fmt.Errorf("%w: %s may not do that, but root may: sudo = true in %s has it done by sudo", err, user, s.block)
	}
	return fmt.Errorf("%s %s on %s: %w", verb, paths[i], s.name, err)
}

// underWay says what was being done when a connection broke off.
func underWay(verb string, paths []string, err error) error {
	switch {
	case !errors.Is(err, ErrLost):
		return err
	case len(paths) == 1:
		return fmt.Errorf("%s %s: %w", verb, paths[0], err)
	}
	return fmt.Errorf("%s %s and %d more: %w", verb, paths[0], len(paths)-1, err)
}

// reasons are the texts of errors that other packages ask for.
var reasons = []unix.Errno{unix.ENOENT, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EROFS, unix.EISDIR, unix.ENOTDIR,
	unix.EDQUOT, unix.EFBIG, unix.EIO, unix.ELOOP, unix.ENAMETOOLONG, unix.EBUSY, unix.EEXIST, unix.ENOTEMPTY}

// reason makes an error of what a program has said: the operating system's,
// where it is one, without the names of temporary files.
func reason(text string) error {
	text = strings.TrimSpace(text)
	last := text[strings.LastIndex(text, ": ")+1:]
	last = strings.TrimSpace(strings.TrimPrefix(last, ":"))
	for _, e := range reasons {
		if strings.EqualFold(last, e.Error()) {
			return e
		}
	}
	if strings.Contains(text, ".mailform-") {
		return errors.New(last)
	}
	return errors.New(text)
}

// listing says of each entry its mode, its size and its name, and a slash, which
// no name has.
const listing = fails + `i=0
m=$(stat -L -c %F "$d" 2>&1) || { case $m in *": No such file or directory") exit 0;; esac; fail "$m"; }
cd "$d" 2>/dev/null || fail "x: Permission denied"
[ -r . ] || fail "x: Permission denied"
find . ! -name . -prune -exec stat -c '%f %s %n/' {} + 2>/dev/null || :
`

// List implements Host.
func (s *shell) List(ctx context.Context, dir string) ([]Entry, error) {
	if err := passable(dir); err != nil {
		return nil, err
	}
	out, err := s.files(ctx, "d="+quote(slashed(dir))+"\n"+listing)
	if err != nil {
		return nil, underWay("list", []string{dir}, err)
	}
	if bytes.HasPrefix(out, []byte("! ")) {
		return nil, s.failed("list", []string{dir}, out, errFailed)
	}
	var entries []Entry
	for rec := range strings.SplitSeq(string(out), "/\n") {
		words := strings.SplitN(rec, " ", 3)
		if len(words) < 3 {
			continue // the end
		}
		mode, err := strconv.ParseUint(words[0], 16, 32)
		size, serr := strconv.ParseInt(words[1], 10, 64)
		if err = errors.Join(err, serr); err != nil {
			return nil, fmt.Errorf("%s: list %s: %w", s.name, dir, err)
		}
		entries = append(entries, Entry{Name: strings.TrimPrefix(words[2], "./"), Mode: fileMode(uint32(mode)), Size: size})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// fileMode is the mode that stat(2) tells.
func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	}
	for bit, is := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= is
		}
	}
	return mode
}

const making = fails + `dir() {
i=$1
[ -d "$2" ] && return
e=$(mkdir -p "$3" 2>&1) || fail "$e"
e=$(mkdir "$2" 2>&1) || [ -d "$2" ] || fail "$e"
e=$(chmod "$4" "$2" 2>&1) || fail "$e"
[ "$5" = - ] || e=$(chown "$5" "$2" 2>&1) || fail "$e"
}
umask 022
`

// Mkdir implements Host.
func (s *shell) Mkdir(ctx context.Context, dirs ...Dir) error {
	var b strings.Builder
	b.WriteString(making)
	paths := make([]string, len(dirs))
	for i, d := range dirs {
		if paths[i] = d.Path; !path.IsAbs(d.Path) {
			return fmt.Errorf("make %s: the path is not absolute", d.Path)
		}
		mode := d.Mode
		if mode == 0 {
			mode = 0o755
		}
		fmt.Fprintf(&b, "dir %d %s %s %o %s\n", i, quote(path.Clean(d.Path)), quote(path.Dir(path.Clean(d.Path))), mode.Perm(), quote(orDash(d.Owner)))
	}
	return s.change(ctx, "make", paths, b.String()+lasting(paths))
}

// lasting brings to the disk what was done in the directories that have paths.
func lasting(paths []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for i, p := range paths {
		if dir := path.Dir(path.Clean(p)); !seen[dir] {
			seen[dir] = true
			fmt.Fprintf(&b, "i=%d d=%s; [ -d \"$d\" ] && { e=$(sync \"$d\" 2>&1) || fail \"$e\"; }\n", i, quote(dir))
		}
	}
	return b.String()
}

const removing = fails + `gone() {
i=$1
if [ -d "$2" ] && [ ! -L "$2" ]; then e=$(rmdir "$2" 2>&1) || fail "$e"; else e=$(rm -f "$2" 2>&1) || fail "$e"; fi
}
`

// Remove implements Host.
func (s *shell) Remove(ctx context.Context, paths ...string) error {
	var b strings.Builder
	b.WriteString(removing)
	for i, p := range paths {
		if !path.IsAbs(p) {
			return fmt.Errorf("remove %s: the path is not absolute", p)
		}
		fmt.Fprintf(&b, "gone %d %s\n", i, quote(p))
	}
	return s.change(ctx, "remove", paths, b.String()+lasting(paths))
}

// change runs a script that ends with the word "done" where all went well.
func (s *shell) change(ctx context.Context, verb string, paths []string, script string, stdin ...[]byte) error {
	if len(paths) == 0 {
		return ctx.Err()
	}
	if err := passable(script); err != nil {
		return err
	}
	out, err := s.files(ctx, script+"echo done\n", stdin...)
	if err != nil {
		return underWay(verb, paths, err)
	}
	if string(out) == "done\n" {
		return nil
	}
	if i, ok := strings.CutPrefix(string(out), "~ "); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(i)); err == nil && n >= 0 && n < len(paths) {
			return fmt.Errorf("%s: %w", paths[n], ErrChanged)
		}
	}
	return s.failed(verb, paths, out, errFailed)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
