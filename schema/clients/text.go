package clients

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

var names = map[string]string{"imap": "IMAP", "pop3": "POP3", "submission": "SMTP", "managesieve": "ManageSieve"}

func (d Door) security() string {
	if d.TLS {
		return "TLS"
	}
	return "STARTTLS"
}

// Text is the setup for people.
func (s *Setup) Text() string {
	var b strings.Builder
	login, mail := s.Address, s.Address
	if s.Address == "" {
		login, mail = "the whole mail address", "alice@"+s.Domain+", say"
	}
	fmt.Fprintf(&b, "Mail programs for %s\n\n", s.who())
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  Mail address\t%s\n  User name\t%s\n  Password\tthat of the account; the same to read and to send\n", mail, login)
	tw.Flush()
	for _, part := range []struct {
		title, none string
		services    []string
	}{
		{"Reading mail", "There is no way to read mail.", []string{"imap", "pop3"}},
		{"Sending mail", "There is no way to send mail.", []string{"submission"}},
		{"Sieve scripts", "", []string{"managesieve"}},
	} {
		var doors []Door
		for _, service := range part.services {
			doors = append(doors, of(s.Doors, service)...)
		}
		if len(doors) == 0 {
			if part.none != "" {
				fmt.Fprintf(&b, "\n%s\n  %s\n", part.title, part.none)
			}
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", part.title)
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for i, d := range doors {
			var notes []string
			if i == 0 && len(doors) > 1 {
				notes = append(notes, "the best choice")
			}
			if d.Local {
				notes = append(notes, "only from the server's own machine")
			}
			line := fmt.Sprintf("  %s\t%s\tport %d\t%s", names[d.Service], d.Host, d.Port, d.security())
			if len(notes) > 0 {
				line += "\t" + strings.Join(notes, "; ")
			}
			fmt.Fprintln(tw, line)
		}
		tw.Flush()
	}
	return b.String()
}

// jsonSetup is a setup as programs read it.
type jsonSetup struct {
	Domain    string     `json:"domain"`
	Address   string     `json:"address,omitempty"`
	UserName  string     `json:"user_name,omitempty"`
	Services  []jsonDoor `json:"services"`
	Authority []byte     `json:"authority,omitempty"`
}

type jsonDoor struct {
	Service  string `json:"service"`
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Security string `json:"security"` // "tls" or "starttls"
	Local    bool   `json:"local"`
}

// MarshalJSON makes it possible to hand a setup to programs.
func (s *Setup) MarshalJSON() ([]byte, error) {
	out := jsonSetup{Domain: s.Domain, Address: s.Address, UserName: s.Address, Services: []jsonDoor{}, Authority: s.Authority}
	for _, d := range s.Doors {
		out.Services = append(out.Services, jsonDoor{d.Service, d.Host, d.Port, strings.ToLower(d.security()), d.Local})
	}
	return json.Marshal(out)
}
