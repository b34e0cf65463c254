package postfix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// A world is what an instance of Postfix has: its files, and what Postfix makes of
// them.
type world struct {
	p *Provider

	files        []host.File // in the order of fileNames
	main, master *config
	ledger       *ledger
	tables       [len(tableNames)]*table
	users        map[string]authd.User
	// bindPassword is what a directory is asked with, where users are found in one.
	bindPassword string

	// secrets are the passwords of smarthosts, by their hosts.
	secrets map[string]string
	// left are the ways to smarthosts that go.
	left []string

	// built is what is in a map as postmap has built it; nil: it was never built.
	built [len(tableNames)]map[string]string
	// params are the parameters that are set in main.cf, services those of master.cf.
	params   map[string]string
	services map[string]*entry
	// running: the daemon; judging: the one for passwords, where it is ours.
	running, judging bool
	// sought is where that daemon finds users; nil: nowhere else.
	sought *schema.Lookup
	// certified: the certificate of our own is good for the hostname.
	certified bool

	// queue is where the queue lies.
	queue string
	// yielded are the ports that another server takes.
	yielded map[string]bool
	// wantRunning is what becomes of the daemon; nil: nothing.
	wantRunning *bool
	// others are what is in maps that are not ours, by identity, where that was asked.
	others map[schema.ID]*providers.Observed
	// sparing are the recipients that catch-alls have to leave alone, once asked for.
	sparing map[string]bool
}

// Places in world.files.
const (
	mainFile = iota
	masterFile
	ledgerFile
	usersFile
	tableFiles
	lookupFirst = tableFiles + len(tableNames)
)

func (p *Provider) paths() []string {
	paths := []string{p.mainFile(), p.masterFile(), p.ledgerFile(), authd.UsersFile(p.file("authd"))}
	for _, name := range tableNames {
		paths = append(paths, p.file(name))
	}
	for _, name := range lookupNames {
		paths = append(paths, p.file(name))
	}
	return paths
}

// errNoPostfix is the error of a directory without main.cf.
var errNoPostfix = errors.New("no Postfix is configured there")

// load reads everything. It is errNoPostfix where there is no main.cf.
func (p *Provider) load(ctx context.Context) (*world, error) {
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	w := &world{p: p}
	var err error
	if w.files, err = p.on.Read(ctx, p.paths()...); err != nil {
		return nil, err
	}
	if !w.files[mainFile].Exists {
		return nil, fmt.Errorf("%s is not there on %s: %w", p.mainFile(), p.on, errNoPostfix)
	}
	if err := p.survey(ctx); err != nil {
		return nil, err
	}
	w.main, w.master = parseMain(w.files[mainFile].Content), parseMaster(w.files[masterFile].Content)
	if w.ledger, err = parseLedger(w.files[ledgerFile].Content, p.ledgerFile()); err != nil {
		return nil, err
	}
	users, err := authd.Parse(w.files[usersFile].Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.files[usersFile].Path, err)
	}
	w.users = make(map[string]authd.User, len(users))
	for _, u := range users {
		w.users[u.Address] = u
	}
	w.bindPassword = lookupValue(w.files[lookupFirst+lookupUsers].Content, "bind_pw")
	for i := range tableNames {
		w.tables[i] = parseTable(w.files[tableFiles+i].Content)
	}
	w.loadSecrets()
	if err := w.ask(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// ask has Postfix say what it makes of its files, all of it side by side.
func (w *world) ask(ctx context.Context) error {
	p := w.p
	asks := []func() error{func() error { return w.askMain(ctx) }, func() error { return w.askMaster(ctx) }, func() error { return w.askQueue(ctx) }}
	for i := range tableNames {
		asks = append(asks, func() (err error) {
			w.built[i], err = p.dump(ctx, p.mapOf(i), w.files[tableFiles+i].Exists)
			return err
		})
	}
	if w.ledger.find(schema.KindService, serviceKey) != nil {
		asks = append(asks, func() (err error) {
			w.running, err = p.daemon().Running(ctx)
			return err
		})
	}
	if w.judged() {
		asks = append(asks, func() (err error) {
			if w.sought, _, err = p.judge("").Lookup(ctx); err == nil {
				w.judging, err = p.judge("").Running(ctx)
			}
			return err
		})
	}
	for _, a := range w.ledger.declared(schema.KindSetting) {
		if a.Str("tls_certificate") == "" {
			asks = append(asks, func() (err error) {
				w.certified, err = certificate.Good(ctx, p.on, p.own(), a.Str("hostname"))
				return err
			})
		}
	}
	errs := make([]error, len(asks))
	var wg sync.WaitGroup
	for i, ask := range asks {
		wg.Go(func() { errs[i] = ask() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// askMain reads what is set in main.cf.
func (w *world) askMain(ctx context.Context) error {
	out, err := host.Must(ctx, w.p.on, w.p.program("postconf", "-n"))
	if err != nil {
		return err
	}
	w.params = map[string]string{}
	for _, name := range w.main.keys() {
		w.params[name], _ = w.main.parameter(name) // those that Postfix does not know too
	}
	for l := range strings.Lines(string(out.Stdout)) {
		if name, value, ok := strings.Cut(l, "="); ok {
			w.params[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return nil
}

// askMaster reads the services of master.cf.
func (w *world) askMaster(ctx context.Context) error {
	out, err := host.Must(ctx, w.p.on, w.p.program("postconf", "-M"))
	if err != nil {
		return err
	}
	w.services = map[string]*entry{}
	services := parseMaster(out.Stdout)
	for _, key := range services.keys() {
		text, _ := services.logical(key)
		e, err := parseEntry(text)
		if err != nil {
			return fmt.Errorf("master.cf: %w", err)
		}
		w.services[key] = e
	}
	return nil
}

// serviceKey is the key of the one service of an instance.
const serviceKey = "postfix"

// dump reads a map that was built; nil: there is none.
func (p *Provider) dump(ctx context.Context, name string, expected bool) (map[string]string, error) {
	if !expected {
		return nil, nil
	}
	out, err := p.on.Run(ctx, p.program("postmap", "-s", name))
	if err != nil {
		return nil, err
	}
	if out.Code != 0 { // it is not there, or is damaged: it has to be built either way
		return nil, nil
	}
	return parseDump(out.Stdout), nil
}

// former is what a parameter was before mailform came; empty: it was not set.
func (w *world) former(name string) string {
	if was, ours := w.ledger.Main[name]; ours {
		v, _ := parseMain([]byte(was)).parameter(name)
		return v
	}
	v, _ := w.main.parameter(name)
	return v
}

// splitList takes the value of a list of main.cf apart.
func splitList(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// begins reports whether a list has all of some elements.
func begins(value, ours string) bool {
	have := splitList(value)
	for _, o := range splitList(ours) {
		if !slices.Contains(have, o) {
			return false
		}
	}
	return true
}

// same compares values of main.cf: white space and the commas of lists say nothing.
func same(a, b string) bool {
	return slices.Equal(splitList(a), splitList(b))
}

// inAccord reports whether a map was built of its text.
func (w *world) inAccord(i int) bool {
	if w.built[i] == nil || len(w.built[i]) != len(w.tables[i].at) {
		return false
	}
	for key, at := range w.tables[i].at {
		if v, ok := w.built[i][key]; !ok || v != w.tables[i].rows[at].value {
			return false
		}
	}
	return true
}
