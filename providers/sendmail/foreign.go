package sendmail

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The administrator's own files say things that blocks can say too: where mail for an
// address goes (virtusertable), which server a domain's mail goes to (mailertable), and
// which domains are at home here (local-host-names). Ours are looked up before: what is
// in both goes as ours says.

// tableRows are the rows of a map of the administrator's, which sendmail.cf calls name.
// There are none where there is no map that makemap could read.
func (w *world) tableRows(ctx context.Context, name string) (map[string]string, error) {
	for line := range strings.Lines(w.theirs()) {
		rest, is := strings.CutPrefix(line, "K"+name+" ")
		fields := strings.Fields(rest)
		if !is || len(fields) < 2 {
			continue
		}
		typ, path := fields[0], fields[len(fields)-1]
		suffix := suffixes[typ]
		if suffix == "" || !filepath.IsAbs(path) {
			return nil, nil
		}
		entries, err := w.p.on.List(ctx, filepath.Dir(path))
		file := strings.TrimSuffix(filepath.Base(path), suffix) + suffix
		if err != nil || !slices.ContainsFunc(entries, func(e host.Entry) bool { return e.Name == file }) {
			return nil, err
		}
		out, err := w.p.dump(ctx, typ, path)
		if err != nil {
			return nil, err
		}
		return parseMap(out.Stdout), nil
	}
	return nil, nil
}

// theirs is sendmail.cf without our section.
func (w *world) theirs() string {
	before, _, after, _ := cutSection(string(w.files[w.p.cf].Content))
	return before + after
}

// foreign are the things that the administrator's files come to, beside those that are
// known. label is that of the server.
func (w *world) foreign(ctx context.Context, label string, known []providers.Observed) ([]providers.Observed, error) {
	have := map[schema.ID]bool{}
	for _, o := range known {
		have[schema.ID{Kind: o.Kind, Key: o.Key}] = true
	}
	addresses, err := w.tableRows(ctx, "virtuser")
	if err != nil {
		return nil, err
	}
	list := w.foreignRoutes(addresses)
	table, err := w.tableRows(ctx, "mailertable")
	if err != nil {
		return nil, err
	}
	rows := map[string]string{}
	for domain, value := range table {
		rows[routeKey("", strings.ToLower(domain))] = value
	}
	list = append(list, w.foreignSmarthosts(label, rows)...)
	domains, err := w.foreignDomains(ctx)
	if err != nil {
		return nil, err
	}
	list = append(list, domains...)
	list = slices.DeleteFunc(list, func(o providers.Observed) bool { return have[schema.ID{Kind: o.Kind, Key: o.Key}] })
	slices.SortFunc(list, func(a, b providers.Observed) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return list, nil
}

// foreignRoutes are the rows of a virtusertable.
func (w *world) foreignRoutes(table map[string]string) []providers.Observed {
	have := map[string]bool{}
	var list []providers.Observed
	for key, value := range table {
		key = strings.ToLower(key)
		if domain := key[strings.LastIndexByte(key, '@')+1:]; have[key] || !strings.Contains(key, "@") || !isDomain(domain) {
			continue
		}
		have[key] = true
		vals := w.route(key, value, "")
		if strings.HasPrefix(value, "error:") {
			vals = w.route(key, "", refused)
		}
		h := &holding{Kind: schema.KindRoute, Key: key}
		list = append(list, h.observe("", attrs{Value: schema.KindByName(h.Kind).Object(vals)}))
	}
	return list
}

// foreignDomains are those that the administrator has at home here: class w, in
// sendmail.cf and in the files that it names.
func (w *world) foreignDomains(ctx context.Context) ([]providers.Observed, error) {
	theirs := w.theirs()
	var words, paths []string
	for line := range strings.Lines(theirs) {
		if rest, ok := strings.CutPrefix(line, "Cw"); ok {
			words = append(words, strings.Fields(rest)...)
		}
		if rest, ok := strings.CutPrefix(line, "Fw"); ok {
			if f := strings.Fields(strings.TrimPrefix(rest, "-o")); len(f) > 0 && filepath.IsAbs(f[0]) {
				paths = append(paths, f[0])
			}
		}
	}
	if len(paths) > 0 {
		files, err := w.p.on.Read(ctx, paths...)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			for line := range strings.Lines(string(f.Content)) {
				line, _, _ = strings.Cut(line, "#")
				words = append(words, strings.Fields(line)...)
			}
		}
	}
	hostname := effective(theirs)["Dj"]
	have := map[string]bool{hostname: true}
	var list []providers.Observed
	for _, name := range words {
		name = strings.ToLower(name)
		if have[name] || !strings.Contains(name, ".") || !isDomain(name) {
			continue
		}
		have[name] = true
		h := &holding{Kind: schema.KindMailDomain, Key: name}
		list = append(list, h.observe("", attrs{Value: schema.KindByName(h.Kind).Object(map[string]cty.Value{"name": cty.StringVal(name)})}))
	}
	return list, nil
}

func isDomain(name string) bool {
	_, err := schema.ParseDomainName(name)
	return err == nil
}

// label is that of the server whose things are here: as they are declared, or as the
// ledger has them.
func (w *world) label(wanted []schema.Resource) string {
	for i := range wanted {
		if wanted[i].Kind == schema.KindSetting {
			return wanted[i].Key
		}
	}
	for i := range wanted {
		if label, _, ok := strings.Cut(wanted[i].Key, "/"); ok && wanted[i].Kind == schema.KindSmarthost {
			return label
		}
	}
	for _, h := range w.ledger.all(schema.KindSetting) {
		return h.Key
	}
	return serviceKey
}

// seeForeign puts into what there is whatever a batch takes over of others.
func (w *world) seeForeign(ctx context.Context, batch []providers.Change, seen map[schema.ID]*providers.Observed) error {
	takes := func(c providers.Change) bool {
		return c.Action == providers.Update && c.Prior != nil && c.Prior.Owner == "" && seen[schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}] == nil
	}
	var wanted []schema.Resource
	for _, c := range batch {
		if takes(c) {
			wanted = append(wanted, c.Resource)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	list, err := w.foreign(ctx, w.label(wanted), nil)
	for i := range list {
		id := schema.ID{Kind: list[i].Kind, Key: list[i].Key}
		if slices.ContainsFunc(wanted, func(r schema.Resource) bool { return r.Kind == id.Kind && r.Key == id.Key }) {
			seen[id] = &list[i]
		}
	}
	return err
}
