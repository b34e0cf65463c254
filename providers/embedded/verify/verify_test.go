package verify

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailform/mailform/providers/embedded/arc"
)

var public, private, _ = ed25519.GenerateKey(rand.Reader)

// A zone is the DNS of a test: texts by name. Names below silent.test are not
// answered.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch t, ok := z[name]; {
	case ok:
		return t, nil
	case strings.HasSuffix(name, "silent.test"):
		return nil, &net.DNSError{Err: "timeout", Name: name, IsTemporary: true, IsTimeout: true}
	case strings.HasPrefix(name, "k._domainkey."):
		return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupAddr(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// signed puts a DKIM signature of a domain on a message.
func signed(t *testing.T, domain, text string) string {
	t.Helper()
	var b strings.Builder
	err := dkim.Sign(&b, strings.NewReader(text), &dkim.SignOptions{Domain: domain, Selector: "k", Signer: private, HeaderKeys: []string{"From", "Subject"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sealedBy(t *testing.T, domain, results, text string, z zone) string {
	t.Helper()
	chain, err := arc.Validate(t.Context(), strings.NewReader(text), z.LookupTXT)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := arc.Seal(strings.NewReader(text), chain, results, arc.Key{Domain: domain, Selector: "k", Private: private}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + text
}

func TestVerdicts(t *testing.T) {
	z := zone{
		"a.test":             {"v=spf1 ip4:192.0.2.1 -all"},
		"soft.test":          {"v=spf1 ip4:192.0.2.1 ~all"},
		"deep.test":          {"v=spf1 include:1.deep.test -all"},
		"helo.test":          {"v=spf1 ip4:192.0.2.1 -all"},
		"elsewhere.test":     {"v=spf1 ip4:192.0.2.1 -all"},
		"mute.test":          {"v=spf1 include:silent.test -all"},
		"_dmarc.a.test":      {"unrelated", "v=DMARC1; p=reject; sp=quarantine"},
		"_dmarc.strict.test": {"v=DMARC1; p=Quarantine; aspf=s; adkim=s"},
		"_dmarc.soft.test":   {"v=DMARC1;p=quarantine"},
		"_dmarc.none.test":   {"v=DMARC1; p=none"},
		"_dmarc.twice.test":  {"v=DMARC1; p=reject", "v=DMARC1; p=none"},
		"_dmarc.wrong.test":  {"v=DMARC1; p=maybe"},
		"_dmarc.pct.test":    {"v=DMARC1; p=reject; pct=30"},
		"_dmarc.mute.test":   {"v=DMARC1; p=reject"},
		"news.strict.test":   {"v=spf1 ip4:192.0.2.1 -all"},
	}
	for i := range 12 {
		z[string(rune('0'+i%10))+strings.Repeat("x", i/10)+".deep.test"] = []string{"v=spf1 include:" + string(rune('0'+(i+1)%10)) + strings.Repeat("x", (i+1)/10) + ".deep.test -all"}
	}
	const good, bad = "192.0.2.1", "192.0.2.66"
	text := "From: x@%\r\nSubject: hi\r\n\r\nhello\r\n"
	from := func(domain string) string { return strings.Replace(text, "%", domain, 1) }
	forged := strings.Replace(signed(t, "a.test", from("a.test")), "hello", "hallo", 1)
	listed := sealedBy(t, "list.test", "mx.list.test; dkim=pass header.d=a.test; dmarc=pass header.from=a.test",
		strings.Replace(signed(t, "a.test", from("a.test")), "hello", "[list] hello", 1), z)
	lying := sealedBy(t, "list.test", `mx.list.test; spf=fail reason="; dmarc=pass" (; dmarc=pass); dmarc=fail`, forged, z)
	all := Policy{SPF: Report, DKIM: true, ARC: true, DMARC: Enforce, TrustedSealers: []string{"list.test"}}
	for name, c := range map[string]struct {
		client, helo, sender string
		authors              string
		text                 string
		policy               func(*Policy)
		want                 string
		disposition          Disposition
	}{
		"all is well": {good, "h.test", "x@a.test", "a.test", signed(t, "a.test", from("a.test")), nil,
			"spf=pass smtp.mailfrom=x@a.test; dkim=pass header.d=a.test; dmarc=pass (p=reject) header.from=a.test; arc=none", Deliver},
		"SPF alone speaks for the author": {good, "h.test", "x@a.test", "a.test", from("a.test"), nil,
			"spf=pass smtp.mailfrom=x@a.test; dkim=none; dmarc=pass (p=reject) header.from=a.test; arc=none", Deliver},
		"a forged author": {good, "h.test", "x@elsewhere.test", "a.test", from("a.test"), nil,
			"spf=pass smtp.mailfrom=x@elsewhere.test; dkim=none; dmarc=fail (p=reject) header.from=a.test; arc=none", Refuse},
		"a forged author where only reports are wanted": {good, "h.test", "x@elsewhere.test", "a.test", from("a.test"), func(p *Policy) { p.DMARC = Report },
			"spf=pass smtp.mailfrom=x@elsewhere.test; dkim=none; dmarc=fail (p=reject) header.from=a.test; arc=none", Deliver},
		"a forged author where nothing is wanted": {good, "h.test", "", "a.test", from("a.test"), func(p *Policy) { *p = Policy{} },
			"", Deliver},
		"a subdomain has its own policy": {bad, "h.test", "x@a.test", "sub.a.test", from("sub.a.test"), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=none; dmarc=fail (p=quarantine) header.from=sub.a.test; arc=none", Junk},
		"a subdomain that its organisation signs for": {bad, "h.test", "x@a.test", "sub.a.test", signed(t, "a.test", from("sub.a.test")), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=pass header.d=a.test; dmarc=pass (p=quarantine) header.from=sub.a.test; arc=none", Deliver},
		"a signature of a subdomain where alignment is strict": {good, "h.test", "x@news.strict.test", "strict.test", signed(t, "news.strict.test", from("strict.test")), nil,
			"spf=pass smtp.mailfrom=x@news.strict.test; dkim=pass header.d=news.strict.test; dmarc=fail (p=quarantine) header.from=strict.test; arc=none", Junk},
		"a body that was changed": {bad, "h.test", "x@a.test", "a.test", forged, nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=fail (body hash did not verify) header.d=a.test; dmarc=fail (p=reject) header.from=a.test; arc=none", Refuse},
		"a list that is trusted changed it": {bad, "h.test", "x@list.test", "a.test", listed, nil,
			"spf=none smtp.mailfrom=x@list.test; dkim=fail (body hash did not verify) header.d=a.test; dmarc=fail (p=reject not applied: arc) header.from=a.test; arc=pass", Deliver},
		"a list that is not": {bad, "h.test", "x@list.test", "a.test", listed, func(p *Policy) { p.TrustedSealers = nil },
			"spf=none smtp.mailfrom=x@list.test; dkim=fail (body hash did not verify) header.d=a.test; dmarc=fail (p=reject) header.from=a.test; arc=pass", Refuse},
		"a trusted list that did not see it pass": {bad, "h.test", "x@list.test", "a.test", lying, nil,
			"spf=none smtp.mailfrom=x@list.test; dkim=fail (body hash did not verify) header.d=a.test; dmarc=fail (p=reject) header.from=a.test; arc=pass", Refuse},
		"a bounce is from who says HELO": {good, "helo.test", "", "helo.test", from("helo.test"), nil,
			"spf=pass smtp.helo=helo.test; dkim=none; dmarc=none header.from=helo.test; arc=none", Deliver},
		"a HELO of an address literal": {good, "[192.0.2.1]", "", "none.test", from("none.test"), nil,
			"spf=none; dkim=none; dmarc=fail (p=none) header.from=none.test; arc=none", Deliver},
		"SPF that is enforced": {bad, "h.test", "x@elsewhere.test", "b.test", from("b.test"), func(p *Policy) { p.SPF = Enforce },
			"spf=fail smtp.mailfrom=x@elsewhere.test; dkim=none; dmarc=none header.from=b.test; arc=none", Refuse},
		"a soft failure": {bad, "h.test", "x@soft.test", "soft.test", from("soft.test"), func(p *Policy) { p.SPF = Enforce },
			"spf=softfail smtp.mailfrom=x@soft.test; dkim=none; dmarc=fail (p=quarantine) header.from=soft.test; arc=none", Junk},
		"more look-ups than a policy may need": {good, "h.test", "x@deep.test", "b.test", from("b.test"), nil,
			"spf=permerror smtp.mailfrom=x@deep.test; dkim=none; dmarc=none header.from=b.test; arc=none", Deliver},
		"a policy of SPF that cannot be had now": {bad, "h.test", "x@mute.test", "mute.test", from("mute.test"), nil,
			"spf=temperror smtp.mailfrom=x@mute.test; dkim=none; dmarc=temperror (p=reject) header.from=mute.test; arc=none", Defer},
		"a key that cannot be had now": {bad, "h.test", "x@a.test", "none.test", signed(t, "silent.test", from("none.test")), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=temperror (the key cannot be looked up now) header.d=silent.test; dmarc=fail (p=none) header.from=none.test; arc=none", Deliver},
		"a policy that cannot be had now": {bad, "h.test", "x@a.test", "x.silent.test", from("x.silent.test"), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=none; dmarc=temperror header.from=x.silent.test; arc=none", Deliver},
		"a domain with two policies has none": {bad, "h.test", "x@a.test", "twice.test", from("twice.test"), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=none; dmarc=none header.from=twice.test; arc=none", Deliver},
		"a policy that is none": {bad, "h.test", "x@a.test", "wrong.test", from("wrong.test"), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=none; dmarc=permerror header.from=wrong.test; arc=none", Deliver},
		"a policy for a part, which this is": {bad, "h.test", "x@a.test", "pct.test", from("pct.test"), nil,
			"spf=fail smtp.mailfrom=x@a.test; dkim=none; dmarc=fail (p=reject) header.from=pct.test; arc=none", Refuse},
		"two authors, of whom one is forged": {good, "h.test", "x@elsewhere.test", "elsewhere.test a.test", from("a.test"), nil,
			"spf=pass smtp.mailfrom=x@elsewhere.test; dkim=none; dmarc=fail (p=reject) header.from=a.test; arc=none", Refuse},
		"no author": {good, "h.test", "x@elsewhere.test", "", from("a.test"), nil,
			"spf=pass smtp.mailfrom=x@elsewhere.test; dkim=none; dmarc=permerror; arc=none", Deliver},
		"a sender that looks like a result": {good, "h.test", `"\"; dmarc=pass x="@elsewhere.test`, "b.test", from("b.test"), nil,
			"spf=pass smtp.mailfrom=elsewhere.test; dkim=none; dmarc=none header.from=b.test; arc=none", Deliver},
	} {
		t.Run(name, func(t *testing.T) {
			p := all
			if c.policy != nil {
				c.policy(&p)
			}
			checker := Checker{Resolver: z, Roll: func() int { return 29 }}
			m := Message{Client: netip.MustParseAddr(c.client), Authors: strings.Fields(c.authors), Signed: strings.Contains(c.text, "DKIM-Signature:"),
				Sealed: strings.Contains(c.text, "ARC-Seal:"), Content: strings.NewReader(c.text), Size: int64(len(c.text))}
			if p.SPF != Off {
				m.SPF = checker.SPF(t.Context(), m.Client, c.helo, c.sender)
			}
			v := checker.Message(t.Context(), p, m)
			if got := strings.Join(v.Results(), "; "); got != c.want {
				t.Errorf("results\n%s\nwant\n%s", got, c.want)
			}
			if v.Disposition != c.disposition {
				t.Errorf("disposition %d, want %d", v.Disposition, c.disposition)
			}
		})
	}
	t.Run("a policy for a part, which this is not", func(t *testing.T) {
		checker := Checker{Resolver: z, Roll: func() int { return 30 }}
		v := checker.Message(t.Context(), all, Message{Authors: []string{"pct.test"}, Content: strings.NewReader(""), Size: 0})
		if v.Disposition != Junk || v.DMARC.Override != "pct" {
			t.Errorf("%+v", v)
		}
	})
}

func TestClaims(t *testing.T) {
	for value, want := range map[string]bool{
		"mx.d.test; spf=pass":                     true,
		" MX.D.test ; spf=pass":                   true,
		"mx.d.test":                               true,
		"mx.d.test. 1; none":                      true,
		"(a (nested) \\) one) mx.d.test(x); none": true,
		`"mx.d.test"; spf=pass`:                   true,
		`"mx\.d.test" (1) 1 (2); spf=pass`:        true,
		"\r\n\tmx.d.test;\r\n\tspf=pass":          true,
		"mx.d.test\r\n\t(folded)\r\n\t;spf=pass":  true,
		"":                                        true,
		"(open mx.d.test; spf=pass":               true,
		`"open; spf=pass`:                         true,
		"mx.d.test spf=pass":                      true,
		"; spf=pass":                              true,
		"other.test; spf=pass":                    false,
		"mx.d.test.evil; spf=pass":                false,
		"(mx.d.test) other.test; spf=pass":        false,
		`"other.test"; spf=pass`:                  false,
	} {
		if got := ClaimedBy(value, "mx.d.test"); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzClaimedBy(f *testing.F) {
	f.Add("mx.d.test", " (c) ", "spf=pass")
	f.Add("x", `"`, ")")
	f.Fuzz(func(t *testing.T, value, space, rest string) {
		ClaimedBy(value, "mx.d.test")
		hasResult(value, "dmarc", Pass)
		if c, ok := skipCFWS(space); ok && c == "" && !ClaimedBy(space+"mx.d.test"+space+";"+rest, "mx.d.test") {
			t.Errorf("%q around our name hides it", space)
		}
	})
}

// FuzzDKIM is for the library: whatever comes by mail must not end the process.
func FuzzDKIM(f *testing.F) {
	f.Add("DKIM-Signature: v=1; a=ed25519-sha256; d=a.test; s=k; h=From; bh=" + base64.StdEncoding.EncodeToString(make([]byte, sha256.Size)) + "; b=AA==\r\nFrom: x@a.test\r\n\r\nbody\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Checker{Resolver: zone{}}
		found := c.dkim(t.Context(), &Message{Content: strings.NewReader(text), Size: int64(len(text))})
		if slices.ContainsFunc(found, func(s Signature) bool { return s.Result == Pass }) {
			t.Errorf("a signature that nobody has made holds:\n%s", text)
		}
	})
}
