package imap

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

var errNoPermission = no(imap.ResponseCodeNoPerm, "No permission")

// mailbox finds a mailbox, the client's or of somebody else, for what needs these
// rights. Who may not even see it is told that there is none (RFC 4314 §6).
func (c *conn) mailbox(ctx context.Context, name string, needed store.Rights) (*store.SharedMailbox, error) {
	mb, err := c.srv.opt.Store.MailboxFor(ctx, c.account, name)
	switch {
	case err != nil:
		return nil, err
	case mb.Rights.Has(needed):
		return mb, nil
	case !mb.Rights.Has("l"):
		return nil, store.ErrNotFound
	}
	return nil, errNoPermission
}

// A place is where a mailbox is to be made.
type place struct {
	account int64
	own     string // its name there
	// parent is the mailbox of somebody else that it goes below; nil: it is the
	// client's own.
	parent *store.SharedMailbox
}

// place finds where a name is: among the client's own mailboxes, or below one of
// somebody else where he may make some.
func (c *conn) place(ctx context.Context, name string) (place, error) {
	if !store.Foreign(name) && !store.Foreign(name+delimiter) {
		return place{account: c.account.ID, own: name}, nil
	}
	if found, err := c.srv.opt.Store.MailboxFor(ctx, c.account, name); err == nil && found.Rights.Has("l") {
		return place{}, store.ErrExists
	}
	for above := range parents(name) {
		parent, err := c.srv.opt.Store.MailboxFor(ctx, c.account, above)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return place{}, err
		}
		if !parent.Rights.Has("k") {
			break
		}
		own := strings.TrimPrefix(name, above+delimiter)
		if parent.Own != "INBOX" {
			own = parent.Own + delimiter + own
		}
		// One in between that he may not see would be the one to ask.
		for between := range parents(own) {
			if between == parent.Own {
				break
			}
			switch _, err := c.srv.opt.Store.Mailbox(ctx, parent.Account, between); {
			case err == nil:
				return place{}, errNoPermission
			case !errors.Is(err, store.ErrNotFound):
				return place{}, err
			}
		}
		return place{account: parent.Account, own: own, parent: parent}, nil
	}
	return place{}, errNoPermission
}

// allowed are those of the flags that somebody with these rights may change.
func allowed(rights store.Rights, flags []string) []string {
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		needed := store.Rights("w")
		switch f {
		case `\Seen`:
			needed = "s"
		case `\Deleted`:
			needed = "t"
		}
		if rights.Has(needed) {
			out = append(out, f)
		}
	}
	return out
}

// recheckRights looks whether the client may still do what it could with the
// selected mailbox, where that is somebody else's. One that may not read it any more
// is sent away: no answer says that a mailbox is no longer selected.
func (c *conn) recheckRights(ctx context.Context) error {
	if c.view == nil || c.view.mailbox.Account == c.account.ID {
		return nil
	}
	rights, err := c.srv.opt.Store.RightsOn(ctx, c.account, &c.view.mailbox.Mailbox)
	if err != nil {
		return err
	}
	c.view.mailbox.Rights = rights
	if !rights.Has("r") {
		c.bye = "[NOPERM] The mailbox is not shared any more"
	}
	return nil
}

func (c *conn) getACL(ctx context.Context, cmd *command.GetACL) (result, error) {
	mb, err := c.mailbox(ctx, cmd.Mailbox, "a")
	if err != nil {
		return result{}, err
	}
	grants, err := c.srv.opt.Store.Grants(ctx, mb.ID)
	if err != nil {
		return result{}, err
	}
	c.w.Raw("* ACL ").Mailbox(mb.Name).Raw(" ").AString(mb.Owner).Raw(" ").Raw(store.AllRights.Told())
	for _, g := range grants {
		if g.Identifier == mb.Owner {
			continue
		}
		c.w.Raw(" ").AString(g.Identifier).Raw(" ").AString(g.Rights.Told())
	}
	c.w.End()
	return result{}, nil
}

// setACL is SETACL and DELETEACL.
func (c *conn) setACL(ctx context.Context, cmd *command.SetACL) (result, error) {
	mb, err := c.mailbox(ctx, cmd.Mailbox, "a")
	if err != nil {
		return result{}, err
	}
	rights, err := store.ParseRights(cmd.Rights)
	if err != nil {
		return result{}, bad(sentence(err.Error()))
	}
	err = c.srv.opt.Store.SetGrant(ctx, mb.ID, cmd.Identifier, func(now store.Rights) store.Rights {
		switch cmd.Change {
		case '+':
			return now.With(rights)
		case '-':
			return now.Without(rights)
		}
		return rights
	})
	switch {
	case errors.Is(err, store.ErrOwner):
		return result{}, no(imap.ResponseCodeCannot, "Rights of the owner and of everybody are not for users to change")
	case errors.Is(err, store.ErrUnknownUser):
		return result{}, no(imap.ResponseCodeNonExistent, "No such user")
	case errors.Is(err, store.ErrTooMany):
		return result{}, no("LIMIT", "The mailbox is shared with as many as it may be")
	}
	return result{}, err
}

// listRights says which rights somebody can have: the owner always has all, others
// each by itself.
func (c *conn) listRights(ctx context.Context, cmd *command.ListRights) (result, error) {
	mb, err := c.mailbox(ctx, cmd.Mailbox, "a")
	if err != nil {
		return result{}, err
	}
	c.w.Raw("* LISTRIGHTS ").Mailbox(mb.Name).Raw(" ").AString(cmd.Identifier)
	if equalFold(cmd.Identifier, mb.Owner) {
		c.w.Raw(" ").Line(store.AllRights.Told())
		return result{}, nil
	}
	c.w.Raw(` ""`)
	for _, right := range store.AllRights {
		c.w.Raw(" ").Raw(string(right))
	}
	c.w.End()
	return result{}, nil
}

func (c *conn) myRights(ctx context.Context, cmd *command.MyRights) (result, error) {
	mb, err := c.srv.opt.Store.MailboxFor(ctx, c.account, cmd.Mailbox)
	if err != nil {
		return result{}, err
	}
	if !mb.Rights.HasAny("lrikxa") {
		return result{}, store.ErrNotFound
	}
	c.w.Raw("* MYRIGHTS ").Mailbox(mb.Name).Raw(" ").Line(mb.Rights.Told())
	return result{}, nil
}
