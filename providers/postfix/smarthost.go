package postfix

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A smarthost is the way of some mail. What names domains of recipients is rows of our
// transport map, what names domains of senders rows of another map, and what names
// neither default_transport. In that order Postfix looks for the way of a message
// (trivial-rewrite(8)), and after them all comes relayhost.
//
// Each of the ways of TLS is a service of master.cf, as main.cf says one thing for all
// mail. Passwords lie in a map that only root can read, and not in the ledger.

// Parameters of main.cf for ways.
const (
	byRecipient = "transport_maps"
	bySender    = "sender_dependent_default_transport_maps"
	byNothing   = "default_transport"
)

// ways are the parameters that smarthosts may need.
var ways = []string{byRecipient, bySender, byNothing}

// tlsLevels are the values of tls that there are.
var tlsLevels = []string{"implicit", "opportunistic", "verified"}

// agentOf is the service of master.cf that speaks to smarthosts with a level of TLS.
func agentOf(tls string) string { return "mailform-" + tls }

// agent is that service. login: there is a password for one of them.
func (p *Provider) agent(tls string, login bool) *entry {
	options := []option{{"smtp_tls_policy_maps", ""}, {"smtp_tls_wrappermode", "no"}, {"smtp_tls_security_level", "may"}, {"smtp_sasl_auth_enable", "no"}}
	if tls != "opportunistic" {
		options[2].value = "secure"
		options = append(options, option{"smtp_tls_secure_cert_match", "nexthop"}, option{"tls_append_default_CA", "yes"})
	}
	if tls == "implicit" {
		options[1].value = "yes"
	}
	if login {
		options[3].value = "yes"
		options = append(options, option{"smtp_sasl_password_maps", p.mapOf(passwords)}, option{"smtp_sasl_type", "cyrus"},
			option{"smtp_sender_dependent_authentication", "no"}, option{"smtp_sasl_security_options", "noanonymous"}, option{"smtp_sasl_tls_security_options", "noanonymous"})
	}
	return &entry{name: agentOf(tls), typ: "unix", columns: [5]string{"-", "-", "n", "-", "-"}, command: "smtp", options: options}
}

// checkSmarthost refuses what Postfix does not have.
func checkSmarthost(a attrs) error {
	hop, err := nextHop(a.Str("host"))
	if err != nil || hop == "" {
		return fmt.Errorf("host: %q is no host with a port", a.Str("host"))
	}
	for _, name := range []string{"senders", "recipients"} {
		list := a.Strings(name)
		for i, d := range list {
			if n, err := schema.ParseDomainName(d); err != nil || n != d {
				return fmt.Errorf("%s: %q is no domain", name, d)
			}
			if i > 0 && list[i-1] >= d {
				return fmt.Errorf("%s: they are not sorted, or one is there twice", name)
			}
		}
	}
	if len(a.Strings("senders")) > 0 && len(a.Strings("recipients")) > 0 {
		return errors.New("recipients: beside senders there can be none: Postfix finds the way of mail by its recipient or by its sender, not by both together")
	}
	tls := a.Str("tls")
	if !slices.Contains(tlsLevels, tls) {
		return fmt.Errorf("tls: Postfix has no %q", tls)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(hop, "["), "]:")
	if _, err := netip.ParseAddr(name); err == nil && tls != "opportunistic" {
		return fmt.Errorf("tls: Postfix looks for a name in a certificate, and %s has none", a.Str("host"))
	}
	return nil
}

// checkLogin refuses what Postfix cannot log in with.
func checkLogin(a attrs) error {
	hop, _ := nextHop(a.Str("host"))
	user, password := a.Str("username"), a.Str("password")
	switch {
	case (user == "") != (password == ""):
		return errors.New("username: it comes together with a password")
	case user == "":
		return nil
	case a.Str("tls") == "opportunistic":
		return errors.New("tls: a password goes to nobody whose certificate is not looked at")
	case strings.ContainsAny(user, ": \t"):
		return fmt.Errorf("username: Postfix takes no name with a colon or white space, as %q", user)
	}
	if checkRow(hop, user+":"+password) != nil {
		return errors.New("password: a map of Postfix holds no control characters, no white space at an end, and none twice")
	}
	return nil
}

// way is the value of a row that leads to a smarthost.
func way(a attrs) string {
	hop, _ := nextHop(a.Str("host")) // looked at before
	return agentOf(a.Str("tls")) + ":" + hop
}

// senderMark is before a domain in a map of senders.
const senderMark = "@"

// keepsMail reports whether mail for a domain stays here, so that it has no other way.
func (w *world) keepsMail(domain string) bool {
	_, ours := w.tables[domains].get(domain)
	return ours
}

// settleSmarthosts makes the maps of the smarthosts, and adds to what main.cf and
// master.cf have to have what leads there. Rows of others in the maps stay.
func (w *world) settleSmarthosts(params, lists map[string]string, services *[]*entry) error {
	all := w.ledger.declared(schema.KindSmarthost)
	for _, i := range []int{transport, senderTransport, passwords} {
		w.tables[i] = w.tables[i].foreign(func(r row) bool {
			// Put in by hand, and ours to say.
			return slices.Contains(w.left, r.value) || slices.ContainsFunc(all, func(a attrs) bool { return r.value == way(a) })
		})
	}
	used, logins := map[string]bool{}, map[string]bool{}
	for _, a := range all {
		put := func(table int, key, value string) error {
			if r, twice := w.tables[table].get(key); twice && r.mark != nil {
				return fmt.Errorf("recipients: mail of %s would have two ways, by %s and by %s", strings.TrimPrefix(key, senderMark), r.value, value)
			}
			w.tables[table].put(row{key, value, &mark{Derived: true}})
			return nil
		}
		for _, d := range a.Strings("recipients") {
			if w.keepsMail(d) {
				continue
			}
			if err := put(transport, d, way(a)); err != nil {
				return err
			}
		}
		for _, d := range a.Strings("senders") {
			if err := put(senderTransport, senderMark+d, way(a)); err != nil {
				return err
			}
		}
		tls := a.Str("tls")
		used[tls] = true
		if user := a.Str("username"); user != "" {
			hop, _ := nextHop(a.Str("host"))
			logins[tls] = true
			if err := put(passwords, hop, user+":"+w.secrets[a.Str("host")]); err != nil {
				return err
			}
		}
		switch {
		case len(a.Strings("recipients")) > 0:
			lists[byRecipient] = w.p.mapOf(transport)
		case len(a.Strings("senders")) > 0:
			lists[bySender] = w.p.mapOf(senderTransport)
		default:
			if other := params[byNothing]; other != "" && other != way(a) {
				return fmt.Errorf("senders: %s would get all mail, and so would %s", a.Str("host"), other)
			}
			params[byNothing] = way(a)
		}
	}
	for _, tls := range slices.Sorted(maps.Keys(used)) {
		*services = append(*services, w.p.agent(tls, logins[tls]))
	}
	return nil
}

// foreign is a table with the rows of others alone, but for some.
func (t *table) foreign(but func(row) bool) *table {
	n := newTable()
	for _, r := range t.rows {
		if r.key != "" && r.mark == nil && !but(r) {
			n.put(r)
		}
	}
	return n
}

// leave notes the way to a smarthost that goes, so that no row leads there any more.
func (w *world) leave(id schema.ID) {
	if h := w.ledger.find(id.Kind, id.Key); h != nil {
		if a, err := h.attrs(); err == nil {
			hop, _ := nextHop(a.Str("host"))
			w.left = append(w.left, way(a))
			delete(w.secrets, a.Str("host"))
			w.tables[passwords].remove(hop)
		}
	}
}

// loadSecrets reads the passwords of smarthosts, by their hosts.
func (w *world) loadSecrets() {
	w.secrets = map[string]string{}
	for _, r := range w.tables[passwords].rows {
		if _, password, ok := strings.Cut(r.value, ":"); ok {
			w.secrets[parseNextHop(r.key)] = password
		}
	}
}

// row is what a map says of a key, in its text and as it was built; empty where these
// are not the same.
func (w *world) row(table int, key string) string {
	r, _ := w.tables[table].get(key)
	if w.built[table][key] != r.value {
		return ""
	}
	return r.value
}

// liveSmarthost puts into vals what leads there in place of what should, and reports
// whether anything does.
func (w *world) liveSmarthost(a attrs, vals map[string]cty.Value) bool {
	lead := func(name, parameter string, table int, before string) (there bool) {
		have := map[string]bool{}
		if begins(w.params[parameter], w.p.mapOf(table)) {
			for key, value := range w.built[table] {
				have[strings.TrimPrefix(key, before)] = value == way(a)
			}
		}
		for _, d := range a.Strings(name) {
			have[d] = have[d] && w.row(table, before+d) == way(a) || table == transport && w.keepsMail(d)
		}
		var list []string
		for _, d := range slices.Sorted(maps.Keys(have)) {
			if have[d] {
				list = append(list, d)
			}
		}
		vals[name] = schema.StringList(list)
		return len(list) > 0
	}
	switch {
	case len(a.Strings("recipients")) > 0:
		if !lead("recipients", byRecipient, transport, "") {
			return false
		}
	case len(a.Strings("senders")) > 0:
		if !lead("senders", bySender, senderTransport, senderMark) {
			return false
		}
	case w.params[byNothing] != way(a):
		return false
	}
	tls := a.Str("tls")
	logins := slices.ContainsFunc(w.ledger.declared(schema.KindSmarthost), func(o attrs) bool { return o.Str("tls") == tls && o.Str("username") != "" })
	want := w.p.agent(tls, logins)
	have := w.services[want.key()]
	if have == nil || have.command != want.command || disables(splitList(w.params[disabled]), want.key()) ||
		slices.ContainsFunc(want.options, func(o option) bool {
			v, ok := have.option(o.name)
			return !ok || v != o.value
		}) {
		vals["tls"] = cty.StringVal("none")
	}
	hop, _ := nextHop(a.Str("host"))
	user, password, _ := strings.Cut(w.row(passwords, hop), ":")
	vals["username"], vals["password"] = cty.StringVal(user), cty.StringVal(password)
	return true
}

// judgeSmarthost refuses what settleSmarthosts would, before anything is planned.
func (v *validation) judgeSmarthost(r *schema.Resource, a attrs) {
	for _, name := range []string{"recipients", "senders"} {
		for _, d := range a.Strings(name) {
			switch other := v.leads[name+" "+d]; {
			case other == "":
				v.leads[name+" "+d] = r.Address
			case other != r.Address:
				v.problem(r.Address, fmt.Errorf("%s: %s is in those of %s too", name, d, other))
				return
			}
		}
	}
	if len(a.Strings("recipients"))+len(a.Strings("senders")) == 0 {
		if other := v.leads["all"]; other != "" {
			v.problem(r.Address, fmt.Errorf("host: all mail would go there, and to %s too", other))
			return
		}
		v.leads["all"] = r.Address
	}
	if a.Str("username") != "" && !v.logsIn {
		v.problem(r.Address, errors.New("username: this Postfix cannot log in at other servers (postconf -A has no cyrus)"))
	}
}
