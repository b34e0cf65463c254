package sendmail

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

// The queue is moved while nobody works in it: it is copied, sendmail.cf names the new
// place, and Sendmail is started there. While sendmail.cf names the old place, what
// lies in the new one is of no use; from then on what lies in the old one is, so that
// nothing is sent twice.

// queueKey is the key of the one location.
const queueKey = "queue"

// locationOption is what sendmail.cf says of a location. The error begins with the
// attribute.
func locationOption(key string, a attrs) (option, error) {
	to := a.Str("path")
	if key != queueKey || a.Str("content") != queueKey {
		return option{}, errors.New("content: Sendmail keeps no mail, it has a queue alone")
	}
	if err := checkPath(to); err != nil {
		return option{}, fmt.Errorf("path: %w", err)
	}
	if path.Clean(to) != to {
		return option{}, fmt.Errorf("path: it is written %s", path.Clean(to))
	}
	return option{"QueueDirectory", to}, nil
}

// locationLine is the line of our section that says where the queue lies. It stays
// where nothing is said of that any more, as the queue does.
func (w *world) locationLine() (string, error) {
	for _, h := range w.ledger.all(schema.KindLocation) {
		o, err := locationOption(h.Key, h.attrs)
		return o.String() + "\n", err
	}
	_, section, _, _ := cutSection(string(w.files[w.p.cf].Content))
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "O QueueDirectory=") {
			return line, nil
		}
	}
	return "", nil
}

func (p *Provider) mover() *move.Move { return &move.Move{Host: p.on, Note: p.file("moving.json")} }

// queueDirectory is the directory of the queue that a sendmail.cf names.
func queueDirectory(cf host.File) string {
	if at := effective(string(cf.Content))["queuedirectory"]; at != "" {
		return path.Clean(at)
	}
	return "/var/spool/mqueue"
}

// queueOf is where the queue lies; what is still being moved lies where it was.
func (p *Provider) queueOf(ctx context.Context, cf host.File) (string, error) {
	at := queueDirectory(cf)
	n, err := p.mover().Under(ctx)
	if err == nil && n != nil && n.To == at {
		at = n.From // there is something left to do
	}
	return at, err
}

// unstated is the location of a queue that nothing was said of yet.
func (w *world) unstated() providers.Observed {
	h := &holding{Kind: schema.KindLocation, Key: queueKey}
	return h.observe("", attrs{Value: move.Attrs(queueKey, w.queue)})
}

// place puts where the queue lies into what there is, if a batch says where it is to.
func (w *world) place(batch []providers.Change, seen map[schema.ID]*providers.Observed) {
	id := schema.ID{Kind: schema.KindLocation, Key: queueKey}
	if seen[id] == nil && slices.ContainsFunc(batch, func(c providers.Change) bool { return c.Resource.Kind == schema.KindLocation }) {
		o := w.unstated()
		seen[id] = &o
	}
}

// located puts into what is observed where the queue lies, if anybody says where it is
// to lie, with what is to be moved and how much room there is for it.
func (w *world) located(ctx context.Context, scope providers.Scope, list []providers.Observed) ([]providers.Observed, error) {
	i := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation })
	to := w.queue
	for _, r := range scope.Wanted {
		if r.Kind != schema.KindLocation {
			continue
		}
		if i < 0 {
			i, list = len(list), append(list, w.unstated())
		}
		if v, _ := r.Attrs.GetAttr("path").Unmark(); v.IsKnown() && !v.IsNull() {
			to = v.AsString()
		}
	}
	if i < 0 {
		return list, nil
	}
	size, free, err := move.Room(ctx, w.p.on, w.queue, to)
	if err != nil {
		return nil, err
	}
	messages := cty.NumberIntVal(0)
	if w.files[w.p.cf].Exists {
		n, err := w.p.Queued(ctx)
		if err != nil {
			return nil, err
		}
		messages = cty.NumberIntVal(n)
	}
	vals := list[i].Attrs.AsValueMap()
	vals["messages"], vals["bytes"], vals["free"] = messages, cty.NumberIntVal(size), cty.NumberIntVal(free)
	list[i].Attrs = schema.KindByName(schema.KindLocation).Object(vals)
	return list, nil
}

// moving is where the queue is to lie, and whether that is elsewhere.
func (w *world) moving(was *world) (to string, moves bool) {
	for _, h := range w.ledger.all(schema.KindLocation) {
		to = h.attrs.Str("path")
	}
	return to, to != "" && to != was.queue
}

// relocate has the queue lie elsewhere, and Sendmail go on with it there, or in the old
// place where that cannot be.
func (p *Provider) relocate(ctx context.Context, was, next *world, to string, serve, queueOnly bool) error {
	if strings.ContainsAny(was.queue, "*?[") {
		return fmt.Errorf("path: QueueDirectory is %s, several directories: mailform moves a queue of one", was.queue)
	}
	m := p.mover()
	if err := m.Begin(ctx, was.queue, to); err != nil {
		return err
	}
	// From here on it is finished, or taken back.
	ctx = context.WithoutCancel(ctx)
	back := func(err error) error {
		if was.running {
			err = errors.Join(err, p.begin(ctx, was, was.queueOnly))
		}
		return errors.Join(err, m.End(ctx, was.queue))
	}
	if err := p.end(ctx, was); err != nil {
		return back(err)
	}
	if err := p.still(ctx, was.queue); err != nil {
		return back(err)
	}
	if err := p.copyQueue(ctx); err != nil {
		return back(err)
	}
	accept := func(ctx context.Context) error {
		if err := p.end(ctx, was); err != nil { // one that was begun here and does not run as it should
			return err
		}
		if err := p.accept(ctx); err != nil {
			return err
		}
		files, err := p.on.Read(ctx, p.cf)
		if err != nil {
			return err
		}
		if queueDirectory(files[0]) != to { // it puts back what was
			if !was.running {
				return nil
			}
			return p.begin(ctx, was, was.queueOnly)
		}
		if err := p.follow(ctx); err != nil || !serve {
			return err
		}
		return p.begin(ctx, was, queueOnly)
	}
	if err := p.commitConfig(ctx, was, next, accept); err != nil {
		return errors.Join(err, p.finishMove(ctx))
	}
	return p.finishMove(ctx)
}

// parts are files of messages, which are copied before what names them: bodies, and
// then headers with recipients.
var parts = [][]string{{"df"}, {"qf", "Qf", "hf"}}

// messagesIn are the names of all files of messages in a queue.
func (p *Provider) messagesIn(ctx context.Context, queue string) ([]string, error) {
	out, err := p.on.Run(ctx, host.Cmd("find", queue, "-type", "f", "-printf", "%P\n"))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Fields(string(out.Stdout)), func(name string) bool { return !isPart(name, parts[0]) && !isPart(name, parts[1]) }), nil
}

func isPart(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(s string) bool { return strings.HasPrefix(path.Base(name), s) })
}

// copyQueue copies the queue of a Sendmail that stands still.
func (p *Provider) copyQueue(ctx context.Context) error {
	m := p.mover()
	n, err := m.Under(ctx)
	if err != nil {
		return err
	}
	if n.Copied, err = p.messagesIn(ctx, n.From); err != nil {
		return err
	}
	if err := m.Save(ctx, n); err != nil {
		return err
	}
	return m.Copy(ctx)
}

// follow copies what programs have put into the old place since the queue was copied:
// whoever calls Sendmail by itself needs no daemon. Each message is there as a whole.
func (p *Provider) follow(ctx context.Context) error {
	m := p.mover()
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	late, err := p.messagesIn(ctx, n.From)
	if err != nil {
		return err
	}
	late = slices.DeleteFunc(late, func(name string) bool { return slices.Contains(n.Copied, name) })
	if len(late) == 0 {
		return nil
	}
	const script = `from=$1 to=$2
shift 2
for f do
  mkdir -p -- "$to/$(dirname -- "$f")" && cp -a -- "$from/$f" "$to/$f.mailform" && sync -- "$to/$f.mailform" && mv -f -- "$to/$f.mailform" "$to/$f" || exit 1
done
sync -f -- "$to"`
	for _, prefixes := range parts {
		some := slices.DeleteFunc(slices.Clone(late), func(name string) bool { return !isPart(name, prefixes) })
		if len(some) == 0 {
			continue
		}
		if _, err := host.Must(ctx, p.on, host.Cmd(append([]string{"sh", "-c", script, "sh", n.From, n.To}, some...)...)); err != nil {
			return err
		}
	}
	n.Copied = append(n.Copied, late...)
	return m.Save(ctx, n)
}

// finishMove ends a move that is under way.
func (p *Provider) finishMove(ctx context.Context) error {
	m := p.mover()
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	files, err := p.on.Read(ctx, p.cf)
	if err != nil {
		return err
	}
	at := queueDirectory(files[0])
	if at == n.To {
		if err := p.follow(ctx); err != nil {
			return err
		}
	}
	return m.End(ctx, at)
}
