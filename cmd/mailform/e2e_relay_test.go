package main

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"testing"
	"time"
)

// relayTricks are the ways that are known to have a server pass on what is not its
// own: who it says that it is, what it sends first, from whom and for whom.
var relayTricks = map[string]struct {
	hello, first, from string // "EHLO client.remote.test", nothing, and "<a@remote.test>" where left out
	to                 string
}{
	"plainly":                           {to: "<b@other.test>"},
	"from nobody":                       {from: "<>", to: "<b@other.test>"},
	"from a user":                       {from: "<alice@example.com>", to: "<b@other.test>"},
	"from a user, with AUTH":            {from: "<alice@example.com> AUTH=<alice@example.com>", to: "<b@other.test>"},
	"from the postmaster":               {from: "<postmaster@example.com>", to: "<b@other.test>"},
	"from the server itself":            {from: "<root@mail.example.com>", to: "<b@other.test>"},
	"from an address literal":           {from: "<a@[127.0.0.1]>", to: "<b@other.test>"},
	"from localhost":                    {from: "<a@localhost>", to: "<b@other.test>"},
	"from a name without a domain":      {from: "<alice>", to: "<b@other.test>"},
	"as the server":                     {hello: "EHLO mail.example.com", to: "<b@other.test>"},
	"as localhost":                      {hello: "HELO localhost", to: "<b@other.test>"},
	"as an address of the machine":      {hello: "EHLO [127.0.0.1]", to: "<b@other.test>"},
	"as somebody else, by XCLIENT":      {first: "XCLIENT ADDR=127.0.0.1 NAME=localhost LOGIN=alice", to: "<b@other.test>"},
	"as somebody else, by XFORWARD":     {first: "XFORWARD ADDR=127.0.0.1 NAME=localhost", to: "<b@other.test>"},
	"as somebody else, by PROXY":        {first: "PROXY TCP4 127.0.0.1 127.0.0.1 1025 25", to: "<b@other.test>"},
	"after ETRN":                        {first: "ETRN other.test", to: "<b@other.test>"},
	"after a login without a mechanism": {first: "AUTH", to: "<b@other.test>"},
	"after an anonymous login":          {first: "AUTH ANONYMOUS eA==", to: "<b@other.test>"},
	"after an EXTERNAL login":           {first: "AUTH EXTERNAL =", to: "<b@other.test>"},
	"a percent route":                   {to: "<b%other.test@example.com>"},
	"a percent route to the server":     {to: "<b%other.test@mail.example.com>"},
	"a percent route to the machine":    {to: "<b%other.test@[127.0.0.1]>"},
	"two percent routes":                {to: "<b%other.test%example.com@example.com>"},
	"a percent route without a domain":  {to: "<b%other.test>"},
	"a quoted address":                  {to: `<"b@other.test"@example.com>`},
	"a quoted address without a domain": {to: `<"b@other.test">`},
	"a quoted percent route":            {to: `<"b%other.test"@example.com>`},
	"two at signs":                      {to: "<b@other.test@example.com>"},
	"two at signs, ours first":          {to: "<b@example.com@other.test>"},
	"a bang path":                       {to: "<other.test!b@example.com>"},
	"a bang path without a domain":      {to: "<other.test!b>"},
	"a bang path and a quote":           {to: `<"other.test!b"@example.com>`},
	"a bang path through us":            {to: "<example.com!other.test!b>"},
	"a source route":                    {to: "<@example.com:b@other.test>"},
	"a source route of two":             {to: "<@example.com,@mail.example.com:b@other.test>"},
	"a source route to the machine":     {to: "<@[127.0.0.1]:b@other.test>"},
	"a source route and a percent":      {to: "<@example.com:b%other.test@example.com>"},
	"a colon":                           {to: "<other.test:b@example.com>"},
	"an address literal elsewhere":      {to: "<b@[192.0.2.1]>"},
	"an IPv6 literal":                   {to: "<b@[IPv6:2001:db8::1]>"},
	"a literal that is no address":      {to: "<b@[other.test]>"},
	"a number as a domain":              {to: "<b@3221225985>"},
	"a subdomain":                       {to: "<b@sub.example.com>"},
	"a domain that ends like ours":      {to: "<b@notexample.com>"},
	"a domain that begins like ours":    {to: "<b@example.com.other.test>"},
	"a comment":                         {to: "<b@other.test(@example.com)>"},
	"a NUL":                             {to: "<b@other.test\x00@example.com>"},
	"an octet of eight bits":            {to: "<b@other.test\xc0@example.com>"},
	"a space":                           {to: "<b@other.test @example.com>"},
	"no brackets":                       {to: "b@other.test"},
	"two addresses":                     {to: "<alice@example.com>,<b@other.test>"},
	"two addresses in one":              {to: "<alice@example.com,b@other.test>"},
	"an address in an address":          {to: "<<b@other.test>@example.com>"},
	"a second address as a parameter":   {to: "<b@other.test> ORCPT=rfc822;alice@example.com"},
}

// refused is what is no promise, and not "cannot be told" either.
var refused = regexp.MustCompile(`^[45]\d\d `)

// relaysNothing tries all of them, from an address that is not the server's own.
func relaysNothing(t *testing.T, addr string) {
	t.Helper()
	for name, trick := range relayTricks {
		said, err := tryRelay(addr, trick.hello, trick.first, trick.from, trick.to)
		if err != nil {
			t.Errorf("relay, %s: %v", name, err)
		} else if !refused.MatchString(said) {
			t.Errorf("relay, %s: RCPT TO:%s is answered %q", name, trick.to, said)
		}
	}
}

// tryRelay returns what RCPT is answered, or the command before it that the server
// ends the connection after.
func tryRelay(addr, hello, first, from, to string) (string, error) {
	if hello == "" {
		hello = "EHLO client.remote.test"
	}
	if from == "" {
		from = "<a@remote.test>"
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: time.Minute}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	said := ""
	for _, command := range []string{"", hello, first, "MAIL FROM:" + from, "RCPT TO:" + to} {
		if command != "" {
			if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
				return "", err
			}
		} else if said != "" {
			continue // nothing comes first
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil && refused.MatchString(said) {
				return said, nil // it hung up, having said so
			}
			if err != nil {
				return "", fmt.Errorf("after %q: %w", command, err)
			}
			said = line
			if len(line) < 4 || line[3] != '-' {
				break
			}
		}
	}
	return said, nil
}

// Nobody relays by the embedded server, at neither port.
func TestNobodyRelays(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	relaysNothing(t, w.addr("smtp"))
	relaysNothing(t, w.addr("submission"))
	if n := w.queued(); n != 0 {
		t.Errorf("%d messages are in the queue", n)
	}
}
