package clients

import (
	"bytes"
	"encoding/xml"
)

// The document that Thunderbird, Evolution, KMail, FairEmail and others ask for,
// version 1.1 (draft-ietf-mailmaint-autoconfig §3).
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Version  string   `xml:"version,attr"`
	Provider provider `xml:"emailProvider"`
}

type provider struct {
	ID          string         `xml:"id,attr"`
	Domain      string         `xml:"domain"`
	DisplayName string         `xml:"displayName"`
	ShortName   string         `xml:"displayShortName"`
	Incoming    []configServer `xml:"incomingServer"`
	Outgoing    []configServer `xml:"outgoingServer"`
}

type configServer struct {
	Type           string `xml:"type,attr"` // imap, pop3, smtp
	Host           string `xml:"hostname"`
	Port           uint16 `xml:"port"`
	Socket         string `xml:"socketType"` // SSL, STARTTLS
	User           string `xml:"username"`
	Authentication string `xml:"authentication"`
}

// Thunderbird is the setup as Thunderbird and many others read it, best choices
// first. For a whole domain it has a placeholder where the address goes. The error
// is an [IncompleteError].
func (s *Setup) Thunderbird() ([]byte, error) {
	if err := s.complete(); err != nil {
		return nil, err
	}
	user := s.Address
	if user == "" {
		user = "%EMAILADDRESS%"
	}
	servers := func(doors []Door) []configServer {
		var out []configServer
		for _, d := range doors {
			c := configServer{Type: d.Service, Host: d.Host, Port: d.Port, Socket: "STARTTLS", Authentication: "password-cleartext", User: user}
			if d.TLS {
				c.Socket = "SSL"
			}
			if d.Service == "submission" {
				c.Type = "smtp"
			}
			out = append(out, c)
		}
		return out
	}
	return indented(clientConfig{Version: "1.1", Provider: provider{
		ID: s.Domain, Domain: s.Domain, DisplayName: s.Domain, ShortName: s.Domain,
		Incoming: servers(s.Incoming()), Outgoing: servers(s.Outgoing()),
	}})
}

// indented is a document with its declaration.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
