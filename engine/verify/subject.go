package verify

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A thing is what results are about.
type thing struct {
	group, address string
	rng            hcl.Range
}

// A zone is one that name servers of ours hold.
type zone struct {
	thing
	name    rdata.Name
	target  string
	servers []string // host:port
	signed  bool
	sets    []*set
}

// A set is a declared record set.
type set struct {
	thing
	name   rdata.Name
	typ    string
	ttl    int64
	values []string // nil: not known before an apply
}

// A domain receives mail.
type domain struct {
	thing
	name   string // A-label, without trailing dot
	target string
	// accepts has the addresses that mail is accepted for, refuses those of disabled
	// users. Sorted.
	accepts, refuses []string
	catchAll         bool
}

// A key signs mail.
type key struct {
	thing
	domain, selector, txt string // txt is empty where it is not known before an apply
}

// A server takes mail, keeps it, or does both.
type server struct {
	thing
	hostname, target string
	addresses        []netip.Addr
}

// A door is one address that a service listens at.
type door struct {
	thing
	service, hostname, target string
	addr                      string // host:port
	tls                       bool   // from the first byte
}

// loopback reports whether only this machine comes to a door.
func (d *door) loopback() bool { return loopback(d.addr) }

func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A user has a mailbox.
type user struct {
	thing
	address, target string
	protocols       []string
	mail            string
}

// A world is what the files say that there is.
type world struct {
	zones   []*zone
	domains []*domain
	keys    []*key
	servers []*server
	doors   []*door
	users   map[string]*user
	// webs are where the web servers of domains listen with TLS: the doors by the name of
	// the domain.
	webs map[string][]*door
}

// NameServers says where the zones of a target are asked for: host:port.
type NameServers map[string][]string

// read takes resources apart.
func read(rs []schema.Resource, ns NameServers) *world {
	w := &world{users: map[string]*user{}, webs: map[string][]*door{}}
	sites := map[string][]*door{} // by target and label
	zones := map[string]*zone{}   // by target and name
	addrs := map[string]string{}  // an address of a target, for doors at all addresses
	signed := map[schema.ID]bool{}
	asked := map[string][]string{} // where the embedded name servers listen, by target
	for i := range rs {
		r := &rs[i]
		switch r.Kind {
		case schema.KindSetting:
			s := &server{thing: of(r, text(r, "hostname")), hostname: text(r, "hostname"), target: r.Target}
			for _, a := range list(r, "addresses") {
				if ip, err := netip.ParseAddr(a); err == nil {
					s.addresses = append(s.addresses, ip)
				}
			}
			if len(s.addresses) > 0 {
				addrs[r.Target] = s.addresses[0].String()
			}
			w.servers = append(w.servers, s)
		case schema.KindDNSSEC:
			signed[r.ID()] = true
		case schema.KindListener:
			if text(r, "service") == "dns" {
				for _, d := range doorsOf(r, "") {
					asked[r.Target] = append(asked[r.Target], d.addr)
				}
			}
		case schema.KindZone:
			z := &zone{thing: of(r, "zone "+rdata.Name(text(r, "name")).Host()), name: rdata.Name(text(r, "name")), target: r.Target}
			zones[r.Target+" "+string(z.name)] = z
			w.zones = append(w.zones, z)
		}
	}
	for _, z := range w.zones {
		if z.servers = ns[z.target]; len(z.servers) == 0 {
			z.servers = asked[z.target]
		}
		z.signed = signed[schema.ID{Target: z.target, Kind: schema.KindDNSSEC, Key: z.name.Host()}]
	}
	for i := range rs {
		r := &rs[i]
		switch r.Kind {
		case schema.KindRRset:
			if z := zones[r.Target+" "+text(r, "zone")]; z != nil {
				z.sets = append(z.sets, readSet(r, z.group))
			}
		case schema.KindMailDomain:
			w.domains = append(w.domains, &domain{thing: of(r, text(r, "name")), name: text(r, "name"), target: r.Target})
		case schema.KindDKIMKey:
			w.keys = append(w.keys, &key{of(r, text(r, "domain")), text(r, "domain"), text(r, "selector"), text(r, "txt")})
		case schema.KindListener:
			w.addDoors(r, addrs[r.Target])
			if text(r, "service") == "web" {
				site := r.Target + " " + text(r, "owner")
				sites[site] = slices.DeleteFunc(doorsOf(r, addrs[r.Target]), func(d *door) bool { return !d.tls })
			}
		case schema.KindMailbox:
			a := text(r, "address")
			w.users[a] = &user{of(r, a), a, r.Target, list(r, "protocols"), text(r, "mail")}
		}
	}
	for i := range rs {
		if r := &rs[i]; r.Kind == schema.KindWebDomain {
			w.webs[text(r, "domain")] = sites[r.Target+" "+text(r, "owner")]
		}
	}
	w.addRecipients(rs)
	return w
}

func readSet(r *schema.Resource, group string) *set {
	s := &set{thing: of(r, group), name: rdata.Name(text(r, "name")), typ: text(r, "type")}
	if v := r.Attrs.GetAttr("values"); v.IsWhollyKnown() {
		s.values = append([]string{}, list(r, "values")...)
	}
	if v := r.Attrs.GetAttr("ttl"); v.IsKnown() && !v.IsNull() {
		s.ttl, _ = v.AsBigFloat().Int64()
	}
	return s
}

// addRecipients finds out who gets mail at each domain, at the server that takes it
// in: by the files alone, whoever keeps the mailboxes.
func (w *world) addRecipients(rs []schema.Resource) {
	byName := map[string]*domain{}
	for _, d := range w.domains {
		byName[d.name] = d
	}
	ways := ways{}
	for i := range rs {
		r := &rs[i]
		switch r.Kind {
		case schema.KindMailbox:
			address := text(r, "address")
			way := ways[address]
			way.disabled = way.disabled || text(r, "mail") == "disabled"
			ways[address] = way
		case schema.KindRoute:
			address := text(r, "address")
			way := ways[address]
			way.disabled = way.disabled || text(r, "type") == "refused"
			if v := r.Attrs.GetAttr("keep_copy"); v.IsNull() || v.False() {
				way.members = list(r, "members")
			}
			ways[address] = way
		}
	}
	for address := range ways {
		local, host, _ := cutLast(address)
		switch d := byName[host]; {
		case d == nil:
		case local == "":
			d.catchAll = true
		case ways.closed(address, deepest):
			d.refuses = append(d.refuses, address)
		default:
			d.accepts = append(d.accepts, address)
		}
	}
	for _, d := range w.domains {
		slices.Sort(d.accepts)
		slices.Sort(d.refuses)
	}
}

// ways say where mail for addresses goes.
type ways map[string]struct {
	disabled bool
	members  []string // where all of it goes; none: it stays
}

// deepest is how far one address leads to the next.
const deepest = 20

// closed reports whether mail for an address comes to disabled users alone.
func (w ways) closed(address string, depth int) bool {
	way, ok := w[address]
	if !ok || way.disabled || len(way.members) == 0 || depth == 0 {
		return way.disabled
	}
	for _, m := range way.members {
		if !w.closed(m, depth-1) {
			return false
		}
	}
	return true
}

func (w *world) addDoors(r *schema.Resource, address string) {
	if s := text(r, "service"); s != "dns" && s != "lmtp" && s != "auth" && s != "submitted" {
		w.doors = append(w.doors, doorsOf(r, address)...)
	}
}

// doorsOf are the doors of a listener. One that listens at all addresses is knocked
// at by one of the server's.
func doorsOf(r *schema.Resource, address string) []*door {
	var ds []*door
	for i, attr := range []string{"listen", "listen_tls"} {
		for _, a := range list(r, attr) {
			host, port, err := net.SplitHostPort(a)
			if err != nil {
				continue
			}
			if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
				if host = address; host == "" {
					host = "127.0.0.1"
				}
			}
			ds = append(ds, &door{of(r, text(r, "hostname")), text(r, "service"), text(r, "hostname"), r.Target, net.JoinHostPort(host, port), i == 1})
		}
	}
	return ds
}

// at are the doors of services at a target.
func (w *world) at(target string, services ...string) []*door {
	var ds []*door
	for _, d := range w.doors {
		if d.target == target && slices.Contains(services, d.service) {
			ds = append(ds, d)
		}
	}
	return ds
}

func of(r *schema.Resource, group string) thing { return thing{group, r.Address, r.Range} }

// cutLast divides an address at its last "@".
func cutLast(address string) (local, host string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, "", false
	}
	return address[:at], address[at+1:], true
}

func text(r *schema.Resource, name string) string {
	v := r.Attrs.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func list(r *schema.Resource, name string) []string {
	v := r.Attrs.GetAttr(name)
	if v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		out = append(out, e.AsString())
	}
	return out
}
