package schema

import (
	"errors"
	"net/netip"
	"time"
)

const day = 24 * time.Hour

// ParseSignatureLifetime reads how long DNSSEC signatures are good for: they have to
// outlive a day without the server, by far.
func ParseSignatureLifetime(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && (d < 4*day || d > 365*day) {
		err = errors.New("it is not between 4 and 365 days")
	}
	return d, err
}

// ParseKeyLifetime reads after how long a key is followed by another one: 0 for
// never.
func ParseKeyLifetime(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && d != 0 && d < day {
		err = errors.New("it is less than a day, which a successor needs to become known")
	}
	return d, err
}

// ParsePropagation reads how long a change takes to reach all servers of a zone.
func ParsePropagation(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && d > 7*day {
		err = errors.New("it is more than a week")
	}
	return d, err
}

// ParseSTSAge reads how long senders remember an MTA-STS policy (RFC 8461 §3.2).
func ParseSTSAge(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && d > 365*day {
		err = errors.New("it is more than a year")
	}
	return d, err
}

// ParseAddressPort reads the IP address of a name server, whose port is 53 where it
// has none.
func ParseAddressPort(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 53), nil
	}
	ap, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return netip.AddrPort{}, errors.New("it is no IP address, with or without a port")
	case ap.Port() == 0:
		return netip.AddrPort{}, errors.New("0 is no port")
	case ap.Addr().Zone() != "":
		return netip.AddrPort{}, errors.New("an address with a zone is good on one machine only")
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
