package schema

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// FilterTypes are what a filter can be, with the address at which each listens
// where its block does not say; empty: it has to.
var FilterTypes = []struct{ Type, Address string }{
	{"milter", ""},
	{"rspamd", "127.0.0.1:11332"},
	{"clamav", "unix:/run/clamav/clamav-milter.ctl"},
}

var filterBlock = &BlockType{
	Type:  "filter",
	Label: "name",
	Doc: "A program beside the mail server that judges messages while they come in, and can change them: a milter, as Sendmail and Postfix know it. " +
		"Servers name it in `filters`. See [filters](../filters.md).",
	Example: `filter "spam" {
  type       = "rspamd"
  on_failure = "accept"
}

filter "viruses" {
  type    = "clamav"
  address = "unix:/run/clamav/clamav-milter.ctl"
}

server "filtered" {
  hostname = "mail.example.com"
  filters  = [filter.spam, filter.viruses]
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "type", Type: cty.String, Default: cty.StringVal("milter"), Form: oneOf("milter", "rspamd", "clamav"),
			Doc: "What it is: any `milter`; `rspamd`, whose proxy worker speaks that protocol (`milter = yes`); or `clamav`, which is clamav-milter in front of clamd. The type says where it listens, and for `clamav` that a message which it would put into quarantine is refused."},
		{Name: "address", Type: cty.String, Form: FormFilterAddress,
			Doc: "Where it listens. Left out: `127.0.0.1:11332` for `rspamd`, `unix:/run/clamav/clamav-milter.ctl` for `clamav`; a `milter` has to say."},
		{Name: "on_failure", Type: cty.String, Default: cty.StringVal("tempfail"), Form: oneOf("accept", "tempfail", "reject"),
			Doc: "What becomes of a message where the filter cannot be reached, does not answer in time, or says what makes no sense: `tempfail` has the sender try again later, `accept` goes on without it, `reject` refuses the message."},
		{Name: "timeout", Type: cty.String, Default: cty.StringVal("1m"), Form: FormFilterTimeout,
			Doc: "How long a step may take: to connect, to judge a sender or a recipient, to take a message and judge it."},
		{Name: "junk", Type: cty.List(cty.String), Form: FormJunkField, Default: stringList("X-Spam: Yes", "X-Spam-Flag: Yes"),
			Doc: "Header fields with which the filter says that a message is spam: it then goes to the mailbox for junk (`\\Junk`, RFC 6154) and not to the inbox. Only fields that the filter itself sets count. The text after the colon is the beginning of the value. " +
				"An empty list: the filter decides nothing of that kind."},
	},
}

// filtersAttribute says which filters mail passes.
func filtersAttribute(doc string) Attribute {
	return Attribute{Name: "filters", Type: cty.List(RefType), Refs: []string{"filter"}, Doc: doc}
}

// ParseFilterAddress reads where a filter listens: "host:port" or "unix:/path".
func ParseFilterAddress(s string) (string, error) {
	socket, ok := strings.CutPrefix(s, "unix:")
	if !ok {
		if strings.HasPrefix(s, "/") {
			return "", fmt.Errorf("a socket is written %q", "unix:"+s)
		}
		return ParseHostPort(s)
	}
	switch {
	case !strings.HasPrefix(socket, "/"):
		return "", errors.New("after unix: an absolute path is needed")
	case path.Clean(socket) != socket || socket == "/":
		return "", errors.New("the path is none of a socket in its shortest form")
	case strings.ContainsFunc(socket, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"'`\\$,;{}()<>#@", r)
	}):
		return "", errors.New("the path has a character that mail servers cannot be told")
	}
	return s, nil
}

// ParseFilterTimeout reads how long a step of a filter may take.
func ParseFilterTimeout(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err != nil {
		return 0, err
	}
	if d < time.Second || d > time.Hour {
		return 0, errors.New("it has to be from one second to one hour")
	}
	return d, nil
}

// ParseJunkField reads a header field with the beginning of its value.
func ParseJunkField(s string) (string, error) {
	name, value, ok := strings.Cut(s, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || value == "":
		return "", errors.New("it is a name, a colon, and how the value begins")
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%q is no name of a header field", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", errors.New("a value has printable characters of ASCII alone")
	}
	return name + ": " + value, nil
}
