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

// The indexes lie with the mail, or in a directory of their own, and are moved alike:
// they have more in them than can be made anew of the mail, as what changed when.

// Keys of the locations.
const (
	storageKey = "storage"
	indexKey   = "index"
)

var (
	storageID = schema.ID{Kind: schema.KindLocation, Key: storageKey}
	indexID   = schema.ID{Kind: schema.KindLocation, Key: indexKey}
)

// placePrefix begins the comment that says where the mail lies, if that is not where
// the provider's block says. It stays when nothing is said of a place any more.
const placePrefix = "#place "

// indexPrefix begins the comment that says where the indexes lie, if that is not with
// the mail.
const indexPrefix = "#index "

func parsePlace(text []byte) string { return commented(text, placePrefix) }
func parseIndex(text []byte) string { return commented(text, indexPrefix) }

// commented is what follows a comment of ours.
func commented(text []byte, prefix string) string {
	for line := range strings.Lines(string(text)) {
		if at, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), prefix); ok {
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

// indexDirOf is where the settings have the indexes of mail lie.
func indexDirOf(s *settings, mail string) string {
	if s.index != "" {
		return s.index
	}
	return mail
}

// A mover moves the mail, or its indexes.
type mover interface {
	Under(context.Context) (*move.Note, error)
	Begin(ctx context.Context, from, to string) error
	Ahead(context.Context) error
	Still(context.Context) error
	Copy(context.Context) error
	End(ctx context.Context, at string) error
}

func (p *Provider) mover() *move.Move {
	return &move.Move{Host: p.host, Note: path.Join(p.ours(), "moving.json")}
}

// indexMover moves the indexes of mail. Beside it they are in the directory of each
// mailbox, DIR/example.com/alice/Maildir/.Sent; in a directory of their own a mailbox
// is DIR/example.com/alice/.Sent, and the inbox .INBOX.
func (p *Provider) indexMover(mail string) *move.Part {
	return &move.Part{
		Move: move.Move{Host: p.host, Note: path.Join(p.ours(), "moving-index.json")}, Base: mail,
		Within: `-name cur -o -name new -o -name tmp -o -path './*/*/*' ! -path './*/*/Maildir' ! -path './*/*/Maildir/*'`,
		Names:  `-name 'dovecot.index*' -o -name 'dovecot.list.index*'`,
		Out:    `s,^\([^/]*/[^/]*\)/Maildir$,\1/.INBOX,;s,^\([^/]*/[^/]*\)/Maildir/\(dovecot\.index[^/]*\)$,\1/.INBOX/\2,;s,^\([^/]*/[^/]*\)/Maildir/,\1/,`,
		Back:   `s,^\([^/]*/[^/]*\)/\.INBOX/\([^/]*\)$,\1/\2,;s,^\([^/]*/[^/]*\)/\(..*\)$,\1/Maildir/\2,`,
	}
}

// beside refuses a place for indexes that lies in that of the mail, or the other way
// round: it may be the same.
func beside(index, mail string) error {
	if index != mail && (strings.HasPrefix(index+"/", mail+"/") || strings.HasPrefix(mail+"/", index+"/")) {
		return fmt.Errorf("path has the indexes in %s and the mail in %s, of which one lies in the other: it has to be another directory, or that of the mail", index, mail)
	}
	return nil
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

// unstated is where something lies, if nothing was said of that yet.
func (p *Provider) unstated(st *state, id schema.ID) providers.Observed {
	return p.seenPlace(st, mark{Kind: id.Kind, Key: id.Key})
}

// seenPlace is where something lies. Indexes that lie with the mail stay the same
// where that is moved.
func (p *Provider) seenPlace(st *state, m mark) providers.Observed {
	o := p.seen(m, st.locationAttrs(m.Key))
	if m.Key == indexKey && st.index == st.at {
		o.Revision = revision(fmt.Appendf(nil, "with the mail\x00%s\x00%s\x00%d", m.Owner, m.Lineage, m.Gen))
	}
	return o
}

// place is where something lies.
func (st *state) place(key string) string {
	if key == indexKey {
		return st.index
	}
	return st.at
}

func (st *state) locationAttrs(key string) map[string]cty.Value {
	return move.Attrs(key, st.place(key)).AsValueMap()
}

// located puts into what is observed where the mail lies, if anybody says where it is
// to lie. What would be moved is counted, and what would not is not.
func (p *Provider) located(ctx context.Context, st *state, scope providers.Scope, list []providers.Observed) ([]providers.Observed, error) {
	for i := range scope.Wanted {
		r := &scope.Wanted[i]
		if r.Kind != schema.KindLocation || r.Key != storageKey && r.Key != indexKey || !st.main.Exists {
			continue
		}
		at := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation && o.Key == r.Key })
		if at < 0 {
			at, list = len(list), append(list, p.unstated(st, r.ID()))
		}
		v, _ := r.Attrs.GetAttr("path").Unmark()
		if !v.IsKnown() || v.IsNull() || v.AsString() == st.place(r.Key) {
			continue
		}
		vals, err := p.counted(ctx, st, r.Key, v.AsString())
		if err != nil {
			return nil, err
		}
		list[at].Attrs = schema.KindByName(schema.KindLocation).Object(vals)
	}
	return list, nil
}

// counted are the attributes of where something lies, with how much would be moved.
func (p *Provider) counted(ctx context.Context, st *state, key, to string) (map[string]cty.Value, error) {
	vals := st.locationAttrs(key)
	if key == indexKey {
		size, free, err := p.indexMover(st.at).Room(ctx, st.index, to)
		vals["messages"], vals["bytes"], vals["free"] = cty.NullVal(cty.Number), cty.NumberIntVal(size), cty.NumberIntVal(free)
		return vals, err
	}
	size, free, err := move.Room(ctx, p.host, st.at, to)
	if err != nil {
		return nil, err
	}
	out, err := p.host.Run(ctx, host.Cmd("find", st.at, "-type", "f", "(", "-path", "*/cur/*", "-o", "-path", "*/new/*", ")", "-printf", "."))
	vals["messages"], vals["bytes"], vals["free"] = cty.NumberIntVal(int64(len(out.Stdout))), cty.NumberIntVal(size), cty.NumberIntVal(free)
	return vals, err
}

// finishMove ends a move that was cut off. One that did not come as far as the settings
// is left as it is where a batch goes on with it.
func (p *Provider) finishMove(ctx context.Context, batch []providers.Change) error {
	files, err := p.host.Read(ctx, p.settingsFile())
	if err != nil {
		return err
	}
	now := &settings{place: parsePlace(files[0].Content), index: parseIndex(files[0].Content)}
	mail := p.mailDirOf(now)
	return errors.Join(finish(ctx, p.mover(), mail, storageKey, batch), finish(ctx, p.indexMover(mail), indexDirOf(now, mail), indexKey, batch))
}

func finish(ctx context.Context, m mover, at, key string, batch []providers.Change) error {
	n, err := m.Under(ctx)
	if err != nil || n == nil {
		return err
	}
	goesOn := slices.ContainsFunc(batch, func(c providers.Change) bool {
		if c.Resource.Kind != schema.KindLocation || c.Resource.Key != key || c.Action == providers.Delete {
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

// writer is what writes the settings: it moves the mail, or its indexes, where they say
// that these lie elsewhere by now.
func (e *edit) writer() func(context.Context, []host.File) error {
	p, st := e.p, e.st
	mail := p.mailDirOf(st.settings)
	index := indexDirOf(st.settings, st.at)
	switch {
	case mail != st.at:
		return func(ctx context.Context, files []host.File) error {
			return e.relocate(ctx, p.mover(), st.at, mail, files)
		}
	case index != st.index:
		return func(ctx context.Context, files []host.File) error {
			if err := beside(index, mail); err != nil {
				return err
			}
			return e.relocate(ctx, p.indexMover(mail), st.index, index, files)
		}
	}
	return e.writeAll
}

// relocate has what is moved lie where the settings say by now, and Dovecot go on with
// it there, or in the old place where that cannot be.
func (e *edit) relocate(ctx context.Context, m mover, from, to string, files []host.File) error {
	p, st := e.p, e.st
	if out, err := p.host.Run(ctx, host.Cmd("test", "-d", from)); err != nil {
		return err
	} else if out.Code != 0 { // there was never any mail
		return e.writeAll(ctx, files)
	}
	if err := m.Begin(ctx, from, to); err != nil {
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
		return errors.Join(err, again(ctx), m.End(ctx, from))
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
