package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// dig asks the world's name server.
func (w *world) dig(args ...string) string {
	w.t.Helper()
	r := w.run(need(w.t, "dig"), append([]string{"@127.0.0.1", "-p", strconv.Itoa(w.port["dns"]), "+norecurse", "+tries=3", "+time=30"}, args...)...)
	return r.stdout + r.stderr
}

// What the name server has to say, and what it must not.
func TestTheNameServerIsAuthoritative(t *testing.T) {
	t.Parallel()
	need(t, "dig")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t) + `
domain "more" {
  name       = "example.org"
  nameserver = nameserver.ns1
  ttl        = "10m"
  mx {
    server     = server.main
    preference = 10
    ttl        = "5m"
  }
  mx {
    host       = "backup.elsewhere.test"
    preference = 20
  }
  dkim {
    selector = "big"
    bits     = 4096
  }
}

record "alias" {
  zone   = domain.more.zone
  name   = "www"
  type   = "CNAME"
  values = ["web.example.org."]
}

record "web" {
  zone   = domain.more.zone
  name   = "web"
  type   = "A"
  values = ["192.0.2.1", "192.0.2.2"]
}

record "deep" {
  zone   = domain.more.zone
  name   = "a.b.c"
  type   = "TXT"
  values = ["deep"]
}

record "wild" {
  zone   = domain.more.zone
  name   = "*.w"
  type   = "A"
  values = ["192.0.2.9"]
}

record "sub" {
  zone   = domain.more.zone
  name   = "sub"
  type   = "NS"
  values = ["ns.sub.example.org."]
}

record "glue" {
  zone   = domain.more.zone
  name   = "ns.sub"
  type   = "A"
  values = ["192.0.2.53"]
}
`})
	w.apply()
	const aa, noaa = `(?m)^;; flags: qr aa;`, `(?m)^;; flags: qr;`
	soa := `(?m)^example\.org\.\s+\d+\s+IN\s+SOA\s+ns1\.example\.com\. hostmaster\.example\.org\. `
	for name, tc := range map[string]struct {
		args  string
		has   []string
		lacks []string
	}{
		"the SOA": {"example.org SOA", []string{"status: NOERROR", aa, soa}, nil},
		"the MX as they are written": {"example.org MX", []string{aa, "ANSWER: 2,",
			`(?m)^example\.org\.\s+300\s+IN\s+MX\s+10 mail\.example\.com\.$`, `(?m)^example\.org\.\s+300\s+IN\s+MX\s+20 backup\.elsewhere\.test\.$`}, nil},
		"the address of the MX":                 {"mail.example.com A", []string{aa, `IN\s+A\s+127\.0\.0\.1`}, []string{"CNAME"}},
		"the MX is no alias":                    {"mail.example.com CNAME", []string{aa, "status: NOERROR", "ANSWER: 0", "SOA"}, nil},
		"in any letters":                        {"WwW.ExAmPle.ORG A", []string{aa, "(?i)CNAME", `192\.0\.2\.1`, `192\.0\.2\.2`}, nil},
		"letters are echoed":                    {"wEb.eXample.org A", []string{`;wEb\.eXample\.org\.`}, nil},
		"a name that is not there":              {"nosuch.example.org A", []string{aa, "status: NXDOMAIN", "ANSWER: 0", soa}, nil},
		"a type that is not there":              {"web.example.org MX", []string{aa, "status: NOERROR", "ANSWER: 0", soa}, nil},
		"an empty non-terminal":                 {"_domainkey.example.org TXT", []string{aa, "status: NOERROR", "ANSWER: 0", soa}, nil},
		"a deep empty non-terminal":             {"b.c.example.org A", []string{aa, "status: NOERROR", "ANSWER: 0", soa}, nil},
		"a wildcard":                            {"any.thing.w.example.org A", []string{aa, `(?m)^any\.thing\.w\.example\.org\.\s.*192\.0\.2\.9`}, nil},
		"another type at a wildcard":            {"x.w.example.org TXT", []string{aa, "status: NOERROR", "ANSWER: 0", soa}, nil},
		"a delegation":                          {"host.sub.example.org A", []string{noaa, "ANSWER: 0", `AUTHORITY: 1`, `IN\s+NS\s+ns\.sub\.example\.org\.`, `192\.0\.2\.53`}, nil},
		"a foreign name":                        {"debian.org A", []string{"status: REFUSED", "ANSWER: 0"}, []string{`flags:[a-z ]* ra`}},
		"a foreign name, recursion asked":       {"debian.org A +recurse", []string{"status: REFUSED", "ANSWER: 0"}, []string{`flags:[a-z ]* ra`}},
		"the root":                              {". NS", []string{"status: REFUSED"}, nil},
		"a domain that ends like ours":          {"notexample.org A", []string{"status: REFUSED"}, nil},
		"a transfer":                            {"example.org AXFR", []string{"Transfer failed"}, []string{"MX"}},
		"an incremental transfer":               {"example.org IXFR=1", nil, []string{`IN\s+MX`}},
		"by TCP":                                {"example.org MX +tcp", []string{aa, "ANSWER: 2,"}, nil},
		"several questions by one TCP":          {"+tcp +keepopen example.org MX web.example.org A", []string{"ANSWER: 2,", `192\.0\.2\.1`}, nil},
		"a long TXT does not fit in 512":        {"big._domainkey.example.org TXT +bufsize=512 +ignore", []string{`flags: qr aa tc`, "ANSWER: 0"}, nil},
		"a long TXT without EDNS":               {"big._domainkey.example.org TXT +noedns +ignore", []string{`flags: qr aa tc`}, []string{"EDNS"}},
		"a long TXT, dig goes on by TCP":        {"big._domainkey.example.org TXT +bufsize=512", []string{aa, "ANSWER: 1,", "v=DKIM1; k=rsa; p="}, nil},
		"a long TXT with EDNS":                  {"big._domainkey.example.org TXT +bufsize=1232", []string{aa, "ANSWER: 1,", "EDNS: version: 0"}, nil},
		"an EDNS version that nobody has":       {"example.org MX +edns=1 +noednsnegotiation", []string{"status: BADVERS"}, []string{`IN\s+MX\s+10`}},
		"an unknown EDNS option":                {"example.org MX +ednsopt=65001:abcd", []string{"status: NOERROR", "ANSWER: 2,"}, []string{"OPT=65001"}},
		"DNSSEC is asked for, where none is":    {"example.org MX +dnssec", []string{"status: NOERROR", "ANSWER: 2,"}, []string{"RRSIG"}},
		"ANY":                                   {"example.org ANY", []string{aa}, []string{"status: SERVFAIL"}},
		"an unknown type":                       {"example.org TYPE65280", []string{aa, "status: NOERROR", "ANSWER: 0"}, nil},
		"class CHAOS gives nothing away":        {"version.bind TXT CH", []string{"status: (REFUSED|NOTIMP)"}, []string{"mailform"}},
		"another opcode":                        {"example.org SOA +opcode=2", []string{"status: NOTIMP"}, nil},
		"a NOTIFY":                              {"example.org SOA +opcode=4", []string{"status: (NOTIMP|REFUSED|NOTAUTH)"}, nil},
		"an UPDATE":                             {"example.org SOA +opcode=5", []string{"status: (NOTIMP|REFUSED)"}, nil},
		"a name server has an address":          {"ns1.example.com A", []string{aa, `127\.0\.0\.1`}, nil},
		"a zone has its name server":            {"example.org NS", []string{aa, `IN\s+NS\s+ns1\.example\.com\.`}, nil},
		"negative answers live as the SOA says": {"nosuch.example.org A +noall +authority", []string{`(?m)^example\.org\.\s+3600\s+IN\s+SOA\s.* 3600$`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := w.in(t).dig(strings.Fields(tc.args)...)
			for _, want := range tc.has {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("dig %s: no %s in\n%s", tc.args, want, out)
				}
			}
			for _, lack := range tc.lacks {
				if regexp.MustCompile(lack).MatchString(out) {
					t.Errorf("dig %s: there is %s in\n%s", tc.args, lack, out)
				}
			}
		})
	}

	// A change makes the serial rise, that of its zone alone, and is there at once.
	serial := func(zone string) int {
		fields := strings.Fields(w.dig("+short", zone, "SOA"))
		if len(fields) != 7 {
			t.Fatalf("SOA of %s: %v", zone, fields)
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	changed, other := serial("example.org"), serial("example.com")
	w.edit("main.mf.hcl", `"192.0.2.9"`, `"192.0.2.10"`)
	w.apply()
	if got := strings.TrimSpace(w.dig("+short", "x.w.example.org", "A")); got != "192.0.2.10" {
		t.Errorf("after the change: %q", got)
	}
	if got := serial("example.org"); got <= changed {
		t.Errorf("serial %d after a change, was %d", got, changed)
	}
	if got := serial("example.com"); got != other {
		t.Errorf("the serial of another zone went from %d to %d", other, got)
	}
	last := serial("example.org")
	w.ok("stop")
	w.ok("start")
	if got := serial("example.org"); got != last {
		t.Errorf("serial %d after a restart, was %d", got, last)
	}
}

// opendkim-testkey finds the keys in our zone.
func TestOpenDKIMFindsTheKey(t *testing.T) {
	t.Parallel()
	testkey := need(t, "opendkim-testkey")
	w := newHouse(t, "1MiB")
	conf := filepath.Join(w.dir, "opendkim.conf")
	if err := os.WriteFile(conf, []byte("Nameservers 127.0.0.1@"+strconv.Itoa(w.port["dns"])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []struct{ domain, selector string }{{"example.com", "s1"}, {"example.org", "r"}} {
		r := w.run(testkey, "-x", conf, "-d", key.domain, "-s", key.selector, "-vvv")
		if r.code != 0 || strings.Contains(r.stderr, "multiple") || strings.Contains(r.stderr, "not found") {
			t.Errorf("opendkim-testkey for %s: %v", key.domain, r)
		}
	}
	if r := w.run(testkey, "-x", conf, "-d", "example.com", "-s", "nosuch", "-vvv"); r.code == 0 {
		t.Errorf("opendkim-testkey finds a key that is not there: %v", r)
	}
}
