package postfix

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// foreignMaps are the maps that a list of main.cf has beside ours, and elements
// that are no maps.
func (w *world) foreignMaps(name string) (others, plain []string) {
	for _, el := range splitList(w.params[name]) {
		typ, path, isMap := strings.Cut(el, ":")
		if typ == "proxy" {
			typ, path, isMap = strings.Cut(path, ":")
		}
		_, listed := builtSuffixes[typ]
		switch {
		case !isMap && !strings.ContainsAny(el, "/$!"):
			plain = append(plain, strings.ToLower(el))
		case isMap && listed && !strings.HasPrefix(path, w.p.own()+"/") && !strings.Contains(path, "$"):
			others = append(others, typ+":"+path)
		}
	}
	return others, plain
}

// foreign adds what other maps hold that main.cf names.
func (w *world) foreign(ctx context.Context, out []providers.Observed) ([]providers.Observed, error) {
	have := make(map[schema.ID]bool, len(out))
	for _, o := range out {
		have[schema.ID{Kind: o.Kind, Key: o.Key}] = true
	}
	add := func(i int, key, value string) {
		id := schema.ID{Kind: tableKinds[i], Key: strings.ToLower(key)}
		domain := id.Key[strings.LastIndexByte(id.Key, '@')+1:]
		if _, err := schema.ParseDomainName(domain); err != nil || have[id] || i != domains && !strings.Contains(id.Key, "@") || i == recipients && id.Key[0] == '@' {
			return
		}
		have[id] = true
		out = append(out, *w.rowObserved(i, row{key: id.Key, value: value}))
	}
	for i, name := range [...]string{domains: "virtual_mailbox_domains", recipients: "virtual_mailbox_maps", aliases: "virtual_alias_maps"} {
		others, plain := w.foreignMaps(name)
		if i == domains {
			for _, d := range plain {
				add(i, d, "")
			}
		}
		for _, m := range others {
			held, err := w.p.dump(ctx, m, true)
			if err != nil {
				return nil, err
			}
			keys := make([]string, 0, len(held))
			for key := range held {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			for _, key := range keys {
				add(i, key, held[key])
			}
		}
	}
	return w.foreignWays(ctx, out)
}

// foreignWays adds the ways of mail that others have in transport maps, each row by
// itself: by our own map, where they have put one in there, or by another one.
func (w *world) foreignWays(ctx context.Context, out []providers.Observed) ([]providers.Observed, error) {
	var declared []string
	for _, a := range w.ledger.declared(schema.KindSmarthost) {
		declared = append(declared, way(a))
	}
	for _, name := range []string{byRecipient, bySender} {
		others, _ := w.foreignMaps(name)
		table := transport
		if name == bySender {
			table = senderTransport
		}
		rows := map[string]string{}
		for key, value := range w.built[table] {
			if r, there := w.tables[table].get(key); (!there || r.mark == nil) && !slices.Contains(declared, value) {
				rows[key] = value
			}
		}
		for _, m := range others {
			held, err := w.p.dump(ctx, m, true)
			if err != nil {
				return nil, err
			}
			for key, value := range held {
				if _, before := rows[key]; !before {
					rows[key] = value
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			out = append(out, foreignWay(name, key, rows[key]))
		}
	}
	return out, nil
}

// foreignWay is a row of a transport map as a smarthost: its host is the way as it
// stands there, which can also be none that a smarthost has.
func foreignWay(parameter, key, value string) providers.Observed {
	ends := map[string]cty.Value{byRecipient: schema.StringList(nil), bySender: schema.StringList(nil)}
	ends[parameter] = schema.StringList([]string{key})
	attrs := map[string]cty.Value{
		"owner": cty.StringVal(""), "host": cty.StringVal(value), "recipients": ends[byRecipient], "senders": ends[bySender],
		"username": cty.StringVal(""), "password": cty.StringVal(""), "tls": cty.StringVal(""),
	}
	return providers.Observed{Kind: schema.KindSmarthost, Key: key + " by " + value, Attrs: schema.KindByName(schema.KindSmarthost).Object(attrs), Revision: digest(parameter, key, value)}
}
