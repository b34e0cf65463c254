package postfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// openRelay says why a configuration would hand on anybody's mail to anywhere; empty:
// it does not. param is the effective value of a parameter.
//
// Mail is handed on where both lists let it through (postconf(5)): the one for relays
// and the one for recipients.
func openRelay(param func(string) string) string {
	for _, name := range []string{"relay_domains", "mydestination"} {
		for _, el := range splitList(param(name)) {
			if strings.HasPrefix(el, "static:") {
				return fmt.Sprintf("%s has %s, which is every domain", name, el)
			}
		}
	}
	trusted := ""
	for _, el := range splitList(param("mynetworks")) {
		if wide(el) {
			trusted = el
		}
	}
	relay, recipient := splitList(param("smtpd_relay_restrictions")), splitList(param("smtpd_recipient_restrictions"))
	if closes(relay, trusted != "") || closes(recipient, trusted != "") {
		return ""
	}
	switch {
	case trusted != "" && (closes(relay, false) || closes(recipient, false)):
		return fmt.Sprintf("mynetworks has %s, and permit_mynetworks lets it hand in mail for anywhere", trusted)
	case len(relay) == 0 && len(recipient) == 0:
		return "smtpd_relay_restrictions is empty"
	}
	return fmt.Sprintf("smtpd_relay_restrictions = %s lets everybody hand in mail for anywhere: reject_unauth_destination is missing", strings.Join(relay, ", "))
}

// wide reports whether a network is a good part of the whole internet.
func wide(s string) bool {
	s = strings.NewReplacer("[", "", "]", "").Replace(s)
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return strings.HasPrefix(s, "static:")
	case p.Addr().Is4():
		return p.Bits() < 8
	case p.Addr().Is4In6():
		return p.Bits() < 96+8
	}
	return p.Bits() < 16
}

// closes reports whether a list of restrictions ends with a refusal for whoever is
// not known.
func closes(list []string, everybodyTrusted bool) bool {
	for _, el := range list {
		switch strings.ToLower(el) {
		case "reject", "defer", "reject_unauth_destination", "defer_unauth_destination":
			return true
		case "permit":
			return false
		case "permit_mynetworks":
			if everybodyTrusted {
				return false
			}
		}
		if el == "static:ok" || el == "static:permit" {
			return false
		}
	}
	return false
}

// relayParameters are what openRelay asks for.
var relayParameters = []string{"relay_domains", "mydestination", "mynetworks", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"}

// openServices says of each SMTP server of master.cf whether it is an open relay,
// by its own settings or those of main.cf.
func openServices(services map[string]*entry, param func(string) string) string {
	keys := make([]string, 0, len(services))
	for key := range services {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if why := openRelay(param); why != "" {
		return "main.cf: " + why
	}
	for _, key := range keys {
		e := services[key]
		if e.command != "smtpd" {
			continue
		}
		why := openRelay(func(name string) string {
			if v, ok := e.option(name); ok {
				return v
			}
			return param(name)
		})
		if why != "" {
			return "the service " + e.name + " of master.cf: " + why
		}
	}
	return ""
}
