package sendmail

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Filters are milters: an X line each, which the DaemonPortOptions of their service
// name in their order. Daemons of others go on without them.

// filterPrefix begins the names of our filters in sendmail.cf.
const filterPrefix = "mailform_"

// onFailures are the flags of what becomes of mail that a filter cannot judge.
var onFailures = map[string]string{"accept": "", "tempfail": ", F=T", "reject": ", F=R"}

// filterLine is the line of the nth filter of a service.
func filterLine(n int, a attrs) (string, error) {
	service, address := a.Str("service"), a.Str("address")
	if service != "smtp" && service != "submission" {
		return "", fmt.Errorf("service: Sendmail has no filters for %q", service)
	}
	if canonical, err := schema.ParseFilterAddress(address); err != nil || canonical != address {
		return "", fmt.Errorf("address: %q is no place where a filter listens", address)
	}
	flag, ok := onFailures[a.Str("on_failure")]
	if !ok {
		return "", fmt.Errorf("on_failure: Sendmail has no %q", a.Str("on_failure"))
	}
	t := a.Number("timeout")
	if t < 1 || t > 3600 {
		return "", errors.New("timeout: it has to be from one second to one hour")
	}
	if a.Number("position") < 1 {
		return "", errors.New("position: the first is 1")
	}
	return fmt.Sprintf("X%s, S=%s%s, T=C:%ds;S:%ds;R:%ds;E:%ds", filterName(service, n), socket(address), flag, t, t, t, t), nil
}

func filterName(service string, n int) string {
	return fmt.Sprintf("%s%s_%d", filterPrefix, service, n)
}

// socket is an address as Sendmail writes it.
func socket(address string) string {
	host, port, err := net.SplitHostPort(address)
	if strings.HasPrefix(address, "unix:") || err != nil {
		return address
	}
	family := "inet"
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		family = "inet6"
	}
	return family + ":" + port + "@" + host
}

// addressOf is the reverse of socket; other forms are returned as they are.
func addressOf(socket string) string {
	family, at, ok := strings.Cut(socket, ":")
	port, host, ok2 := strings.Cut(at, "@")
	if !ok || !ok2 || !strings.HasPrefix(family, "inet") {
		return socket
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// filtersOf are the filters of a service, in their order.
func (l ledger) filtersOf(service string) []*holding {
	list := slices.DeleteFunc(l.all(schema.KindFilter), func(h *holding) bool { return h.attrs.Str("service") != service })
	slices.SortStableFunc(list, func(a, b *holding) int {
		return cmp.Or(cmp.Compare(a.attrs.Number("position"), b.attrs.Number("position")), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// filterLines are those of all filters, and what Sendmail tells them where its
// configuration does not say so yet.
func (w *world) filterLines() (string, error) {
	var b strings.Builder
	for _, service := range []string{"smtp", "submission"} {
		for i, h := range w.ledger.filtersOf(service) {
			line, err := filterLine(i+1, h.attrs)
			if err != nil {
				return "", err
			}
			b.WriteString(line + "\n")
		}
	}
	if b.Len() == 0 {
		return "", nil
	}
	before, _, after, _ := cutSection(string(w.files[w.p.cf].Content))
	if effective(before + after)["milter.macros.connect"] == "" {
		b.WriteString(milterMacros)
	}
	return b.String(), nil
}

// milterMacros are those of m4, which leaves them out where no filter is declared
// there.
const milterMacros = `O Milter.macros.connect=j, _, {daemon_name}, {if_name}, {if_addr}
O Milter.macros.helo={tls_version}, {cipher}, {cipher_bits}, {cert_subject}, {cert_issuer}
O Milter.macros.envfrom=i, {auth_type}, {auth_authen}, {auth_ssf}, {auth_author}, {mail_mailer}, {mail_host}, {mail_addr}
O Milter.macros.envrcpt={rcpt_mailer}, {rcpt_host}, {rcpt_addr}
O Milter.macros.eom={msg_id}
`

// inputFilters are the end of the DaemonPortOptions of a service.
func (w *world) inputFilters(service string) string {
	n := len(w.ledger.filtersOf(service))
	names := make([]string, n)
	for i := range names {
		names[i] = filterName(service, i+1)
	}
	if n == 0 {
		return ""
	}
	return inputKey + strings.Join(names, ";")
}

const inputKey = ", InputMailFilters="

// filter puts into vals what Sendmail has of a filter where that is not what was
// declared, and reports whether it has it.
func (w *world) filter(h *holding, cf native, vals map[string]cty.Value) bool {
	service := h.attrs.Str("service")
	n := 1 + slices.Index(w.ledger.filtersOf(service), h)
	name := filterName(service, n)
	for line := range cf.lines {
		if strings.HasPrefix(line, "O DaemonPortOptions=Name=mailform-"+service+"-") {
			_, list, _ := strings.Cut(line, inputKey)
			if !slices.Contains(strings.Split(list, ";"), name) {
				return false
			}
		}
	}
	want, err := filterLine(n, h.attrs)
	if err != nil {
		return false
	}
	if cf.lines[want] {
		return true
	}
	for line := range cf.lines {
		rest, ok := strings.CutPrefix(line, "X"+name+",")
		if !ok {
			continue
		}
		onFailure := "accept"
		for part := range strings.SplitSeq(rest, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch k {
			case "S":
				vals["address"] = cty.StringVal(addressOf(v))
			case "F":
				onFailure = map[string]string{"T": "tempfail", "R": "reject"}[v]
			case "T":
				vals["timeout"] = cty.NumberIntVal(filterTimeout(v))
			}
		}
		vals["on_failure"] = cty.StringVal(onFailure)
		return true
	}
	return false
}

// filterTimeout is the one time of all steps; 0: there are several.
func filterTimeout(value string) int64 {
	var all []int64
	for part := range strings.SplitSeq(value, ";") {
		_, v, _ := strings.Cut(part, ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(v, "s"), 10, 32)
		if err != nil {
			n = 0
		}
		all = append(all, n)
	}
	if all = slices.Compact(all); len(all) == 1 {
		return all[0]
	}
	return 0
}

// judgeFilters refuses to take filters of the administrator's away from the
// services that have some of ours.
func (w *world) judgeFilters(wanted []schema.Resource) error {
	before, _, after, _ := cutSection(string(w.files[w.p.cf].Content))
	theirs := effective(before + after)["inputmailfilters"]
	if theirs == "" {
		return nil
	}
	declared := map[string]bool{}
	for i := range wanted {
		if a, err := attributes.Check(wanted[i].Kind, wanted[i].Attrs); err == nil && wanted[i].Kind == schema.KindFilter {
			declared[a.Str("address")] = true
		}
	}
	for _, name := range strings.FieldsFunc(theirs, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		for line := range strings.Lines(before + after) {
			rest, ok := strings.CutPrefix(line, "X"+name+",")
			_, s, has := strings.Cut(rest, "S=")
			if !ok || !has {
				continue
			}
			s, _, _ = strings.Cut(strings.TrimSpace(s), ",")
			if !declared[addressOf(s)] && !declared[strings.Replace(addressOf(s), "localhost:", "127.0.0.1:", 1)] {
				return fmt.Errorf("Sendmail has the filter %s (S=%s), and a service with filters of its own does not have it any more. Declare it as a filter too", name, s)
			}
		}
	}
	return nil
}
