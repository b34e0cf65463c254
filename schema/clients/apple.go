package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Apple is the setup as a configuration profile for iPhones, iPads and Macs
// (.mobileconfig), not signed. It is for a user: without an address the system asks for
// it. Who installs it again replaces the one of before, since its identifiers
// follow from what it is for. The error is an [IncompleteError].
func (s *Setup) Apple() ([]byte, error) {
	if err := s.complete(); err != nil {
		return nil, err
	}
	in, out := s.Incoming()[0], s.Outgoing()[0]
	kind := "EmailTypeIMAP"
	if in.Service == "pop3" {
		kind = "EmailTypePOP"
	}
	id := s.identifier()
	mail := dict{
		{"PayloadType", "com.apple.mail.managed"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", id + ".mail"},
		{"PayloadUUID", profileUUID(id + ".mail")},
		{"PayloadDisplayName", "Mail of " + s.who()},
		{"EmailAccountDescription", s.who()},
		{"EmailAccountType", kind},
	}
	server := func(way string, d Door) {
		mail = append(mail, pairs(way+"MailServer", dict{
			{"HostName", d.Host},
			{"PortNumber", int(d.Port)},
			{"UseSSL", true}, // also where it is by STARTTLS
			{"Authentication", "EmailAuthPassword"},
		})...)
		if s.Address != "" {
			mail = append(mail, entry{way + "MailServerUsername", s.Address})
		}
	}
	if s.Address != "" {
		mail = append(mail, entry{"EmailAddress", s.Address})
	}
	server("Incoming", in)
	server("Outgoing", out)
	mail = append(mail, entry{"OutgoingPasswordSameAsIncomingPassword", true})
	payloads := []dict{mail}
	if s.Authority != nil {
		payloads = append(payloads, dict{
			{"PayloadType", "com.apple.security.root"},
			{"PayloadVersion", 1},
			{"PayloadIdentifier", id + ".authority"},
			{"PayloadUUID", profileUUID(id + ".authority")},
			{"PayloadDisplayName", "Certificate authority of " + in.Host},
			{"PayloadContent", s.Authority},
		})
	}
	return plist(dict{
		{"PayloadType", "Configuration"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", id},
		{"PayloadUUID", profileUUID(id)},
		{"PayloadDisplayName", "Mail of " + s.who()},
		{"PayloadDescription", "Sets up the mail account of " + s.who() + "."},
		{"PayloadOrganization", s.Domain},
		{"PayloadRemovalDisallowed", false},
		{"PayloadContent", payloads},
	}), nil
}

// identifier is a name in reverse: com.example.mail.alice.
func (s *Setup) identifier() string {
	labels := strings.Split(s.Domain, ".")
	var b strings.Builder
	for i := len(labels) - 1; i >= 0; i-- {
		b.WriteString(labels[i] + ".")
	}
	b.WriteString("mailform")
	if local, _, ok := strings.Cut(s.Address, "@"); ok {
		b.WriteString("." + local)
	}
	return b.String()
}

// profileUUID follows from the identifier (RFC 9562 §5.5), so that the same profile is
// the same bytes.
func profileUUID(identifier string) string {
	return strings.ToUpper(uuid.NewSHA1(uuid.NameSpaceURL, []byte("mailform:"+identifier)).String())
}

// A dict is a dictionary of a property list, in the order written.
type dict []entry

type entry struct {
	key   string
	value any // string, int, bool, []byte or []dict
}

// pairs are entries with something put before their keys.
func pairs(prefix string, d dict) dict {
	for i := range d {
		d[i].key = prefix + d[i].key
	}
	return d
}

// plist is a property list in Apple's XML, version 1.0.
func plist(d dict) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.WriteString("<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n")
	writeDict(&b, d, "")
	b.WriteString("</plist>\n")
	return b.Bytes()
}

func writeDict(b *bytes.Buffer, d dict, indent string) {
	fmt.Fprintf(b, "%s<dict>\n", indent)
	in := indent + "  "
	for _, e := range d {
		fmt.Fprintf(b, "%s<key>%s</key>\n", in, escaped(e.key))
		switch v := e.value.(type) {
		case string:
			fmt.Fprintf(b, "%s<string>%s</string>\n", in, escaped(v))
		case int:
			fmt.Fprintf(b, "%s<integer>%d</integer>\n", in, v)
		case bool:
			fmt.Fprintf(b, "%s<%t/>\n", in, v)
		case []byte:
			fmt.Fprintf(b, "%s<data>%s</data>\n", in, base64.StdEncoding.EncodeToString(v))
		case []dict:
			fmt.Fprintf(b, "%s<array>\n", in)
			for _, el := range v {
				writeDict(b, el, in+"  ")
			}
			fmt.Fprintf(b, "%s</array>\n", in)
		}
	}
	fmt.Fprintf(b, "%s</dict>\n", indent)
}

func escaped(s string) string {
	var b strings.Builder
	// A strings.Builder takes all that it is given.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
