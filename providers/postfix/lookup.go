package postfix

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A server that finds its users in a directory has four files that say how
// Postfix asks it (ldap_table(5)). They hold the password that it asks with, so
// that only root and Postfix can read them. The password is there and nowhere else:
// the ledger has it empty.

// Files of a lookup.
const (
	lookupUsers = iota
	lookupCopies
	lookupAliases
	lookupRefused
)

var lookupNames = [...]string{lookupUsers: "users.cf", lookupCopies: "copies.cf", lookupAliases: "aliases.cf", lookupRefused: "refused.cf"}

// lookupMap is a map of a directory as main.cf names it. It is asked through
// proxymap, which is outside of a chroot, and has one connection for all.
func (p *Provider) lookupMap(i int) string { return "proxy:ldap:" + p.file(lookupNames[i]) }

// aliasDomains are the domains all of whose addresses are aliases; those in
// virtual_alias_maps where nobody says anything.
const aliasDomains = "virtual_alias_domains"

// deriveLookup says which maps ask the directory.
func (p *Provider) deriveLookup(a attrs, former func(string) string) (native, error) {
	n := native{params: map[string]string{}, lists: map[string]string{}}
	l, err := schema.ReadLookup(a.Value)
	if err != nil {
		return n, err
	}
	n.lists["virtual_mailbox_maps"] = p.lookupMap(lookupUsers)
	var handOn []string
	for i, text := range p.lookupTexts(l) {
		if i == lookupRefused && text != "" {
			n.lists[recipientRestrictions] = p.lookupMap(i)
		} else if i != lookupUsers && text != "" {
			handOn = append(handOn, p.lookupMap(i))
		}
	}
	// Users last: a catch-all does not take their mail, as each is an alias of himself.
	handOn = append(handOn, p.lookupMap(lookupUsers))
	n.lists["virtual_alias_maps"] = strings.Join(handOn, ", ")
	n.lists[senders] = n.lists["virtual_alias_maps"]
	// Postfix would look for the domain of each address there, and so defer all mail
	// while the directory does not answer.
	if was := former(aliasDomains); was == "" || same(was, "$virtual_alias_maps") {
		n.params[aliasDomains] = former("virtual_alias_maps")
	}
	return n, nil
}

// lookupTexts are the texts of the files; an empty one: there is none.
func (p *Provider) lookupTexts(l schema.Lookup) [len(lookupNames)]string {
	var texts [len(lookupNames)]string
	l.UsersFilter, l.AliasesFilter = escapePercent(l.UsersFilter), escapePercent(l.AliasesFilter)
	within := "domain = " + p.mapOf(domains) + "\n" // of the addresses of others the directory is not asked
	texts[lookupUsers] = lookupText(l, l.UsersBase, l.Users("("+l.UserAddress+"=%s)"), l.UserAddress, within)
	if l.UserMail != "" { // or a catch-all would get the mail of disabled users
		texts[lookupRefused] = lookupText(l, l.UsersBase, "(&"+l.UsersFilter+"("+l.UserAddress+"=%s)("+l.UserMail+"=disabled))", l.UserAddress, "result_format = "+refusal+"\n"+within)
	}
	if !l.HasAliases() {
		return texts
	}
	members, special := []string{l.AliasMembers}, ""
	if l.Groups() {
		special = "special_result_attribute = " + l.AliasMembers + "\n"
		members = []string{l.UserAddress}
		if l.AliasExternal != "" {
			members = append(members, l.AliasExternal)
		}
	}
	is := l.AliasesFilter + "(" + l.AliasAddress + "=%s)"
	texts[lookupAliases] = lookupText(l, l.AliasesBase, "(&"+is+")", strings.Join(members, ", "), special)
	if l.AliasKeepCopy != "" {
		if !slices.Contains(members, l.AliasAddress) {
			members = append([]string{l.AliasAddress}, members...)
		}
		texts[lookupCopies] = lookupText(l, l.AliasesBase, "(&"+is+"("+l.AliasKeepCopy+"=TRUE))", strings.Join(members, ", "), special+within)
	}
	return texts
}

// escapePercent keeps a % from standing for a part of the address.
func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// lookupText writes a file.
func lookupText(l schema.Lookup, base, filter, result, rest string) string {
	var b strings.Builder
	b.WriteString("# Kept by mailform, which puts back what is changed here.\n")
	fmt.Fprintf(&b, "server_host = %s\nversion = 3\n", l.URL)
	if l.StartTLS {
		b.WriteString("start_tls = yes\n")
	}
	if l.StartTLS || strings.HasPrefix(l.URL, "ldaps:") {
		b.WriteString("tls_require_cert = yes\n")
		if l.CAFile != "" {
			fmt.Fprintf(&b, "tls_ca_cert_file = %s\n", l.CAFile)
		}
	}
	if l.BindDN == "" {
		b.WriteString("bind = no\n")
	} else {
		fmt.Fprintf(&b, "bind = yes\nbind_dn = %s\nbind_pw = %s\n", l.BindDN, l.BindPassword)
	}
	fmt.Fprintf(&b, "timeout = 10\nsearch_base = %s\nscope = sub\nquery_filter = %s\nresult_attribute = %s\n%s", escapePercent(base), filter, result, rest)
	return b.String()
}

// lookup is what the ledger has of where users are found, with the password that
// the files have; nil: users are kept here.
func (w *world) lookup() *schema.Lookup {
	for _, a := range w.ledger.declared(schema.KindLookup) {
		if l, err := schema.ReadLookup(a.Value); err == nil {
			l.BindPassword = w.bindPassword
			return &l
		}
	}
	return nil
}

// lookupFiles are the texts of the files that there have to be.
func (w *world) lookupFiles() [len(lookupNames)]string {
	if l := w.lookup(); l != nil {
		return w.p.lookupTexts(*l)
	}
	return [len(lookupNames)]string{}
}

// lookupValue is a setting of a file of a lookup.
func lookupValue(text []byte, name string) string {
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// liveLookup puts into the attributes what the files have in place of what they
// should. It reports whether there is anything of them.
func (w *world) liveLookup(n native, a attrs, vals map[string]cty.Value) bool {
	vals["bind_password"] = cty.StringVal(w.bindPassword)
	l, err := schema.ReadLookup(a.Value)
	if err != nil {
		return false
	}
	l.BindPassword = w.bindPassword
	there := false
	want := w.p.lookupTexts(l)
	for _, i := range []int{lookupAliases, lookupCopies, lookupRefused, lookupUsers} {
		f := &w.files[lookupFirst+i]
		there = there || f.Exists
		if want[i] == "" || string(f.Content) == want[i] {
			continue
		}
		filter, base := "aliases_filter", "aliases_base"
		if i == lookupUsers || i == lookupRefused {
			filter, base = "users_filter", "users_base"
		}
		found := false
		for setting, attribute := range map[string]string{"server_host": "url", "bind_dn": "bind_dn", "bind_pw": "bind_password", "search_base": base, "query_filter": filter, "tls_ca_cert_file": "ca_file"} {
			if have := lookupValue(f.Content, setting); have != lookupValue([]byte(want[i]), setting) {
				vals[attribute], found = cty.StringVal(have), true
			}
		}
		if !found { // something else of it
			vals[filter] = cty.StringVal("")
		}
	}
	for _, name := range []string{"virtual_mailbox_maps", "virtual_alias_maps", senders, recipientRestrictions} {
		if !begins(w.params[name], n.lists[name]) {
			vals["url"] = cty.StringVal("") // it is not asked
		}
	}
	if w.judged() && (w.sought == nil || *w.sought != l) {
		vals["url"] = cty.StringVal("") // nor for passwords
	}
	if domains, ours := n.params[aliasDomains]; ours {
		if have, there := w.params[aliasDomains]; !there || !same(have, domains) {
			vals["url"] = cty.StringVal("") // for more than it should be
		}
	}
	return there
}

// lookupChanges are the files of a lookup that have to be written, and those that go
// once nothing names them.
func (p *Provider) lookupChanges(ctx context.Context, w *world) (write []host.File, gone []string, err error) {
	group := ""
	for i, text := range w.lookupFiles() {
		f := w.files[lookupFirst+i]
		switch {
		case text == "" && f.Exists:
			gone = append(gone, f.Path)
		case text != "" && (!f.Exists || string(f.Content) != text):
			if group == "" {
				if group, err = p.group(ctx); err != nil {
					return nil, nil, err
				}
			}
			f = f.With([]byte(text))
			f.Mode, f.Owner = 0o640, "0:"+group
			write = append(write, f)
		}
	}
	return write, gone, nil
}
