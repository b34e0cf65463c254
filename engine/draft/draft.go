package draft

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/check"
	"github.com/zclconf/go-cty/cty"
)

// Input is what is described.
type Input struct {
	// Target is the provider instance that has the things.
	Target string
	// Things are all that it has: also those that the files declare.
	Things []providers.Observed
	// Config is what the files declare; Declared is what that expands to.
	Config   *config.Config
	Declared []schema.Resource
	// NameServers are those that the files declare, beside the ones that Declared
	// has listeners of.
	NameServers []expand.NameServer
	// MailDomains are those that the files declare, wherever they are kept.
	MailDomains []expand.MailDomain
	// Expand are the options of expansion.
	Expand expand.Options
	// Variables are the names of those that the files declare.
	Variables []string
	// Unmade is set for things that are not at the target yet, but in a file: then
	// the SOA record of a domain need not be as it is, and mail may move to our
	// servers.
	Unmade bool
	// Wanted restricts the draft to single blocks; nil: all that is not declared.
	Wanted []Wanted
}

// A Wanted is one block that is to be drafted.
type Wanted struct {
	To schema.Ref
	ID string
}

// A Draft is a set of blocks that describe what is there.
type Draft struct {
	// Blocks in the order in which they are written.
	Blocks []Block
	// Left is what no block describes, and why.
	Left []Left
	// Differs is what a block describes, but not as it is there: the next plan
	// changes it. Makes is what a block describes and that is not there at all.
	Differs, Makes []Left

	table *Table  // nil: users have blocks
	rows  []Block // the users in it
	// labels are those in use, in the files as well.
	labels labels
	// shared is a name for a variable with the password hashes of many users.
	shared string
}

// A Block is one drafted block.
type Block struct {
	config.Instance
	// ID is what an import block calls the thing.
	ID string
	// Secret is the name of the variable that the password hash becomes; empty
	// where there is none. A Shared one is a map of those of many users.
	Secret string
	Shared bool
	hash   []string
}

// A Left is a thing with a sentence about it.
type Left struct {
	ID  schema.ID
	Why string
	// Wanted is the address of the block that was wanted for it; else empty.
	Wanted string
}

// Add takes in what another draft has.
func (d *Draft) Add(other *Draft) {
	d.Blocks = append(d.Blocks, other.Blocks...)
	sortBlocks(d.Blocks)
	d.Left = append(d.Left, other.Left...)
	d.Differs = append(d.Differs, other.Differs...)
	d.Makes = append(d.Makes, other.Makes...)
	if d.shared == "" {
		d.shared = other.shared
	}
}

// place is the file that drafted blocks are said to be in, a block a line, so
// that an error of package expand can be told from others.
const place = "\x00draft"

// maxRounds bounds how often a draft is mended. Each round takes away what the
// one before has refused.
const maxRounds = 20

// Make drafts blocks for what no block declares. The error is about what the
// files declare, not about what is there.
func Make(in Input) (*Draft, error) {
	d := newDrafter(in)
	d.servers()
	d.nameservers()
	d.secondaries()
	d.zones()
	d.users()
	d.aliases()
	d.choose()
	d.records()
	for range maxRounds {
		res, err := d.expand()
		if err != nil {
			return nil, err
		}
		if res == nil {
			continue // some blocks were taken out
		}
		if d.sharedRecords(res) {
			continue
		}
		return d.finish(res), nil
	}
	return nil, fmt.Errorf("the things at %s contradict one another, so that no configuration describes them", in.Target)
}

// A drafter holds what one call of Make works with.
type drafter struct {
	in     Input
	things map[schema.ID]*providers.Observed // without retained ones
	// open are those of the things that nobody declares, sorted; byKind the same.
	open     []*providers.Observed
	byKind   map[string][]*providers.Observed
	declared map[schema.ID]*schema.Resource
	labels   labels
	// refs find blocks by what they are: "mailbox alice@example.com".
	refs   map[string]schema.Ref
	blocks []*block
	left   map[schema.ID]string
	// zoned remembers that record blocks were made.
	zoned bool
	// zoneRefs are what record blocks name as their zone, by zone key.
	zoneRefs map[string]schema.Ref
	hostRefs map[string][]hostRef
	// mails are the addresses of users and aliases, by their references.
	mails map[string]string
}

// A block on its way.
type block struct {
	Block
	typ *schema.BlockType
	// of is what the block describes in the first place.
	of     schema.ID
	fields fields
	// off are the checks that it switches off.
	off   []string
	built bool // whether the body has been made of the fields
	gone  bool
}

func newDrafter(in Input) *drafter {
	d := &drafter{
		in: in, things: make(map[schema.ID]*providers.Observed, len(in.Things)),
		declared: make(map[schema.ID]*schema.Resource, len(in.Declared)),
		labels:   labels{}, refs: map[string]schema.Ref{}, left: map[schema.ID]string{},
		zoneRefs: map[string]schema.Ref{}, hostRefs: map[string][]hostRef{}, mails: map[string]string{}, byKind: map[string][]*providers.Observed{},
	}
	for i := range in.Declared {
		d.declared[in.Declared[i].ID()] = &in.Declared[i]
	}
	for i := range in.Config.Instances {
		if ref := in.Config.Instances[i].Ref; ref.Module == nil {
			d.labels.take(ref.Type, ref.Name)
		}
	}
	for _, w := range in.Wanted {
		if !labelled(w.To.Type) {
			d.labels.take(w.To.Type, w.To.Name)
		}
	}
	d.knowDeclared()
	for i := range in.Things {
		o := &in.Things[i]
		if o.Retained {
			continue
		}
		d.things[d.id(o)] = o
		if d.declared[d.id(o)] == nil {
			d.open = append(d.open, o)
		}
	}
	slices.SortFunc(d.open, func(a, b *providers.Observed) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	for _, o := range d.open {
		d.byKind[o.Kind] = append(d.byKind[o.Kind], o)
	}
	return d
}

func (d *drafter) id(o *providers.Observed) schema.ID {
	return schema.ID{Target: d.in.Target, Kind: o.Kind, Key: o.Key}
}

func (d *drafter) key(kind, key string) schema.ID {
	return schema.ID{Target: d.in.Target, Kind: kind, Key: key}
}

// each calls f for the things of a kind that nobody declares.
func (d *drafter) each(kind string, f func(o *providers.Observed)) {
	for _, o := range d.byKind[kind] {
		f(o)
	}
}

// leave notes why something is not described. The first reason counts.
func (d *drafter) leave(id schema.ID, format string, args ...any) {
	if d.left[id] == "" {
		d.left[id] = fmt.Sprintf(format, args...)
	}
}

// add takes a block into the draft. Its label is that of the address that the
// thing was made for, if there is one, or else made of hint.
func (d *drafter) add(typ string, o *providers.Observed, label string, id string, f fields) *block {
	t := schema.BlockByType(typ)
	b := &block{typ: t, of: d.id(o), fields: f}
	b.Ref = schema.Ref{Type: typ, Name: label}
	b.ID = id
	d.blocks = append(d.blocks, b)
	return b
}

// expand lets package expand judge the draft. The result is nil where blocks had
// to be taken out.
func (d *drafter) expand() (*expand.Result, error) {
	cfg := *d.in.Config
	cfg.Instances = slices.Clone(cfg.Instances)
	bad := false
	for i, b := range d.blocks {
		if b.gone {
			continue
		}
		if !b.built {
			body, err := b.fields.body(b.typ)
			if err != nil {
				b.gone, bad = true, true
				d.leave(b.of, "%s cannot say it: %s", b.Ref, err)
				continue
			}
			b.Body, b.built = config.BodyOf(body), true
		}
		b.Range = hcl.Range{Filename: place, Start: hcl.Pos{Line: i + 1, Column: 1, Byte: i}, End: hcl.Pos{Line: i + 1, Column: 1, Byte: i}}
		cfg.Instances = append(cfg.Instances, b.Instance)
	}
	if bad {
		return nil, nil
	}
	res, diags := expand.Expand(&cfg, d.in.Expand)
	if !diags.HasErrors() {
		return res, nil
	}
	for _, diag := range diags {
		if diag.Severity != hcl.DiagError {
			continue
		}
		if diag.Subject == nil || diag.Subject.Filename != place {
			return nil, fmt.Errorf("what is there at %s does not go with the files: %s: %s", d.in.Target, diag.Summary, withoutPlace(diag.Detail))
		}
		b := d.blocks[diag.Subject.Start.Line-1]
		if c := check.Of(diag); c != nil && !b.gone && b.switchOff(c) {
			bad = true
			continue
		}
		if !b.gone {
			b.gone, bad = true, true
			d.leave(b.of, "%s: %s", diag.Summary, withoutPlace(diag.Detail))
		}
	}
	if !bad {
		return nil, fmt.Errorf("what is there at %s cannot be described", d.in.Target)
	}
	d.dropOrphans()
	return nil, nil
}

// switchOff takes out of a block a check that what is there does not pass. It
// reports false where the block cannot do without.
func (b *block) switchOff(c *check.Check) bool {
	if c.Fixed || b.typ.Attribute("disable_checks") == nil || slices.Contains(b.off, c.ID) {
		return false
	}
	b.off = append(b.off, c.ID)
	slices.Sort(b.off)
	b.fields.set("disable_checks", schema.StringList(b.off))
	b.built = false
	return true
}

// dropOrphans takes out the blocks that name one that is gone.
func (d *drafter) dropOrphans() {
	for again := true; again; {
		again = false
		gone := map[string]bool{}
		for _, b := range d.blocks {
			if b.gone {
				gone[b.Ref.String()] = true
			}
		}
		for _, b := range d.blocks {
			if b.gone {
				continue
			}
			for _, r := range b.fields.refs(nil) {
				if gone[r.Block().String()] {
					b.gone, again = true, true
					d.leave(b.of, "its %s is declared by no block", r.Type)
					break
				}
			}
		}
	}
}

// withoutPlace takes the invented places out of an error text.
func withoutPlace(text string) string {
	for {
		i := strings.Index(text, " ("+place)
		if i < 0 {
			return strings.ReplaceAll(text, place, "the draft")
		}
		j := strings.IndexByte(text[i:], ')')
		if j < 0 {
			return text
		}
		text = text[:i] + text[i+j+1:]
	}
}

// finish compares what the blocks expand to with what is there.
func (d *drafter) finish(res *expand.Result) *Draft {
	out := &Draft{labels: d.labels}
	covered := map[schema.ID]bool{}
	for i := range res.Resources {
		r := &res.Resources[i]
		id := r.ID()
		if d.declared[id] != nil && sameValue(d.declared[id].Attrs, r.Attrs) || r.Kind == schema.KindProcess {
			covered[id] = true
			continue
		}
		o := d.things[id]
		switch {
		case r.Target != d.in.Target:
		case o == nil:
			out.Makes = append(out.Makes, Left{ID: id, Why: r.Address})
		default:
			covered[id] = true
			if names, _ := plan.Differences(r, o); len(names) > 0 {
				out.Differs = append(out.Differs, Left{ID: id, Why: strings.Join(names, ", ")})
			}
		}
	}
	for _, o := range d.open {
		if id := d.id(o); !covered[id] && d.in.Wanted == nil {
			d.leave(id, "no block describes it")
			out.Left = append(out.Left, Left{ID: id, Why: d.left[id]})
		}
	}
	for _, w := range d.in.Wanted {
		if !slices.ContainsFunc(d.blocks, func(b *block) bool { return !b.gone && b.Ref.String() == w.To.String() }) {
			left := d.whyNot(w)
			left.Wanted = w.To.String()
			out.Left = append(out.Left, left)
		}
	}
	first := slices.IndexFunc(d.blocks, func(b *block) bool { return b.Ref.Type == "record" })
	if first >= 0 { // record blocks come last, in two parts
		slices.SortStableFunc(d.blocks[first:], func(a, b *block) int {
			return cmp.Compare(recordOrder(a.of.Key), recordOrder(b.of.Key))
		})
	}
	for _, b := range d.blocks {
		if !b.gone {
			out.Blocks = append(out.Blocks, b.Block)
		}
	}
	d.secrets(out)
	sortBlocks(out.Blocks)
	return out
}

// blockTypes are the types of blocks in the order in which they are written.
var blockTypes = []string{"server", "nameserver", "domain", "zone", "user", "alias", "shared_folder", "record"}

// sortBlocks brings blocks into their order, and leaves those of a type as they are.
func sortBlocks(blocks []Block) {
	slices.SortStableFunc(blocks, func(a, b Block) int {
		return cmp.Compare(slices.Index(blockTypes, a.Ref.Type), slices.Index(blockTypes, b.Ref.Type))
	})
}

func sameValue(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
