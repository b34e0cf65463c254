package userfile

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// People have user IDs in this range on Linux systems (login.defs); others are
// the system's.
const firstUID, lastUID = 1000, 59999

// passwd reads a line of passwd(5).
func (p *parser) passwd(n int, text string) {
	f := strings.Split(text, ":")
	if len(f) != 7 {
		p.skip(n, printable(f[0]), "a line of passwd has seven fields, and this one has %d", len(f))
		return
	}
	uid, err := strconv.ParseUint(f[2], 10, 32)
	switch {
	case err != nil:
		p.skip(n, printable(f[0]), "the third field is no user ID")
	case uid < firstUID || uid > lastUID:
		p.out.System++
	default:
		p.mailbox(n, f[0], f[1], 0)
	}
}

// shadow reads a line of shadow(5). Who has no password at all is taken for an
// account of the system.
func (p *parser) shadow(n int, text string) {
	f := strings.Split(text, ":")
	switch {
	case len(f) < 2:
		p.skip(n, printable(f[0]), "a line of shadow has a name and a password")
	case strings.Trim(f[1], "*!") == "":
		p.out.System++
	default:
		p.mailbox(n, f[0], f[1], 0)
	}
}

// dovecot reads a line of Dovecot's passwd-file:
// user:password:uid:gid:gecos:home:shell:extra fields.
func (p *parser) dovecot(n int, text string) {
	f := strings.SplitN(text, ":", 8)
	password := ""
	if len(f) > 1 {
		password = f[1]
	}
	quota := int64(0)
	if len(f) == 8 {
		for _, field := range strings.Fields(f[7]) {
			name, value, _ := strings.Cut(field, "=")
			switch name {
			case "userdb_quota_rule", "userdb_quota_storage_size":
				size, err := dovecotQuota(value)
				if err != nil {
					p.note(n, printable(f[0]), "its quota is left out: %v", err)
				}
				quota = size
			case "nologin", "allow_nets", "proxy", "host":
				p.note(n, printable(f[0]), "the field %s has no counterpart and is left out", name)
			}
		}
	}
	p.mailbox(n, f[0], password, quota)
}

var errQuota = errors.New("only storage=SIZE for all mailboxes is understood")

// dovecotQuota reads "*:storage=1G" or "1G", in bytes. Without a unit the
// former is in kibibytes, the latter in bytes.
func dovecotQuota(rule string) (int64, error) {
	size, isRule := strings.CutPrefix(rule, "*:storage=")
	if strings.Contains(size, ":") || strings.Contains(size, "=") {
		return 0, errQuota
	}
	unit := int64(1)
	if isRule {
		unit = 1 << 10
	}
	size = strings.TrimRight(strings.ToUpper(size), "IB")
	if size != "" {
		if i := strings.IndexByte("BKMGT", size[len(size)-1]); i >= 0 {
			unit, size = 1<<(10*i), size[:len(size)-1]
		}
	}
	count, err := strconv.ParseInt(size, 10, 64)
	if err != nil || count < 0 || count > math.MaxInt64/unit {
		return 0, errQuota
	}
	return count * unit, nil
}

// virtual reads a line of Postfix's virtual alias map (virtual(5)): an address,
// @domain for all others, or the name of a domain, which says nothing by itself.
func (p *parser) virtual(n int, text string) {
	name, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(text, "\t", " ")), " ")
	if !strings.Contains(name, "@") && strings.Contains(name, ".") {
		p.out.System++
		return
	}
	members := strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' })
	p.route(n, name, members)
}

// alias reads a line of aliases(5): name: member, member.
func (p *parser) alias(n int, text string) {
	name, rest, ok := strings.Cut(text, ":")
	if !ok {
		p.skip(n, printable(text), "there is no colon after the name")
		return
	}
	var members []string
	for m := range strings.SplitSeq(rest, ",") {
		if m = strings.TrimSpace(m); m != "" {
			members = append(members, m)
		}
	}
	p.route(n, strings.Trim(strings.TrimSpace(name), `"`), members)
}

// route takes in an alias or a catch-all.
func (p *parser) route(n int, name string, members []string) {
	typ, key := "alias", ""
	if domain, all := strings.CutPrefix(name, "@"); all {
		d, err := schema.ParseDomainName(domain)
		if err != nil {
			p.skip(n, printable(name), "%v", err)
			return
		}
		typ, key = "catch_all", "@"+d
	} else {
		a, err := p.address(name)
		if err != nil {
			p.skip(n, printable(name), "%v", err)
			return
		}
		key = a.String()
	}
	seen := map[string]bool{}
	var vals []cty.Value
	for _, m := range members {
		if strings.HasPrefix(strings.Trim(m, `"`), "|") || strings.HasPrefix(m, "/") || strings.HasPrefix(m, ":") {
			p.skip(n, printable(name), "it goes to a program, a file or a list in a file, which an alias cannot")
			return
		}
		a, err := p.address(strings.TrimPrefix(m, `\`))
		if err != nil {
			p.skip(n, printable(name), "its member %s is no address: %v", printable(m), err)
			return
		}
		if a.String() == key {
			p.skip(n, printable(name), "it goes to itself: a user receives mail for its own address anyway")
			return
		}
		if !seen[a.String()] {
			seen[a.String()] = true
			vals = append(vals, cty.StringVal(a.String()))
		}
	}
	if len(vals) == 0 {
		p.skip(n, printable(name), "it has no members")
		return
	}
	if !p.claim(n, printable(name), key) {
		return
	}
	p.out.Things = append(p.out.Things, providers.Observed{Kind: schema.KindRoute, Key: key, Attrs: cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(key), "type": cty.StringVal(typ), "members": cty.ListVal(vals), "keep_copy": cty.False,
	})})
}
