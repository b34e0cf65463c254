package schema

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseListen reads "host:port" or ":port", where host is an IP address. The
// result has the address in its canonical form.
func ParseListen(s string) (string, error) {
	host, port, err := splitHostPort(s)
	if err != nil {
		return "", err
	}
	if host == "" || host == "*" {
		return ":" + port, nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if host == "localhost" {
			return "", errors.New("\"localhost\" is a name; write 127.0.0.1 or [::1]")
		}
		return "", fmt.Errorf("%q is not an IP address", host)
	}
	return net.JoinHostPort(addr.String(), port), nil
}

// ParseHostPort reads "host:port", where host is a name or an IP address.
func ParseHostPort(s string) (string, error) {
	host, port, err := splitHostPort(s)
	if err != nil {
		return "", err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(addr.String(), port), nil
	}
	host, err = ParseHostName(host)
	if err != nil {
		return "", fmt.Errorf("before the port: %w", err)
	}
	return net.JoinHostPort(host, port), nil
}

// ParseServer reads where a name server is: an IP address, which stands for its
// port 53, or "host:port".
func ParseServer(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(addr.String(), "53"), nil
	}
	return ParseHostPort(s)
}

func splitHostPort(s string) (host, port string, err error) {
	if s == "" {
		return "", "", errors.New("it is empty")
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "", "", errors.New("it has no port")
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		if !strings.Contains(s, ":") {
			return "", "", errors.New("it has no port")
		}
		return "", "", errors.New("it is not an address and a port")
	}
	n, err := strconv.ParseUint(port, 10, 64)
	if err != nil {
		return "", "", fmt.Errorf("%q is not a port number", port)
	}
	if n == 0 || n > 65535 {
		return "", "", errors.New("a port is a number from 1 to 65535")
	}
	return host, strconv.FormatUint(n, 10), nil
}

func parseIP(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return addr, errors.New("it is a network; a single address is needed")
	case err != nil:
		return addr, errors.New("it is neither an IPv4 nor an IPv6 address")
	case addr.Zone() != "":
		return addr, errors.New("it has a zone")
	}
	return addr, nil
}

func parseIPv4(s string) (netip.Prefix, error) { return parseNetwork(s, netip.Addr.Is4, "IPv4") }
func parseIPv6(s string) (netip.Prefix, error) { return parseNetwork(s, netip.Addr.Is6, "IPv6") }

// ParseNetwork reads a network, or an address as the network of itself.
func ParseNetwork(s string) (netip.Prefix, error) {
	return parseNetwork(s, netip.Addr.IsValid, "an address")
}

func parseNetwork(s string, is func(netip.Addr) bool, family string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return p, errors.New("it is neither an address nor a network")
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	switch {
	case !is(p.Addr()):
		return p, fmt.Errorf("it is not %s", family)
	case p != p.Masked():
		return p, fmt.Errorf("it has bits beyond its mask; the network is %s", p.Masked())
	}
	return p, nil
}

func parsePath(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case strings.ContainsRune(s, 0):
		return "", errors.New("it holds a NUL byte")
	}
	return s, nil
}

func parseIdentifier(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && c != '_' && c != '-' || i == 0 && (c == '-' || c >= '0' && c <= '9') {
			return "", fmt.Errorf("it holds %q", c)
		}
	}
	return s, nil
}

// parseKeyName reads the name of a TSIG key, which is a domain name.
func parseKeyName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if name == "" || len(name) > 253 {
		return "", errors.New("it is empty or too long")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "", errors.New("it has a label that is empty or longer than 63 characters")
		}
		for i := range len(label) {
			if c := label[i]; !isAlnum(c) && c != '_' && c != '-' {
				return "", fmt.Errorf("it holds %q", c)
			}
		}
	}
	return name + ".", nil
}

func parseBase64(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) == 0 {
		return nil, errors.New("it is not base64, or it is empty")
	}
	return raw, nil
}
