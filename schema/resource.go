package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A Resource is one thing that a provider reconciles: a mailbox, a record set,
// a listener. Blocks of the language expand to resources.
type Resource struct {
	// Address says where the resource comes from in the configuration, in the
	// words of the configuration: user.alice.mailbox, domain.example.dkim["s1"].
	// Unique in a configuration.
	Address string
	// Kind is the name of a [Kind]: "mailbox".
	Kind string
	// Target is the provider instance that holds the resource: "embedded", or
	// "embedded.second" for a provider with an alias.
	Target string
	// Key is the natural identity at the target: "alice@example.com" for a
	// mailbox, "example.com/www.example.com./A" for a record set. Unique among
	// the resources of a kind at a target, canonical, and always known.
	Key string
	// Attrs is an object of the kind's type. Values that are born in apply are
	// unknown until then. The values of sensitive attributes are real ones here;
	// what leaves the process holds a [Fingerprint] instead.
	Attrs cty.Value
	// DependsOn holds the addresses of the resources that have to exist first,
	// beyond what the rank of the kind says already. Sorted.
	DependsOn []string
	// PreventDestroy makes a plan that would delete the resource an error.
	PreventDestroy bool
	// IgnoreChanges are attributes that stay as they are at the target once the
	// resource is there.
	IgnoreChanges []string
	// Staging says how the values of a record set move to others; nil: at once.
	Staging *Staging
	// Range is the block that declares the resource.
	Range hcl.Range
}

// Staging says how values that resolvers keep are changed: in stages, so that
// nobody who still has the old ones is sent to where nothing is any more.
type Staging struct {
	When StagingMode
	// TTL is what the time to live is lowered to before a move, in seconds.
	TTL int64
	// Margin is waited beyond each time to live, in seconds: for secondaries that
	// are late, and clocks that differ.
	Margin int64
}

// A StagingMode says which moves of a record set are staged.
type StagingMode int

// The modes.
const (
	// StageOurs: those that lead away from a host that mailform looks after.
	StageOurs StagingMode = iota
	// StageFollowed: all moves of what mail and queries follow: MX and NS records,
	// and the addresses of the hosts that they name.
	StageFollowed
	// StageAny: every change of the values.
	StageAny
)

// ID names a resource among all live ones, whatever its address is.
type ID struct{ Target, Kind, Key string }

// ID is the identity of the resource in the world, as against its address in
// the configuration.
func (r *Resource) ID() ID { return ID{r.Target, r.Kind, r.Key} }

// Compare orders identities: by target, kind, key.
func (a ID) Compare(b ID) int {
	return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
}

// Less reports whether a comes before b; see Compare.
func (a ID) Less(b ID) bool { return a.Compare(b) < 0 }

// FingerprintPrefix starts every fingerprint, so that one is never taken for a value.
const FingerprintPrefix = "fingerprint:"

// Fingerprint stands for a secret where the secret itself must not be: in
// state, in a plan, in output. Equal secrets have equal fingerprints. What it
// is used for (password hashes with their salt, keys) has enough entropy of its
// own that nothing can be guessed from it.
func Fingerprint(secret string) string {
	sum := sha256.Sum256([]byte("mailform secret\x00" + secret))
	return FingerprintPrefix + hex.EncodeToString(sum[:16])
}
