package expand

import (
	"time"

	"github.com/mailform/mailform/schema"
)

// readStaging finds out how the records of a zone move. Those who ask a name
// server that only listens on loopback addresses are on its machine, so that
// nothing waits there unless it is told to.
func (e *expander) readStaging(z *zone, s section) {
	block := schema.BlockByType(s.b.inst.Ref.Type).Block("staging")
	mode := block.Attribute("mode").Default.AsString()
	ttl, margin := number{f: known}, number{f: known}
	if n, err := schema.ParseTTL(block.Attribute("ttl").Default.AsString()); err == nil {
		ttl.n = int64(n)
	}
	if d, err := schema.ParseDuration(block.Attribute("margin").Default.AsString()); err == nil {
		margin.n = int64(d / time.Second)
	}
	if sub, ok := s.nested("staging"); ok {
		var f fact
		mode, f = sub.attr("mode").str(mode)
		ttl = sub.attr("ttl").ttl(ttl)
		if v := sub.attr("margin"); v.fact() != absent {
			margin = v.seconds()
		}
		if f == unknown || ttl.f == unknown || margin.f == unknown {
			e.needKnown(s.attr("staging").rng(), z.addr+".staging")
			return
		}
	}
	z.always = &schema.Staging{When: schema.StageAny, TTL: ttl.n, Margin: margin.n}
	switch {
	case mode == "always":
		z.staging = &schema.Staging{When: schema.StageFollowed, TTL: ttl.n, Margin: margin.n}
	case mode == "auto" && z.ns != nil && !z.ns.local:
		z.staging = &schema.Staging{When: schema.StageOurs, TTL: ttl.n, Margin: margin.n}
	}
}

// staging is how a record set moves; nil: at once.
func (s *rrset) staging() *schema.Staging {
	switch {
	case s.staged.fact() == known && s.staged.v.True():
		return s.zone.always
	case s.staged.fact() == known:
		return nil
	}
	switch s.rrtype {
	case "MX", "A", "AAAA":
		return s.zone.staging
	case "NS": // those of a delegation lead to a zone of others
		if s.name == s.zone.name {
			return s.zone.staging
		}
	}
	return nil
}
