package funcs

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/net/idna"
)

// mailFunctions make texts of records, out of the code that makes those of
// domain blocks.
func mailFunctions() map[string]function.Function {
	return map[string]function.Function{
		"dkim":           withFields("dkim", cty.String, dkimText),
		"dmarc":          withFields("dmarc", cty.String, dmarcText),
		"mail_address":   mailAddress,
		"mta_sts":        withFields("mta_sts", cty.String, stsText),
		"mta_sts_policy": withFields("mta_sts_policy", cty.String, stsPolicy),
		"ptr":            ptr,
		"punycode":       punycode,
		"spf":            withFields("spf", cty.String, spfText),
		"tls_rpt":        withFields("tls_rpt", cty.String, tlsReportText),
		"tlsa":           tlsa,
		"txt_chunks":     txtChunks,
		"unicode_domain": unicodeDomain,
	}
}

func stringOf(s string, err error) (cty.Value, error) {
	if err != nil {
		return cty.NilVal, err
	}
	return cty.StringVal(s), nil
}

func spfText(f fields) (cty.Value, error) {
	s := rdata.SPF{MX: f.is("mx"), Exists: f.texts("exists"), Policy: f.text("policy")}
	if f["policy"].IsNull() {
		s.Policy = "fail"
		if f.text("redirect") != "" {
			s.Policy = "none"
		}
	}
	for _, list := range []struct {
		field string
		names *[]rdata.Name
	}{{"a", &s.Hosts}, {"include", &s.Include}} {
		for _, text := range f.texts(list.field) {
			n, err := rdata.ParseName(text)
			if err != nil {
				return cty.NilVal, fmt.Errorf("the attribute %q holds %q: %w", list.field, text, err)
			}
			*list.names = append(*list.names, n)
		}
	}
	for _, family := range []struct {
		field  string
		number int
	}{{"ip4", 4}, {"ip6", 6}} {
		nets, err := networksOf(f.texts(family.field), rdata.ParseNetwork, family.number)
		if err != nil {
			return cty.NilVal, fmt.Errorf("the attribute %q holds %w", family.field, err)
		}
		s.Networks = append(s.Networks, nets...)
	}
	if text := f.text("redirect"); text != "" {
		n, err := rdata.ParseName(text)
		if err != nil {
			return cty.NilVal, fmt.Errorf("the attribute \"redirect\" is %q: %w", text, err)
		}
		s.Redirect = n
	}
	return stringOf(s.Text())
}

func dkimText(f fields) (cty.Value, error) {
	var key rdata.DKIM
	switch text := f.text("public_key"); {
	case f.is("revoked") && text != "":
		return cty.NilVal, errors.New(`the attribute "revoked" says that there is no key any more, and "public_key" gives one`)
	case f.is("revoked"):
		key.Algorithm = "rsa"
	case text == "":
		return cty.NilVal, errors.New(`the attribute "public_key" is required, unless revoked is true`)
	default:
		var err error
		if key, err = rdata.ParseDKIMKey(text); err != nil {
			return cty.NilVal, fmt.Errorf("the attribute \"public_key\" cannot be used: %w", err)
		}
	}
	key.Hashes, key.Services = f.texts("hashes"), f.texts("services")
	key.Testing, key.Strict = f.is("testing"), f.is("strict")
	return cty.StringVal(key.Text()), nil
}

func dmarcText(f fields) (cty.Value, error) {
	d := rdata.DMARC{
		Policy: f.text("policy"), Subdomains: f.text("subdomain_policy"), Absent: f.text("absent_policy"),
		Percent:    f.integer("pct", 100),
		StrictDKIM: f.text("adkim") == "strict", StrictSPF: f.text("aspf") == "strict",
		Options: f.texts("fo"),
	}
	var err error
	if d.Reports, err = reportAddresses(f, "rua"); err != nil {
		return cty.NilVal, err
	}
	if d.Failures, err = reportAddresses(f, "ruf"); err != nil {
		return cty.NilVal, err
	}
	return stringOf(d.Text())
}

// reportAddresses brings addresses into the form that domain blocks write.
func reportAddresses(f fields, field string) ([]string, error) {
	var out []string
	for _, text := range f.texts(field) {
		if scheme, _, ok := strings.Cut(text, ":"); ok && scheme != "mailto" {
			out = append(out, text)
			continue
		}
		a, err := schema.ParseReportAddress(text)
		if err != nil {
			return nil, fmt.Errorf("the attribute %q holds %q, which is no mail address: %w", field, text, err)
		}
		out = append(out, a.String())
	}
	return out, nil
}

func stsText(f fields) (cty.Value, error) {
	id, policy := f.text("id"), f.text("policy")
	if (id == "") == (policy == "") {
		return cty.NilVal, errors.New(`one of "id" and "policy" is required: a version, or the policy that one is made of`)
	}
	if policy != "" {
		id = rdata.STSID(policy)
	}
	return stringOf(rdata.STSText(id))
}

func stsPolicy(f fields) (cty.Value, error) {
	seconds, err := schema.ParseTTL(f.text("max_age"))
	if err != nil {
		return cty.NilVal, fmt.Errorf("the attribute \"max_age\": %w", err)
	}
	age := time.Duration(seconds) * time.Second
	return stringOf(rdata.MTASTS{Mode: f.text("mode"), Hosts: f.texts("mx"), MaxAge: age}.Text())
}

func tlsReportText(f fields) (cty.Value, error) {
	reports, err := reportAddresses(f, "rua")
	if err != nil {
		return cty.NilVal, err
	}
	return stringOf(rdata.TLSRPTText(reports))
}

var tlsa = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "usage", Type: cty.Number}, {Name: "selector", Type: cty.Number}, {Name: "matching", Type: cty.Number},
		{Name: "certificate", Type: cty.String},
	},
	Type: static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var numbers [3]int
		for i := range numbers {
			var err error
			if numbers[i], err = whole(args[i], i); err != nil {
				return cty.NilVal, err
			}
		}
		text, err := rdata.TLSA(numbers[0], numbers[1], numbers[2], args[3].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(tlsaArgument(numbers), err)
		}
		return cty.StringVal(text), nil
	},
})

// tlsaArgument is the number of the argument that an error is about.
func tlsaArgument(numbers [3]int) int {
	for i, most := range []int{rdata.UsageDANEEE, rdata.SelectorSPKI, rdata.MatchSHA512} {
		if numbers[i] < 0 || numbers[i] > most {
			return i
		}
	}
	return 3
}

var ptr = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "address", Type: cty.String}},
	VarParam: &function.Parameter{Name: "network", Type: cty.String},
	Type:     static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if len(args) > 2 {
			return cty.NilVal, function.NewArgErrorf(2, "is one too many: ptr takes an address, and the network of a small zone")
		}
		text := args[0].AsString()
		if strings.Contains(text, "/") {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return cty.NilVal, argError("%q is neither an address nor a network", text)
			}
			if len(args) == 2 {
				return cty.NilVal, argError("%q is a network, and only an address can be in another", text)
			}
			name, err := rdata.ReverseZone(p)
			if err != nil {
				return cty.NilVal, argError("%w", err)
			}
			return cty.StringVal(string(name)), nil
		}
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return cty.NilVal, argError("%q is neither an address nor a network", text)
		}
		if len(args) == 1 {
			return cty.StringVal(string(rdata.Reverse(a))), nil
		}
		p, err := netip.ParsePrefix(args[1].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%q is not a network; one is written as 192.0.2.0/28", args[1].AsString())
		}
		name, err := rdata.ReverseIn(a, p)
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.StringVal(string(name)), nil
	},
})

// punycode brings a name into the form that DNS has it in (RFC 5890).
var punycode = domainFunc(func(name string) (string, error) { return name, nil })

// unicodeDomain brings a name into the form that people read.
var unicodeDomain = domainFunc(func(name string) (string, error) {
	u, err := idna.Lookup.ToUnicode(name)
	if err != nil {
		return "", fmt.Errorf("%q has a label that no name in another script has (RFC 5891)", name)
	}
	return u, nil
})

// domainFunc makes a function of a domain name. What it is called with has been
// checked, and is of A-labels, without a dot at the end.
func domainFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "domain", Type: cty.String}},
		Type:   static(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name, err := schema.ParseHostName(args[0].AsString())
			if err != nil {
				return cty.NilVal, argError("%q is no domain name: %w", args[0].AsString(), err)
			}
			out, err := f(name)
			if err != nil {
				return cty.NilVal, argError("%w", err)
			}
			return cty.StringVal(out), nil
		},
	})
}

// mailAddress joins the parts of an address, and holds them to what one is.
var mailAddress = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "local_part", Type: cty.String}, {Name: "domain", Type: cty.String}},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		local, err := schema.ParseLocalPart(args[0].AsString())
		if err != nil {
			return cty.NilVal, argError("%q is no local part: %w", args[0].AsString(), err)
		}
		domain, err := schema.ParseDomainName(args[1].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%q is no domain name: %w", args[1].AsString(), err)
		}
		return cty.StringVal(local + "@" + domain), nil
	},
})

// txtChunks cuts a text as a TXT record holds it.
var txtChunks = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   static(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		text := args[0].AsString()
		if len(text) > rdata.MaxTXT {
			return cty.NilVal, argError("has %d octets, and a TXT record holds at most %d", len(text), rdata.MaxTXT)
		}
		var out []cty.Value
		for _, chunk := range rdata.SplitUTF8(text) {
			out = append(out, cty.StringVal(chunk))
		}
		return cty.ListVal(out), nil
	},
})
