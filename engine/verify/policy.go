package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dmarc"
	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/miekg/dns"
)

// declares is the fix for a domain that does not say something.
func declares(block string) string {
	return fmt.Sprintf("write a block %q into the domain", block)
}

// domain makes the checks of what a domain says of its mail in the DNS.
func (r *runner) domain(ctx context.Context, d *domain) {
	r.spf(ctx, d)
	r.dmarc(ctx, d)
	r.tlsReports(ctx, d)
	r.mtaSTS(ctx, d)
}

// saying finds the texts at a name that begin as a policy does.
func (r *runner) saying(ctx context.Context, name, version string) ([]string, error) {
	all, err := r.texts(ctx, name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(t string) bool {
		rest, ok := strings.CutPrefix(t, version)
		return !ok || rest != "" && rest[0] != ' ' && rest[0] != ';'
	}), nil
}

// unanswered says that a name could not be looked up. That is a fault where our own
// name servers were asked, or where a resolver says that it got no answer; where
// no resolver can be reached nothing can be told.
func (r *runner) unanswered(c *Check, t thing, subject, name string, err error) {
	var said *net.DNSError
	if _, ours := r.home(name); ours || errors.As(err, &said) {
		r.fail(c, t, subject, applying, "the records at %s cannot be looked up: %v", name, err)
		return
	}
	r.skip(c, t, subject, "the records at %s cannot be looked up: %v", name, err)
}

func (r *runner) spf(ctx context.Context, d *domain) {
	said, err := r.saying(ctx, d.name, "v=spf1")
	switch {
	case err != nil:
		r.unanswered(spfCheck, d.thing, d.name, d.name, err)
		return
	case len(said) == 0:
		r.warn(spfCheck, d.thing, d.name, declares("spf"), "there is no policy: anybody can send in its name")
		return
	case len(said) > 1:
		r.fail(spfCheck, d.thing, d.name, "take all but one away; those that no block declares are somebody else's", "there are %d policies, so that receivers follow none: %s", len(said), strings.Join(said, " | "))
		return
	}
	tested := 0
	for _, s := range r.world.servers {
		if s.target != d.target {
			continue
		}
		for _, a := range s.addresses {
			tested++
			subject := d.name + " from " + a.String()
			result, err := spf.CheckHostWithSender(net.IP(a.AsSlice()), s.hostname, "postmaster@"+d.name, spf.WithContext(ctx), spf.WithResolver(spfResolver{r.asker}))
			switch {
			case result == spf.Pass:
				r.pass(spfCheck, d.thing, subject, "%s", said[0])
			case result == spf.TempError || result == spf.PermError:
				r.fail(spfCheck, d.thing, subject, "mend what the policy names: its includes, the addresses of its hosts", "the policy cannot be followed (%s: %v): %s", result, err, said[0])
			default:
				r.fail(spfCheck, d.thing, subject, "let the block \"spf\" name this server, or take the address from the server block", "its own server is not among those that may send (%s): %s", result, said[0])
			}
		}
	}
	if tested == 0 {
		r.pass(spfCheck, d.thing, d.name, "%s", said[0])
	}
}

func (r *runner) dmarc(ctx context.Context, d *domain) {
	said, err := r.saying(ctx, "_dmarc."+d.name, "v=DMARC1")
	switch {
	case err != nil:
		r.unanswered(dmarcCheck, d.thing, d.name, "_dmarc."+d.name, err)
	case len(said) == 0:
		r.warn(dmarcCheck, d.thing, d.name, declares("dmarc"), "there is no policy: receivers judge by themselves what pretends to be from here")
	case len(said) > 1:
		r.fail(dmarcCheck, d.thing, d.name, "take all but one away; those that no block declares are somebody else's", "there are %d policies, so that receivers follow none: %s", len(said), strings.Join(said, " | "))
	default:
		p, err := dmarc.Parse(said[0])
		if err != nil {
			r.fail(dmarcCheck, d.thing, d.name, applying, "the policy cannot be read: %v: %s", err, said[0])
			return
		}
		r.pass(dmarcCheck, d.thing, d.name, "the policy is %q", p.Policy)
	}
}

func (r *runner) tlsReports(ctx context.Context, d *domain) {
	all, err := r.texts(ctx, "_smtp._tls."+d.name)
	if err != nil || len(all) == 0 {
		return // nobody has to have one
	}
	said, _ := r.saying(ctx, "_smtp._tls."+d.name, "v=TLSRPTv1")
	if len(said) != 1 || !strings.Contains(said[0], "rua=") {
		r.fail(tlsRPTCheck, d.thing, d.name, applying, "at _smtp._tls there has to be one text, v=TLSRPTv1; rua=…, and there is: %s", strings.Join(all, " | "))
		return
	}
	r.pass(tlsRPTCheck, d.thing, d.name, "%s", said[0])
}

// mtaSTS fetches the policy as another server does.
func (r *runner) mtaSTS(ctx context.Context, d *domain) {
	said, err := r.saying(ctx, "_mta-sts."+d.name, "v=STSv1")
	if err != nil || len(said) == 0 {
		return // nobody has to have one
	}
	host := "mta-sts." + d.name
	policy, err := r.fetchPolicy(ctx, d.name, host)
	if err != nil {
		r.fail(mtaSTSCheck, d.thing, d.name, "see that "+host+" leads to the web server that has the policy, and that its certificate is for that name", "https://%s/.well-known/mta-sts.txt: %v", host, err)
		return
	}
	if policy.Mode == mtasts.None {
		r.warn(mtaSTSCheck, d.thing, d.name, "", "the policy's mode is none: it asks nothing of senders")
		return
	}
	hosts, err := r.hosts(ctx, d.name)
	if err != nil {
		r.unanswered(mtaSTSCheck, d.thing, d.name, d.name, err)
		return
	}
	for _, mx := range hosts {
		if !policy.Matches(mx.Host) {
			r.fail(mtaSTSCheck, d.thing, d.name, "let the policy name all MX hosts before the MX records do", "the policy names %s, and not the MX host %s, which others do not send to then", strings.Join(policy.MX, ", "), mx.Host)
			return
		}
	}
	r.pass(mtaSTSCheck, d.thing, d.name, "the policy's mode is %s, and it names all MX hosts", policy.Mode)
}

// A policy is short (RFC 8461 §3.2 speaks of 64 KiB as the least that is read).
const longestPolicy = 64 << 10

func (r *runner) fetchPolicy(ctx context.Context, domain, host string) (*mtasts.Policy, error) {
	t := mtasts.NewTransport(func(ctx context.Context, host string) ([]string, error) {
		ips, err := r.addresses(ctx, host)
		var out []string
		for _, ip := range ips {
			out = append(out, ip.String())
		}
		return out, err
	})
	if doors := r.world.webs[domain]; len(doors) > 0 && doors[0].loopback() {
		// Nobody else comes there, so that it need not be at the port of the web.
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, doors[0].addr)
		}
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.RootCAs = r.Roots
	defer t.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 2*r.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return nil, err
	}
	// A redirect is no policy (RFC 8461 §3.3).
	c := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, longestPolicy))
	if err != nil {
		return nil, err
	}
	return mtasts.Parse(string(text))
}

// key holds a key that is published to the one that signs.
func (r *runner) key(ctx context.Context, k *key) {
	name := k.selector + "._domainkey." + k.domain
	said, err := r.texts(ctx, name)
	switch {
	case err != nil:
		r.unanswered(dkimCheck, k.thing, name, name, err)
	case len(said) == 0:
		r.fail(dkimCheck, k.thing, name, applying, "the key is not published, so that no signature by it holds")
	case len(said) > 1:
		r.fail(dkimCheck, k.thing, name, "take all but one away; those that no block declares are somebody else's", "there are %d keys, so that signatures may be held to the wrong one", len(said))
	case k.txt == "":
		r.skip(dkimCheck, k.thing, name, "which key signs is known after an apply")
	default:
		published, signs := tagsOf(said[0]), tagsOf(k.txt)
		switch {
		case published["p"] == "":
			r.fail(dkimCheck, k.thing, name, applying, "the key is revoked, or what is published is none: %s", said[0])
		case published["p"] != signs["p"] || kindOf(published) != kindOf(signs):
			r.fail(dkimCheck, k.thing, name, applying, "the key that is published is another than the one that signs, so that no signature holds")
		default:
			r.pass(dkimCheck, k.thing, name, "the key that signs is published (%s)", kindOf(signs))
		}
	}
}

// tagsOf takes a list of tags apart (RFC 6376 §3.2).
func tagsOf(text string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			tags[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
		}
	}
	return tags
}

// kindOf is the sort of a key; a record that says none is of an RSA key.
func kindOf(tags map[string]string) string {
	if k := tags["k"]; k != "" {
		return k
	}
	return "rsa"
}

// server makes the checks of a server's addresses.
func (r *runner) server(ctx context.Context, s *server) {
	for _, a := range s.addresses {
		if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
			r.skip(ptrCheck, s.thing, a.String(), "strangers do not come to this address")
			continue
		}
		r.reverse(ctx, s, a)
		for _, list := range r.Blacklists {
			r.listed(ctx, s, a, list)
		}
	}
}

func (r *runner) reverse(ctx context.Context, s *server, a netip.Addr) {
	const fix = "have whoever has the address publish a PTR record to the server's name"
	names, err := spfResolver{r.asker}.LookupAddr(ctx, a.String())
	if err != nil {
		r.fail(ptrCheck, s.thing, a.String(), fix, "its name cannot be looked up: %v", err)
		return
	}
	for _, n := range names {
		if !strings.EqualFold(strings.TrimSuffix(n, "."), s.hostname) {
			continue
		}
		ips, err := r.addresses(ctx, s.hostname)
		if err == nil && slices.ContainsFunc(ips, net.IP(a.AsSlice()).Equal) {
			r.pass(ptrCheck, s.thing, a.String(), "leads to %s and back", s.hostname)
			return
		}
		r.fail(ptrCheck, s.thing, a.String(), applying, "leads to %s, which does not lead back to it", s.hostname)
		return
	}
	r.fail(ptrCheck, s.thing, a.String(), fix, "leads to %s, and the server calls itself %s", strings.Join(names, ", "), s.hostname)
}

func (r *runner) listed(ctx context.Context, s *server, a netip.Addr, list string) {
	subject := a.String() + " at " + list
	reversed, err := dns.ReverseAddr(a.String())
	if err != nil {
		return
	}
	reversed = strings.TrimSuffix(strings.TrimSuffix(reversed, "in-addr.arpa."), "ip6.arpa.")
	rrs, err := r.lookup(ctx, reversed+strings.TrimSuffix(list, ".")+".", dns.TypeA)
	if err != nil {
		r.skip(blacklist, s.thing, subject, "the list cannot be asked: %v", err)
		return
	}
	for _, rr := range rrs {
		// Lists answer within 127.0.0.0/8 (RFC 5782 §2.1), and some say by
		// 127.255.255.0/24 that they do not answer to the one who asks.
		if ip := rr.(*dns.A).A.To4(); ip != nil && ip[0] == 127 && !(ip[1] == 255 && ip[2] == 255) {
			r.fail(blacklist, s.thing, subject, "find out at the list why, end that, and have the address taken off", "the address is listed: %s", ip)
			return
		}
	}
	r.pass(blacklist, s.thing, subject, "not listed")
}
