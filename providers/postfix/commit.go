package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// finish goes on with a change that was killed.
func (p *Provider) finish(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	t := p.trial(nil)
	before, err := t.Before(ctx)
	if err != nil {
		return err
	}
	if before == nil {
		return p.finishMove(ctx)
	}
	running, err := p.daemon().Running(ctx)
	if err != nil {
		return err
	}
	restart := false
	for _, f := range before {
		if f.Path != p.mainFile() {
			continue
		}
		now, err := p.on.Read(ctx, f.Path)
		if err != nil {
			return err
		}
		restart = rebinds(parseMain(f.Content), parseMain(now[0].Content))
	}
	t.Accept = p.accept(running, restart)
	if err := t.Finish(ctx); err != nil {
		return err
	}
	return p.finishMove(ctx)
}

// rebinds reports whether the master has to be started anew: of these parameters it
// takes notice only then.
func rebinds(before, after *config) bool {
	return slices.ContainsFunc([]string{"inet_interfaces", "inet_protocols"}, func(name string) bool {
		was, _ := before.parameter(name)
		is, _ := after.parameter(name)
		return was != is
	})
}

// commit writes what is different, in an order in which a kill leaves something that
// works: maps before main.cf names them, and each map's text before what is built of
// it, so that the next apply sees what is to be built.
func (p *Provider) commit(ctx context.Context, was, next *world) error {
	dirs := []host.Dir{{Path: p.own()}, {Path: p.file("new"), Mode: 0o700}}
	if err := p.on.Mkdir(ctx, dirs...); err != nil {
		return err
	}
	for _, a := range next.ledger.declared(schema.KindSetting) {
		if a.Str("tls_certificate") == "" {
			if _, err := certificate.Ensure(ctx, p.on, p.own(), a.Str("hostname"), ""); err != nil {
				return err
			}
		}
	}
	if err := p.commitTables(ctx, was, next); err != nil {
		return conflict(err)
	}
	if err := p.commitJudge(ctx, was, next); err != nil {
		return conflict(err)
	}
	if err := p.commitConfig(ctx, was, next); err != nil {
		return conflict(err)
	}
	switch {
	case next.wantRunning == nil:
		return nil
	case *next.wantRunning:
		return p.begin(ctx)
	}
	return p.daemon().End(ctx)
}

// conflict says that a file is not as it was read.
func conflict(err error) error {
	if errors.Is(err, host.ErrChanged) {
		return fmt.Errorf("%w (%w)", providers.ErrConflict, err)
	}
	return err
}

// commitTables writes the maps that are different, builds them beside their places,
// and puts them there.
func (p *Provider) commitTables(ctx context.Context, was, next *world) error {
	var fresh, final []host.File
	var build, sources, moves []string
	suffix := builtSuffixes[p.mapType]
	for i, name := range tableNames {
		text, err := next.tables[i].text()
		if err != nil {
			return err
		}
		f := was.files[tableFiles+i]
		if i >= refused && !f.Exists && len(next.tables[i].at) == 0 {
			continue // most have nobody to refuse, and no other ways
		}
		if f.Exists && bytes.Equal(f.Content, text) && was.inAccord(i) {
			continue
		}
		mode := fs.FileMode(0o644)
		f.Backup = !bytes.HasPrefix(f.Content, []byte(tableHeader)) // somebody else's
		f = f.With(text)
		if i == passwords {
			mode, f.Mode = 0o600, 0o600
		}
		fresh = append(fresh, host.File{Path: p.file("new", name), Content: text, Mode: mode})
		final = append(final, f)
		build = append(build, p.mapType+":"+p.file("new", name))
		sources = append(sources, p.file("new", name))
		moves = append(moves, p.file("new", name)+suffix)
	}
	if len(fresh) == 0 {
		return nil
	}
	if p.mapType == textType {
		running, err := p.daemon().Running(ctx)
		if err != nil {
			return err
		}
		return p.trial(p.accept(running, false)).Run(ctx, final...)
	}
	// What a postmap left that was killed another one cannot open. Berkeley DB makes a
	// file under another name first, and waits for minutes where there is one.
	left := slices.Clone(moves)
	for _, path := range moves {
		left = append(left, filepath.Join(filepath.Dir(path), "__db."+filepath.Base(path)))
	}
	if err := p.on.Remove(ctx, left...); err != nil {
		return err
	}
	if err := p.on.Write(ctx, fresh...); err != nil {
		return err
	}
	if _, err := host.Must(ctx, p.on, p.program("postmap", build...)); err != nil {
		return err
	}
	if _, err := host.Must(ctx, p.on, host.Cmd(append([]string{"sync", "--"}, moves...)...)); err != nil {
		return err
	}
	if err := p.on.Write(ctx, final...); err != nil {
		return err
	}
	if _, err := host.Must(ctx, p.on, host.Cmd(append(append([]string{"mv", "-f", "--"}, moves...), p.own())...)); err != nil {
		return err
	}
	return p.on.Remove(ctx, sources...)
}

// judged reports whether mailform's own daemon says who users are.
func (w *world) judged() bool {
	return slices.ContainsFunc(w.ledger.declared(schema.KindDelivery), func(a attrs) bool { return a.Str("auth") == "authd" })
}

// commitJudge writes who may submit mail, and begins or ends the daemon that knows.
func (p *Provider) commitJudge(ctx context.Context, was, next *world) error {
	if !next.judged() {
		if was.judged() {
			if err := p.judge("").End(ctx); err != nil {
				return err
			}
			return p.on.Remove(ctx, authd.UsersFile(p.file("authd")), authd.LookupFile(p.file("authd")), filepath.Join(p.saslDir(), saslName+".conf"))
		}
		return nil
	}
	group, err := p.group(ctx)
	if err != nil {
		return err
	}
	judge := p.judge(group)
	if f := &was.files[usersFile]; !f.Exists || !maps.EqualFunc(was.users, next.users, func(a, b authd.User) bool {
		return slices.Equal(a.Verifiers, b.Verifiers) && slices.Equal(a.Protocols, b.Protocols)
	}) {
		if err := judge.Write(ctx, *f, slices.Collect(maps.Values(next.users))); err != nil {
			return err
		}
	}
	sought, f, err := judge.Lookup(ctx)
	if err != nil {
		return err
	}
	if want := next.lookup(); (want != nil || sought != nil || f.Exists) && (want == nil || sought == nil || *want != *sought) {
		if err := judge.WriteLookup(ctx, f, want); err != nil {
			return err
		}
	}
	conf := host.File{Path: filepath.Join(p.saslDir(), saslName+".conf"), Mode: 0o644, Content: []byte(
		"# Written by mailform.\npwcheck_method: saslauthd\nsaslauthd_path: " + authd.Socket(p.file("authd")) + "\nmech_list: PLAIN LOGIN\n")}
	if !was.judged() {
		if err := p.on.Mkdir(ctx, host.Dir{Path: p.saslDir()}); err != nil {
			return err
		}
		if err := p.on.Write(ctx, conf); err != nil {
			return err
		}
	}
	if was.judging {
		return nil
	}
	return judge.Begin(ctx)
}

// group is the number of the group that Postfix's processes run as.
func (p *Provider) group(ctx context.Context) (string, error) {
	out, err := host.Must(ctx, p.on, p.program("postconf", "-h", "mail_owner"))
	if err != nil {
		return "", err
	}
	out, err = host.Must(ctx, p.on, host.Cmd("id", "-g", "--", strings.TrimSpace(string(out.Stdout))))
	return strings.TrimSpace(string(out.Stdout)), err
}

// commitConfig writes main.cf, master.cf and the ledger, and has Postfix take over
// what is different.
func (p *Provider) commitConfig(ctx context.Context, was, next *world) error {
	ledger, err := next.ledger.text()
	if err != nil {
		return err
	}
	texts := map[int][]byte{mainFile: next.main.text(), masterFile: next.master.text(), ledgerFile: ledger}
	files, gone, err := p.lookupChanges(ctx, next)
	if err != nil {
		return err
	}
	native := len(files)+len(gone) > 0
	for _, i := range []int{ledgerFile, masterFile, mainFile} {
		if f := was.files[i]; !bytes.Equal(f.Content, texts[i]) {
			f = f.With(texts[i])
			f.Backup, f.Settled = i != ledgerFile, i == mainFile
			files = append(files, f)
			native = native || i != ledgerFile
		}
	}
	if !native {
		return p.on.Write(ctx, files...)
	}
	running, err := p.daemon().Running(ctx)
	if err != nil {
		return err
	}
	if running {
		if err := p.vacant(ctx, was, next); err != nil {
			return err
		}
	}
	if to, moves := next.moving(was); moves {
		err = p.relocate(ctx, to, running, files)
	} else {
		err = p.trial(p.accept(running, rebinds(was.main, next.main))).Run(ctx, files...)
	}
	if err != nil {
		return err
	}
	return p.on.Remove(ctx, gone...)
}

// accept has Postfix check its configuration and, if it runs, take it over. One that
// does not run checks everything when it is started.
func (p *Provider) accept(running, restart bool) func(context.Context) error {
	return func(ctx context.Context) error {
		// What "postfix check" has against main.cf it says to a terminal or to its log
		// alone; postmap reads the same, and says it to us.
		for _, c := range []host.Command{p.program("postmap", "-q", "any", "static:one"), p.program("postconf", "-M")} {
			if _, err := host.Must(ctx, p.on, c); err != nil {
				return err
			}
		}
		if !running {
			return nil
		}
		if _, err := host.Must(ctx, p.on, p.program("postfix", "check")); err != nil {
			return err
		}
		if restart {
			if err := p.daemon().Restart(ctx); err != nil {
				return err
			}
		} else if err := p.daemon().Renew(ctx); err != nil {
			return err
		}
		return p.begin(ctx)
	}
}

// settling is how long Postfix may take to listen where it is to.
const settling = 10 * time.Second

// begin starts Postfix, if it does not run, and waits until it listens wherever
// master.cf says: what it cannot bind ends the master.
func (p *Provider) begin(ctx context.Context) error {
	if err := p.daemon().Begin(ctx); err != nil {
		return err
	}
	ports, err := p.wantedPorts(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(settling)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		listens, err := host.Listening(ctx, p.on)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(ports), func(port string) bool {
			_, taken := listens[port]
			return taken
		})
		if len(missing) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("Postfix does not listen at port %s, as master.cf says; its log says why", strings.Join(missing, ", "))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
