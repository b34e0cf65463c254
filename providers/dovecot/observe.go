package dovecot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// observe tells what there is of what is asked for.
func (p *Provider) observe(st *state, asked func(kind, key string) bool) []providers.Observed {
	var out []providers.Observed
	ids := make([]schema.ID, 0, len(st.settings.marks))
	for id := range st.settings.marks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, schema.ID.Compare)
	for _, id := range ids {
		if o, ok := p.observeMarked(st, st.settings.marks[id]); ok && asked(id.Kind, id.Key) {
			out = append(out, o)
		}
	}
	if _, marked := st.settings.marks[serviceID]; st.running && !marked {
		out = append(out, p.seen(mark{Kind: schema.KindService, Key: serviceID.Key}, serviceAttrs(true)))
	}
	for i := range st.list.users {
		if u := &st.list.users[i]; asked(schema.KindMailbox, u.address) {
			out = append(out, p.observeUser(st, u))
		}
	}
	for _, r := range st.list.retained {
		if !asked(schema.KindMailbox, r.Address) {
			continue
		}
		o := providers.Observed{Kind: schema.KindMailbox, Key: r.Address, Retained: true, Revision: "retained until " + r.Until.UTC().Format("2006-01-02T15:04:05Z")}
		o.Attrs = schema.KindByName(o.Kind).Object(mailboxAttrs(r.Address, nil, r.Quota, nil, "enabled", cty.NullVal(cty.String)))
		out = append(out, o)
	}
	return out
}

// serviceID is Dovecot as something that runs.
var serviceID = schema.ID{Kind: schema.KindService, Key: "dovecot"}

func serviceAttrs(running bool) map[string]cty.Value {
	return map[string]cty.Value{"name": cty.StringVal(serviceID.Key), "running": cty.BoolVal(running)}
}

// observeMarked tells of something that the file of settings marks as ours. False:
// there is nothing left of it.
func (p *Provider) observeMarked(st *state, m mark) (providers.Observed, bool) {
	switch m.Kind {
	case schema.KindMailStore:
		s := st.settings.store
		return p.seen(m, map[string]cty.Value{
			"hostname": cty.StringVal(s.hostname), "retention": cty.NumberIntVal(s.retention),
			"tls_certificate": cty.StringVal(s.certificate), "tls_key": cty.StringVal(s.key),
		}), true
	case schema.KindLookup:
		return p.observeLookup(st, m)
	case schema.KindSubmission:
		return p.seen(m, map[string]cty.Value{"owner": cty.StringVal(m.Key), "relay": cty.StringVal(relayInForce(st.tree))}), true
	case schema.KindListener:
		owner, service := splitListener(m.Key)
		l := st.settings.listeners[service]
		return p.seen(m, map[string]cty.Value{
			"owner": cty.StringVal(owner), "service": cty.StringVal(service), "hostname": cty.StringVal(m.Hostname),
			"listen": schema.StringList(l.listen), "listen_tls": schema.StringList(l.listenTLS),
		}), true
	case schema.KindParameter:
		value, there := st.tree.get(m.Key)
		if strings.Contains(m.Value, "$") { // what it stands for is not what was declared
			value, there = parseTree(string(st.conf.Content)).get(m.Key)
		}
		return p.seen(m, map[string]cty.Value{"name": cty.StringVal(m.Key), "value": cty.StringVal(value)}), there
	case schema.KindLocation:
		return p.seenPlace(st, m), true
	case schema.KindService:
		return p.seen(m, serviceAttrs(st.running)), st.running
	}
	return providers.Observed{}, false
}

// splitListener takes the key of a listener apart: main/imap.
func splitListener(key string) (owner, service string) {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}

func (p *Provider) seen(m mark, attrs map[string]cty.Value) providers.Observed {
	return p.observed(m.Kind, m.Key, m.Owner, m.Lineage, m.Gen, attrs)
}

// observed makes an observation. Its revision is that of all that can change.
func (p *Provider) observed(kind, key, owner, lineage string, gen int, attrs map[string]cty.Value) providers.Observed {
	o := providers.Observed{Kind: kind, Key: key, Origin: owner, Attrs: schema.KindByName(kind).Object(attrs)}
	if lineage == p.lineage && lineage != "" {
		o.Owner = owner
	}
	if kind != schema.KindMailbox { // of which there are many, and of which more can change
		text, _ := ctyjson.Marshal(o.Attrs, o.Attrs.Type()) // known values of these types can be written
		o.Revision = revision(fmt.Appendf(text, "\x00%s\x00%s\x00%d", owner, lineage, gen))
	}
	return o
}

func (p *Provider) observeUser(st *state, u *user) providers.Observed {
	mail := u.note.Mail
	if mail == "" || mail == "disabled" {
		mail = "enabled"
	}
	protocols := []string{}
	for _, name := range []string{"imap", "pop3"} {
		if !st.denied[name][u.address] {
			protocols = append(protocols, name)
		}
	}
	if st.denied["smtp"][u.address] && len(protocols) == 0 {
		mail, protocols = "disabled", u.note.Protocols
	}
	script := st.script(u)
	hashes := taken(u.password, u.note)
	o := p.observed(schema.KindMailbox, u.address, u.note.Owner, u.note.Lineage, u.note.Gen,
		mailboxAttrs(u.address, hashes, u.quota, protocols, mail, script))
	// What others have added is not ours to show, but to notice.
	o.Revision = revision(fmt.Appendf(nil, "%q %q %d %q %q %q %q %d %q %q %q %v",
		u.address, hashes, u.quota, protocols, mail, u.note.Owner, u.note.Lineage, u.note.Gen, u.unix, u.extra, st.scripts[u.script], script.IsNull()))
	return o
}

func mailboxAttrs(address string, hashes []string, quota int64, protocols []string, mail string, script cty.Value) map[string]cty.Value {
	return map[string]cty.Value{
		"address": cty.StringVal(address), "password_hash": schema.StringList(hashes), "quota": cty.NumberIntVal(quota),
		"protocols": schema.StringList(protocols), "mail": cty.StringVal(mail),
		"sieve": script, "messages": cty.NullVal(cty.Number), "bytes": cty.NullVal(cty.Number),
	}
}

func revision(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
