// Package markdown writes a plan as a comment for a pull request: the numbers,
// the brakes and the checks that fail first, then each change folded, and never
// more than fits.
//
// What comes from files and systems does nothing in it but stand there: it is
// within code, where forges look neither for names nor for numbers nor for links.
//
// [Plan] is where to start.
package markdown

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
)

// Limit is the most that Plan writes, in bytes. GitHub takes 65,536 characters
// for a comment; the rest is for what a pipeline puts around it.
const Limit = 60_000

const (
	reserve  = 1_000 // bytes that are kept free for the last lines
	mostRows = 20    // rows of the table, lines of a list
)

// Plan writes a plan. name is what a bot finds its former comment by, in a
// hidden marker on the first line: <!-- mailform:NAME -->. What takes away comes
// first. A change that is larger than what is left, and all behind it, are only
// counted.
func Plan(w io.Writer, p *plan.Plan, name string) error {
	d := document{}
	d.add("<!-- mailform:" + comment(name) + " -->\n")
	d.add("### " + headline(p) + "\n")
	d.brakes(p)
	d.staged(p)
	d.checks(p)
	d.domains(p)
	more := 0
	section := func(write func() (string, error)) error {
		if more > 0 {
			more++
			return nil
		}
		s, err := write()
		if err == nil && !d.add(s) {
			more++
		}
		return err
	}
	for _, c := range byWeight(p) {
		if err := section(func() (string, error) { return change(c) }); err != nil {
			return err
		}
	}
	for i := range p.Drift {
		if err := section(func() (string, error) { return drift(&p.Drift[i]) }); err != nil {
			return err
		}
	}
	if more > 0 {
		d.last("\n%d more: too long for a comment. `mailform show` of the saved plan has it all.\n", more)
	}
	d.rest(p)
	_, err := io.WriteString(w, d.b.String())
	return err
}

// byWeight is what changes, those that take away first.
func byWeight(p *plan.Plan) []*plan.Change {
	weight := map[plan.Action]int{plan.Delete: 0, plan.Replace: 1, plan.Forget: 2}
	heavy := func(c *plan.Change) int {
		if w, ok := weight[c.Action]; ok {
			return w
		}
		return len(weight)
	}
	var all []*plan.Change
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action != plan.NoOp {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *plan.Change) int { return heavy(a) - heavy(b) })
	return all
}

// A document grows up to the limit.
type document struct{ b strings.Builder }

// add adds a part if it fits.
func (d *document) add(s string) bool {
	if d.b.Len()+len(s) > Limit-reserve {
		return false
	}
	d.b.WriteString(s)
	return true
}

// last adds a line for which room was kept.
func (d *document) last(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); d.b.Len()+len(s) <= Limit {
		d.b.WriteString(s)
	}
}

func headline(p *plan.Plan) string {
	s := p.Summary()
	switch {
	case p.Empty():
		return "No changes"
	case p.Mode == plan.RefreshOnly:
		return fmt.Sprintf("%d changed outside of mailform", len(p.Drift))
	}
	return strings.TrimSuffix(s.String(), ".")
}

func (d *document) brakes(p *plan.Plan) {
	if len(p.Waived) > 0 {
		d.add("\n**Let through by settings of the files:**\n\n")
		d.list(len(p.Waived), func(i int) string { return prose(p.Waived[i].Detail) })
	}
	if len(p.Brakes) == 0 {
		return
	}
	d.add("\n**Brakes:** this is rarely meant, so it has to be confirmed.\n\n")
	d.list(len(p.Brakes), func(i int) string {
		b := &p.Brakes[i]
		if b.Confirmed {
			return prose(b.Detail) + " (confirmed)"
		}
		return prose(b.Detail) + " (plan with " + code("-confirm="+b.ID) + ")"
	})
}

// staged tells when the stages of changes are due.
func (d *document) staged(p *plan.Plan) {
	if len(p.Staged) == 0 {
		return
	}
	d.add("\n**In stages,** because resolvers keep what they have asked for:\n\n")
	d.list(len(p.Staged), func(i int) string {
		m := &p.Staged[i]
		parts := make([]string, len(m.Steps))
		for n := range m.Steps {
			parts[n] = text.When(&m.Steps[n], m.Begins && n == 0) + ": " + text.Does(m, n)
		}
		line := code(m.Address) + ": " + prose(strings.Join(parts, "; "))
		if len(m.Kept) > 0 {
			line += "; until the last stage stays " + code(text.Kept(m))
		}
		return line
	})
}

// checks names the check blocks that do not hold.
func (d *document) checks(p *plan.Plan) {
	var lines []string
	for _, c := range p.Checks {
		if c.Status == config.CheckFail || c.Status == config.CheckError {
			lines = append(lines, code("check."+c.Name)+": "+prose(strings.Join(c.Problems, " ")))
		}
	}
	if len(lines) > 0 {
		d.add("\n**Checks** that do not hold:\n\n")
		d.list(len(lines), func(i int) string { return lines[i] })
	}
}

// list writes the first lines of a list, and how many more there are.
func (d *document) list(n int, line func(i int) string) {
	for i := range n {
		if i == mostRows || !d.add("- "+line(i)+"\n") {
			d.last("- and %d more\n", n-i)
			return
		}
	}
}

// rest names what is not shown in full.
func (d *document) rest(p *plan.Plan) {
	var outputs []string
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			outputs = append(outputs, code(o.Name))
		}
	}
	if n := len(outputs); n > mostRows {
		d.last("\nOutputs that change: %d.\n", n)
	} else if n > 0 {
		d.last("\nOutputs that change: %s.\n", strings.Join(outputs, ", "))
	}
	if n := len(p.Records); n > 0 {
		d.last("\nDomains whose records somebody else has to enter: %d; `mailform show -records` prints them.\n", n)
	}
	if n := len(p.Foreign); n > 0 {
		d.last("\nNot made by mailform, not declared, and left alone: %d.\n", n)
	}
}

func change(c *plan.Change) (string, error) {
	var b strings.Builder
	if err := text.Change(&b, c, text.Style{}); err != nil {
		return "", err
	}
	return folded(c.Address, string(c.Action), b.String()), nil
}

func drift(d *plan.Drift) (string, error) {
	var b strings.Builder
	if err := text.Drift(&b, d, text.Style{}); err != nil {
		return "", err
	}
	return folded(d.Address, "changed outside of mailform", b.String()), nil
}

// folded is a part that a click opens. The fence is longer than any row of
// backticks in it, so that no value ends it.
func folded(address, what, body string) string {
	fence := "```"
	for strings.Contains(body, fence) {
		fence += "`"
	}
	return fmt.Sprintf("\n<details><summary>%s: %s</summary>\n\n%sdiff\n%s\n%s\n\n</details>\n",
		element(address), what, fence, diff(strings.TrimRight(body, "\n")), fence)
}

var sign = regexp.MustCompile(`(?m)^( *)(-/\+|\+/-|[-+~]) `)

// diff moves the signs to the beginning of the lines, where diff colouring
// looks for them; ! is its sign for what is neither new nor gone.
func diff(s string) string {
	return sign.ReplaceAllStringFunc(s, func(m string) string {
		sym := strings.TrimSpace(m)
		if sym != "+" && sym != "-" {
			sym = "!"
		}
		return sym + strings.Repeat(" ", len(m)-1)
	})
}
