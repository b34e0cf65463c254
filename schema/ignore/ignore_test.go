package ignore_test

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
)

func TestRules(t *testing.T) {
	type record struct{ name, rrtype, value string }
	txt := record{"www.example.com.", "TXT", "google-site-verification=abc"}
	apex := record{"example.com.", "TXT", "google-site-verification=abc"}
	cname := record{"a.b.example.com.", "CNAME", "x.example.net."}
	mx := record{"example.com.", "MX", "10 mail.example.net."}
	srv := record{"_sip._tcp.example.com.", "SRV", "0 1 5060 sip.example.net."}
	for name, c := range map[string]struct {
		names, types, values []string
		is, not              []record
	}{
		"everything":                       {is: []record{txt, apex, cname, mx}},
		"a label":                          {names: []string{"www"}, is: []record{txt}, not: []record{apex, cname}},
		"a label in capitals":              {names: []string{"WWW"}, is: []record{txt}},
		"the zone itself":                  {names: []string{"@"}, is: []record{apex, mx}, not: []record{txt}},
		"a complete name":                  {names: []string{"www.example.com."}, is: []record{txt}, not: []record{apex}},
		"the zone by its complete name":    {names: []string{"example.com."}, is: []record{apex}, not: []record{txt}},
		"a type":                           {types: []string{"TXT"}, is: []record{txt, apex}, not: []record{cname, mx}},
		"types":                            {types: []string{"TXT", "MX"}, is: []record{txt, mx}, not: []record{cname}},
		"a label and a type":               {names: []string{"www"}, types: []string{"A"}, not: []record{txt}},
		"a star is one label":              {names: []string{"*"}, is: []record{txt}, not: []record{apex, cname, srv}},
		"two stars are all":                {names: []string{"**"}, is: []record{txt, apex, cname, srv}},
		"a star and a label":               {names: []string{"*.b"}, is: []record{cname}, not: []record{txt}},
		"a label and two stars":            {names: []string{"a.**"}, is: []record{cname}, not: []record{txt}},
		"a part of a label":                {names: []string{"w*"}, is: []record{txt}, not: []record{cname}},
		"one character":                    {names: []string{"ww?", "?.?"}, is: []record{txt, cname}, not: []record{srv}},
		"one character is no dot":          {names: []string{"a?b"}, not: []record{cname}},
		"other scripts":                    {names: []string{"bücher"}, is: []record{{"xn--bcher-kva.example.com.", "A", "192.0.2.1"}}},
		"an escaped star":                  {names: []string{`\*`}, is: []record{{"*.example.com.", "A", "192.0.2.1"}}, not: []record{txt}},
		"a value":                          {values: []string{"google-*"}, is: []record{txt}, not: []record{cname}},
		"a value with case":                {values: []string{"Google-*"}, not: []record{txt}},
		"any value":                        {values: []string{"*"}, is: []record{txt, cname}},
		"a target":                         {values: []string{"*.example.net"}, is: []record{cname, mx, srv}, not: []record{txt}},
		"a target with its dot":            {values: []string{"X.example.net."}, is: []record{cname}, not: []record{mx}},
		"the target of a record with more": {values: []string{"mail.example.net"}, is: []record{mx}, not: []record{cname}},
		"a whole value":                    {values: []string{"10 mail.example.net."}, is: []record{mx}},
		"name, type and value":             {names: []string{"@"}, types: []string{"TXT"}, values: []string{"*verification*"}, is: []record{apex}, not: []record{txt, mx}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ignore.NewRule(c.names, c.types, c.values)
			if err != nil {
				t.Fatal(err)
			}
			z := &ignore.Zone{Name: "example.com.", Rules: []*ignore.Rule{r}}
			for _, rec := range append(c.is, c.not...) {
				ignored, rest := z.Keep(rdata.Name(rec.name), rec.rrtype, []string{rec.value})
				want := 0
				for _, is := range c.is {
					if is == rec {
						want = 1
					}
				}
				if len(ignored) != want || len(rest) != 1-want {
					t.Errorf("%v is ignored %d times, want %d", rec, len(ignored), want)
				}
			}
		})
	}
}

func TestWrongPatterns(t *testing.T) {
	for _, name := range []string{"", "a..b", ".a", "a b", `a\`} {
		if _, err := ignore.NewRule([]string{name}, nil, nil); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	if _, err := ignore.NewRule(nil, nil, []string{`a\`}); err == nil {
		t.Error("a value that ends with a backslash is taken")
	}
}

// FuzzPattern compares with the plain way to do it, and ends.
func FuzzPattern(f *testing.F) {
	for _, s := range [][2]string{{"a*b", "axxb"}, {"**", "a.b"}, {"*.b", "a.b"}, {"a**c*", "a.b.cc.d"}, {"?", "."}, {`\*`, "*"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 16 || strings.ContainsAny(pattern, `\`) {
			return
		}
		for _, dots := range []bool{false, true} {
			got, err := ignore.Match(pattern, text, dots)
			if err != nil {
				return
			}
			if want := slowly(strings.ReplaceAll(pattern, "***", "**"), text, dots); got != want {
				t.Errorf("%q and %q, dots %v: %v, want %v", pattern, text, dots, got, want)
			}
		}
	})
}

func slowly(p, s string, dots bool) bool {
	switch {
	case p == "":
		return s == ""
	case strings.HasPrefix(p, "**"):
		return slowly(p[2:], s, dots) || s != "" && slowly(p, s[1:], dots)
	case p[0] == '*':
		return slowly(p[1:], s, dots) || s != "" && !(dots && s[0] == '.') && slowly(p, s[1:], dots)
	case s == "":
		return false
	case p[0] == '?':
		return !(dots && s[0] == '.') && slowly(p[1:], s[1:], dots)
	}
	return p[0] == s[0] && slowly(p[1:], s[1:], dots)
}
