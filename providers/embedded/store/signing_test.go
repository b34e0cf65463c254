package store

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// signedZone signs a small zone with the keys that the store has made.
func signedZone(t *testing.T, s *Store, serial uint32, kept map[dnssec.SetKey]dnssec.Kept, records ...string) (*dnssec.Zone, *Signing) {
	t.Helper()
	g, err := s.Signing(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	in := dnssec.Input{Name: g.Zone, Keys: g.Keys, Policy: g.Policy, Now: time.Now(), Kept: kept}
	for _, text := range append([]string{"example.com. 300 IN SOA ns. h. 0 7200 900 1209600 300"}, records...) {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Serial = serial
		}
		in.Sets = append(in.Sets, dnssec.Set{SetKey: dnssec.SetKey{Name: rr.Header().Name, Type: rr.Header().Rrtype}, RRs: []dns.RR{rr}})
	}
	z, err := dnssec.Sign(in)
	if err != nil {
		t.Fatal(err)
	}
	return z, g
}

func TestSignedZonesAreKept(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rs := apply(t, s, create("dnssec", "example.com", dnssecJSON), create("zone", "example.com", zoneJSON))
	var attrs dnssecAttrs
	if err := json.Unmarshal(rs[0].Attrs, &attrs); err != nil || len(attrs.DS) != 1 || len(strings.Fields(attrs.DS[0])) != 4 {
		t.Fatalf("the answer is %s (%v)", rs[0].Attrs, err)
	}
	z, g := signedZone(t, s, 1, nil, "www.example.com. 60 IN A 192.0.2.1", "web.example.com. 60 IN A 192.0.2.1")
	if g.Published != 0 || len(g.Keys) != 2 {
		t.Errorf("published %d, keys %v", g.Published, g.Keys)
	}
	if err := s.Publish(t.Context(), Publication{Zone: z, From: 1, To: 2, Keys: g.Keys}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir)
	kept, err := s.Signatures(t.Context(), "example.com.")
	if err != nil {
		t.Fatal(err)
	}
	again, g := signedZone(t, s, 1, kept, "www.example.com. 60 IN A 192.0.2.1", "web.example.com. 60 IN A 192.0.2.1")
	if len(again.Made) > 0 || again.Gone > 0 || g.Published != 2 {
		t.Errorf("made again: %d, gone: %d, published: %d", len(again.Made), again.Gone, g.Published)
	}
	// Without a name its signatures go.
	less, g := signedZone(t, s, 2, kept, "www.example.com. 60 IN A 192.0.2.1")
	if err := s.Publish(t.Context(), Publication{Zone: less, From: 2, To: 2, Keys: g.Keys, Kept: kept}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Signatures(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range less.Sets {
		if k, ok := left[set.SetKey]; len(set.Sigs) > 0 && (!ok || k.Digest != set.Digest || cmp.Diff(k.Sigs, set.Sigs) != "") {
			t.Errorf("the signatures of %s %d are not kept", set.Name, set.Type)
		}
		delete(left, set.SetKey)
	}
	if len(left) > 0 {
		t.Errorf("what is gone is kept: %v", left)
	}
	zone, err := s.Zone(t.Context(), "example.com")
	if err != nil || zone.Serial != 2 {
		t.Errorf("the serial is %d (%v)", zone.Serial, err)
	}
}

func TestAPublicationThatCameTooLate(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, create("dnssec", "example.com", dnssecJSON), create("zone", "example.com", zoneJSON))
	z, g := signedZone(t, s, 1, nil)
	apply(t, s, create("rrset", rrsetKey, rrsetJSON)) // serial 2
	p := Publication{Zone: z, From: 1, To: 1, Keys: g.Keys}
	if err := s.Publish(t.Context(), p); !errors.Is(err, ErrConflict) {
		t.Errorf("error is %v", err)
	}
	rs := list(t, s)
	for _, r := range rs {
		if r.Kind == "dnssec" {
			apply(t, s, admin.Change{Action: "delete", Kind: r.Kind, Key: r.Key, Revision: r.Revision})
		}
	}
	p.From = 3
	if err := s.Publish(t.Context(), p); !errors.Is(err, ErrConflict) {
		t.Errorf("of a zone that is not signed any more: %v", err)
	}
	if _, err := s.Signing(t.Context(), "example.com"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	if zone, err := s.Zone(t.Context(), "example.com"); err != nil || zone.Serial != 3 {
		t.Errorf("a zone that is not signed any more has the serial %d (%v)", zone.Serial, err)
	}
}

func TestASuccessorThatWasAskedFor(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, create("dnssec", "example.com", dnssecJSON), create("zone", "example.com", zoneJSON))
	if err := s.RollZoneKey(t.Context(), "example.com.", dnssec.KSK); err != nil {
		t.Fatal(err)
	}
	if err := s.RollZoneKey(t.Context(), "example.org", dnssec.KSK); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	z, g := signedZone(t, s, 1, nil)
	if !g.Roll[dnssec.KSK] || g.Roll[dnssec.ZSK] {
		t.Errorf("asked for: %v", g.Roll)
	}
	if err := s.RollZoneKey(t.Context(), "example.com", dnssec.ZSK); err != nil { // meanwhile
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), Publication{Zone: z, From: 1, To: 1, Keys: g.Keys, Roll: g.Roll}); err != nil {
		t.Fatal(err)
	}
	if _, g = signedZone(t, s, 1, nil); g.Roll[dnssec.KSK] || !g.Roll[dnssec.ZSK] {
		t.Errorf("asked for afterwards: %v", g.Roll)
	}
}

func TestSecondariesAreListed(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, create("secondary", "ns1/ns2", secondaryJSON))
	got, err := s.Secondaries(t.Context())
	if err != nil || len(got) != 1 || got[0].Address.String() != "192.0.2.54:53" || got[0].KeyName != "ns2.example.com." || got[0].Secret != "c2VjcmV0" {
		t.Errorf("%+v (%v)", got, err)
	}
}

func TestSigningsThatMakeNoSense(t *testing.T) {
	s := openStore(t, t.TempDir())
	for name, c := range map[string]admin.Change{
		"a denial that is none":            create("dnssec", "example.com", strings.Replace(dnssecJSON, "nsec3", "nsec5", 1)),
		"signatures for an hour":           create("dnssec", "example.com", strings.Replace(dnssecJSON, "1209600", "3600", 1)),
		"a key for an hour":                create("dnssec", "example.com", strings.Replace(dnssecJSON, "7776000", "3600", 1)),
		"an agent by name":                 create("dnssec", "example.com", strings.Replace(dnssecJSON, `"parental_agents":[]`, `"parental_agents":["a.nic.example"]`, 1)),
		"a secret that is none":            create("secondary", "ns1/ns2", strings.Replace(secondaryJSON, "c2VjcmV0", "!", 1)),
		"an algorithm that is broken":      create("secondary", "ns1/ns2", strings.Replace(secondaryJSON, "hmac-sha256", "hmac-md5", 1)),
		"a secondary without port":         create("secondary", "ns1/ns2", strings.Replace(secondaryJSON, ":53", "", 1)),
		"nobody may copy without a key":    create("secondary", "ns1/ns2", strings.NewReplacer("192.0.2.54:53", "", "false", "true").Replace(secondaryJSON)),
		"a secret, but no name of its key": create("secondary", "ns1/ns2", strings.Replace(secondaryJSON, "ns2.example.com.", "", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.ApplyChanges(t.Context(), []admin.Change{c})
			if codeOf(err) != "invalid" {
				t.Errorf("error is %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("it tells the secret: %v", err)
			}
		})
	}
}
