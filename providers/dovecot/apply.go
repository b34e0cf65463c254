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
	"github.com/mailform/mailform/schema"
)

func certificateFile(dir string) string { return certificate.Paths(dir).Certificate }

// Apply implements providers.Provider. A batch is all there or nothing of it: its
// files are put in their places together, and back where Dovecot refuses them.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.trial(&state{tree: newTree()}).Finish(ctx); err != nil {
		return err
	}
	st, err := p.load(ctx)
	if err != nil {
		return err
	}
	if !st.main.Exists {
		return fmt.Errorf("there is no %s: install Dovecot first, or set config_dir", p.mainFile())
	}
	touched := make(map[schema.ID]bool, len(batch))
	for i := range batch {
		touched[schema.ID{Kind: batch[i].Resource.Kind, Key: batch[i].Resource.Key}] = true
	}
	asked := func(kind, key string) bool { return touched[schema.ID{Kind: kind, Key: key}] }
	before := map[schema.ID]providers.Observed{}
	for _, o := range p.observe(st, asked) {
		before[schema.ID{Kind: o.Kind, Key: o.Key}] = o
	}
	e := &edit{p: p, st: st}
	errs := make([]error, len(batch))
	failed := false
	for i := range batch {
		errs[i] = e.change(&batch[i], before)
		failed = failed || errs[i] != nil
	}
	if failed { // nothing of it is done
		for i := range batch {
			if errs[i] == nil {
				errs[i] = errors.New("another change of the batch could not be made")
			}
			if err := done(batch[i], providers.Observed{}, errs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := e.write(ctx); err != nil {
		return err
	}
	now, err := p.load(ctx)
	if err != nil {
		return err
	}
	after := map[schema.ID]providers.Observed{}
	for _, o := range p.observe(now, asked) {
		after[schema.ID{Kind: o.Kind, Key: o.Key}] = o
	}
	for _, c := range batch {
		if err := done(c, after[schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}], nil); err != nil {
			return err
		}
	}
	return nil
}

// An edit is a batch on its way into the files.
type edit struct {
	p  *Provider
	st *state
	// touched: the settings are written anew.
	touched bool
	start   bool
	stop    bool
	purge   []string // addresses whose mail goes for good
	added   string   // the last of those who were not there before
}

// change takes in a change. before is what there was at the beginning of the
// batch, and is kept up.
func (e *edit) change(c *providers.Change, before map[schema.ID]providers.Observed) error {
	id := schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}
	have, there := before[id]
	there = there && !have.Retained
	if c.Action == providers.Delete {
		switch {
		case !handles(id.Kind):
			return unknownKind(id.Kind)
		case !there:
			return nil // as it should be
		case c.Prior != nil && c.Prior.Revision != have.Revision:
			return providers.ErrConflict
		}
		delete(before, id)
		return e.remove(id)
	}
	w, err := read(&c.Resource)
	if err != nil {
		return err
	}
	same := there && have.Owner == c.Resource.Address && w.is(have.Attrs)
	switch {
	case same && (c.Prior == nil || c.Prior.Revision != have.Revision):
		return nil // it was done already
	case c.Prior == nil || c.Prior.Retained:
		if there {
			return providers.ErrConflict
		}
	case !there || c.Prior.Revision != have.Revision:
		return providers.ErrConflict
	}
	if err := e.put(w, c.Resource.Address); err != nil {
		return err
	}
	before[id] = providers.Observed{Kind: id.Kind, Key: id.Key, Owner: c.Resource.Address, Attrs: c.Resource.Attrs, Revision: "new"}
	return nil
}

func (e *edit) put(w *wanted, owner string) error {
	if w.kind == schema.KindMailbox {
		return e.putUser(w, owner)
	}
	id := schema.ID{Kind: w.kind, Key: w.key}
	e.st.settings.gen++
	m := mark{Kind: w.kind, Key: w.key, Owner: owner, Lineage: e.p.lineage, Gen: e.st.settings.gen}
	e.touched = true
	switch w.kind {
	case schema.KindMailStore:
		for other := range e.st.settings.marks {
			if other.Kind == w.kind && other.Key != w.key {
				return fmt.Errorf("this Dovecot keeps the mail of the server %s already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.store = w.store
	case schema.KindListener:
		for other := range e.st.settings.marks {
			_, service := splitListener(other.Key)
			if other.Kind == w.kind && other.Key != w.key && service == w.service {
				return fmt.Errorf("this Dovecot listens for %s already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.listeners[w.service] = w.listener
		m.Hostname = w.hostname
	case schema.KindParameter:
		m.Value = w.value
	case schema.KindService:
		e.start, e.stop = true, false
	}
	e.st.settings.marks[id] = m
	return nil
}

func (e *edit) putUser(w *wanted, owner string) error {
	u := w.user
	u.note.User, u.note.Owner, u.note.Lineage = u.address, owner, e.p.lineage
	f := e.st.list
	i, there := f.find(u.address)
	if there {
		u.unix, u.extra = f.users[i].unix, f.users[i].extra
	} else if !strings.ContainsAny(u.address, "*?") { // which doveadm takes for any
		e.added = u.address
	}
	f.gen++
	u.note.Gen = f.gen
	f.put(u)
	for _, service := range logins {
		denied := w.mail == "disabled" || (service == "imap" || service == "sieve") && !slices.Contains(w.protocols, "imap") || service == "pop3" && !slices.Contains(w.protocols, "pop3")
		if denied {
			e.st.denied[service][u.address] = true
		} else {
			delete(e.st.denied[service], u.address)
		}
	}
	return nil
}

func (e *edit) remove(id schema.ID) error {
	if id.Kind == schema.KindMailbox {
		f := e.st.list
		i, there := f.find(id.Key)
		if !there {
			return nil
		}
		quota := f.users[i].quota
		f.remove(id.Key)
		f.gen++
		for _, service := range logins {
			delete(e.st.denied[service], id.Key)
		}
		if keep := e.st.settings.store.retention; keep > 0 {
			f.retained = append(f.retained, retained{id.Key, e.p.Now().UTC().Truncate(1e9).Add(seconds(keep)), quota})
		} else {
			e.purge = append(e.purge, id.Key)
		}
		return nil
	}
	e.touched = true
	e.st.settings.gen++
	delete(e.st.settings.marks, id)
	switch id.Kind {
	case schema.KindMailStore:
		e.st.settings.store = mailstore{}
	case schema.KindListener:
		_, service := splitListener(id.Key)
		e.st.settings.listeners[service] = listener{}
	case schema.KindService:
		e.start, e.stop = false, true
	}
	return nil
}

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
	users, err := e.userFiles()
	if err != nil {
		return err
	}
	if e.touched {
		if err := e.portsFree(ctx); err != nil {
			return err
		}
		if err := e.writeAll(ctx, users); err != nil {
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
	c := host.Cmd("doveadm", "-c", e.p.mainFile(), "user", "-f", "home", e.added)
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
	for _, s := range logins { // whoever comes is denied first what he may not
		add(st.denyFiles[s], e.p.denied(s), formatNames(st.denied[s]))
	}
	add(st.users, e.p.usersFile(), st.list.format())
	return files, nil
}

// writeAll writes the settings with the users, and has Dovecot take them over.
func (e *edit) writeAll(ctx context.Context, files []host.File) error {
	p, st := e.p, e.st
	if err := p.host.Mkdir(ctx, host.Dir{Path: p.ours(), Mode: 0o755}); err != nil {
		return err
	}
	env := environment{dir: p.ours(), mailDir: p.mailDir}
	if len(st.settings.marks) > 0 {
		var err error
		if env.uid, env.gid, err = p.mailOwner(ctx); err != nil {
			return err
		}
		if err := p.host.Mkdir(ctx, host.Dir{Path: p.mailDir, Mode: 0o770, Owner: env.uid + ":" + env.gid}); err != nil {
			return err
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
	for _, name := range strings.Fields(st.tree.values["protocols"]) {
		if _, ours := services[name]; !ours && name != "none" {
			env.protocols = append(env.protocols, name)
		}
	}
	if text := st.settings.format(env); !bytes.Equal(text, st.conf.Content) {
		f := st.conf.With(text)
		f.Path, f.Mode = p.settingsFile(), 0o644
		files = append(files, f)
	}
	if text, changed := included(st.main.Content, len(st.settings.marks) > 0); changed {
		f := st.main.With(text)
		f.Backup = true
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil
	}
	return conflict(p.trial(st).Run(ctx, files...))
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
		out, err := host.Must(ctx, p.host, host.Cmd("doveconf", "-c", p.mainFile(), "-n"))
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
	args := []string{"rm", "-rf", "--"}
	for _, address := range e.purge {
		local, domain, ok := strings.Cut(address, "@")
		if ok && plainName(address) && domain != "" && local != "" { // parts of a path
			args = append(args, path.Join(e.p.mailDir, domain, local))
		}
	}
	if len(args) == 3 {
		return nil
	}
	_, err := host.Must(ctx, e.p.host, host.Command{Args: args})
	return err
}
