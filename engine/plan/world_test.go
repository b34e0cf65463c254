package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A world is read from the sections of a txtar archive, a line for each thing:
//
//	-- desired --   ADDRESS TARGET KIND KEY {attributes} [words]
//	-- undo --      what a rollback goes back to, the same; or "made TARGET KIND KEY"
//	-- state --     the same
//	-- observed --  TARGET KIND KEY {attributes} [words]
//	-- outputs --, -- stateoutputs --, -- records --   NAME JSON
//	-- zones --     TARGET ZONE ADDRESS {"exclusive": true, "ignore": [{"name": [], "type": [], "value": []}]}
//	-- moved --      FROM TO
//	-- removed --    ADDRESS [destroy]
//	-- imports --    ADDRESS ID
//	-- options --   mode, target=, exclude= and replace=ADDRESS, confirm=ID,
//	                now=TIME, unknown=OUTPUT, brakes=PERCENT,MINIMUM,RECORDS,MAILBOXES, unseen, unread=TARGET, unfinished
//
// Words: staged=MODE,TTL,MARGIN, cached=TTL,UNTIL,VALUE (with _ for blanks), next=STEP,TIME,TTL,VALUE, after=ADDRESS, prevent_destroy, ignore=ATTRIBUTE, unknown=ATTRIBUTE, owner=ADDRESS,
// revision=R, retained, adopted, declared=PLACE, sensitive. Attributes that are left out are null.
func world(t testing.TB, data []byte) plan.Input {
	t.Helper()
	in := plan.Input{
		Observed: map[string][]providers.Observed{},
		Prior:    &state.State{Lineage: "a-lineage", Serial: 7, Resources: map[schema.ID]*state.Resource{}, Outputs: map[string]state.Output{}},
	}
	for _, f := range txtar.Parse(data).Files {
		for n, l := range strings.Split(string(f.Data), "\n") {
			if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
				continue
			}
			if err := add(&in, f.Name, l, n+1); err != nil {
				t.Fatalf("%s line %d: %v", f.Name, n+1, err)
			}
		}
	}
	return lastApply(t, data, in)
}

// lastApply gives the state of a world a last apply, which began from what the
// section undo says.
func lastApply(t testing.TB, data []byte, in plan.Input) plan.Input {
	t.Helper()
	before := in.Prior.Clone()
	var entries []state.Entry
	for _, f := range txtar.Parse(data).Files {
		if f.Name != "undo" && f.Name != "undooutputs" {
			continue
		}
		for text := range strings.Lines(string(f.Data)) {
			text = strings.TrimSpace(text)
			if f.Name == "undooutputs" {
				was := plan.Input{Prior: &state.State{Outputs: map[string]state.Output{}}}
				if err := addNamed(&was, "stateoutputs", text); err != nil {
					t.Fatal(err)
				}
				before.Outputs = was.Prior.Outputs
				entries = append(entries, state.Entry{Outputs: in.Prior.Outputs})
				continue
			}
			var id schema.ID
			if rest, made := strings.CutPrefix(text, "made "); made {
				f := strings.Fields(rest)
				id = schema.ID{Target: f[0], Kind: f[1], Key: f[2]}
				delete(before.Resources, id)
			} else {
				was := plan.Input{Prior: &state.State{Resources: map[schema.ID]*state.Resource{}}}
				if err := add(&was, "state", text, 0); err != nil {
					t.Fatal(err)
				}
				for id = range was.Prior.Resources {
					before.Resources[id] = was.Prior.Resources[id]
				}
			}
			if now := in.Prior.Resources[id]; now != nil {
				entries = append(entries, state.Entry{Put: now})
			} else {
				entries = append(entries, state.Entry{Delete: &id})
			}
		}
	}
	if len(entries) == 0 {
		return in
	}
	before.Apply([]state.Entry{{Begin: state.NewApplied(state.OperationApply, "ann@example", time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))}})
	before.Apply(entries)
	if !in.Unfinished {
		before.Apply([]state.Entry{{End: true}})
	}
	in.Prior = before
	in.Undo, in.Unfinished = before.Back()
	return in
}

func add(in *plan.Input, section, text string, n int) error {
	switch section {
	case "desired", "state", "observed":
	case "options":
		if target, ok := strings.CutPrefix(text, "target="); ok {
			in.Targets = append(in.Targets, target)
		} else if address, ok := strings.CutPrefix(text, "exclude="); ok {
			in.Excludes = append(in.Excludes, address)
		} else if address, ok := strings.CutPrefix(text, "replace="); ok {
			in.Replaces = append(in.Replaces, address)
		} else if id, ok := strings.CutPrefix(text, "confirm="); ok {
			in.Confirm = append(in.Confirm, id)
		} else if name, ok := strings.CutPrefix(text, "unknown="); ok {
			in.Outputs = append(in.Outputs, config.Output{Name: name, Value: cty.UnknownVal(cty.String)})
		} else if target, ok := strings.CutPrefix(text, "unread="); ok {
			in.Unread = map[string]string{target: "no answer"}
		} else if rest, ok := strings.CutPrefix(text, "brakes="); ok {
			if in.Config == nil {
				in.Config = &config.Config{}
			}
			b := config.Brakes{Range: hcl.Range{Filename: "main.mf.hcl", Start: hcl.Pos{Line: 3}}}
			if _, err := fmt.Sscanf(rest, "%d,%d,%t,%t", &b.Percent, &b.Minimum, &b.Records, &b.Mailboxes); err != nil {
				return err
			}
			in.Config.Brakes = &b
		} else if at, ok := strings.CutPrefix(text, "now="); ok {
			var err error
			in.Now, err = time.Parse(time.RFC3339, at)
			return err
		} else if text == "unseen" {
			in.Unseen = true
		} else if text == "unfinished" {
			in.Unfinished = true
		} else {
			in.Mode = plan.Mode(text)
		}
		return nil
	case "moved", "removed", "imports":
		if in.Config == nil {
			in.Config = &config.Config{}
		}
		a, b, _ := strings.Cut(text, " ")
		ref := plan.ParseAddress(a)
		at := hcl.Range{Filename: "main.mf.hcl", Start: hcl.Pos{Line: n, Column: 1}, End: hcl.Pos{Line: n, Column: 2}}
		if section == "removed" {
			in.Config.Removed = append(in.Config.Removed, config.Removed{From: ref, Destroy: b == "destroy", Range: at})
		} else if section == "moved" {
			in.Config.Moved = append(in.Config.Moved, config.Moved{From: ref, To: plan.ParseAddress(b), Range: at})
		} else {
			in.Config.Imports = append(in.Config.Imports, config.Import{To: ref, ID: b, Range: at})
		}
		return nil
	case "zones":
		return addZone(in, text, n)
	case "outputs", "stateoutputs", "records":
		return addNamed(in, section, text)
	default:
		return nil // what is expected
	}
	l, err := parseLine(text, section != "observed")
	if err != nil {
		return err
	}
	id := schema.ID{Target: l.target, Kind: l.kind, Key: l.key}
	switch section {
	case "desired":
		staging, err := stagingOf(l.word("staged"))
		if err != nil {
			return err
		}
		in.Desired = append(in.Desired, schema.Resource{
			Address: l.address, Kind: l.kind, Target: l.target, Key: l.key, Attrs: l.attrs,
			DependsOn: l.words["after"], PreventDestroy: l.words["prevent_destroy"] != nil, IgnoreChanges: l.words["ignore"], Staging: staging,
			Range: hcl.Range{Filename: "main.mf.hcl", Start: hcl.Pos{Line: n, Column: 1}, End: hcl.Pos{Line: n, Column: 2}},
		})
	case "state":
		staging, err := rememberedOf(l.words["cached"], l.word("next"))
		if err != nil {
			return err
		}
		in.Prior.Resources[id] = &state.Resource{
			ID: id, Address: l.address, Attrs: state.Keep(l.kind, l.attrs),
			DependsOn: l.words["after"], PreventDestroy: l.words["prevent_destroy"] != nil,
			Adopted: l.words["adopted"] != nil, Declared: l.word("declared"), Staging: staging,
		}
	case "observed":
		if in.Unseen { // the state has no secrets
			l.attrs = state.Redact(l.kind, l.attrs)
		}
		in.Observed[l.target] = append(in.Observed[l.target], providers.Observed{
			Kind: l.kind, Key: l.key, Attrs: l.attrs,
			Owner: l.word("owner"), Revision: l.word("revision"), Retained: l.words["retained"] != nil,
		})
	}
	return nil
}

func addZone(in *plan.Input, text string, n int) error {
	f := strings.SplitN(text, " ", 4)
	var said struct {
		Exclusive bool
		Ignore    []struct{ Name, Type, Value []string }
	}
	if err := json.Unmarshal([]byte(f[3]), &said); err != nil {
		return err
	}
	at := hcl.Range{Filename: "main.mf.hcl", Start: hcl.Pos{Line: n, Column: 1}}
	z := &ignore.Zone{Target: f[0], Name: rdata.Name(f[1]), Address: f[2], Exclusive: said.Exclusive, Range: at}
	for i, s := range said.Ignore {
		r, err := ignore.NewRule(s.Name, s.Type, s.Value)
		if err != nil {
			return err
		}
		r.Range = at
		r.Range.Start.Line = 10*n + i
		z.Rules = append(z.Rules, r)
	}
	in.Zones = append(in.Zones, z)
	return nil
}

// stagingOf reads how a record set moves: "ours,300,0".
func stagingOf(text string) (*schema.Staging, error) {
	if text == "" {
		return nil, nil
	}
	mode, times, _ := strings.Cut(text, ",")
	s := &schema.Staging{When: map[string]schema.StagingMode{"ours": schema.StageOurs, "followed": schema.StageFollowed, "any": schema.StageAny}[mode]}
	_, err := fmt.Sscanf(times, "%d,%d", &s.TTL, &s.Margin)
	return s, err
}

// rememberedOf reads what a state remembers of such a set.
func rememberedOf(cached []string, next string) (*state.Staging, error) {
	if len(cached) == 0 && next == "" {
		return nil, nil
	}
	s := &state.Staging{}
	for _, text := range cached {
		f := strings.Split(strings.ReplaceAll(text, "_", " "), ",")
		until, err := time.Parse(time.RFC3339, f[1])
		if err != nil {
			return nil, err
		}
		v := state.Version{Until: until, Values: f[2:]}
		if _, err := fmt.Sscan(f[0], &v.TTL); err != nil {
			return nil, err
		}
		s.Cached = append(s.Cached, v)
	}
	if next != "" {
		f := strings.Split(strings.ReplaceAll(next, "_", " "), ",")
		at, err := time.Parse(time.RFC3339, f[1])
		if err != nil {
			return nil, err
		}
		s.Next = &state.Stage{Step: f[0], NotBefore: at, Values: f[3:]}
		if _, err := fmt.Sscan(f[2], &s.Next.TTL); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func addNamed(in *plan.Input, section, text string) error {
	name, rest, _ := strings.Cut(text, " ")
	if section == "records" {
		if in.Records == nil {
			in.Records = map[string][]string{}
		}
		in.Records[name] = append(in.Records[name], rest)
		return nil
	}
	raw, sensitive := strings.CutSuffix(rest, " sensitive")
	ty, err := ctyjson.ImpliedType([]byte(raw))
	if err != nil {
		return err
	}
	v, err := ctyjson.Unmarshal([]byte(raw), ty)
	if err != nil {
		return err
	}
	if section == "outputs" {
		in.Outputs = append(in.Outputs, config.Output{Name: name, Value: v, Sensitive: sensitive})
		return nil
	}
	in.Prior.Outputs[name], err = state.NewOutput(v, sensitive)
	return err
}

type line struct {
	address, target, kind, key string
	attrs                      cty.Value
	words                      map[string][]string
}

func (l *line) word(name string) string { return strings.Join(l.words[name], "") }

func parseLine(text string, address bool) (*line, error) {
	l := &line{words: map[string][]string{}}
	fields := []*string{&l.target, &l.kind, &l.key}
	if address {
		fields = append([]*string{&l.address}, fields...)
	}
	for _, f := range fields {
		*f, text, _ = strings.Cut(text, " ")
	}
	dec := json.NewDecoder(strings.NewReader(text))
	var attrs map[string]json.RawMessage
	if err := dec.Decode(&attrs); err != nil {
		return nil, err
	}
	for _, w := range strings.Fields(text[dec.InputOffset():]) {
		name, value, _ := strings.Cut(w, "=")
		l.words[name] = append(l.words[name], value)
	}
	k := schema.KindByName(l.kind)
	if k == nil {
		return nil, fmt.Errorf("there is no kind %q", l.kind)
	}
	vals := map[string]cty.Value{}
	for _, a := range k.Attributes {
		vals[a.Name] = cty.NullVal(a.Type)
		if raw, ok := attrs[a.Name]; ok {
			v, err := ctyjson.Unmarshal(raw, a.Type)
			if err != nil {
				return nil, err
			}
			vals[a.Name] = v
			delete(attrs, a.Name)
		}
	}
	for name := range attrs {
		return nil, fmt.Errorf("a %s has no %q", l.kind, name)
	}
	for _, name := range l.words["unknown"] {
		vals[name] = cty.UnknownVal(k.Attribute(name).Type).RefineNotNull()
	}
	l.attrs = cty.ObjectVal(vals)
	return l, nil
}
