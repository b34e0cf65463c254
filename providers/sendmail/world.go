package sendmail

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// errNone is the error of a directory without a configuration of Sendmail.
var errNone = errors.New("there is no Sendmail")

// A world is what there is, or is to be.
type world struct {
	p      *Provider
	files  map[string]host.File // as they were read
	ledger ledger
	live   rows // what the maps hold
	users  map[string]authd.User
	// running: there is a process of it; queueOnly: one that listens nowhere.
	running, queueOnly bool
	judging            bool
	// lookup is where users are found, as authd is told; nil: they are kept here.
	lookup     *schema.Lookup
	lookupFile host.File
	mapType    string
	pidFile    string
	// queue is the directory of the queue; what is still being moved is where it was.
	queue string
}

// suffixes are the ends of the names of files that makemap makes.
var suffixes = map[string]string{"hash": ".db", "btree": ".db", "cdb": ".cdb"}

// load reads everything.
func (p *Provider) load(ctx context.Context) (*world, error) {
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	paths := []string{p.mc, p.cf, p.ledgerPath(), p.m4Path(), p.conf(), authd.UsersFile(p.file("authd"))}
	for _, m := range mapNames {
		paths = append(paths, p.file(m))
	}
	list, err := p.on.Read(ctx, paths...)
	if err != nil {
		return nil, err
	}
	w := &world{p: p, files: map[string]host.File{}, live: newRows(), users: map[string]authd.User{}}
	for _, f := range list {
		w.files[f.Path] = f
	}
	if !w.files[p.mc].Exists && !w.files[p.cf].Exists {
		return nil, fmt.Errorf("%w in %s on %s: neither %s nor %s is there", errNone, p.dir, p.on, p.mc, p.cf)
	}
	if w.ledger, err = parseLedger(w.files[p.ledgerPath()].Content, p.ledgerPath()); err != nil {
		return nil, err
	}
	users, err := authd.Parse(w.files[authd.UsersFile(p.file("authd"))].Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authd.UsersFile(p.file("authd")), err)
	}
	for _, u := range users {
		w.users[u.Address] = u
	}
	if err := w.readMaps(ctx); err != nil {
		return nil, err
	}
	w.pidFile = effective(string(w.files[p.cf].Content))["pidfile"]
	if w.pidFile == "" {
		w.pidFile = "/var/run/sendmail.pid"
	}
	if w.queue, err = p.queueOf(ctx, w.files[p.cf]); err != nil {
		return nil, err
	}
	if w.running, err = p.daemon(w.pidFile).Running(ctx); err != nil {
		return nil, err
	}
	if w.queueOnly, err = p.runsQueueOnly(ctx, w.pidFile); err != nil {
		return nil, err
	}
	w.running = w.running || w.queueOnly
	if w.lookup, w.lookupFile, err = p.judge().Lookup(ctx); err != nil {
		return nil, err
	}
	if w.judged() {
		w.judging, err = p.judge().Running(ctx)
	}
	return w, err
}

func (p *Provider) ledgerPath() string { return p.file("ledger.json") }
func (p *Provider) m4Path() string     { return p.file("mailform.m4") }
func (p *Provider) conf() string       { return p.file("sasl", "Sendmail.conf") }
func (p *Provider) notePath() string   { return p.file("unfinished.json") }

// readMaps reads what the maps hold, and which type of maps there can be.
func (w *world) readMaps(ctx context.Context) error {
	p := w.p
	out, err := host.Must(ctx, p.on, host.Cmd(p.program("makemap"), "-l"))
	if err != nil {
		return err
	}
	has := strings.Fields(string(out.Stdout))
	for _, t := range []string{"hash", "btree", "cdb"} {
		if slices.Contains(has, t) {
			w.mapType = t
			break
		}
	}
	if w.mapType == "" {
		return errors.New("this Sendmail can make none of the maps hash, btree and cdb")
	}
	entries, err := p.on.List(ctx, p.file())
	if err != nil {
		return err
	}
	for _, name := range mapNames {
		if !slices.ContainsFunc(entries, func(e host.Entry) bool { return e.Name == name+suffixes[w.mapType] }) {
			continue
		}
		out, err := p.dump(ctx, w.mapType, p.file(name))
		if err != nil {
			return err
		}
		w.live[name] = parseMap(out.Stdout)
	}
	delete(w.live[aliases], "@") // Sendmail's sign that it is complete
	return nil
}

// dump has makemap tell what a map holds. It opens maps to write, so that who may not is
// given a copy.
func (p *Provider) dump(ctx context.Context, typ, path string) (host.Output, error) {
	return host.Must(ctx, p.on, host.Cmd("sh", "-c", dumpScript, "sh", p.program("makemap"), p.cf, typ, path, suffixes[typ]))
}

const dumpScript = `[ -w "$4$5" ] && exec "$1" -C "$2" -u "$3" "$4"
t=$(mktemp -d) || exit
trap 'rm -rf "$t"' EXIT
cp -- "$4$5" "$t/map$5" && "$1" -C "$2" -u "$3" "$t/map"`

// clone is the world to be changed into what is wanted.
func (w *world) clone() *world {
	n := *w
	n.ledger = ledger{}
	for id, h := range w.ledger {
		n.ledger[id] = h
	}
	n.users = map[string]authd.User{}
	for k, u := range w.users {
		n.users[k] = u
	}
	return &n
}

// declaredRows are the rows of all that is in the ledger.
func (w *world) declaredRows() (rows, error) {
	r := newRows()
	for _, h := range w.ledger {
		if err := r.addRows(h.Kind, h.Key, h.attrs); err != nil {
			return nil, fmt.Errorf("%s %s: %w", h.Kind, h.Key, err)
		}
	}
	return r, nil
}

// judged reports whether mailform's own daemon says who users are: whether they are who
// they say, or whom the directory has.
func (w *world) judged() bool {
	return len(w.ledger.all(schema.KindLookup)) > 0 || slices.ContainsFunc(w.ledger.all(schema.KindDelivery), func(h *holding) bool { return h.attrs.Str("auth") == "authd" })
}

// own is the certificate in our directory.
func (p *Provider) own() [2]string {
	pair := certificate.Paths(p.file())
	return [2]string{pair.Certificate, pair.Key}
}

// boxFlags: LMTP is spoken (z). lmtpFlags: addresses are looked up in the alias files first (A).
const (
	boxFlags   = "PSXmnz9"
	lmtpFlags  = "A" + boxFlags
	relayFlags = "mDFMuXa8"
)

// section writes our lines of sendmail.cf, and says at which ports we listen. The
// section is empty where nothing is declared that needs one.
func (w *world) section() (string, map[string]bool, error) {
	var b strings.Builder
	ports := map[string]bool{}
	line := func(s string) { b.WriteString(s + "\n") }
	p := w.p
	for _, h := range w.ledger.all(schema.KindSetting) {
		list, err := settingOptions(h.attrs, p.own())
		if err != nil {
			return "", nil, err
		}
		for _, o := range list {
			line(o.String())
		}
		b.WriteString(w.authorities(effectiveOf(list, "ServerCertFile")))
		if relay := h.attrs.Str("relay_host"); relay != "" {
			m, err := mailer("mailform-relay", relayFlags, relay)
			if err != nil {
				return "", nil, fmt.Errorf("relay_host: %w", err)
			}
			line(m)
		}
	}
	for _, h := range w.ledger.all(schema.KindParameter) {
		o, err := parameterOption(h.attrs)
		if err != nil {
			return "", nil, err
		}
		line(o.String())
	}
	place, err := w.locationLine()
	if err != nil {
		return "", nil, err
	}
	b.WriteString(place)
	for _, h := range w.ledger.all(schema.KindListener) {
		list, err := listenerOptions(h.attrs)
		if err != nil {
			return "", nil, err
		}
		for _, o := range list {
			ports[portOf(o.value)] = true
			line(o.String() + w.inputFilters(h.attrs.Str("service")))
		}
	}
	filters, err := w.filterLines()
	if err != nil {
		return "", nil, err
	}
	b.WriteString(filters)
	domains := w.ledger.all(schema.KindMailDomain)
	for _, h := range domains {
		line("C{Mailform}" + h.Key)
	}
	if len(domains) > 0 {
		b.WriteString(takenRule)
	}
	for _, h := range w.ledger.all(schema.KindDelivery) {
		text, err := p.deliveryLines(h.attrs, w.mapType, w.ledger.all(schema.KindLookup))
		if err != nil {
			return "", nil, err
		}
		b.WriteString(text)
	}
	ways, err := w.smarthostLines()
	if err != nil {
		return "", nil, err
	}
	b.WriteString(ways)
	if b.Len() == 0 {
		return "", ports, nil
	}
	return sectionBegin + "\n" + b.String() + sectionEnd + "\n", ports, nil
}

// effectiveOf is the value of an option of a list.
func effectiveOf(list []option, name string) string {
	for _, o := range list {
		if o.name == name {
			return o.value
		}
	}
	return ""
}

// authorities are the options about certificates of others. Without them Sendmail
// offers no TLS; where its administrator says none, no client's certificate is
// believed but our own.
func (w *world) authorities(certificate string) string {
	before, _, after, _ := cutSection(string(w.files[w.p.cf].Content))
	theirs := effective(before + after)
	text := ""
	if theirs["cacertfile"] == "" {
		text += "O CACertFile=" + certificate + "\n"
	}
	if theirs["cacertpath"] == "" {
		text += "O CACertPath=" + filepath.Dir(certificate) + "\n"
	}
	return text
}
