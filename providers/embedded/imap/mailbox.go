package imap

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

const delimiter = "/"

// newName checks the name of a mailbox that is to be made, and takes off the
// delimiter with which a client says that it will make others below it.
func newName(name string) (string, error) {
	const longest = 1000 // bytes
	name = strings.TrimSuffix(name, delimiter)
	switch {
	case name == "" || len(name) > longest || !utf8.ValidString(name),
		strings.ContainsAny(name, "*%\\\""),
		strings.ContainsFunc(name, unicode.IsControl),
		strings.HasPrefix(name, delimiter), strings.Contains(name, delimiter+delimiter):
		return "", no(imap.ResponseCodeCannot, "Mailbox name is not allowed")
	}
	// INBOX has one spelling, also as a parent.
	first, rest, below := strings.Cut(name, delimiter)
	if below && equalFold(first, "INBOX") {
		name = "INBOX" + delimiter + rest
	}
	return name, nil
}

var specialUses = []string{`\Archive`, `\Drafts`, `\Junk`, `\Sent`, `\Trash`}

func (c *conn) create(ctx context.Context, cmd *command.Create) (result, error) {
	name, err := newName(cmd.Mailbox)
	if err != nil {
		return result{}, err
	}
	use := ""
	for _, u := range cmd.Use {
		found := ""
		for _, known := range specialUses {
			if equalFold(known, string(u)) {
				found = known
			}
		}
		if found == "" || use != "" {
			return result{}, no("USEATTR", "Special use is not supported")
		}
		use = found
	}
	where, err := c.place(ctx, name)
	if err != nil {
		return result{}, err
	}
	if where.parent == nil {
		_, err = c.srv.opt.Store.CreateMailbox(ctx, c.account.ID, where.own, use)
	} else {
		_, err = c.srv.opt.Store.CreateMailboxBeside(ctx, where.parent, where.own, use)
	}
	return result{}, err
}

func (c *conn) delete(ctx context.Context, cmd *command.Delete) (result, error) {
	target, err := c.mailbox(ctx, cmd.Mailbox, "x")
	if err != nil {
		return result{}, err
	}
	if target.Own == "INBOX" {
		return result{}, no(imap.ResponseCodeCannot, "INBOX cannot be deleted")
	}
	st := c.srv.opt.Store
	all, err := st.Mailboxes(ctx, target.Account)
	if err != nil {
		return result{}, err
	}
	for i := range all {
		if strings.HasPrefix(all[i].Name, target.Own+delimiter) {
			return result{}, no(imap.ResponseCodeHasChildren, "Mailbox has others below it")
		}
	}
	if c.view != nil && c.view.mailbox.ID == target.ID {
		return result{}, no(imap.ResponseCodeInUse, "Mailbox is selected")
	}
	return result{}, st.DeleteMailbox(ctx, target.ID)
}

func (c *conn) rename(ctx context.Context, cmd *command.Rename) (result, error) {
	to, err := newName(cmd.To)
	if err != nil {
		return result{}, err
	}
	if to == "INBOX" {
		return result{}, store.ErrExists
	}
	if strings.HasPrefix(to+delimiter, cmd.From+delimiter) && cmd.From != "INBOX" {
		return result{}, no(imap.ResponseCodeCannot, "Mailbox cannot go below itself")
	}
	st := c.srv.opt.Store
	mb, err := c.mailbox(ctx, cmd.From, "x")
	if err != nil {
		return result{}, err
	}
	where, err := c.place(ctx, to)
	switch {
	case err != nil:
		return result{}, err
	case where.account != mb.Account:
		return result{}, no(imap.ResponseCodeCannot, "Mailbox cannot go to another owner")
	case mb.Own == "INBOX" && mb.Account != c.account.ID:
		return result{}, no(imap.ResponseCodeCannot, "INBOX of another cannot be renamed")
	}
	if err := st.RenameMailbox(ctx, mb.ID, where.own); err != nil {
		return result{}, err
	}
	if c.view != nil && c.view.mailbox.ID == mb.ID && mb.Own != "INBOX" {
		c.view.mailbox.Name, c.view.mailbox.Own = to, where.own
	}
	return result{}, nil
}

func (c *conn) subscribe(ctx context.Context, cmd *command.Subscribe) (result, error) {
	name := cmd.Mailbox
	if cmd.On {
		var err error
		if name, err = newName(name); err != nil {
			return result{}, err
		}
	}
	err := c.srv.opt.Store.Subscribe(ctx, c.account.ID, name, cmd.On)
	if !cmd.On && errors.Is(err, store.ErrNotFound) {
		err = nil // it is as the client wants it
	}
	return result{}, err
}

func (c *conn) cmdStatus(ctx context.Context, cmd *command.Status) (result, error) {
	mb, err := c.mailbox(ctx, cmd.Mailbox, "r")
	if err != nil {
		return result{}, err
	}
	return result{}, c.writeStatus(ctx, mb, &cmd.Items)
}

func (c *conn) writeStatus(ctx context.Context, mb *store.SharedMailbox, o *imap.StatusOptions) error {
	var deletedSize uint64
	if o.DeletedStorage {
		msgs, _, err := c.srv.opt.Store.Messages(ctx, mb.ID)
		if err != nil {
			return err
		}
		v := view{msgs: msgs}
		for i := range msgs {
			if len(v.deleted([]int{i})) > 0 {
				deletedSize += uint64(msgs[i].Size)
			}
		}
	}
	c.w.Raw("* STATUS ").Mailbox(mb.Name).Raw(" (")
	sep := ""
	item := func(wanted bool, name string, value uint64) {
		if wanted {
			c.w.Raw(sep).Raw(name).Raw(" ").Uint(value)
			sep = " "
		}
	}
	item(o.NumMessages, "MESSAGES", uint64(mb.Messages))
	item(o.NumRecent, "RECENT", 0)
	item(o.UIDNext, "UIDNEXT", uint64(mb.UIDNext))
	item(o.UIDValidity, "UIDVALIDITY", uint64(mb.UIDValidity))
	item(o.NumUnseen, "UNSEEN", uint64(mb.Unseen))
	item(o.NumDeleted, "DELETED", uint64(mb.Deleted))
	item(o.Size, "SIZE", uint64(mb.Size))
	item(o.AppendLimit, "APPENDLIMIT", uint64(c.srv.messageSize()))
	item(o.DeletedStorage, "DELETED-STORAGE", deletedSize)
	item(o.HighestModSeq, "HIGHESTMODSEQ", max(mb.HighestModSeq, 1))
	c.w.Line(")")
	if o.HighestModSeq {
		c.condstore = true // RFC 7162 §3.1: asking is enabling
	}
	return nil
}

// quotaRoot is the name of the one quota root of an account, to its user.
const quotaRoot = "mail"

// quotaRoot is the name of an account's quota root; of somebody else's it is the
// address.
func (c *conn) quotaRoot(a *store.Account) string {
	if a.ID == c.account.ID {
		return quotaRoot
	}
	return a.Address
}

func (c *conn) getQuota(ctx context.Context, cmd *command.GetQuota) (result, error) {
	a, err := c.srv.opt.Store.AccountByID(ctx, c.account.ID)
	if err != nil {
		return result{}, err
	}
	if cmd.Root != quotaRoot || a.Quota <= 0 {
		return result{}, no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	return result{}, c.writeQuota(ctx, a)
}

func (c *conn) getQuotaRoot(ctx context.Context, cmd *command.GetQuotaRoot) (result, error) {
	mb, err := c.mailbox(ctx, cmd.Mailbox, "r")
	if err != nil {
		return result{}, err
	}
	a, err := c.srv.opt.Store.AccountByID(ctx, mb.Account)
	if err != nil {
		return result{}, err
	}
	c.w.Raw("* QUOTAROOT ").Mailbox(mb.Name)
	if a.Quota <= 0 { // no limit: under no root
		c.w.End()
		return result{}, nil
	}
	c.w.Raw(" ").AString(c.quotaRoot(a)).End()
	return result{}, c.writeQuota(ctx, a)
}

// writeQuota writes usage and limit in units of 1024 bytes (RFC 9208 §5.1):
// usage rounded up and the limit down, so that a client is never told of room
// that is not there.
func (c *conn) writeQuota(ctx context.Context, a *store.Account) error {
	usage, err := c.srv.opt.Store.Usage(ctx, a.ID)
	if err != nil {
		return err
	}
	c.w.Raw("* QUOTA ").AString(c.quotaRoot(a)).Raw(" (STORAGE ").
		Uint(uint64(usage.Bytes+1023) / 1024).Raw(" ").Uint(uint64(a.Quota) / 1024).Line(")")
	return nil
}
