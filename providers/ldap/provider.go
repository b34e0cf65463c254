package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Provider keeps mailboxes and routes in one directory.
type Provider struct {
	server   *server
	write    credentials
	reads    credentials
	base     string
	mappings []*mapping // one for each of standards
	lineage  string

	known *facts // once the server has been asked
}

// Configure implements providers.Provider. It asks the server nothing.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() {
		return fault(errors.New("there is no block provider \"ldap\" any more that says where the directory is"))
	}
	value, _ := cfg.Value.UnmarkDeep()
	*p = Provider{lineage: cfg.Lineage, base: text(value, "base")}
	var err error
	if p.server, p.write, err = parseServer(value, cfg.Dir); err != nil {
		return fault(err)
	}
	if _, err := goldap.ParseDN(p.base); err != nil {
		return fault(fmt.Errorf("base: %q is no name of an entry", p.base))
	}
	p.reads = p.write
	if value.Type().HasAttribute("read") {
		if read := value.GetAttr("read"); !read.IsNull() {
			p.reads = credentials{text(read, "bind_dn"), text(read, "bind_password")}
		}
	}
	for i := range standards {
		block := cty.NilVal
		if value.Type().HasAttribute(standards[i].block) {
			block = value.GetAttr(standards[i].block)
		}
		m, err := parseMapping(&standards[i], block)
		if err != nil {
			return fault(fmt.Errorf("%s: %w", standards[i].block, err))
		}
		p.mappings = append(p.mappings, m)
	}
	return p.server.warn(p.write)
}

// parseServer reads the arguments that say where a directory is.
func parseServer(value cty.Value, dir string) (*server, credentials, error) {
	s := &server{url: text(value, "url"), pageSize: 1000}
	var err error
	if s.at, err = schema.ParseLDAP(s.url); err != nil {
		return nil, credentials{}, fmt.Errorf("url: %w", err)
	}
	if s.timeout, err = schema.ParseDuration(cmp.Or(text(value, "timeout"), "30s")); err != nil {
		return nil, credentials{}, fmt.Errorf("timeout: %w", err)
	}
	if s.timeout <= 0 {
		return nil, credentials{}, errors.New("timeout: no server answers in no time")
	}
	s.startTLS = value.Type().HasAttribute("start_tls") && value.GetAttr("start_tls").RawEquals(cty.True)
	if s.startTLS && s.at.Scheme != "ldap" {
		return nil, credentials{}, fmt.Errorf("start_tls: %s:// does not begin in clear text", s.at.Scheme)
	}
	if s.caFile = text(value, "ca_file"); s.caFile != "" && !filepath.IsAbs(s.caFile) {
		s.caFile = filepath.Join(dir, s.caFile)
	}
	if value.Type().HasAttribute("page_size") {
		if v := value.GetAttr("page_size"); v.IsKnown() && !v.IsNull() {
			n, _ := v.AsBigFloat().Uint64()
			s.pageSize = uint32(min(max(n, 1), 100000))
		}
	}
	who := credentials{text(value, "bind_dn"), text(value, "bind_password")}
	switch {
	case who.dn == "" && who.password != "":
		return nil, who, errors.New("bind_password without bind_dn: whose password is it")
	case who.dn != "" && who.password == "":
		return nil, who, errors.New("bind_password is empty or not known. A directory takes a name without a password for nobody")
	}
	return s, who, nil
}

// warn says that a password goes over the network in clear text.
func (s *server) warn(who credentials) hcl.Diagnostics {
	if who.dn == "" || s.startTLS || s.at.Scheme != "ldap" || loopback(s.at.Host) {
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Password without TLS",
		Detail: fmt.Sprintf("The provider ldap sends its bind_password to %s in clear text, and the password hashes of users too. Write start_tls = true, or a url with ldaps://.", s.at.Address)}}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func fault(err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration", Detail: "The provider ldap cannot be set up: " + err.Error() + "."}}
}

// layouts are how the directory holds each kind. The server is asked once.
func (p *Provider) layouts(ctx context.Context, c *client) (map[string]*layout, error) {
	if p.known == nil {
		var err error
		if p.known, err = c.facts(ctx); err != nil {
			return nil, err
		}
	}
	out := map[string]*layout{}
	for _, m := range p.mappings {
		l, err := m.layoutFor(cmp.Or(p.base, p.known.contexts), &p.known.subschema)
		if err != nil {
			return nil, err
		}
		out[m.kind] = l
	}
	return out, nil
}

// Validate implements providers.Validator: what the server's schema has no room
// for is told before there is a plan.
func (p *Provider) Validate(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	c, err := p.server.connect(ctx, p.reads, 1)
	if err != nil {
		return nil, err
	}
	defer c.close()
	layouts, err := p.layouts(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := c.meet(ctx, layouts[schema.KindMailbox], layouts[schema.KindRoute]); err != nil {
		return nil, err
	}
	for _, r := range wanted {
		if routes := layouts[schema.KindRoute]; routes.groups && r.Kind == schema.KindMailbox { // who is there by then
			routes.members.know(r.Key, layouts[r.Kind].dn(r.Key))
		}
	}
	var problems []providers.Problem
	told := map[string]bool{}
	for _, r := range wanted {
		l := layouts[r.Kind]
		if l == nil || told[r.Kind] || r.Attrs == cty.NilVal || !r.Attrs.IsKnown() {
			continue
		}
		if l.missing != nil { // of one as of all
			told[r.Kind] = true
			problems = append(problems, providers.Problem{Address: r.Address, Detail: l.missing.Error() + "."})
			continue
		}
		var lack *lacking
		if _, err := l.wish(r, nil); errors.As(err, &lack) {
			problems = append(problems, providers.Problem{Address: r.Address, Attribute: lack.attribute, Detail: lack.why + "."})
		}
	}
	return problems, nil
}

// few is how many addresses are looked for one by one; more are found among all.
const few, perFilter = 200, 50

// Read implements providers.Provider: all entries of each kind, or for a part of
// the configuration those that it names. Kinds are read side by side.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	c, err := p.server.connect(ctx, p.reads, len(p.mappings))
	if err != nil {
		return nil, err
	}
	defer c.close()
	layouts, err := p.layouts(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := c.meet(ctx, layouts[schema.KindMailbox], layouts[schema.KindRoute]); err != nil {
		return nil, err
	}
	wanted := map[schema.ID]cty.Value{}
	known := map[schema.ID]bool{}
	part := map[string][]string{}
	for _, r := range scope.Wanted {
		id := schema.ID{Kind: r.Kind, Key: r.Key}
		wanted[id], known[id] = r.Attrs, true
		part[r.Kind] = append(part[r.Kind], r.Key)
	}
	for _, id := range scope.Prior {
		known[schema.ID{Kind: id.Kind, Key: id.Key}] = true
	}
	found := make([][]providers.Observed, len(p.mappings))
	errs := make([]error, len(p.mappings))
	var wg sync.WaitGroup
	for i, m := range p.mappings {
		l := layouts[m.kind]
		if l.missing != nil || scope.Part && len(part[m.kind]) == 0 {
			continue
		}
		var addresses []string
		if scope.Part {
			addresses = part[m.kind]
		}
		wg.Go(func() {
			ours := func(key string) bool { return known[schema.ID{Kind: l.kind, Key: key}] }
			entries, err := c.load(ctx, l, l.seen(), addresses, ours)
			if err != nil {
				errs[i] = err
				return
			}
			for key, list := range entries {
				if len(list) > 1 && ours(key) {
					errs[i] = twice(key, list)
				}
				o := list[0].observed(l.kind, p.lineage)
				o.Attrs = inOrder(wanted[schema.ID{Kind: l.kind, Key: key}], o.Attrs)
				found[i] = append(found[i], o)
			}
			slices.SortFunc(found[i], func(a, b providers.Observed) int { return cmp.Compare(a.Key, b.Key) })
		})
	}
	wg.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}

// twice is the error of an address that more than one entry has.
func twice(key string, list []*entry) error {
	return fmt.Errorf("two entries of the directory have the address %s, %s and %s: it is not clear which is meant. Take it from one of them, or leave one out by filter", key, list[0].dn, list[1].dn)
}

// load finds, with some attributes, the entries with some addresses; nil: all. Several entries with one
// address are sorted by name.
func (c *client) load(ctx context.Context, l *layout, attributes, addresses []string, known func(string) bool) (map[string][]*entry, error) {
	filters := []string{l.all(nil)}
	if addresses != nil && len(addresses) <= few {
		filters = nil
		for some := range slices.Chunk(addresses, perFilter) {
			filters = append(filters, l.all(some))
		}
	}
	out := map[string][]*entry{}
	for _, filter := range filters {
		err := c.find(ctx, search{l.base, goldap.ScopeWholeSubtree, filter, attributes}, func(found *goldap.Entry) error {
			if e := l.read(found, known); e != nil {
				out[e.key] = append(out[e.key], e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.dn, b.dn) })
	}
	return out, nil
}

// inOrder gives passwords the order in which they are declared: a directory has
// none.
func inOrder(want, have cty.Value) cty.Value {
	if want == cty.NilVal || want.IsNull() || !want.IsKnown() || !want.Type().Equals(have.Type()) || !have.Type().HasAttribute("password_hash") {
		return have
	}
	w, h := want.GetAttr("password_hash"), have.GetAttr("password_hash")
	if !w.IsWhollyKnown() || w.IsNull() || w.RawEquals(h) || !sameSet(stringsOf(w), stringsOf(h)) {
		return have
	}
	vals := have.AsValueMap()
	vals["password_hash"] = w
	return cty.ObjectVal(vals)
}
