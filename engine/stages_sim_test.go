package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	inmemory "github.com/mailform/mailform/providers/memory"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// TestNoMailGoesAstray moves the MX of a domain between servers, and the addresses
// of the servers, by random schedules: with changed minds, applies that come when
// they like, and runs that are killed before they can write down what they did.
// All the time resolvers cache what they are told for as long as they may, some
// from secondaries that are late, and send mail to where that leads. A server
// that refuses it, or that is not there, is a failure.
func TestNoMailGoesAstray(t *testing.T) {
	schedules, operations := 25, 40
	if testing.Short() {
		schedules = 10
	}
	moves, sent := 0, 0
	for seed := range uint64(schedules) {
		s := newSim(t, seed)
		for range operations {
			s.operate()
		}
		moves, sent = moves+s.moves, sent+s.sent
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(s.log, "\n"))
		}
	}
	if moves < schedules || sent < 100*schedules {
		t.Errorf("there were %d moves and %d messages: that proves little", moves, sent)
	}
	t.Logf("%d schedules, %d times that the values of an MX or address record were switched, %d messages", schedules, moves, sent)
}

// TestMailGoesAstrayWithoutStages holds the simulation itself to its purpose.
func TestMailGoesAstrayWithoutStages(t *testing.T) {
	lost := 0
	for seed := range uint64(5) {
		s := newSim(t, seed)
		s.mode, s.expectLoss = "off", true
		for range 40 {
			s.operate()
		}
		lost += s.lost
	}
	if lost == 0 {
		t.Error("no message was lost without stages: the simulation finds nothing")
	}
}

// The settings of the simulated domain, in seconds.
const simLow, simMargin = 60, 30

// A sim is a simulated world: its clock, its systems, and those who use them.
type sim struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	w       *engine.Workspace
	backend *failing
	mode    string

	// systems by the value that their provider was configured with.
	systems map[string]providers.Provider
	// history is what the name server has answered since when.
	history   []zoneAt
	resolvers []*resolver
	wanted    simConfig

	moves, sent, lost int
	ready             bool // the domain is set up
	expectLoss        bool
	log               []string
}

// A zoneAt is the content of all zones from a time on: TTL and values by name and
// type.
type zoneAt struct {
	from time.Time
	sets map[string]zoneSet
}

type zoneSet struct {
	ttl    time.Duration
	values []string
}

// A simConfig is what the files say.
type simConfig struct {
	mx      []int  // servers
	servers []bool // which are there
	address []int  // of each server: one of two
	renamed []bool // whether the server has its second name
	ttl     int
	bob     bool
}

// A resolver keeps what it was told; lag is how late its secondary is.
type resolver struct {
	lag   time.Duration
	cache map[string]cached
}

type cached struct {
	values []string
	until  time.Time
}

// failing is a backend that can refuse to be written to, as one whose process was
// killed.
type failing struct {
	state.Memory
	after int // writes that still succeed; negative: all
}

var errKilled = errors.New("killed")

func (f *failing) Append(ctx context.Context, entries []state.Entry) error {
	if f.after == 0 && len(entries) > 0 {
		return errKilled
	}
	if len(entries) > 0 {
		f.after--
	}
	return f.Memory.Append(ctx, entries)
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
		backend: &failing{after: -1}, systems: map[string]providers.Provider{}, mode: "auto",
		wanted: simConfig{mx: []int{0}, servers: []bool{true, false, false, false}, address: []int{0, 0, 0, 0}, renamed: make([]bool, 4), ttl: 3600},
	}
	world := &inmemory.World{}
	s.w = &engine.Workspace{Dir: t.TempDir(), Version: "0.1.0", NewProvider: func(name string) providers.Provider {
		return &simProvider{Provider: world.NewProvider(name), s: s}
	}}
	for range 12 {
		s.resolvers = append(s.resolvers, &resolver{lag: time.Duration(s.r.IntN(simMargin)) * time.Second, cache: map[string]cached{}})
	}
	s.apply()
	return s
}

// files writes what is wanted as a configuration. The last server has a provider
// to itself: who moves there moves with the mailboxes.
func (s *sim) files() string {
	c := s.wanted
	var b strings.Builder
	fmt.Fprintf(&b, `
provider "embedded" {
  data_dir = "one"
}
provider "embedded" {
  alias    = "two"
  data_dir = "two"
}
nameserver "ns1" {
  hostname = "ns1.example.net"
  listen   = ["192.0.2.53:53"]
}
zone "hosts" {
  name       = "example.net"
  nameserver = nameserver.ns1
  ttl        = %d
  staging {
    mode   = %q
    ttl    = %d
    margin = "%ds"
  }
}
`, c.ttl, s.mode, simLow, simMargin)
	for i, there := range c.servers {
		if !there {
			continue
		}
		provider := "embedded"
		if i == len(c.servers)-1 {
			provider = "embedded.two"
		}
		fmt.Fprintf(&b, "server \"s%d\" {\n hostname = %q\n addresses = [\"198.51.%d.%d\"]\n provider = %s\n smtp {}\n}\n", i, c.host(i), 100+c.address[i], i+1, provider)
	}
	fmt.Fprintf(&b, "domain \"example\" {\n name = \"example.com\"\n nameserver = nameserver.ns1\n ttl = %d\n", c.ttl)
	for _, i := range c.mx {
		fmt.Fprintf(&b, " mx {\n server = server.s%d\n }\n", i)
	}
	fmt.Fprintf(&b, " staging {\n mode = %q\n ttl = %d\n margin = \"%ds\"\n }\n}\n", s.mode, simLow, simMargin)
	b.WriteString("user \"alice\" {\n domain = domain.example\n name = \"alice\"\n}\n")
	if c.bob {
		b.WriteString("user \"bob\" {\n domain = domain.example\n name = \"bob\"\n}\n")
	}
	return b.String()
}

// operate lets time go by, changes the wish now and then, and applies.
func (s *sim) operate() {
	s.wait()
	if s.r.IntN(3) == 0 {
		s.change()
	}
	if s.r.IntN(4) == 0 {
		s.backend.after = s.r.IntN(5)
	}
	s.apply()
	s.backend.after = -1
}

// wait lets time go by, in which mail is sent.
func (s *sim) wait() {
	most := []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}[s.r.IntN(4)]
	end := s.now.Add(time.Duration(s.r.Int64N(int64(most))))
	for s.now.Before(end) {
		s.now = s.now.Add(time.Duration(1+s.r.IntN(60)) * time.Second)
		s.mail(s.resolvers[s.r.IntN(len(s.resolvers))])
	}
}

func (s *sim) change() {
	c := &s.wanted
	switch s.r.IntN(8) {
	case 0: // the address of a server
		i := s.r.IntN(len(c.servers))
		c.address[i] = 1 - c.address[i]
	case 1:
		c.ttl = []int{60, 300, 3600}[s.r.IntN(3)]
	case 2:
		c.bob = !c.bob
	case 4: // another name for a server, which stays what it is
		i := s.r.IntN(len(c.servers))
		c.renamed[i] = !c.renamed[i]
		s.comeBack(i)
	case 3: // to the other provider, or back
		last := len(c.servers) - 1
		if slices.Contains(c.mx, last) {
			c.mx = []int{s.r.IntN(last)}
		} else {
			c.mx = []int{last}
		}
	default:
		n := len(c.servers) - 1
		c.mx = []int{s.r.IntN(n)}
		if other := s.r.IntN(n); other != c.mx[0] && s.r.IntN(2) == 0 {
			c.mx = append(c.mx, other)
		}
	}
	for i, was := range c.servers { // the others go, mostly
		c.servers[i] = slices.Contains(c.mx, i) || s.r.IntN(4) == 0
		if c.servers[i] && !was {
			s.comeBack(i)
		}
	}
	s.logf("wanted: %+v", *c)
}

// host is the name of a server.
func (c *simConfig) host(i int) string {
	if c.renamed[i] {
		return fmt.Sprintf("mail%d.example.net", i)
	}
	return fmt.Sprintf("mx%d.example.net", i)
}

// comeBack gives a server whose name had gone the address that it had: that a name comes
// back with another one while its old address is still in caches is the limit of
// what stages can do, as the decision says.
func (s *sim) comeBack(i int) {
	for n := len(s.history) - 1; n >= 0; n-- {
		if set := s.history[n].sets[s.wanted.host(i)+".A"]; len(set.values) > 0 {
			s.wanted.address[i] = 0
			if strings.HasPrefix(set.values[0], "198.51.101.") {
				s.wanted.address[i] = 1
			}
			return
		}
	}
}

func (s *sim) logf(format string, args ...any) {
	s.log = append(s.log, s.now.Format("2 15:04:05 ")+fmt.Sprintf(format, args...))
}

// apply plans and applies, as it goes.
func (s *sim) apply() {
	s.t.Helper()
	ctx := context.Background()
	if err := os.WriteFile(filepath.Join(s.w.Dir, "main.mf.hcl"), []byte(s.files()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	module, diags := s.w.Load(config.Options{})
	if diags.HasErrors() {
		s.t.Fatal(diags)
	}
	session, err := s.w.Open(ctx, module, engine.Options{Backend: s.backend, Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	p, diags := session.Plan(ctx, engine.PlanOptions{Confirm: []string{plan.ConfirmAll}})
	if diags.HasErrors() {
		s.t.Fatalf("%v\n%s\n%s", diags, s.files(), strings.Join(s.log, "\n"))
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action != plan.NoOp {
			s.logf("  %s %s", c.Action, c.Address)
		}
	}
	for _, m := range p.Staged {
		s.logf("  staged %+v", m)
	}
	_, diags = session.Apply(ctx, engine.ApplyOptions{Plan: p})
	if diags.HasErrors() {
		s.logf("  killed: %v", diags[0].Detail)
		return
	}
	// A second plan right after is empty.
	session, err = s.w.Open(ctx, module, engine.Options{Backend: s.backend, Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	again, diags := session.Plan(ctx, engine.PlanOptions{})
	if diags.HasErrors() || !again.Empty() {
		s.t.Errorf("%s: the second plan is not empty: %v %+v", s.now, diags, again.Staged)
		for i := range again.Changes {
			if c := &again.Changes[i]; c.Action != plan.NoOp {
				s.t.Errorf("%s %s", c.Action, c.Address)
			}
		}
	}
}

// A simProvider tells the simulation of its system, and has mail sent before and
// after each batch.
type simProvider struct {
	providers.Provider
	s *sim
}

func (p *simProvider) Configure(ctx context.Context, cfg providers.Config) hcl.Diagnostics {
	p.s.systems[fmt.Sprintf("%#v", cfg.Value)] = p.Provider
	return p.Provider.Configure(ctx, cfg)
}

func (p *simProvider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	err := p.Provider.Apply(ctx, batch, done)
	p.s.snapshot()
	for _, r := range p.s.resolvers[:4] {
		p.s.mail(r)
	}
	return err
}

// things are all that there is, by target's system.
func (s *sim) things() map[string][]providers.Observed {
	out := map[string][]providers.Observed{}
	for name, p := range s.systems {
		list, err := p.Read(context.Background(), providers.Scope{})
		if err != nil {
			s.t.Fatal(err)
		}
		out[name] = list
	}
	return out
}

// snapshot keeps what the name server answers from now on.
func (s *sim) snapshot() {
	at := zoneAt{s.now, map[string]zoneSet{}}
	for _, list := range s.things() {
		for _, o := range list {
			if o.Kind != schema.KindRRset {
				continue
			}
			ttl, _ := o.Attrs.GetAttr("ttl").AsBigFloat().Int64()
			set := zoneSet{ttl: time.Duration(ttl) * time.Second}
			for _, v := range o.Attrs.GetAttr("values").AsValueSlice() {
				set.values = append(set.values, v.AsString())
			}
			key := o.Attrs.GetAttr("name").AsString() + o.Attrs.GetAttr("type").AsString()
			if n := len(s.history); n > 0 {
				if was, ok := s.history[n-1].sets[key]; ok && !slices.Equal(was.values, set.values) {
					s.moves++
				}
			}
			at.sets[key] = set
		}
	}
	if !s.ready {
		s.history = nil // nobody has asked yet
	}
	s.history = append(s.history, at)
}

// lookup is what a resolver has, or is told by its secondary now.
func (s *sim) lookup(r *resolver, key string) []string {
	if c, ok := r.cache[key]; ok && s.now.Before(c.until) {
		return c.values
	}
	for i := len(s.history) - 1; i >= 0; i-- {
		if i > 0 && s.history[i].from.Add(r.lag).After(s.now) {
			continue // it has not arrived there yet
		}
		set := s.history[i].sets[key]
		if len(set.values) > 0 {
			r.cache[key] = cached{set.values, s.now.Add(set.ttl)}
		}
		return set.values
	}
	return nil
}

// mail sends a message to alice. It has to be taken.
func (s *sim) mail(r *resolver) {
	if s.ready = s.ready || len(s.history) > 0 && len(s.history[len(s.history)-1].sets["example.com.MX"].values) > 0; !s.ready {
		return // the first apply is not done
	}
	s.sent++
	why := s.send(r)
	if why == "" {
		return
	}
	s.lost++
	if !s.expectLoss {
		s.t.Errorf("%s: %s", s.now.Format("2 15:04:05"), why)
		s.logf("LOST: %s (lag %s)", why, r.lag)
	}
}

func (s *sim) send(r *resolver) (why string) {
	exchanges := s.lookup(r, "example.com.MX")
	if len(exchanges) == 0 {
		return "there is no MX record"
	}
	host := strings.Fields(exchanges[s.r.IntN(len(exchanges))])[1]
	addresses := s.lookup(r, host+"A")
	if len(addresses) == 0 {
		return host + " has no address"
	}
	address := addresses[s.r.IntN(len(addresses))]
	for _, list := range s.things() {
		listens, domain, mailbox := false, false, false
		for _, o := range list {
			switch o.Kind {
			case schema.KindListener:
				listens = listens || o.Attrs.GetAttr("service").AsString() == "smtp" &&
					o.Attrs.GetAttr("listen").Type().IsListType() && has(o.Attrs.GetAttr("listen"), address+":25")
			case schema.KindMailDomain:
				domain = domain || o.Key == "example.com"
			case schema.KindMailbox:
				mailbox = mailbox || o.Key == "alice@example.com"
			}
		}
		switch {
		case !listens:
		case !domain:
			return host + " at " + address + " refuses mail for the domain"
		case !mailbox:
			return host + " at " + address + " refuses mail for the user"
		default:
			return ""
		}
	}
	return "nobody listens at " + address + ", which is to be " + host
}

func has(list cty.Value, s string) bool {
	return slices.ContainsFunc(list.AsValueSlice(), func(v cty.Value) bool { return v.AsString() == s })
}
