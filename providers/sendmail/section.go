package sendmail

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
)

// Marks of our section in sendmail.cf.
const (
	sectionBegin = "##### mailform: the lines from here on are made by it, and made anew whenever they change"
	sectionEnd   = "##### mailform: end"
	// asideMark stands before lines of others that say to listen where we do.
	asideMark = "#mailform listens there: "
	// relayMark stands before a line of others with a relay; ours follows it.
	relayMark = "#mailform names the relay: "
)

// checkPath refuses paths that cannot stand in sendmail.cf as they are.
func checkPath(path string) error {
	for _, r := range path {
		if r <= ' ' || r > 0x7e || strings.ContainsRune("\"`'$%,#\\:;()<>|&*?@", r) {
			return fmt.Errorf("Sendmail takes no path with %q in it", r)
		}
	}
	if !strings.HasPrefix(path, "/") {
		return errors.New("it is not an absolute path")
	}
	return nil
}

// A line of the section belongs to an attribute: a name that it gives a value.
type option struct{ name, value string }

func (o option) String() string {
	if len(o.name) == 2 { // a macro: Dj, DS
		return o.name + o.value
	}
	return "O " + o.name + "=" + o.value
}

// settingOptions are the options that follow from a setting. Where it names no
// certificate, own is that of our directory.
func settingOptions(a attrs, own [2]string) ([]option, error) {
	name := a.Str("hostname")
	if h, err := schema.ParseHostName(name); err != nil || h != name || !strings.Contains(name, ".") {
		return nil, fmt.Errorf("hostname: %q is no name of a host that Sendmail takes: lower-case, with a dot", name)
	}
	list := []option{{"Dj", name}, {"MaxMessageSize", strconv.FormatInt(a.Number("message_size_limit"), 10)}}
	for i, attribute := range []string{"tls_certificate", "tls_key"} {
		path := a.Str(attribute)
		if path == "" {
			path = own[i]
		} else if err := checkPath(path); err != nil {
			return nil, fmt.Errorf("%s: %w", attribute, err)
		}
		list = append(list, option{[]string{"ServerCertFile", "ServerKeyFile"}[i], path})
	}
	relay := a.Str("relay_host")
	if relay == "" {
		list = append(list, option{"DS", ""})
	} else {
		h, port, err := endpoint(relay)
		if err != nil {
			return nil, fmt.Errorf("relay_host: %w", err)
		}
		if port != "25" {
			list = append(list, option{"DS", "mailform-relay:" + bracketed(h)})
		} else {
			list = append(list, option{"DS", "esmtp:" + bracketed(h)})
		}
	}
	for _, s := range a.Strings("addresses") {
		if _, err := netip.ParseAddr(s); err != nil {
			return nil, fmt.Errorf("addresses: %q is no address", s)
		}
	}
	retry := a.Numbers("retry")
	if len(retry) > 0 {
		var sum int64
		for _, n := range retry {
			if sum += n; n == 0 || sum > 1<<31-1 {
				return nil, errors.New("retry: Sendmail takes times from one second to 68 years")
			}
		}
		s := func(n int64) string { return strconv.FormatInt(n, 10) + "s" }
		list = append(list, option{"MinQueueAge", s(retry[0])}, option{"MaxQueueAge", s(slices.Max(retry))}, option{"Timeout.queuereturn", s(sum)})
	}
	return list, nil
}

// endpoint takes host:port apart.
func endpoint(s string) (h, port string, err error) {
	h, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q has no number of a port", s)
	}
	if h == "" {
		return h, port, nil
	}
	if a, err := netip.ParseAddr(h); err == nil && a.Zone() == "" {
		return h, port, nil
	}
	if name, err := schema.ParseHostName(h); err != nil || name != h {
		return "", "", fmt.Errorf("%q is no host", h)
	}
	return h, port, nil
}

// mailer is the line of a mailer by TCP. flags are those beyond the ones that every
// one has.
func mailer(name, flags, at string) (string, error) {
	h, port, err := endpoint(at)
	if err != nil {
		return "", err
	}
	if h == "" {
		return "", fmt.Errorf("%q has no host", at)
	}
	return fmt.Sprintf("M%s, P=[IPC], F=%s, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=990, T=DNS/RFC822/SMTP, A=TCP %s %s", name, flags, bracketed(h), port), nil
}

// bracketed is a host as Sendmail takes it without asking who takes its mail.
func bracketed(h string) string {
	if strings.Contains(h, ":") {
		return "[IPv6:" + h + "]"
	}
	return "[" + h + "]"
}

// listenerOptions are the lines of a listener: the names of them begin with that of
// the service.
func listenerOptions(a attrs) ([]option, error) {
	service := a.Str("service")
	if service != "smtp" && service != "submission" {
		return nil, fmt.Errorf("service: Sendmail has no %q", service)
	}
	if name := a.Str("hostname"); name != "" {
		if h, err := schema.ParseHostName(name); err != nil || h != name {
			return nil, fmt.Errorf("hostname: %q is no name of a host", name)
		}
	}
	var list []option
	for _, attribute := range []string{"listen", "listen_tls"} {
		for _, l := range a.Strings(attribute) {
			h, port, err := endpoint(l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", attribute, err)
			}
			addr, family := netip.IPv4Unspecified(), "inet"
			if h != "" {
				if addr, err = netip.ParseAddr(h); err != nil {
					return nil, fmt.Errorf("%s: %q is no IP address, and Sendmail listens at those alone", attribute, h)
				}
			}
			if addr.Is6() {
				family = "inet6"
			}
			modifiers := ""
			if service == "submission" {
				modifiers += "Ea"
			}
			if attribute == "listen_tls" {
				modifiers += "s"
			}
			if modifiers != "" {
				modifiers = ", M=" + modifiers
			}
			list = append(list, option{"DaemonPortOptions", fmt.Sprintf("Name=mailform-%s-%d, Family=%s, Addr=%s, Port=%s%s", service, len(list)+1, family, addr, port, modifiers)})
		}
	}
	return list, nil
}

// derivedOptions are options that mailform says itself.
var derivedOptions = []string{"MaxMessageSize", "ServerCertFile", "ServerKeyFile", "MinQueueAge", "MaxQueueAge", "Timeout.queuereturn",
	"DaemonPortOptions", "AliasFile", "AuthMechanisms", "AuthOptions", "QueueDirectory"}

func parameterOption(a attrs) (option, error) {
	name, value := a.Str("name"), a.Str("value")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") != "" {
		return option{}, fmt.Errorf("name: %q is no name of an option of sendmail.cf, as Timeout.ident", name)
	}
	for _, d := range derivedOptions {
		if strings.EqualFold(d, name) {
			return option{}, fmt.Errorf("name: %s follows from blocks, which say it", name)
		}
	}
	if strings.TrimSpace(value) != value {
		return option{}, errors.New("value: Sendmail takes none that begins or ends with a blank")
	}
	for _, r := range value {
		if r < ' ' || r > 0x7e || strings.ContainsRune("`'#\\", r) {
			return option{}, fmt.Errorf("value: %q cannot stand there", r)
		}
	}
	return option{name, value}, nil
}

// cutSection parts the text of sendmail.cf: our section, and what is around it.
func cutSection(text string) (before, section, after string, ok bool) {
	i := strings.Index(text, sectionBegin+"\n")
	if i < 0 || i > 0 && text[i-1] != '\n' {
		return text, "", "", false
	}
	rest := text[i:]
	j := strings.Index(rest, sectionEnd+"\n")
	if j < 0 {
		return text[:i], rest, "", true
	}
	end := j + len(sectionEnd) + 1
	return text[:i], rest[:end], rest[end:], true
}

// effective are the values of options in sendmail.cf: of several lines the last.
func effective(text string) map[string]string {
	vals := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "O "):
			name, value, ok := strings.Cut(strings.TrimLeft(line[2:], " "), "=")
			if ok {
				vals[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
			}
		case strings.HasPrefix(line, "Dj"), strings.HasPrefix(line, "DS"):
			vals[line[:2]] = strings.TrimSpace(line[2:])
		}
	}
	return vals
}

// portOf is the port that a DaemonPortOptions line listens at.
func portOf(value string) string {
	for part := range strings.SplitSeq(value, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && k != "" && (k[0] == 'P' || k[0] == 'p') {
			switch v = strings.TrimSpace(v); strings.ToLower(v) {
			case "smtp":
				return "25"
			case "submission":
				return "587"
			case "smtps", "submissions":
				return "465"
			}
			return v
		}
	}
	return "25"
}

// around is the text around our section as it goes with it. It puts a mark before
// lines of others that listen at our ports, and takes it away from those that do no
// longer. And it says of the relay what the section says: Sendmail puts it into rules
// as it reads them, and has read them by then.
func around(text, section string, ports map[string]bool) string {
	relay := ""
	for line := range strings.Lines(section) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "DS"); ok && value != "" {
			relay = "DS" + value + "\n"
		}
	}
	var b strings.Builder
	ours := false // the line before was marked, and this one is ours
	for line := range strings.Lines(text) {
		if ours && strings.HasPrefix(line, "DS") {
			ours = false
			continue
		}
		var marked bool
		line, marked = strings.CutPrefix(line, relayMark)
		ours = marked
		if relay != "" && strings.HasPrefix(line, "DS") {
			line = relayMark + strings.TrimSuffix(line, "\n") + "\n" + relay
		}
		line = strings.TrimPrefix(line, asideMark)
		if value, ok := strings.CutPrefix(line, "O DaemonPortOptions="); ok && ports[portOf(strings.TrimSpace(value))] {
			line = asideMark + line
		}
		b.WriteString(line)
	}
	return b.String()
}

// ofOthers is sendmail.cf without what is ours, and without the lines that say who made
// it when.
func ofOthers(text string) string {
	var b strings.Builder
	for line := range strings.Lines(putSection(text, "", nil)) {
		if !strings.HasPrefix(line, "##### built by ") && !strings.HasPrefix(line, "##### in ") && !strings.HasPrefix(line, "##### using ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// putSection puts our section into sendmail.cf, in the place of the one that is
// there; an empty one takes it out.
func putSection(text, section string, ports map[string]bool) string {
	before, _, after, ok := cutSection(text)
	if !ok && before != "" && section != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return around(before, section, ports) + section + around(after, section, ports)
}

// includeLine is the line of sendmail.mc that has it include a file.
func includeLine(path string) string { return "include(`" + path + "')dnl" }

// withInclude is sendmail.mc with that line as its last one, or without.
func withInclude(mc, path string, wanted bool) string {
	var b strings.Builder
	there := false
	for line := range strings.Lines(mc) {
		if strings.TrimSpace(line) == includeLine(path) {
			if there = true; !wanted {
				continue
			}
		}
		b.WriteString(line)
	}
	if wanted && !there {
		if mc != "" && !strings.HasSuffix(mc, "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(includeLine(path) + "\n")
	}
	return b.String()
}

// asM4 is the section for m4, which puts it among the rules of others.
func asM4(section string) string {
	return "LOCAL_RULESETS\n`" + section + "'dnl\ndivert(0)dnl\n"
}
