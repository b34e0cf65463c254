package dovecot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The mail is moved in two steps: most of it is copied while Dovecot is at work, the
// rest while it stands still. Then the settings name the new place, Dovecot is started
// there and finds a user there, and only then the old place is emptied. What the file
// of settings says is where the mail is, at every time.

// storageKey is the key of the one location.
const storageKey = "storage"

var storageID = schema.ID{Kind: schema.KindLocation, Key: storageKey}

// placePrefix begins the comment that says where the mail lies, if that is not where
// the provider's block says. It stays when nothing is said of a place any more.
const placePrefix = "#place "

func parsePlace(text []byte) string {
	for line := range strings.Lines(string(text)) {
		if at, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), placePrefix); ok {
			return at
		}
	}
	return ""
}

// mailDirOf is where the settings have the mail lie.
func (p *Provider) mailDirOf(s *settings) string {
	if s.place != "" {
		return s.place
	}
	return p.mailDir
}

func (p *Provider) mover() *move.Move {
	return &move.Move{Host: p.host, Note: path.Join(p.ours(), "moving.json")}
}

// checkPlace refuses paths that cannot stand in Dovecot's configuration as they are.
func checkPlace(to string) error {
	switch {
	case !path.IsAbs(to) || path.Clean(to) != to || to == "/":
		return errors.New("path is not an absolute path of a directory, written in the shortest way")
	case strings.ContainsFunc(to, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("%$#\"'\\{}:=<>,&", r)
	}):
		return errors.New("path has a character that cannot stand in Dovecot's configuration")
	}
	return nil
}

// unstated is where the mail lies, if nothing was said of that yet.
func (p *Provider) unstated(st *state) providers.Observed {
	return p.seen(mark{Kind: storageID.Kind, Key: storageID.Key}, locationAttrs(st.at))
}

func locationAttrs(at string) map[string]cty.Value {
	return move.Attrs(storageKey, at).AsValueMap()
}

// located puts into what is observed where the mail lies, if anybody says where it is
// to lie. What would be moved is counted, and what would not is not.
func (p *Provider) located(ctx context.Context, st *state, scope providers.Scope, list []providers.Observed) ([]providers.Observed, error) {
	for i := range scope.Wanted {
		r := &scope.Wanted[i]
		if r.Kind != schema.KindLocation || !st.main.Exists {
			continue
		}
		at := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation })
		if at < 0 {
			at, list = len(list), append(list, p.unstated(st))
		}
		v, _ := r.Attrs.GetAttr("path").Unmark()
		if !v.IsKnown() || v.IsNull() || v.AsString() == st.at {
			continue
		}
		size, free, err := move.Room(ctx, p.host, st.at, v.AsString())
		if err != nil {
			return nil, err
		}
		out, err := p.host.Run(ctx, host.Cmd("find", st.at, "-type", "f", "(", "-path", "*/cur/*", "-o", "-path", "*/new/*", ")", "-printf", "."))
		if err != nil {
			return nil, err
		}
		vals := locationAttrs(st.at)
		vals["messages"], vals["bytes"], vals["free"] = cty.NumberIntVal(int64(len(out.Stdout))), cty.NumberIntVal(size), cty.NumberIntVal(free)
		list[at].Attrs = schema.KindByName(schema.KindLocation).Object(vals)
	}
	return list, nil
}

// finishMove ends a move that was cut off. One that did not come as far as the settings
// is left as it is where a batch goes on with it.
func (p *Provider) finishMove(ctx context.Context, batch []providers.Change) error {
	m := p.mover()
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	files, err := p.host.Read(ctx, p.settingsFile())
	if err != nil {
		return err
	}
	at := p.mailDirOf(&settings{place: parsePlace(files[0].Content)})
	goesOn := slices.ContainsFunc(batch, func(c providers.Change) bool {
		if c.Resource.Kind != schema.KindLocation || c.Action == providers.Delete {
			return false
		}
		v, _ := c.Resource.Attrs.GetAttr("path").Unmark()
		return v.IsKnown() && !v.IsNull() && v.AsString() == n.To
	})
	if at != n.To && goesOn {
		return nil
	}
	return m.End(ctx, at)
}

// relocate has the mail lie where the settings say by now, and Dovecot go on with it
// there, or in the old place where that cannot be.
func (e *edit) relocate(ctx context.Context, files []host.File) error {
	p, st := e.p, e.st
	to, m := p.mailDirOf(st.settings), p.mover()
	if out, err := p.host.Run(ctx, host.Cmd("test", "-d", st.at)); err != nil {
		return err
	} else if out.Code != 0 { // there was never any mail
		return e.writeAll(ctx, files)
	}
	if err := m.Begin(ctx, st.at, to); err != nil {
		return err
	}
	if err := m.Ahead(ctx); err != nil {
		return err
	}
	// From here on it is finished, or taken back.
	ctx = context.WithoutCancel(ctx)
	svc := p.service(st.tree)
	again := func(ctx context.Context) error {
		if !st.running {
			return nil
		}
		return svc.Begin(ctx)
	}
	err := svc.End(ctx)
	if err == nil {
		err = m.Still(ctx)
	}
	if err == nil {
		err = m.Copy(ctx)
	}
	if err != nil {
		return errors.Join(err, again(ctx), m.End(ctx, st.at))
	}
	e.accept = func(ctx context.Context) error {
		if err := svc.End(ctx); err != nil { // one that was begun here and does not run as it should
			return err
		}
		if _, err := host.Must(ctx, p.host, host.Cmd(p.program("doveconf"), "-c", p.mainFile(), "-n")); err != nil {
			return fmt.Errorf("Dovecot refuses the configuration: %w", err) //nolint:staticcheck // a name
		}
		if err := again(ctx); err != nil {
			return err
		}
		return e.finds(ctx)
	}
	if err := e.writeAll(ctx, files); err != nil {
		return errors.Join(err, p.finishMove(ctx, nil))
	}
	return p.finishMove(ctx, nil)
}

// finds looks whether a Dovecot that runs finds a user where the settings say.
func (e *edit) finds(ctx context.Context) error {
	p, list := e.p, e.st.list
	i := slices.IndexFunc(list.users, func(u user) bool { return u.unix == [5]string{} && !strings.ContainsAny(u.address, "*?") })
	if !e.st.running || i < 0 {
		return nil
	}
	files, err := p.host.Read(ctx, p.settingsFile())
	if err != nil {
		return err
	}
	at := p.mailDirOf(&settings{place: parsePlace(files[0].Content)})
	c := host.Cmd(p.program("doveadm"), "-c", p.mainFile(), "user", "-f", "home", list.users[i].address)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := p.host.Run(ctx, c)
		if err != nil {
			return err
		}
		home := strings.TrimSpace(string(out.Stdout))
		if strings.HasPrefix(home, at+"/") {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("Dovecot looks for the mail of %s in %q, and not below %s", list.users[i].address, home, at), out.Err(c)) //nolint:staticcheck // a name
		}
	}
}
