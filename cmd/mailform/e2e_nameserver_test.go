package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// askBy asks the world's name server by one of the programs that administrators
// have for it.
func (w *world) askBy(program string, args ...string) string {
	w.t.Helper()
	port := strconv.Itoa(w.port["dns"])
	switch program {
	case "dig":
		return w.dig(args...)
	case "kdig":
		args = append([]string{"@127.0.0.1", "-p", port, "+time=30", "+retry=2", "+norec"}, args...)
	case "drill":
		args = append([]string{"-p", port, "-o", "rd"}, append(args, "@127.0.0.1")...)
	}
	r := w.run(need(w.t, program), args...)
	return r.stdout + r.stderr
}

// What dig, kdig and drill say of the same name server.
func TestThreeProgramsAskTheNameServer(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"dig", "kdig", "drill"} {
		need(t, program)
	}
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t) + `
zone "more" {
  name       = "example.org"
  nameserver = nameserver.ns1
}

record "services" {
  for_each = { imaps = "993", submissions = "465", pop3s = "995" }
  zone     = zone.more
  name     = "_${each.key}._tcp"
  type     = "SRV"
  values   = [each.key == "pop3s" ? "0 0 0 ." : "0 1 ${each.value} mail.example.com."]
}

record "long" {
  zone   = zone.more
  name   = "long"
  type   = "TXT"
  values = [join("", [for i in range(90) : "0123456789"])]
}

record "longest" {
  zone   = zone.more
  name   = "longest"
  type   = "TXT"
  values = [join("", [for i in range(300) : "0123456789"])]
}

record "wild" {
  zone   = zone.more
  name   = "*.w"
  type   = "MX"
  values = ["10 mail.example.com."]
}

record "moved" {
  zone   = zone.more
  name   = "old"
  type   = "DNAME"
  values = ["new.example.org."]
}

record "there" {
  zone   = zone.more
  name   = "host.new"
  type   = "A"
  values = ["192.0.2.7"]
}

record "reverse" {
  zone   = zone.rev
  name   = "1"
  type   = "PTR"
  values = ["mail.example.com."]
}

zone "rev" {
  name       = "0.0.127.in-addr.arpa"
  nameserver = nameserver.ns1
}
`})
	w.apply()
	for _, tc := range []struct {
		name, program, args string
		has, lacks          []string
	}{
		// 3: the SOA, authoritative and without recursion.
		{"the SOA", "kdig", "example.org SOA", []string{"status: NOERROR", `Flags: qr aa;`, `SOA\s+ns1\.example\.com\. hostmaster\.example\.org\. \d+ `}, nil},
		{"the SOA", "drill", "SOA example.org", []string{"rcode: NOERROR", `flags: qr aa ;`, `SOA\s+ns1\.example\.com\. hostmaster`}, nil},
		// 4: the MX of the file and nothing else.
		{"the MX", "kdig", "+noall +answer example.com MX", []string{`^example\.com\.\s+3600\s+IN\s+MX\s+10 mail\.example\.com\.\n$`}, nil},
		{"the MX", "drill", "MX example.com", []string{"ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0", `MX\s+10 mail\.example\.com\.`}, nil},
		// 6: forward and back.
		{"the reverse", "dig", "-x 127.0.0.1 +short", []string{`^mail\.example\.com\.\n$`}, nil},
		{"the reverse", "kdig", "-x 127.0.0.1 +short", []string{`^mail\.example\.com\.\n$`}, nil},
		{"the reverse", "drill", "-x 127.0.0.1", []string{`PTR\s+mail\.example\.com\.`}, nil},
		// 7: no resolver for the world.
		{"names of others", "kdig", "+rec debian.org A", []string{"status: REFUSED", "ANSWER: 0"}, []string{"Flags:[a-z ]* ra"}},
		{"names of others", "drill", "A debian.org", []string{"rcode: REFUSED", "ANSWER: 0"}, []string{"flags:[a-z ]* ra "}},
		// 8: nobody copies a zone.
		{"a transfer", "kdig", "example.org AXFR", nil, []string{`\sSRV\s`}},
		{"a transfer", "drill", "AXFR example.org", nil, []string{`\sSRV\s`}},
		// 9: TCP, sizes, EDNS.
		{"a long TXT over TCP", "kdig", "+tcp +short long.example.org TXT", []string{`^"(0123456789)+`}, nil},
		{"a long TXT over UDP, cut", "kdig", "+bufsize=512 +ignore long.example.org TXT", []string{"Flags: qr aa tc;", "ANSWER: 0", "EDNS PSEUDOSECTION"}, nil},
		{"a long TXT over UDP, asked again", "kdig", "+bufsize=512 long.example.org TXT", []string{`ANSWER: 1`, `0123456789`}, nil},
		{"a long TXT over UDP, whole", "kdig", "+bufsize=1232 +ignore long.example.org TXT", []string{"Flags: qr aa;", "ANSWER: 1"}, nil},
		{"what no packet should have", "dig", "+bufsize=4096 +ignore longest.example.org TXT", []string{"flags: qr aa tc;", "udp: 1232"}, nil},
		{"what no packet should have, by TCP", "drill", "-t TXT longest.example.org", []string{"ANSWER: 1"}, nil},
		{"EDNS 1", "kdig", "+edns=1 example.org SOA", []string{"BADVERS"}, []string{`\sSOA\s+ns1`}},
		{"no name of the server", "kdig", "+nsid example.org SOA", []string{"status: NOERROR"}, []string{"NSID"}},
		{"no network of the client", "kdig", "+subnet=192.0.2.0/24 example.org SOA", []string{"status: NOERROR"}, nil},
		{"a cookie", "dig", "+cookie=0102030405060708 example.org SOA", []string{`COOKIE: 010203040506070801000000[0-9a-f]{24} \(good\)`}, nil},
		{"half a cookie", "dig", "+ednsopt=10:01020304 +nocookie example.org SOA", []string{"status: FORMERR"}, nil},
		// 10: what is not there.
		{"no such name", "kdig", "nosuch.example.org A", []string{"status: NXDOMAIN", "Flags: qr aa;", `AUTHORITY: 1`, `SOA`}, nil},
		{"no such name", "drill", "A nosuch.example.org", []string{"rcode: NXDOMAIN", "flags: qr aa ;", `AUTHORITY: 1`}, nil},
		{"no such type", "kdig", "mail.example.com MX", []string{"status: NOERROR", "Flags: qr aa;", "ANSWER: 0", `SOA`}, nil},
		{"an empty non-terminal", "drill", "A _tcp.example.org", []string{"rcode: NOERROR", "ANSWER: 0, AUTHORITY: 1"}, nil},
		// 15: where the services are, and are not.
		{"a service", "dig", "+short _imaps._tcp.example.org SRV", []string{`^0 1 993 mail\.example\.com\.\n$`}, nil},
		{"a service", "kdig", "+short _submissions._tcp.example.org SRV", []string{`^0 1 465 mail\.example\.com\.\n$`}, nil},
		{"a service that is not offered", "drill", "SRV _pop3s._tcp.example.org", []string{`SRV\s+0 0 0 \.`}, nil},
		// And what else there is.
		{"a wildcard", "kdig", "+short a.b.w.example.org MX", []string{`^10 mail\.example\.com\.\n$`}, nil},
		{"a DNAME", "drill", "A host.old.example.org", []string{`old\.example\.org\.\s+\d+\s+IN\s+DNAME\s+new`, `host\.old\.example\.org\.\s+\d+\s+IN\s+CNAME\s+host\.new`, `192\.0\.2\.7`}, nil},
		{"ANY has one set", "kdig", "example.org ANY", []string{"ANSWER: 1"}, nil},
		{"no version", "kdig", "CH TXT version.bind", []string{"status: REFUSED"}, []string{"mailform"}},
		{"no name of the machine", "dig", "CH TXT hostname.bind", []string{"status: REFUSED"}, nil},
		{"an opcode that nobody has", "dig", "+opcode=9 example.org SOA", []string{"status: NOTIMP"}, nil},
		{"no question", "dig", "+header-only +nocookie", []string{"status: FORMERR"}, nil},
		{"no question, but a cookie (RFC 7873 §5.4)", "dig", "+header-only", []string{"status: NOERROR", `COOKIE: .* \(good\)`}, nil},
	} {
		t.Run(tc.program+": "+tc.name, func(t *testing.T) {
			out := w.in(t).askBy(tc.program, strings.Fields(tc.args)...)
			for _, want := range tc.has {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("%s %s: no %s in\n%s", tc.program, tc.args, want, out)
				}
			}
			for _, lack := range tc.lacks {
				if regexp.MustCompile(lack).MatchString(out) {
					t.Errorf("%s %s: there is %s in\n%s", tc.program, tc.args, lack, out)
				}
			}
		})
	}
}

// A limit is a setting like others: planned, applied live, and gone again.
func TestALimitOfAnswersIsPlannedAndApplied(t *testing.T) {
	t.Parallel()
	need(t, "dig")
	text := quickstart(t)
	w := newWorld(t, map[string]string{"main.mf.hcl": text})
	w.apply()
	at := strings.Index(text, `nameserver "ns1"`)
	line := regexp.MustCompile(`(?m)^  hostname .*\n`).FindString(text[at:])
	with := text[:at] + strings.Replace(text[at:], line, line+`
  rate_limit {
    responses_per_second = 50
    exempt               = ["192.0.2.0/24"]
  }
`, 1)
	w.write("main.mf.hcl", with)
	w.plans("Plan: 1 to add, 0 to change, 0 to destroy.")
	w.apply()
	w.noChanges()
	w.edit("main.mf.hcl", "= 50", "= 0")
	w.plans("Plan: 0 to add, 1 to change, 0 to destroy.")
	w.apply()
	w.noChanges()
	if out := w.dig("example.com", "MX"); !strings.Contains(out, "ANSWER: 1") {
		t.Errorf("dig: %s", out)
	}
	w.write("main.mf.hcl", text)
	w.plans("Plan: 0 to add, 0 to change, 1 to destroy.")
	w.apply()
	w.noChanges()
	w.write("main.mf.hcl", with)
	w.edit("main.mf.hcl", "= 50", "= -1")
	if r := w.mailform("validate"); r.code != 1 || !strings.Contains(r.stderr+r.stdout, "it is less than 0") {
		t.Errorf("validate: %v", r)
	}
}
