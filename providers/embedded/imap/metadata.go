package imap

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

// What is noted about a mailbox has a name in one of two trees: of all who may see
// the mailbox, and of each for himself.
const (
	sharedTree  = "/shared"
	privateTree = "/private"
)

// readsMetadata: who has one of these beside l sees what is noted, and notes for
// himself (RFC 5464 §3.3). What all see is for those who may write, and of the server
// for nobody.
const readsMetadata = "rswip"

// metadata lists what the client sees noted about a mailbox, or with an empty name
// about the server.
func (c *conn) metadata(ctx context.Context, name string) ([]store.Metadata, error) {
	var mailbox int64
	if name != "" {
		mb, err := c.mailbox(ctx, name, "l")
		if err != nil {
			return nil, err
		}
		if !mb.Rights.HasAny(readsMetadata) {
			return nil, errNoPermission
		}
		mailbox = mb.ID
	}
	return c.srv.opt.Store.Metadata(ctx, c.account.ID, mailbox)
}

// entryName is the whole name of an entry.
func entryName(m store.Metadata) string {
	if m.Shared {
		return sharedTree + m.Entry
	}
	return privateTree + m.Entry
}

func (c *conn) getMetadata(ctx context.Context, cmd *command.GetMetadata) (result, error) {
	all, err := c.metadata(ctx, cmd.Mailbox)
	if err != nil {
		return result{}, err
	}
	var found []store.Metadata
	longest := 0 // of what is left out
	for _, m := range all {
		if !asked(entryName(m), cmd.Entries, cmd.Depth) {
			continue
		}
		if cmd.MaxSize >= 0 && int64(len(m.Value)) > cmd.MaxSize {
			longest = max(longest, len(m.Value))
			continue
		}
		found = append(found, m)
	}
	if len(found) > 0 {
		c.writeMetadata(cmd.Mailbox, found)
	}
	if longest > 0 {
		return result{code: "METADATA LONGENTRIES " + strconv.Itoa(longest)}, nil
	}
	return result{}, nil
}

// asked says whether a name is one of the entries, or lies so many levels below one.
func asked(name string, entries []string, depth int) bool {
	for _, e := range entries {
		if name == e {
			return true
		}
		below, ok := strings.CutPrefix(name, e+"/")
		if ok && (depth < 0 || strings.Count(below, "/") < depth) {
			return true
		}
	}
	return false
}

func (c *conn) writeMetadata(mailbox string, all []store.Metadata) {
	c.w.Raw("* METADATA ").Mailbox(mailbox).Raw(" (")
	for i, m := range all {
		if i > 0 {
			c.w.Raw(" ")
		}
		c.w.Raw(entryName(m)).Raw(" ")
		if strings.IndexByte(string(m.Value), 0) >= 0 {
			c.w.LiteralHeader(int64(len(m.Value)), true).Raw(string(m.Value))
			continue
		}
		c.w.String(string(m.Value))
	}
	c.w.Line(")")
}

func (c *conn) setMetadata(ctx context.Context, cmd *command.SetMetadata) (result, error) {
	st := c.srv.opt.Store
	var mailbox int64
	rights := store.Rights("r")
	if cmd.Mailbox != "" {
		mb, err := c.mailbox(ctx, cmd.Mailbox, "l")
		if err != nil {
			return result{}, err
		}
		mailbox, rights = mb.ID, mb.Rights
	}
	set := make([]store.Metadata, len(cmd.Values))
	for i, v := range cmd.Values {
		entry, shared := strings.CutPrefix(v.Entry, sharedTree)
		if shared && !rights.Has("w") || !rights.HasAny(readsMetadata) {
			return result{}, errNoPermission
		}
		set[i] = store.Metadata{Shared: shared, Entry: strings.TrimPrefix(entry, privateTree), Value: v.Value}
	}
	err := st.SetMetadata(ctx, c.account.ID, mailbox, set)
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return result{}, no("METADATA MAXSIZE "+imap.ResponseCode(strconv.Itoa(store.MetadataValue)), "Value is too long")
	case errors.Is(err, store.ErrTooMany):
		return result{}, no("METADATA TOOMANY", "Mailbox has as many entries as it may")
	}
	return result{}, err
}
