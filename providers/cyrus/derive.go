package cyrus

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

// fixed are the options that follow from how mailform works with Cyrus, whatever
// is declared.
func (p *Provider) fixed() []option {
	return []option{
		{"virtdomains", "userid"},
		{"unixhierarchysep", "yes"}, // or no address could have a dot
		{"lmtp_downcase_rcpt", "yes"},
		{"lmtp_over_quota_perm_failure", "yes"},
		{"lmtp_strict_quota", "yes"},
		{"delete_mode", "delayed"},
		{"sasl_pwcheck_method", "saslauthd"},
		{"sasl_saslauthd_path", authd.Socket(p.authDir())},
		{"sasl_mech_list", "PLAIN LOGIN"}, // verifiers are no passwords
	}
}

// derived are names of options that blocks make.
var derived = []string{"admins", "servername", "tls_server_cert", "tls_server_key", "allowplaintext"}

// isDerived reports whether mailform makes an option of blocks, so that no
// parameter can be called so.
func (p *Provider) isDerived(name string) bool {
	return slices.Contains(derived, name) || strings.HasPrefix(name, servicePrefix) ||
		slices.ContainsFunc(p.fixed(), func(o option) bool { return o.name == name })
}

// servicePrefix begins the names of mailform's services. Names are letters and
// digits alone.
const servicePrefix = "mailform"

const (
	adminService = servicePrefix + "admin"
	expireEvent  = servicePrefix + "expire"
	startAuthd   = servicePrefix + "authd"
)

// programsOf are the programs of services.
var programsOf = map[string]string{"imap": "imapd", "pop3": "pop3d", "managesieve": "timsieved", "lmtp": "lmtpd"}

// aSetting is what a mail store is declared as.
type aSetting struct {
	hostname, certificate, key string // paths empty: its own
	retention                  int64
}

// aListener is what a listener is declared as.
type aListener struct {
	owner, service, hostname string
	listen, listenTLS        []string
}

// storeOptions are the options of a mail store.
func (p *Provider) storeOptions(s aSetting, f *optionsFile) []option {
	own := certificate.Paths(p.ownDir())
	cert, key := s.certificate, s.key
	if cert == "" {
		cert, key = own.Certificate, own.Key
	}
	admins := adminName
	if others, ok := f.getForeign("admins", true); ok {
		admins = others + " " + adminName
	}
	return append(p.fixed(),
		option{"admins", admins},
		option{"servername", s.hostname},
		option{"tls_server_cert", cert},
		option{"tls_server_key", key},
	)
}

// readStore is what the options say of a mail store, and whether they are all
// there.
func (p *Provider) readStore(f *optionsFile) (aSetting, bool) {
	var s aSetting
	for _, o := range p.fixed() {
		if v, ok := f.get(o.name); !ok || v != o.value {
			return s, false
		}
	}
	admins, _ := f.get("admins")
	if !slices.Contains(strings.Fields(admins), adminName) {
		return s, false
	}
	s.hostname, _ = f.get("servername")
	s.certificate, _ = f.get("tls_server_cert")
	s.key, _ = f.get("tls_server_key")
	own := certificate.Paths(p.ownDir())
	if s.certificate == own.Certificate && s.key == own.Key {
		s.certificate, s.key = "", ""
	}
	return s, true
}

// storeServices are the service and the event that come with a mail store, and
// that authd is there whenever Cyrus is, also after the machine has started. What
// is purged are deleted mailboxes that say themselves how long they are kept; of
// those that say nothing, hundred years.
func (p *Provider) storeServices() map[string][]string {
	return map[string][]string{
		sectionStart: {fmt.Sprintf(`%s cmd="%s authd -dir %s -start"`, startAuthd, p.control("").Program(), p.authDir())},
		sectionServices: {fmt.Sprintf(`%s cmd="%s -C %s -p 256" listen="%s" prefork=0 maxchild=8`,
			adminService, p.program("imapd"), p.optionsPath(), p.adminSocket())},
		sectionEvents: {fmt.Sprintf(`%s cmd="%s -C %s -D 36500" at=0417`, expireEvent, p.program("cyr_expire"), p.optionsPath())},
	}
}

// A socket is one address that a listener listens on.
type socket struct {
	name, listen string // of the service, and host:port
	tls          bool
}

// sockets are the services of a listener. A name says where its service listens:
// Cyrus's master does not let go of an address while the name stays the same.
func (l *aListener) sockets() []socket {
	var out []socket
	for _, at := range l.listen {
		out = append(out, socket{servicePrefix + l.service + "at" + inName.Replace(at), at, false})
	}
	for _, at := range l.listenTLS {
		out = append(out, socket{servicePrefix + l.service + "sat" + inName.Replace(at), at, true})
	}
	return out
}

// inName makes of an address letters and digits.
var inName = strings.NewReplacer(".", "x", ":", "p", "[", "", "]", "", "%", "z")

// serviceOf reports whether a name is that of a service of ours, and whether it
// begins with TLS.
func serviceOf(name, service string) (isTLS, ok bool) {
	rest, ok := strings.CutPrefix(name, servicePrefix+service)
	if !ok {
		return false, false
	}
	if strings.HasPrefix(rest, "sat") {
		return true, true
	}
	return false, strings.HasPrefix(rest, "at")
}

// listenerServices are the lines and options of a listener.
func (p *Provider) listenerServices(l *aListener) (lines []string, options []option) {
	for _, s := range l.sockets() {
		cmd := p.program(programsOf[l.service]) + " -C " + p.optionsPath()
		switch {
		case l.service == "lmtp":
			cmd += " -a"
		case s.tls:
			cmd += " -s"
		}
		at, proto := native(s.listen)
		lines = append(lines, fmt.Sprintf(`%s cmd="%s" listen="%s" proto="%s" prefork=0 maxchild=1000`, s.name, cmd, at, proto))
		if l.service != "lmtp" {
			options = append(options, option{s.name + "_allowplaintext", yes(s.tls || loopback(s.listen))})
		}
	}
	return lines, options
}

// readListener is what cyrus.conf says of a listener of ours.
func readListener(f *servicesFile, service string) (listen, listenTLS []string) {
	for _, e := range f.entries(sectionServices) {
		isTLS, ok := serviceOf(e.name, service)
		if !ok {
			continue
		}
		at := e.args["listen"]
		if !strings.Contains(at, ":") {
			at = ":" + at
		}
		if isTLS {
			listenTLS = append(listenTLS, at)
		} else {
			listen = append(listen, at)
		}
	}
	slices.Sort(listen)
	slices.Sort(listenTLS)
	return listen, listenTLS
}

// native is host:port as cyrus.conf has it.
func native(listen string) (at, proto string) {
	hostname, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen, "tcp"
	}
	a, err := netip.ParseAddr(hostname)
	switch {
	case hostname == "":
		return port, "tcp"
	case err != nil:
		return listen, "tcp"
	case a.Is4():
		return listen, "tcp4"
	}
	return listen, "tcp6"
}

func loopback(listen string) bool {
	hostname, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(hostname)
	return hostname == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ports are those of services by name, as cyrus.conf may have them.
var ports = map[string]string{"imap": "143", "imaps": "993", "pop3": "110", "pop3s": "995", "sieve": "4190", "lmtp": "24"}

// inTheWay reports whether a foreign service is one of those that are declared:
// the same program at the same port of the same address, or of all.
func inTheWay(e entry, wanted []aListener) bool {
	_, conflict := meets(e, wanted)
	return conflict
}

// meets finds what is declared at the address of a foreign service. same says
// that it is the same program.
func meets(e entry, wanted []aListener) (same bool, conflict bool) {
	at := e.args["listen"]
	if at == "" || strings.HasPrefix(at, "/") || strings.HasPrefix(e.name, servicePrefix) || e.args["proto"] == "udp" {
		return false, false
	}
	theirHost, theirPort := "", at
	if strings.Contains(at, ":") {
		var err error
		if theirHost, theirPort, err = net.SplitHostPort(at); err != nil {
			return false, false
		}
	}
	if n, ok := ports[theirPort]; ok {
		theirPort = n
	}
	program, _, _ := strings.Cut(strings.TrimSpace(e.args["cmd"]), " ")
	for i := range wanted {
		for _, s := range wanted[i].sockets() {
			ourHost, ourPort, err := net.SplitHostPort(s.listen)
			if err != nil || ourPort != theirPort || theirHost != "" && ourHost != "" && theirHost != ourHost {
				continue
			}
			return program[strings.LastIndexByte(program, '/')+1:] == programsOf[wanted[i].service], true
		}
	}
	return false, false
}

// maxQuota is the largest limit that Cyrus holds, in KiB.
const maxQuota = 1<<31 - 1

// kib is a quota as Cyrus has it: in KiB, and no less than was declared.
func kib(quota int64) int64 { return (quota + 1023) / 1024 }

// maxAddress bounds addresses: Cyrus makes names of files of them.
const maxAddress = 200

// checkAddress says why a mailbox cannot have an address.
func checkAddress(address string) error {
	a, err := schema.ParseAddress(address)
	switch {
	case err != nil:
		return err
	case a.String() != address:
		return fmt.Errorf("it is written %s", a)
	case len(address) > maxAddress:
		return fmt.Errorf("Cyrus makes file names of addresses; they can be %d bytes long", maxAddress)
	}
	if a.Local[0] == '#' {
		return errors.New("it would be a comment in files")
	}
	if i := strings.IndexAny(a.Local, "/%&;<>^`{|}+*?\\\"!"); i >= 0 {
		return fmt.Errorf("Cyrus takes no %c before the @", a.Local[i])
	}
	for _, r := range a.Local {
		if r <= ' ' || r > '~' {
			return errors.New("Cyrus takes ASCII alone before the @")
		}
	}
	return nil
}
