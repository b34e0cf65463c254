package text

import (
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
)

// back says what a rollback undoes.
func (w *writer) back(p *plan.Plan) {
	b := p.Back
	if b == nil {
		return
	}
	what, end := "apply", ""
	if b.Operation == state.OperationRollback {
		what = "rollback"
	}
	if b.Unfinished {
		end = ", which did not come to its end"
	}
	by := ""
	if b.Who != "" {
		by = " by " + printable(b.Who)
	}
	w.linef("This plan undoes the %s%s of %s%s.", what, by, b.At.UTC().Format(time.RFC3339), end)
	w.blank()
}

// unlooked says what the plan could not see, or did not look at.
func (w *writer) unlooked(p *plan.Plan) {
	if p.Unseen {
		w.blank()
		w.linef("Nothing was looked at (-refresh=false): what is there is what the state says. What others have changed")
		w.linef("since is not seen. Apply looks before it changes something, and stops where that is not as shown here.")
	}
	for _, target := range p.UnreadTargets() {
		w.blank()
		w.linef("%s could not be read: %s.", w.bold(w.tint(w.s.Palette.Red, printable(target))), printable(p.Unread[target]))
		w.linef("What is planned there is by the state. Apply does not try it, and goes on with the others.")
	}
}
