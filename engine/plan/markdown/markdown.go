// Package markdown writes a plan as a comment for a pull request: the numbers
// and the brakes first, each change folded, and never more than fits.
//
// [Plan] is where to start.
package markdown

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
)

// Limit is the most that Plan writes, in bytes. GitHub takes 65,536 characters
// for a comment; the rest is for what a pipeline puts around it.
const Limit = 60_000

// reserve is kept free for the last lines, in bytes.
const reserve = 300

// Plan writes a plan. name is what a bot finds its former comment by, in a
// hidden marker on the first line: <!-- mailform:NAME -->. A change that is larger
// than what is left, and all behind it, are only counted.
func Plan(w io.Writer, p *plan.Plan, name string) error {
	d := document{}
	d.add("<!-- mailform:" + comment(name) + " -->\n")
	d.add("### " + headline(p) + "\n")
	d.brakes(p)
	var sections []string
	for i := range p.Drift {
		s, err := drift(&p.Drift[i])
		if err != nil {
			return err
		}
		sections = append(sections, s)
	}
	shown := 0
	for shown < len(sections) && d.add(sections[shown]) {
		shown++
	}
	more := len(sections) - shown
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		if more > 0 {
			more++
			continue
		}
		s, err := change(c)
		if err != nil {
			return err
		}
		if !d.add(s) {
			more++
		}
	}
	d.rest(p)
	if more > 0 {
		fmt.Fprintf(&d.b, "\n%d more: too long for a comment; `mailform show PLAN` has it all.\n", more)
	}
	_, err := io.WriteString(w, d.b.String())
	return err
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

func headline(p *plan.Plan) string {
	s := p.Summary()
	switch {
	case p.Empty():
		return "No changes"
	case p.Mode == plan.RefreshOnly:
		return fmt.Sprintf("%d changed outside of mailform", len(p.Drift))
	}
	line := fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy", s.Add, s.Change, s.Destroy)
	if s.Import > 0 {
		line += fmt.Sprintf(", %d to import", s.Import)
	}
	if s.Forget > 0 {
		line += fmt.Sprintf(", %d to forget", s.Forget)
	}
	return line
}

func (d *document) brakes(p *plan.Plan) {
	if len(p.Brakes) == 0 {
		return
	}
	d.add("\n**Brakes:** this is rarely meant, so it has to be confirmed.\n\n")
	for i, b := range p.Brakes {
		how := "plan with <code>-confirm=" + html.EscapeString(b.ID) + "</code>"
		if b.Confirmed {
			how = "confirmed"
		}
		if !d.add(fmt.Sprintf("- %s (%s)\n", html.EscapeString(b.Detail), how)) {
			fmt.Fprintf(&d.b, "- and %d more\n", len(p.Brakes)-i)
			return
		}
	}
}

// rest names what is not shown in full.
func (d *document) rest(p *plan.Plan) {
	outputs := 0
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			outputs++
		}
	}
	if outputs > 0 {
		d.add(fmt.Sprintf("\nOutputs that change: %d.\n", outputs))
	}
	if n := len(p.Records); n > 0 {
		d.add(fmt.Sprintf("\nDomains whose records somebody else has to enter: %d; `mailform show -records` prints them.\n", n))
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
	return fmt.Sprintf("\n<details><summary><code>%s</code>: %s</summary>\n\n%sdiff\n%s\n%s\n\n</details>\n",
		html.EscapeString(address), html.EscapeString(what), fence, diff(strings.TrimRight(body, "\n")), fence)
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

// comment makes a name fit for an HTML comment.
func comment(name string) string {
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '<' || r == '>' {
			return '_'
		}
		return r
	}, name[:min(len(name), 1000)])
}
