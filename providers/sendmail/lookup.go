package sendmail

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A server that finds its users in a directory has authd ask it, by a file in authd's
// directory that root alone can read: the password that it asks with is there and
// nowhere else. Sendmail asks authd, by maps of its class socket: its own class ldap
// would leave it to Sendmail's rules to say who is disabled, and the password to
// sendmail.cf, which anybody can read.

// lookupLines are the maps, and an alias file more. What stands for a key where the
// directory does not answer ends with <TMPF>.
func (p *Provider) lookupLines() string {
	at := "unix:" + authd.MapSocket(p.file("authd"))
	return fmt.Sprintf("K%s socket -T<TMPF> %s\nK%s socket -T<TMPF> %s\nO AliasFile=socket:%s\n", authd.MapAddresses, at, authd.MapSenders, at, at)
}

// checkLookup refuses where nobody could be found.
func checkLookup(key string, a attrs) (*schema.Lookup, error) {
	l, err := schema.ReadLookup(a.Value)
	if err == nil && l.Owner != key {
		err = fmt.Errorf("owner: it is not that of %s", key)
	}
	return &l, err
}

// withoutPassword is a lookup as the ledger has it.
func withoutPassword(a attrs) attrs {
	vals := a.AsValueMap()
	vals["bind_password"] = cty.StringVal("")
	return attrs{Value: schema.KindByName(schema.KindLookup).Object(vals)}
}

// observeLookup are the attributes of where users are found: as authd's file has them,
// and without a directory where Sendmail does not ask authd, or nobody answers.
func (w *world) observeLookup(h *holding, cf native) (map[string]cty.Value, bool) {
	if w.lookup == nil {
		return nil, false
	}
	l := *w.lookup
	l.Owner = h.Key
	vals := l.Attrs()
	asks := len(w.ledger.all(schema.KindDelivery)) == 0 // which would name the maps
	first, _, _ := strings.Cut(w.p.lookupLines(), "\n")
	if !asks && !cf.lines[first] || !w.judging {
		vals["url"] = cty.StringVal("")
	}
	return vals, true
}

// commitLookup tells authd which directory to ask.
func (p *Provider) commitLookup(ctx context.Context, was, next *world) error {
	if was.lookup == nil && next.lookup == nil && !was.lookupFile.Exists || was.lookup != nil && next.lookup != nil && *was.lookup == *next.lookup {
		return nil
	}
	return p.judge().WriteLookup(ctx, was.lookupFile, next.lookup)
}

// answersMaps reports whether authd has a socket for maps: one that an earlier version of
// mailform has started has none.
func (p *Provider) answersMaps(ctx context.Context) (bool, error) {
	socket := authd.MapSocket(p.file("authd"))
	entries, err := p.on.List(ctx, filepath.Dir(socket))
	return slices.ContainsFunc(entries, func(e host.Entry) bool { return e.Name == filepath.Base(socket) }), err
}
