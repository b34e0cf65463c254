package rdata

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Reverse is the name that an address has its PTR record at: below
// in-addr.arpa for IPv4 (RFC 1035 §3.5), below ip6.arpa for IPv6 (RFC 3596 §2.5).
func Reverse(a netip.Addr) Name {
	name, err := dns.ReverseAddr(a.Unmap().WithZone("").String())
	if err != nil { // it is an address
		panic("rdata: " + err.Error())
	}
	return Name(name)
}

// ReverseZone is the zone of the reverse names of a network. Where an IPv4
// network is smaller than a /24 it is a zone of its own below that of the /24,
// called as in the examples of RFC 2317 §4: 0/25.2.0.192.in-addr.arpa. Other
// networks have to end between two labels: at 8, 16 or 24 bits, in IPv6 at
// multiples of 4.
func ReverseZone(p netip.Prefix) (Name, error) {
	p = p.Masked()
	labels := strings.SplitAfter(string(Reverse(p.Addr())), ".")
	step, all := 8, 4
	if p.Addr().Is6() {
		step, all = 4, 32
	}
	if p.Bits() == 0 {
		return "", fmt.Errorf("the network %s is everything, which is nobody's zone", p)
	}
	if p.Bits()%step == 0 {
		return Name(strings.Join(labels[all-p.Bits()/step:], "")), nil
	}
	if p.Addr().Is4() && p.Bits() > 24 {
		first := p.Addr().As4()[3]
		return Name(strconv.Itoa(int(first)) + "/" + strconv.Itoa(p.Bits()) + "." + strings.Join(labels[1:], "")), nil
	}
	return "", fmt.Errorf("the zone of %s would end within a label; it takes several networks whose lengths are multiples of %d", p, step)
}

// ReverseIn is the name of an address in the zone of a network that is smaller
// than a /24 (RFC 2317 §4): 5.0/25.2.0.192.in-addr.arpa. In all others it is
// Reverse.
func ReverseIn(a netip.Addr, p netip.Prefix) (Name, error) {
	a = a.Unmap()
	if !p.Contains(a) {
		return "", fmt.Errorf("the address %s is not in the network %s", a, p)
	}
	zone, err := ReverseZone(p)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(zone), "/") {
		return Reverse(a), nil
	}
	return zone.Under(strconv.Itoa(int(a.As4()[3]))), nil
}
