package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/schema"
)

// A Signing is how a zone is signed, with its keys.
type Signing struct {
	Zone           string // canonical name
	Policy         dnssec.Policy
	ParentalAgents []string
	Keys           []*dnssec.Key
	// Published is the serial up to which the zone was published; 0: not yet.
	Published uint32
	// Roll is set for the roles whose key is to get a successor.
	Roll map[dnssec.Role]bool
}

// applyDNSSEC applies a change of how a zone is signed. Its answer has the DS
// records of the keys.
func (t *tx) applyDNSSEC(b *applyBatch, d *declared, revision string) (admin.Resource, error) {
	r, err := t.applyResource(b, d, revision)
	if err != nil || d.Action == "delete" {
		return r, err
	}
	keys, err := zoneKeys(t.rows, d.Key)
	if err != nil {
		return admin.Resource{}, fmt.Errorf("read the keys of zone %s: %w", d.Key, err)
	}
	r.Attrs, err = shownDNSSEC(d.attrs.(*dnssecAttrs), keys)
	return r, err
}

// followDNSSEC makes the first keys of a zone, or removes all.
func (t *tx) followDNSSEC(b *applyBatch, d *declared, done verdict) error {
	switch done {
	case insert:
		step, err := dnssec.Advance(zoneName(d.Key), nil, d.attrs.(*dnssecAttrs).policy(), dnssec.World{}, b.now)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO zone_signing (zone, serial, roll_ksk, roll_zsk) VALUES (?, 0, ?, ?)`, d.Key, false, false); err != nil {
			return err
		}
		return t.setZoneKeys(d.Key, step.Keys)
	case remove:
		for _, q := range []string{`DELETE FROM zone_key WHERE zone = ?`, `DELETE FROM zone_signature WHERE zone = ?`, `DELETE FROM zone_signing WHERE zone = ?`} {
			if _, err := t.exec(q, d.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownDNSSEC are the attributes with what is decided here.
func shownDNSSEC(a *dnssecAttrs, keys []*dnssec.Key) (json.RawMessage, error) {
	return json.Marshal(struct {
		*dnssecAttrs
		DS []string `json:"ds"`
	}{a, dsTexts(keys, a.policy())})
}

// addDS completes the attributes of signed zones. A store of before there were any
// has no table of keys, which is why it is not read for nothing.
func (v *snapshot) addDS(rs []admin.Resource) error {
	for i := range rs {
		if rs[i].Kind != schema.KindDNSSEC {
			continue
		}
		var a dnssecAttrs
		if err := json.Unmarshal(rs[i].Attrs, &a); err != nil {
			return fmt.Errorf("decode %s %s: %w", rs[i].Kind, rs[i].Key, err)
		}
		keys, err := zoneKeys(v.rows, rs[i].Key)
		if err != nil {
			return err
		}
		if rs[i].Attrs, err = shownDNSSEC(&a, keys); err != nil {
			return err
		}
	}
	return nil
}

// zoneKeys reads the keys of a zone, by role and age.
func zoneKeys(rows func(q string, args []any, each func(*sql.Rows) error) error, zone string) (keys []*dnssec.Key, err error) {
	err = rows(`SELECT role, state, created_at, since, idle_at, private FROM zone_key WHERE zone = ? ORDER BY role, created_at, tag`, []any{zone}, func(r *sql.Rows) error {
		k := dnssec.Key{Zone: zoneName(zone)}
		var created, since, idle int64
		var private []byte
		if err := r.Scan(&k.Role, &k.State, &created, &since, &idle, &private); err != nil {
			return err
		}
		k.Created, k.Since, k.Idle = fromMicros(created), fromMicros(since), fromMicros(idle)
		key, err := dnssec.ParseKey(k, private)
		keys = append(keys, key)
		return err
	})
	return keys, err
}

// setZoneKeys makes the keys of a zone these.
func (t *tx) setZoneKeys(zone string, keys []*dnssec.Key) error {
	if _, err := t.exec(`DELETE FROM zone_key WHERE zone = ?`, zone); err != nil {
		return err
	}
	for _, k := range keys {
		private, err := k.Marshal()
		if err != nil {
			return fmt.Errorf("encode %s: %w", k, err)
		}
		_, err = t.exec(`INSERT INTO zone_key (zone, tag, role, state, created_at, since, idle_at, private) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			zone, k.Tag, string(k.Role), string(k.State), micros(k.Created), micros(k.Since), micros(k.Idle), private)
		if err != nil {
			return err
		}
	}
	return nil
}

// SignedZones lists the zones that are to be signed, without the last dot.
func (s *Store) SignedZones(ctx context.Context) (zones []string, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindDNSSEC}, func(key string, _ dnssecAttrs) { zones = append(zones, key) })
	if err != nil {
		return nil, fmt.Errorf("list signed zones: %w", err)
	}
	return zones, nil
}

// Signing says how a zone is signed. The error is [ErrNotFound] for one that is
// not.
func (s *Store) Signing(ctx context.Context, zone string) (*Signing, error) {
	zone = zoneKey(zone)
	g := &Signing{Zone: zoneName(zone), Roll: map[dnssec.Role]bool{}}
	found := false
	err := s.read.snapshot(ctx, func(v *snapshot) error {
		err := declaredAs(v.rows, `kind = ? AND key = ?`, []any{schema.KindDNSSEC, zone}, func(_ string, a dnssecAttrs) {
			found, g.Policy, g.ParentalAgents = true, a.policy(), a.ParentalAgents
		})
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if g.Keys, err = zoneKeys(v.rows, zone); err != nil {
			return err
		}
		var ksk, zsk bool
		err = v.row(`SELECT serial, roll_ksk, roll_zsk FROM zone_signing WHERE zone = ?`, []any{zone}, &g.Published, &ksk, &zsk)
		g.Roll[dnssec.KSK], g.Roll[dnssec.ZSK] = ksk, zsk
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how zone %s is signed: %w", zone, err)
	}
	return g, nil
}

// zoneKey is the key of a zone by its name, with or without the last dot.
func zoneKey(name string) string {
	if name == "." {
		return name
	}
	return canonicalDomain(name)
}

// Signatures reads those of a zone as it was published last.
func (s *Store) Signatures(ctx context.Context, zone string) (map[dnssec.SetKey]dnssec.Kept, error) {
	out := map[dnssec.SetKey]dnssec.Kept{}
	err := s.read.rows(ctx, `SELECT name, type, digest, signatures FROM zone_signature WHERE zone = ?`, []any{zoneKey(zone)}, func(r *sql.Rows) error {
		var key dnssec.SetKey
		var digest, packed []byte
		if err := r.Scan(&key.Name, &key.Type, &digest, &packed); err != nil {
			return err
		}
		var k dnssec.Kept
		copy(k.Digest[:], digest)
		for off := 0; off < len(packed); {
			rr, next, err := dns.UnpackRR(packed, off)
			if err != nil {
				return fmt.Errorf("the signatures of %s: %w", key.Name, err)
			}
			sig, ok := rr.(*dns.RRSIG)
			if !ok {
				return fmt.Errorf("the signatures of %s are none", key.Name)
			}
			k.Sigs, off = append(k.Sigs, sig), next
		}
		out[key] = k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the signatures of zone %s: %w", zone, err)
	}
	return out, nil
}

// A Publication is a new version of a signed zone that is about to be served.
type Publication struct {
	Zone *dnssec.Zone
	// From is the serial that the store had when the zone was made, and To is that
	// of the zone: the same, or a later one.
	From, To uint32
	// Keys are those of the zone from now on, and Roll is what was asked for of them.
	Keys []*dnssec.Key
	Roll map[dnssec.Role]bool
	// Kept is what [Store.Signatures] has; nil: nothing is to be left of it.
	Kept map[dnssec.SetKey]dnssec.Kept
}

// Publish keeps a version of a signed zone, before it is served: its signatures,
// its keys, and its serial, all or nothing. The error is [ErrConflict] where the zone
// has changed meanwhile.
func (s *Store) Publish(ctx context.Context, p Publication) error {
	zone := zoneKey(p.Zone.Name)
	err := s.write(ctx, func(t *tx) error {
		var serial uint32
		err := t.row(`SELECT serial FROM zone_serial WHERE zone = ?`, []any{zone}, &serial)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil || serial != p.From {
			return ErrConflict
		}
		// A successor that was asked for meanwhile is still to come.
		n, err := t.exec(`UPDATE zone_signing SET serial = ?, roll_ksk = CASE WHEN ? THEN FALSE ELSE roll_ksk END,
			roll_zsk = CASE WHEN ? THEN FALSE ELSE roll_zsk END WHERE zone = ?`, int64(p.To), p.Roll[dnssec.KSK], p.Roll[dnssec.ZSK], zone)
		if err != nil {
			return err
		}
		if n == 0 { // it is not signed any more
			return ErrConflict
		}
		if _, err := t.exec(`UPDATE zone_serial SET serial = ? WHERE zone = ?`, int64(p.To), zone); err != nil {
			return err
		}
		if err := t.setZoneKeys(zone, p.Keys); err != nil {
			return err
		}
		return t.setSignatures(zone, p)
	})
	if err != nil {
		return fmt.Errorf("publish zone %s: %w", zone, err)
	}
	return nil
}

// setSignatures writes those that have changed.
func (t *tx) setSignatures(zone string, p Publication) error {
	there := make(map[dnssec.SetKey]bool, len(p.Zone.Sets))
	for _, set := range p.Zone.Sets {
		if len(set.Sigs) == 0 {
			continue
		}
		there[set.SetKey] = true
		if k, ok := p.Kept[set.SetKey]; ok && k.Digest == set.Digest && slices.Equal(k.Sigs, set.Sigs) {
			continue
		}
		var packed []byte
		for _, sig := range set.Sigs {
			buf := make([]byte, dns.Len(sig)+1)
			n, err := dns.PackRR(sig, buf, 0, nil, false)
			if err != nil {
				return fmt.Errorf("pack a signature of %s: %w", set.Name, err)
			}
			packed = append(packed, buf[:n]...)
		}
		_, err := t.exec(`INSERT INTO zone_signature (zone, name, type, digest, signatures) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (zone, name, type) DO UPDATE SET digest = excluded.digest, signatures = excluded.signatures`,
			zone, set.Name, int64(set.Type), set.Digest[:], packed)
		if err != nil {
			return err
		}
	}
	var gone []dnssec.SetKey
	for key := range p.Kept {
		if !there[key] {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b dnssec.SetKey) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	for _, key := range gone {
		if _, err := t.exec(`DELETE FROM zone_signature WHERE zone = ? AND name = ? AND type = ?`, zone, key.Name, int64(key.Type)); err != nil {
			return err
		}
	}
	return nil
}

// SetZoneKeys keeps other states of the keys of a zone, whose records stay as they
// are.
func (s *Store) SetZoneKeys(ctx context.Context, zone string, keys []*dnssec.Key) error {
	err := s.write(ctx, func(t *tx) error { return t.setZoneKeys(zoneKey(zone), keys) })
	if err != nil {
		return fmt.Errorf("keep the keys of zone %s: %w", zone, err)
	}
	return nil
}

// RollZoneKey asks for a successor to the key of a role. The error is [ErrNotFound]
// for a zone that is not signed.
func (s *Store) RollZoneKey(ctx context.Context, zone string, role dnssec.Role) error {
	q := `UPDATE zone_signing SET roll_zsk = ? WHERE zone = ?`
	if role == dnssec.KSK {
		q = `UPDATE zone_signing SET roll_ksk = ? WHERE zone = ?`
	}
	err := s.write(ctx, func(t *tx) error {
		n, err := t.exec(q, true, zoneKey(zone))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("roll the %s of zone %s: %w", role, zone, err)
	}
	return nil
}
