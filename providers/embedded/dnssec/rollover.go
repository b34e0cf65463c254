package dnssec

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// unseenDSTTL is how long a DS record may stay in caches where the parent was not
// asked: most parents say a day.
const unseenDSTTL = 48 * time.Hour

// A World is what the life of keys depends on beside the time.
type World struct {
	// MaxTTL is the longest time to live in the zone, in seconds.
	MaxTTL uint32
	// Used holds the tags of the keys that have signed what is in the zone; nil: not
	// known.
	Used map[uint16]bool
	// Parent is what the parent zone has.
	Parent Parent
	// Roll asks for a successor to the key of a role.
	Roll map[Role]bool
}

// A Parent is what a parent zone has of a child.
type Parent struct {
	// Seen: it was asked and has answered. The rest means nothing otherwise.
	Seen bool
	DS   []*dns.DS
	TTL  uint32 // of the DS records, in seconds
}

// Has reports whether the parent has the DS of a key.
func (p Parent) Has(k *Key) bool {
	return p.Seen && slices.ContainsFunc(p.DS, func(ds *dns.DS) bool {
		want := k.DNSKEY(0).ToDS(ds.DigestType)
		return ds.KeyTag == k.Tag && want != nil && dns.IsDuplicate(lowerDigest(ds, k.Zone), lowerDigest(want, k.Zone))
	})
}

// lowerDigest makes DS records comparable: the digest is hexadecimal in any case.
func lowerDigest(ds *dns.DS, zone string) *dns.DS {
	c := *ds
	c.Hdr = dns.RR_Header{Name: zone, Rrtype: dns.TypeDS, Class: dns.ClassINET}
	c.Digest = lower(c.Digest)
	return &c
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// A Step is what became of the keys of a zone.
type Step struct {
	Keys    []*Key
	Changed bool
	// Next is when the next change is due by time alone; zero: there is none.
	Next time.Time
}

// Advance leads the keys of a zone through their lives, as far as they have come at
// a time: it makes the first ones, and the successors of those whose lifetime ends
// or of whom it is asked; it moves them on when the caches of the world have caught
// up; it leaves out what is of no use any more.
//
// A ZSK is rolled by pre-publication (RFC 6781 §4.1.1.1, RFC 7583 §3.2.1): the
// successor is in the DNSKEY set before it signs, the predecessor as long as
// anything that it signed may be in a cache.
//
// A KSK is rolled by double signature (RFC 6781 §4.1.2, RFC 7583 §3.3.1): both sign
// the DNSKEY set while the parent exchanges the DS, which CDS and CDNSKEY ask of it.
// The parent has to act once. Only when it is seen to have done so, the old key
// retires.
//
// It does not change the keys that it is given.
func Advance(zone string, keys []*Key, p Policy, w World, now time.Time) (Step, error) {
	a := &advance{zone: zone, policy: p, world: w, now: now}
	for _, k := range keys {
		c := *k
		a.keys = append(a.keys, &c)
	}
	for _, role := range []Role{KSK, ZSK} {
		if err := a.role(role); err != nil {
			return Step{}, err
		}
	}
	s := Step{Keys: a.keys, Changed: a.changed}
	for _, k := range a.keys {
		until, _ := a.waits(k)
		if !until.IsZero() && (s.Next.IsZero() || until.Before(s.Next)) {
			s.Next = until
		}
	}
	return s, nil
}

type advance struct {
	zone    string
	policy  Policy
	world   World
	now     time.Time
	keys    []*Key
	changed bool
}

func (a *advance) of(role Role, states ...State) []*Key {
	var out []*Key
	for _, k := range a.keys {
		if k.Role == role && slices.Contains(states, k.State) {
			out = append(out, k)
		}
	}
	return out
}

func (a *advance) make(role Role, state State) error {
	k, err := NewKey(a.zone, role, state, a.now, a.keys)
	if err != nil {
		return err
	}
	a.keys, a.changed = append(a.keys, k), true
	return nil
}

func (a *advance) move(k *Key, to State) { k.State, k.Since, a.changed = to, a.now, true }

// role does what is due for the keys of one role.
func (a *advance) role(role Role) error {
	first := Published
	if role == ZSK {
		first = Active
	}
	if len(a.of(role, Published, Ready, Active)) == 0 {
		if err := a.make(role, first); err != nil {
			return err
		}
	}
	for _, k := range a.of(role, Published) {
		if until, _ := a.waits(k); a.now.Before(until) {
			continue
		}
		if role == KSK {
			a.move(k, Ready)
		} else {
			a.take(k)
		}
	}
	for _, k := range a.of(role, Ready) {
		if a.world.Parent.Has(k) && !a.policy.Withdraw {
			a.take(k)
		}
	}
	// The successor, where none is under way.
	if len(a.of(role, Published, Ready)) == 0 {
		for _, k := range a.of(role, Active) {
			if until, _ := a.waits(k); a.world.Roll[role] || !until.IsZero() && !a.now.Before(until) {
				if err := a.make(role, Published); err != nil {
					return err
				}
				break
			}
		}
	}
	for _, k := range a.of(role, Retired) {
		switch used, known := a.inUse(k); {
		case !known:
		case used && !k.Idle.IsZero():
			k.Idle, a.changed = time.Time{}, true
		case !used && k.Idle.IsZero():
			k.Idle, a.changed = a.now, true
		}
		if until, _ := a.waits(k); !until.IsZero() && !a.now.Before(until) {
			a.keys = slices.DeleteFunc(a.keys, func(o *Key) bool { return o == k })
			a.changed = true
		}
	}
	return nil
}

// inUse reports whether anything leads to a retired key: signatures in the zone, or
// the DS in the parent.
func (a *advance) inUse(k *Key) (used, known bool) {
	if k.Role == ZSK {
		return a.world.Used[k.Tag], a.world.Used != nil
	}
	// A parent that cannot be asked was confirmed to have exchanged the DS.
	return a.world.Parent.Has(k), true
}

// take makes a key the active one of its role.
func (a *advance) take(k *Key) {
	for _, old := range a.of(k.Role, Active, Ready) {
		if old != k {
			a.move(old, Retired)
		}
	}
	a.move(k, Active)
}

// Waits says until when a key stays as it is, and what for. The time is zero where
// it is not time that it waits for.
func Waits(k *Key, keys []*Key, p Policy, w World) (time.Time, string) {
	return (&advance{policy: p, world: w, keys: keys}).waits(k)
}

func (a *advance) waits(k *Key) (time.Time, string) {
	published := time.Duration(a.policy.KeyTTL)*time.Second + a.policy.Propagation
	served := time.Duration(a.world.MaxTTL)*time.Second + a.policy.Propagation
	switch {
	case k.State == Published && k.Role == KSK && len(a.of(KSK, Ready, Active, Retired)) == 0:
		return k.Since.Add(served), "until what is unsigned has left the caches"
	case k.State == Published:
		return k.Since.Add(published), "until the key is known everywhere"
	case k.State == Ready:
		return time.Time{}, "for the parent to have its DS record"
	case k.State == Active && len(a.of(k.Role, Published, Ready)) > 0:
		return time.Time{}, "for its successor to take over"
	case k.State == Active:
		lifetime, what := a.policy.ZSKLifetime, "until its successor is published"
		if k.Role == KSK {
			lifetime = a.policy.KSKLifetime
		}
		if lifetime == 0 {
			return time.Time{}, ""
		}
		return k.Since.Add(max(lifetime-published, published)), what
	case k.Role == ZSK && k.Idle.IsZero():
		return time.Time{}, "until its signatures have been replaced"
	case k.Role == ZSK:
		return k.Idle.Add(served), "until its signatures have left the caches"
	case k.Idle.IsZero():
		return time.Time{}, "for the parent to remove its DS record"
	default:
		ttl := unseenDSTTL
		if a.world.Parent.Seen && a.world.Parent.TTL > 0 {
			ttl = time.Duration(a.world.Parent.TTL) * time.Second
		}
		return k.Idle.Add(ttl + a.policy.Propagation), "until its DS record has left the caches"
	}
}
