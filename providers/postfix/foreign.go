package postfix

import (
	"context"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// foreignMaps are the maps that a list of main.cf has beside ours, and elements
// that are no maps.
func (w *world) foreignMaps(name string) (maps, plain []string) {
	for _, el := range splitList(w.params[name]) {
		typ, path, isMap := strings.Cut(el, ":")
		if typ == "proxy" {
			typ, path, isMap = strings.Cut(path, ":")
		}
		switch {
		case !isMap && !strings.ContainsAny(el, "/$!"):
			plain = append(plain, strings.ToLower(el))
		case isMap && builtSuffixes[typ] != "" && !strings.HasPrefix(path, w.p.own()+"/") && !strings.Contains(path, "$"):
			maps = append(maps, typ+":"+path)
		}
	}
	return maps, plain
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
	for i, name := range []string{domains: "virtual_mailbox_domains", recipients: "virtual_mailbox_maps", aliases: "virtual_alias_maps"} {
		maps, plain := w.foreignMaps(name)
		if i == domains {
			for _, d := range plain {
				add(i, d, "")
			}
		}
		for _, m := range maps {
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
	return out, nil
}
