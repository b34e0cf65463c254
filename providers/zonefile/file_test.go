package zonefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/providers/zonefile"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// must applies a batch of which everything has to be done.
func must(t *testing.T, p providers.Provider, batch ...providers.Change) {
	t.Helper()
	for i, err := range apply(t, p, batch...) {
		if err != nil {
			t.Fatalf("%s: %v", batch[i].Resource.Key, err)
		}
	}
}

func create(r schema.Resource) providers.Change {
	return providers.Change{Action: providers.Create, Resource: r}
}

func rrset(name, rrtype string, values ...string) schema.Resource {
	return providertest.RRsetResource("example.com.", name, rrtype, values...)
}

// prior is what a provider has of a resource.
func prior(t *testing.T, p providers.Provider, r schema.Resource) *providers.Observed {
	t.Helper()
	list, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{r}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		if o.Kind == r.Kind && o.Key == r.Key {
			return &o
		}
	}
	return nil
}

func TestAFileIsInCanonicalOrder(t *testing.T) {
	folder := t.TempDir()
	p := provider(t, folder, nil)
	batch := []providers.Change{create(providertest.ZoneResource("example.com.", nil))}
	for _, r := range []schema.Resource{
		rrset("example.com.", "MX", "10 mail.example.com.", "0 ."),
		rrset("example.com.", "NS", "ns1.example.net."),
		rrset("z.example.com.", "A", "192.0.2.1"),
		rrset("a.z.example.com.", "TXT", strings.Repeat("x", 256), `"\;`, "ü"),
		rrset("*.example.com.", "A", "192.0.2.2"),
		rrset(`$x.example.com.`, "A", "192.0.2.3"),
		rrset(`a\.b.example.com.`, "TYPE65280", `\# 1 00`),
		rrset("z.example.com.", "AAAA", "2001:db8::1"),
		rrset("yy.example.com.", "A", "192.0.2.4"),
		rrset("z-z.example.com.", "A", "192.0.2.5"),
	} {
		batch = append(batch, create(r))
	}
	must(t, p, batch...)
	path := filepath.Join(folder, "example.com.zone")
	want := `; Written by mailform. What is changed here by hand is seen by the next plan, and comments are lost.
; The zone is example.com.
example.com. 300 IN SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300
example.com. 3600 IN NS ns1.example.net.
example.com. 3600 IN MX 0 .
example.com. 3600 IN MX 10 mail.example.com.
\$x.example.com. 3600 IN A 192.0.2.3
*.example.com. 3600 IN A 192.0.2.2
a\.b.example.com. 3600 IN TYPE65280 \# 1 00
yy.example.com. 3600 IN A 192.0.2.4
z.example.com. 3600 IN A 192.0.2.1
z.example.com. 3600 IN AAAA 2001:db8::1
a.z.example.com. 3600 IN TXT "\"\\;"
a.z.example.com. 3600 IN TXT "` + strings.Repeat("x", 255) + `" "x"
a.z.example.com. 3600 IN TXT "\195\188"
z-z.example.com. 3600 IN A 192.0.2.5
`
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// In another order, and one by one, they come to the same but for the serial.
	second := t.TempDir()
	p = provider(t, second, nil)
	for i := range batch {
		must(t, p, batch[(len(batch)-i)%len(batch)])
	}
	got := strings.Replace(read(t, filepath.Join(second, "example.com.zone")), " 11 7200 ", " 1 7200 ", 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("one by one (-want +got)\n%s", diff)
	}
}

const byHand = `$TTL 1h
$ORIGIN example.com.
@ SOA ns1 hostmaster (
	2026010107 ; serial
	4h 1h 2w 1h )
	NS ns1
	NS ns2.example.net.
$INCLUDE hosts/all
$GENERATE 1-3 pool-$ A 192.0.2.1$
www 300 CNAME @ ; the web
key TXT "two " "halves"
`

func TestAFileMadeByHandIsTakenOver(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "example.com.zone")
	write(t, path, byHand)
	if err := os.Mkdir(filepath.Join(folder, "hosts"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "hosts", "all"), "@ A 192.0.2.1\nns1 A 192.0.2.53\n")
	p := provider(t, folder, attrs{"mode": cty.StringVal("0640")})
	list, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range list {
		keys[o.Key] = true
	}
	for _, key := range []string{"example.com", "example.com/example.com./NS", "example.com/ns1.example.com./A", "example.com/pool-2.example.com./A", "example.com/key.example.com./TXT"} {
		if !keys[key] {
			t.Errorf("%s was not read", key)
		}
	}
	www := rrset("www.example.com.", "CNAME", "web.example.net.")
	must(t, p, providers.Change{Action: providers.Update, Resource: www, Prior: prior(t, p, www)})
	text := read(t, path)
	for _, line := range []string{
		"2026010108 14400 3600 1209600 3600", "www.example.com. 3600 IN CNAME web.example.net.", "pool-3.example.com. 3600 IN A 192.0.2.13",
		"ns1.example.com. 3600 IN A 192.0.2.53", `key.example.com. 3600 IN TXT "two halves"`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
	if got := read(t, path+".before-mailform"); got != byHand {
		t.Errorf("the copy is\n%s", got)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", st.Mode(), err)
	}
}

func TestASignedFileIsNotWritten(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "example.com.zone")
	text := byHand[:strings.Index(byHand, "$INCLUDE")] + "@ RRSIG NS 13 2 3600 20261225000000 20261125000000 1 example.com. AAAA\n"
	write(t, path, text)
	p := provider(t, folder, nil)
	www := rrset("www.example.com.", "A", "192.0.2.1")
	if _, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{www}}); err == nil || !strings.Contains(err.Error(), "signatures") {
		t.Errorf("reading for a plan: %v", err)
	}
	if err := apply(t, p, create(www))[0]; err == nil || !strings.Contains(err.Error(), "signatures") {
		t.Errorf("writing: %v", err)
	}
	if read(t, path) != text {
		t.Error("the file was written")
	}
}

func TestAZoneWithRecordsOfOthersStays(t *testing.T) {
	folder := t.TempDir()
	p := provider(t, folder, nil)
	zone := providertest.ZoneResource("example.com.", nil)
	must(t, p, create(zone), create(rrset("example.com.", "NS", "ns1.example.net.")))
	path := filepath.Join(folder, "example.com.zone")
	write(t, path, read(t, path)+"theirs.example.com. 60 IN A 192.0.2.66\n")
	before := read(t, path)
	err := apply(t, p, providers.Change{Action: providers.Delete, Resource: zone, Prior: prior(t, p, zone)})[0]
	if err == nil || !strings.Contains(err.Error(), "theirs.example.com. A") {
		t.Errorf("the error is %v", err)
	}
	if read(t, path) != before {
		t.Error("the file was written")
	}
}

func TestALinkStaysALink(t *testing.T) {
	folder, far := t.TempDir(), t.TempDir()
	p := provider(t, folder, nil)
	must(t, p, create(providertest.ZoneResource("example.com.", nil)))
	path, real := filepath.Join(folder, "example.com.zone"), filepath.Join(far, "zone")
	if err := os.Rename(path, real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	must(t, p, create(rrset("www.example.com.", "A", "192.0.2.1")))
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSymlink == 0 || !strings.Contains(read(t, real), "192.0.2.1") {
		t.Errorf("the link is %v, %v, and the file\n%s", st.Mode(), err, read(t, real))
	}
}

func TestSerialsGrow(t *testing.T) {
	at := time.Date(2026, 11, 25, 23, 59, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		policy string
		first  string
		steps  map[string]string // from one in the file to the next
	}{
		"one more":   {"increment", "1", map[string]string{"7": "8", "4294967295": "1", "2026112501": "2026112502"}},
		"the day":    {"date", "2026112501", map[string]string{"2026112401": "2026112501", "2026112501": "2026112502", "2026112599": "2026112600", "2030010101": "2030010102", "7": "2026112501", "4294967295": "2026112501"}},
		"the second": {"unixtime", "1795651140", map[string]string{"1795651139": "1795651140", "1795651140": "1795651141", "2026112501": "2026112502", "1": "1795651140"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			p := provider(t, folder, attrs{"serial": cty.StringVal(c.policy)})
			p.Now = func() time.Time { return at }
			path := filepath.Join(folder, "example.com.zone")
			serial := func() string {
				_, rest, _ := strings.Cut(read(t, path), " hostmaster.example.net. ")
				s, _, _ := strings.Cut(rest, " ")
				return s
			}
			must(t, p, create(providertest.ZoneResource("example.com.", nil)))
			if got := serial(); got != c.first {
				t.Errorf("the first is %s, want %s", got, c.first)
			}
			value := 0
			for from, to := range c.steps {
				write(t, path, strings.Replace(read(t, path), " "+serial()+" ", " "+from+" ", 1))
				value++
				www := rrset("www.example.com.", "TXT", strings.Repeat("x", value))
				change := providers.Change{Action: providers.Update, Resource: www, Prior: prior(t, p, www)}
				if change.Prior == nil {
					change.Action = providers.Create
				}
				must(t, p, change)
				if got := serial(); got != to {
					t.Errorf("after %s comes %s, want %s", from, got, to)
				}
			}
		})
	}
}

func TestOddZonesHaveFilesOfTheirOwn(t *testing.T) {
	folder := t.TempDir()
	p := provider(t, folder, attrs{"file": cty.StringVal("[db]/{zone}")})
	for zone, file := range map[string]string{
		"0/25.2.0.192.in-addr.arpa.": "0%2F25.2.0.192.in-addr.arpa", ".": "%2E", `a\.b.example.`: "a%5C.b.example", "example.com.": "example.com",
	} {
		must(t, p, create(providertest.ZoneResource(zone, nil)))
		if text := read(t, filepath.Join(folder, "[db]", file)); !strings.Contains(text, zone+" 300 IN SOA ") {
			t.Errorf("%s holds\n%s", file, text)
		}
	}
	list, err := p.Read(t.Context(), providers.Scope{})
	if err != nil || len(list) != 4 {
		t.Errorf("%d zones were found, %v", len(list), err)
	}
}

func TestWhatIsWrongWithTheDirectoryIsTold(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "file"), "")
	write(t, filepath.Join(folder, "example.com.zone"), "$TTL 60\n@ SOA ns1 hostmaster 1 1 1 1 1\nwww A 192.0.2.300\n")
	for path, want := range map[string]string{
		filepath.Join(folder, "nowhere"): "is not there", filepath.Join(folder, "file"): "is no directory", folder: "example.com.zone: line 3, column",
	} {
		_, err := provider(t, path, nil).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{providertest.ZoneResource("example.com.", nil)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one that says %q", err, want)
		}
	}
	var bare zonefile.Provider
	if diags := bare.Configure(t.Context(), providers.Config{Value: cty.NullVal(cty.EmptyObject)}); !diags.HasErrors() {
		t.Error("a provider without a block was set up")
	}
}
