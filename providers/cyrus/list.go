package cyrus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A box is the INBOX of an address.
type box struct {
	there bool
	limit int64 // KiB; below 0: none
	// deleted are the names, as IMAP has them, of mailboxes that were deleted and
	// are still kept, the latest deletion of the address alone.
	deleted []string
	stamp   string // of that deletion
}

// boxes is what the server keeps, by address.
type boxes map[string]*box

func (b boxes) at(address string) *box {
	if b[address] == nil {
		b[address] = &box{limit: -1}
	}
	return b[address]
}

// mboxDeleted is the bit of a mailbox that is only remembered, in the list of
// Cyrus 3.0 and before.
const mboxDeleted = 1 << 4

// parseMailboxes reads what "ctl_mboxlist -d" prints: JSON since Cyrus 3.2, lines
// before.
func parseMailboxes(text []byte) (boxes, error) {
	b := boxes{}
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		list := map[string]struct {
			Type string `json:"mbtype"`
		}{}
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("the list of mailboxes cannot be read: %w", err)
		}
		for name, m := range list {
			if !strings.Contains(m.Type, "d") {
				b.add(name)
			}
		}
		return b, nil
	}
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		number, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q in the list of mailboxes is none", strings.TrimSpace(line))
		}
		if n&mboxDeleted == 0 {
			b.add(name)
		}
	}
	return b, nil
}

// add takes in a mailbox by its inner name: example.com!user.j^doe.Drafts is the
// folder Drafts of j.doe@example.com.
func (b boxes) add(name string) {
	domain, rest, ok := strings.Cut(name, "!")
	if !ok {
		return // of a user without a domain
	}
	path := strings.Split(rest, ".")
	gone := path[0] == "DELETED"
	if gone {
		path = path[1:]
	}
	if len(path) < 2 || path[0] != "user" {
		return
	}
	address := strings.ReplaceAll(path[1], "^", ".") + "@" + domain
	switch {
	case checkAddress(address) != nil:
	case !gone && len(path) == 2:
		b.at(address).there = true
	case gone && len(path) > 2:
		stamp := path[len(path)-1]
		at := b.at(address)
		if stamp < at.stamp {
			return // an earlier deletion
		}
		if stamp > at.stamp {
			at.stamp, at.deleted = stamp, nil
		}
		for i := range path {
			path[i] = strings.ReplaceAll(path[i], "^", ".")
		}
		at.deleted = append(at.deleted, "DELETED/"+strings.Join(path, "/")+"@"+domain)
	}
}

// former is what a deleted mailbox was called.
func former(deleted string) string {
	at := strings.LastIndexByte(deleted, '@')
	stamp := strings.LastIndexByte(deleted[:at], '/')
	return strings.TrimPrefix(deleted[:stamp], "DELETED/") + deleted[at:]
}

// mailboxName is what IMAP calls the INBOX of an address.
func mailboxName(address string) string { return "user/" + address }

// addLimits takes in what "quota" prints: limit, percentage and use, resource,
// root; without a limit, no limit and no percentage.
func (b boxes) addLimits(text []byte) {
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 5 || f[3] != "STORAGE" {
			continue
		}
		limit, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			continue
		}
		at := strings.LastIndexByte(f[4], '@')
		if at < 0 {
			continue
		}
		local, ok := strings.CutPrefix(f[4][:at], "user/")
		if !ok {
			if local, ok = strings.CutPrefix(f[4][:at], "user."); !ok {
				continue
			}
			local = strings.ReplaceAll(local, "^", ".")
		}
		if m := b[local+f[4][at:]]; m != nil {
			m.limit = limit
		}
	}
}
