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

// Totals are what a store holds, counted.
type Totals struct {
	Accounts        int
	Messages, Bytes int64
	// Queued counts recipients; Oldest is when the first of them came in, zero: none
	// waits.
	Queued int
	Oldest time.Time
	Zones  int
	// Full are the accounts that have used nine tenths of their quota or more, the
	// fullest first, a few.
	Full []Fullness
}

// A Fullness is how much of its quota an account uses, both in bytes.
type Fullness struct {
	Address      string
	Bytes, Quota int64
}

// Totals counts what the store holds.
func (s *Store) Totals(ctx context.Context) (t Totals, err error) {
	const few = 20
	err = s.read.snapshot(ctx, func(v *snapshot) error {
		err := v.row(`SELECT COUNT(*), COALESCE(SUM(messages), 0), COALESCE(SUM(bytes), 0) FROM account WHERE closed_at = 0`, nil,
			&t.Accounts, &t.Messages, &t.Bytes)
		if err != nil {
			return err
		}
		var oldest int64
		if err := v.row(`SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM queue`, nil, &t.Queued, &oldest); err != nil {
			return err
		}
		t.Oldest = fromMicros(oldest)
		if err := v.row(`SELECT COUNT(*) FROM resource WHERE kind = ?`, []any{schema.KindZone}, &t.Zones); err != nil {
			return err
		}
		return v.rows(`SELECT address, bytes, quota FROM account WHERE closed_at = 0 AND quota > 0 AND bytes >= quota / 10 * 9
			ORDER BY CAST(bytes AS REAL) / quota DESC, address LIMIT ?`, []any{few}, func(r *sql.Rows) error {
			var u Fullness
			if err := r.Scan(&u.Address, &u.Bytes, &u.Quota); err != nil {
				return err
			}
			t.Full = append(t.Full, u)
			return nil
		})
	})
	if err != nil {
		return Totals{}, fmt.Errorf("count what the store holds: %w", err)
	}
	return t, nil
}

// Disk tells how many bytes are free for the store, and how many there are, where
// its database lies.
func (s *Store) Disk() (free, size int64, err error) {
	at, err := Location(s.dir)
	if err == nil {
		free, size, err = volume(at)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look at the volume of the store: %w", err)
	}
	return free, size, nil
}
