package imap

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

// entry is one name in the tree of mailboxes: a mailbox, or a name that only
// others below it or a subscription make known.
type entry struct {
	name       string
	mailbox    *store.SharedMailbox
	subscribed bool
	children   bool // mailboxes below
	// Below there is a name that the selection options select.
	selectedBelow bool
}

// tree returns all names by name, sorted, INBOX first.
func (c *conn) tree(ctx context.Context) ([]*entry, error) {
	st := c.srv.opt.Store
	mailboxes, err := st.Mailboxes(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	subscriptions, err := st.Subscriptions(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*entry, len(mailboxes))
	get := func(name string) *entry {
		if byName[name] == nil {
			byName[name] = &entry{name: name}
		}
		return byName[name]
	}
	for _, m := range mailboxes {
		get(m.Name).mailbox = &store.SharedMailbox{Mailbox: m, Owner: c.account.Address, Own: m.Name, Rights: store.AllRights}
	}
	others, err := st.MailboxesOfOthers(ctx, c.account)
	if err != nil {
		return nil, err
	}
	for i := range others {
		if !others[i].Rights.Has("l") {
			continue
		}
		if e := get(others[i].Name); e.mailbox == nil {
			e.mailbox = &others[i]
		}
	}
	for _, name := range subscriptions {
		get(name).subscribed = true
	}
	for name, e := range byName {
		for parent := range parents(name) {
			if p := get(parent); e.mailbox != nil {
				p.children = true
			}
		}
	}
	out := make([]*entry, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int {
		if (a.name == "INBOX") != (b.name == "INBOX") {
			if a.name == "INBOX" {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.name, b.name)
	})
	return out, nil
}

// parents yields the names above a name, nearest first.
func parents(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			i := strings.LastIndex(name, delimiter)
			if i <= 0 || !yield(name[:i]) {
				return
			}
			name = name[:i]
		}
	}
}

func (c *conn) list(ctx context.Context, cmd *command.List) (result, error) {
	if len(cmd.Patterns) == 1 && cmd.Patterns[0] == "" && !cmd.Extended {
		// RFC 9051 §6.3.9: a question for the delimiter alone.
		c.w.Line(`* LIST (\Noselect) "` + delimiter + `" ""`)
		return result{}, nil
	}
	all, err := c.tree(ctx)
	if err != nil {
		return result{}, err
	}
	o := &cmd.Options
	if o.SelectRecursiveMatch {
		markSelectedBelow(all, o)
	}
	for _, e := range all {
		if !matchAny(e.name, cmd.Reference, cmd.Patterns) {
			continue
		}
		if !e.selected(o) && !e.selectedBelow {
			continue
		}
		c.writeList("LIST", e, o)
		if o.ReturnStatus != nil && e.mailbox != nil && e.mailbox.Rights.Has("r") {
			if err := c.writeStatus(ctx, e.mailbox, o.ReturnStatus); err != nil {
				return result{}, err
			}
		}
		if cmd.Metadata != nil && e.mailbox != nil && e.mailbox.Rights.HasAny(readsMetadata) {
			if err := c.listMetadata(ctx, e.mailbox, cmd.Metadata); err != nil {
				return result{}, err
			}
		}
	}
	return result{}, nil
}

// listMetadata writes what LIST was asked for beside a mailbox (RFC 9590).
func (c *conn) listMetadata(ctx context.Context, mb *store.SharedMailbox, entries []string) error {
	all, err := c.srv.opt.Store.Metadata(ctx, c.account.ID, mb.ID)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m store.Metadata) bool { return !slices.Contains(entries, entryName(m)) })
	if len(all) > 0 {
		c.writeMetadata(mb.Name, all)
	}
	return nil
}

// selected says whether the selection options of a LIST take the entry.
func (e *entry) selected(o *imap.ListOptions) bool {
	if o.SelectSpecialUse && (e.mailbox == nil || e.mailbox.SpecialUse == "") {
		return false
	}
	if o.SelectSubscribed {
		return e.subscribed
	}
	// A name that only has others below it is listed for their sake; one that
	// is only subscribed is not.
	return e.mailbox != nil || e.children
}

func markSelectedBelow(all []*entry, o *imap.ListOptions) {
	byName := make(map[string]*entry, len(all))
	for _, e := range all {
		byName[e.name] = e
	}
	for _, e := range all {
		if !e.selected(o) {
			continue
		}
		for p := range parents(e.name) {
			byName[p].selectedBelow = true
		}
	}
}

func (c *conn) writeList(response string, e *entry, o *imap.ListOptions) {
	var attrs []string
	if e.mailbox == nil {
		attrs = append(attrs, `\NonExistent`, `\Noselect`)
	}
	if e.children {
		attrs = append(attrs, `\HasChildren`)
	} else {
		attrs = append(attrs, `\HasNoChildren`)
	}
	if e.subscribed && (o.ReturnSubscribed || o.SelectSubscribed) {
		attrs = append(attrs, `\Subscribed`)
	}
	if e.mailbox != nil && e.mailbox.SpecialUse != "" {
		attrs = append(attrs, e.mailbox.SpecialUse)
	}
	c.w.Raw("* ").Raw(response).Raw(" ").Strings(attrs).Raw(` "` + delimiter + `" `).Mailbox(e.name)
	if e.selectedBelow {
		var why []string
		if o.SelectSubscribed {
			why = append(why, `"SUBSCRIBED"`)
		}
		if o.SelectSpecialUse {
			why = append(why, `"SPECIAL-USE"`)
		}
		c.w.Raw(` ("CHILDINFO" `).Strings(why).Raw(")")
	}
	c.w.End()
}

// lsub is LSUB of IMAP4rev1. With "%" a name above a subscribed one is shown as
// \Noselect (RFC 3501 §6.3.9).
func (c *conn) lsub(ctx context.Context, cmd *command.LSub) (result, error) {
	all, err := c.tree(ctx)
	if err != nil {
		return result{}, err
	}
	above := make(map[string]bool)
	if strings.HasSuffix(cmd.Pattern, "%") {
		for _, e := range all {
			if !e.subscribed {
				continue
			}
			for p := range parents(e.name) {
				above[p] = true
			}
		}
	}
	for _, e := range all {
		if !matchAny(e.name, cmd.Reference, []string{cmd.Pattern}) {
			continue
		}
		switch {
		case e.subscribed:
			c.w.Raw(`* LSUB () "` + delimiter + `" `).Mailbox(e.name).End()
		case above[e.name]:
			c.w.Raw(`* LSUB (\Noselect) "` + delimiter + `" `).Mailbox(e.name).End()
		}
	}
	return result{}, nil
}

func matchAny(name, reference string, patterns []string) bool {
	for _, p := range patterns {
		if matchPattern(name, reference+p) {
			return true
		}
	}
	return false
}

// matchPattern matches a name against a pattern in which "*" stands for anything
// and "%" for anything without the delimiter. It takes len(name) × len(pattern)
// steps at most, whatever the client has made up; the library's matcher takes
// exponentially many.
func matchPattern(name, pattern string) bool {
	if len(name) >= 5 && len(pattern) >= 5 && name[:5] == "INBOX" && equalFold(pattern[:5], "INBOX") {
		pattern = "INBOX" + pattern[5:] // INBOX in any case (RFC 9051 §5.1)
	}
	// reach[i]: the pattern so far can match the first i bytes of the name.
	reach := make([]bool, len(name)+1)
	reach[0] = true
	for p := range len(pattern) {
		switch pc := pattern[p]; pc {
		case '*', '%':
			for i := range len(name) {
				if reach[i] && (pc == '*' || name[i] != delimiter[0]) {
					reach[i+1] = true
				}
			}
		default:
			for i := len(name); i > 0; i-- {
				reach[i] = reach[i-1] && name[i-1] == pc
			}
			reach[0] = false
		}
	}
	return reach[len(name)]
}
