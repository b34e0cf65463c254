package postfix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The queue is moved while Postfix stands still: it is copied, main.cf names the new
// place, and Postfix is started there. A note in our directory says what is under
// way. While main.cf names the old place, what lies in the new one is of no use;
// from then on, what lies in the old one is taken away, so that nothing is sent twice.

// queueKey is the key of the one location, queueParameter where main.cf has it.
const (
	queueKey       = "queue"
	queueParameter = "queue_directory"
)

// spare is what has to stay free on a volume beside the queue.
const spare = 64 << 20

// A moveNote says which move is under way.
type moveNote struct {
	From, To string
	// Dropped are the messages of local programs that were copied.
	Dropped []string
}

func (p *Provider) noteFile() string { return p.file("moving.json") }

// askQueue reads where the queue lies, and whether it was on its way there.
func (w *world) askQueue(ctx context.Context) error {
	var err error
	if w.queue, err = w.p.queueDir(ctx); err != nil {
		return err
	}
	n, err := w.p.readNote(ctx)
	if err == nil && n != nil && n.To == w.queue {
		w.queue = n.From // there is something left to do
	}
	return err
}

func (p *Provider) readNote(ctx context.Context) (*moveNote, error) {
	files, err := p.on.Read(ctx, p.noteFile())
	if err != nil || !files[0].Exists {
		return nil, err
	}
	n := new(moveNote)
	if err := json.Unmarshal(files[0].Content, n); err != nil || !filepath.IsAbs(n.From) || !filepath.IsAbs(n.To) {
		return nil, fmt.Errorf("%s is damaged: %w", p.noteFile(), err)
	}
	return n, nil
}

// observedQueue is where the queue lies, for whoever wants to say where.
func (w *world) observedQueue() *providers.Observed {
	return &providers.Observed{Kind: schema.KindLocation, Key: queueKey, Attrs: location(w.queue), Revision: digest(w.queue)}
}

// location are the attributes of a location without what is counted.
func location(path string) cty.Value {
	return move.Attrs(queueKey, path)
}

// count puts into what is observed of the queue what lies there, and how much room
// there is where it is to lie.
func (w *world) count(ctx context.Context, list []providers.Observed, wanted map[schema.ID]cty.Value) error {
	i := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation })
	if i < 0 {
		return nil
	}
	to := w.queue
	if want, ok := wanted[schema.ID{Kind: schema.KindLocation, Key: queueKey}]; ok && want.GetAttr("path").IsKnown() {
		v, _ := want.GetAttr("path").Unmark()
		to = v.AsString()
	}
	messages, err := w.p.countQueue(ctx, w.queue, queueDirs)
	if err != nil {
		return err
	}
	size, free, err := w.p.room(ctx, w.queue, to)
	if err != nil {
		return err
	}
	vals := list[i].Attrs.AsValueMap()
	vals["messages"], vals["bytes"], vals["free"] = cty.NumberIntVal(messages), cty.NumberIntVal(size), cty.NumberIntVal(free)
	list[i].Attrs = schema.KindByName(schema.KindLocation).Object(vals)
	return nil
}

// room tells how large a queue is, and what is free where it is to lie, which need
// not be there.
func (p *Provider) room(ctx context.Context, queue, to string) (size, free int64, err error) {
	const script = `du -sk -- "$1" | cut -f 1
to=$2
while [ ! -e "$to" ]; do to=$(dirname -- "$to"); done
df -Pk -- "$to" | awk 'NR == 2 { print $4 }'`
	out, err := host.Must(ctx, p.on, host.Cmd("sh", "-c", script, "sh", queue, to))
	if err != nil {
		return 0, 0, err
	}
	f := strings.Fields(string(out.Stdout))
	if len(f) != 2 {
		return 0, 0, fmt.Errorf("du and df say %q", out.Stdout)
	}
	size, err = strconv.ParseInt(f[0], 10, 64)
	if err == nil {
		free, err = strconv.ParseInt(f[1], 10, 64)
	}
	return size << 10, free << 10, err
}

// moving is where the queue is to lie, and whether that is elsewhere.
func (w *world) moving(was *world) (to string, moves bool) {
	to, set := w.main.parameter(queueParameter)
	before, _ := was.main.parameter(queueParameter)
	return to, set && to != before && w.ledger.find(schema.KindLocation, queueKey) != nil
}

// emptyPlace fails with the name of something that lies in a directory, but for what
// comes with a volume.
const emptyPlace = `for f in "$1"/* "$1"/.[!.]*; do
  case $f in */lost+found|"$1/*"|"$1/.[!.]*") ;; *) echo "$f"; exit 1 ;; esac
done`

// takePlace looks whether the queue can lie in another place, and says where it does.
func (p *Provider) takePlace(ctx context.Context, to string) (from string, err error) {
	if from, err = p.queueDir(ctx); err != nil || from == to {
		return from, err
	}
	if strings.HasPrefix(to+"/", from+"/") || strings.HasPrefix(from+"/", to+"/") {
		return "", fmt.Errorf("path: the one of %s and %s lies in the other", from, to)
	}
	n, err := p.readNote(ctx)
	if err != nil {
		return "", err
	}
	if n != nil && n.To == to { // what was copied then is not true any more
		if err := p.clear(ctx, to); err != nil {
			return "", err
		}
	}
	out, err := p.on.Run(ctx, host.Cmd("sh", "-c", emptyPlace, "sh", to))
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return "", fmt.Errorf("path: there is %s, and nothing else may lie where the queue is to lie", strings.TrimSpace(string(out.Stdout)))
	}
	size, free, err := p.room(ctx, from, to)
	if err != nil {
		return "", err
	}
	if size+spare > free {
		return "", fmt.Errorf("path: %s has room for %d bytes, and %d are to be moved there", to, free, size)
	}
	return from, nil
}

// copyQueue copies the queue of a Postfix that stands still.
func (p *Provider) copyQueue(ctx context.Context, from, to string) error {
	dropped, err := p.dropped(ctx, from)
	if err != nil {
		return err
	}
	if err := p.writeNote(ctx, moveNote{from, to, dropped}); err != nil {
		return err
	}
	// The directory itself gets the owner and the mode of the old one by the copy.
	if _, err = host.Must(ctx, p.on, host.Cmd("sh", "-c", `mkdir -p -- "$2" && cp -a -- "$1/." "$2/" && sync -f -- "$2"`, "sh", from, to)); err != nil {
		return errors.Join(fmt.Errorf("copy the queue to %s: %w", to, err), p.clear(ctx, to), p.on.Remove(ctx, p.noteFile()))
	}
	return nil
}

func (p *Provider) writeNote(ctx context.Context, n moveNote) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	files, err := p.on.Read(ctx, p.noteFile())
	if err != nil {
		return err
	}
	return p.on.Write(ctx, files[0].With(append(text, '\n')))
}

// dropped lists the messages that local programs have handed in and that were not
// taken up.
func (p *Provider) dropped(ctx context.Context, queue string) ([]string, error) {
	out, err := p.on.Run(ctx, host.Cmd("find", filepath.Join(queue, "maildrop"), "-type", "f"))
	return strings.Fields(string(out.Stdout)), err
}

// clear takes away all that a queue is, and leaves the directory.
func (p *Provider) clear(ctx context.Context, queue string) error {
	_, err := host.Must(ctx, p.on, host.Cmd("find", queue, "-xdev", "-mindepth", "1", "-maxdepth", "1", "!", "-name", "lost+found", "-exec", "rm", "-rf", "--", "{}", "+"))
	return err
}

// finishMove ends a move: what local programs have put into the old place meanwhile
// follows, and the rest of it goes. Where main.cf still names the old place, the copy
// goes instead.
func (p *Provider) finishMove(ctx context.Context) error {
	n, err := p.readNote(ctx)
	if err != nil || n == nil {
		return err
	}
	at, err := p.queueDir(ctx)
	if err != nil {
		return err
	}
	gone := n.To
	if at == n.To {
		gone = n.From
		if err := p.follow(ctx, n); err != nil {
			return err
		}
	}
	if out, err := p.on.Run(ctx, host.Cmd("test", "-d", gone)); err != nil {
		return err
	} else if out.Code == 0 {
		if err := p.clear(ctx, gone); err != nil {
			return err
		}
	}
	return p.on.Remove(ctx, p.noteFile())
}

// follow copies what local programs have put into the old place while main.cf named it.
func (p *Provider) follow(ctx context.Context, n *moveNote) error {
	late, err := p.dropped(ctx, n.From)
	if err != nil {
		return err
	}
	late = slices.DeleteFunc(late, func(f string) bool { return slices.Contains(n.Dropped, f) })
	if len(late) == 0 {
		return p.rename(ctx)
	}
	c := append([]string{"cp", "-a", "-t", filepath.Join(n.To, "maildrop"), "--"}, late...)
	if _, err := host.Must(ctx, p.on, host.Cmd(c...)); err != nil {
		return err
	}
	return errors.Join(p.writeNote(ctx, moveNote{n.From, n.To, append(n.Dropped, late...)}), p.rename(ctx))
}

// rename gives messages the names that their files have on their volume. "postfix start"
// does so too, but then fails where it is to tell of it in a log file of root's.
func (p *Provider) rename(ctx context.Context) error {
	_, err := p.on.Run(ctx, p.program("postsuper", "-s"))
	return err
}

// relocate writes files, of which main.cf names another place of the queue, and has
// the queue there.
func (p *Provider) relocate(ctx context.Context, to string, running bool, files []host.File) error {
	from, err := p.takePlace(ctx, to)
	if err != nil {
		return err
	}
	if running {
		if err := p.daemon().End(ctx); err != nil {
			return err
		}
	}
	back := func(err error) error {
		if running {
			err = errors.Join(err, p.begin(ctx))
		}
		return err
	}
	if from != to {
		if err := p.copyQueue(ctx, from, to); err != nil {
			return back(err)
		}
	}
	accept := func(ctx context.Context) error {
		if err := p.accept(false, false)(ctx); err != nil {
			return err
		}
		at, err := p.queueDir(ctx)
		if n, nerr := p.readNote(ctx); err == nil && nerr == nil && n != nil && at == to { // else this puts back what was
			err = p.follow(ctx, n)
		}
		if err != nil || !running {
			return err
		}
		if _, err := host.Must(ctx, p.on, p.program("postfix", "check")); err != nil {
			return err
		}
		return p.begin(ctx)
	}
	if err := p.trial(accept).Run(ctx, files...); err != nil {
		return errors.Join(back(err), p.finishMove(ctx))
	}
	return p.finishMove(ctx)
}
