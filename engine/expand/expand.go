package expand

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/clients"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// Known tells the attributes of a resource as it is in the world or was last
// remembered, so that values that were born in an earlier apply are known in
// this one. It reports false for what it does not know.
type Known func(id schema.ID) (attrs cty.Value, ok bool)

// Options are what expansion needs beyond the configuration.
type Options struct {
	// Version of mailform, which a running daemon has to have.
	Version string
	// Known may be nil: then everything that is born in apply is unknown.
	Known Known
	// Partial accepts unknown values where a known one is needed to tell what a
	// resource is: for validation without all variables. What cannot be told is
	// left out, and what refers to it is not judged.
	Partial bool
}

// A Result is what a configuration comes to.
type Result struct {
	// Resources sorted by address.
	Resources []schema.Resource
	// Computed attributes of the domain and zone blocks.
	Computed config.Computed
	// Records of the domains that have no name server of ours, by domain name
	// without trailing dot: lines of a zone file, for the one who runs the zone.
	// A line that is not known yet is a comment that says so.
	Records map[string][]string
	// NameServers are those that blocks declare, in the order of the configuration.
	NameServers []NameServer
	// MailDomains are the domains whose users and routes are kept somewhere, in the
	// order of the configuration.
	MailDomains []MailDomain
	// MailServers are the servers that blocks declare, by the address of the block.
	MailServers map[string]MailServer
	// Zones of which the files say what in them is somebody else's, or that all
	// else is to go.
	Zones []*ignore.Zone
}

// A MailDomain is a domain block, with the targets that keep the mailboxes of its
// users and its routes: those of its server, or a directory.
type MailDomain struct {
	Ref               schema.Ref
	Host              string
	Mailboxes, Routes string
	// Servers are the addresses of the server blocks that serve the domain, that with
	// the mailboxes first. Directory is set where its users are found in one.
	Servers   []string
	Directory bool
}

// A MailServer is a server block, with where mail programs get in. Unknown is set
// where that hangs on values that are not known yet.
type MailServer struct {
	Doors   []clients.Door
	Unknown bool
	// Certificates is the target whose own authority signs the server's certificate;
	// empty: it has one from files.
	Certificates string
}

// A NameServer is one that a block declares.
type NameServer struct {
	Ref    schema.Ref
	Host   rdata.Name
	Target string
}

// Expand makes resources of blocks. The result is nil if and only if the
// diagnostics have errors; they are sorted by their place in the files.
func Expand(cfg *config.Config, opts Options) (*Result, hcl.Diagnostics) {
	e := newExpander(cfg, opts)
	e.readDirectories()
	e.readServers()
	e.readWebs()
	e.readNameservers()
	e.readZones()
	e.readDomains()
	e.readUsers()
	e.addAppPasswords()
	e.readAliases()
	e.finishDomains()
	e.addAliasRoutes()
	e.leaveOutClosed()
	e.readRecords()
	e.addConsequences()
	e.addDelegationSigners()
	e.checkRoutes()
	e.checkSets()
	e.checkIgnored()
	e.emitSets()
	e.emitProcesses()
	e.emitServices()
	e.checkHoldings()
	e.linkDependencies()
	Sort(e.diags)
	if e.diags.HasErrors() {
		return nil, e.diags
	}
	slices.SortFunc(e.out, func(a, b schema.Resource) int { return cmp.Compare(a.Address, b.Address) })
	res := &Result{Resources: e.out, Computed: config.Computed{}, Records: map[string][]string{}, MailServers: map[string]MailServer{}, Zones: e.hands()}
	for _, b := range e.byType["nameserver"] {
		if ns := e.nameservers[b]; ns != nil {
			res.NameServers = append(res.NameServers, NameServer{b.inst.Ref, ns.host, ns.target})
		}
	}
	for _, d := range e.domainList {
		if home, ok := d.home(); ok {
			res.MailDomains = append(res.MailDomains, MailDomain{d.inst.Ref, d.host, home.mailboxes, home.routes, d.serverNames(), home.server == nil})
		}
	}
	for b, srv := range e.servers {
		m := MailServer{Doors: srv.doors, Unknown: srv.undecided}
		if v := e.section(b).attr("tls"); v.fact() == absent {
			m.Certificates = srv.roles[roleStore]
		}
		res.MailServers[b.addr] = m
	}
	e.describeDomains(res)
	return res, e.diags
}

// An expander holds what one call of Expand works with.
type expander struct {
	cfg   *config.Config
	opts  Options
	diags hcl.Diagnostics
	// partial is set once something had to be left out: see Options.Partial.
	partial bool

	blocks map[string]*block   // by address
	byType map[string][]*block // in the order of the configuration

	out   []schema.Resource
	owner []*block // of each resource in out; nil for a process

	servers     map[*block]*server
	directories map[*block]*directory
	nameservers map[*block]*nameserver
	webs        map[*block]*web
	domains     map[*block]*domain
	domainList  []*domain
	byDomain    map[string]*domain // by name without trailing dot
	zones       map[*block]*zone
	zoneList    []*zone
	byZone      map[rdata.Name]*zone

	ports  map[[2]string]*portUse // by machine and port
	mail   map[string]*mailEntry  // by address
	routes []*mailEntry           // those of mail that hand mail on
	closed map[mailAddress]bool   // those that get no mail, where a pair of servers has them
	sets   map[setKey]*rrset
	// setList holds the sets in the order in which they were made.
	setList []*rrset
	// names are the sets by zone and name, once all are there.
	names map[setKey][]*rrset
	used  map[string]*block // targets, with the first block that uses each

	// disables are the checks that blocks switch off.
	disables map[*block][]string
	// homes are where the mailboxes of users are kept, where app passwords ask.
	homes map[*block]home
	// warned counts the warnings of each check.
	warned map[string]int

	// What many resources have in common is made once.
	sizes   map[string]int64
	numbers map[int64]cty.Value
	words   map[string]cty.Value
}

// A block is an instance of a block on its way to resources.
type block struct {
	inst *config.Instance
	addr string
	// mail is the mail address of a user, an alias or a shared folder; empty if it has none.
	mail string
	// parent holds what the resources of this block live in.
	parent *block
}

func newExpander(cfg *config.Config, opts Options) *expander {
	n := len(cfg.Instances)
	e := &expander{
		cfg: cfg, opts: opts,
		blocks: make(map[string]*block, n), byType: map[string][]*block{},
		out: make([]schema.Resource, 0, n+n/4+16), owner: make([]*block, 0, n+n/4+16),
		servers: map[*block]*server{}, directories: map[*block]*directory{}, nameservers: map[*block]*nameserver{}, webs: map[*block]*web{},
		domains: map[*block]*domain{}, byDomain: map[string]*domain{},
		zones: map[*block]*zone{}, byZone: map[rdata.Name]*zone{},
		ports: map[[2]string]*portUse{}, mail: make(map[string]*mailEntry, n), closed: map[mailAddress]bool{},
		sets: map[setKey]*rrset{}, disables: map[*block][]string{}, homes: map[*block]home{}, warned: map[string]int{}, used: map[string]*block{},
		sizes: map[string]int64{}, numbers: map[int64]cty.Value{}, words: map[string]cty.Value{},
	}
	list := make([]block, n)
	for i := range cfg.Instances {
		inst := &cfg.Instances[i]
		b := &list[i]
		b.inst, b.addr = inst, inst.Ref.Block().String()
		e.blocks[b.addr] = b
		e.byType[inst.Ref.Type] = append(e.byType[inst.Ref.Type], b)
	}
	return e
}

// add puts a resource of a block into the result.
func (e *expander) add(b *block, suffix, kind, target, key string, attrs map[string]cty.Value) {
	e.put(b, suffix, kind, target, key)
	e.out[len(e.out)-1].Attrs = schema.KindByName(kind).Object(attrs)
}

// put is add of a resource whose attributes come later.
func (e *expander) put(b *block, suffix, kind, target, key string) {
	e.out = append(e.out, schema.Resource{
		Address:        b.addr + suffix,
		Kind:           kind,
		Target:         target,
		Key:            key,
		PreventDestroy: b.inst.PreventDestroy,
		IgnoreChanges:  ignored(b.inst, kind),
		Range:          b.inst.Range,
	})
	e.owner = append(e.owner, b)
}

// ignored are the attributes of a kind whose changes a block ignores.
func ignored(inst *config.Instance, kind string) []string {
	var names []string
	if inst.IgnoreAll {
		for _, a := range schema.KindByName(kind).Attributes {
			if !a.Immutable && !a.Computed {
				names = append(names, a.Name)
			}
		}
		return names
	}
	for _, path := range inst.IgnoreChanges {
		if k, name, _ := strings.Cut(path, "."); k == kind {
			names = append(names, name)
		}
	}
	return names
}

// emitProcesses makes a process for each embedded instance in use.
func (e *expander) emitProcesses() {
	dirs := map[string]string{}
	targets := make([]string, 0, len(e.used))
	for t := range e.used {
		if runs(t) {
			targets = append(targets, t)
		}
	}
	slices.Sort(targets)
	for _, target := range targets {
		rng, value := e.used[target].inst.Range, cty.NilVal
		for i := range e.cfg.Providers {
			if p := &e.cfg.Providers[i]; p.Target() == target {
				rng, value = p.Range, p.Value
			}
		}
		at, ok := schema.EmbeddedDataDir(value, e.cfg.Dir)
		if !ok {
			e.needKnown(rng, "The data directory of provider "+target)
			continue
		}
		dir := at.Key()
		if other, ok := dirs[dir]; ok {
			e.errorAt(rng, "Two servers in one data directory",
				"The providers %s and %s have the same data_dir, %s. Each needs a directory of its own.", other, target, dir)
			continue
		}
		dirs[dir] = target
		e.out = append(e.out, schema.Resource{
			Address: "provider." + target + ".process",
			Kind:    schema.KindProcess,
			Target:  target,
			Key:     dir,
			Attrs: cty.ObjectVal(map[string]cty.Value{
				"data_dir": cty.StringVal(at.Path),
				"running":  cty.True,
				"version":  cty.StringVal(e.opts.Version),
			}),
			Range: rng,
		})
		e.owner = append(e.owner, nil)
	}
}

// absolute resolves a path of the configuration.
func (e *expander) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(e.cfg.Dir, path)
}

// errorAt reports an error at a place.
func (e *expander) errorAt(rng hcl.Range, summary, format string, args ...any) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
	if rng != (hcl.Range{}) {
		d.Subject = &rng
	}
	e.diags = append(e.diags, d)
}

// needKnown deals with an unknown value where a known one is needed.
func (e *expander) needKnown(rng hcl.Range, what string) {
	e.partial = true
	if !e.opts.Partial {
		e.errorAt(rng, "Value is not known in time",
			"%s has to be known before anything is applied, since it says what there is to do. It comes from a value that is only known after apply.", what)
	}
}

// at is a place as text: main.mf.hcl:12.
func at(rng hcl.Range) string {
	if rng.Filename == "" {
		return "elsewhere"
	}
	return fmt.Sprintf("%s:%d", rng.Filename, rng.Start.Line)
}

// Sort puts diagnostics into the order of their places in the files.
func Sort(diags hcl.Diagnostics) { slices.SortStableFunc(diags, compareDiagnostics) }

func compareDiagnostics(a, b *hcl.Diagnostic) int {
	var ra, rb hcl.Range
	if a.Subject != nil {
		ra = *a.Subject
	}
	if b.Subject != nil {
		rb = *b.Subject
	}
	return cmp.Or(
		cmp.Compare(ra.Filename, rb.Filename),
		cmp.Compare(ra.Start.Byte, rb.Start.Byte),
		cmp.Compare(a.Summary, b.Summary),
		cmp.Compare(a.Detail, b.Detail),
	)
}
