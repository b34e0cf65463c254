package sendmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// commit writes what is different, in an order in which a kill leaves something that
// works: the ledger knows of everything new before it is there, and of everything old
// until it has gone.
func (p *Provider) commit(ctx context.Context, was, next *world, serve, yields bool) error {
	if err := p.on.Mkdir(ctx, host.Dir{Path: p.file()}, host.Dir{Path: p.file("new"), Mode: 0o700}); err != nil {
		return err
	}
	for _, h := range next.ledger.all(schema.KindSetting) {
		if h.attrs.Str("tls_certificate") == "" {
			if _, err := certificate.Ensure(ctx, p.on, p.file(), h.attrs.Str("hostname"), ""); err != nil {
				return err
			}
		}
	}
	both := ledger{}
	maps.Copy(both, was.ledger)
	maps.Copy(both, next.ledger)
	f, err := p.writeLedger(ctx, was.files[p.ledgerPath()], both)
	if err != nil {
		return err
	}
	queueOnly := serve && (was.queueOnly || yields) && len(next.ledger.all(schema.KindListener)) == 0
	if err := p.commitRest(ctx, was, next, serve, queueOnly); err != nil {
		if errors.Is(err, errHalf) {
			return conflict(err) // of what is there by now nothing is a stranger's
		}
		// What was put back is known as it was.
		_, lerr := p.writeLedger(context.WithoutCancel(ctx), f, was.ledger)
		return errors.Join(conflict(err), lerr)
	}
	_, err = p.writeLedger(ctx, f, next.ledger)
	return err
}

// writeLedger writes the ledger in the place of a file, where it is another one.
func (p *Provider) writeLedger(ctx context.Context, f host.File, l ledger) (host.File, error) {
	text, err := l.text()
	if err != nil || bytes.Equal(text, f.Content) {
		return f, err
	}
	if err := p.on.Write(ctx, f.With(text)); err != nil {
		return f, conflict(err)
	}
	f.Content, f.Exists = text, true
	return f, nil
}

// commitRest writes maps, users and the configuration, and starts or stops Sendmail. The
// error is errHalf where maps are not as they were.
func (p *Provider) commitRest(ctx context.Context, was, next *world, serve, queueOnly bool) error {
	moved, err := p.commitMaps(ctx, was, next)
	if err == nil {
		err = p.commitService(ctx, was, next, serve, queueOnly)
	}
	if err != nil && moved {
		return fmt.Errorf("%w (%w)", err, errHalf)
	}
	return err
}

// errHalf is the error where some maps may be new, and the rest is not.
var errHalf = errors.New("some of the maps may be new by now; the next apply does the rest")

// commitService writes users and the configuration, and starts or stops Sendmail.
func (p *Provider) commitService(ctx context.Context, was, next *world, serve, queueOnly bool) error {
	if err := p.commitJudge(ctx, was, next); err != nil {
		return err
	}
	if to, moves := next.moving(was); moves {
		return p.relocate(ctx, was, next, to, serve, queueOnly)
	}
	if !was.running || serve && queueOnly == was.queueOnly {
		if err := p.commitConfig(ctx, was, next, p.accept); err != nil || !serve || was.running {
			return err
		}
		return p.begin(ctx, was, queueOnly)
	}
	// It does not take over on the way who listens where, or nowhere.
	if !serve {
		if err := p.commitConfig(ctx, was, next, p.accept); err != nil {
			return err
		}
		return p.end(ctx, was)
	}
	if err := p.end(ctx, was); err != nil {
		return err
	}
	if err := p.commitConfig(ctx, was, next, p.accept); err != nil {
		return errors.Join(err, p.begin(ctx, was, was.queueOnly))
	}
	return p.begin(ctx, was, queueOnly)
}

// begin starts Sendmail, or the process of it that sees to the queue alone.
func (p *Provider) begin(ctx context.Context, was *world, queueOnly bool) error {
	files, err := p.on.Read(ctx, p.cf)
	if err != nil {
		return err
	}
	pidFile := effective(string(files[0].Content))["pidfile"]
	if pidFile == "" {
		pidFile = was.pidFile
	}
	if queueOnly {
		return p.runner(pidFile).Begin(ctx)
	}
	return p.daemon(pidFile).Begin(ctx)
}

// commitMaps makes the maps that are different beside their places, and puts them
// there. It reports whether it has begun to do that.
func (p *Provider) commitMaps(ctx context.Context, was, next *world) (moved bool, err error) {
	want, err := next.declaredRows()
	if err != nil {
		return false, err
	}
	if err := was.keepForeign(want); err != nil {
		return false, err
	}
	suffix := suffixes[was.mapType]
	var files []host.File
	var moves []string
	for _, name := range mapNames {
		f := was.files[p.file(name)]
		if f.Exists && maps.Equal(was.live[name], want[name]) && maps.Equal(parseMap(f.Content), want[name]) {
			continue
		}
		if !f.Exists && len(want[name]) == 0 && (name == mailertable || len(next.ledger.all(schema.KindDelivery)) == 0) {
			continue
		}
		text := mapText(want[name])
		c := host.Cmd(p.program("makemap"), "-C", p.cf, was.mapType, p.file("new", name))
		c.Stdin = text
		if name == aliases {
			c.Stdin = append(slices.Clone(text), "@\t@\n"...)
		}
		if _, err := host.Must(ctx, p.on, c); err != nil {
			return false, err
		}
		file := f.With(text)
		file.Backup = f.Exists && !bytes.HasPrefix(f.Content, []byte(mapHeader)) // it is none of ours
		files = append(files, file)
		moves = append(moves, p.file("new", name)+suffix)
	}
	if len(files) == 0 {
		return false, nil
	}
	if _, err := host.Must(ctx, p.on, host.Cmd(append([]string{"sync", "--"}, moves...)...)); err != nil {
		return false, err
	}
	if err := p.on.Write(ctx, files...); err != nil {
		return false, err
	}
	_, err = host.Must(ctx, p.on, host.Cmd(append(append([]string{"mv", "-f", "--"}, moves...), p.file())...))
	return true, err
}

// keepForeign leaves in our maps what somebody else has put there and a plan shows:
// addresses, where their mail goes, and ways to servers that are none of ours.
func (w *world) keepForeign(want rows) error {
	ours, err := w.declaredRows()
	if err != nil {
		return err
	}
	for key, value := range w.live[addresses] {
		_, known := ours[addresses][key]
		if _, wanted := want[addresses][key]; known || wanted {
			continue
		}
		want[addresses][key] = value
		if members, there := w.live[aliases][value]; there {
			if _, wanted := want[aliases][value]; !wanted {
				want[aliases][value] = members
			}
		}
	}
	declared := map[string]bool{}
	for _, value := range want[mailertable] {
		declared[value] = true
	}
	for key, value := range w.live[mailertable] {
		if _, wanted := want[mailertable][key]; !wanted && !w.hasSmarthost(value) && !declared[value] {
			want[mailertable][key] = value
		}
	}
	return nil
}

// commitJudge writes who may submit mail, and begins or ends the daemon that knows.
func (p *Provider) commitJudge(ctx context.Context, was, next *world) error {
	path := authd.UsersFile(p.file("authd"))
	if !next.judged() {
		if was.judged() {
			if err := p.judge().End(ctx); err != nil {
				return err
			}
		}
		if err := p.commitLookup(ctx, was, next); err != nil {
			return err
		}
		if len(next.users) == 0 && !was.files[path].Exists {
			return nil
		}
	}
	same := maps.EqualFunc(was.users, next.users, func(a, b authd.User) bool { return slices.Equal(a.Verifiers, b.Verifiers) })
	if f := was.files[path]; !f.Exists || !same {
		if err := p.judge().Write(ctx, f, slices.Collect(maps.Values(next.users))); err != nil {
			return err
		}
	}
	if !next.judged() {
		return nil
	}
	if err := p.commitLookup(ctx, was, next); err != nil {
		return err
	}
	conf := []byte("# Written by mailform.\npwcheck_method: saslauthd\nsaslauthd_path: " + authd.Socket(p.file("authd")) + "\nmech_list: PLAIN LOGIN\n")
	if f := was.files[p.conf()]; !bytes.Equal(f.Content, conf) {
		if err := p.on.Mkdir(ctx, host.Dir{Path: filepath.Dir(p.conf())}); err != nil {
			return err
		}
		if err := p.on.Write(ctx, f.With(conf)); err != nil {
			return err
		}
	}
	if was.judging {
		ok, err := p.answersMaps(ctx)
		if ok = ok || next.lookup == nil; ok || err != nil {
			return err
		}
		if err := p.judge().End(ctx); err != nil {
			return err
		}
	}
	return p.judge().Begin(ctx)
}

// commitConfig writes sendmail.cf, and what it is made of, where our section is
// another one.
func (p *Provider) commitConfig(ctx context.Context, was, next *world, accept func(context.Context) error) error {
	section, ports, err := next.section()
	if err != nil {
		return err
	}
	if err := p.vacant(ctx, was, ports); err != nil {
		return err
	}
	mc, cf, m4 := was.files[p.mc], was.files[p.cf], was.files[p.m4Path()]
	var files []host.File
	source := "" // for m4; empty: the lines of others in sendmail.cf stay as they are
	// What m4 has made once, it makes again where there is one, so that the source has to
	// say the same.
	if mc.Exists {
		text := withInclude(string(mc.Content), p.m4Path(), section != "")
		wanted := asM4(section)
		if text != string(mc.Content) {
			f := mc.With([]byte(text))
			f.Backup = true
			files = append(files, f)
		}
		if string(m4.Content) != wanted && (section != "" || m4.Exists) {
			files = append(files, m4.With([]byte(wanted)))
		}
		byM4, err := p.hasM4(ctx)
		if err != nil {
			return err
		}
		if !byM4 && !cf.Exists {
			return fmt.Errorf("there is %s, and neither m4 on %s to make %s of it nor that file", p.mc, p.on, p.cf)
		}
		if byM4 {
			source = strings.ReplaceAll(text, includeLine(p.m4Path()), wanted)
		}
	}
	if len(files) == 0 && cf.Exists && putSection(string(cf.Content), section, ports) == string(cf.Content) {
		return nil
	}
	text := string(cf.Content)
	if source != "" {
		if source, err = p.unlessEdited(ctx, was, source); err != nil {
			return err
		}
	}
	if source != "" {
		if text, err = p.make(ctx, source); err != nil {
			return err
		}
	}
	f := cf.With([]byte(putSection(text, section, ports)))
	f.Backup = true
	return p.try(ctx, accept, append(files, f)...)
}

// unlessEdited is the source, or nothing where somebody has edited sendmail.cf after it
// was made: what m4 makes of the source as it is is something else, and the source is
// older. What has been done there stays then.
func (p *Provider) unlessEdited(ctx context.Context, was *world, source string) (string, error) {
	mc, cf, m4 := was.files[p.mc], was.files[p.cf], was.files[p.m4Path()]
	if !cf.Exists {
		return source, nil
	}
	out, err := p.on.Run(ctx, host.Cmd("sh", "-c", `[ -z "$(find "$2" -newer "$1")" ]`, "sh", p.mc, p.cf))
	if err != nil || out.Code == 0 {
		return source, err
	}
	made, err := p.make(ctx, strings.ReplaceAll(string(mc.Content), includeLine(p.m4Path()), string(m4.Content)))
	if err != nil {
		return "", err
	}
	if ofOthers(made) == ofOthers(string(cf.Content)) {
		return source, nil
	}
	return "", nil
}

// hasM4 reports whether there is an m4.
func (p *Provider) hasM4(ctx context.Context) (bool, error) {
	out, err := p.on.Run(ctx, host.Cmd("sh", "-c", "command -v m4"))
	return err == nil && out.Code == 0, err
}

// make has m4 make sendmail.cf of a source.
func (p *Provider) make(ctx context.Context, source string) (string, error) {
	c := host.Cmd("m4", "-")
	c.Dir, c.Stdin = p.dir, []byte(source)
	out, err := host.Must(ctx, p.on, c)
	if err != nil {
		return "", fmt.Errorf("make %s of %s: %w", p.cf, p.mc, err)
	}
	if !bytes.Contains(out.Stdout, []byte("\nSparse=0")) {
		return "", fmt.Errorf("make %s of %s: m4 has made no configuration of Sendmail of it", p.cf, p.mc)
	}
	return string(out.Stdout), nil
}

// vacant refuses to have a Sendmail that runs listen where somebody else does: told
// to, it would end, or go on without that port and say so in its log alone.
func (p *Provider) vacant(ctx context.Context, was *world, ports map[string]bool) error {
	if !was.running || was.queueOnly {
		return nil
	}
	has := map[string]bool{}
	for line := range strings.Lines(string(was.files[p.cf].Content)) {
		if value, ok := strings.CutPrefix(line, "O DaemonPortOptions="); ok {
			has[portOf(strings.TrimSpace(value))] = true
		}
	}
	// Somebody may have made sendmail.cf anew without us, and the daemon still have ours.
	if slices.ContainsFunc(slices.Collect(maps.Keys(ports)), func(port string) bool { return !has[port] }) {
		if err := p.listensAt(ctx, was.pidFile, has); err != nil {
			return err
		}
	}
	return host.Vacant(ctx, p.on, slices.Sorted(maps.Keys(ports)), func(port string) bool { return has[port] })
}

// listensAt puts the ports at which the daemon of a pid file listens into has.
func (p *Provider) listensAt(ctx context.Context, pidFile string, has map[string]bool) error {
	const script = `for f in /proc/"$(head -n 1 "$1")"/fd/*; do readlink "$f"; done; :`
	out, err := host.Must(ctx, p.on, host.Cmd("sh", "-c", script, "sh", pidFile))
	if err != nil {
		return err
	}
	open := strings.Fields(string(out.Stdout))
	all, err := host.Listening(ctx, p.on)
	for port, inodes := range all {
		if slices.ContainsFunc(inodes, func(inode string) bool { return slices.Contains(open, "socket:["+inode+"]") }) {
			has[port] = true
		}
	}
	return err
}

// try writes files and has Sendmail accept them, or puts them back.
func (p *Provider) try(ctx context.Context, accept func(context.Context) error, files ...host.File) error {
	t := host.Trial{Host: p.on, Note: p.notePath(), Accept: accept}
	return t.Run(ctx, files...)
}

// conflict says that a file is not as it was read.
func conflict(err error) error {
	if errors.Is(err, host.ErrChanged) {
		return fmt.Errorf("%w (%w)", providers.ErrConflict, err)
	}
	return err
}
