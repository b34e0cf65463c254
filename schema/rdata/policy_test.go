package rdata_test

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mailform/mailform/schema/rdata"
)

// What domain blocks and functions both refuse.
func TestPolicyErrors(t *testing.T) {
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")}
	for name, tt := range map[string]struct {
		make func() (string, error)
		want string
	}{
		"two halves of everything": {func() (string, error) { return rdata.SPF{Policy: "fail", Networks: everything}.Text() }, "wider than any"},
		"a redirect that nobody heeds": {func() (string, error) {
			return rdata.SPF{Policy: "softfail", Redirect: "example.com."}.Text()
		}, "redirect is only heeded"},
		"a macro for explanations": {func() (string, error) { return rdata.SPF{Policy: "none", Exists: []string{"%{c}.example.com"}}.Text() }, "begins no macro"},
		"an empty macro":           {func() (string, error) { return rdata.SPF{Policy: "none", Exists: []string{""}}.Text() }, "is empty"},
		"a macro with a space":     {func() (string, error) { return rdata.SPF{Policy: "none", Exists: []string{"a b"}}.Text() }, "no macro has"},
		"a DMARC policy of apples": {func() (string, error) { return rdata.DMARC{Policy: "none", Absent: "apples", Percent: 100}.Text() }, `"apples" is none`},
		"failures for nobody": {func() (string, error) {
			return rdata.DMARC{Policy: "none", Percent: 100, Options: []string{"1"}}.Text()
		}, "without an address"},
		"an MTA-STS mode of apples": {func() (string, error) { return rdata.MTASTS{Mode: "apples"}.Text() }, `"apples" is none`},
		"a long id":                 {func() (string, error) { return rdata.STSText(strings.Repeat("a", 33)) }, "1 to 32"},
	} {
		if text, err := tt.make(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, error %v, want one with %q", name, text, err, tt.want)
		}
	}
}

func TestSplitUTF8(t *testing.T) {
	for _, text := range []string{"", "a", strings.Repeat("a", 256), strings.Repeat("ü", 600), strings.Repeat("a", 254) + "€uro", strings.Repeat("𝄞", 200)} {
		chunks := rdata.SplitUTF8(text)
		if strings.Join(chunks, "") != text {
			t.Errorf("%d octets: the strings are not the text", len(text))
		}
		for _, c := range chunks {
			if len(c) > 255 || !utf8.ValidString(c) {
				t.Errorf("%d octets: a string of %d", len(text), len(c))
			}
		}
	}
}

// FuzzKeys reads what may be a key or a certificate. What is taken makes a
// record that the record parser takes too, and errors never hold the text.
func FuzzKeys(f *testing.F) {
	const ed = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
	f.Add(ed)
	f.Add("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add(ed + ed)
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := rdata.ParseDKIMKey(text); err == nil {
			if _, err := rdata.Canonical("TXT", key.Text(), rdata.Root); err != nil {
				t.Errorf("the record %q is refused: %v", key.Text(), err)
			}
		}
		if value, err := rdata.TLSA(3, 1, 1, text); err == nil {
			if again, err := rdata.Canonical("TLSA", value, rdata.Root); err != nil || again != value {
				t.Errorf("the record %q becomes %q, %v", value, again, err)
			}
		}
	})
}

// FuzzReverse names an address in a network. What has a name has one that is a
// name.
func FuzzReverse(f *testing.F) {
	f.Add("192.0.2.1", 28)
	f.Add("2001:db8::1", 32)
	f.Fuzz(func(t *testing.T, text string, bits int) {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			t.Skip()
		}
		p := netip.PrefixFrom(a, bits)
		if !p.IsValid() {
			t.Skip()
		}
		name, err := rdata.ReverseIn(a, p)
		if err != nil {
			return
		}
		if parsed, err := rdata.ParseName(string(name)); err != nil || parsed != name {
			t.Errorf("%s in %s is %s, which is read as %s, %v", a, p, name, parsed, err)
		}
	})
}
