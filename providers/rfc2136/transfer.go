package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A TSIG is a key that signs messages (RFC 8945). It never shows its secret.
type TSIG struct{ key *key }

// String leaves the secret out.
func (t TSIG) String() string { return t.key.String() }

// GoString leaves the secret out.
func (t TSIG) GoString() string { return t.key.String() }

// ParseTSIG reads a key as tsig-keygen and keymgr -t print it, and as named.conf
// has it:
//
//	key "transfer" {
//		algorithm hmac-sha256;
//		secret "…";
//	};
//
// There has to be one. Errors never hold any of the secret.
func ParseTSIG(text string) (TSIG, error) {
	words, err := keyWords(text)
	if err != nil {
		return TSIG{}, err
	}
	shape := errors.New(`it is no TSIG key as tsig-keygen prints it: key "NAME" { algorithm hmac-sha256; secret "…"; };`)
	if len(words) < 5 || words[0] != "key" || words[2] != "{" {
		return TSIG{}, shape
	}
	said := map[string]string{}
	rest := words[3:]
	for len(rest) >= 3 && rest[0] != "}" {
		name := strings.ToLower(rest[0])
		if rest[2] != ";" || said[name] != "" || name != "algorithm" && name != "secret" {
			return TSIG{}, shape
		}
		said[name] = rest[1]
		rest = rest[3:]
	}
	if len(rest) == 0 || rest[0] != "}" || said["algorithm"] == "" || said["secret"] == "" {
		return TSIG{}, shape
	}
	if len(rest) > 2 || len(rest) == 2 && rest[1] != ";" {
		return TSIG{}, errors.New("there is more in it than one key")
	}
	name, err := rdata.ParseName(words[1])
	if err != nil {
		return TSIG{}, fmt.Errorf("the name of the key: %w", err)
	}
	k, err := newKey(string(name), strings.ToLower(said["algorithm"]), said["secret"])
	if err != nil {
		return TSIG{}, err
	}
	return TSIG{k}, nil
}

// keyWords divides a text into words, quoted ones without their quotes, and the
// signs { } and ;. Comments are left out.
func keyWords(text string) ([]string, error) {
	var words []string
	for text != "" {
		switch c := text[0]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			text = text[1:]
		case c == '#' || strings.HasPrefix(text, "//"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			var ended bool
			if _, text, ended = strings.Cut(text[2:], "*/"); !ended {
				return nil, errors.New("a comment is not closed")
			}
		case strings.IndexByte("{};", c) >= 0:
			words, text = append(words, text[:1]), text[1:]
		case c == '"':
			word, rest, closed := strings.Cut(text[1:], `"`)
			if !closed {
				return nil, errors.New("a quote is not closed")
			}
			words, text = append(words, word), rest
		default:
			end := strings.IndexAny(text, " \t\r\n{};\"#")
			if end < 0 {
				end = len(text)
			}
			words, text = append(words, text[:end]), text[end:]
		}
	}
	return words, nil
}

// transferTimeout is how long a server may take for each message of a transfer.
const transferTimeout = 30 * time.Second

// Transfer asks a name server ("host:port") for all records of a zone (AXFR,
// RFC 5936). They begin and end with the SOA record. With a key the question is
// signed, and the answers have to be; nil: neither. The error is an ErrRefused or
// an ErrKey where the server does not let us.
func Transfer(ctx context.Context, server string, zone rdata.Name, by *TSIG) ([]dns.RR, error) {
	c := &client{server: server, timeout: transferTimeout}
	t := &transfer{zone: zone}
	x := &exchange{msg: new(dns.Msg).SetAxfr(string(zone)), take: t.take}
	if by != nil {
		x.key = by.key
	}
	c.run(ctx, []*exchange{x})
	if x.err != nil {
		return nil, fmt.Errorf("transfer from %s: %w", server, x.err)
	}
	return t.records, nil
}
