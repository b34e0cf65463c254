package clients

import "encoding/xml"

// The answer that Outlook and other programs take (MS-OXDSCLI §2.2.4, Autodiscover
// for accounts that are not Exchange's).
type autodiscover struct {
	XMLName  xml.Name            `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response autodiscoverAccount `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
}

type autodiscoverAccount struct {
	DisplayName string            `xml:"User>DisplayName,omitempty"`
	Type        string            `xml:"Account>AccountType"`
	Action      string            `xml:"Account>Action"`
	Protocols   []autodiscoverWay `xml:"Account>Protocol"`
}

type autodiscoverWay struct {
	Type           string // IMAP, POP3, SMTP
	Server         string
	Port           uint16
	LoginName      string `xml:",omitempty"`
	DomainRequired string
	SPA            string // a log-in of Microsoft's
	SSL            string
	Encryption     string // SSL: TLS from the first byte; TLS: STARTTLS. Goes before SSL.
	AuthRequired   string
	UsePOPAuth     string `xml:",omitempty"` // the password of reading for sending
	SMTPLast       string `xml:",omitempty"`
}

// Outlook is the setup as the answer to a request of Autodiscover, best choices
// first. The error is an [IncompleteError].
func (s *Setup) Outlook() ([]byte, error) {
	if err := s.complete(); err != nil {
		return nil, err
	}
	doc := autodiscover{Response: autodiscoverAccount{DisplayName: s.Address, Type: "email", Action: "settings"}}
	for _, d := range append(s.Incoming(), s.Outgoing()...) {
		way := autodiscoverWay{
			Type: names[d.Service], Server: d.Host, Port: d.Port, LoginName: s.Address,
			DomainRequired: "off", SPA: "off", SSL: "on", Encryption: "TLS", AuthRequired: "on",
		}
		if d.TLS {
			way.Encryption = "SSL"
		}
		if d.Service == "submission" {
			way.UsePOPAuth, way.SMTPLast = "on", "off"
		}
		doc.Response.Protocols = append(doc.Response.Protocols, way)
	}
	return indented(doc)
}
