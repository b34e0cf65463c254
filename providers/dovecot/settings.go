package dovecot

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/dovecot/sqlusers"
	"github.com/mailform/mailform/schema"
)

// A mark is what mailform knows of something in the file of settings beyond what
// Dovecot reads: that it is ours, and whose. It stands in a comment.
type mark struct {
	Kind    string `json:"kind"`
	Key     string `json:"key"`
	Owner   string `json:"owner,omitempty"`
	Lineage string `json:"lineage,omitempty"`
	// Gen is another one after each change.
	Gen int `json:"gen"`
	// Hostname of a listener, which Dovecot has for all together.
	Hostname string `json:"hostname,omitempty"`
	// Value of a parameter as it was declared, and what it came to.
	Value     string `json:"value,omitempty"`
	Effective string `json:"effective,omitempty"`
	// Lookup is what was declared of where users are found, as JSON.
	Lookup string `json:"lookup,omitempty"`
	// Relay is where what users submit was declared to go.
	Relay string `json:"relay,omitempty"`
	// Retention of a mail store, in seconds. Dovecot 2.4 has no place for it among its settings.
	Retention int64 `json:"retention,omitempty"`
}

// settings are what the file of settings says.
type settings struct {
	marks map[schema.ID]mark // without targets
	store mailstore
	// listeners by service: "imap", "pop3", "managesieve", "submission", "lmtp", "auth".
	listeners map[string]listener
	// lookup is where users are found; nil: in a file of ours.
	lookup *schema.Lookup
	// relay is where what users submit goes; empty: nowhere.
	relay string
	// place is where the mail lies, if that is not where the provider's block says.
	place string
	// index is where the indexes lie; empty: with the mail.
	index string
	// gen is the generation of the last change.
	gen int
}

type mailstore struct {
	hostname, certificate, key string
	retention                  int64 // seconds
}

type listener struct{ listen, listenTLS []string }

func newSettings() *settings {
	return &settings{marks: map[schema.ID]mark{}, listeners: map[string]listener{}}
}

// parseMarks reads the comments of a file of settings.
func parseMarks(text []byte) (marks map[schema.ID]mark, gen int, err error) {
	marks = map[schema.ID]mark{}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		if rest, ok := strings.CutPrefix(line, genPrefix); ok {
			gen = max(gen, int(number(rest)))
		}
		rest, ok := strings.CutPrefix(line, notePrefix)
		if !ok {
			continue
		}
		var m mark
		if err := json.Unmarshal([]byte(rest), &m); err != nil {
			return nil, 0, fmt.Errorf("line %d: what mailform noted cannot be read", n)
		}
		marks[schema.ID{Kind: m.Kind, Key: m.Key}] = m
		gen = max(gen, m.Gen)
	}
	return marks, gen, nil
}

// served are the services that Dovecot listens with, in the order in which they are
// written.
var served = []string{"imap", "pop3", "managesieve", "submission", "lmtp", "auth"}

// services are those that Dovecot listens with, by what we call them.
var services = map[string]struct {
	name string // of the service block
	// protocol is what Dovecot calls it among its protocols; empty: it is none.
	protocol string
	// standard listeners that Dovecot has by itself, and that we switch off.
	standard []string
	// sockets are the services that have a socket for each of their processes, in
	// a directory of their own.
	sockets []string
	// left is set where the administrator's own stays as long as we have none.
	left bool
}{
	"imap":        {name: "imap-login", protocol: "imap", standard: []string{"imap", "imaps"}, sockets: []string{"imap-login", "imap", "imap-hibernate"}},
	"pop3":        {name: "pop3-login", protocol: "pop3", standard: []string{"pop3", "pop3s"}, sockets: []string{"pop3-login", "pop3"}},
	"managesieve": {name: "managesieve-login", protocol: "sieve", standard: []string{"sieve"}, sockets: []string{"managesieve-login", "managesieve"}, left: true},
	"submission":  {name: "submission-login", protocol: "submission", standard: []string{"submission", "submissions"}, sockets: []string{"submission-login", "submission"}, left: true},
	"lmtp":        {name: "lmtp", protocol: "lmtp"},
	"auth":        {name: "auth"},
}

// serves reports whether Dovecot listens for a service as our settings say.
func (s *settings) serves(service string) bool {
	l := s.listeners[service]
	return len(l.listen)+len(l.listenTLS) > 0
}

// inForce takes what is in force out of a tree.
func inForce(t *tree, d *dialect, marks map[schema.ID]mark, ownCertificate string) (mailstore, map[string]listener) {
	var s mailstore
	s.hostname = t.values["hostname"]
	certificate, _ := t.get(d.certificate)
	key, _ := t.get(d.key)
	s.certificate, s.key = strings.TrimPrefix(certificate, d.file), strings.TrimPrefix(key, d.file)
	if s.certificate == ownCertificate {
		s.certificate, s.key = "", ""
	}
	s.retention = number(t.block("plugin").values["mailform_retention"])
	for _, m := range marks {
		if m.Kind == schema.KindMailStore && !d.retention {
			s.retention = m.Retention
		}
	}
	listeners := map[string]listener{}
	protocols := strings.Fields(t.values["protocols"])
	for name, service := range services {
		var l listener
		if service.protocol != "" && !slices.Contains(protocols, service.protocol) {
			listeners[name] = l
			continue
		}
		for block, list := range t.block("service " + service.name).blocks {
			if !strings.HasPrefix(block, "inet_listener") {
				continue
			}
			for _, b := range list {
				at := addresses(b.values[d.address], b.values["port"])
				if b.values["ssl"] == "yes" {
					l.listenTLS = append(l.listenTLS, at...)
				} else {
					l.listen = append(l.listen, at...)
				}
			}
		}
		slices.Sort(l.listen)
		slices.Sort(l.listenTLS)
		listeners[name] = l
	}
	return s, listeners
}

// addresses are the listen addresses of a listener of Dovecot's.
func addresses(address, port string) []string {
	if port == "" || port == "0" {
		return nil
	}
	hosts := strings.FieldsFunc(address, func(r rune) bool { return r == ' ' || r == ',' })
	if len(hosts) == 0 || slices.Contains(hosts, "*") && slices.Contains(hosts, "::") {
		return []string{":" + port}
	}
	out := make([]string, len(hosts))
	for i, h := range hosts {
		switch h {
		case "*":
			h = "0.0.0.0"
		}
		out[i] = net.JoinHostPort(strings.Trim(h, "[]"), port)
	}
	return out
}

// number reads a whole number; 0 for what is none.
func number(s string) (n int64) {
	fmt.Sscanf(s, "%d", &n) // what is none stays 0
	return n
}

// An environment is what a file of settings is written for.
type environment struct {
	dialect  *dialect
	dir      string // of what is ours
	mailDir  string
	indexDir string // empty: the indexes lie with the mail
	uid, gid string
	// lookup is set where users are found in a directory.
	lookup bool
	// protocols that others have Dovecot serve, beyond ours.
	protocols []string
	own       struct{ certificate, key string }
	// table has the users; nil: they are in files. tableMark stands for it.
	table              *sqlusers.Table
	tableMark, sqlFile string
	// sieve has the scripts of users run, by scriptSetting where that is one.
	sieve         bool
	scriptSetting string
	// personal has them keep some themselves, where nobody has said yet where.
	personal bool
}

// usernameChars are those that Dovecot lets a user name have. A slash is not among
// them: names are parts of paths.
const usernameChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@+=&'~!#$*?^`{|}"

// format writes the file of settings, and that which it names where the users are
// in a database.
func (s *settings) format(e environment) (text, table []byte) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Settings that mailform keeps. What is changed here is seen, and put back by the next apply.\n%s%d\n%s%s\n", genPrefix, s.gen, dialectPrefix, e.dialect.since)
	ids := make([]schema.ID, 0, len(s.marks))
	for id := range s.marks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, schema.ID.Compare)
	for _, id := range ids {
		if text, err := json.Marshal(s.marks[id]); err == nil {
			b.WriteString(notePrefix + string(text) + "\n")
		}
	}
	if s.place != "" {
		b.WriteString(placePrefix + s.place + "\n")
	}
	if s.index != "" {
		b.WriteString(indexPrefix + s.index + "\n")
	}
	if len(ids) == 0 {
		return []byte(b.String()), nil
	}
	if e.tableMark != "" {
		b.WriteString(usersPrefix + e.tableMark + "\n")
	}
	b.WriteString("\n")
	s.writeStore(&b, e)
	table = s.writeUsers(&b, e)
	if e.sieve {
		e.dialect.sieve(&b, e)
	}
	s.writeRelay(&b)
	s.writeListeners(&b, e)
	for _, id := range ids {
		if m := s.marks[id]; m.Kind == schema.KindParameter {
			writeParameter(&b, m)
		}
	}
	return []byte(b.String()), table
}

func (s *settings) writeStore(b *strings.Builder, e environment) {
	certificate, key := s.store.certificate, s.store.key
	if certificate == "" {
		certificate, key = e.own.certificate, e.own.key
	}
	if s.store.hostname != "" {
		fmt.Fprintf(b, "hostname = %s\n", s.store.hostname)
	}
	d := e.dialect
	// By itself Dovecot ends all sessions a few seconds after it was told to read its settings.
	fmt.Fprintf(b, "shutdown_clients = no\nssl = yes\n%s = %s%s\n%s = %s%s\n", d.certificate, d.file, certificate, d.key, d.file, key)
	d.store(b, s.store)
}

func (s *settings) writeUsers(b *strings.Builder, e environment) (table []byte) {
	fmt.Fprintf(b, "auth_mechanisms = plain login\nauth_username_chars = \"%s\"\n", strings.ReplaceAll(usernameChars, "'", `\'`))
	if number(e.uid) < 500 { // below what Dovecot takes for a user's
		fmt.Fprintf(b, "first_valid_uid = %s\n", e.uid)
	}
	if number(e.gid) < 500 {
		fmt.Fprintf(b, "first_valid_gid = %s\n", e.gid)
	}
	if e.table != nil && !e.lookup {
		return []byte(e.dialect.table(b, e))
	}
	e.dialect.users(b, e)
	return nil
}

func (s *settings) writeListeners(b *strings.Builder, e environment) {
	protocols := slices.Clone(e.protocols)
	for _, name := range served {
		l, service := s.listeners[name], services[name]
		switch on := s.serves(name); {
		case on && service.protocol != "":
			protocols = append(protocols, service.protocol)
		case !on && service.left:
			continue
		}
		fmt.Fprintf(b, "service %s {\n", service.name)
		for _, standard := range service.standard {
			fmt.Fprintf(b, "  inet_listener %s {\n    port = 0\n  }\n", standard)
		}
		n := 0
		for _, group := range []struct {
			listen []string
			tls    bool
		}{{l.listen, false}, {l.listenTLS, true}} {
			for _, at := range group.listen {
				host, port, err := net.SplitHostPort(at)
				if err != nil {
					continue // refused before
				}
				if host == "" {
					host = "*, ::"
				}
				fmt.Fprintf(b, "  inet_listener mailform-%d {\n    %s = %s\n    port = %s\n", n, e.dialect.address, host, port)
				if group.tls {
					b.WriteString("    ssl = yes\n")
				}
				b.WriteString("  }\n")
				n++
			}
		}
		b.WriteString("}\n")
	}
	if len(protocols) == 0 {
		protocols = []string{e.dialect.none}
	}
	fmt.Fprintf(b, "protocols = %s\n", strings.Join(protocols, " "))
}

// writeParameter writes a setting by its path.
func writeParameter(b *strings.Builder, m mark) {
	parts := strings.Split(m.Key, "/")
	for i, p := range parts[:len(parts)-1] {
		fmt.Fprintf(b, "%s%s {\n", strings.Repeat("  ", i), p)
	}
	depth := len(parts) - 1
	fmt.Fprintf(b, "%s%s = %s\n", strings.Repeat("  ", depth), parts[depth], quote(m.Value))
	for i := depth - 1; i >= 0; i-- {
		fmt.Fprintf(b, "%s}\n", strings.Repeat("  ", i))
	}
}

// quote writes a value so that it is read as it is; $ and < keep their meaning.
func quote(v string) string {
	if v == "" || v != strings.TrimSpace(v) || strings.ContainsAny(v, "#\"'\\") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
	}
	return v
}
