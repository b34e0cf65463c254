package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
)

// A pending remembers what the name server serves while the file says something
// newer. It lies in a file beside the zone's and counts only as long as the zone's
// is what was written then: whoever changes that by hand has it read by hand.
type pending struct {
	data []byte         // of the zone's file before; nil: there was none
	zone *zonedata.Zone // nil: it was not there
}

// pendingPath is where it lies.
func (f *file) pendingPath() string {
	folder, base := filepath.Split(f.path)
	return filepath.Join(folder, "."+base+".unread")
}

const (
	pendingWritten = "; mailform has written "
	pendingBefore  = "; the name server has yet to read it, and serves "
)

// readPending reads what lies beside a zone's file; nil: nothing that counts.
func (p *Provider) readPending(f *file) (*pending, error) {
	raw, err := contents(f.pendingPath())
	if err != nil || raw == nil {
		return nil, err
	}
	first, rest, _ := bytes.Cut(raw, []byte("\n"))
	second, data, _ := bytes.Cut(rest, []byte("\n"))
	if string(first) != pendingWritten+checksum(f.data) {
		return nil, nil
	}
	if string(second) == pendingBefore+none {
		return &pending{}, nil
	}
	if string(second) != pendingBefore+checksum(data) {
		return nil, nil // it is damaged, and the zone's file is what there is
	}
	z, err := p.parse(data, f.name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.pendingPath(), err)
	}
	return &pending{data: data, zone: z}, nil
}

// remember writes down what the name server serves before the zone's file becomes
// another one.
func (f *file) remember(next []byte, mode fs.FileMode) error {
	before := f.data
	if f.pending != nil {
		before = f.pending.data
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	head := pendingWritten + checksum(next) + "\n" + pendingBefore + checksum(before) + "\n"
	return writeFile(f.pendingPath(), append([]byte(head), before...), mode)
}

// settle forgets what was served before: the name server has read the file.
func (f *file) settle() error {
	err := os.Remove(f.pendingPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.path))
}

// A thing is a zone's SOA record or a record set.
type thing struct{ kind, key string }

// find is what a zone has of a thing; nil: nothing.
func (t thing) find(z *zonedata.Zone) *providers.Observed {
	if z == nil {
		return nil
	}
	if o, ok := z.Find(t.kind, t.key); ok {
		return &o
	}
	return nil
}

// observed lists what counts as there. Where the name server has yet to read the
// file, two zones are there: the one that is served and the one that is written. A
// thing that differs in them is shown as that which is not wanted, so that there
// is something to do as long as not both are as they are to be. The zone itself is
// there if its file is, and also if it is only served and is to go.
func (f *file) observed(wanted map[thing]*schema.Resource) []providers.Observed {
	self := thing{schema.KindZone, f.name.Host()}
	switch {
	case f.pending == nil && f.zone != nil:
		return f.zone.Observed()
	case f.zone == nil && (f.pending == nil || wanted[self] != nil):
		return nil
	}
	var out []providers.Observed
	seen := map[thing]bool{}
	for _, z := range []*zonedata.Zone{f.pending.zone, f.zone} {
		if z == nil {
			continue
		}
		for _, o := range z.Observed() {
			t := thing{o.Kind, o.Key}
			if seen[t] {
				continue
			}
			seen[t] = true
			served, written := t.find(f.pending.zone), t.find(f.zone)
			show := served
			switch r := wanted[t]; {
			case t == self && served == nil, r == nil && served == nil, r != nil && served != nil && served.Attrs.RawEquals(r.Attrs):
				show = written
			}
			if show != nil {
				out = append(out, *show)
			}
		}
	}
	return out
}

// base is the zone that changes are held to: what is written, but for what a plan
// has seen as it is served.
func (f *file) base(changes []providers.Change) (*zonedata.Zone, error) {
	if f.pending == nil {
		return f.zone, nil
	}
	records := newRecords(f.zone)
	for i := range changes {
		c := &changes[i]
		t := thing{c.Resource.Kind, c.Resource.Key}
		served := t.find(f.pending.zone)
		saw := c.Prior != nil && !c.Prior.Retained
		if saw != (served != nil) || saw && served.Revision != c.Prior.Revision {
			continue
		}
		if t.kind == schema.KindZone {
			if saw && f.zone != nil {
				soa := *f.pending.zone.SOA
				soa.Serial = f.zone.SOA.Serial
				records.soa = &soa
			}
			continue
		}
		if _, k, err := zonedata.ParseSetKey(t.key); err == nil {
			records.sets[k] = nil
			if saw {
				records.sets[k] = f.pending.zone.Set(k)
			}
		}
	}
	if f.zone == nil {
		return nil, nil
	}
	return records.zone(f.name)
}
