package expand_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema/check"
)

// recordsOf makes blocks of records in the domain of base: a line is NAME TYPE
// VALUES, divided by " | "; "ttl=" may stand before the values.
func recordsOf(lines string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) < 3 {
			continue
		}
		ttl := ""
		if rest, ok := strings.CutPrefix(f[2], "ttl="); ok {
			ttl, f[2], _ = strings.Cut(rest, " ")
			ttl = fmt.Sprintf("  ttl = %q\n", ttl)
		}
		var values []string
		for _, v := range strings.Split(f[2], " | ") {
			values = append(values, fmt.Sprintf("%q", v))
		}
		fmt.Fprintf(&b, "record \"r%d\" {\n  zone = domain.example.zone\n  name = %q\n  type = %q\n%s  values = [%s]\n}\n", i, f[0], f[1], ttl, strings.Join(values, ", "))
	}
	return b.String()
}

// failedChecks are the IDs of the checks that fail for some records.
func failedChecks(t *testing.T, base, records string) []string {
	t.Helper()
	_, diags := expand.Expand(load(t, map[string]string{"base.mf.hcl": base, "main.mf.hcl": records}), expand.Options{})
	var ids []string
	for _, d := range diags {
		c := check.Of(d)
		if c == nil {
			t.Fatal(d)
		}
		if d.Severity != c.Severity() || d.Summary != c.Summary || !strings.Contains(d.Detail, "This is the check "+c.ID+" ("+c.RFC+")") || d.Subject == nil {
			t.Errorf("the diagnostic of %s: %v", c.ID, d)
		}
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

var longText = strings.Repeat("x", 2100)

// addresses are so many, as recordsOf has them.
func addresses(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("2001:db8::%x", i+1)
	}
	return strings.Join(out, " | ")
}

// Each check has records that fail it, and others that are near and do not.
var checkCases = []struct {
	id, wrong string
	right     []string
}{
	{"cname-alone", "x CNAME a.example.net.\nx TXT y", []string{"x CNAME a.example.net.\ny TXT y"}},
	{"cname-apex", "@ CNAME a.example.net.", nil},
	{"cname-single", "x CNAME a.example.net. | b.example.net.", []string{"x CNAME a.example.net. | A.example.NET."}},
	{"dname-single", "x DNAME a.example.net. | b.example.net.", []string{"x DNAME a.example.net."}},
	{"dname-below", "x DNAME a.example.net.\ny.x A 192.0.2.1", []string{"x DNAME a.example.net.\nx A 192.0.2.1\nyx A 192.0.2.1"}},
	{"record-duplicate", "x A 192.0.2.1\nX A 192.0.2.2", []string{"x A 192.0.2.1\nx AAAA 2001:db8::1"}},
	{"record-ttl", "@ NS ttl=5m ns.example.net.", []string{"@ NS ns.example.net."}},
	{"ds-apex", "@ DS 1 13 2 abcd", nil},
	{"record-size", "x AAAA " + addresses(2400), []string{"x AAAA " + addresses(2300)}},
	{"target-address", "x MX 10 192.0.2.1", []string{"x MX 10 mail"}},
	{"target-address", "x NS 2001:db8::1", nil},
	{"target-address", "_x._tcp SRV 0 1 2 192.0.2.1", nil},
	{"mx-target-cname", "x MX 10 y\ny CNAME mail", []string{"x MX 10 mail", "x MX 10 z.example.net."}},
	{"ns-target-cname", "x NS y\ny CNAME mail", []string{"x NS mail"}},
	{"srv-target-cname", "x SRV 0 1 2 y\ny CNAME mail", []string{"x SRV 0 1 2 mail", "x SRV 0 0 0 ."}},
	{"mx-target-missing", "x MX 10 y", []string{"x MX 10 y\ny AAAA 2001:db8::1", "x MX 10 y\n* A 192.0.2.1", "x MX 0 ."}},
	{"ns-target-missing", "x NS y", []string{"x NS y\ny A 192.0.2.1"}},
	{"srv-target-missing", "x SRV 0 1 2 y", []string{"x SRV 0 1 2 y\ny A 192.0.2.1"}},
	{"cname-target-missing", "x CNAME y", []string{"x CNAME y\ny TXT z", "x CNAME y\n* TXT z", "x CNAME a.y.example.com\ny NS ns.example.net.", "x CNAME a.y.example.com\ny DNAME example.net.", "x CNAME @"}},
	{"ns-glue", "x NS ns.x.example.com", []string{"x NS ns.x.example.com\nns.x A 192.0.2.1", "x NS ns.example.net."}},
	{"delegation-below", "x NS ns.example.net.\ny.x TXT z", []string{"x NS ns.example.net.\nx DS 1 13 2 abcd", "x NS a.x.example.com\na.x AAAA 2001:db8::1"}},
	{"cname-loop", "x CNAME y\ny CNAME z\nz CNAME x", []string{"x CNAME y\ny CNAME z\nz CNAME mail"}},
	{"ds-without-ns", "x DS 1 13 2 abcd", []string{"x DS 1 13 2 abcd\nx NS ns.example.net."}},
	{"mx-null", "x MX 0 . | 10 mail", []string{"x MX 0 ."}},
	{"svcb-params", "x HTTPS 1 . mandatory=port alpn=h2", []string{"x HTTPS 1 . mandatory=port port=1", "x HTTPS 0 a.example.net.", "x SVCB 1 . alpn=h2 no-default-alpn"}},
	{"svcb-params", "x SVCB 1 . no-default-alpn", nil},
	{"svcb-params", "x SVCB 0 a.example.net. alpn=h2", nil},
	{"caa-flags", "x CAA 1 issue \"ca.example\"", []string{"x CAA 128 issue \"ca.example\"", "x CAA 0 issuemail \"ca.example\""}},
	{"host-underscore", "a_b A 192.0.2.1", []string{"_a TXT b", "_a._tcp SRV 0 1 2 mail", "_a CNAME a.example.net."}},
	{"host-underscore", "x MX 10 a_b.example.net.", nil},
	{"ttl-zero", "x A ttl=0 192.0.2.1", []string{"x A ttl=1 192.0.2.1"}},
	{"ttl-long", "x A ttl=604801 192.0.2.1", []string{"x A ttl=1w 192.0.2.1"}},
	{"txt-size", "x TXT a" + longText + " | b" + longText, []string{"x TXT " + longText}},
	{"spf-multiple", "x TXT v=spf1 -all | V=SPF1 mx", []string{"x TXT v=spf1 -all | v=spf10", "x TXT v=spf1 | v=spf2.0/pra -all"}},
	{"spf-syntax", "x TXT v=spf1 fnord -all", []string{"x TXT v=spf1 unknown=modifier -all", "x TXT v=spf1"}},
	{"spf-lookups", "x TXT v=spf1" + strings.Repeat(" include:y", 11) + " -all", []string{
		"x TXT v=spf1" + strings.Repeat(" include:y.example.net", 10) + " -all", "x TXT v=spf1 -all" + strings.Repeat(" include:y.example.net", 11)}},
	{"spf-lookups", "x TXT v=spf1 include:y.example.com" + strings.Repeat(" a:a.example.net", 7) + " -all\ny TXT v=spf1 a:mail.example.com a:mail.example.com mx:example.com -all", []string{
		"x TXT v=spf1 include:y.example.com" + strings.Repeat(" a:a.example.net", 7) + " -all\ny TXT v=spf1 a:mail.example.com a:mail.example.com -all"}},
	{"spf-void", "x TXT v=spf1 a:a.example.com a:b.example.com exists:c.example.com -all", []string{
		"x TXT v=spf1 a:a.example.com a:b.example.com a:c.example.net -all", "x TXT v=spf1 a:a.example.com a:b.example.com exists:%%{i}.c.example.com -all"}},
	{"spf-include", "x TXT v=spf1 include:y.example.com -all", []string{"x TXT v=spf1 include:y.example.com -all\ny TXT v=spf1 -all", "x TXT v=spf1 include:y.example.net -all",
		"x TXT v=spf1 include:y.example.com -all\ny CNAME y.example.net."}},
	{"spf-include", "x TXT v=spf1 include:y.example.com -all\ny TXT v=spf1 redirect=x.example.com", nil},
	{"spf-length", "x TXT v=spf1" + strings.Repeat(" ip4:192.0.2.1", 32) + " -all", []string{"x TXT v=spf1" + strings.Repeat(" ip4:192.0.2.1", 30) + " -all"}},
}

func TestChecks(t *testing.T) {
	tested := map[string]bool{}
	for i, c := range checkCases {
		tested[c.id] = true
		t.Run(fmt.Sprintf("%s %d", c.id, i), func(t *testing.T) {
			wrong := strings.ReplaceAll(c.wrong, "include:y ", "include:y.example.net ")
			if got := failedChecks(t, base, recordsOf(wrong)); !slices.Equal(got, []string{c.id}) {
				t.Errorf("%s fails %v", wrong, got)
			}
			for _, right := range c.right {
				if got := failedChecks(t, base, recordsOf(right)); len(got) > 0 {
					t.Errorf("%s fails %v", right, got)
				}
			}
			if check.ByID(c.id).Fixed {
				return
			}
			off := fmt.Sprintf("  disable_checks = [%q]\n", c.id)
			for where, text := range map[string][2]string{
				"the record":      {base, strings.ReplaceAll(recordsOf(wrong), "  type", off+"  type")},
				"the domain":      {strings.Replace(base, "  mx {", off+"  mx {", 1), recordsOf(wrong)},
				"the name server": {strings.Replace(base, "  listen   = [\"127.0.0.1:2053\"]\n", "  listen   = [\"127.0.0.1:2053\"]\n"+off, 1), recordsOf(wrong)},
			} {
				if got := failedChecks(t, text[0], text[1]); len(got) > 0 {
					t.Errorf("switched off at %s it still fails: %v", where, got)
				}
			}
		})
	}
	for _, c := range check.All() {
		if !tested[c.ID] {
			t.Errorf("the check %s is not tested", c.ID)
		}
	}
}

// Where a thousand records do not pass, ten of them say enough.
func TestWarningsAreCounted(t *testing.T) {
	var lines strings.Builder
	for i := range 25 {
		fmt.Fprintf(&lines, "x%d CNAME gone\n", i)
	}
	_, diags := expand.Expand(load(t, map[string]string{"base.mf.hcl": base, "main.mf.hcl": recordsOf(lines.String())}), expand.Options{})
	if len(diags) != 11 || !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return strings.HasPrefix(d.Detail, "15 further record sets") }) {
		t.Errorf("%d diagnostics: %v", len(diags), diags)
	}
}

// What is no check, and what cannot be switched off, is refused with a word on it.
func TestDisableChecksNamesChecks(t *testing.T) {
	for id, want := range map[string]string{
		"mx-target-cnam": `did you mean "mx-target-cname"`, "cname-alone": "cannot be switched off", "fnord": "there is no such check",
	} {
		diags := wrong(t, base+fmt.Sprintf("zone \"z\" {\n  name = \"example.org\"\n  nameserver = nameserver.ns1\n  disable_checks = [%q]\n}\n", id))
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return strings.Contains(d.Detail, want) }) {
			t.Errorf("%s: %v", id, diags)
		}
	}
}

// wrong evaluates files that are wrong by themselves.
func wrong(t *testing.T, text string) hcl.Diagnostics {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, diags := config.Load(dir)
	if !diags.HasErrors() {
		_, diags = m.Evaluate(config.Options{}, nil)
	}
	return diags
}
