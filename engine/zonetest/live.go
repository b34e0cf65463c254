package zonetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// serverTypes are made by name servers themselves.
var serverTypes = []string{"SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "TYPE65534"}

// live checks that what the world is told is what is declared. A server that has
// just been told to reload may take a moment.
func (w *world) live(t *testing.T, want content) {
	t.Helper()
	if w.sys.Live == nil {
		return
	}
	var questions []Question
	ask := map[key]bool{}
	for _, c := range []content{want, w.has} {
		for k := range c {
			if !ask[k] {
				ask[k] = true
				questions = append(questions, Question{k.name, k.rrtype})
			}
		}
	}
	slices.SortFunc(questions, func(a, b Question) int { return key{a.Name, a.Type}.compare(key{b.Name, b.Type}) })
	var diff string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		rrs := w.sys.Live(t, w.zone, questions)
		diff = cmp.Diff(want, served(t, rrs, want, w.zone))
		if signed := slices.ContainsFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG }); signed != w.sys.Signed {
			diff += fmt.Sprintf("signatures: %v, want %v\n", signed, w.sys.Signed)
		}
		if diff == "" || time.Now().After(deadline) {
			break
		}
	}
	if diff != "" {
		t.Errorf("what the world is told is not what is declared (-want +got):\n%s", diff)
	}
}

// served is what records come to. What a server that signs adds at the name of
// the zone is not counted, unless it is wanted there.
func served(t *testing.T, rrs []dns.RR, want content, zone rdata.Name) content {
	t.Helper()
	out := content{}
	for _, rr := range rrs {
		if slices.Contains(serverTypes, dns.Type(rr.Header().Rrtype).String()) {
			continue
		}
		rrtype, value, err := rdata.Value(rr)
		if err != nil {
			t.Fatal(err)
		}
		name, err := rdata.ParseName(rr.Header().Name)
		if err != nil {
			t.Fatal(err)
		}
		k := key{name, rrtype}
		switch rrtype {
		case "DNSKEY", "CDS", "CDNSKEY":
			if _, wanted := want[k]; name == zone && !wanted {
				continue
			}
		}
		set := out[k]
		set.TTL = rr.Header().Ttl
		set.Values = append(set.Values, value)
		slices.Sort(set.Values)
		set.Values = slices.Compact(set.Values)
		out[k] = set
	}
	return out
}

// Transfer asks by a zone transfer with dig. args say where: -p 5353 @127.0.0.1,
// and -y or -k for the key.
func Transfer(args ...string) func(t *testing.T, zone rdata.Name, _ []Question) []dns.RR {
	return func(t *testing.T, zone rdata.Name, _ []Question) []dns.RR {
		t.Helper()
		return dig(t, append(slices.Clone(args), "+onesoa", string(zone), "AXFR"))
	}
}

// Queries asks with dig for each record set by itself, at most some hundred of
// them. What a referral or an answer brings along counts where it was asked for.
func Queries(args ...string) func(t *testing.T, zone rdata.Name, questions []Question) []dns.RR {
	return func(t *testing.T, _ rdata.Name, questions []Question) []dns.RR {
		t.Helper()
		asked := map[Question]bool{}
		var file strings.Builder
		for _, q := range questions {
			asked[q] = true
			fmt.Fprintf(&file, "%s %s\n", q.Name, q.Type)
		}
		path := filepath.Join(t.TempDir(), "questions")
		if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		var out []dns.RR
		for _, rr := range dig(t, append(slices.Clone(args), "+norecurse", "+authority", "+additional", "-f", path)) {
			name, err := rdata.ParseName(rr.Header().Name)
			if err != nil {
				t.Fatal(err)
			}
			if asked[Question{name, dns.Type(rr.Header().Rrtype).String()}] {
				out = append(out, rr)
			}
		}
		return out
	}
}

// dig runs dig and reads the records that it prints.
func dig(t *testing.T, args []string) []dns.RR {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), nametest.Need(t, "dig"), append([]string{"+nocmd", "+noall", "+answer", "+noidnin", "+noidnout", "+tries=2", "+time=30"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("dig %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	var out []dns.RR
	zp := dns.NewZoneParser(strings.NewReader(string(text)), ".", "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		out = append(out, rr)
	}
	if err := zp.Err(); err != nil {
		t.Fatalf("dig %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return out
}
