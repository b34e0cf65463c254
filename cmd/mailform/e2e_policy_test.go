package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// policyBase is what has been applied before a pull request changes it: a
// domain with mail, and one that is parked.
const policyBase = `server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
}

nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  server     = server.main
  mx { server = server.main }
  spf { policy = "fail" }
  dkim { selector = "s1" }
  dmarc { policy = "reject" }
}

zone "parked" {
  name       = "parked.example"
  nameserver = nameserver.ns1
}

record "parked_mx" {
  zone   = zone.parked
  name   = "@"
  type   = "MX"
  values = ["0 ."]
}

record "parked_spf" {
  zone   = zone.parked
  name   = "@"
  type   = "TXT"
  values = ["v=spf1 -all"]
}

record "parked_dmarc" {
  zone   = zone.parked
  name   = "_dmarc"
  type   = "TXT"
  values = ["v=DMARC1; p=reject"]
}
`

// shortKey is the record of an RSA key of 1024 bits.
const shortKey = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDHm344tVZ81Ujn2YUwMPZRLBpVPRwM9vpmPYlbay3eJ2X6lLuirYtk+qF1546hGRVpNg4ECPT7szulfq0sV7F1gzSd7nqiL6WJo7jxNPxXBrtpQBR46gzHCCUCJlD3kNEz/uHySmv37N+DN1B9NipjA4occY5cdl8iwYwKP3Yl1QIDAQAB"

func txtRecord(label, name, text, more string) string {
	return fmt.Sprintf("\nrecord %q {\n  zone   = domain.example.zone\n  name   = %q\n  type   = \"TXT\"\n  values = [%q]\n%s}\n", label, name, text, more)
}

// policyCases are pull requests, by the name of their sample. Which policy
// refuses a sample is the first word of its name; -pass is refused by none.
var policyCases = []struct {
	sample   string
	old, new string // what is replaced in policyBase; no old: what is added to it
	label    string // that lifts the refusal; empty: none does
}{
	{"mx-pass", "mx { server = server.main }", "mx {\n    server     = server.main\n    preference = 20\n  }", ""},
	{"mx-fail", "  mx { server = server.main }\n", "", "mail/mx-removal"},
	{"dmarc-pass", `dmarc { policy = "reject" }`, "dmarc {\n    policy           = \"reject\"\n    subdomain_policy = \"reject\"\n  }", ""},
	{"dmarc-fail", `policy = "reject" }`, `policy = "quarantine" }`, ""},
	{"dmarc-fail-gone", `  dmarc { policy = "reject" }` + "\n", "", ""},
	{"dmarc-fail-fewer", `"v=DMARC1; p=reject"`, `"v=DMARC1; p=reject; pct=50"`, ""},
	{"spf-pass", `spf { policy = "fail" }`, `spf { policy = "softfail" }`, ""},
	{"spf-fail", "", txtRecord("all", "news", "v=spf1 mx +all", ""), ""},
	{"dkim-pass", `dkim { selector = "s1" }`, "dkim { selector = \"s1\" }\n  dkim {\n    selector = \"s2\"\n    bits     = 3072\n  }", ""},
	{"dkim-fail", "", txtRecord("key", "old._domainkey", shortKey, ""), ""},
	{"ttl-pass", "", txtRecord("note", "note", "x", "  ttl    = \"10m\"\n"), ""},
	{"ttl-fail", "", txtRecord("note", "note", "x", "  ttl    = \"10s\"\n"), ""},
	{"parked-pass", "", "\nrecord \"parked_www\" {\n  zone   = zone.parked\n  name   = \"www\"\n  type   = \"A\"\n  values = [\"192.0.2.80\"]\n}\n", ""},
	{"parked-fail", `["0 ."]`, `["10 mail.example.com."]`, "mail/unpark"},
	{"parked-fail-spf", `"v=spf1 -all"`, `"v=spf1 mx -all"`, "mail/unpark"},
}

// TestPolicies makes the plan of each pull request with the real mailform, and
// has conftest judge it, and the sample of it that is beside the policies.
// MAILFORM_UPDATE=1 writes the samples anew.
func TestPolicies(t *testing.T) {
	t.Parallel()
	conftest := need(t, "conftest")
	w := newWorld(t, map[string]string{"main.mf.hcl": policyBase})
	w.apply()
	const policy = "../../examples/pipelines/policy"
	if r := w.run(conftest, "fmt", "--check", absolute(t, policy)); r.code != 0 {
		t.Errorf("the policies are not formatted: %v", r)
	}
	for _, c := range policyCases {
		t.Run(c.sample, func(t *testing.T) {
			text := policyBase + c.new
			if c.old != "" {
				if text = strings.Replace(policyBase, c.old, c.new, 1); text == policyBase {
					t.Fatalf("there is no %q", c.old)
				}
			}
			w.write("main.mf.hcl", text)
			args := []string{"plan", "-input=false", "-out=p.mfplan"}
			if strings.HasPrefix(c.sample, "mx-fail") {
				args = append(args, "-confirm=all")
			}
			w.ok(args...)
			fresh := filepath.Join(w.dir, "plan.json")
			doc := w.ok("show", "-json", "p.mfplan")
			if err := os.WriteFile(fresh, []byte(doc), 0o644); err != nil {
				t.Fatal(err)
			}
			sample := absolute(t, filepath.Join(policy, "samples", c.sample+".json"))
			if os.Getenv("MAILFORM_UPDATE") != "" {
				var b bytes.Buffer
				if err := json.Indent(&b, []byte(w.withSamplePorts(strings.ReplaceAll(doc, w.dir, "/srv/mailform"))), "", "  "); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(sample, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			rule, _, _ := strings.Cut(c.sample, "-")
			for _, file := range []string{fresh, sample} {
				got := w.conftest(conftest, absolute(t, policy), file, "")
				if !strings.Contains(c.sample, "-fail") {
					if len(got) > 0 {
						t.Errorf("%s is refused: %q", filepath.Base(file), got)
					}
					continue
				}
				if len(got) == 0 || slices.ContainsFunc(got, func(reason string) bool { return !strings.HasPrefix(reason, rule+": ") }) {
					t.Errorf("%s is refused for %q, want reasons of %s", filepath.Base(file), got, rule)
				}
				for _, label := range []string{"mail/something-else", c.label} {
					got := w.conftest(conftest, absolute(t, policy), file, label)
					if lifted := len(got) == 0; lifted != (label == c.label && label != "") {
						t.Errorf("%s with the label %q: %q", filepath.Base(file), label, got)
					}
				}
			}
		})
	}
}

// conftest lists for what a document is refused. label is one that the pull
// request has; empty: none.
func (w *world) conftest(program, policy, file, label string) []string {
	w.t.Helper()
	args := []string{"test", "--output=json", "--policy", policy}
	if label != "" {
		w.write("labels.json", fmt.Sprintf(`{"labels": [%q]}`, label))
		args = append(args, "--data", filepath.Join(w.dir, "labels.json"))
	}
	r := w.run(program, append(args, file)...)
	var results []struct {
		Successes int
		Failures  []struct{ Msg string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &results); err != nil || len(results) != 1 || results[0].Successes+len(results[0].Failures) == 0 {
		w.t.Fatalf("conftest: %v: %v", err, r)
	}
	var reasons []string
	for _, f := range results[0].Failures {
		reasons = append(reasons, f.Msg)
	}
	if failed := len(reasons) > 0; failed != (r.code == 1) {
		w.t.Errorf("conftest ends with code %d for %d failures", r.code, len(reasons))
	}
	return reasons
}

// withSamplePorts is the other way round than withPorts.
func (w *world) withSamplePorts(text string) string {
	for name, sample := range samplePorts {
		text = strings.ReplaceAll(text, w.addr(name), "127.0.0.1:"+sample)
	}
	return text
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
