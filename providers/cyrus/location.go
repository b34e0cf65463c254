package cyrus

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The mail is that of one partition, the one that new mailboxes are made on. Most of
// it is copied while Cyrus is at work, the rest while it stands still. Then imapd.conf
// names the new place, Cyrus is started there, and only then the old place is emptied.
// What imapd.conf says is where the mail is, at every time.

// The indexes are in the directories of the mailboxes, or in those of a metapartition.
// Nobody can make them anew of the mail, since flags are in them: they are moved alike.

// Keys of the locations.
const (
	storageKey = "storage"
	indexKey   = "index"
)

// A mover moves the mail, or the indexes.
type mover interface {
	Under(context.Context) (*move.Note, error)
	Begin(ctx context.Context, from, to string) error
	Ahead(context.Context) error
	Still(context.Context) error
	Copy(context.Context) error
	End(ctx context.Context, at string) error
}

func (p *Provider) mover() *move.Move {
	return &move.Move{Host: p.host, Note: path.Join(p.ownDir(), "moving.json")}
}

// indexMover moves the indexes of the mail in a directory.
func (p *Provider) indexMover(mail string) *move.Part {
	return &move.Part{
		Move: move.Move{Host: p.host, Note: path.Join(p.ownDir(), "moving-index.json")}, Base: mail,
		Within: "-path ./lost+found -o -path './stage.*'",
		Names:  "-name cyrus." + strings.Join(indexFiles, " -o -name cyrus."),
	}
}

// indexFiles are what the indexes consist of, as metapartition_files names them; in a
// mailbox they are called cyrus.header and so on.
var indexFiles = []string{"header", "index", "cache", "expunge", "squat", "annotations"}

// partitionOption is the option that says where the mail of new mailboxes lies.
func (p *Provider) partitionOption(f *optionsFile) string {
	name := p.partition
	if name == "" {
		if name, _ = f.get("defaultpartition"); name == "" {
			name = "default"
		}
	}
	return "partition-" + name
}

// Options that say where the indexes lie, and which files they are.
func (p *Provider) indexOption(f *optionsFile) string { return "meta" + p.partitionOption(f) }

const indexFilesOption = "metapartition_files"

// indexPlace is where options have the indexes lie of the mail in a directory.
func (p *Provider) indexPlace(f *optionsFile, mail string) string {
	at, _ := f.get(p.indexOption(f))
	if _, some := f.get(indexFilesOption); at == "" || !some {
		return mail
	}
	return path.Clean(at)
}

// askPlace finds where the mail and its indexes lie; what is still being moved is where
// it was.
func (w *world) askPlace(ctx context.Context) error {
	at, _ := w.options.get(w.p.partitionOption(w.options))
	if at == "" {
		return nil
	}
	w.at = path.Clean(at)
	n, err := w.p.mover().Under(ctx)
	if err == nil && n != nil && n.To == w.at {
		w.at = n.From // there is something left to do
	}
	if err != nil {
		return err
	}
	w.index = w.p.indexPlace(w.options, w.at)
	if n, err = w.p.indexMover(w.at).Under(ctx); err == nil && n != nil && n.To == w.index {
		w.index = n.From
	}
	return err
}

// place is where something lies; empty: nothing says it.
func (w *world) place(key string) string {
	switch key {
	case storageKey:
		return w.at
	case indexKey:
		return w.index
	}
	return ""
}

func (w *world) locationAttrs(key string) map[string]cty.Value {
	return move.Attrs(key, w.place(key)).AsValueMap()
}

// readPlace reads where the mail is declared to lie.
func readPlace(r schema.Resource) (string, error) {
	to := r.Attrs.GetAttr("path").AsString()
	if r.Key != storageKey && r.Key != indexKey || r.Attrs.GetAttr("content").AsString() != r.Key {
		return "", lack("content", "it has its mail and the indexes of that to be moved, and nothing else")
	}
	if _, err := checkOption("path", to); err != nil || !path.IsAbs(to) || path.Clean(to) != to || to == "/" || strings.ContainsAny(to, " \t\"\\") {
		return "", lack("path", "it is no path of a directory that Cyrus takes, absolute and written in the shortest way")
	}
	return to, nil
}

// located counts what would be moved, where something would.
func (w *world) located(ctx context.Context, o *providers.Observed, want schema.Resource) error {
	v, _ := want.Attrs.GetAttr("path").Unmark()
	if !v.IsKnown() || v.IsNull() || v.AsString() == w.place(want.Key) {
		return nil
	}
	vals := w.locationAttrs(want.Key)
	if want.Key == indexKey {
		size, free, err := w.p.indexMover(w.at).Room(ctx, w.index, v.AsString())
		vals["messages"], vals["bytes"], vals["free"] = cty.NullVal(cty.Number), cty.NumberIntVal(size), cty.NumberIntVal(free)
		o.Attrs = schema.KindByName(schema.KindLocation).Object(vals)
		return err
	}
	size, free, err := move.Room(ctx, w.p.host, w.at, v.AsString())
	if err != nil {
		return err
	}
	out, err := w.p.host.Run(ctx, host.Cmd("find", w.at, "-type", "f", "-name", "[0-9]*.", "-printf", "."))
	if err != nil {
		return err
	}
	vals["messages"], vals["bytes"], vals["free"] = cty.NumberIntVal(int64(len(out.Stdout))), cty.NumberIntVal(size), cty.NumberIntVal(free)
	o.Attrs = schema.KindByName(schema.KindLocation).Object(vals)
	return nil
}

// beside refuses a place for the indexes that cannot be.
func (w *world) beside(index, mail string) error {
	if _, theirs := w.options.getForeign(indexFilesOption, false); theirs {
		return lack("path", "%s has %s already, which says which files lie elsewhere: take it out, and have them lie with the mail", w.p.optionsPath(), indexFilesOption)
	}
	if index != mail && (strings.HasPrefix(index+"/", mail+"/") || strings.HasPrefix(mail+"/", index+"/")) {
		return lack("path", "the one of %s and %s, where the mail is, lies in the other", index, mail)
	}
	return nil
}

// applyLocation moves the mail and the indexes, the mail first.
func (p *Provider) applyLocation(ctx context.Context, r *report) error {
	trial := &host.Trial{Host: p.host, Note: p.notePath(), Accept: p.accept}
	if err := trial.Finish(ctx); err != nil {
		return err
	}
	order := make([]int, len(r.batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(r.batch[b].Resource.Key, r.batch[a].Resource.Key) })
	for _, i := range order {
		c := r.batch[i]
		if err := p.finishMove(ctx, c); err != nil {
			return err
		}
		w, err := p.load(ctx, false)
		if err != nil {
			return err
		}
		v, err := w.judge(c)
		switch {
		case err != nil || v.settled:
			r.settle(i, v.now, err)
			continue
		case c.Action == providers.Delete: // it stays where it is
			w.model.drop(c.Resource.Kind, c.Resource.Key)
			err = w.writeModel(ctx)
		default:
			w.model.put(c.Resource, p.lineage, mark{})
			move := p.place
			if c.Resource.Key == indexKey {
				move = p.placeIndex
			}
			err = move(ctx, w, trial, v.wish.place)
		}
		if err == nil {
			w, err = p.load(ctx, false)
		}
		r.settle(i, w.observe(c.Resource.Kind, c.Resource.Key), err)
	}
	return nil
}

// place has the mail lie in a directory, where it may be.
func (p *Provider) place(ctx context.Context, w *world, trial *host.Trial, to string) error {
	if w.at == "" {
		return fmt.Errorf("%s does not say where %s is", p.optionsPath(), p.partitionOption(w.options))
	}
	if to == w.at {
		return w.writeModel(ctx)
	}
	name := p.partitionOption(w.options)
	for _, o := range w.options.all() {
		if o.name != name && strings.HasPrefix(path.Clean(o.value)+"/", w.at+"/") {
			return lack("path", "%s is %s, which lies in %s and would be moved with it", o.name, o.value, w.at)
		}
	}
	own := slices.DeleteFunc(slices.Clone(w.options.ours), func(o option) bool { return o.name == name })
	w.options.set(append(own, option{name, to}))
	files, err := w.files()
	if err != nil {
		return err
	}
	if err := p.host.Mkdir(ctx, host.Dir{Path: p.ownDir()}); err != nil {
		return err
	}
	return p.relocate(ctx, w, trial, p.mover(), w.at, to, files)
}

// placeIndex has the indexes lie in a directory, where they may be.
func (p *Provider) placeIndex(ctx context.Context, w *world, trial *host.Trial, to string) error {
	if w.at == "" {
		return fmt.Errorf("%s does not say where %s is", p.optionsPath(), p.partitionOption(w.options))
	}
	if to == w.index {
		return w.writeModel(ctx)
	}
	if err := w.beside(to, w.at); err != nil {
		return err
	}
	name := p.indexOption(w.options)
	own := slices.DeleteFunc(slices.Clone(w.options.ours), func(o option) bool { return o.name == name || o.name == indexFilesOption })
	if to != w.at {
		own = append(own, option{name, to}, option{indexFilesOption, strings.Join(indexFiles, " ")})
	}
	w.options.set(own)
	files, err := w.files()
	if err != nil {
		return err
	}
	user, group, err := p.cyrusUser(ctx)
	if err != nil {
		return err
	}
	m := p.indexMover(w.at)
	if err := m.Begin(ctx, w.index, to); err != nil {
		return err
	}
	if err := p.host.Mkdir(ctx, host.Dir{Path: p.ownDir()}, host.Dir{Path: to, Mode: 0o750, Owner: user + ":" + group}); err != nil {
		return err
	}
	return p.relocate(ctx, w, trial, m, w.index, to, files)
}

// relocate copies what is moved, and has Cyrus go on with it in the new place, or in
// the old one where that cannot be.
func (p *Provider) relocate(ctx context.Context, w *world, trial *host.Trial, m mover, from, to string, files []host.File) error {
	if err := m.Begin(ctx, from, to); err != nil {
		return err
	}
	if err := m.Ahead(ctx); err != nil {
		return err
	}
	// From here on it is finished, or taken back.
	ctx = context.WithoutCancel(ctx)
	again := func(ctx context.Context) error {
		if !w.running {
			return nil
		}
		return p.begin(ctx)
	}
	err := p.service().End(ctx)
	if err == nil {
		err = m.Still(ctx)
	}
	if err == nil {
		err = m.Copy(ctx)
	}
	if err != nil {
		return errors.Join(err, again(ctx), m.End(ctx, from))
	}
	t := *trial
	t.Accept = func(ctx context.Context) error {
		if err := p.service().End(ctx); err != nil { // one that was begun here and does not run as it should
			return err
		}
		if err := p.accept(ctx); err != nil {
			return err
		}
		if err := again(ctx); err != nil || !w.running {
			return err
		}
		return p.opens(ctx)
	}
	return errors.Join(changed(t.Run(ctx, files...)), p.finishMove(ctx, providers.Change{}))
}

// opens looks whether a Cyrus that runs finds the mail of somebody.
func (p *Provider) opens(ctx context.Context) error {
	w, err := p.load(ctx, true)
	if err != nil {
		return err
	}
	for address, b := range w.boxes {
		if !b.there || checkAddress(address) != nil {
			continue
		}
		held, err := p.Count(ctx, []string{address})
		if err != nil {
			return err
		}
		if _, ok := held[address]; !ok {
			return fmt.Errorf("Cyrus does not find the mail of %s", address)
		}
		return nil
	}
	return nil
}

// finishMove ends a move that was cut off. One that did not come as far as imapd.conf is
// left as it is where the change goes on with it.
func (p *Provider) finishMove(ctx context.Context, c providers.Change) error {
	files, err := p.host.Read(ctx, p.optionsPath())
	if err != nil {
		return err
	}
	f := parseOptions(files[0].Content)
	mail, _ := f.get(p.partitionOption(f))
	mail = path.Clean(mail)
	if err := p.finish(ctx, p.mover(), p.mover().Note, mail, storageKey, c); err != nil {
		return err
	}
	m := p.indexMover(mail)
	return p.finish(ctx, m, m.Note, p.indexPlace(f, mail), indexKey, c)
}

// finish ends a move of something that is at a place by what imapd.conf says.
func (p *Provider) finish(ctx context.Context, m mover, note, at, key string, c providers.Change) error {
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	if at != n.To && c.Resource.Kind == schema.KindLocation && c.Resource.Key == key && c.Action != providers.Delete {
		if v, _ := c.Resource.Attrs.GetAttr("path").Unmark(); v.IsKnown() && !v.IsNull() && v.AsString() == n.To {
			return nil
		}
	}
	if at != n.To && at != n.From {
		return fmt.Errorf("%s says that the %s is in %s, while it is being moved from %s to %s (%s). Have it say where it is", p.optionsPath(), key, at, n.From, n.To, note)
	}
	return m.End(ctx, at)
}
