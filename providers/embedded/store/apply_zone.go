package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// ZoneOf is the zone in the key of a record set: zone/name/type. Names may have
// slashes themselves (RFC 2317), so the zone is what the name lies in.
func ZoneOf(key string) string {
	rest := key[:max(strings.LastIndexByte(key, '/'), 0)]
	for i := range len(rest) {
		if rest[i] != '/' {
			continue
		}
		zone := rdata.Name(rest[:i])
		if zone != rdata.Root {
			zone += "."
		}
		if rdata.Name(rest[i+1:]).In(zone) {
			return rest[:i]
		}
	}
	return rest
}

// leaveNothing refuses to remove a zone that still has record sets: those that no
// change takes away are somebody else's, and would go with it.
func (t *tx) leaveNothing(b *applyBatch) error {
	for _, d := range b.gone {
		var left []string
		err := t.rows(`SELECT z.key FROM resource z WHERE z.kind = ? AND z.parent = ? AND NOT EXISTS (SELECT 1 FROM resource WHERE kind = ? AND key = ?) ORDER BY z.key`,
			[]any{schema.KindRRset, d.Key, schema.KindZone, d.Key}, func(r *sql.Rows) error {
				var key string
				if err := r.Scan(&key); err != nil {
					return err
				}
				last := strings.LastIndexByte(key, '/')
				left = append(left, strings.TrimPrefix(key[:last], d.Key+"/")+" "+key[last+1:])
				return nil
			})
		if err != nil {
			return fmt.Errorf("read what is left of zone %s: %w", d.Key, err)
		}
		const shown = 4
		if n := len(left); n > shown {
			left = append(left[:shown-1], fmt.Sprintf("and %d more", n-shown+1))
		}
		if len(left) > 0 {
			return d.refuse(codeInvalid, "the zone still has what mailform did not make: %s. Have it taken away by an apply with exclusive = true in the zone, then remove it",
				strings.Join(left, ", "))
		}
	}
	return nil
}

// raiseSerials raises the serial of each zone that a batch touched by one, and
// refuses record sets of zones that are not there.
func (t *tx) raiseSerials(b *applyBatch) error {
	zones := make([]string, 0, len(b.zones))
	for z := range b.zones {
		zones = append(zones, z)
	}
	slices.Sort(zones)
	for _, z := range zones {
		var n int
		if err := t.row(`SELECT COUNT(*) FROM resource WHERE kind = ? AND key = ?`, []any{schema.KindZone, z}, &n); err != nil {
			return fmt.Errorf("read zone %s: %w", z, err)
		}
		switch set := b.zones[z]; {
		case n == 0 && set != nil:
			return set.refuse(codeInvalid, "there is no zone %q", z)
		case n == 0:
			continue
		}
		if err := t.raiseSerial(z); err != nil {
			return fmt.Errorf("raise the serial of zone %s: %w", z, err)
		}
	}
	return nil
}

// raiseSerial adds one in serial arithmetic (RFC 1982), without 0. The first
// serial is 1.
func (t *tx) raiseSerial(zone string) error {
	var serial uint32
	err := t.row(`SELECT serial FROM zone_serial WHERE zone = ?`, []any{zone}, &serial)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = t.exec(`INSERT INTO zone_serial (zone, serial) VALUES (?, 1)`, zone)
		return err
	}
	if err != nil {
		return err
	}
	serial = max(serial+1, 1)
	_, err = t.exec(`UPDATE zone_serial SET serial = ? WHERE zone = ?`, int64(serial), zone)
	return err
}
