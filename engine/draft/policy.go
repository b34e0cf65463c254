package draft

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A policy is what a domain block makes an SPF policy of, beyond its spf block.
type policy struct {
	mx     []exchange
	sender string // a server that is no MX; empty for none
}

// spf writes the spf block of a domain where it makes exactly the policy that is
// there. Another one stays in a record block.
func (d *drafter) spf(s *site, f fields, p policy) {
	set := d.set(s, s.name, "TXT")
	if set == nil || number(set.Attrs, "ttl") != d.zoneTTL(s.zone) {
		return
	}
	for _, v := range texts(set.Attrs, "values") {
		if !rdata.IsSPF(v) {
			continue
		}
		if block, ok := readSPF(v, p); ok {
			f.add("spf", block)
		}
		return
	}
}

// spfPolicies are the endings of a policy.
var spfPolicies = map[string]string{"-all": "fail", "~all": "softfail", "?all": "neutral"}

// readSPF reads a policy as the block that makes it; false where none makes just
// that text.
func readSPF(policyText string, p policy) (fields, bool) {
	f := newFields()
	spf := rdata.SPF{MX: len(p.mx) > 0, Policy: "none"}
	if p.sender != "" {
		name, err := rdata.ParseName(p.sender)
		if err != nil {
			return f, false
		}
		spf.Hosts = []rdata.Name{name}
	}
	var include, ip4, ip6 []string
	for _, term := range strings.Fields(policyText)[1:] {
		kind, arg, _ := strings.Cut(term, ":")
		switch {
		case spfPolicies[term] != "":
			spf.Policy = spfPolicies[term]
		case kind == "include":
			name, err := rdata.ParseName(arg)
			if err != nil {
				return f, false
			}
			spf.Include = append(spf.Include, name)
			include = append(include, name.Host())
		case kind == "ip4", kind == "ip6":
			family := int(kind[2] - '0')
			network, err := rdata.ParseNetwork(arg, family)
			if err != nil {
				return f, false
			}
			written := network.String()
			if network.IsSingleIP() {
				written = network.Addr().String()
			}
			if family == 4 {
				ip4 = append(ip4, written)
				spf.Networks = slices.Insert(spf.Networks, len(ip4)-1, network)
			} else {
				ip6 = append(ip6, written)
				spf.Networks = append(spf.Networks, network)
			}
		}
	}
	if made, err := spf.Text(); err != nil || made != policyText {
		return f, false
	}
	f.text("policy", spf.Policy)
	for name, list := range map[string][]string{"include": include, "ip4": ip4, "ip6": ip6} {
		if len(list) > 0 {
			f.set(name, schema.StringList(list))
		}
	}
	return f, true
}

// dmarc writes the dmarc block of a domain where it makes exactly the policy
// that is there.
func (d *drafter) dmarc(s *site, f fields) {
	set := d.set(s, rdata.DMARCName(s.name), "TXT")
	if set == nil || number(set.Attrs, "ttl") != d.zoneTTL(s.zone) {
		return
	}
	values := texts(set.Attrs, "values")
	if len(values) != 1 {
		return
	}
	if block, ok := d.readDMARC(values[0]); ok {
		f.add("dmarc", block)
	}
}

// readDMARC is readSPF for a DMARC policy.
func (d *drafter) readDMARC(policyText string) (fields, bool) {
	f := newFields()
	dmarc := rdata.DMARC{Percent: 100}
	alignment := map[string]string{"s": "strict", "r": "relaxed"}
	for tag := range strings.SplitSeq(policyText, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(tag), "=")
		switch name {
		case "v", "":
		case "p":
			dmarc.Policy = value
			f.text("policy", value)
		case "sp":
			dmarc.Subdomains = value
			f.text("subdomain_policy", value)
		case "adkim":
			dmarc.StrictDKIM = value == "s"
			f.text("adkim", alignment[value])
		case "aspf":
			dmarc.StrictSPF = value == "s"
			f.text("aspf", alignment[value])
		case "pct":
			n, err := strconv.Atoi(value)
			if err != nil {
				return f, false
			}
			dmarc.Percent = n
			f.set("pct", cty.NumberIntVal(int64(n)))
		case "rua", "ruf":
			list, ok := reportAddresses(value)
			if !ok {
				return f, false
			}
			if name == "rua" {
				dmarc.Reports = list
			} else {
				dmarc.Failures = list
			}
			f.set(name, d.recipients(list))
		default:
			return f, false
		}
	}
	made, err := dmarc.Text()
	return f, err == nil && made == policyText
}

// reportAddresses reads a list of mailto URIs.
func reportAddresses(list string) ([]string, bool) {
	var out []string
	for uri := range strings.SplitSeq(list, ",") {
		address, ok := strings.CutPrefix(uri, "mailto:")
		a, err := schema.ParseAddress(strings.NewReplacer("%2C", ",", "%3B", ";", "%21", "!").Replace(address))
		if !ok || err != nil {
			return nil, false
		}
		out = append(out, a.String())
	}
	return out, true
}

// recipients are addresses as a list names them: users and aliases by reference.
// They are looked up when all blocks are there; see mailRefs.
func (d *drafter) recipients(list []string) cty.Value {
	vals := make([]cty.Value, len(list))
	for i, a := range list {
		vals[i] = cty.StringVal(a)
	}
	return cty.TupleVal(vals)
}

// extras are the values of a record set that its zone's block does not make.
func extras(made []string, o *providers.Observed) []string {
	var out []string
	for _, v := range texts(o.Attrs, "values") {
		if !slices.Contains(made, v) {
			out = append(out, v)
		}
	}
	return out
}
