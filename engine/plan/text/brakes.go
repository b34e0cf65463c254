package text

import (
	"strings"

	"github.com/mailform/mailform/engine/plan"
)

// brakes tells what has to be confirmed, and how that is done.
func (w *writer) brakes(p *plan.Plan) {
	if len(p.Waived) > 0 {
		w.blank()
		w.linef("%s", w.bold("Let through by settings of the files:"))
		w.blank()
		for _, b := range p.Waived {
			w.linef("  ! %s", w.bold(printable(b.ID)))
			w.linef("    %s", printable(b.Detail))
		}
	}
	if len(p.Brakes) == 0 {
		return
	}
	w.blank()
	w.linef("%s", w.bold(w.tint(w.s.Palette.Red, "Brakes:")+" this is rarely meant, so it has to be confirmed."))
	w.blank()
	for _, b := range p.Brakes {
		state := ""
		if b.Confirmed {
			state = " (confirmed)"
		}
		w.linef("  ! %s%s", w.bold(printable(b.ID)), state)
		w.linef("    %s", printable(b.Detail))
	}
	missing := p.Unconfirmed()
	if len(missing) == 0 {
		return
	}
	for i, id := range missing {
		missing[i] = "-confirm=" + printable(id)
	}
	w.blank()
	if p.Mode == plan.Rollback {
		w.linef("To confirm, give this to \"mailform rollback\":")
	} else {
		w.linef("To confirm, give this to \"mailform plan -out\", or to \"mailform apply\" without a saved plan:")
	}
	w.linef("    %s", strings.Join(missing, " "))
}
