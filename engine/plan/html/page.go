package html

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	planText "github.com/mailform/mailform/engine/plan/text"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// What a browser can still show. What is left out is counted.
const (
	mostPictures = 200
	mostChanges  = 3000
)

// A view is what the page shows.
type view struct {
	Name, Headline, Time   string
	Empty                  bool
	Numbers                []number
	Brakes, Waived, Failed []string
	Pictures               []picture
	MorePictures           int
	Moves                  []move
	Groups                 []group
	MoreChanges            int
	Drift                  []change
	Outputs                []string
	Foreign                int
	Unread                 []string
	Records                []records
}

type number struct {
	N    int
	What string
}

// A move is a change in stages.
type move struct {
	Address  string
	From, To []string
	Steps    []step
	Kept     string
}

type step struct {
	When, Does string
	Due        bool
}

// A group is what changes of a domain, or of the servers.
type group struct {
	Name    string
	Changes []change
}

type change struct {
	Address, Action string
	Lines           []diffLine
}

// A diffLine is a line of a diff; Sort is "add", "del", "mod" or empty.
type diffLine struct{ Text, Sort string }

type records struct{ Domain, Lines string }

// Plan writes a plan as a page. name is what it is the plan of.
func Plan(w io.Writer, p *plan.Plan, name string) error {
	v := view{Name: name, Empty: p.Empty(), Headline: headline(p), Foreign: len(p.Foreign)}
	if !p.Time.IsZero() {
		v.Time = planText.Time(p.Time)
	}
	s := p.Summary()
	for _, n := range []number{{s.Add, "to add"}, {s.Change, "to change"}, {s.Destroy, "to destroy"}, {s.Import, "to import"}, {s.Forget, "to forget"}} {
		if n.N > 0 {
			v.Numbers = append(v.Numbers, n)
		}
	}
	for _, b := range p.Brakes {
		how := " (plan with -confirm=" + b.ID + ")"
		if b.Confirmed {
			how = " (confirmed)"
		}
		v.Brakes = append(v.Brakes, b.Detail+how)
	}
	for _, b := range p.Waived {
		v.Waived = append(v.Waived, b.Detail)
	}
	for _, c := range p.Checks {
		if c.Status == config.CheckFail || c.Status == config.CheckError {
			v.Failed = append(v.Failed, "check."+c.Name+": "+strings.Join(c.Problems, " "))
		}
	}
	v.Pictures = pictures(p)
	if n := len(v.Pictures) - mostPictures; n > 0 {
		v.Pictures, v.MorePictures = v.Pictures[:mostPictures], n
	}
	v.stages(p)
	if err := v.changes(p); err != nil {
		return err
	}
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			v.Outputs = append(v.Outputs, fmt.Sprintf("%s: %s", o.Name, o.Action))
		}
	}
	for target, why := range p.Unread {
		v.Unread = append(v.Unread, target+": "+why)
	}
	slices.Sort(v.Unread)
	for domain, lines := range p.Records {
		v.Records = append(v.Records, records{domain, strings.Join(lines, "\n")})
	}
	slices.SortFunc(v.Records, func(a, b records) int { return strings.Compare(a.Domain, b.Domain) })
	return page.Execute(w, v)
}

func headline(p *plan.Plan) string {
	switch {
	case p.Empty():
		return "No changes"
	case p.Mode == plan.RefreshOnly:
		return fmt.Sprintf("%d changed outside of mailform", len(p.Drift))
	}
	return strings.TrimSuffix(p.Summary().String(), ".")
}

func (v *view) stages(p *plan.Plan) {
	for i := range p.Staged {
		m := &p.Staged[i]
		out := move{Address: m.Address, From: m.From, To: m.To}
		for n := range m.Steps {
			s := &m.Steps[n]
			out.Steps = append(out.Steps, step{planText.When(s, m.Begins && n == 0), planText.Does(m, n), s.Due})
		}
		if len(m.Kept) > 0 {
			out.Kept = planText.Kept(m)
		}
		v.Moves = append(v.Moves, out)
	}
}

// changes are those of each domain, and those of the servers before them.
func (v *view) changes(p *plan.Plan) error {
	at := map[string]int{}
	shown := 0
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		if shown++; shown > mostChanges {
			v.MoreChanges++
			continue
		}
		var b strings.Builder
		if err := planText.Change(&b, c, planText.Style{}); err != nil {
			return err
		}
		name := c.Domain()
		if _, ok := at[name]; !ok {
			at[name] = len(v.Groups)
			v.Groups = append(v.Groups, group{Name: name})
		}
		g := &v.Groups[at[name]]
		g.Changes = append(g.Changes, change{c.Address, string(c.Action), diff(b.String())})
	}
	slices.SortStableFunc(v.Groups, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	for i := range p.Drift {
		d := &p.Drift[i]
		var b strings.Builder
		if err := planText.Drift(&b, d, planText.Style{}); err != nil {
			return err
		}
		v.Drift = append(v.Drift, change{d.Address, string(d.Action), diff(b.String())})
	}
	return nil
}

// diff tells the lines of a text apart by what they begin with.
func diff(text string) []diffLine {
	var out []diffLine
	for l := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		d := diffLine{Text: l}
		switch t := strings.TrimLeft(l, " "); {
		case strings.HasPrefix(t, "-/+"), strings.HasPrefix(t, "+/-"), strings.HasPrefix(t, "~"):
			d.Sort = "mod"
		case strings.HasPrefix(t, "+"):
			d.Sort = "add"
		case strings.HasPrefix(t, "-"):
			d.Sort = "del"
		}
		out = append(out, d)
	}
	return out
}
