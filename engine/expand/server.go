package expand

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/clients"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A server is a server block.
type server struct {
	*block
	host  rdata.Name
	roles map[role]string // the target of each role
	// submits is set where users hand in mail.
	submits bool
	// front is set where the server that keeps mail has them before it.
	front  bool
	offers []string // services that it has, in the order of their ports
	// doors are where mail programs get in; undecided where some could not be told.
	doors     []clients.Door
	undecided bool
	// judges is set where the server that takes mail knows the users' passwords.
	judges bool
	// directory is where it finds its users; nil: it keeps them itself.
	directory *directory
	// misfiltered is set once something is wrong with its filters.
	misfiltered bool
}

// standardPorts are the ports of a service: plain or with STARTTLS, and with TLS
// from the first byte (RFC 8314 §3).
var standardPorts = []struct{ service, plain, tls string }{
	{"smtp", "25", ""},
	{"submission", "587", "465"},
	{"imap", "143", "993"},
	{"pop3", "110", "995"},
	{"managesieve", "4190", ""},
}

// label is a block's address without its type: main, main["a"], or
// module.acme.main. It is unique among the blocks of a type.
func (b *block) label() string {
	module := b.inst.Ref.Module.Prefix()
	return module + strings.TrimPrefix(b.addr[len(module):], b.inst.Ref.Type+".")
}

func (e *expander) readServers() {
	for _, b := range e.byType["server"] {
		s := e.section(b)
		roles, ok := s.roles([]role{roleMTA, roleStore}, roleSigner)
		host, hok := readKey(s.attr("hostname"), parseHost)
		if !ok || !hok {
			continue
		}
		srv := &server{block: b, host: host, roles: roles}
		e.servers[b] = srv
		e.readServerDirectory(s, srv)
		addresses, af := s.addresses()
		e.addSetting(s, srv, addresses, af)
		for _, p := range standardPorts {
			e.addService(s, srv, p.service, p.plain, p.tls, addresses, af)
		}
		e.addMetrics(s, srv)
		e.addPair(s, srv)
		e.addInbound(s, srv)
		e.addLists(s, srv)
		e.addGreylist(s, srv)
		e.addLimits(s, srv)
		e.addProxies(s, srv)
		e.addTimeZone(s, srv)
		e.addOAuth(s, srv)
		e.addSmarthosts(s, srv)
		e.addSending(s, srv)
		e.addUpkeep(s, srv)
		e.addLocations(s, srv)
	}
}

// parseHost reads the name of a host.
func parseHost(s string) (rdata.Name, error) {
	host, err := schema.ParseHostName(s)
	if err != nil {
		return "", err
	}
	return rdata.ParseName(host)
}

// addresses are the IP addresses of a server or a name server, in the order written.
func (s section) addresses() ([]netip.Addr, fact) {
	elems, f := s.attr("addresses").list()
	if f != known {
		return nil, f
	}
	out := make([]netip.Addr, 0, len(elems))
	for _, el := range elems {
		a, f := read(el, netip.ParseAddr)
		if f != known {
			return nil, unknown
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, known
}

func addressTexts(addresses []netip.Addr) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = a.String()
	}
	slices.Sort(out)
	return out
}

func (e *expander) addSetting(s section, srv *server, addresses []netip.Addr, af fact) {
	certificate, key := e.certificate(s)
	relay := cty.StringVal("")
	if r, ok := s.nested("relay"); ok {
		relay = orUnknown(read(r.attr("host"), schema.ParseHostPort))
	}
	retention := e.val(s.attr("retention").seconds())
	if srv.isPair() { // the other one keeps the mail
		retention = e.val(number{0, known})
	}
	e.add(srv.block, ".setting", schema.KindSetting, srv.roles[roleMTA], srv.label(), map[string]cty.Value{
		"hostname":           cty.StringVal(srv.host.Host()),
		"addresses":          list(addressTexts(addresses), af),
		"message_size_limit": e.val(s.attr("message_size_limit").size()),
		"retention":          retention,
		"tls_certificate":    certificate,
		"tls_key":            key,
		"relay_host":         relay,
		"retry":              e.durations(s.attr("retry")),
	})
}

// certificate is what a server says of its certificate and key: absolute paths,
// or nothing.
func (e *expander) certificate(s section) (certificate, key cty.Value) {
	tls, ok := s.nested("tls")
	if !ok {
		return cty.StringVal(""), cty.StringVal("")
	}
	return orUnknown(read(tls.attr("certificate"), e.path)), orUnknown(read(tls.attr("key"), e.path))
}

// path is absolute as parse function.
func (e *expander) path(p string) (string, error) { return e.absolute(p), nil }

// durations is a list of numbers of seconds in the order written.
func (e *expander) durations(v value) cty.Value {
	elems, f := v.list()
	if f == unknown {
		return cty.UnknownVal(cty.List(cty.Number))
	}
	if len(elems) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	vals := make([]cty.Value, len(elems))
	for i, el := range elems {
		vals[i] = e.val(el.seconds())
	}
	return cty.ListVal(vals)
}

// namesServices reports whether a server has a block of any service that is not
// switched off there.
func (s section) namesServices() bool {
	for service := range serviceRoles {
		sub, ok := s.nested(service)
		if !ok {
			continue
		}
		if v := sub.attr("enabled"); v.fact() != known || !v.v.False() {
			return true
		}
	}
	return false
}

// addService makes the listener of a service. A server offers the services that
// it names; one that names none offers all but those it switches off. A service
// that says nothing of ports has the standard ones on the server's addresses.
// ManageSieve is offered only where it is named.
func (e *expander) addService(s section, srv *server, service, plain, tls string, addresses []netip.Addr, af fact) {
	sub, written := s.nested(service)
	if !written && (service == "managesieve" || s.namesServices()) {
		return
	}
	on := s.attr(service)
	var listen, listenTLS []string
	lf, tf := absent, absent
	if written {
		if v := sub.attr("enabled"); v.fact() == unknown {
			e.needKnown(v.rng(), srv.addr+"."+v.path)
			return
		} else if v.fact() == known && v.v.False() {
			return
		}
		listen, lf = readList(sub.attr("listen"), schema.ParseListen)
		listenTLS, tf = readList(sub.attr("listen_tls"), schema.ParseListen)
	}
	if lf == absent && tf == absent {
		listen, listenTLS = onAddresses(addresses, plain), onAddresses(addresses, tls)
		lf, tf = orZero(af), orZero(af)
	} else if len(listen)+len(listenTLS) == 0 && lf != unknown && tf != unknown {
		on.errorf("Nothing to listen on",
			"The service %s of %s has neither a listen address nor a listen_tls address. To stop it, write enabled = false.", service, srv.addr)
		return
	}
	target := srv.roles[serviceRoles[service]]
	if service == "submission" && written {
		var ok bool
		if target, ok = e.submissionAt(sub, srv); !ok {
			return
		}
	}
	e.addListener(srv.block, service, target, srv.host, listen, lf, listenTLS, tf)
	srv.offers = append(srv.offers, service)
	if slices.Contains(clients.Services, service) {
		srv.undecided = srv.undecided || lf == unknown || tf == unknown
		srv.doors = append(srv.doors, clients.Doors(service, srv.host.Host(), listen, listenTLS)...)
	}
	srv.submits = srv.submits || service == "submission"
	if serviceRoles[service] == roleMTA {
		e.addFilters(s, sub, written, srv, service)
	}
	for _, l := range slices.Concat(listen, listenTLS) {
		e.claimPort(l, srv.addr+"."+service, target, on)
	}
}

// addMetrics makes the listener that tells how a server is.
func (e *expander) addMetrics(s section, srv *server) {
	sub, ok := s.nested("metrics")
	if !ok {
		return
	}
	target := srv.roles[roleMTA]
	if !runs(target) {
		s.attr("metrics").errorf("Server that others run",
			"%s has metrics and health of its own, or none. Leave out metrics: only the embedded server has them.", target)
		return
	}
	v := sub.attr("listen")
	listen, f := readList(v, schema.ParseListen)
	e.addListener(srv.block, "metrics", target, srv.host, listen, f, nil, known)
	for _, l := range listen {
		e.claimPort(l, srv.addr+".metrics", target, v)
	}
}

// StandardListen says where a service of a server listens that says nothing of
// ports: plain or with STARTTLS, and with TLS from the first byte.
func StandardListen(service string, addresses []netip.Addr) (listen, listenTLS []string) {
	for _, p := range standardPorts {
		if p.service == service {
			return onAddresses(addresses, p.plain), onAddresses(addresses, p.tls)
		}
	}
	return nil, nil
}

// onAddresses are the listen addresses of a port: the addresses of a server, or
// all of the machine if it has none. No port, no addresses.
func onAddresses(addresses []netip.Addr, port string) []string {
	if port == "" {
		return nil
	}
	if len(addresses) == 0 {
		return []string{":" + port}
	}
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = joinPort(a, port)
	}
	return sorted(out)
}

func joinPort(a netip.Addr, port string) string {
	if a.Is6() {
		return "[" + a.String() + "]:" + port
	}
	return a.String() + ":" + port
}

func (e *expander) addListener(b *block, service, target string, host rdata.Name, listen []string, lf fact, listenTLS []string, tf fact) {
	e.add(b, "."+service, schema.KindListener, target, b.label()+"/"+service, map[string]cty.Value{
		"owner":      cty.StringVal(b.label()),
		"service":    cty.StringVal(service),
		"hostname":   cty.StringVal(host.Host()),
		"listen":     list(listen, lf),
		"listen_tls": list(listenTLS, tf),
	})
}
