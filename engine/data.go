package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// maxLookups is how many questions of data blocks are on their way at once.
const maxLookups = 32

// A lookup answers data blocks, each question once in a session: all rounds of
// evaluation see the same world.
type lookup struct {
	ctx     context.Context
	ws      *Workspace
	lineage string

	mu      sync.Mutex
	answers map[string]*asked
	targets map[string]*held
}

// An asked is a question and its answer, which is waited for once.
type asked struct {
	once   sync.Once
	answer config.DataAnswer
}

// A held is what a target has, read when the first block asks for it.
type held struct {
	once sync.Once
	list []providers.Observed
	err  error
}

func newLookup(ctx context.Context, ws *Workspace, lineage string) *lookup {
	return &lookup{ctx: ctx, ws: ws, lineage: lineage, answers: map[string]*asked{}, targets: map[string]*held{}}
}

// ask is a config.Options.Data.
func (l *lookup) ask(queries []config.DataQuery) []config.DataAnswer {
	out := make([]config.DataAnswer, len(queries))
	slots := make(chan struct{}, maxLookups)
	var wg sync.WaitGroup
	for i, q := range queries {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = l.answer(q)
		})
	}
	wg.Wait()
	return out
}

func (l *lookup) answer(q config.DataQuery) config.DataAnswer {
	args, err := ctyjson.Marshal(q.Args, q.Args.Type())
	if err != nil {
		return config.DataAnswer{Err: err}
	}
	key := q.Source + " " + string(args)
	l.mu.Lock()
	a := l.answers[key]
	if a == nil {
		a = &asked{}
		l.answers[key] = a
	}
	l.mu.Unlock()
	a.once.Do(func() { a.answer.Value, a.answer.Err = l.find(q) })
	return a.answer
}

// find answers a question that has not been asked yet.
func (l *lookup) find(q config.DataQuery) (cty.Value, error) {
	switch q.Source {
	case "mailboxes":
		return l.mailboxes(q)
	case "records":
		return l.records(q)
	case "ldap_users":
		return l.query(q)
	default:
		source := l.ws.NewDataSource(q.Source, l.ws.Dir)
		if source == nil {
			return cty.NilVal, fmt.Errorf("this version of mailform cannot read %q", q.Source)
		}
		return source.Query(l.ctx, q.Args)
	}
}

// have reads what the providers of a question have, each target once.
func (l *lookup) have(q config.DataQuery) ([]providers.Observed, error) {
	var all []providers.Observed
	for i := range q.Providers {
		p := &q.Providers[i]
		l.mu.Lock()
		h := l.targets[p.Target()]
		if h == nil {
			h = &held{}
			l.targets[p.Target()] = h
		}
		l.mu.Unlock()
		h.once.Do(func() { h.list, h.err = l.read(p) })
		if h.err != nil {
			return nil, h.err
		}
		all = append(all, h.list...)
	}
	return all, nil
}

func (l *lookup) read(p *config.Provider) ([]providers.Observed, error) {
	provider, err := l.provider(p)
	if err != nil {
		return nil, err
	}
	return provider.Read(l.ctx, providers.Scope{})
}

// provider makes a provider that is configured for its target.
func (l *lookup) provider(p *config.Provider) (providers.Provider, error) {
	provider := l.ws.NewProvider(p.Name)
	if provider == nil {
		return nil, fmt.Errorf("there is no provider %q", p.Name)
	}
	cfg := providers.Config{Value: p.Value, Dir: l.ws.Dir, Lineage: l.lineage}
	if diags := provider.Configure(l.ctx, cfg); diags.HasErrors() {
		return nil, diags
	}
	return provider, nil
}

// query asks the provider that a block names.
func (l *lookup) query(q config.DataQuery) (cty.Value, error) {
	if len(q.Providers) != 1 {
		return cty.NilVal, fmt.Errorf("provider names %d providers, and one can be asked", len(q.Providers))
	}
	provider, err := l.provider(&q.Providers[0])
	if err != nil {
		return cty.NilVal, err
	}
	querier, ok := provider.(providers.Querier)
	if !ok {
		return cty.NilVal, fmt.Errorf("the provider %s has no %s", q.Providers[0].Target(), q.Source)
	}
	return querier.Query(l.ctx, q.Source, q.Args)
}

func (l *lookup) mailboxes(q config.DataQuery) (cty.Value, error) {
	all, err := l.have(q)
	if err != nil {
		return cty.NilVal, err
	}
	within := ""
	if v := q.Args.GetAttr("domain"); !v.IsNull() {
		domain, err := schema.ParseDomainName(v.AsString())
		if err != nil {
			return cty.NilVal, err
		}
		within = "@" + domain
	}
	found := map[string]cty.Value{}
	var addresses []cty.Value
	for _, o := range all {
		if o.Kind != schema.KindMailbox || o.Retained || !strings.HasSuffix(o.Key, within) {
			continue
		}
		found[o.Key] = pick(o.Attrs, schema.MailboxDataType)
		addresses = append(addresses, cty.StringVal(o.Key))
	}
	if len(found) == 0 {
		return cty.ObjectVal(map[string]cty.Value{
			"addresses": cty.ListValEmpty(cty.String), "mailboxes": cty.MapValEmpty(schema.MailboxDataType),
		}), nil
	}
	slices.SortFunc(addresses, func(a, b cty.Value) int { return strings.Compare(a.AsString(), b.AsString()) })
	return cty.ObjectVal(map[string]cty.Value{"addresses": cty.ListVal(addresses), "mailboxes": cty.MapVal(found)}), nil
}

func (l *lookup) records(q config.DataQuery) (cty.Value, error) {
	all, err := l.have(q)
	if err != nil {
		return cty.NilVal, err
	}
	zone, err := schema.ParseDomainName(q.Args.GetAttr("zone").AsString())
	if err != nil {
		return cty.NilVal, err
	}
	exists := false
	var sets []cty.Value
	for _, o := range all {
		switch {
		case o.Kind == schema.KindZone && sameName(o.Attrs.GetAttr("name"), zone):
			exists = true
		case o.Kind == schema.KindRRset && sameName(o.Attrs.GetAttr("zone"), zone):
			sets = append(sets, pick(o.Attrs, schema.RecordDataType))
		}
	}
	slices.SortFunc(sets, func(a, b cty.Value) int {
		if c := strings.Compare(a.GetAttr("name").AsString(), b.GetAttr("name").AsString()); c != 0 {
			return c
		}
		return strings.Compare(a.GetAttr("type").AsString(), b.GetAttr("type").AsString())
	})
	list := cty.ListValEmpty(schema.RecordDataType)
	if len(sets) > 0 {
		list = cty.ListVal(sets)
	}
	return cty.ObjectVal(map[string]cty.Value{"exists": cty.BoolVal(exists), "records": list}), nil
}

// sameName compares a name of a kind's attribute with one without final dot.
func sameName(v cty.Value, name string) bool {
	return strings.TrimSuffix(v.AsString(), ".") == strings.TrimSuffix(name, ".")
}

// pick takes some attributes of an object.
func pick(from cty.Value, t cty.Type) cty.Value {
	values := map[string]cty.Value{}
	for name := range t.AttributeTypes() {
		values[name] = from.GetAttr(name)
	}
	return cty.ObjectVal(values)
}
