package cyrus

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// applySettings changes the files, and has Cyrus take them over once.
func (p *Provider) applySettings(ctx context.Context, r *report) error {
	trial := &host.Trial{Host: p.host, Note: p.notePath(), Accept: p.accept}
	if err := trial.Finish(ctx); err != nil {
		return err
	}
	w, err := p.load(ctx, false)
	if err != nil {
		return err
	}
	if !w.optionsFile.Exists || !w.servicesFile.Exists {
		return fmt.Errorf("%s and %s are not both there: Cyrus IMAP has to be installed before mailform can set it up", p.optionsPath(), p.servicesPath())
	}
	if w.services.unclosed != "" {
		return fmt.Errorf("%s: the section %s has no end", p.servicesPath(), w.services.unclosed)
	}
	var stores []aSetting
	for i, c := range r.batch {
		v, err := w.judge(c)
		if err == nil && !v.settled {
			err = w.change(c, v.wish)
		}
		if err != nil || v.settled {
			r.settle(i, v.now, err)
		} else if v.wish.store != nil {
			stores = append(stores, *v.wish.store)
		}
	}
	files, err := w.files()
	if err == nil {
		err = w.settleLookup(ctx)
	}
	if err == nil && len(files) > 0 {
		for _, s := range stores {
			if err = p.prepare(ctx, s); err != nil {
				break
			}
		}
		if err == nil {
			err = p.host.Mkdir(ctx, host.Dir{Path: p.ownDir()})
		}
		if err == nil {
			err = changed(trial.Run(ctx, files...))
		}
	}
	if err != nil {
		r.fail(err)
		return nil
	}
	for i, c := range r.batch {
		if !r.results[i].told {
			r.settle(i, w.observe(c.Resource.Kind, c.Resource.Key), nil)
		}
	}
	return nil
}

// files are those that are another than they were read.
func (w *world) files() ([]host.File, error) {
	marks, err := w.model.bytes()
	if err != nil {
		return nil, err
	}
	var out []host.File
	for _, f := range []struct {
		was  host.File
		text []byte
		mode host.File
	}{
		{w.optionsFile, w.options.bytes(), host.File{Backup: true}},
		{w.servicesFile, w.services.bytes(), host.File{Backup: true}},
		{w.modelFile, marks, host.File{Mode: 0o600}},
	} {
		if string(f.text) == string(f.was.Content) {
			continue
		}
		file := f.was.With(f.text)
		file.Backup, file.Mode = f.mode.Backup, cmp.Or(f.mode.Mode, file.Mode)
		out = append(out, file)
	}
	if len(out) == 1 && out[0].Path == w.modelFile.Path && len(w.model.Marks) == 0 && !w.modelFile.Exists {
		return nil, nil // nothing was marked, and nothing is
	}
	return out, nil
}

// change makes a change in the files, in memory.
func (w *world) change(c providers.Change, want wish) error {
	kind, key := c.Resource.Kind, c.Resource.Key
	var options []option
	services := map[string][]string{}
	gone := func(name string) bool { return false } // options of the thing as it was
	goneService := func(name string) bool { return false }
	m := mark{}
	switch kind {
	case schema.KindMailStore:
		if others := w.model.keys(kind); want.store != nil && len(others) > 0 && !slices.Equal(others, []string{key}) {
			return fmt.Errorf("one Cyrus keeps the mail of one server, and this one that of %s", others[0])
		}
		gone = func(name string) bool { return w.p.isDerived(name) && !strings.HasPrefix(name, servicePrefix) }
		goneService = func(name string) bool { return name == adminService || name == expireEvent || name == startAuthd }
		if want.store != nil {
			options, services = w.p.storeOptions(*want.store, w.options), w.p.storeServices()
			m.Retention = want.store.retention
		}
	case schema.KindLookup:
		if others := w.model.keys(kind); want.lookup != nil && len(others) > 0 && !slices.Equal(others, []string{key}) {
			return fmt.Errorf("one Cyrus finds its users in one directory, and this one those of %s", others[0])
		}
		gone = makes
		w.lookup = want.lookup
		if want.lookup != nil {
			options = lookupOptions
		}
	case schema.KindParameter:
		gone = func(name string) bool { return name == key }
		if want.option != nil {
			options = []option{*want.option}
		}
	case schema.KindListener:
		_, service, _ := strings.Cut(key, "/")
		for _, other := range w.model.keys(kind) {
			if want.listener != nil && other != key && strings.HasSuffix(other, "/"+service) {
				return fmt.Errorf("%s is there already, and Cyrus has one %s for all", other, service)
			}
		}
		goneService = func(name string) bool {
			_, ok := serviceOf(name, service)
			return ok
		}
		gone = func(name string) bool {
			name, _, ok := strings.Cut(name, "_")
			return ok && goneService(name)
		}
		if want.listener != nil {
			services[sectionServices], options = w.p.listenerServices(want.listener)
			m.Hostname = want.listener.hostname
		}
	}
	own := slices.DeleteFunc(slices.Clone(w.options.ours), func(o option) bool { return gone(o.name) })
	lines := map[string][]string{}
	for _, section := range sections {
		lines[section] = append(slices.DeleteFunc(w.services.own(section), func(l string) bool { return goneService(readEntry(l).name) }), services[section]...)
	}
	declared := listenersIn(lines[sectionServices])
	for _, e := range w.services.foreign(sectionServices) {
		if same, conflict := meets(e, declared); conflict && !same && want.listener != nil {
			return fmt.Errorf("the service %s of %s, %s, listens on %s: take it out first", e.name, w.p.servicesPath(), e.args["cmd"], e.args["listen"])
		}
	}
	w.options.set(append(own, options...))
	if err := w.lookupStands(); err != nil {
		return err
	}
	w.services.set(lines, func(e entry) bool { return inTheWay(e, declared) })
	if c.Action == providers.Delete {
		w.model.drop(kind, key)
	} else {
		w.model.put(c.Resource, w.p.lineage, m)
	}
	return nil
}

// listenersIn are the listeners that lines of ours make.
func listenersIn(lines []string) []aListener {
	var out []aListener
	f := parseServices([]byte(sectionServices + " {\n" + strings.Join(lines, "\n") + "\n}\n"))
	for _, service := range slices.Sorted(maps.Keys(programsOf)) {
		l := aListener{service: service}
		if l.listen, l.listenTLS = readListener(f, service); len(l.listen)+len(l.listenTLS) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// prepare makes what the settings name: the directories, the administrator, the
// certificate.
func (p *Provider) prepare(ctx context.Context, s aSetting) error {
	user, group, err := p.cyrusUser(ctx)
	if err != nil {
		return err
	}
	if err := p.host.Mkdir(ctx, host.Dir{Path: p.ownDir()}, host.Dir{Path: p.adminDir(), Mode: 0o700, Owner: user + ":" + group}); err != nil {
		return err
	}
	if s.certificate == "" {
		if _, err := certificate.Ensure(ctx, p.host, p.ownDir(), s.hostname, "root:"+group); err != nil {
			return err
		}
	}
	files, err := p.host.Read(ctx, p.secretPath())
	if err != nil {
		return err
	}
	control := p.control(group)
	if err := control.Install(ctx); err != nil {
		return err
	}
	users, usersFile, err := control.Read(ctx)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(users, func(u authd.User) bool { return u.Address == adminName })
	if files[0].Exists && known {
		return nil
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	password := hex.EncodeToString(secret)
	verifier, err := auth.Hash([]byte(password))
	if err != nil {
		return err
	}
	users = slices.DeleteFunc(users, func(u authd.User) bool { return u.Address == adminName })
	users = append(users, authd.User{Address: adminName, Protocols: []string{"imap"}, Verifiers: []string{verifier}})
	f := files[0].With([]byte(password + "\n"))
	f.Mode = 0o600
	if err := p.host.Write(ctx, f); err != nil {
		return changed(err)
	}
	return changed(control.Write(ctx, usersFile, users))
}

// cyrusUser is who Cyrus runs as.
func (p *Provider) cyrusUser(ctx context.Context) (user, group string, err error) {
	files, err := p.host.Read(ctx, p.optionsPath())
	if err != nil {
		return "", "", err
	}
	o := parseOptions(files[0].Content)
	user = "cyrus"
	if u, ok := o.get("cyrus_user"); ok {
		user = u
	}
	if g, ok := o.get("cyrus_group"); ok {
		return user, g, nil
	}
	out, err := host.Must(ctx, p.host, host.Cmd("id", "-gn", "--", user))
	return user, strings.TrimSpace(string(out.Stdout)), err
}

// accept has Cyrus check its configuration and, where it runs, take it over.
func (p *Provider) accept(ctx context.Context) error {
	out, err := p.tool(ctx, "cyr_info", "conf-lint")
	if err != nil {
		return fmt.Errorf("Cyrus refuses %s: %w", p.optionsPath(), err)
	}
	w, err := p.load(ctx, false)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out.Stdout)) {
		name, _, _ := strings.Cut(line, ":")
		if _, ours := w.options.own(name); ours && w.model.mark(schema.KindParameter, name) != nil {
			return fmt.Errorf("Cyrus knows no option %s", name)
		}
	}
	if !w.running {
		return nil
	}
	return p.renew(ctx, w)
}

// Cyrus's master, told to read its configuration again, sometimes lets go of a
// service that has not changed, and takes it up when it is told once more (seen
// with 3.6). So it is told until all answer; sessions that are open go on.
const (
	renewals = 20
	settle   = 150 * time.Millisecond // until the master has done what it was told
)

func (p *Provider) renew(ctx context.Context, w *world) error {
	var silent error
	for range renewals {
		if err := p.service().Renew(ctx); err != nil {
			return fmt.Errorf("have Cyrus take over its configuration: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settle):
		}
		silent = nil
		for _, l := range listenersIn(w.services.own(sectionServices)) {
			for _, s := range l.sockets() {
				if err := p.greets(ctx, s); err != nil {
					silent = errors.Join(silent, fmt.Errorf("%s on %s does not answer: %w", l.service, s.listen, err))
				}
			}
		}
		if silent == nil && w.model.keys(schema.KindMailStore) != nil {
			s, err := p.connect(ctx)
			if err == nil {
				s.close()
			}
			silent = err
		}
		if silent == nil {
			return nil
		}
	}
	return silent
}

// greets connects to a socket as a client does, and waits to be greeted by Cyrus.
func (p *Provider) greets(ctx context.Context, s socket) error {
	at := s.listen
	if strings.HasPrefix(at, ":") {
		at = "127.0.0.1" + at
	}
	conn, err := p.dial(ctx, "tcp", at)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if s.tls {
		// Whether clients believe the certificate is not asked here.
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // nothing is said
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secure
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(line, "Cyrus") {
		return errors.New("something else than Cyrus answers there")
	}
	return nil
}

// patience is how long Cyrus may take to do what it was told.
const patience = 15 * time.Second

// until asks again until there is no error, or Cyrus has said no.
func until(ctx context.Context, ask func() error) error {
	deadline := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := ask()
		var refused *errAnswer
		if err == nil || errors.As(err, &refused) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
