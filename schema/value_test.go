package schema

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// A parsed case has a result, or an error that holds some words.
type parseCase[T comparable] struct {
	in   string
	want T
	err  string
}

func parseAll[T comparable](t *testing.T, parse func(string) (T, error), cases map[string]parseCase[T]) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.in)
			switch {
			case c.err == "" && err != nil:
				t.Errorf("%q: %v", c.in, err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%q: error %v, want one with %q", c.in, err, c.err)
			case got != c.want:
				t.Errorf("%q is %v, want %v", c.in, got, c.want)
			}
		})
	}
}

func TestParseSize(t *testing.T) {
	parseAll(t, ParseSize, map[string]parseCase[int64]{
		"nothing":                   {"0", 0, ""},
		"bytes":                     {"1500", 1500, ""},
		"bytes with a unit":         {"10B", 10, ""},
		"powers of 1024":            {"2GiB", 2 << 30, ""},
		"powers of 1000":            {"2GB", 2e9, ""},
		"a fraction that is whole":  {"1.5GiB", 3 << 29, ""},
		"small letters":             {"10mib", 10 << 20, ""},
		"a space":                   {"10 TB", 10e12, ""},
		"the largest":               {"9223372036854775807", 1<<63 - 1, ""},
		"a fraction of a byte":      {"1.5", 0, "not a whole number"},
		"negative":                  {"-1", 0, "negative"},
		"negative with a unit":      {"-1GiB", 0, "negative"},
		"too large":                 {"9223372036854775808", 0, "larger than any"},
		"too large with a unit":     {"8388608TiB", 0, "larger than any"},
		"no number":                 {"GiB", 0, "begin with a number"},
		"empty":                     {"", 0, "begin with a number"},
		"apples":                    {"5 apples", 0, `"apples" is not a unit`},
		"a unit that is only begun": {"5G", 0, `"G" is not a unit`},
		"two points":                {"1.2.3GB", 0, "not a number"},
		"an exponent":               {"1e3", 0, "not a unit"},
		"digits without end":        {strings.Repeat("9", 1000), 0, "begin with a number"},
		"a sign":                    {"+5", 0, "begin with a number"},
		"an infinity":               {"Inf", 0, "begin with a number"},
	})
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 1500: "1500", 1024: "1KiB", 2 << 30: "2GiB", 1000: "1KB", 3 << 29: "1536MiB", 5e9: "5GB", 1 << 40: "1TiB"} {
		got := FormatSize(n)
		if got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
		if back, err := ParseSize(got); err != nil || back != n {
			t.Errorf("%q reads as %d, %v", got, back, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	parseAll(t, ParseDuration, map[string]parseCase[time.Duration]{
		"hours":                  {"1h", time.Hour, ""},
		"days":                   {"30d", 30 * day, ""},
		"weeks":                  {"1w", 7 * day, ""},
		"several units":          {"1d2h3m4s", day + 2*time.Hour + 3*time.Minute + 4*time.Second, ""},
		"nothing":                {"0", 0, ""},
		"nothing with a unit":    {"0s", 0, ""},
		"a number without unit":  {"30", 0, "has no unit"},
		"a number at the end":    {"1h30", 0, "has no unit"},
		"an unknown unit":        {"1y", 0, "is not a unit"},
		"months are not minutes": {"1M", 0, "is not a unit"},
		"a unit twice":           {"1h1h", 0, "largest to the smallest"},
		"the wrong order":        {"1s1h", 0, "largest to the smallest"},
		"negative":               {"-1h", 0, "negative"},
		"empty":                  {"", 0, "empty"},
		"no number":              {"h", 0, "does not begin with a number"},
		"a fraction":             {"1.5h", 0, "is not a unit"},
		"too long":               {"99999999999w", 0, "longer than any"},
		"too long by a second":   {"15250w1d23h47m17s", 0, "longer than any"},
		"digits without end":     {strings.Repeat("9", 100) + "s", 0, "longer than any"},
	})
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Second: "1s", 90 * time.Minute: "1h30m", 30 * 24 * time.Hour: "30d", 14 * 24 * time.Hour: "2w",
		25 * time.Hour: "1d1h", time.Millisecond: "0",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestParseTTL(t *testing.T) {
	parseAll(t, ParseTTL, map[string]parseCase[uint32]{
		"seconds":               {"300", 300, ""},
		"a duration":            {"1h", 3600, ""},
		"nothing":               {"0", 0, ""},
		"the largest":           {"2147483647", MaxTTL, ""},
		"one more":              {"2147483648", 0, "more than 2147483647"},
		"a duration that is so": {"4000w", 0, "more than 2147483647"},
		"negative":              {"-1", 0, "negative"},
		"words":                 {"soon", 0, "number"},
	})
}

func TestParseDomainName(t *testing.T) {
	parseAll(t, ParseDomainName, map[string]parseCase[string]{
		"a name":               {"example.com", "example.com", ""},
		"a dot at the end":     {"example.com.", "example.com", ""},
		"capitals":             {"Example.COM", "example.com", ""},
		"an international one": {"Bücher.example", "xn--bcher-kva.example", ""},
		"an A-label":           {"xn--bcher-kva.example", "xn--bcher-kva.example", ""},
		"sharp s":              {"straße.example", "xn--strae-oqa.example", ""},
		"digits":               {"1.2.example", "1.2.example", ""},
		"one label":            {"localhost", "", "one label"},
		"an underscore":        {"_dmarc.example.com", "", "holds '_'"},
		"an address":           {"192.0.2.1", "", "IP address"},
		"an IPv6 address":      {"[2001:db8::1]", "", "IP address"},
		"a short address":      {"192.0.2", "", "number"},
		"a mail address":       {"a@example.com", "", "mail address"},
		"a star":               {"*.example.com", "", "holds '*'"},
		"a space":              {"a b.example", "", "holds a space"},
		"an empty label":       {"a..example", "", "empty label"},
		"a dot alone":          {".", "", "empty label"},
		"empty":                {"", "", "empty"},
		"a hyphen at an end":   {"a-.example", "", "hyphen"},
		"a bad A-label":        {"xn--0.example", "", "international"},
		"63 bytes":             {strings.Repeat("a", 63) + ".example", strings.Repeat("a", 63) + ".example", ""},
		"64 bytes":             {strings.Repeat("a", 64) + ".example", "", "63 bytes"},
		"254 bytes":            {strings.Repeat("a.", 126) + "ex", "", "253 bytes"},
		"without end":          {strings.Repeat("ü", 1_000_000), "", "253 bytes"},
		"a NUL byte":           {"a\x00.example", "", "holds"},
		"broken UTF-8":         {"a\xff.example", "", "UTF-8"},
	})
}

func TestParseOwner(t *testing.T) {
	parseAll(t, ParseOwner, map[string]parseCase[string]{
		"a label":                 {"WWW", "www", ""},
		"the zone":                {"@", "@", ""},
		"service labels":          {"_sip._tcp", "_sip._tcp", ""},
		"a wildcard":              {"*.dev", "*.dev", ""},
		"a complete name":         {"www.example.com.", "www.example.com.", ""},
		"an international one":    {"bücher", "xn--bcher-kva", ""},
		"a classless delegation":  {"0/25", "0/25", ""},
		"a wildcard in the wrong": {"a.*", "", "holds '*'"},
		"empty":                   {"", "", `the zone itself is "@"`},
		"an empty label":          {"a..b", "", "empty label"},
		"a space":                 {"a b", "", "holds a space"},
		"an escaped dot":          {`John\.Doe.mail`, `john\.doe.mail`, ""},
		"an octet by its number":  {`*.a\032b`, `*.a\032b`, ""},
		"half an escape":          {`a\`, "", "after a backslash"},
		"too large an octet":      {`a\256`, "", "after a backslash"},
		"an escape and a space":   {`a\$ b`, "", "holds a space"},
		"an escape and no label":  {`a\$..b`, "", "empty label"},
	})
}

func TestParseAddress(t *testing.T) {
	parseAll(t, ParseAddress, map[string]parseCase[Address]{
		"an address":          {"Alice@Example.com", Address{"alice", "example.com"}, ""},
		"a tag":               {"alice+x@example.com", Address{"alice+x", "example.com"}, ""},
		"an international":    {"a@bücher.example", Address{"a", "xn--bcher-kva.example"}, ""},
		"no @":                {"alice", Address{}, "no @"},
		"nothing before it":   {"@example.com", Address{}, "before the @"},
		"nothing after it":    {"alice@", Address{}, "after the @"},
		"two of them":         {"a@b@example.com", Address{}, "before the @"},
		"a quoted local part": {`"a b"@example.com`, Address{}, "before the @"},
		"a literal":           {"a@[192.0.2.1]", Address{}, "after the @"},
		"a URL":               {"mailto:a@example.com", Address{}, "mailto"},
		"a line break":        {"a\r\nb@example.com", Address{}, "before the @"},
	})
	if a, err := ParseReportAddress("mailto:a@example.com"); err != nil || a.String() != "a@example.com" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestParseListen(t *testing.T) {
	parseAll(t, ParseListen, map[string]parseCase[string]{
		"an address":         {"127.0.0.1:25", "127.0.0.1:25", ""},
		"all addresses":      {":25", ":25", ""},
		"a star":             {"*:25", ":25", ""},
		"IPv6":               {"[::0001]:25", "[::1]:25", ""},
		"zeros before":       {"127.0.0.1:0025", "127.0.0.1:25", ""},
		"a name":             {"localhost:25", "", "write 127.0.0.1"},
		"no port":            {"127.0.0.1", "", "no port"},
		"IPv6 without port":  {"::1", "", "no port"},
		"port zero":          {":0", "", "1 to 65535"},
		"port 65536":         {":65536", "", "1 to 65535"},
		"a negative port":    {":-1", "", "not a port number"},
		"a service name":     {":smtp", "", "not a port number"},
		"empty":              {"", "", "empty"},
		"IPv6 without frame": {"2001:db8::1:25:x", "", "not an address and a port"},
	})
}

func TestPasswordHashes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                  nil,
		"$5.00 and $1$":                     nil,
		`a "$6$salt$digest" b`:              {"$6$salt$digest"},
		"x,$2b$10$a,y {SCRAM-SHA-1}b\n$5$c": {"$2b$10$a,y", "$5$c", "{SCRAM-SHA-1}b"},
	} {
		var got []string
		for _, at := range PasswordHashes(text) {
			got = append(got, text[at[0]:at[1]])
		}
		if !slices.Equal(got, want) || HoldsPasswordHash(text) != (len(want) > 0) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestParsePasswordHash(t *testing.T) {
	parseAll(t, ParsePasswordHash, map[string]parseCase[string]{
		"argon2id":         {"$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$ZGlnZXN0", "argon2id", ""},
		"bcrypt":           {"$2y$10$abcdefghijklmnopqrstuv", "bcrypt", ""},
		"SHA-512":          {"$6$salt$digest", "sha512-crypt", ""},
		"SHA-256 rounds":   {"$5$rounds=5000$salt$digest", "sha256-crypt", ""},
		"SCRAM":            {"{SCRAM-SHA-256}4096,c2FsdA==,a2V5,a2V5", "scram-sha-256", ""},
		"Django":           {"pbkdf2_sha256$600000$salt$a2V5", "pbkdf2-sha256 of Django", ""},
		"salted SHA-1":     {"{SSHA}aGFzaGFuZHNhbHQ=", "ssha", ""},
		"a password":       {"hunter2", "", "mailform passwd"},
		"empty":            {"", "", "empty"},
		"MD5 crypt":        {"$1$salt$digest", "", "not a hash"},
		"clear text":       {"{PLAIN}hunter2", "", "not a hash"},
		"only begun":       {"$argon2id$v=19$m=65536", "", "not complete"},
		"without a digest": {"$6$salt$", "", "not complete"},
		"with a line end":  {"$6$salt$digest\n", "", "not complete"},
	})
	for _, secret := range []string{"hunter2", "$6$hunter2", "{PLAIN}hunter2"} {
		if _, err := ParsePasswordHash(secret); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v", err)
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"quota", "protocols", "password_hash", "imap", "A", "AAAA"}
	for given, want := range map[string]string{"qouta": "quota", "protocol": "protocols", "passwordhash": "password_hash", "IMAP": "imap", "zebra": "", "": "", "x": ""} {
		if got := Suggest(given, words); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

// TestBlocks holds the definitions to what the rest of the program takes for
// granted.
func TestBlocks(t *testing.T) {
	refs := map[string]bool{}
	for _, b := range Blocks() {
		if b.Instances {
			refs[b.Type] = true
			for _, p := range b.Parts {
				refs[b.Type+"."+p.Name] = true
			}
		}
	}
	attributes := func(where string, attrs []Attribute) {
		seen := map[string]bool{}
		for _, a := range attrs {
			at := where + "." + a.Name
			if seen[a.Name] {
				t.Errorf("%s stands twice", at)
			}
			seen[a.Name] = true
			if !strings.HasSuffix(a.Doc, ".") {
				t.Errorf("%s: documentation is sentences: %q", at, a.Doc)
			}
			if a.Default != cty.NilVal {
				if !a.Default.Type().Equals(a.Type) {
					t.Errorf("%s: the default is a %s", at, a.Default.Type().FriendlyName())
				}
				if a.Required {
					t.Errorf("%s is required and has a default", at)
				}
				checkDefault(t, at, a)
			}
			if (a.Target != NoTarget || a.Type.Equals(RefType) || a.Type.Equals(cty.List(RefType))) != (len(a.Refs) > 0) {
				t.Errorf("%s: what it may refer to does not fit its type", at)
			}
			for _, r := range a.Refs {
				if !refs[r] {
					t.Errorf("%s refers to a %s, which is nothing", at, r)
				}
			}
		}
	}
	for _, b := range Blocks() {
		if !strings.HasPrefix(b.Example, b.Type) {
			t.Errorf("%s: the example is of something else", b.Type)
		}
		attributes(b.Type, b.Attributes)
		for _, n := range b.Blocks {
			attributes(b.Type+"."+n.Type, n.Attributes)
		}
	}
	for _, name := range Providers() {
		attributes(name, ProviderByName(name).Attributes)
	}
}

func checkDefault(t *testing.T, at string, a Attribute) {
	t.Helper()
	if a.Form == nil {
		return
	}
	values := []cty.Value{a.Default}
	if a.Type.IsListType() {
		values = a.Default.AsValueSlice()
	}
	for _, v := range values {
		if err := a.Form.Check(v); err != nil {
			t.Errorf("%s: the default is not valid: %v", at, err)
		}
	}
}

func FuzzParsers(f *testing.F) {
	for _, s := range []string{"2GiB", "1h30m", "bücher.example", "alice@example.com", "[::1]:25", "$6$a$b", "*.dev", "-1", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 {
			return
		}
		// What is accepted has a canonical form that is accepted as itself.
		stable := func(what string, parse func(string) (string, error)) {
			once, err := parse(s)
			if err != nil {
				return
			}
			if twice, err := parse(once); err != nil || twice != once {
				t.Errorf("%s %q: %q, then %q, %v", what, s, once, twice, err)
			}
		}
		stable("domain", ParseDomainName)
		stable("owner", ParseOwner)
		stable("local part", ParseLocalPart)
		stable("listen", ParseListen)
		stable("host and port", ParseHostPort)
		if n, err := ParseSize(s); err == nil {
			if back, err := ParseSize(FormatSize(n)); err != nil || back != n || n < 0 {
				t.Errorf("size %q: %d, %d, %v", s, n, back, err)
			}
		}
		if d, err := ParseDuration(s); err == nil {
			if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d || d < 0 {
				t.Errorf("duration %q: %d, %d, %v", s, d, back, err)
			}
		}
		if _, err := ParsePasswordHash(s); err != nil && len(s) > 12 && strings.Contains(err.Error(), s) {
			t.Errorf("the error shows the value: %v", err)
		}
	})
}

func TestObjectsOfAKindShareTheirType(t *testing.T) {
	k := KindByName(KindMailDomain)
	attrs := map[string]cty.Value{"name": cty.StringVal("example.com")}
	for _, a := range k.Attributes {
		if _, ok := attrs[a.Name]; !ok {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	attrs["name"] = attrs["name"].Mark("secret")
	if got, want := k.Object(attrs), cty.ObjectVal(attrs); !got.RawEquals(want) {
		t.Errorf("%#v, want %#v", got, want)
	}
	attrs["other"] = cty.True
	if got, want := k.Object(attrs), cty.ObjectVal(attrs); !got.RawEquals(want) {
		t.Errorf("%#v, want %#v", got, want)
	}
}
