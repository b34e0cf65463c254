package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Sizes of headers.
const (
	shortest = 15   // "PROXY UNKNOWN\r\n"; a header of version 2 is longer
	longest1 = 107  // version 1, with its line end
	longest2 = 4096 // what follows the first 16 bytes of version 2: addresses, and what we pass over
)

// signature is how a header of version 2 begins.
var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// errHeader is the error of what is no header, or none of a connection over TCP.
var errHeader = errors.New("no header of the PROXY protocol")

// read reads a header, and not a byte more. client is not valid where the proxy
// speaks for itself, as to see whether we are there.
func read(r io.Reader) (client netip.AddrPort, err error) {
	head := make([]byte, shortest, longest1)
	if _, err := io.ReadFull(r, head); err != nil {
		return client, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("PROXY ")):
		return readText(r, head)
	case bytes.HasPrefix(head, signature):
		return readBinary(r, head)
	}
	return client, fmt.Errorf("%w: it begins with %q", errHeader, head)
}

// readText reads the rest of a header of version 1 (§2.1).
func readText(r io.Reader, head []byte) (client netip.AddrPort, err error) {
	for one := make([]byte, 1); head[len(head)-1] != '\n'; {
		if len(head) == longest1 {
			return client, fmt.Errorf("%w: the line is longer than %d bytes", errHeader, longest1)
		}
		if _, err := io.ReadFull(r, one); err != nil {
			return client, err
		}
		head = append(head, one[0])
	}
	line, ok := strings.CutSuffix(string(head), "\r\n")
	words := strings.Split(line, " ")
	if ok && words[1] == "UNKNOWN" {
		return client, nil
	}
	if !ok || len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return client, fmt.Errorf("%w: %q", errHeader, head)
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(words[2+i])
		port, perr := strconv.ParseUint(words[4+i], 10, 16)
		if err != nil || perr != nil || a.Zone() != "" || a.Is4() != (words[1] == "TCP4") || strconv.FormatUint(port, 10) != words[4+i] {
			return client, fmt.Errorf("%w: %q", errHeader, head)
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return ends[0], nil
}

// readBinary reads the rest of a header of version 2 (§2.2).
func readBinary(r io.Reader, head []byte) (client netip.AddrPort, err error) {
	one := make([]byte, 1)
	if _, err := io.ReadFull(r, one); err != nil {
		return client, err
	}
	command, family := head[12], head[13]
	size := int(binary.BigEndian.Uint16([]byte{head[14], one[0]}))
	if size > longest2 {
		return client, fmt.Errorf("%w: %d bytes are to follow", errHeader, size)
	}
	rest := make([]byte, size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return client, err
	}
	switch {
	case command == 0x20: // LOCAL: whatever the addresses
		return client, nil
	case command != 0x21:
		return client, fmt.Errorf("%w: version and command are %#x", errHeader, command)
	case family == 0x00: // UNSPEC
		return client, nil
	case family == 0x11 && size >= 12:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[:4])), binary.BigEndian.Uint16(rest[8:])), nil
	case family == 0x21 && size >= 36:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[:16])).Unmap(), binary.BigEndian.Uint16(rest[32:])), nil
	}
	return client, fmt.Errorf("%w: %d bytes of addresses of the family %#x", errHeader, size, family)
}
