package masterfile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/miekg/dns"
)

// How long records live in files that say it once, or not at all: BIND has to take
// them for the same.
func TestTimesToLive(t *testing.T) {
	const soa = " SOA ns1 hostmaster (\n 1 2 3 4\n 300 ) ; negative\n"
	const rest = " NS ns1\nns1 IN A 192.0.2.1\n"
	for name, c := range map[string]struct{ text, want string }{
		"none at all: the SOA's minimum":      {"@ IN" + soa + rest + "b A 192.0.2.2\n", "SOA 300, NS 300, A 300, A 300"},
		"a comment and an origin before":      {"; x\n$ORIGIN example.org.\n@" + soa + rest, "SOA 300, NS 300, A 300"},
		"that of the SOA":                     {"@ 60" + soa + rest, "SOA 60, NS 60, A 60"},
		"the last one that is there":          {"@ 60" + soa + " NS ns1\nns1 10 A 192.0.2.1\nns1 AAAA 2001:db8::1\n", "SOA 60, NS 60, A 10, AAAA 10"},
		"one of its own counts for itself":    {"@" + soa + " NS ns1\nns1 10 A 192.0.2.1\nns1 AAAA 2001:db8::1\n", "SOA 300, NS 300, A 10, AAAA 300"},
		"$TTL after the SOA":                  {"@" + soa + "$TTL 30\n" + rest, "SOA 300, NS 30, A 30"},
		"$TTL before all, and one of its own": {"$TTL 30\n@" + soa + " NS ns1\nns1 10 A 192.0.2.1\nns1 AAAA 2001:db8::1\n", "SOA 30, NS 30, A 10, AAAA 30"},
	} {
		t.Run(name, func(t *testing.T) {
			rrs, err := masterfile.Records(strings.NewReader(c.text), zone, masterfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := ttls(rrs); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			compile, err := exec.LookPath("named-compilezone")
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal("named-compilezone is not installed")
				}
				t.Skip("SKIPPED: named-compilezone is not installed; .ci/peers installs it")
			}
			path := filepath.Join(t.TempDir(), "zone")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(compile, "-q", "-k", "ignore", "-s", "full", "-o", "-", strings.TrimSuffix(string(zone), "."), path).Output()
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := masterfile.Records(strings.NewReader(string(out)), zone, masterfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(ttls(theirs), ttls(rrs)); d != "" {
				t.Errorf("BIND reads it in another way (-BIND +mailform):\n%s", d)
			}
		})
	}
	t.Run("the SOA is in an included file", func(t *testing.T) {
		rrs, err := masterfile.Records(strings.NewReader("$INCLUDE soa.zone\n@"+rest), zone, masterfile.Options{Include: fstest.MapFS{"soa.zone": {Data: []byte("@" + soa)}}})
		if got := ttls(rrs); err != nil || got != "SOA 300, NS 300, A 300" {
			t.Errorf("%v, %s", err, got)
		}
	})
}

func ttls(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		out = append(out, fmt.Sprintf("%s %d", dns.Type(rr.Header().Rrtype), rr.Header().Ttl))
	}
	return strings.Join(out, ", ")
}
