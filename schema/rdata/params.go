package rdata

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// CheckParams says what is wrong between the parameters of a canonical value of
// the types SVCB and HTTPS, so that clients ignore the record (RFC 9460).
func CheckParams(rrtype, value string) error {
	rr, err := parse(rrtype, value)
	if err != nil {
		return err
	}
	svcb, ok := rr.(*dns.SVCB)
	if https, is := rr.(*dns.HTTPS); is {
		svcb, ok = &https.SVCB, true
	}
	if !ok {
		return nil
	}
	has := func(k dns.SVCBKey) bool {
		return slices.ContainsFunc(svcb.Value, func(p dns.SVCBKeyValue) bool { return p.Key() == k })
	}
	if svcb.Priority == 0 && len(svcb.Value) > 0 {
		return errors.New("priority 0 makes it an alias, and an alias has no parameters (§2.4.2)")
	}
	if has(dns.SVCB_NO_DEFAULT_ALPN) && !has(dns.SVCB_ALPN) {
		return errors.New("no-default-alpn says that only what alpn lists is offered, and there is no alpn (§7.1.1)")
	}
	for _, p := range svcb.Value {
		m, ok := p.(*dns.SVCBMandatory)
		if !ok {
			continue
		}
		for _, k := range m.Code {
			switch {
			case k == dns.SVCB_MANDATORY:
				return errors.New("mandatory names itself (§8)")
			case !has(k):
				return fmt.Errorf("mandatory names %s, and there is no such parameter (§8)", k)
			}
		}
	}
	return nil
}
