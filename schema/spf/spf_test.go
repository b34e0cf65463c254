package spf_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/mailform/mailform/schema/spf"
)

// A world of records by "NAME TYPE". What is below unknown. is not known, what is
// below broken. fails.
type world map[string][]string

func (w world) Lookup(_ context.Context, name rdata.Name, rrtype string) ([]string, error) {
	switch {
	case strings.HasSuffix(string(name), "unknown."):
		return nil, spf.ErrUnknown
	case strings.HasSuffix(string(name), "broken."):
		return nil, errors.New("SERVFAIL")
	}
	if v := w[name.Host()+" "+rrtype]; len(v) > 0 {
		return v, nil
	}
	return nil, spf.ErrNone
}

var records = world{
	"example.com A": {"192.0.2.1"}, "example.com MX": {"10 mail.example.com."}, "a.example A": {"192.0.2.2"}, "six.example AAAA": {"2001:db8::1"},
	"one.example TXT": {"v=spf1 a -all"}, "one.example A": {"192.0.2.3"},
	"two.example TXT":      {"other", "v=spf1 include:one.example -all"},
	"none.example TXT":     {"v=spf10 -all"},
	"twice.example TXT":    {"v=spf1 -all", "v=spf1 ~all"},
	"wrong.example TXT":    {"v=spf1 fnord -all"},
	"loop.example TXT":     {"v=spf1 include:back.example -all"},
	"back.example TXT":     {"v=spf1 redirect=loop.example"},
	"redirect.example TXT": {"v=spf1 redirect=one.example"},
	"hosts.example MX":     strings.Fields(strings.Repeat("10_mail.example. ", 11)),
	"many.example TXT":     {"v=spf1 " + strings.Repeat("include:many2.example ", 20)},
	"many2.example TXT":    {"v=spf1 " + strings.Repeat("include:one.example ", 20)},
}

func TestCount(t *testing.T) {
	ten := strings.Repeat(" a:a.example", 10)
	for name, c := range map[string]struct {
		text          string
		lookups, void int
		problems      []error
		unknown       string
	}{
		"the version alone":                          {text: "v=spf1"},
		"nobody":                                     {text: "v=spf1 -all"},
		"capitals":                                   {text: "V=SPF1 A MX -ALL", lookups: 2},
		"all is not a":                               {text: "v=spf1 all"},
		"every qualifier":                            {text: "v=spf1 +a -mx ~ptr ?exists:a.example ~include:one.example -all", lookups: 6},
		"addresses take none":                        {text: "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -ip4:192.0.2.1 -all"},
		"a prefix":                                   {text: "v=spf1 a/24 -all", lookups: 1},
		"a prefix of IPv6":                           {text: "v=spf1 a:a.example//64 -all", lookups: 1},
		"both prefixes":                              {text: "v=spf1 mx/24//64 a:a.example/24//64 -all", lookups: 2},
		"mx is one":                                  {text: "v=spf1 mx -all", lookups: 1},
		"mx with too many hosts":                     {text: "v=spf1 mx:hosts.example -all", lookups: 1, problems: []error{spf.ErrHosts}},
		"ptr without a colon":                        {text: "v=spf1 ptr -all", lookups: 1},
		"an include and what is in it":               {text: "v=spf1 include:two.example -all", lookups: 3},
		"a redirect and what is in it":               {text: "v=spf1 redirect=one.example", lookups: 2},
		"a redirect that is not the last":            {text: "v=spf1 redirect=one.example mx", lookups: 3},
		"a redirect beside all":                      {text: "v=spf1 redirect=one.example -all"},
		"a redirect behind all":                      {text: "v=spf1 -all redirect=one.example"},
		"a redirect within an include":               {text: "v=spf1 include:redirect.example -all", lookups: 3},
		"what stands behind all":                     {text: "v=spf1 -all a mx include:loop.example"},
		"an explanation takes none":                  {text: "v=spf1 exp=explain.example -all"},
		"a modifier that nobody knows":               {text: "v=spf1 x-y=z a -all", lookups: 1},
		"several blanks":                             {text: "v=spf1  a   mx  -all ", lookups: 2},
		"macros are counted and not followed":        {text: "v=spf1 exists:%{ir}.%{v}._spf.%{d2} include:%{d}.gone.example a:%{h} -all", lookups: 3},
		"ten":                                        {text: "v=spf1" + ten + " -all", lookups: 10},
		"eleven":                                     {text: "v=spf1" + ten + " mx -all", lookups: 11, problems: []error{spf.ErrLookups}},
		"ten with what is included":                  {text: "v=spf1" + strings.Repeat(" a:a.example", 8) + " include:one.example -all", lookups: 10},
		"eleven with what is included":               {text: "v=spf1" + strings.Repeat(" a:a.example", 9) + " include:one.example -all", lookups: 11, problems: []error{spf.ErrLookups}},
		"far too many":                               {text: "v=spf1 include:many.example -all", lookups: 100, problems: []error{spf.ErrLookups}},
		"one address of either family is enough":     {text: "v=spf1 a:six.example -all", lookups: 1},
		"two in vain":                                {text: "v=spf1 a:gone.example mx:gone.example -all", lookups: 2, void: 2},
		"three in vain":                              {text: "v=spf1 a:gone.example mx:gone.example exists:gone.example -all", lookups: 3, void: 3, problems: []error{spf.ErrVoid}},
		"an include of nothing":                      {text: "v=spf1 include:gone.example -all", lookups: 1, void: 1, problems: []error{spf.ErrNoPolicy}},
		"an include of what is no policy":            {text: "v=spf1 include:none.example -all", lookups: 1, problems: []error{spf.ErrNoPolicy}},
		"an include of two policies":                 {text: "v=spf1 include:twice.example -all", lookups: 1, problems: []error{spf.ErrMultiple}},
		"an include of a wrong one":                  {text: "v=spf1 include:wrong.example -all", lookups: 1, problems: []error{spf.ErrSyntax}},
		"an include that cannot be looked up":        {text: "v=spf1 include:x.broken -all", lookups: 1, problems: []error{spf.ErrTemporary}},
		"an include that is not known":               {text: "v=spf1 include:x.unknown a:y.unknown -all", lookups: 2, unknown: "x.unknown."},
		"a redirect to nothing":                      {text: "v=spf1 redirect=gone.example", lookups: 1, void: 1, problems: []error{spf.ErrNoPolicy}},
		"a circle":                                   {text: "v=spf1 include:loop.example -all", lookups: 3, problems: []error{spf.ErrLoop}},
		"itself":                                     {text: "v=spf1 include:example.com -all", lookups: 1, problems: []error{spf.ErrLoop}},
		"one policy included twice is counted twice": {text: "v=spf1 include:one.example include:one.example -all", lookups: 4},
	} {
		t.Run(name, func(t *testing.T) {
			got := spf.Count(t.Context(), records, "example.com.", c.text)
			if got.Lookups != c.lookups || got.Void != c.void {
				t.Errorf("%d look-ups, %d in vain, want %d and %d (%v)", got.Lookups, got.Void, c.lookups, c.void, got.Problems)
			}
			if len(got.Problems) != len(c.problems) {
				t.Fatalf("problems %v, want %v", got.Problems, c.problems)
			}
			for i, p := range got.Problems {
				if !errors.Is(p, c.problems[i]) {
					t.Errorf("problem %v, want %v", p, c.problems[i])
				}
			}
			if want := strings.Fields(c.unknown); len(want) != len(got.Unknown) || len(want) > 0 && string(got.Unknown[0]) != want[0] {
				t.Errorf("unknown %v, want %v", got.Unknown, want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	p, err := spf.Parse("v=spf1 ~a:%{d}/24//64 -ip6:2001:DB8::1/32 exp=e.example redirect=r.example")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{126 a %{d} invalid Prefix 24 64} {45 ip6 2001:db8::/32 32 128}] r.example e.example"
	if got := fmt.Sprintln(p.Mechanisms, p.Redirect, p.Explanation); strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, text := range []string{
		"", "x", "v=spf10", "v=spf1-all", "v=spf1 fnord", "v=spf1 all:x", "v=spf1 all/8", "v=spf1 include", "v=spf1 include:", "v=spf1 exists",
		"v=spf1 a:", "v=spf1 a/33", "v=spf1 a//129", "v=spf1 a/08", "v=spf1 a:/24", "v=spf1 ip4", "v=spf1 ip4:", "v=spf1 ip4:2001:db8::1", "v=spf1 ip6:192.0.2.1",
		"v=spf1 ip4:192.0.2.0/33", "v=spf1 redirect=a redirect=b", "v=spf1 exp=a exp=a", "v=spf1 redirect=", "v=spf1 include:a..b", "v=spf1 exists:%{x}.a", "v=spf1 a:%", "v=spf1 include:a/24", "v=spf1 ptr/24", "v=spf1 =x", "v=spf1 ++a", "v=spf1 -", "v=spf1\ta",
	} {
		if p, err := spf.Parse(text); err == nil {
			t.Errorf("%q is taken: %v", text, p)
		}
	}
}

func FuzzCount(f *testing.F) {
	for _, text := range []string{"v=spf1 a/24//64 include:two.example redirect=%{d} -all", "v=spf1 mx:%{h}/0 ?ptr exp=x", "v=spf1 include:loop.example", "v=spf1 ip4:1.2.3.4/8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := spf.Count(t.Context(), records, "example.com.", text)
		if got.Lookups > 100 || slices.Contains(got.Problems, nil) {
			t.Errorf("%q: %v", text, got)
		}
	})
}
