package sendmail

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
)

// Where mail for an address goes can also stand in the virtusertable of the
// administrator. Ours are looked up before: what is in both goes as ours says.

// virtusertable is the map that sendmail.cf names so: its type and path. It reports
// false where there is none that makemap could read.
func (w *world) virtusertable(ctx context.Context) (typ, path string, ok bool, err error) {
	before, _, after, _ := cutSection(string(w.files[w.p.cf].Content))
	for line := range strings.Lines(before + after) {
		rest, is := strings.CutPrefix(line, "Kvirtuser ")
		fields := strings.Fields(rest)
		if !is || len(fields) < 2 {
			continue
		}
		typ, path = fields[0], fields[len(fields)-1]
		suffix := suffixes[typ]
		if suffix == "" || !filepath.IsAbs(path) {
			return "", "", false, nil
		}
		entries, err := w.p.on.List(ctx, filepath.Dir(path))
		name := strings.TrimSuffix(filepath.Base(path), suffix) + suffix
		return typ, path, err == nil && slices.ContainsFunc(entries, func(e host.Entry) bool { return e.Name == name }), err
	}
	return "", "", false, nil
}

// foreign are the rows of that table, as routes that are nobody's of ours.
func (w *world) foreign(ctx context.Context, known []providers.Observed) ([]providers.Observed, error) {
	typ, path, ok, err := w.virtusertable(ctx)
	if err != nil || !ok {
		return nil, err
	}
	out, err := host.Must(ctx, w.p.on, host.Cmd(w.p.program("makemap"), "-C", w.p.cf, "-u", typ, path))
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, o := range known {
		have[o.Key] = have[o.Key] || o.Kind == schema.KindRoute
	}
	var list []providers.Observed
	for key, value := range parseMap(out.Stdout) {
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
	slices.SortFunc(list, func(a, b providers.Observed) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

func isDomain(name string) bool {
	_, err := schema.ParseDomainName(name)
	return err == nil
}

// seeForeign puts into what there is whatever a batch takes over of others.
func (w *world) seeForeign(ctx context.Context, batch []providers.Change, seen map[schema.ID]*providers.Observed) error {
	takes := func(c providers.Change) bool {
		return c.Action == providers.Update && c.Prior != nil && c.Prior.Owner == "" && c.Resource.Kind == schema.KindRoute &&
			seen[schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}] == nil
	}
	if !slices.ContainsFunc(batch, takes) {
		return nil
	}
	list, err := w.foreign(ctx, nil)
	for i := range list {
		id := schema.ID{Kind: list[i].Kind, Key: list[i].Key}
		if seen[id] == nil && slices.ContainsFunc(batch, func(c providers.Change) bool {
			return takes(c) && c.Resource.Key == id.Key
		}) {
			seen[id] = &list[i]
		}
	}
	return err
}
