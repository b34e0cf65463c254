package draft_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/mailform/mailform/providers/masterfile/masterfiletest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

const zone = rdata.Name("example.org.")

const whole = `$TTL 1h
$ORIGIN example.org.
@ SOA ns1 hostmaster ( 1 1d 2h 4w 1h )
@ NS ns1
@ NS ns2.provider.example.
@ MX 10 mail
@ MX 20 mx2.example.net.
@ TXT "v=spf1 mx ip4:192.0.2.0/24 include:_spf.example.net ~all"
@ TXT "site=${abc} \"x\""
@ CAA 0 issue "ca.example.net"
ns1 A 192.0.2.1
mail A 192.0.2.2
mail 300 AAAA 2001:db8::2
www CNAME @
@ A 192.0.2.80
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"
s1._domainkey TXT ( "v=DKIM1; k=rsa; p=MIIBIjAN" "BgkqhkiG9w0B" )
*.dev 60 A 192.0.2.99
_sip._tcp SRV 0 5 5060 mail
_25._tcp.mail TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
sub NS ns.sub
ns.sub A 192.0.2.7
sub DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
a\.b A 192.0.2.8
odd\$name A 192.0.2.9
$GENERATE 1-3 host$ A 192.0.2.1$
`

// lines are the records of things, one a line, without the SOA record.
func lines(things []providers.Observed) []string {
	var out []string
	for _, o := range things {
		if o.Kind != schema.KindRRset {
			continue
		}
		ttl, _ := o.Attrs.GetAttr("ttl").AsBigFloat().Uint64()
		for _, v := range o.Attrs.GetAttr("values").AsValueSlice() {
			out = append(out, rdata.Line(rdata.Name(o.Attrs.GetAttr("name").AsString()), uint32(ttl), o.Attrs.GetAttr("type").AsString(), v.AsString()))
		}
	}
	slices.Sort(out)
	return out
}

// again writes blocks for a zone, and expands them: the records that come out,
// and what the draft says of the others.
func again(t testing.TB, z *masterfile.Zone) ([]string, *draft.Draft, string) {
	t.Helper()
	host := z.Primary.Host()
	label, _, _ := strings.Cut(host, ".")
	things := append(slices.Clone(z.Things), providers.Observed{Kind: schema.KindListener, Key: label + "/dns", Attrs: cty.ObjectVal(map[string]cty.Value{
		"owner": cty.StringVal(label), "service": cty.StringVal("dns"), "hostname": cty.StringVal(host),
		"listen": cty.ListVal([]cty.Value{cty.StringVal(":53")}), "listen_tls": cty.ListValEmpty(cty.String),
	})})
	made, err := draft.Make(draft.Input{Target: schema.DefaultProvider, Things: things, Config: &config.Config{}, Unmade: true})
	if err != nil {
		t.Fatal(err)
	}
	text := string(made.Config(draft.Options{Group: true}))
	if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
		t.Errorf("not in canonical form: %.1000s", cmp.Diff(formatted, text))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zone.mf.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, diags := config.Load(dir)
	var cfg *config.Config
	if !diags.HasErrors() {
		cfg, diags = m.Evaluate(config.Options{}, nil)
	}
	var res *expand.Result
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		res, more = expand.Expand(cfg, expand.Options{})
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		t.Fatalf("what was written is wrong: %v\n%s", diags, text)
	}
	var out []providers.Observed
	for _, r := range res.Resources {
		out = append(out, providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: r.Attrs})
	}
	return lines(out), made, text
}

func TestAZoneComesOutAsItWas(t *testing.T) {
	z, err := masterfile.Read(strings.NewReader(whole), zone, masterfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, made, text := again(t, z)
	if len(made.Left) > 0 || len(z.Skipped) > 0 || len(z.Changed) > 0 {
		t.Errorf("left %v, skipped %v, changed %v", made.Left, z.Skipped, z.Changed)
	}
	want := lines(z.Things)
	if len(want) != 25 {
		t.Errorf("%d records were read", len(want))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, text)
	}
	for _, part := range []string{"mx {\n    host = \"mail.example.org\"", "spf {", "dmarc {", `name   = "a\\.b"`, `"odd\\$name"`} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in:\n%s", part, text)
		}
	}
}

// FuzzZone reads anything. What is read comes out again as it was, or is told.
func FuzzZone(f *testing.F) {
	f.Add(whole)
	f.Add("@ 60 SOA . . 1 2 3 4 5\n@ 60 MX 0 .\n* 5 TXT \"\"\n")
	f.Add("@ 60 NS @\n@ 60 A 1.2.3.4\n@ 61 TXT v=spf1\\032-all\n_dmarc 60 TXT \"v=DMARC1; p=none; ruf=mailto:a@b.c\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		z, err := masterfile.Read(strings.NewReader(text), zone, masterfile.Options{})
		if err != nil || len(z.Things) > 200 {
			return
		}
		got, made, file := again(t, z)
		told := map[string]bool{}
		for _, l := range slices.Concat(made.Left, made.Differs) {
			told[l.ID.Key] = true
		}
		var want []providers.Observed
		for _, o := range z.Things {
			if !told[o.Key] {
				want = append(want, o)
			}
		}
		for _, line := range lines(want) {
			if !slices.Contains(got, line) {
				t.Errorf("lost: %s\n%s", line, file)
			}
		}
		// Beyond it there is only what the name server itself needs.
		for _, line := range got {
			if !slices.Contains(lines(z.Things), line) && len(made.Makes)+len(made.Differs) == 0 {
				t.Errorf("invented: %s\n%s", line, file)
			}
		}
	})
}

// A zone of 10,000 names, of every type, comes out as it was, and in little time.
func TestALargeZoneComesOutAsItWas(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range masterfiletest.Files(10_000) {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	begin := time.Now()
	z, err := masterfile.Read(strings.NewReader(string(files[masterfiletest.Main].Data)), zone, masterfile.Options{Include: files})
	if err != nil {
		t.Fatal(err)
	}
	read := time.Since(begin)
	begin = time.Now()
	got, made, text := again(t, z)
	t.Logf("%d things read in %v; drafted as %d blocks, read and expanded again in %v", len(z.Things), read, len(made.Blocks), time.Since(begin))
	if len(made.Left) > 0 || len(z.Skipped) > 0 {
		t.Errorf("left %.500v, skipped %.500v", made.Left, z.Skipped)
	}
	want := lines(z.Things)
	if len(want) < 15_000 {
		t.Errorf("%d records were read", len(want))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%.3000s", d)
	}
	if path := os.Getenv("MAILFORM_KEEP"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Many records that are alike become one block; few do not, and neither do those
// that differ in more.
func TestRecordsThatAreAlike(t *testing.T) {
	var text strings.Builder
	text.WriteString("$TTL 1h\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\nns1 A 127.0.0.1\n")
	for i := range 25 {
		fmt.Fprintf(&text, "host%d A 192.0.2.%d\n", i, i)
		if i < 15 {
			fmt.Fprintf(&text, "alias%d CNAME host%d\n", i, i)
		}
	}
	text.WriteString("two A 192.0.2.1\ntwo A 192.0.2.2\nquick 60 A 192.0.2.3\n")
	z, err := masterfile.Read(strings.NewReader(text.String()), zone, masterfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, file := again(t, z)
	if d := cmp.Diff(lines(z.Things), got); d != "" {
		t.Error(d)
	}
	if n := strings.Count(file, "\nrecord "); n != 1+15+2 {
		t.Errorf("there are %d record blocks:\n%s", n, file)
	}
	for _, part := range []string{"for_each = {\n    \"host0\"  = \"192.0.2.0\"\n    \"host1\"  = \"192.0.2.1\"\n", "  name   = each.key\n", "  values = [each.value]\n"} {
		if !strings.Contains(file, part) {
			t.Errorf("no %s in:\n%s", part, file)
		}
	}
}
