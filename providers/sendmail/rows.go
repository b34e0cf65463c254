package sendmail

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/schema"
)

// Our maps.
const (
	addresses = "addresses" // address, or @domain for all others: the address that it is known by
	aliases   = "aliases"   // one of those: where its mail goes
	senders   = "senders"   // sender,user: whether the user may send in that name
	// sender's domain,recipient's domain: the mailer and the host of a smarthost
	mailertable = "mailertable"
)

var mapNames = []string{addresses, aliases, senders, mailertable}

// rows are the rows of our maps, by map and key.
type rows map[string]map[string]string

func newRows() rows { return rows{addresses: {}, aliases: {}, senders: {}, mailertable: {}} }

// aliasKey is the address that a route is known by: a catch-all has one that no
// mail can be sent to.
func aliasKey(address string) string {
	if strings.HasPrefix(address, "@") {
		return authd.CatchAllKey(address)
	}
	return address
}

// checkAddress refuses addresses that mean something else in a map or a rule.
func checkAddress(s string) error {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return fmt.Errorf("%q is no address", s)
	}
	if name, err := schema.ParseHostName(s[at+1:]); err != nil || name != s[at+1:] {
		return fmt.Errorf("%q is no address: the domain is none", s)
	}
	if s[0] == '-' || s[0] == '.' || s[at-1] == '.' || strings.Contains(s[:at], "..") {
		return fmt.Errorf("Sendmail knows no address like %s", s)
	}
	for _, r := range s[:at] {
		if r <= ' ' || r > 0x7e || strings.ContainsRune("\"\\(),:;<>@[]#|/*$%!`'", r) {
			return fmt.Errorf("an address with %q in it cannot stand in a map of Sendmail", r)
		}
	}
	if s != strings.ToLower(s) {
		return fmt.Errorf("%q is not in lower case", s)
	}
	return nil
}

// addRows puts what a resource is in our maps.
func (to rows) addRows(kind, key string, a attrs) error {
	switch kind {
	case schema.KindRecipient:
		if a.Str("address") != key {
			return fmt.Errorf("address: it is not %q", key)
		}
		if err := checkAddress(key); err != nil {
			return fmt.Errorf("address: %w", err)
		}
		for _, v := range a.Strings("password_hash") {
			if _, err := schema.ParsePasswordHash(v); err != nil {
				return errors.New("password_hash: a verifier is of no scheme that mailform knows") // and no more of it than that
			}
		}
		if to[addresses][key] != refusedValue { // of a forward to nobody who gets mail
			to[addresses][key] = key
		}
		to[senders][key+","+key] = "OK"
	case schema.KindRoute:
		return to.addRoute(key, a)
	case schema.KindSmarthost:
		return to.addSmarthost(key, a)
	}
	return nil
}

func (to rows) addRoute(key string, a attrs) error {
	if a.Str("address") != key {
		return fmt.Errorf("address: it is not %q", key)
	}
	typ := a.Str("type")
	if domain, ok := strings.CutPrefix(key, "@"); ok {
		if name, err := schema.ParseDomainName(domain); err != nil || name != domain {
			return fmt.Errorf("address: %q is no domain name", domain)
		}
	} else if err := checkAddress(key); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	members := a.Strings("members")
	switch {
	case typ == refused:
		if len(members) > 0 || a.Bool("keep_copy") || strings.HasPrefix(key, "@") {
			return errors.New("members: mail that is refused goes nowhere")
		}
		to[addresses][key] = refusedValue
		return nil
	case !slices.Contains([]string{"alias", "forward", "catch_all"}, typ):
		return fmt.Errorf("type: there is no %q", typ)
	}
	if len(members) == 0 {
		return errors.New("members: there are none")
	}
	for _, m := range members {
		if err := checkAddress(m); err != nil {
			return fmt.Errorf("members: %w", err)
		}
		if typ == "alias" && !strings.HasPrefix(key, "@") {
			to[senders][key+","+m] = "OK"
		}
	}
	if a.Bool("keep_copy") {
		if strings.HasPrefix(key, "@") {
			return errors.New("keep_copy: a catch-all has no mailbox")
		}
		// The mailbox itself: an address of the same name would be looked up again.
		members = append([]string{authd.CopyKey(key)}, members...)
		to[addresses][authd.CopyKey(key)] = authd.CopyKey(key)
	}
	to[addresses][key] = aliasKey(key)
	to[aliases][aliasKey(key)] = strings.Join(members, ", ")
	return nil
}

// refused is the type of routes of those who get no mail, not by a catch-all either;
// refusedValue is what stands for them in place of an address.
const (
	refused      = "refused"
	refusedValue = authd.Refused
)

const mapHeader = "# Written by mailform, which makes the map anew with each change.\n"

// mapText writes the rows of a map, sorted, as makemap reads them.
func mapText(m map[string]string) []byte {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	b.WriteString(mapHeader)
	for _, k := range keys {
		b.WriteString(k + "\t" + m[k] + "\n")
	}
	return []byte(b.String())
}

// parseMap reads what makemap -u or mapText write.
func parseMap(text []byte) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(line, "\t")
		if ok && k != "" {
			m[k] = v
		}
	}
	return m
}
