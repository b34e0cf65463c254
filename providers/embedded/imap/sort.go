package imap

import (
	"cmp"
	"context"
	"errors"
	"net/mail"
	"slices"
	"time"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/imap/internal/threads"
	"github.com/mailform/mailform/providers/embedded/store"
)

// sort is SORT and UID SORT (RFC 5256, RFC 5957), with the answers of RFC 5267
// where the client asks for them.
func (c *conn) sort(ctx context.Context, tag string, cmd *command.Sort) (result, error) {
	found, err := c.find(ctx, &cmd.Search)
	if err != nil {
		return result{}, err
	}
	rows, err := c.sortable(ctx, found, cmd.Keys)
	if err != nil {
		return result{}, err
	}
	slices.SortStableFunc(rows, func(a, b sortRow) int {
		for i, k := range cmd.Keys {
			n := a.keys[i].compare(b.keys[i])
			if k.Reverse {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0 // RFC 5256 §3: by sequence number, whatever is reversed
	})
	found = found[:0]
	for _, r := range rows {
		found = append(found, r.index)
	}
	if cmd.Extended {
		// RFC 5267 §3: in the order that was asked for, which a set would not keep.
		c.writeESearch(tag, &cmd.Search, found, func() {
			for n, i := range found {
				if n > 0 {
					c.w.Raw(",")
				}
				c.w.Uint(c.view.number(i, cmd.UID))
			}
		})
		return result{}, nil
	}
	c.writeNumbers("SORT", &cmd.Search, found)
	return result{}, nil
}

// A sortRow is a message with what it is sorted by.
type sortRow struct {
	index int
	keys  []sortKey
}

// A sortKey has one of its fields in use.
type sortKey struct {
	number int64
	text   string
}

func (k sortKey) compare(other sortKey) int {
	return cmp.Or(cmp.Compare(k.number, other.number), cmp.Compare(k.text, other.text))
}

// sortable works out what messages are sorted by. It leaves out those that were
// expunged meanwhile.
func (c *conn) sortable(ctx context.Context, found []int, keys []command.SortKey) ([]sortRow, error) {
	reads := slices.ContainsFunc(keys, func(k command.SortKey) bool { return k.Name != "ARRIVAL" && k.Name != "SIZE" })
	rows := make([]sortRow, 0, len(found))
	all := make([]sortKey, len(found)*len(keys))
	for n, i := range found {
		m := &c.view.msgs[i]
		var fields message.Fields
		if reads {
			var err error
			if fields, err = c.headerOf(ctx, m); errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		row := sortRow{i, all[n*len(keys) : (n+1)*len(keys)]}
		for k := range keys {
			row.keys[k] = keyOf(m, fields, keys[k].Name)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// headerOf reads the header of a message.
func (c *conn) headerOf(ctx context.Context, m *store.Message) (message.Fields, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ct := content{m: m}
	defer ct.close()
	if err := ct.open(ctx, c.srv.opt.Store); err != nil {
		return nil, err
	}
	return ct.header()
}

func keyOf(m *store.Message, fields message.Fields, name string) sortKey {
	switch name {
	case "ARRIVAL":
		return sortKey{number: m.Internal.UnixMicro()}
	case "SIZE":
		return sortKey{number: m.Size}
	case "DATE":
		return sortKey{number: sent(m, fields).UnixMicro()}
	case "SUBJECT":
		base, _ := threads.BaseSubject(message.Decode(fields.Get("Subject")))
		return sortKey{text: threads.Collate(base)}
	case "DISPLAYFROM", "DISPLAYTO":
		return sortKey{text: threads.Collate(display(fields.Get(name[len("DISPLAY"):])))}
	}
	mailbox := firstMailbox(fields.Get(name))
	return sortKey{text: threads.Collate(mailbox)}
}

// sent is when a message was sent: by its Date field, or else when it came (RFC
// 5256 §2.2).
func sent(m *store.Message, fields message.Fields) time.Time {
	if t, err := mail.ParseDate(fields.Get("Date")); err == nil {
		return t.UTC()
	}
	return m.Internal.UTC()
}

// firstMailbox is the first mailbox of an address list, without its domain; the
// name of a group counts as one (RFC 5256 §3).
func firstMailbox(list string) string {
	for _, a := range message.ParseAddresses(list) {
		return a.Mailbox
	}
	return ""
}

// display is what people see of the first address of a list (RFC 5957 §3).
func display(list string) string {
	for _, a := range message.ParseAddresses(list) {
		switch {
		case a.Name != "":
			return message.Decode(a.Name)
		case a.Host == "":
			return a.Mailbox
		}
		return a.Mailbox + "@" + a.Host
	}
	return ""
}
