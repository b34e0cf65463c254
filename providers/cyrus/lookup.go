package cyrus

import (
	"context"
	"fmt"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A server that finds its users in a directory has authd ask it, by a file in authd's
// directory that root alone can read: the password that it asks with is there and
// nowhere else. Cyrus makes the mailbox of a user as he logs in for the first time, or
// gets mail.

// lookupOptions have Cyrus make mailboxes, without a limit.
var lookupOptions = []option{{"autocreate_quota", "0"}, {"autocreate_post", "yes"}}

// makes reports whether an option is about the making of mailboxes.
func makes(name string) bool {
	return slices.ContainsFunc(lookupOptions, func(o option) bool { return o.name == name })
}

func readLookup(r schema.Resource) (*schema.Lookup, error) {
	l, err := schema.ReadLookup(r.Attrs)
	if err != nil {
		return nil, err
	}
	if l.Owner != r.Key {
		return nil, lack("owner", "it is not that of %s", r.Key)
	}
	return &l, nil
}

// lookupStands refuses a parameter that would have Cyrus make no mailboxes.
func (w *world) lookupStands() error {
	for _, o := range lookupOptions {
		if w.lookup != nil && w.model.mark(schema.KindParameter, o.name) != nil {
			return fmt.Errorf("Cyrus makes mailboxes for whom it finds in a directory, so that %s cannot be a parameter", o.name)
		}
	}
	return nil
}

// observeLookup are the attributes of where users are found: as the file has them,
// and none where Cyrus would not make their mailboxes.
func (w *world) observeLookup(owner string) map[string]cty.Value {
	l := *w.lookup
	l.Owner = owner
	attrs := l.Attrs()
	for _, o := range lookupOptions {
		if v, ok := w.options.get(o.name); !ok || v != o.value {
			attrs["url"] = cty.StringVal("")
		}
	}
	return attrs
}

// settleLookup writes how the directory is asked, where that is not what was read.
func (w *world) settleLookup(ctx context.Context) error {
	now, f, err := w.p.control("").Lookup(ctx)
	if err != nil || now == nil && !f.Exists && w.lookup == nil || now != nil && w.lookup != nil && *now == *w.lookup {
		return err
	}
	_, group, err := w.p.cyrusUser(ctx)
	if err != nil {
		return err
	}
	return changed(w.p.control(group).WriteLookup(ctx, f, w.lookup))
}
