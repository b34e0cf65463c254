package dovecot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
)

// write puts everything into its place.
func (e *edit) write(ctx context.Context) error {
	p, st := e.p, e.st
	now := p.Now()
	st.list.settle()
	st.list.retained = slices.DeleteFunc(st.list.retained, func(r retained) bool {
		if now.Before(r.Until) {
			return false
		}
		e.purge = append(e.purge, r.Address)
		return true
	})
	sieve := st.sorts()
	e.touched = e.touched || len(st.settings.marks) > 0 && (sieve != st.runs || st.tableInForce() != p.tableMark())
	users, err := e.userFiles()
	if err != nil {
		return err
	}
	// Whoever moves into the table is there before Dovecot looks into it; else what
	// has to be remembered of those who go is written first.
	moving := st.tableInForce() != p.tableMark()
	if p.table != nil && moving {
		if err := e.saveTable(ctx); err != nil {
			return err
		}
	}
	if e.touched {
		if err := e.portsFree(ctx); err != nil {
			return err
		}
		if err := e.writer()(ctx, users); err != nil {
			return err
		}
	} else if len(users) > 0 {
		if err := p.host.Mkdir(ctx, host.Dir{Path: p.ours(), Mode: 0o755}); err != nil {
			return err
		}
		if err := p.host.Write(ctx, users...); err != nil {
			return conflict(err)
		}
	}
	if p.table != nil && !moving {
		if err := e.saveTable(ctx); err != nil {
			return err
		}
	}
	svc := p.service(st.tree)
	switch {
	case e.start:
		if err := svc.Begin(ctx); err != nil {
			return fmt.Errorf("start Dovecot: %w", err)
		}
	case e.stop:
		if err := svc.End(ctx); err != nil {
			return fmt.Errorf("stop Dovecot: %w", err)
		}
	}
	if err := e.waitForPorts(ctx); err != nil {
		return err
	}
	if err := e.erase(ctx); err != nil {
		return err
	}
	if err := e.dropScripts(ctx); err != nil {
		return err
	}
	return e.wait(ctx)
}

// patience is how long Dovecot may take to find who was added.
const patience = 5 * time.Second

// wait waits until Dovecot finds who was added: it looks once a second at most
// whether its files have changed, and whoever is told of the mailbox from now on
// must not be answered that there is none.
func (e *edit) wait(ctx context.Context) error {
	if e.added == "" || !e.st.running || e.stop {
		return nil
	}
	if _, there := e.st.list.find(e.added); !there { // and gone again
		return nil
	}
	c := host.Cmd(e.p.program("doveadm"), "-c", e.p.mainFile(), "user", "-f", "home", e.added)
	for deadline := time.Now().Add(patience); ; {
		out, err := e.p.host.Run(ctx, c)
		if err != nil {
			return err
		}
		if out.Code == 0 {
			return nil
		}
		if running, err := e.p.service(e.st.tree).Running(ctx); err != nil || !running {
			return err // it finds him when it is back
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("Dovecot does not find %s, whom it was told of: %w", e.added, out.Err(c)) //nolint:staticcheck // a name
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// conflict is the error of files that somebody changed while we were at it.
func conflict(err error) error {
	if errors.Is(err, host.ErrChanged) {
		return fmt.Errorf("%w (%w)", err, providers.ErrConflict)
	}
	return err
}

// userFiles are the files of users that have to be written. Only root and Dovecot
// can read them.
func (e *edit) userFiles() ([]host.File, error) {
	st := e.st
	var files []host.File
	add := func(f host.File, path string, content []byte) {
		if f.Exists && bytes.Equal(bytes.TrimRight(f.Content, "\n"), bytes.TrimRight(content, "\n")) {
			return
		}
		if len(content) == len(f.Content) {
			// Dovecot takes a file for the one that it has read where its size and
			// the second of its change are the same.
			content = append(content, '\n')
		}
		f = f.With(content)
		f.Path, f.Mode, f.Owner = path, 0o640, "root:dovecot"
		files = append(files, f)
	}
	if e.p.table != nil { // the file has no more than whose mail is kept
		kept := *st.list
		kept.users = nil
		if st.users.Exists || len(kept.retained) > 0 {
			add(st.users, e.p.usersFile(), kept.format(st.dialect))
		}
		return files, nil
	}
	for _, s := range logins { // whoever comes is denied first what he may not
		add(st.denyFiles[s], e.p.denied(s), formatNames(st.denied[s]))
	}
	add(st.users, e.p.usersFile(), st.list.format(st.dialect))
	return files, nil
}

// writeAll writes the settings with the users, and has Dovecot take them over.
func (e *edit) writeAll(ctx context.Context, files []host.File) error {
	p, st := e.p, e.st
	if err := p.host.Mkdir(ctx, host.Dir{Path: p.ours(), Mode: 0o755}); err != nil {
		return err
	}
	env := environment{dialect: st.dialect, sieve: st.sorts(), personal: st.settings.serves("managesieve") && !keepsScripts(st.tree), scriptSetting: freeScripts23(st.tree), table: p.table, tableMark: p.tableMark(), sqlFile: p.sqlFile(), dir: p.ours(), mailDir: p.mailDirOf(st.settings), indexDir: st.settings.index, lookup: st.settings.lookup != nil}
	if len(st.settings.marks) > 0 {
		var err error
		if env.uid, env.gid, err = p.mailOwner(ctx); err != nil {
			return err
		}
		if err := p.host.Mkdir(ctx, host.Dir{Path: env.mailDir, Mode: 0o770, Owner: env.uid + ":" + env.gid}); err != nil {
			return err
		}
		if env.indexDir != "" {
			if err := p.host.Mkdir(ctx, host.Dir{Path: env.indexDir, Mode: 0o770, Owner: env.uid + ":" + env.gid}); err != nil {
				return err
			}
		}
		hostname := st.settings.store.hostname
		if hostname == "" {
			hostname = "localhost"
		}
		own, err := certificate.Ensure(ctx, p.host, p.ours(), hostname, "")
		if err != nil {
			return err
		}
		env.own.certificate, env.own.key = own.Certificate, own.Key
	}
	env.protocols = st.othersProtocols()
	if err := e.socketDirs(ctx); err != nil {
		return err
	}
	if f, changed := st.lookupChange(p); changed {
		files = append(files, f)
	}
	text, table := st.settings.format(env)
	if table != nil && !bytes.Equal(table, st.sql.Content) {
		files = append(files, fileOf(st.sql, p.sqlFile(), string(table)))
	}
	if !bytes.Equal(text, st.conf.Content) {
		f := st.conf.With(text)
		f.Path, f.Mode = p.settingsFile(), 0o644
		files = append(files, f)
	}
	if text, changed := included(st.main.Content, len(st.settings.marks) > 0); changed {
		f := st.main.With(text)
		f.Backup = true
		files = append(files, f)
	}
	if len(files) > 0 {
		t := p.trial(st)
		if e.accept != nil {
			t.Accept = e.accept
		}
		if err := t.Run(ctx, files...); err != nil {
			return conflict(err)
		}
	}
	if st.lookup.Exists && st.settings.lookup == nil {
		return p.host.Remove(ctx, p.lookupFile())
	}
	return nil
}

// socketDirs makes the directories for the sockets of processes: Dovecot 2.4 makes
// them as it starts, but not where it is told of another protocol while it runs,
// and then its processes end at once.
func (e *edit) socketDirs(ctx context.Context) error {
	if !e.st.dialect.socketDirs || !e.st.running {
		return nil
	}
	var dirs []host.Dir
	for _, name := range served {
		if !e.st.settings.serves(name) {
			continue
		}
		for _, s := range services[name].sockets {
			dirs = append(dirs, host.Dir{Path: path.Join(e.st.tree.values["base_dir"], "srv."+s), Mode: 0o700})
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	return e.p.host.Mkdir(ctx, dirs...)
}

// comment stands above the line that names our settings.
const comment = "# What mailform keeps of this configuration. It stands last, so that it is in force."

// included is dovecot.conf with the line that names our settings at its end, and
// whether that is another text: what others write below it would be in force
// instead. Where there are no settings it has no such line.
func included(text []byte, wanted bool) ([]byte, bool) {
	lines := strings.SplitAfter(string(text), "\n")
	var rest []string
	last := false
	for _, line := range lines {
		switch bare := strings.TrimSpace(line); {
		case bare == include:
			last = true
			continue
		case bare == comment:
			continue
		case bare != "" && bare[0] != '#':
			last = false
		}
		rest = append(rest, line)
	}
	if last && wanted {
		return text, false
	}
	out := strings.Join(rest, "")
	if !wanted {
		return []byte(out), out != string(text)
	}
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return []byte(out + comment + "\n" + include + "\n"), true
}

// trial changes files that Dovecot may refuse.
func (p *Provider) trial(st *state) *host.Trial {
	return &host.Trial{Host: p.host, Note: path.Join(p.ours(), "unfinished"), Accept: func(ctx context.Context) error {
		out, err := host.Must(ctx, p.host, host.Cmd(p.program("doveconf"), "-c", p.mainFile(), "-n"))
		if err != nil {
			return fmt.Errorf("Dovecot refuses the configuration: %w", err) //nolint:staticcheck // a name
		}
		t := st.tree
		if t.values["base_dir"] == "" { // it was not asked before
			t = parseTree(string(out.Stdout))
			if t.values["base_dir"] == "" {
				t.values["base_dir"] = "/var/run/dovecot"
			}
		}
		return p.service(t).Renew(ctx)
	}}
}

// mailOwner is who owns the mail: the numbers of the user and his group.
func (p *Provider) mailOwner(ctx context.Context) (uid, gid string, err error) {
	out, err := p.host.Run(ctx, host.Cmd("id", "-u", "--", p.mailUser))
	if err != nil {
		return "", "", err
	}
	if out.Code != 0 {
		return "", "", fmt.Errorf("there is no user %q to own the mail: make one (useradd --system --home-dir %s %s), or name another in mail_user", p.mailUser, p.mailDir, p.mailUser)
	}
	group, err := host.Must(ctx, p.host, host.Cmd("id", "-g", "--", p.mailUser))
	if err != nil {
		return "", "", err
	}
	uid, gid = strings.TrimSpace(string(out.Stdout)), strings.TrimSpace(string(group.Stdout))
	if uid == "0" {
		return "", "", errors.New("root cannot own mail: name another user in mail_user")
	}
	return uid, gid, nil
}

// erase removes mail for good.
func (e *edit) erase(ctx context.Context) error {
	var dirs []string
	for _, address := range e.purge {
		local, domain, ok := strings.Cut(address, "@")
		if ok && plainName(address) && domain != "" && local != "" { // parts of a path
			dirs = append(dirs, path.Join(e.p.mailDirOf(e.st.settings), domain, local))
			if e.st.settings.index != "" {
				dirs = append(dirs, path.Join(e.st.settings.index, domain, local))
			}
		}
	}
	for some := range slices.Chunk(dirs, 200) { // arguments of a program have a limit
		if _, err := host.Must(ctx, e.p.host, host.Command{Args: append([]string{"rm", "-rf", "--"}, some...)}); err != nil {
			return err
		}
	}
	return nil
}
