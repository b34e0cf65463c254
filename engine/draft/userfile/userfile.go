package userfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Formats are the names of the formats, as they are given to Read.
func Formats() []string { return []string{"passwd", "shadow", "dovecot", "virtual", "aliases"} }

// Users is what was read.
type Users struct {
	// Things are mailboxes and routes, as a provider lists them.
	Things []providers.Observed
	// Domains of their addresses, sorted.
	Domains []string
	// Skipped is what is not among them, Changed what is and lacks something.
	Skipped, Changed []Note
	// System counts accounts that are nobody's: root, daemon, nobody.
	System int
}

// A Note is a sentence about a line.
type Note struct {
	Line int
	Name string
	Why  string
}

func (n Note) String() string { return fmt.Sprintf("line %d: %s: %s", n.Line, n.Name, n.Why) }

// maxLine bounds a line, in bytes: an alias can have many members.
const maxLine = 4 << 20

// Read reads a file. Names without a domain are in the one given; empty: they
// are skipped. An error is about the file as a whole.
func Read(r io.Reader, format, domain string) (*Users, error) {
	p := &parser{domain: domain, seen: map[string]int{}, domains: map[string]bool{}}
	var line func(n int, text string)
	continued := false // whether lines can go on in the next one
	switch format {
	case "passwd":
		line = p.passwd
	case "shadow":
		line = p.shadow
	case "dovecot":
		line = p.dovecot
	case "virtual":
		line, continued = p.virtual, true
	case "aliases":
		line, continued = p.alias, true
	default:
		return nil, fmt.Errorf("there is no format %q: the formats are %s", format, strings.Join(Formats(), ", "))
	}
	if err := eachLine(r, continued, line); err != nil {
		return nil, err
	}
	for d := range p.domains {
		p.out.Domains = append(p.out.Domains, d)
	}
	slices.Sort(p.out.Domains)
	return &p.out, nil
}

// eachLine calls f with each line that says something. With continued, a line
// that begins with a blank belongs to the one before it.
func eachLine(r io.Reader, continued bool, f func(n int, text string)) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 1<<16), maxLine)
	n, began, whole := 0, 0, ""
	flush := func() {
		if strings.TrimSpace(whole) != "" {
			f(began, whole)
		}
		whole = ""
	}
	for in.Scan() {
		n++
		text := strings.TrimSuffix(in.Text(), "\r")
		trimmed := strings.TrimSpace(text)
		switch {
		case trimmed == "", trimmed[0] == '#':
			continue
		case continued && whole != "" && (text[0] == ' ' || text[0] == '\t'):
			if len(whole)+len(text) > maxLine {
				return fmt.Errorf("line %d: it is longer than %d MiB with those before it", n, maxLine>>20)
			}
			whole += " " + trimmed
			continue
		}
		flush()
		began, whole = n, text
	}
	flush()
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d: it is longer than %d MiB", n+1, maxLine>>20)
	} else if err != nil {
		return err
	}
	return nil
}

// A parser collects what the lines say.
type parser struct {
	domain  string
	seen    map[string]int // addresses, by the line that has them
	domains map[string]bool
	out     Users
}

func (p *parser) skip(n int, name, format string, args ...any) {
	p.out.Skipped = append(p.out.Skipped, Note{n, name, fmt.Sprintf(format, args...)})
}

func (p *parser) note(n int, name, format string, args ...any) {
	p.out.Changed = append(p.out.Changed, Note{n, name, fmt.Sprintf(format, args...)})
}

// address makes an address of a name with or without a domain.
func (p *parser) address(name string) (schema.Address, error) {
	if !strings.Contains(name, "@") {
		if p.domain == "" {
			return schema.Address{}, errors.New("it has no domain; give one with -domain")
		}
		name += "@" + p.domain
	}
	return schema.ParseAddress(name)
}

// claim takes an address for a line; false where another line has it.
func (p *parser) claim(n int, name, address string) bool {
	if first, twice := p.seen[address]; twice {
		p.skip(n, name, "line %d has it already", first)
		return false
	}
	p.seen[address] = n
	p.domains[address[strings.LastIndexByte(address, '@')+1:]] = true
	return true
}

// mailbox takes in a user. hash is what the file has as password, or empty; the
// quota is in bytes.
func (p *parser) mailbox(n int, name, hash string, quota int64) {
	a, err := p.address(name)
	if err != nil {
		p.skip(n, printable(name), "%v", err)
		return
	}
	if !p.claim(n, name, a.String()) {
		return
	}
	hashes := cty.ListValEmpty(cty.String)
	if verifier, why := verifierOf(hash); verifier != "" {
		hashes = cty.ListVal([]cty.Value{cty.StringVal(verifier)})
	} else if why != "" {
		p.note(n, name, "%s; the user cannot log in until there is another password", why)
	}
	p.out.Things = append(p.out.Things, providers.Observed{Kind: schema.KindMailbox, Key: a.String(), Attrs: cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(a.String()), "password_hash": hashes, "quota": cty.NumberIntVal(quota),
		"protocols": cty.ListVal([]cty.Value{cty.StringVal("imap"), cty.StringVal("pop3")}), "mail": cty.StringVal("enabled"),
		"messages": cty.NullVal(cty.Number), "bytes": cty.NullVal(cty.Number),
	})})
}

// stripped are the schemes of Dovecot whose value is a hash that says itself what
// it is.
var stripped = []string{"CRYPT", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "ARGON2ID"}

// verifierOf is a verifier in the form that the language has, or says why there
// is none. Neither ever quotes the value.
func verifierOf(password string) (verifier, why string) {
	value := password
	scheme := ""
	if rest, ok := strings.CutPrefix(password, "{"); ok {
		var found bool
		if scheme, value, found = strings.Cut(rest, "}"); !found || len(scheme) > 32 {
			return "", "its password cannot be read"
		}
		scheme = strings.ToUpper(scheme)
		if !slices.Contains(stripped, scheme) {
			value = password
		}
	}
	switch {
	case value == "", strings.Trim(value, "*!x") == "":
		return "", "it has no password"
	case value[0] == '!', value[0] == '*':
		return "", "its password is locked"
	}
	if _, err := schema.ParsePasswordHash(value); err == nil { // also {PBKDF2} and {SCRAM-…}, as Dovecot writes them
		return value, ""
	}
	if scheme != "" && !strings.ContainsFunc(scheme, func(r rune) bool { return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') }) {
		return "", "its password is kept as {" + scheme + "}, which mailform does not take"
	}
	return "", "its password is not a hash that mailform takes"
}

// printable is a name for a note: short, and without what a terminal would take
// for a command.
func printable(name string) string {
	const most = 80
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}
