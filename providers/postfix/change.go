package postfix

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host/move"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Apply implements providers.Provider. A batch is done as a whole: where one change
// is refused, or Postfix refuses what comes of all, nothing of it is done.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if len(batch) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	batch = move.Uncounted(batch)
	if err := p.finish(ctx); err != nil {
		return err
	}
	was, err := p.load(ctx)
	if err != nil {
		return err
	}
	next := was.clone()
	if err := next.loadForeign(ctx, batch); err != nil {
		return err
	}
	errs := make([]error, len(batch))
	refused := false
	for i, c := range batch {
		errs[i] = next.change(c)
		refused = refused || errs[i] != nil
	}
	if !refused {
		if err := next.settle(); err != nil {
			refused, errs[len(errs)-1] = true, err
		}
	}
	if !refused {
		err := error(nil)
		if leaves(batch) {
			err = p.drain(ctx)
		}
		if err == nil {
			err = p.commit(ctx, was, next)
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			for i := range errs {
				errs[i] = err
			}
			return report(batch, nil, errs, done)
		}
		if was, err = p.load(ctx); err != nil {
			return err
		}
	}
	for i := range errs {
		if refused && errs[i] == nil {
			errs[i] = errors.New("not done, as another change of its batch was refused")
		}
	}
	return report(batch, was, errs, done)
}

// report tells of all changes in their order.
func report(batch []providers.Change, w *world, errs []error, done func(providers.Change, providers.Observed, error) error) error {
	for i, c := range batch {
		var o providers.Observed
		if errs[i] == nil && c.Action != providers.Delete {
			have := w.observed(schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}, cty.NilVal)
			switch {
			case have == nil:
				errs[i] = errors.New("Postfix has not taken it over")
			case !have.Attrs.RawEquals(c.Resource.Attrs) && !slices.ContainsFunc(batch[i+1:], func(later providers.Change) bool {
				return later.Resource.Kind == c.Resource.Kind && later.Resource.Key == c.Resource.Key
			}):
				errs[i] = errors.New("Postfix has not taken it over as it was to be; a setting of its configuration may stand against it")
			default:
				o = *have
			}
		}
		if err := done(c, o, errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// clone is the world to be changed into what is wanted.
func (w *world) clone() *world {
	n := *w
	n.sparing, n.params = nil, maps.Clone(w.params)
	n.main, n.master = parseMain(w.files[mainFile].Content), parseMaster(w.files[masterFile].Content)
	n.ledger = w.ledger.clone()
	for i := range n.tables {
		n.tables[i] = w.tables[i].clone()
		n.built[i] = maps.Clone(w.built[i])
	}
	n.secrets = maps.Clone(w.secrets)
	n.users = make(map[string]authd.User, len(w.users))
	for k, v := range w.users {
		n.users[k] = v
	}
	return &n
}

// loadForeign reads what others have in their maps, where something of that is taken
// over.
func (w *world) loadForeign(ctx context.Context, batch []providers.Change) error {
	takes := func(c providers.Change) bool {
		return c.Action == providers.Update && c.Prior != nil && c.Prior.Owner == "" && slices.Contains(tableKinds[:], c.Resource.Kind) &&
			w.observed(schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}, cty.NilVal) == nil
	}
	if !slices.ContainsFunc(batch, takes) {
		return nil
	}
	list, err := w.foreign(ctx, nil)
	w.others = map[schema.ID]*providers.Observed{}
	for i := range list {
		w.others[schema.ID{Kind: list[i].Kind, Key: list[i].Key}] = &list[i]
	}
	return err
}

// change makes one change of the world, in memory.
func (w *world) change(c providers.Change) error {
	w.sparing = nil
	r := &c.Resource
	if !slices.Contains(tableKinds[:], r.Kind) && !slices.Contains(ledgerKinds, r.Kind) {
		return fmt.Errorf("Postfix holds no %q", r.Kind)
	}
	id := schema.ID{Kind: r.Kind, Key: r.Key}
	var a attrs
	if c.Action != providers.Delete {
		var err error
		if a, err = attributes.Check(r.Kind, r.Attrs); err != nil {
			return err
		}
	}
	have := w.observed(id, a.Value)
	if have == nil {
		have = w.others[id]
	}
	asWanted := have != nil && c.Action != providers.Delete && have.Owner == r.Address && have.Attrs.RawEquals(r.Attrs)
	switch {
	case c.Action == providers.Delete && have == nil:
		return nil
	case c.Action == providers.Create && (c.Prior == nil || c.Prior.Retained):
		if asWanted {
			return nil
		}
		if have != nil {
			return fmt.Errorf("it is there already: %w", providers.ErrConflict)
		}
	case have == nil || c.Prior == nil || have.Revision != c.Prior.Revision:
		if asWanted && c.Action == providers.Update {
			return nil
		}
		return providers.ErrConflict
	}
	if c.Action == providers.Delete {
		if c.HandedOver && r.Kind == schema.KindListener {
			w.yield(id)
		}
		w.drop(id)
		return nil
	}
	return w.put(r, a)
}

func (w *world) put(r *schema.Resource, a attrs) error {
	revision := rand.Text()[:10]
	i := slices.Index(tableKinds[:], r.Kind)
	if i < 0 {
		if r.Kind == schema.KindService {
			if r.Key != serviceKey || a.Str("name") != serviceKey {
				return fmt.Errorf("name: the service is called %q", serviceKey)
			}
			running := a.Bool("running")
			w.wantRunning = &running
			w.running = running
		}
		if _, err := w.p.derive(r.Kind, a, w.former); err != nil {
			return err
		}
		if r.Kind == schema.KindLookup {
			w.bindPassword = a.Str("bind_password")
			a = without(r.Kind, a, "bind_password")
		}
		if r.Kind == schema.KindSmarthost {
			if err := checkLogin(a); err != nil {
				return err
			}
			w.secrets[a.Str("host")] = a.Str("password")
			a = without(r.Kind, a, "password")
		}
		text, err := ctyjson.Marshal(a.Value, schema.KindByName(r.Kind).Type())
		if err != nil {
			return err
		}
		w.ledger.put(holding{Kind: r.Kind, Key: r.Key, Owner: r.Address, Lineage: w.p.lineage, Revision: revision, Attrs: json.RawMessage(text)})
		return nil
	}
	row, err := w.rowOf(i, r.Key, a)
	if err != nil {
		return err
	}
	if i == recipients && len(a.Strings("password_hash")) > 0 && !w.judged() {
		return errors.New("password_hash: Postfix asks another server who a user is, and has no place for passwords")
	}
	row.mark.Owner, row.mark.Lineage, row.mark.Revision = r.Address, w.p.lineage, revision
	w.tables[i].put(row)
	if w.built[i] == nil {
		w.built[i] = map[string]string{}
	}
	w.built[i][row.key] = row.value // as it will be
	if i == recipients {
		delete(w.users, row.key)
		if verifiers := a.Strings("password_hash"); len(verifiers) > 0 {
			w.users[row.key] = authd.User{Address: row.key, Verifiers: verifiers}
		}
	}
	return nil
}

// without are the attributes that the ledger keeps of a kind with a secret.
func without(kind string, a attrs, secret string) attrs {
	vals := a.AsValueMap()
	vals[secret] = cty.StringVal("")
	a.Value = schema.KindByName(kind).Object(vals)
	return a
}

// rowOf writes a resource as a row of a map.
func (w *world) rowOf(i int, key string, a attrs) (row, error) {
	r := row{key: key, mark: &mark{}}
	name := "address"
	switch i {
	case domains:
		name = "name"
		r.value = "mailform"
	case recipients:
		r.value = key
		for _, v := range a.Strings("password_hash") {
			if _, err := schema.ParsePasswordHash(v); err != nil {
				return r, fmt.Errorf("password_hash: %w", err)
			}
		}
	case aliases:
		if err := routeRow(&r, a); err != nil {
			return r, err
		}
	}
	if a.Str(name) != key {
		return r, fmt.Errorf("%s: it is not %q", name, key)
	}
	if err := checkKey(i, key); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, checkRow(r.key, r.value)
}

// checkKey looks whether a key of a map is a domain or an address.
func checkKey(i int, key string) error {
	if i == domains {
		if name, err := schema.ParseDomainName(key); err != nil || name != key {
			return fmt.Errorf("%q is no domain name", key)
		}
		return nil
	}
	if domain, ok := strings.CutPrefix(key, "@"); ok && i == aliases {
		return checkKey(domains, domain)
	}
	return checkAddress(key)
}

// checkAddress refuses addresses that cannot stand in a map as they are, and those
// that Postfix does not accept mail for.
func checkAddress(s string) error {
	at := strings.LastIndexByte(s, '@')
	if at < 1 {
		return fmt.Errorf("%q is no address", s)
	}
	if name, err := schema.ParseHostName(s[at+1:]); err != nil || name != s[at+1:] {
		return fmt.Errorf("%q is no address: the domain is none", s)
	}
	if s[0] == '-' || s[0] == '#' {
		return fmt.Errorf("Postfix knows no addresses that begin with %q, as %s", s[0], s)
	}
	for _, r := range s[:at] {
		if r <= ' ' || r > 0x7e || strings.ContainsRune("\"\\(),:;<>@[]", r) {
			return fmt.Errorf("an address with %q in it cannot stand in a map of Postfix", r)
		}
	}
	if s != strings.ToLower(s) {
		return fmt.Errorf("%q is not in lower case", s)
	}
	return nil
}

func routeRow(r *row, a attrs) error {
	typ, keep := a.Str("type"), a.Bool("keep_copy")
	catchAll := strings.HasPrefix(r.key, "@")
	switch {
	case typ == typeRefused:
		return refusedRow(r, a)
	case typ != "alias" && typ != "forward" && typ != "catch_all":
		return fmt.Errorf("type: there is no %q", typ)
	case catchAll != (typ == "catch_all"):
		return fmt.Errorf("type: an address that begins with @ is a catch_all, and nothing else is")
	case keep && typ != "forward":
		return fmt.Errorf("keep_copy: only a forward keeps one")
	}
	members := a.Strings("members")
	if !slices.IsSorted(members) {
		return fmt.Errorf("members: they are not sorted")
	}
	for i, m := range members {
		if err := checkAddress(m); err != nil {
			return fmt.Errorf("members: %w", err)
		}
		if i > 0 && m == members[i-1] {
			return fmt.Errorf("members: %s is there twice", m)
		}
		if typ == "forward" && m == r.key {
			return fmt.Errorf("members: to leave a copy is keep_copy, not a member")
		}
	}
	if keep {
		members = append(members, r.key)
	}
	if len(members) == 0 {
		return fmt.Errorf("members: there are none, and Postfix has no address without")
	}
	r.value = strings.Join(members, ", ")
	r.mark.Type = typ
	return nil
}

// spare has a catch-all leave alone the mail of recipients of its domain, which
// Postfix would give it too: each gets an entry of itself.
func (w *world) spare() {
	t := w.tables[aliases]
	for _, r := range t.rows {
		if r.key != "" && r.mark != nil && r.mark.Derived {
			t.remove(r.key)
		}
	}
	for key := range w.spareKeys() {
		t.put(row{key, key, &mark{Derived: true}})
	}
}

// spareKeys are the recipients that need an entry of themselves.
func (w *world) spareKeys() map[string]bool {
	t := w.tables[aliases]
	caught := map[string]bool{}
	for key := range t.at {
		if key[0] == '@' {
			caught[key] = true
		}
	}
	keys := map[string]bool{}
	if len(caught) == 0 {
		return keys
	}
	for key := range w.tables[recipients].at {
		if !caught[key[max(strings.LastIndexByte(key, '@'), 0):]] {
			continue
		}
		if r, ok := t.get(key); !ok || r.mark != nil && r.mark.Derived {
			keys[key] = true
		}
	}
	return keys
}

// spared reports whether a catch-all of ours leaves alone what it has to.
func (w *world) spared(catchAll string) bool {
	if _, ours := w.tables[aliases].get(catchAll); !ours {
		return true
	}
	if w.sparing == nil {
		w.sparing = w.spareKeys()
	}
	for key := range w.sparing {
		if strings.HasSuffix(key, catchAll) {
			if _, ok := w.tables[aliases].get(key); !ok || w.built[aliases] != nil && w.built[aliases][key] != key {
				return false
			}
		}
	}
	return true
}
