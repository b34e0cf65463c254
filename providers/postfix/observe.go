package postfix

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.load(ctx)
	if errors.Is(err, errNoPostfix) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	wanted := make(map[schema.ID]cty.Value, len(scope.Wanted))
	for _, r := range scope.Wanted {
		wanted[schema.ID{Kind: r.Kind, Key: r.Key}] = r.Attrs
	}
	var out []providers.Observed
	for _, id := range w.ids(scope.Wanted) {
		if o := w.observed(id, wanted[id]); o != nil {
			out = append(out, *o)
		}
	}
	if err := w.count(ctx, out, wanted); err != nil {
		return nil, err
	}
	if !scope.Part {
		if out, err = w.foreign(ctx, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ids are the identities of all that could be there.
func (w *world) ids(wanted []schema.Resource) []schema.ID {
	var ids []schema.ID
	for i := range w.ledger.Resources {
		ids = append(ids, schema.ID{Kind: w.ledger.Resources[i].Kind, Key: w.ledger.Resources[i].Key})
	}
	for _, r := range wanted {
		if (r.Kind == schema.KindParameter || r.Kind == schema.KindLocation) && w.ledger.find(r.Kind, r.Key) == nil {
			ids = append(ids, schema.ID{Kind: r.Kind, Key: r.Key})
		}
	}
	for i, kind := range tableKinds {
		keys := make([]string, 0, len(w.tables[i].at))
		for key := range w.tables[i].at {
			keys = append(keys, key)
		}
		for key := range w.built[i] {
			if _, ok := w.tables[i].at[key]; !ok {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			ids = append(ids, schema.ID{Kind: kind, Key: key})
		}
	}
	return ids
}

// tableKinds are the kinds that our maps hold.
var tableKinds = [...]string{domains: schema.KindMailDomain, recipients: schema.KindRecipient, aliases: schema.KindRoute}

// observed is one thing that is there, or nil. Where Postfix and a file of ours say
// different things of it, that counts which is not as wanted.
func (w *world) observed(id schema.ID, want cty.Value) *providers.Observed {
	if i := slices.Index(tableKinds[:], id.Kind); i >= 0 {
		return w.observedRow(i, id, want)
	}
	h := w.ledger.find(id.Kind, id.Key)
	if h == nil {
		if id.Kind == schema.KindLocation && id.Key == queueKey {
			return w.observedQueue()
		}
		if v, ok := w.params[id.Key]; ok && id.Kind == schema.KindParameter && !slices.Contains(derivedNames, id.Key) {
			attrs := schema.KindByName(id.Kind).Object(map[string]cty.Value{"name": cty.StringVal(id.Key), "value": cty.StringVal(v)})
			return &providers.Observed{Kind: id.Kind, Key: id.Key, Attrs: attrs, Revision: digest(v)}
		}
		return nil
	}
	a, err := h.attrs()
	if err != nil {
		return nil
	}
	v, ok := w.live(h.Kind, a)
	if !ok {
		return nil
	}
	o := &providers.Observed{Kind: h.Kind, Key: h.Key, Attrs: schema.KindByName(h.Kind).Object(v), Origin: h.Owner}
	if h.Lineage == w.p.lineage {
		o.Owner = h.Owner
	}
	o.Revision = digest(h.Revision, h.Owner, h.Lineage, o.Attrs.GoString())
	return o
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// observedRow is what a map holds under a key.
func (w *world) observedRow(i int, id schema.ID, want cty.Value) *providers.Observed {
	text, inText := w.tables[i].get(id.Key)
	value, built := w.built[i][id.Key]
	view := func(there bool, r row) *providers.Observed {
		if !there || r.mark != nil && r.mark.Derived {
			return nil
		}
		return w.rowObserved(i, r)
	}
	fromText := view(inText, text)
	if inText == built && text.value == value {
		return fromText
	}
	fromBuilt := view(built, row{id.Key, value, text.mark})
	prefer, other := fromText, fromBuilt
	if !inText {
		prefer, other = fromBuilt, fromText
	}
	if prefer != nil && want != cty.NilVal && want.RawEquals(prefer.Attrs) {
		return other
	}
	return prefer
}

func (w *world) rowObserved(i int, r row) *providers.Observed {
	k := schema.KindByName(tableKinds[i])
	o := &providers.Observed{Kind: k.Name, Key: r.key}
	m := r.mark
	if m == nil {
		m = &mark{}
	}
	if o.Origin = m.Owner; m.Lineage == w.p.lineage {
		o.Owner = m.Owner
	}
	secret := ""
	switch i {
	case domains:
		o.Attrs = k.Object(map[string]cty.Value{"name": cty.StringVal(r.key)})
	case recipients:
		verifiers := w.users[r.key].Verifiers
		secret = strings.Join(verifiers, "\x00")
		o.Attrs = k.Object(map[string]cty.Value{"address": cty.StringVal(r.key), "password_hash": schema.StringList(verifiers)})
	case aliases:
		o.Attrs = k.Object(w.route(r, m))
	}
	o.Revision = digest(m.Revision, m.Owner, m.Lineage, m.Type, r.value, secret)
	return o
}

// route reads the attributes of a route from its row.
func (w *world) route(r row, m *mark) map[string]cty.Value {
	typ := m.Type
	catchAll := r.key[0] == '@'
	switch {
	case typ == "" && catchAll:
		typ = "catch_all"
	case typ == "":
		typ = "alias"
	}
	if typ == typeRefused {
		return w.refusedRoute(r)
	}
	keep := false
	members := splitList(r.value)
	if typ == "forward" {
		members = slices.DeleteFunc(members, func(s string) bool {
			keep = keep || s == r.key
			return s == r.key
		})
	}
	if catchAll && !w.spared(r.key) {
		members = nil // it takes the mail of others, or not all that it should
	}
	slices.Sort(members)
	return map[string]cty.Value{
		"address": cty.StringVal(r.key), "type": cty.StringVal(typ), "members": schema.StringList(members), "keep_copy": cty.BoolVal(keep),
	}
}

// live is what Postfix has of a resource of the ledger, and whether it is there.
func (w *world) live(kind string, a attrs) (map[string]cty.Value, bool) {
	vals := a.AsValueMap()
	n, err := w.p.derive(kind, a, w.former)
	if err != nil {
		return nil, false
	}
	switch kind {
	case schema.KindParameter:
		v, ok := w.params[a.Str("name")]
		if ok && !same(v, a.Str("value")) {
			vals["value"] = cty.StringVal(v)
		}
		return vals, ok
	case schema.KindLocation:
		vals["path"] = cty.StringVal(w.queue)
		return vals, true
	case schema.KindService:
		vals["running"] = cty.BoolVal(w.serves(n))
		return vals, true
	case schema.KindSetting:
		_, ok := w.params["myhostname"]
		w.liveSetting(n, a, vals)
		return vals, ok
	case schema.KindDelivery:
		_, ok := w.params["virtual_transport"]
		w.liveDelivery(n, a, vals)
		return vals, ok
	case schema.KindLookup:
		return vals, w.liveLookup(n, a, vals)
	case schema.KindListener:
		return vals, w.liveListener(n, a, vals)
	case schema.KindFilter:
		return vals, w.liveFilter(a, vals)
	case schema.KindSmarthost:
		return vals, w.liveSmarthost(a, vals)
	}
	return nil, false
}

func (w *world) liveSetting(n native, a attrs, vals map[string]cty.Value) {
	differs := func(name string) bool {
		want, ours := n.params[name]
		have, ok := w.params[name]
		return ours && (!ok || !same(want, have))
	}
	if differs("myhostname") {
		vals["hostname"] = cty.StringVal(w.params["myhostname"])
	}
	if differs("proxy_interfaces") {
		vals["addresses"] = schema.StringList(splitList(w.params["proxy_interfaces"]))
	}
	for _, name := range []string{"mailbox_size_limit", "message_size_limit"} {
		if differs(name) {
			size, err := strconv.ParseInt(w.params[name], 10, 64)
			if err != nil || size == a.Number("message_size_limit") {
				size = 0
			}
			vals["message_size_limit"] = cty.NumberIntVal(size)
		}
	}
	own := certificate.Paths(w.p.own())
	switch files := splitList(w.params["smtpd_tls_chain_files"]); {
	case differs("smtpd_tls_chain_files") && len(files) == 2:
		vals["tls_key"], vals["tls_certificate"] = cty.StringVal(files[0]), cty.StringVal(files[1])
	case differs("smtpd_tls_chain_files"), differs("smtpd_tls_security_level"):
		vals["tls_certificate"] = cty.StringVal("none")
	case a.Str("tls_certificate") == "" && !w.certified:
		vals["tls_certificate"] = cty.StringVal(own.Certificate) // not there, or of no use
	}
	if differs("relayhost") {
		vals["relay_host"] = cty.StringVal(parseNextHop(w.params["relayhost"]))
	}
	for _, name := range []string{"bounce_queue_lifetime", "maximal_queue_lifetime", "queue_run_delay", "maximal_backoff_time", "minimal_backoff_time"} {
		if differs(name) {
			lifetime := w.seconds("maximal_queue_lifetime", 'd', 5*24*3600)
			if name == "bounce_queue_lifetime" {
				lifetime = w.seconds(name, 'd', 5*24*3600)
			}
			list := attributes.NumberList(retryOf(w.seconds("minimal_backoff_time", 's', 300), w.seconds("maximal_backoff_time", 's', 4000), lifetime)...)
			if list.RawEquals(a.GetAttr("retry")) {
				list = attributes.NumberList()
			}
			vals["retry"] = list
		}
	}
}

// seconds is a time of main.cf: a number with a unit.
func (w *world) seconds(name string, unit byte, otherwise int64) int64 {
	v := w.params[name]
	if v != "" && strings.IndexByte("smhdw", v[len(v)-1]) >= 0 {
		unit, v = v[len(v)-1], v[:len(v)-1]
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return otherwise
	}
	return n * map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600, 'w': 7 * 24 * 3600}[unit]
}

func (w *world) liveDelivery(n native, a attrs, vals map[string]cty.Value) {
	if have := w.params["virtual_transport"]; !same(have, n.params["virtual_transport"]) {
		vals["lmtp"] = cty.StringVal(strings.TrimPrefix(have, "lmtp:inet:"))
	}
	for _, name := range []string{"virtual_mailbox_domains", "virtual_mailbox_maps", "virtual_alias_maps"} {
		if !begins(w.params[name], n.lists[name]) {
			vals["lmtp"] = cty.StringVal("") // no mail goes there
		}
	}
	typ, path := w.params["smtpd_sasl_type"], w.params["smtpd_sasl_path"]
	at, inet := strings.CutPrefix(path, "inet:")
	switch {
	case !begins(w.params["smtpd_sender_login_maps"], n.lists["smtpd_sender_login_maps"]), a.Str("auth") == "authd" && !w.judging:
		vals["auth"] = cty.StringVal("none")
	case n.params["smtpd_sasl_type"] == "", same(n.params["smtpd_sasl_type"], typ) && same(n.params["smtpd_sasl_path"], path) &&
		same(n.params["cyrus_sasl_config_path"], cmp.Or(map[bool]string{true: w.params["cyrus_sasl_config_path"]}[typ == "cyrus"], "")):
	case typ == "dovecot" && inet:
		vals["auth"] = cty.StringVal("dovecot:" + at)
	default:
		vals["auth"] = cty.StringVal("none")
	}
}

// liveListener leaves out of the declared endpoints what does not listen as it has
// to. The listener is not there where none does.
func (w *world) liveListener(n native, a attrs, vals map[string]cty.Value) bool {
	listens := map[string][]string{}
	there := len(n.services) == 0
	refuseSubmitted(n.services, w.refusing())
	off := splitList(w.params[disabled])
	for _, e := range n.services {
		have := w.serviceOf(e)
		if have == nil || have.command != "smtpd" && have.command != "postscreen" {
			continue
		}
		there = true
		good := !disables(off, have.key())
		for _, o := range e.options {
			v, ok := have.option(o.name)
			switch {
			case o.name == "myhostname" && v != o.value:
				vals["hostname"] = cty.StringVal(v)
			case !ok || !same(v, o.value):
				good = false
			}
		}
		if !good {
			continue
		}
		kind := "listen"
		if v, _ := e.option("smtpd_tls_wrappermode"); v == "yes" {
			kind = "listen_tls"
		}
		host, port := endpoint(e.name)
		at := ":" + port
		if host != "" {
			at = net.JoinHostPort(host, port)
		}
		listens[kind] = append(listens[kind], at)
	}
	if _, ours := n.params["inet_interfaces"]; ours && w.params["inet_interfaces"] != "all" {
		listens = map[string][]string{}
	}
	for _, kind := range []string{"listen", "listen_tls"} {
		slices.Sort(listens[kind])
		if want := slices.Sorted(slices.Values(a.Strings(kind))); !slices.Equal(want, listens[kind]) {
			vals[kind] = schema.StringList(listens[kind])
		}
	}
	return there
}

// named finds the service of ours that listens at an endpoint under another name:
// smtp, for 25.
func (w *world) named(name string) string {
	host, port := endpoint(name)
	for key := range w.ledger.Master {
		n, typ, _ := strings.Cut(key, "/")
		if h, p := endpoint(n); typ == "inet" && h == host && p == port {
			return key
		}
	}
	return ""
}
