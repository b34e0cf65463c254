package postfix

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// A native is what Postfix has to have for a resource.
type native struct {
	// params of main.cf, by name.
	params map[string]string
	// lists are parameters of main.cf that are lists, which begin with ours and go on
	// with whatever stands there.
	lists map[string]string
	// services of master.cf.
	services []*entry
}

// derivedNames are the parameters that follow from blocks.
var derivedNames = []string{
	"myhostname", "proxy_interfaces", "message_size_limit", "mailbox_size_limit", "smtpd_tls_chain_files", "smtpd_tls_security_level", "relayhost",
	"minimal_backoff_time", "maximal_backoff_time", "queue_run_delay", "maximal_queue_lifetime", "bounce_queue_lifetime", "smtpd_relay_restrictions",
	queueParameter, "virtual_transport", "virtual_mailbox_domains", "virtual_mailbox_maps", "virtual_alias_maps", "smtpd_sender_login_maps",
	"smtpd_sasl_type", "smtpd_sasl_path", "cyrus_sasl_config_path", "inet_interfaces", disabled,
	milterParameter("smtp"), milterParameter("submission"),
}

// derive says what Postfix has to have for a resource of the ledger. former is what
// stood in main.cf before mailform came.
func (p *Provider) derive(kind string, a attrs, former func(string) string) (native, error) {
	switch kind {
	case schema.KindSetting:
		return p.deriveSetting(a, former)
	case schema.KindDelivery:
		return p.deriveDelivery(a)
	case schema.KindLookup:
		return p.deriveLookup(a, former)
	case schema.KindListener:
		return p.deriveListener(a)
	case schema.KindLocation:
		return deriveLocation(a)
	case schema.KindParameter:
		return deriveParameter(a)
	case schema.KindService:
		return deriveService(a, former), nil
	case schema.KindFilter: // all of a service come together, in settleFilters
		_, err := milter(a)
		return native{}, err
	case schema.KindSmarthost: // all of them come together, in settleSmarthosts
		return native{}, checkSmarthost(a)
	}
	return native{}, nil
}

func deriveLocation(a attrs) (native, error) {
	path := a.Str("path")
	if a.Str("content") != queueKey {
		return native{}, fmt.Errorf("content: Postfix has no %q", a.Str("content"))
	}
	if err := checkPath(path); err != nil || filepath.Clean(path) != path || path == "/" {
		return native{}, fmt.Errorf("path: %q is no place for a queue", path)
	}
	return native{params: map[string]string{queueParameter: path}}, nil
}

const (
	closedRelay     = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
	ordinaryMailbox = 51200000 // bytes, the default of mailbox_size_limit
	longestLifetime = 100 * 24 * 3600
)

func (p *Provider) deriveSetting(a attrs, former func(string) string) (native, error) {
	n := native{params: map[string]string{}}
	host, err := schema.ParseHostName(a.Str("hostname"))
	if err != nil || host != a.Str("hostname") {
		return n, fmt.Errorf("hostname: %q is no name of a host", a.Str("hostname"))
	}
	n.params["myhostname"] = host
	for _, s := range a.Strings("addresses") {
		if _, err := netip.ParseAddr(s); err != nil {
			return n, fmt.Errorf("addresses: %q is no address", s)
		}
	}
	n.params["proxy_interfaces"] = strings.Join(a.Strings("addresses"), ", ")
	limit := a.Number("message_size_limit")
	n.params["message_size_limit"] = strconv.FormatInt(limit, 10)
	box, err := strconv.ParseInt(former("mailbox_size_limit"), 10, 64)
	if err != nil {
		box = ordinaryMailbox
	}
	if box != 0 && (box < limit || limit == 0) { // the agent for local mail does not run otherwise
		n.params["mailbox_size_limit"] = n.params["message_size_limit"]
	}
	cert, key := a.Str("tls_certificate"), a.Str("tls_key")
	if (cert == "") != (key == "") {
		return n, fmt.Errorf("tls_certificate: certificate and tls_key come together")
	}
	if cert == "" {
		own := certificate.Paths(p.own())
		cert, key = own.Certificate, own.Key
	}
	for name, path := range map[string]string{"tls_certificate": cert, "tls_key": key} {
		if err := checkPath(path); err != nil {
			return n, fmt.Errorf("%s: %w", name, err)
		}
	}
	n.params["smtpd_tls_chain_files"] = key + ", " + cert
	n.params["smtpd_tls_security_level"] = "may"
	if n.params["relayhost"], err = nextHop(a.Str("relay_host")); err != nil {
		return n, fmt.Errorf("relay_host: %w", err)
	}
	if former("smtpd_relay_restrictions") == "" {
		n.params["smtpd_relay_restrictions"] = closedRelay
	}
	return n, deriveRetry(n.params, a.Numbers("retry"))
}

// deriveRetry makes of the times between attempts what Postfix knows: the least and
// the greatest of them, and how long is tried in all.
func deriveRetry(params map[string]string, retry []int64) error {
	if len(retry) == 0 {
		return fmt.Errorf("retry: there is no time in it")
	}
	var sum int64
	for _, s := range retry {
		sum += s
		if s < 1 || sum > longestLifetime {
			return fmt.Errorf("retry: Postfix tries again after a second at the least, and for 100 days at the most")
		}
	}
	seconds := func(n int64) string { return strconv.FormatInt(n, 10) + "s" }
	least, greatest := slices.Min(retry), slices.Max(retry)
	params["minimal_backoff_time"] = seconds(least)
	params["maximal_backoff_time"] = seconds(greatest)
	params["queue_run_delay"] = seconds(min(least, 300))
	params["maximal_queue_lifetime"] = seconds(sum)
	params["bounce_queue_lifetime"] = seconds(sum)
	return nil
}

// retryOf makes times of what Postfix has: the least, doubled up to the greatest.
func retryOf(least, greatest, sum int64) []int64 {
	least = max(least, 1)
	var list []int64
	for next := least; sum > 0 && len(list) < 1000; next = min(2*next, max(greatest, least)) {
		list = append(list, min(next, sum))
		sum -= min(next, sum)
	}
	return list
}

// nextHop writes host:port as a destination without a look-up of MX records.
func nextHop(hostPort string) (string, error) {
	if hostPort == "" {
		return "", nil
	}
	canonical, err := schema.ParseHostPort(hostPort)
	if err != nil || canonical != hostPort {
		return "", fmt.Errorf("%q is no host with a port", hostPort)
	}
	host, port, err := net.SplitHostPort(hostPort)
	return "[" + host + "]:" + port, err
}

// parseNextHop is the reverse of nextHop; other forms are returned as they are.
func parseNextHop(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok := strings.Cut(rest, "]:"); ok {
			return net.JoinHostPort(host, port)
		}
	}
	return s
}

// checkPath refuses a path that a list of main.cf cannot hold as it is.
func checkPath(path string) error {
	if !filepath.IsAbs(path) || strings.ContainsAny(path, " \t,$;{}'\"\\#") {
		return fmt.Errorf("%q cannot stand in main.cf: it has to be an absolute path without white space, commas, quotation marks, $ and braces", path)
	}
	return checkValue(path)
}

func (p *Provider) deriveDelivery(a attrs) (native, error) {
	n := native{params: map[string]string{}, lists: map[string]string{}}
	if at, err := schema.ParseHostPort(a.Str("lmtp")); err != nil || at != a.Str("lmtp") {
		return n, fmt.Errorf("lmtp: %q is no host with a port", a.Str("lmtp"))
	}
	n.params["virtual_transport"] = "lmtp:inet:" + a.Str("lmtp")
	n.lists["virtual_mailbox_domains"] = p.mapOf(domains)
	n.lists["virtual_mailbox_maps"] = p.mapOf(recipients)
	n.lists["virtual_alias_maps"] = p.mapOf(aliases)
	switch auth, at, _ := strings.Cut(a.Str("auth"), ":"); auth {
	case "":
		if at != "" {
			return n, fmt.Errorf("auth: %q is nobody who could say who a user is", a.Str("auth"))
		}
	case "dovecot":
		if canonical, err := schema.ParseHostPort(at); err != nil || canonical != at {
			return n, fmt.Errorf("auth: %q is no host with a port", at)
		}
		n.params["smtpd_sasl_type"], n.params["smtpd_sasl_path"] = "dovecot", "inet:"+at
	case "authd":
		if at != "" {
			return n, fmt.Errorf("auth: %q is nobody who could say who a user is", a.Str("auth"))
		}
		n.params["smtpd_sasl_type"], n.params["smtpd_sasl_path"] = "cyrus", saslName
		n.params["cyrus_sasl_config_path"] = p.saslDir()
	default:
		return n, fmt.Errorf("auth: %q is nobody who could say who a user is", a.Str("auth"))
	}
	// Whoever has an address may use it as a sender, and so may members of an alias.
	n.params["smtpd_sender_login_maps"] = p.mapOf(recipients) + ", " + p.mapOf(aliases)
	return n, nil
}

func deriveParameter(a attrs) (native, error) {
	name := a.Str("name")
	if slices.Contains(derivedNames, name) {
		return native{}, fmt.Errorf("name: %s follows from the blocks of the server, and cannot be set beside them", name)
	}
	if _, err := parameterLine(name, a.Str("value")); err != nil {
		return native{}, err
	}
	return native{params: map[string]string{name: a.Str("value")}}, nil
}

// submissionOptions let those in who log in, over TLS, in their own names, and
// nobody else.
var submissionOptions = []option{
	{"smtpd_sasl_auth_enable", "yes"},
	{"smtpd_sasl_security_options", "noanonymous"},
	{"smtpd_tls_auth_only", "yes"},
	{"smtpd_client_restrictions", ""},
	{"smtpd_helo_restrictions", ""},
	{"smtpd_sender_restrictions", "reject_sender_login_mismatch"},
	{"smtpd_relay_restrictions", "permit_sasl_authenticated,reject"},
	{"smtpd_recipient_restrictions", "permit_sasl_authenticated,reject"},
	{"milter_macro_daemon_name", "ORIGINATING"},
}

// handed is mail that users have submitted to a server beside, which says by XCLIENT
// who has logged in there. What only it may reach is not asked for TLS; with
// smtpd_tls_auth_only and no TLS, Postfix would not heed the user either.
const handed = "submitted"

var handedOptions = func() []option {
	options := append(slices.Clone(submissionOptions), option{"smtpd_authorized_xclient_hosts", "127.0.0.0/8,[::1]"})
	for i := range options {
		if options[i].name == "smtpd_tls_auth_only" {
			options[i].value = "no"
		}
	}
	return options
}()

func (p *Provider) deriveListener(a attrs) (native, error) {
	n := native{params: map[string]string{}}
	host, err := schema.ParseHostName(a.Str("hostname"))
	if err != nil || host != a.Str("hostname") {
		return n, fmt.Errorf("hostname: %q is no name of a host", a.Str("hostname"))
	}
	var options []option
	switch a.Str("service") {
	case "smtp":
		options = []option{{"smtpd_sasl_auth_enable", "no"}}
	case "submission":
		options = submissionOptions
	case handed:
		options = handedOptions
		if err := nobodyElse(a); err != nil {
			return n, err
		}
	default:
		return n, fmt.Errorf("service: Postfix has no service %q", a.Str("service"))
	}
	// Without the second a message can be ended where its sender did not end it, and
	// another one be smuggled in. A Postfix that does not know it takes no offence.
	options = append([]option{{"myhostname", host}, {"smtpd_forbid_bare_newline", "yes"}}, options...)
	for _, kind := range []string{"listen", "listen_tls"} {
		tls := []option{{"smtpd_tls_wrappermode", "no"}, {"smtpd_tls_security_level", "may"}}
		switch {
		case kind == "listen_tls":
			tls = []option{{"smtpd_tls_wrappermode", "yes"}, {"smtpd_tls_security_level", "encrypt"}}
		case a.Str("service") == "submission":
			tls[1].value = "encrypt"
		}
		for _, at := range a.Strings(kind) {
			if canonical, err := schema.ParseListen(at); err != nil || canonical != at {
				return n, fmt.Errorf("%s: %q is no address with a port", kind, at)
			}
			name, wild := strings.CutPrefix(at, ":")
			if wild {
				n.params["inet_interfaces"] = "all"
			}
			n.services = append(n.services, &entry{name: name, typ: "inet", columns: [5]string{"n", "-", "n", "-", "-"},
				command: "smtpd", options: slices.Concat(tls, options), service: filteredAs(a.Str("service"))})
		}
	}
	return n, nil
}

// filteredAs is the service whose filters judge what a service takes.
func filteredAs(service string) string {
	if service == handed {
		return "submission"
	}
	return service
}

// nobodyElse refuses addresses that others than this machine reach.
func nobodyElse(a attrs) error {
	for _, at := range a.Strings("listen") {
		if ap, err := netip.ParseAddrPort(at); err != nil || !ap.Addr().IsLoopback() {
			return fmt.Errorf("listen: %q is no loopback address, and whoever reaches it could send in anybody's name", at)
		}
	}
	if len(a.Strings("listen_tls")) > 0 {
		return errors.New("listen_tls: what only a server beside may reach has no TLS")
	}
	return nil
}

// services of /etc/services that master.cf uses.
var wellKnownPorts = map[string]string{"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465", "ssmtp": "465", "urd": "465"}

// endpoint takes the name of an inet service apart: the host, empty for those of
// inet_interfaces, and the port in digits, where it is known.
func endpoint(name string) (host, port string) {
	host, port = "", name
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		host, port = strings.Trim(name[:i], "[]"), name[i+1:]
	}
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.String()
	}
	if digits, ok := wellKnownPorts[port]; ok {
		port = digits
	}
	return host, port
}

// clashes reports whether two services cannot listen side by side.
func clashes(a, b string) bool {
	aHost, aPort := endpoint(a)
	bHost, bPort := endpoint(b)
	return aPort == bPort && (aHost == bHost || aHost == "" || bHost == "")
}
