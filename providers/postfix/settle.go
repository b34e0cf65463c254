package postfix

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
)

// senders is the parameter with the maps that say who may use which sender.
const senders = "smtpd_sender_login_maps"

// settle edits main.cf and master.cf to what the ledger says.
func (w *world) settle() error {
	w.spare()
	w.refuse()
	params, lists := map[string]string{}, map[string]string{}
	var services []*entry
	owner := map[string]string{}
	for i := range w.ledger.Resources {
		h := &w.ledger.Resources[i]
		a, err := h.attrs()
		if err != nil {
			return err
		}
		n, err := w.p.derive(h.Kind, a, w.former)
		if err != nil {
			return err
		}
		for name, value := range n.params {
			if other, twice := owner[name]; twice && params[name] != value {
				return fmt.Errorf("%s and %s want different things of %s: one Postfix has one server", other, h.Owner, name)
			}
			params[name], owner[name] = value, h.Owner
		}
		for name, value := range n.lists { // of the delivery before those of the lookup
			if lists[name] != "" {
				value = lists[name] + ", " + value
			}
			lists[name] = value
		}
		services = append(services, n.services...)
	}
	if maps := w.refusing(); maps != "" {
		if params[recipientRestrictions] != "" {
			return errors.New("name: " + beside)
		}
		lists[recipientRestrictions] = maps
		refuseSubmitted(services, maps)
	}
	if err := w.settleFilters(params, services); err != nil {
		return err
	}
	if err := w.settleSmarthosts(params, lists, &services); err != nil {
		return err
	}
	if len(w.ledger.declared(schema.KindLookup)) > 1 {
		return errors.New("owner: one Postfix finds its users in one directory")
	}
	if more, ok := lists[senders]; ok { // nobody else says who may use which
		params[senders] += ", " + more
		delete(lists, senders)
	}
	if err := w.settleMain(params, lists); err != nil {
		return err
	}
	if err := w.settleMaster(services); err != nil {
		return err
	}
	return w.settleDisabled()
}

func (w *world) settleMain(params, lists map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(w.ledger.Main)) {
		_, isParam := params[name]
		_, isList := lists[name]
		if isParam || isList || name == disabled {
			continue
		}
		if err := w.giveBack(name); err != nil {
			return err
		}
		delete(w.ledger.Main, name)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		have, there := w.main.parameter(name)
		_, ours := w.ledger.Main[name]
		if there && (same(have, params[name]) || ours && name == "smtpd_relay_restrictions") {
			if !ours {
				w.ledger.Main[name] = w.raw(name)
			}
			continue
		}
		if err := w.setParameter(name, params[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		have, _ := w.main.parameter(name)
		value := lists[name]
		stale := func(s string) bool { return w.oursInList(s) && !slices.Contains(splitList(value), s) }
		if begins(have, value) && !slices.ContainsFunc(splitList(have), stale) {
			continue
		}
		others := slices.DeleteFunc(splitList(have), func(s string) bool { return slices.Contains(splitList(value), s) || stale(s) })
		if maps, _ := w.main.parameter("virtual_mailbox_maps"); name == "virtual_mailbox_domains" && have == "" && maps != "" {
			others = []string{"$virtual_mailbox_maps"} // what it is where nobody says anything
		}
		if err := w.setParameter(name, strings.Join(append([]string{value}, others...), ", ")); err != nil {
			return err
		}
	}
	return nil
}

// raw is the text of a parameter in main.cf.
func (w *world) raw(name string) string {
	from, to, ok := w.main.at(name)
	if !ok {
		return ""
	}
	return join(w.main.lines[from:to])
}

func (w *world) setParameter(name, value string) error {
	text, err := parameterLine(name, value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	was := w.main.set(name, text)
	if _, ours := w.ledger.Main[name]; !ours {
		w.ledger.Main[name] = was
	}
	return nil
}

// giveBack makes a parameter what it was before mailform came; of a list it takes
// out what is ours, if others have changed the rest meanwhile.
func (w *world) giveBack(name string) error {
	have, there := w.main.parameter(name)
	was := w.ledger.Main[name]
	if there && strings.Contains(have, w.p.own()+"/") && slices.Contains(listNames, name) {
		var rest []string
		for _, el := range splitList(have) {
			if !w.oursInList(el) {
				rest = append(rest, el)
			}
		}
		before, _ := parseMain([]byte(was)).parameter(name)
		left := strings.Join(rest, ", ")
		if left != "" && left != "$virtual_mailbox_maps" && !same(left, before) {
			text, err := parameterLine(name, left)
			if err == nil {
				w.main.set(name, text)
			}
			return err
		}
	}
	if !there && was == "" {
		return nil
	}
	w.main.restore(name, was)
	return nil
}

// oursInList reports whether an element of a list is a map of ours.
func (w *world) oursInList(s string) bool { return strings.Contains(s, ":"+w.p.own()+"/") }

var listNames = []string{"virtual_mailbox_domains", "virtual_mailbox_maps", "virtual_alias_maps", "smtpd_sender_login_maps", recipientRestrictions, byRecipient, bySender}

func (w *world) settleMaster(services []*entry) error {
	kept := map[string]*entry{}
	var fresh []*entry
	for _, e := range services {
		key := e.key()
		if _, ours := w.ledger.Master[key]; !ours {
			key = w.named(e.name)
		}
		if _, there := w.master.logical(key); there && key != "" {
			kept[key] = e
			continue
		}
		fresh = append(fresh, e)
	}
	for _, key := range slices.Sorted(maps.Keys(w.ledger.Master)) {
		if kept[key] == nil {
			w.master.restore(key, w.ledger.Master[key])
			delete(w.ledger.Master, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		text, _ := w.master.logical(key)
		e, err := parseEntry(text)
		if err != nil {
			return err
		}
		if err := w.setService(key, e, kept[key]); err != nil {
			return err
		}
	}
	for _, e := range fresh {
		key, there := "", e
		for _, k := range w.master.keys() {
			name, typ, _ := strings.Cut(k, "/")
			if _, ours := w.ledger.Master[k]; typ != "inet" || ours || !clashes(name, e.name) {
				continue
			}
			text, _ := w.master.logical(k)
			other, err := parseEntry(text)
			if err != nil {
				return err
			}
			if other.command != "smtpd" && other.command != "postscreen" {
				return fmt.Errorf("listen: %s is taken by the service %s of master.cf, which is no SMTP server", e.name, name)
			}
			key, there = k, other
			break
		}
		if key == "" {
			key = e.key()
		}
		if err := w.setService(key, there, e); err != nil {
			return err
		}
	}
	return nil
}

// setService makes a service of master.cf one of ours: what is there keeps its
// columns, its command, and the options that are none of ours.
func (w *world) setService(key string, there, want *entry) error {
	e := *there
	if host, port := endpoint(there.name); there.typ == "inet" {
		if h, p := endpoint(want.name); h != host || p != port {
			e.name = want.name
		}
	}
	if slices.Contains([]string{"smtpd", "postscreen"}, there.command) {
		e.options = nil
		for _, o := range there.options {
			if _, ours := want.option(o.name); !ours && !o.filters() {
				e.options = append(e.options, o)
			}
		}
	} else {
		e.command, e.options = want.command, nil
	}
	complete := there != want && !slices.ContainsFunc(there.options, func(o option) bool {
		_, wanted := want.option(o.name)
		return o.filters() && !wanted
	})
	for _, o := range want.options {
		v, ok := there.option(o.name)
		complete = complete && ok && same(v, o.value)
		e.options = append(e.options, o)
	}
	_, ours := w.ledger.Master[key]
	if complete && ours && e.name == there.name && e.command == there.command {
		return nil // byte for byte as it is
	}
	if there == want {
		e.options = want.options
	}
	text, err := e.text()
	if err != nil {
		return err
	}
	was := w.master.set(key, text)
	if !ours {
		delete(w.ledger.Master, key)
		w.ledger.Master[e.key()] = was
	}
	return nil
}
