package planfile

import (
	"fmt"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
)

type variable struct {
	Name      string `json:"name"`
	Value     *value `json:"value,omitempty"` // left out where it is sensitive
	Sensitive bool   `json:"sensitive,omitempty"`
}

type check struct {
	Module   string             `json:"module,omitempty"`
	Name     string             `json:"name"`
	Status   config.CheckStatus `json:"status"`
	Problems []string           `json:"problems,omitempty"`
}

func (f *planFile) encodeInputs(p *plan.Plan) error {
	f.Time, f.Outline = p.Time, p.Outline
	for _, v := range p.Variables {
		out := variable{Name: v.Name, Sensitive: v.Sensitive}
		if !v.Sensitive {
			var err error
			if out.Value, err = encodeValue("", v.Value); err != nil {
				return fmt.Errorf("variable %s: %w", v.Name, err)
			}
		}
		f.Variables = append(f.Variables, out)
	}
	for _, c := range p.Checks {
		f.Checks = append(f.Checks, check(c))
	}
	return nil
}

func (f *planFile) decodeInputs(p *plan.Plan) error {
	p.Time, p.Outline = f.Time, f.Outline
	for _, v := range f.Variables {
		val, err := v.Value.decode("")
		if err != nil {
			return fmt.Errorf("variable %q: %w", v.Name, err)
		}
		p.Variables = append(p.Variables, config.VariableValue{Name: v.Name, Value: val, Sensitive: v.Sensitive})
	}
	for _, c := range f.Checks {
		p.Checks = append(p.Checks, config.CheckResult(c))
	}
	return nil
}
