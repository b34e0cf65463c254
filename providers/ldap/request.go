package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// asserting are the controls of a request that is carried out only if the entry is
// still the one that was read; none where the server cannot tell.
func asserting(e *entry, asserts bool) []goldap.Control {
	if !asserts || e.csn == "" {
		return nil
	}
	packet, err := goldap.CompileFilter(equals("entryCSN", e.csn))
	if err != nil { // not of what equals has escaped
		return nil
	}
	return []goldap.Control{goldap.NewControlString(controlAssertion, true, string(packet.Bytes()))}
}

// add is the request for a new entry.
func (l *layout) add(dn, address string, want wish, owner mark) *goldap.AddRequest {
	values := map[string][]string{}
	names := map[string]string{} // as they are written
	put := func(name string, vals ...string) {
		low := strings.ToLower(name)
		names[low] = name
		for _, v := range vals {
			if !slices.Contains(values[low], v) {
				values[low] = append(values[low], v)
			}
		}
	}
	put(l.rdn.attribute, l.rdnValue(address))
	for _, t := range l.further {
		put(t.attribute, t.fill(address))
	}
	for role, name := range l.names {
		put(name, want[role]...)
	}
	if name := l.names[roleOwner]; name != "" {
		put(name, owner.String())
	}
	request := goldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", l.classes)
	for _, low := range slices.Sorted(maps.Keys(values)) {
		request.Attribute(names[low], values[low])
	}
	return request
}

// modify is the request that makes an entry what is wanted.
func (l *layout) modify(e *entry, want wish, owner mark, asserts bool) *goldap.ModifyRequest {
	controls := asserting(e, asserts)
	request := goldap.NewModifyRequest(e.dn, controls)
	if slices.Contains(l.classes, l.aux) && !containsFold(e.get("objectClass"), l.aux) {
		request.Add("objectClass", []string{l.aux})
	}
	for _, role := range slices.Sorted(maps.Keys(l.names)) {
		name := l.names[role]
		old, now := e.get(name), want[role]
		switch {
		case role == roleAddress:
		case role == roleOwner:
			old = slices.DeleteFunc(slices.Clone(old), func(v string) bool { return !isMark(v) })
			swap(request, name, old, []string{owner.String()})
		case role == roleMembers && l.groups && sameSet(each(old, normal), each(now, normal)):
		case role == rolePassword && sameSet(each(old, declared), each(now, declared)), sameSet(old, now):
		case controls != nil:
			request.Replace(name, now)
		default:
			swap(request, name, old, now)
		}
	}
	return request
}

// swap takes values away and adds others, which is refused where those to go are
// not there.
func swap(request *goldap.ModifyRequest, name string, old, now []string) {
	if sameSet(old, now) {
		return
	}
	if len(old) > 0 {
		request.Delete(name, old)
	}
	if len(now) > 0 {
		request.Add(name, now)
	}
}

func each(values []string, f func(string) string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = f(v)
	}
	return out
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}

// remove takes an entry away. One that holds more than a configuration has given
// it is somebody's: it loses what makes it a mailbox, and stays.
func (w *work) remove(ctx context.Context, l *layout, c providers.Change, have *entry) error {
	for range tries {
		if have == nil {
			return nil
		}
		if !have.is(c.Prior, l.kind, w.p.lineage) {
			return fmt.Errorf("the entry %s: %w", have.dn, providers.ErrConflict)
		}
		whole, err := w.c.entry(ctx, have.dn, append(l.operational(), "*"))
		if err != nil {
			return err
		}
		if whole == nil {
			return nil
		}
		if now := l.read(whole, func(k string) bool { return k == c.Resource.Key }); now == nil || now.revision != have.revision {
			err = goldap.NewError(goldap.LDAPResultAssertionFailed, errors.New("changed"))
		} else if l.foreign(now) {
			err = w.c.conn().Modify(l.strip(now, w.p.known.asserts))
		} else {
			err = w.c.conn().Del(goldap.NewDelRequest(have.dn, asserting(now, w.p.known.asserts)))
		}
		switch {
		case err == nil || goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
			return nil
		case !stale(err):
			return w.c.explain(ctx, err, have.dn)
		}
		if have, err = w.reread(ctx, l, c.Resource.Key, have.dn); err != nil {
			return err
		}
	}
	return fmt.Errorf("the entry %s changes all the time: %w", have.dn, providers.ErrConflict)
}

// foreign reports whether an entry, of which all is known, is more than a user of
// a configuration: it has attributes or values that mailform has not given it. A
// route is never more.
func (l *layout) foreign(e *entry) bool {
	if l.kind != schema.KindMailbox {
		return false
	}
	ours := map[string]bool{"objectclass": true, "entrycsn": true, "entryuuid": true, "modifytimestamp": true}
	for role, name := range l.names {
		rest := e.get(name)
		switch role {
		case roleAddress:
			rest = slices.DeleteFunc(slices.Clone(rest), func(v string) bool { return strings.EqualFold(v, e.key) })
		case roleOwner:
			rest = slices.DeleteFunc(slices.Clone(rest), isMark)
		default:
			rest = nil
		}
		ours[strings.ToLower(name)] = len(rest) == 0
	}
	given := map[string][]string{}
	for _, t := range append(slices.Clone(l.further), template{l.rdn.attribute, l.rdnValue(e.key)}) {
		low := strings.ToLower(t.attribute)
		given[low] = append(given[low], t.fill(e.key))
	}
	for low, values := range given {
		slices.Sort(values)
		ours[low] = ours[low] || sameSet(e.get(low), slices.Compact(values))
	}
	for name := range e.values {
		if !ours[name] {
			return true
		}
	}
	return false
}

// strip is the request that leaves of an entry what is not mailform's. Its
// password stays: others may know the person by it.
func (l *layout) strip(e *entry, asserts bool) *goldap.ModifyRequest {
	request := goldap.NewModifyRequest(e.dn, asserting(e, asserts))
	for _, role := range slices.Sorted(maps.Keys(l.names)) {
		name := l.names[role]
		old := slices.Clone(e.get(name))
		switch role {
		case rolePassword:
			continue
		case roleAddress:
			old = slices.DeleteFunc(old, func(v string) bool { return !strings.EqualFold(v, e.key) })
		case roleOwner:
			old = slices.DeleteFunc(old, func(v string) bool { return !isMark(v) })
		}
		swap(request, name, old, nil)
	}
	if i := slices.IndexFunc(e.get("objectClass"), func(s string) bool { return strings.EqualFold(s, l.aux) }); i >= 0 {
		request.Delete("objectClass", []string{e.get("objectClass")[i]})
	}
	return request
}
