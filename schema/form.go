package schema

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/mailform/mailform/schema/check"
	"github.com/zclconf/go-cty/cty"
)

// A Form is what a value has to look like beyond its type: a size, a host
// name, one of a few words.
type Form struct {
	Name string // as in "must be …": "a size", "a host name"
	// Doc explains the form once for all attributes that have it. Empty where the
	// name says all.
	Doc string
	// Words are the only values, where there are only some.
	Words []string

	check func(cty.Value) error
	// why says of words that people try what they would mean.
	why map[string]string
}

// Why says of a text that Check refuses why it will not do, in a few words that
// follow it and a colon. It is empty where there is nothing to say beyond what
// there has to be.
func (f *Form) Why(s string) string { return f.why[strings.ToLower(strings.TrimSpace(s))] }

// Check judges a known value of type string or number. The error says what is
// wrong in a few words that follow the value and a colon; it may quote parts of
// the value, so that it must not be shown for a sensitive one.
func (f *Form) Check(v cty.Value) error { return f.check(v) }

// The forms of values.
var (
	FormSize = stringForm("a size",
		"A number with a unit: `\"2GiB\"`, `\"500MB\"`. KiB, MiB, GiB and TiB are powers of 1024, KB, MB, GB and TB powers of 1000. Without a unit it is bytes.",
		ParseSize)
	FormDuration = stringForm("a duration",
		"Numbers with units from weeks to seconds: `\"1h\"`, `\"30d\"`, `\"1h30m\"`. The units are w, d, h, m and s.",
		ParseDuration)
	FormTTL = stringForm("a time to live",
		"A duration such as `\"1h\"`, or a number of seconds, up to 2147483647 seconds (RFC 2181 §8).",
		ParseTTL)
	FormDomain = stringForm("a domain name",
		"A name such as `example.com`, with or without a dot at the end. International names may be written as they are read.",
		ParseDomainName)
	FormPolicyDomain = stringForm("a policy domain",
		"A domain name such as `example.com` or `_spf.example.com`: its labels may have underscores.",
		ParsePolicyDomain)
	FormHost = stringForm("a host name",
		"A domain name of letters, digits and hyphens, not an address.",
		ParseHostName)
	FormOwner = stringForm("a record name",
		"Labels below the zone: `www`, `_dmarc`, `*.dev`; `@` for the zone itself. A name that ends in a dot is complete.",
		ParseOwner)
	FormRecordType = stringForm("a record type", "", parseRecordType)
	// FormCheck is the name of a check that can be switched off.
	FormCheck = &Form{Name: "the name of a check", check: func(v cty.Value) error {
		s := v.AsString()
		ids := check.IDs()
		switch {
		case slices.Contains(ids, s):
			return nil
		case check.Fixed(s):
			return errors.New("that check cannot be switched off: no name server serves such data as it is meant")
		}
		if near := Suggest(s, ids); near != "" {
			return fmt.Errorf("did you mean %q", near)
		}
		return errors.New("there is no such check; docs/reference/checks.md lists them")
	}}
	FormSelector = stringForm("a selector",
		"One or more labels of letters, digits and hyphens (RFC 6376 §3.1).",
		parseSelector)
	FormLocalPart = stringForm("a local part",
		"What stands before the `@`: up to 64 letters, digits and any of ``.!#$%&'*+-/=?^_`{|}~`` (RFC 5321 §4.1.2). Upper and lower case are the same.",
		ParseLocalPart)
	FormAddress = stringForm("a mail address",
		"A local part, `@`, and a domain name: `alice@example.com`.",
		ParseAddress)
	FormReportAddress = stringForm("a mail address",
		"A mail address, with or without `mailto:`.",
		ParseReportAddress)
	FormReportTarget = stringForm("where reports go",
		"A mail address, with or without `mailto:`, or a URL that begins with `https://`.",
		func(s string) (string, error) {
			if strings.HasPrefix(s, "https:") {
				return ParseHTTPS(s)
			}
			a, err := ParseReportAddress(s)
			return a.String(), err
		})
	FormHTTPS   = stringForm("a URL on the web", "A URL that begins with `https://`.", ParseHTTPS)
	FormIP      = stringForm("an IP address", "An IPv4 or IPv6 address: `192.0.2.1`, `2001:db8::1`.", parseIP)
	FormIPv4    = stringForm("an IPv4 address or network", "`192.0.2.1` or `192.0.2.0/24`.", parseIPv4)
	FormIPv6    = stringForm("an IPv6 address or network", "`2001:db8::1` or `2001:db8::/32`.", parseIPv6)
	FormNetwork = stringForm("an IP address or network", "`192.0.2.0/24`, `2001:db8::/32`, or one address.", ParseNetwork)
	FormListen  = stringForm("an address to listen on",
		"An IP address and a port: `127.0.0.1:25`, `[::1]:25`; `:25` for all addresses.",
		ParseListen)
	FormTimeZone = stringForm("a time zone",
		"Its name in the IANA database: `Europe/Berlin`, `America/New_York`, `UTC`.",
		ParseTimeZone)
	FormHostPort = stringForm("a host and a port",
		"A host name or an IP address, and a port: `smtp.example.net:587`.",
		ParseHostPort)
	FormFilterAddress = stringForm("the address of a filter",
		"A host and a port, or a socket of the machine: `127.0.0.1:11332`, `unix:/run/clamav/clamav-milter.ctl`.",
		ParseFilterAddress)
	FormFilterTimeout = stringForm("the time of a step",
		"A duration from `\"1s\"` to `\"1h\"`.", ParseFilterTimeout)
	FormJunkField = stringForm("a header field",
		"A name, a colon, and how the value begins: `X-Spam: Yes`. Upper and lower case are the same.",
		ParseJunkField)
	FormServer = stringForm("a name server",
		"An IP address, or a host and a port: `192.0.2.53`, `[2001:db8::53]:5353`, `ns1.example.net:53`. Without a port it is 53.",
		ParseServer)
	FormAddressPort = stringForm("an IP address of a server",
		"An IP address, with or without a port: `192.0.2.53`, `127.0.0.1:2053`, `[2001:db8::53]:53`. Without a port it is 53.",
		ParseAddressPort)
	FormSignatureLifetime = stringForm("a lifetime of signatures",
		"A duration from `\"4d\"` to `\"365d\"`.", ParseSignatureLifetime)
	FormKeyLifetime = stringForm("a lifetime of a key",
		"A duration of at least `\"1d\"`, or `\"0\"` for a key that is never followed by another by itself.", ParseKeyLifetime)
	FormSTSAge = stringForm("a time to remember",
		"A duration of at most `\"365d\"`.", ParseSTSAge)
	FormPropagation = stringForm("a time to spread",
		"A duration of at most `\"7d\"`.", ParsePropagation)
	FormPasswordHash = stringForm("a password hash",
		"A verifier that `mailform passwd` prints: argon2id (`$argon2id$…`), bcrypt (`$2b$…`), SHA-crypt (`$6$…`, `$5$…`), PBKDF2 (`$pbkdf2-sha256$…`, `{PBKDF2}…`, Django's `pbkdf2_sha256$…`) or SCRAM (`{SCRAM-SHA-256}…`), and for the time of a move `{SSHA}`, `{SSHA256}`, `{SSHA512}`; or `{LDAP}` and the URL of an entry of a directory that judges the password (see [directories](../directories.md#passwords-that-stay-in-the-directory)). Never the password itself.",
		func(s string) (string, error) { return ParsePasswordHash(s) })
	FormAppPasswordName = stringForm("the name of an app password", "Up to 64 bytes of text, without `/`.", ParseAppPasswordName)
	FormURL             = stringForm("the URL of a service", "A URL that begins with `https://`; or with `http://`, on this machine.", ParseServiceURL)
	FormTime            = stringForm("a time",
		"As RFC 3339 writes it: `\"2027-11-26T12:00:00Z\"`; or a day, which begins at midnight in UTC: `\"2027-11-26\"`.", ParseTime)
	FormKeyName = stringForm("a key name",
		"What the server's configuration calls the key: labels of letters, digits, `-` and `_`, with dots between them.",
		parseKeyName)
	FormBase64     = stringForm("a text in base64", "", parseBase64)
	FormPath       = stringForm("a path", "", parsePath)
	FormIdentifier = stringForm("an identifier", "Letters, digits, `_` and `-`, not beginning with a digit.", parseIdentifier)
	FormUint16     = integer(0, 65535)
	FormPercent    = integer(0, 100)
	FormRate       = integer(0, 1_000_000)
	FormRSABits    = integers(2048, 3072, 4096)
)

// stringForm makes a form out of a parser.
func stringForm[T any](name, doc string, parse func(string) (T, error)) *Form {
	return &Form{Name: name, Doc: doc, check: func(v cty.Value) error {
		_, err := parse(v.AsString())
		return err
	}}
}

// oneOf is the form of a few words.
func oneOf(words ...string) *Form {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return &Form{Name: Or(quoted), Words: words, check: func(v cty.Value) error {
		s := v.AsString()
		if slices.Contains(words, s) {
			return nil
		}
		if near := Suggest(s, words); near != "" {
			return fmt.Errorf("did you mean %q", near)
		}
		return errors.New("it is none of these words")
	}}
}

// formSPFPolicy is what is said of senders that are not listed. There is no word
// for letting them send.
var formSPFPolicy = func() *Form {
	const open = "that would let everyone send in the domain's name"
	f := oneOf("fail", "softfail", "neutral", "none")
	f.why = map[string]string{
		"pass": open, "+all": open, "all": open,
		"-all": "that is called \"fail\" here", "~all": "that is called \"softfail\" here", "?all": "that is called \"neutral\" here",
	}
	return f
}()

// integer is the form of a whole number from low to high.
func integer(low, high int64) *Form {
	return &Form{Name: fmt.Sprintf("a whole number from %d to %d", low, high), check: func(v cty.Value) error {
		n := v.AsBigFloat()
		switch {
		case !n.IsInt():
			return errors.New("it is not a whole number")
		case n.Cmp(big.NewFloat(float64(low))) < 0:
			return fmt.Errorf("it is less than %d", low)
		case n.Cmp(big.NewFloat(float64(high))) > 0:
			return fmt.Errorf("it is more than %d", high)
		}
		return nil
	}}
}

// integers is the form of a few numbers.
func integers(allowed ...int64) *Form {
	words := make([]string, len(allowed))
	for i, n := range allowed {
		words[i] = fmt.Sprint(n)
	}
	return &Form{Name: Or(words), check: func(v cty.Value) error {
		for _, n := range allowed {
			if v.AsBigFloat().Cmp(new(big.Float).SetInt64(n)) == 0 {
				return nil
			}
		}
		return errors.New("it is none of these numbers")
	}}
}

// Or joins words as a sentence does: a, b or c.
func Or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance counts the letters to change, with two that stand the wrong way round
// as one.
func distance(a, b string) int {
	d := levenshtein.Distance(a, b, nil)
	if d == 2 && len(a) == len(b) {
		for i := 0; i+1 < len(a); i++ {
			if a[i] != b[i] {
				if a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
					return 1
				}
				break
			}
		}
	}
	return d
}

// Suggest finds the word that was probably meant; "" where none is near enough.
func Suggest(given string, words []string) string {
	best, most := "", min(3, len(given)/2+1)
	for _, w := range words {
		if d := distance(strings.ToLower(given), strings.ToLower(w)); d < most {
			best, most = w, d
		}
	}
	return best
}
