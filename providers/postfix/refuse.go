package postfix

import (
	"errors"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Whoever gets no mail is no recipient, so that a catch-all would get it. Beside one
// he has an entry of himself in the map of aliases, which says of what kind it is, and
// another in a map of refusals, which the restrictions begin with. Of a directory that
// knows who gets no mail there is a map that asks for those.

// typeRefused is the type of such a route.
const typeRefused = "refused"

// recipientRestrictions are what a recipient has to pass. A map alone is looked up
// there as by check_recipient_access (postconf(5)).
const recipientRestrictions = "smtpd_recipient_restrictions"

// refusal is what a sender is told.
const refusal = "550 5.1.1 User unknown"

// beside is why nobody else can set the restrictions.
const beside = recipientRestrictions + " begins with those whom a catch-all must not get the mail of, and cannot be a parameter beside them; in main.cf it can be, and is kept"

func refusedRow(r *row, a attrs) error {
	if len(a.Strings("members")) > 0 || a.Bool("keep_copy") || r.key[0] == '@' {
		return errors.New("members: mail that is refused goes nowhere")
	}
	r.value, r.mark.Type = r.key, typeRefused
	return nil
}

// refuse makes the map of refusals of the aliases.
func (w *world) refuse() {
	t := newTable()
	for _, r := range w.tables[aliases].rows {
		if r.key != "" && r.mark != nil && r.mark.Type == typeRefused {
			t.put(row{r.key, refusal, &mark{Derived: true}})
		}
	}
	w.tables[refused] = t
}

// refusing are the maps of whom to refuse, as they stand in the restrictions; empty:
// there is nobody.
func (w *world) refusing() string {
	var maps []string
	if slices.ContainsFunc(w.tables[aliases].rows, func(r row) bool { return r.key != "" && r.mark != nil && r.mark.Type == typeRefused }) {
		maps = append(maps, w.p.mapOf(refused))
	}
	if l := w.lookup(); l != nil && l.UserMail != "" {
		maps = append(maps, w.p.lookupMap(lookupRefused))
	}
	return strings.Join(maps, ", ")
}

// refuseSubmitted has those who submit mail be told as well: their service has
// restrictions of its own.
func refuseSubmitted(services []*entry, maps string) {
	for _, e := range services {
		e.options = slices.Clone(e.options) // which all services have in common
		for i, o := range e.options {
			if o.name == recipientRestrictions && maps != "" {
				e.options[i].value = strings.ReplaceAll(maps, " ", "") + "," + o.value
			}
		}
	}
}

// refusedRoute are the attributes of a route that refuses. It is none where Postfix
// does not look there, or does not find it.
func (w *world) refusedRoute(r row) map[string]cty.Value {
	typ := typeRefused
	if t, ok := w.tables[refused].get(r.key); !ok || t.value != refusal || w.built[refused][r.key] != refusal || !begins(w.params[recipientRestrictions], w.p.mapOf(refused)) {
		typ = "alias"
	}
	return map[string]cty.Value{
		"address": cty.StringVal(r.key), "type": cty.StringVal(typ), "members": schema.StringList(nil), "keep_copy": cty.False,
	}
}
