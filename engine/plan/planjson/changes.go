package planjson

import (
	"io"

	"github.com/mailform/mailform/engine/plan"
)

// Changes writes the plan document with nothing in it that stays as it is: no
// resources without a change, also not among the values before and after, no
// configuration, and nothing foreign. Its size is that of the changes.
func Changes(w io.Writer, p *plan.Plan, version string) error {
	only := *p
	only.Changes, only.Outline, only.Foreign = nil, nil, nil
	index := make(map[int]int, len(p.Changes))
	for i := range p.Changes {
		if p.Changes[i].Action != plan.NoOp {
			index[i] = len(only.Changes)
			only.Changes = append(only.Changes, p.Changes[i])
		}
	}
	only.Phases = make([]plan.Phase, len(p.Phases))
	for i, ph := range p.Phases {
		for _, b := range ph.Batches {
			changes := make([]int, len(b.Changes))
			for j, n := range b.Changes { // phases have only what changes
				changes[j] = index[n]
			}
			b.Changes = changes
			only.Phases[i].Batches = append(only.Phases[i].Batches, b)
		}
	}
	only.Outputs = nil
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			only.Outputs = append(only.Outputs, o)
		}
	}
	doc, err := newPlanDocument(&only, version)
	if err != nil {
		return err
	}
	doc.Applyable = !p.Empty()
	doc.Mailform.ChangesOnly = true
	return write(w, doc)
}
