// Package providers is the contract between the engine and the systems that
// mailform reconciles. Each folder below is one provider.
//
// The contract is made for batches: a provider reads all it has in one go and
// is handed all changes of a phase at once, so that nothing costs a round trip
// a resource. Start at [Provider].
package providers

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Provider reconciles resources of some kinds in one live system.
// The engine calls it from one goroutine at a time.
type Provider interface {
	// Configure is called before everything else, with the attributes of the
	// provider block (an object; null where there is no block). It is called once
	// more before the first Apply ever, when the state has got its lineage.
	Configure(ctx context.Context, cfg Config) hcl.Diagnostics

	// Read lists what the system has, in bulk. It must not change anything. A
	// system that is not there yet has nothing: that is no error.
	Read(ctx context.Context, scope Scope) ([]Observed, error)

	// Apply carries out a batch, in one transaction where the system has one,
	// and calls done once for each change as soon as it is durable or has
	// failed. A change whose Prior is no longer what the system holds fails with
	// ErrConflict and changes nothing. An error from done stops the batch. The
	// returned error is for what concerns no single change.
	Apply(ctx context.Context, batch []Change, done func(Change, Observed, error) error) error
}

// A Validator is a provider that can tell before a plan what its system cannot
// hold, beyond what the schema says of the provider.
type Validator interface {
	// Validate judges what is wanted at the target. It changes nothing, and is
	// called after Configure. The error is for what concerns no single resource.
	Validate(ctx context.Context, wanted []schema.Resource) ([]Problem, error)
}

// A Problem is something wanted that a system cannot hold.
type Problem struct {
	// Address of the resource, and its attribute; empty: the whole.
	Address, Attribute string
	// Detail says in sentences what cannot be, and what could be instead. It
	// quotes no sensitive value.
	Detail string
}

// A Counter is a provider for which it is costly to count what its mailboxes
// hold, so that Read leaves that out and Count is asked for those that a plan
// takes away.
type Counter interface {
	// Count returns what each of some mailboxes holds, by their keys. One that
	// cannot be counted is left out.
	Count(ctx context.Context, keys []string) (map[string]Held, error)
}

// Held is what a mailbox holds.
type Held struct{ Messages, Bytes int64 }

// A Queuer is a provider whose service keeps mail on its way to others in a queue.
type Queuer interface {
	// Queued counts the messages that wait in the queue. It is asked where a plan
	// takes the service, or the process, away. A number below 0: it cannot be told.
	Queued(ctx context.Context) (int64, error)
}

// Config is what a provider is set up with.
type Config struct {
	// Value is the provider block's body: an object, or null.
	Value cty.Value
	// Dir is the absolute path of the configuration's directory, which relative
	// paths start from.
	Dir string
	// Lineage names the state that the changes belong to. The provider marks
	// what it makes with it.
	Lineage string
	// Workspace is the name of the workspace; empty: the caller knows none.
	Workspace string
}

// Scope says what the engine is interested in. A provider may return more;
// what is in no configuration and no state is then listed as foreign.
type Scope struct {
	// Wanted holds what is declared at this target.
	Wanted []schema.Resource
	// Prior holds the identities that the state knows at this target.
	Prior []schema.ID
	// Part says that the engine looks at what is Wanted alone, so that the rest
	// need not be listed.
	Part bool
}

// Observed is one thing that a live system has.
type Observed struct {
	Kind, Key string
	// Attrs is an object of the kind's type. Sensitive values are real ones.
	Attrs cty.Value
	// Owner is the address that the thing was made for, where the system can
	// keep such a mark and the mark is of this state's lineage; else empty.
	Owner string
	// Origin is the same of whichever lineage, also of a state that is lost: a
	// hint how to call a block that describes the thing, and nothing more.
	Origin string
	// Revision is opaque: it is another one after each change.
	Revision string
	// Retained is set for something that was deleted and whose data is still
	// kept: it is not there, but creating it brings the data back.
	Retained bool
}

// Action is what a change does.
type Action string

// The actions that reach a provider.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// A Change is one resource to create, update or delete.
type Change struct {
	Action Action
	// Resource is what is wanted; for Delete what is to go.
	Resource schema.Resource
	// Prior is what the plan saw; nil where it saw nothing.
	Prior *Observed
	// HandedOver is set for what goes because another server takes its place. A
	// listener leaves its addresses to that one, whatever stood there before. A
	// service whose queue is not empty goes on without taking mail, and the change
	// fails with a [*QueuedError] until all of it has left.
	HandedOver bool
}

// A QueuedError is that of a service that is not stopped yet, for messages wait in
// its queue.
type QueuedError struct {
	// Server is the name of the program, List a command that lists the messages.
	Server, List string
	Messages     int64
}

func (e *QueuedError) Error() string {
	what := "1 message waits"
	if e.Messages != 1 {
		what = fmt.Sprintf("%d messages wait", e.Messages)
	}
	return fmt.Sprintf("%s in the queue of %s, which runs on to deliver, and takes no more mail from other hosts; %q lists what waits, and why", what, e.Server, e.List)
}

// ErrConflict is the error of a change whose prior state is no longer true.
var ErrConflict = errors.New("changed since the plan was made")
