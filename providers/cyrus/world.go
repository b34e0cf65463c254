package cyrus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A world is all that was read of the server at one time.
type world struct {
	p        *Provider
	options  *optionsFile
	services *servicesFile
	model    *model
	users    map[string]authd.User
	boxes    boxes  // nil: not asked for
	running  bool   // Cyrus
	judging  bool   // authd
	at       string // where the mail lies; empty: nothing says it
	index    string // where its indexes do
	// lookup is where users are found, as authd is told; nil: they are kept here.
	lookup *schema.Lookup

	// Files as they were read.
	optionsFile, servicesFile, modelFile, usersFile, lookupFile host.File
}

// load reads the files, and the mailboxes where that is asked for.
func (p *Provider) load(ctx context.Context, withBoxes bool) (*world, error) {
	files, err := p.host.Read(ctx, p.optionsPath(), p.servicesPath(), p.modelPath(), authd.UsersFile(p.authDir()))
	if err != nil {
		return nil, err
	}
	w := &world{p: p, optionsFile: files[0], servicesFile: files[1], modelFile: files[2], usersFile: files[3]}
	w.options = parseOptions(files[0].Content)
	w.services = parseServices(files[1].Content)
	if w.model, err = parseModel(files[2].Content); err != nil {
		return nil, fmt.Errorf("%s: %w", p.modelPath(), err)
	}
	list, err := authd.Parse(files[3].Content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authd.UsersFile(p.authDir()), err)
	}
	w.users = make(map[string]authd.User, len(list))
	for _, u := range list {
		w.users[u.Address] = u
	}
	if w.lookup, w.lookupFile, err = p.control("").Lookup(ctx); err != nil {
		return nil, err
	}
	if !files[0].Exists {
		w.boxes = boxes{}
		return w, nil
	}
	if err := w.askPlace(ctx); err != nil {
		return nil, err
	}
	if w.running, err = p.service().Running(ctx); err != nil {
		return nil, err
	}
	if w.judging, err = p.judges(ctx); err != nil {
		return nil, err
	}
	if withBoxes {
		err = w.loadBoxes(ctx)
	}
	return w, err
}

// loadBoxes asks Cyrus's own tools, which need no running server. One that has
// never run has nothing.
func (w *world) loadBoxes(ctx context.Context) error {
	w.boxes = boxes{}
	database, ok := w.options.get("mboxlist_db_path")
	if !ok {
		dir, _ := w.options.get("configdirectory")
		database = filepath.Join(dir, "mailboxes.db")
	}
	entries, err := w.p.host.List(ctx, filepath.Dir(database))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e host.Entry) bool { return e.Name == filepath.Base(database) }) {
		return nil
	}
	if err := w.p.findPrograms(ctx); err != nil {
		return err
	}
	ask := w.p.tool
	if w.p.reading {
		dir, _ := w.options.get("configdirectory")
		quotas, ok := w.options.get("quota_db_path")
		if !ok {
			quotas = filepath.Join(dir, "quotas.db")
		}
		ask = func(ctx context.Context, name string, args ...string) (host.Output, error) {
			c := append([]string{"sh", "-c", onCopies, "sh", w.p.optionsPath(), dir, database, quotas, w.p.program(name)}, args...)
			return host.Must(ctx, w.p.host, host.Cmd(c...))
		}
	}
	out, err := ask(ctx, "ctl_mboxlist", "-d")
	if err != nil {
		return fmt.Errorf("list the mailboxes: %w", err)
	}
	if w.boxes, err = parseMailboxes(out.Stdout); err != nil {
		return err
	}
	if out, err = ask(ctx, "quota"); err != nil {
		return fmt.Errorf("list the quotas: %w", err)
	}
	w.boxes.addLimits(out.Stdout)
	return nil
}

// onCopies runs one of Cyrus's tools on copies of what it asks, for who may not write:
// the tools open all of it to write, and lock it. A copy that was taken in the middle of a
// change is one that a crash has left, which the databases are made for.
const onCopies = `t=$(mktemp -d) || exit
trap 'rm -rf "$t"' EXIT
mkdir "$t/db" "$t/lock" "$t/proc" || exit
grep -vE '^[[:space:]]*(configdirectory|mboxlist_db_path|quota_db_path|mboxname_lockpath|proc_path|temp_path)[[:space:]]*:' "$1" >"$t/imapd.conf"
cat >>"$t/imapd.conf" <<END
configdirectory: $t
mboxlist_db_path: $t/mailboxes.db
quota_db_path: $t/quotas.db
mboxname_lockpath: $t/lock
proc_path: $t/proc
temp_path: $t
END
cp -- "$3" "$t/mailboxes.db" || exit
if [ -f "$4" ]; then cp -- "$4" "$t/quotas.db" || exit; fi
(cd "$2" && find quota domain -type f -path '*quota/*' 2>/dev/null | tar -cf - -T -) | tar -xf - -C "$t" || exit # each in a file
program=$5
shift 5
"$program" -C "$t/imapd.conf" "$@"`

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	p = p.reader()
	withBoxes := !scope.Part || slices.ContainsFunc(scope.Wanted, func(r schema.Resource) bool { return r.Kind == schema.KindMailbox })
	w, err := p.load(ctx, withBoxes)
	if err != nil {
		return nil, err
	}
	var out []providers.Observed
	add := func(kind, key string) {
		if o := w.observe(kind, key); o != nil {
			out = append(out, *o)
		}
	}
	for _, kind := range []string{schema.KindMailStore, schema.KindLookup, schema.KindService, schema.KindListener} {
		for _, key := range w.model.keys(kind) {
			add(kind, key)
		}
	}
	for _, key := range w.model.keys(schema.KindLocation) {
		add(schema.KindLocation, key)
	}
	for _, r := range scope.Wanted {
		if r.Kind != schema.KindLocation || w.at == "" {
			continue
		}
		if w.model.mark(r.Kind, r.Key) == nil {
			add(r.Kind, r.Key)
		}
		if i := slices.IndexFunc(out, func(o providers.Observed) bool { return o.Kind == r.Kind && o.Key == r.Key }); i >= 0 {
			if err := w.located(ctx, &out[i], r); err != nil {
				return nil, err
			}
		}
	}
	parameters := w.model.keys(schema.KindParameter)
	for _, r := range scope.Wanted {
		if r.Kind == schema.KindParameter {
			parameters = append(parameters, r.Key)
		}
	}
	slices.Sort(parameters)
	for _, key := range slices.Compact(parameters) {
		add(schema.KindParameter, key)
	}
	addresses := make([]string, 0, len(w.boxes))
	for a := range w.boxes {
		addresses = append(addresses, a)
	}
	slices.Sort(addresses)
	for _, key := range addresses {
		add(schema.KindMailbox, key)
	}
	return out, nil
}

// observe is what is there of one thing; nil: it is not there.
func (w *world) observe(kind, key string) *providers.Observed {
	k := w.model.mark(kind, key)
	var attrs map[string]cty.Value
	retained, extra := false, ""
	switch kind {
	case schema.KindMailStore:
		if s, ok := w.p.readStore(w.options); ok && k != nil {
			attrs = map[string]cty.Value{
				"hostname": cty.StringVal(s.hostname), "retention": cty.NumberIntVal(k.Retention),
				"tls_certificate": cty.StringVal(s.certificate), "tls_key": cty.StringVal(s.key),
			}
		}
	case schema.KindService:
		if k != nil {
			attrs = map[string]cty.Value{"name": cty.StringVal(key), "running": cty.BoolVal(w.running && w.judging)}
		}
	case schema.KindLocation:
		if w.place(key) != "" {
			attrs = w.locationAttrs(key)
		}
	case schema.KindListener:
		owner, service, ok := strings.Cut(key, "/")
		if ok && k != nil {
			listen, listenTLS := readListener(w.services, service)
			attrs = map[string]cty.Value{
				"owner": cty.StringVal(owner), "service": cty.StringVal(service), "hostname": cty.StringVal(k.Hostname),
				"listen": schema.StringList(listen), "listen_tls": schema.StringList(listenTLS),
			}
		}
	case schema.KindLookup:
		if k != nil && w.lookup != nil {
			attrs = w.observeLookup(key)
		}
	case schema.KindParameter:
		value, ok := w.options.own(key)
		if !ok {
			k = nil // somebody has taken it out, or it is another's
			value, ok = w.options.getForeign(key, false)
		}
		if ok && !w.p.isDerived(key) {
			attrs = map[string]cty.Value{"name": cty.StringVal(key), "value": cty.StringVal(value)}
		}
	case schema.KindMailbox:
		switch m := w.boxes[key]; {
		case m == nil:
		case m.there:
			attrs = w.mailbox(key, m, k)
			if k != nil && k.Pending {
				extra = "pending"
			}
			retained = k == nil && w.lookup != nil // made for whom the directory has
		case len(m.deleted) > 0:
			attrs = w.mailbox(key, &box{limit: -1}, nil)
			retained, extra, k = true, m.stamp, nil
		}
	}
	if attrs == nil {
		return nil
	}
	o := &providers.Observed{Kind: kind, Key: key, Attrs: schema.KindByName(kind).Object(attrs), Retained: retained}
	sum := sha256.New()
	if kind == schema.KindLocation && key == indexKey && w.index == w.at { // they go where the mail goes
		fmt.Fprint(sum, "with the mail\n")
	} else {
		fmt.Fprintf(sum, "%s\n%#v\n", extra, o.Attrs)
	}
	o.Revision = hex.EncodeToString(sum.Sum(nil)[:8])
	if k != nil {
		o.Revision = strconv.FormatInt(k.Serial, 10) + "-" + o.Revision
		o.Origin = k.Address
		if k.Lineage == w.p.lineage {
			o.Owner = k.Address
		}
	}
	return o
}

// mailbox are the attributes of a mailbox that is there.
func (w *world) mailbox(address string, m *box, k *mark) map[string]cty.Value {
	u := w.users[address]
	protocols := slices.Clone(u.Protocols)
	mail := "enabled"
	quota := int64(0)
	if m.limit >= 0 {
		quota = max(m.limit*1024, 1) // one without room is not one without a limit
	}
	if k != nil {
		if mail = k.Mail; mail == disabled {
			if len(protocols) == 0 {
				protocols = slices.Clone(k.Protocols)
			} else {
				mail = "enabled" // somebody has let the user in
			}
		}
		if k.Quota > 0 && kib(k.Quota) == m.limit {
			quota = k.Quota
		}
	}
	slices.Sort(protocols)
	return map[string]cty.Value{
		"address": cty.StringVal(address), "password_hash": schema.StringList(u.Verifiers), "quota": cty.NumberIntVal(quota),
		"protocols": schema.StringList(protocols), "mail": cty.StringVal(mail),
		"sieve": cty.NullVal(cty.String), "messages": cty.NullVal(cty.Number), "bytes": cty.NullVal(cty.Number),
	}
}

const disabled = "disabled"
