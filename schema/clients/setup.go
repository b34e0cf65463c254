package clients

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Door is one place where mail programs get in.
type Door struct {
	// Service is "imap", "pop3", "submission" or "managesieve".
	Service string
	Host    string // A-labels, without trailing dot
	Port    uint16
	// TLS from the first byte; else by STARTTLS (RFC 8314 §3).
	TLS bool
	// Local is set where only programs on the machine of the server get there.
	Local bool
}

// Text is a door as [ParseDoor] reads it: "imap tls mail.example.com 993". It leaves out
// Local.
func (d Door) Text() string {
	tls := "starttls"
	if d.TLS {
		tls = "tls"
	}
	return fmt.Sprintf("%s %s %s %d", d.Service, tls, d.Host, d.Port)
}

// ParseDoor reads what [Door.Text] writes.
func ParseDoor(s string) (Door, error) {
	f := strings.Split(s, " ")
	if len(f) != 4 || !slices.Contains(Services, f[0]) || f[1] != "tls" && f[1] != "starttls" || f[2] == "" {
		return Door{}, fmt.Errorf("%q is no service with \"tls\" or \"starttls\", a host and a port", s)
	}
	port, err := strconv.ParseUint(f[3], 10, 16)
	if err != nil || port == 0 {
		return Door{}, fmt.Errorf("%q ends in no port", s)
	}
	return Door{Service: f[0], Host: f[2], Port: uint16(port), TLS: f[1] == "tls"}, nil
}

// Services are those that mail programs use, in the order in which people are told
// of them: IMAP comes before POP3, as it leaves the mail where it is.
var Services = []string{"imap", "pop3", "submission", "managesieve"}

// standard are the registered ports: with STARTTLS, and with TLS from the first byte.
var standard = map[string][2]uint16{
	"imap": {143, 993}, "pop3": {110, 995}, "submission": {587, 465}, "managesieve": {4190, 0},
}

// Doors are those of a service of a host, by what it listens on: for each of the
// two sorts of TLS one, that with TLS from the first byte first, as RFC 8314 §3
// wants it. Of several ports of a sort it is one that others reach, of these the
// standard one, else the lowest.
func Doors(service, host string, listen, listenTLS []string) []Door {
	var out []Door
	for _, sort := range []struct {
		listen []string
		tls    bool
		port   uint16
	}{{listenTLS, true, standard[service][1]}, {listen, false, standard[service][0]}} {
		var some []Door
		for _, l := range sort.listen {
			address, text, err := net.SplitHostPort(l)
			port, perr := strconv.ParseUint(text, 10, 16)
			if err != nil || perr != nil {
				continue // no listen address, which has been said where it was read
			}
			ip, err := netip.ParseAddr(address)
			some = append(some, Door{service, host, uint16(port), sort.tls, err == nil && ip.Unmap().IsLoopback()})
		}
		rank := func(d Door) int {
			n := 0
			if d.Local {
				n += 2
			}
			if d.Port != sort.port {
				n++
			}
			return n
		}
		if len(some) > 0 {
			out = append(out, slices.MinFunc(some, func(a, b Door) int {
				return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Port, b.Port))
			}))
		}
	}
	return out
}

// First takes for each service the doors of the first server that has it.
func First(servers ...[]Door) []Door {
	var out []Door
	for _, service := range Services {
		for _, doors := range servers {
			own := of(doors, service)
			out = append(out, own...)
			if len(own) > 0 {
				break
			}
		}
	}
	return out
}

func of(doors []Door, service string) []Door {
	var out []Door
	for _, d := range doors {
		if d.Service == service {
			out = append(out, d)
		}
	}
	return out
}

// A Setup is how mail programs are set up, for a user or for all of a domain.
type Setup struct {
	// Domain is a domain, in A-labels without trailing dot.
	Domain string
	// Address is that of the user, also the login name; empty: all of the domain.
	Address string
	// Doors by service in the order of [Services], of each the best first.
	Doors []Door
	// Authority is the certificate, in DER, of the authority that has signed those of
	// the servers, where it is one that no program knows by itself; nil: it is another.
	Authority []byte
}

// Of restricts the ways to read mail to some protocols: "imap", "pop3".
func (s *Setup) Of(protocols []string) *Setup {
	out := *s
	out.Doors = slices.DeleteFunc(slices.Clone(s.Doors), func(d Door) bool {
		return (d.Service == "imap" || d.Service == "pop3") && !slices.Contains(protocols, d.Service)
	})
	return &out
}

// Incoming are the ways to read mail, the best first.
func (s *Setup) Incoming() []Door { return append(of(s.Doors, "imap"), of(s.Doors, "pop3")...) }

// Outgoing are the ways to send mail, the best first.
func (s *Setup) Outgoing() []Door { return of(s.Doors, "submission") }

// who is whom the setup is for.
func (s *Setup) who() string { return cmp.Or(s.Address, s.Domain) }

// An IncompleteError says that there is too little for a mail program.
type IncompleteError struct {
	Who     string // address or domain
	Reading bool   // whether it is reading that is not possible, or sending
}

func (e *IncompleteError) Error() string {
	if e.Reading {
		return fmt.Sprintf("there is no way for %s to read mail, by IMAP or by POP3, and a mail program is not set up without one: no server of the domain offers it, or the user's protocols do not allow it", e.Who)
	}
	return fmt.Sprintf("there is no way for %s to send mail, and a mail program is not set up without one: no server of the domain has the service submission", e.Who)
}

// complete is an [IncompleteError] where a format has to have both ways.
func (s *Setup) complete() error {
	switch {
	case len(s.Incoming()) == 0:
		return &IncompleteError{s.who(), true}
	case len(s.Outgoing()) == 0:
		return &IncompleteError{s.who(), false}
	}
	return nil
}
