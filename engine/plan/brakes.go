package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Brake is something in a plan that is rarely meant: apply refuses the plan
// until it has been confirmed, by the ID that the plan shows.
type Brake struct {
	// ID is what a confirmation names: the rule and what it is about,
	// "mx:example.com". The same thing at two targets has the same ID.
	ID     string
	Rule   Rule
	Target string
	// Removed of Total things go: record sets of the zone, mailboxes of the
	// target; for a mail domain its mailboxes that hold mail, of all it has. Both
	// are 1 where the rule counts nothing.
	Removed, Total int
	// Detail is a sentence with the numbers.
	Detail    string
	Confirmed bool
	// Setting is the place of the block that says where the threshold is,
	// "main.mf.hcl:3"; empty where it is the default, and for rules without one.
	Setting string
}

// A Rule is a reason for a brake.
type Rule string

// The rules.
const (
	RuleMX        Rule = "mx"        // an MX record set goes
	RuleNS        Rule = "ns"        // the NS record set of a zone's apex goes
	RuleDNSSEC    Rule = "dnssec"    // a signed zone becomes unsigned
	RuleDomain    Rule = "domain"    // a mail domain goes whose mailboxes hold mail
	RuleRecords   Rule = "records"   // a large part of a zone's record sets goes
	RuleMailboxes Rule = "mailboxes" // a large part of a target's mailboxes goes
)

// ConfirmAll confirms every brake of a plan.
const ConfirmAll = "all"

// Confirm marks the brakes with one of the IDs as confirmed, or all of them by
// [ConfirmAll]. It returns the IDs that no brake of the plan has.
func (p *Plan) Confirm(ids ...string) (unknown []string) {
	for _, id := range ids {
		found := id == ConfirmAll
		for i := range p.Brakes {
			if b := &p.Brakes[i]; id == ConfirmAll || b.ID == id {
				b.Confirmed, found = true, true
			}
		}
		if !found {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

// Unconfirmed lists the IDs, each once, that still have to be confirmed before
// the plan may be applied.
func (p *Plan) Unconfirmed() []string {
	return brakeIDs(p.Brakes, func(b *Brake) bool { return !b.Confirmed })
}

// Confirmed lists the IDs, each once, that have been confirmed.
func (p *Plan) Confirmed() []string {
	return brakeIDs(p.Brakes, func(b *Brake) bool { return b.Confirmed })
}

func brakeIDs(brakes []Brake, is func(*Brake) bool) []string {
	var ids []string
	for i := range brakes {
		if is(&brakes[i]) && !slices.Contains(ids, brakes[i].ID) {
			ids = append(ids, brakes[i].ID)
		}
	}
	return ids
}

// A holder is what things are counted in: a zone or a mail domain of a target,
// or, without a name, the target as a whole.
type holder struct{ target, name string }

// A tally counts the things in holders: all that are there and those that go.
type tally struct{ total, removed map[holder]int }

func newTally() tally { return tally{map[holder]int{}, map[holder]int{}} }

// brakes marks what is rarely meant. Whoever destroys has said what he wants,
// so that a plan for it has none.
func (m *maker) brakes() {
	if m.plan.Mode != Normal && m.plan.Mode != Rollback {
		return
	}
	var gone []schema.ID
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if c.Action == Delete || c.Action == Replace && c.PrevID != c.ID {
			gone = append(gone, c.PrevID)
		}
	}
	if len(gone) > 0 {
		m.brakesFor(gone)
	}
	for _, id := range m.plan.Confirm(m.in.Confirm...) {
		m.diags = append(m.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Nothing to confirm",
			Detail:   fmt.Sprintf("Nothing in this plan needs the confirmation %q.%s", id, m.expected()),
		})
	}
}

// expected lists the confirmations that are still missing, as a sentence.
func (m *maker) expected() string {
	ids := m.plan.Unconfirmed()
	if len(ids) == 0 {
		return ""
	}
	return " It needs: " + strings.Join(ids, ", ") + "."
}

// brakesFor looks at what is deleted beside what is there.
func (m *maker) brakesFor(gone []schema.ID) {
	records, boxes := newTally(), newTally()
	withMail, inDomain := map[holder]int{}, map[holder]int{}
	for t := range m.things.all() {
		id, o := t.id, t.observed
		if o == nil {
			continue
		}
		switch id.Kind {
		case schema.KindRRset:
			records.total[holder{id.Target, text(o.Attrs, "zone")}]++
		case schema.KindMailbox:
			boxes.total[holder{target: id.Target}]++
			address := text(o.Attrs, "address")
			h := holder{id.Target, address[strings.LastIndexByte(address, '@')+1:]}
			inDomain[h]++
			// Where nobody has counted there may be mail.
			if n, counted := number(o.Attrs, "messages"); !counted || n > 0 {
				withMail[h]++
			}
		}
	}
	var whole []holder // zones that go with all that is in them
	for _, id := range gone {
		o := m.things.at(id).observed
		if o == nil {
			continue
		}
		switch id.Kind {
		case schema.KindRRset:
			zone, name := text(o.Attrs, "zone"), text(o.Attrs, "name")
			records.removed[holder{id.Target, zone}]++
			switch typ := text(o.Attrs, "type"); {
			case typ == "MX":
				m.brake(Brake{Rule: RuleMX, Target: id.Target, Removed: 1, Total: 1,
					Detail: fmt.Sprintf("The MX records of %s at %s go: mail for it no longer finds its server.", plainName(name), id.Target)}, name)
			case typ == "NS" && name == zone:
				m.brake(Brake{Rule: RuleNS, Target: id.Target, Removed: 1, Total: 1,
					Detail: fmt.Sprintf("The NS records of the zone %s at %s go: its names are no longer found.", plainName(zone), id.Target)}, zone)
			}
		case schema.KindDNSSEC:
			// Who has asked the parent to remove the DS has said what he wants.
			if zone := text(o.Attrs, "zone"); !yes(o.Attrs, "withdraw") {
				m.brake(Brake{Rule: RuleDNSSEC, Target: id.Target, Removed: 1, Total: 1,
					Detail: fmt.Sprintf("The zone %s at %s is signed no more, and its keys go: as long as the parent zone has a DS record for it, none of its names is found by those who validate. "+
						"Set withdraw = true first.", plainName(zone), id.Target)}, zone)
			}
		case schema.KindZone:
			whole = append(whole, holder{id.Target, text(o.Attrs, "name")})
		case schema.KindMailbox:
			boxes.removed[holder{target: id.Target}]++
		case schema.KindMailDomain:
			name := text(o.Attrs, "name")
			h := holder{id.Target, name}
			if withMail[h] > 0 {
				m.brake(Brake{Rule: RuleDomain, Target: id.Target, Removed: withMail[h], Total: inDomain[h],
					Detail: fmt.Sprintf("The mail domain %s at %s goes, where mail lies in %d of %s.", name, id.Target, withMail[h], mailboxes(inDomain[h]))}, name)
			}
		}
	}
	for _, h := range whole {
		records.removed[h] = records.total[h]
	}
	m.share(RuleRecords, records, func(h holder) (name, what string) {
		return h.name, "record sets of the zone " + plainName(h.name) + " at " + h.target
	})
	m.share(RuleMailboxes, boxes, func(h holder) (name, what string) {
		return h.target, "mailboxes at " + h.target
	})
	sortBrakes(m.plan.Brakes)
	sortBrakes(m.plan.Waived)
}

// yes reports whether a boolean attribute is known to be true.
func yes(attrs cty.Value, name string) bool {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().HasAttribute(name) {
		return false
	}
	v, _ := attrs.GetAttr(name).Unmark()
	return v.RawEquals(cty.True)
}

func sortBrakes(brakes []Brake) {
	order := []Rule{RuleMX, RuleNS, RuleDNSSEC, RuleDomain, RuleRecords, RuleMailboxes}
	slices.SortFunc(brakes, func(a, b Brake) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Rule), slices.Index(order, b.Rule)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Target, b.Target))
	})
}

// share marks the holders that lose a large part of what they hold: more than
// the files say, or the defaults where they say nothing. What only the defaults
// would stop is named as well, so that nobody loosens a threshold unseen.
func (m *maker) share(rule Rule, t tally, describe func(holder) (name, what string)) {
	set := config.Brakes{Percent: config.BrakePercent, Minimum: config.BrakeMinimum, Records: true, Mailboxes: true}
	setting := ""
	if m.in.Config != nil && m.in.Config.Brakes != nil {
		set = *m.in.Config.Brakes
		setting = fmt.Sprintf("%s:%d", set.Range.Filename, set.Range.Start.Line)
	}
	looked := set.Records
	if rule == RuleMailboxes {
		looked = set.Mailboxes
	}
	for h, removed := range t.removed {
		total := t.total[h]
		falls := looked && total >= set.Minimum && removed*100 > total*set.Percent
		would := total >= config.BrakeMinimum && removed*100 > total*config.BrakePercent
		name, what := describe(h)
		b := Brake{Rule: rule, ID: string(rule) + ":" + plainName(name), Target: h.target, Removed: removed, Total: total, Setting: setting,
			Detail: fmt.Sprintf("%d of the %d %s go: more than %d %%.", removed, total, what, set.Percent)}
		switch {
		case falls && setting != "":
			b.Detail = fmt.Sprintf("%d of the %d %s go: more than %d %%, the threshold set at %s.", removed, total, what, set.Percent, setting)
			fallthrough
		case falls:
			m.plan.Brakes = append(m.plan.Brakes, b)
		case would:
			why := fmt.Sprintf("the threshold there is %d %% of %d or more", set.Percent, set.Minimum)
			if !looked {
				why = "it is not looked at there"
			}
			b.Detail = fmt.Sprintf("%d of the %d %s go. Without the settings at %s that would have to be confirmed; %s.", removed, total, what, setting, why)
			m.plan.Waived = append(m.plan.Waived, b)
		}
	}
}

// brake adds a brake about something of that name.
func (m *maker) brake(b Brake, name string) {
	b.ID = string(b.Rule) + ":" + plainName(name)
	m.plan.Brakes = append(m.plan.Brakes, b)
}

// plainName is a DNS name as people write it in a sentence. The root stays ".".
func plainName(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

func mailboxes(n int) string {
	if n == 1 {
		return "1 mailbox"
	}
	return fmt.Sprintf("%d mailboxes", n)
}
