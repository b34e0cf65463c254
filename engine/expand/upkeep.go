package expand

import (
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addUpkeep says what a server does with mailboxes as time goes by.
func (e *expander) addUpkeep(whole section, srv *server) {
	s, ok := whole.nested("upkeep")
	if !ok {
		return
	}
	target := srv.roles[roleStore]
	if !runs(target) {
		whole.attr("upkeep").errorf("Server that others make",
			"%s has no attribute for what a block upkeep says: its own configuration decides that. Leave out upkeep.", target)
		return
	}
	warn := cty.UnknownVal(cty.List(cty.Number))
	elems, f := s.attr("warn").list()
	if f != unknown {
		var percents []int64
		for _, el := range elems {
			n := el.integer(0)
			if n.f != known {
				percents, f = nil, unknown
				break
			}
			percents = append(percents, n.n)
		}
		if f != unknown {
			slices.Sort(percents)
			warn = cty.ListValEmpty(cty.Number)
			var values []cty.Value
			for _, p := range slices.Compact(percents) {
				values = append(values, cty.NumberIntVal(p))
			}
			if len(values) > 0 {
				warn = cty.ListVal(values)
			}
		}
	}
	e.add(srv.block, ".upkeep", schema.KindUpkeep, target, srv.label(), map[string]cty.Value{
		"owner": cty.StringVal(srv.label()),
		"trash": e.val(s.attr("trash").seconds()),
		"junk":  e.val(s.attr("junk").seconds()),
		"warn":  warn,
	})
}
