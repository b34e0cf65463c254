package plan

import (
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// Names reports whether an ID, as people write one in an import, means a
// resource. Its key always does; beside it
//
//   - a mail address or a domain name in any letter case,
//   - the hostname of a server or name server in place of its label,
//   - NAME/TYPE for a record set, with or without the zone before it,
//   - the owner name of a DKIM key's record.
func Names(r *schema.Resource, id string) bool {
	if id == r.Key {
		return true
	}
	switch r.Kind {
	case schema.KindMailbox, schema.KindRecipient, schema.KindRoute:
		if domain, all := strings.CutPrefix(id, "@"); all {
			name, err := schema.ParseDomainName(domain)
			return err == nil && "@"+name == r.Key
		}
		a, err := schema.ParseAddress(id)
		return err == nil && a.String() == r.Key
	case schema.KindMailDomain, schema.KindZone, schema.KindDNSSEC:
		name, err := rdata.ParseName(id)
		return err == nil && name.Host() == r.Key
	case schema.KindSetting, schema.KindMailStore, schema.KindListener:
		label := r.Key
		if r.Kind == schema.KindListener {
			label = text(r.Attrs, "owner")
		}
		host, err := schema.ParseHostName(id)
		return id == label || err == nil && host == text(r.Attrs, "hostname")
	case schema.KindRRset:
		return namesRecords(r, id)
	case schema.KindDKIMKey:
		owner, err := rdata.DKIMName(text(r.Attrs, "selector"), rdata.Name(text(r.Attrs, "domain")+"."))
		name, nerr := rdata.ParseName(id)
		return err == nil && nerr == nil && name == owner
	}
	return false
}

// namesRecords is Names for a record set: ZONE/NAME/TYPE or NAME/TYPE, with or
// without the dots at the ends of the names.
func namesRecords(r *schema.Resource, id string) bool {
	names, rrtype, ok := cutLast(id, '/')
	if !ok || !strings.EqualFold(rrtype, text(r.Attrs, "type")) {
		return false
	}
	is := func(written, attr string) bool {
		name, err := rdata.ParseName(written)
		return err == nil && string(name) == text(r.Attrs, attr)
	}
	if is(names, "name") {
		return true
	}
	zone, name, ok := strings.Cut(names, "/")
	return ok && is(zone, "zone") && is(name, "name")
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// principals are the kinds that a block is called after, by the type of the
// block: a domain is the one of its mail domain and of its zone, not of its MX.
var principals = map[string][]string{
	"server":        {schema.KindSetting},
	"nameserver":    {schema.KindListener},
	"domain":        {schema.KindMailDomain, schema.KindZone},
	"user":          {schema.KindMailbox},
	"alias":         {schema.KindRoute},
	"shared_folder": {schema.KindMailbox},
	"app_password":  {schema.KindAppPassword},
	"zone":          {schema.KindZone},
	"record":        {schema.KindRRset},
	"provider":      {schema.KindProcess, schema.KindService},
}

// IsPrincipal reports whether a resource is one that its block is called after.
func IsPrincipal(r *schema.Resource) bool {
	return IsPrincipalKind(ParseAddress(r.Address).Type, r.Kind)
}

// IsPrincipalKind reports whether a block of a type is called after what it has
// of a kind.
func IsPrincipalKind(typ, kind string) bool { return slices.Contains(principals[typ], kind) }
