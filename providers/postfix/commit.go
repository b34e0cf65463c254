package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// settle edits main.cf and master.cf to what the ledger says.
func (w *world) settle() error {
	w.spare()
	params, lists := map[string]string{}, map[string]string{}
	var services []*entry
	owner := map[string]string{}
	for i := range w.ledger.Resources {
		h := &w.ledger.Resources[i]
		a, err := h.attrs()
		if err != nil {
			return err
		}
		n, err := w.p.derive(h.Kind, a, w.former)
		if err != nil {
			return err
		}
		for name, value := range n.params {
			if other, twice := owner[name]; twice && params[name] != value {
				return fmt.Errorf("%s and %s want different things of %s: one Postfix has one server", other, h.Owner, name)
			}
			params[name], owner[name] = value, h.Owner
		}
		maps.Copy(lists, n.lists)
		services = append(services, n.services...)
	}
	if err := w.settleMain(params, lists); err != nil {
		return err
	}
	return w.settleMaster(services)
}

func (w *world) settleMain(params, lists map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(w.ledger.Main)) {
		_, isParam := params[name]
		_, isList := lists[name]
		if isParam || isList {
			continue
		}
		if err := w.giveBack(name); err != nil {
			return err
		}
		delete(w.ledger.Main, name)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		have, there := w.main.parameter(name)
		_, ours := w.ledger.Main[name]
		if there && (same(have, params[name]) || ours && name == "smtpd_relay_restrictions") {
			if !ours {
				w.ledger.Main[name] = w.raw(name)
			}
			continue
		}
		if err := w.setParameter(name, params[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		have, _ := w.main.parameter(name)
		if begins(have, lists[name]) {
			continue
		}
		value := lists[name]
		others := slices.DeleteFunc(splitList(have), func(s string) bool { return slices.Contains(splitList(value), s) })
		if maps, _ := w.main.parameter("virtual_mailbox_maps"); name == "virtual_mailbox_domains" && have == "" && maps != "" {
			others = []string{"$virtual_mailbox_maps"} // what it is where nobody says anything
		}
		if err := w.setParameter(name, strings.Join(append([]string{value}, others...), ", ")); err != nil {
			return err
		}
	}
	return nil
}

// raw is the text of a parameter in main.cf.
func (w *world) raw(name string) string {
	from, to, ok := w.main.at(name)
	if !ok {
		return ""
	}
	return join(w.main.lines[from:to])
}

func (w *world) setParameter(name, value string) error {
	text, err := parameterLine(name, value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	was := w.main.set(name, text)
	if _, ours := w.ledger.Main[name]; !ours {
		w.ledger.Main[name] = was
	}
	return nil
}

// giveBack makes a parameter what it was before mailform came; of a list it takes
// out what is ours, if others have changed the rest meanwhile.
func (w *world) giveBack(name string) error {
	have, there := w.main.parameter(name)
	was := w.ledger.Main[name]
	if there && strings.Contains(have, w.p.own()+"/") && slices.Contains(listNames, name) {
		var rest []string
		for _, el := range splitList(have) {
			if !strings.Contains(el, ":"+w.p.own()+"/") {
				rest = append(rest, el)
			}
		}
		before, _ := parseMain([]byte(was)).parameter(name)
		left := strings.Join(rest, ", ")
		if left != "" && left != "$virtual_mailbox_maps" && !same(left, before) {
			text, err := parameterLine(name, left)
			if err == nil {
				w.main.set(name, text)
			}
			return err
		}
	}
	if !there && was == "" {
		return nil
	}
	w.main.restore(name, was)
	return nil
}

var listNames = []string{"virtual_mailbox_domains", "virtual_mailbox_maps", "virtual_alias_maps", "smtpd_sender_login_maps"}

func (w *world) settleMaster(services []*entry) error {
	kept := map[string]*entry{}
	var fresh []*entry
	for _, e := range services {
		key := e.key()
		if _, ours := w.ledger.Master[key]; !ours {
			key = w.named(e.name)
		}
		if _, there := w.master.logical(key); there && key != "" {
			kept[key] = e
			continue
		}
		fresh = append(fresh, e)
	}
	for _, key := range slices.Sorted(maps.Keys(w.ledger.Master)) {
		if kept[key] == nil {
			w.master.restore(key, w.ledger.Master[key])
			delete(w.ledger.Master, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		text, _ := w.master.logical(key)
		e, err := parseEntry(text)
		if err != nil {
			return err
		}
		if err := w.setService(key, e, kept[key]); err != nil {
			return err
		}
	}
	for _, e := range fresh {
		key, there := "", e
		for _, k := range w.master.keys() {
			name, typ, _ := strings.Cut(k, "/")
			if _, ours := w.ledger.Master[k]; typ != "inet" || ours || !clashes(name, e.name) {
				continue
			}
			text, _ := w.master.logical(k)
			other, err := parseEntry(text)
			if err != nil {
				return err
			}
			if other.command != "smtpd" && other.command != "postscreen" {
				return fmt.Errorf("listen: %s is taken by the service %s of master.cf, which is no SMTP server", e.name, name)
			}
			key, there = k, other
			break
		}
		if key == "" {
			key = e.key()
		}
		if err := w.setService(key, there, e); err != nil {
			return err
		}
	}
	return nil
}

// setService makes a service of master.cf one of ours: what is there keeps its
// columns, its command, and the options that are none of ours.
func (w *world) setService(key string, there, want *entry) error {
	e := *there
	if host, port := endpoint(there.name); there.typ == "inet" {
		if h, p := endpoint(want.name); h != host || p != port {
			e.name = want.name
		}
	}
	if slices.Contains([]string{"smtpd", "postscreen"}, there.command) {
		e.options = nil
		for _, o := range there.options {
			if _, ours := want.option(o.name); !ours {
				e.options = append(e.options, o)
			}
		}
	} else {
		e.command, e.options = want.command, nil
	}
	complete := there != want
	for _, o := range want.options {
		v, ok := there.option(o.name)
		complete = complete && ok && same(v, o.value)
		e.options = append(e.options, o)
	}
	_, ours := w.ledger.Master[key]
	if complete && ours && e.name == there.name && e.command == there.command {
		return nil // byte for byte as it is
	}
	if there == want {
		e.options = want.options
	}
	text, err := e.text()
	if err != nil {
		return err
	}
	was := w.master.set(key, text)
	if !ours {
		delete(w.ledger.Master, key)
		w.ledger.Master[e.key()] = was
	}
	return nil
}

// finish goes on with a change that was killed.
func (p *Provider) finish(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	t := p.trial(nil)
	open, err := t.Unfinished(ctx)
	if err != nil || !open {
		return err
	}
	running, err := p.daemon().Running(ctx)
	if err != nil {
		return err
	}
	t.Accept = p.accept(running, running)
	return t.Finish(ctx)
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
		if a.str("tls_certificate") == "" {
			if _, err := certificate.Ensure(ctx, p.on, p.own(), a.str("hostname"), ""); err != nil {
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
		if f.Exists && bytes.Equal(f.Content, text) && was.inAccord(i) {
			continue
		}
		fresh = append(fresh, host.File{Path: p.file("new", name), Content: text, Mode: 0o644})
		final = append(final, f.With(text))
		build = append(build, p.mapType+":"+p.file("new", name))
		sources = append(sources, p.file("new", name))
		moves = append(moves, p.file("new", name)+suffix)
	}
	if len(fresh) == 0 {
		return nil
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
	return slices.ContainsFunc(w.ledger.declared(schema.KindDelivery), func(a attrs) bool { return a.str("auth") == "authd" })
}

// commitJudge writes who may submit mail, and begins or ends the daemon that knows.
func (p *Provider) commitJudge(ctx context.Context, was, next *world) error {
	if !next.judged() {
		if was.judged() {
			if err := p.judge("").End(ctx); err != nil {
				return err
			}
			return p.on.Remove(ctx, authd.UsersFile(p.file("authd")))
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
	conf := host.File{Path: p.file("sasl", "smtpd.conf"), Mode: 0o644, Content: []byte(
		"# Written by mailform.\npwcheck_method: saslauthd\nsaslauthd_path: " + authd.Socket(p.file("authd")) + "\nmech_list: PLAIN LOGIN\n")}
	if !was.judged() {
		if err := p.on.Mkdir(ctx, host.Dir{Path: p.file("sasl")}); err != nil {
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
	var files []host.File
	native := false
	for _, i := range []int{ledgerFile, masterFile, mainFile} {
		if f := was.files[i]; !bytes.Equal(f.Content, texts[i]) {
			f = f.With(texts[i])
			f.Backup = i != ledgerFile
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
	restart := false
	for _, name := range []string{"inet_interfaces", "inet_protocols"} { // of which the master only takes notice when it starts
		before, _ := was.main.parameter(name)
		after, _ := next.main.parameter(name)
		restart = restart || before != after
	}
	if running {
		if err := p.vacant(ctx, was, next); err != nil {
			return err
		}
	}
	return p.trial(p.accept(running, restart)).Run(ctx, files...)
}

// accept has Postfix check its configuration and, if it runs, take it over. One that
// does not run checks everything when it is started.
func (p *Provider) accept(running, restart bool) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := host.Must(ctx, p.on, p.program("postconf", "-M")); err != nil {
			return err
		}
		if !running {
			return nil
		}
		if _, err := host.Must(ctx, p.on, p.program("postfix", "check")); err != nil {
			return err
		}
		if restart {
			if err := p.daemon().End(ctx); err != nil {
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
		listens, err := p.listening(ctx)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(ports), func(port string) bool { return listens[port] })
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
