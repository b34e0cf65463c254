package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/schema"
)

// declaredAs lists the resources of a kind, decoded, by their key.
func declaredAs[T any](rows func(q string, args []any, each func(*sql.Rows) error) error, where string, args []any, each func(key string, attrs T)) error {
	return rows(`SELECT key, attrs FROM resource WHERE `+where+` ORDER BY key`, args, func(r *sql.Rows) error {
		var key string
		var text []byte
		if err := r.Scan(&key, &text); err != nil {
			return err
		}
		var attrs T
		if err := json.Unmarshal(text, &attrs); err != nil {
			return fmt.Errorf("decode %s: %w", key, err)
		}
		each(key, attrs)
		return nil
	})
}

func (s *Store) readRows(ctx context.Context) func(q string, args []any, each func(*sql.Rows) error) error {
	return func(q string, args []any, each func(*sql.Rows) error) error { return s.read.rows(ctx, q, args, each) }
}

// Listeners lists the declared listeners by owner and service.
func (s *Store) Listeners(ctx context.Context) (ls []Listener, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindListener}, func(_ string, a listenerAttrs) {
		ls = append(ls, Listener(a))
	})
	if err != nil {
		return nil, fmt.Errorf("list listeners: %w", err)
	}
	return ls, nil
}

// Settings lists the settings of all servers by the label of their block.
func (s *Store) Settings(ctx context.Context) (list []Setting, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindSetting}, func(key string, a settingAttrs) {
		set := Setting{
			Key: key, Hostname: a.Hostname, Addresses: a.Addresses, MessageSizeLimit: a.MessageSizeLimit,
			Retention:      time.Duration(a.Retention) * time.Second,
			TLSCertificate: a.TLSCertificate, TLSKey: a.TLSKey, RelayHost: a.RelayHost,
		}
		for _, n := range a.Retry {
			set.Retry = append(set.Retry, time.Duration(n)*time.Second)
		}
		list = append(list, set)
	})
	if err != nil {
		return nil, fmt.Errorf("list settings: %w", err)
	}
	return list, nil
}

// Zones lists all zones with their record sets, by name.
func (s *Store) Zones(ctx context.Context) (zones []Zone, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		at := map[string]int{}
		err := declaredAs(v.rows, `kind = ?`, []any{schema.KindZone}, func(key string, a zoneAttrs) {
			at[key] = len(zones)
			zones = append(zones, a.zone())
		})
		if err != nil {
			return err
		}
		err = declaredAs(v.rows, `kind = ?`, []any{schema.KindRRset}, func(key string, a rrsetAttrs) {
			if i, ok := at[ZoneOf(key)]; ok {
				zones[i].RRsets = append(zones[i].RRsets, a.rrset())
			}
		})
		if err != nil {
			return err
		}
		return v.rows(`SELECT zone, serial FROM zone_serial`, nil, func(r *sql.Rows) error {
			var key string
			var serial uint32
			if err := r.Scan(&key, &serial); err != nil {
				return err
			}
			if i, ok := at[key]; ok {
				zones[i].Serial = serial
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list zones: %w", err)
	}
	return zones, nil
}

// Zone finds a zone by its name, with or without the last dot. The error is
// [ErrNotFound].
func (s *Store) Zone(ctx context.Context, name string) (*Zone, error) {
	key := canonicalDomain(name)
	if name == "." {
		key = (&zoneAttrs{Name: name}).key()
	}
	var zones []Zone
	err := s.read.snapshot(ctx, func(v *snapshot) error {
		err := declaredAs(v.rows, `kind = ? AND key = ?`, []any{schema.KindZone, key}, func(_ string, a zoneAttrs) {
			zones = append(zones, a.zone())
		})
		if err != nil {
			return err
		}
		if len(zones) == 0 {
			return ErrNotFound
		}
		err = declaredAs(v.rows, `kind = ? AND parent = ?`, []any{schema.KindRRset, key}, func(_ string, a rrsetAttrs) {
			zones[0].RRsets = append(zones[0].RRsets, a.rrset())
		})
		if err != nil {
			return err
		}
		err = v.row(`SELECT serial FROM zone_serial WHERE zone = ?`, []any{key}, &zones[0].Serial)
		if errors.Is(err, sql.ErrNoRows) {
			return errors.New("it has no serial")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find zone %s: %w", name, err)
	}
	return &zones[0], nil
}

func (a *zoneAttrs) zone() Zone {
	return Zone{Name: a.Name, Primary: a.Primary, Contact: a.Contact, Refresh: a.Refresh, Retry: a.Retry,
		Expire: a.Expire, NegativeTTL: a.NegativeTTL}
}

func (a *rrsetAttrs) rrset() RRset {
	return RRset{Name: a.Name, Type: a.Type, TTL: a.TTL, Values: a.Values}
}

// Totals counts what the store holds: open accounts with their messages and
// bytes, queue entries, zones.
func (s *Store) Totals(ctx context.Context) (accounts int, messages, bytes int64, queued, zones int, err error) {
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		err := v.row(`SELECT COUNT(*), COALESCE(SUM(messages), 0), COALESCE(SUM(bytes), 0) FROM account WHERE closed_at = 0`, nil,
			&accounts, &messages, &bytes)
		if err != nil {
			return err
		}
		if err := v.row(`SELECT COUNT(*) FROM queue`, nil, &queued); err != nil {
			return err
		}
		return v.row(`SELECT COUNT(*) FROM resource WHERE kind = ?`, []any{schema.KindZone}, &zones)
	})
	if err != nil {
		err = fmt.Errorf("count what the store holds: %w", err)
	}
	return accounts, messages, bytes, queued, zones, err
}
