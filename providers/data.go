package providers

import (
	"context"

	"github.com/zclconf/go-cty/cty"
)

// A Querier is a provider that answers data blocks of some types about its
// system. It is found by the argument provider of the block.
type Querier interface {
	// Query answers one block instance of a type, as [DataSource] does. It is called
	// after Configure, and by one goroutine at a time.
	Query(ctx context.Context, source string, args cty.Value) (cty.Value, error)
}

// A DataSource answers data blocks of one type: what the world says, for
// configurations to be made of. It must not change anything.
type DataSource interface {
	// Query answers one block instance: args is an object of the type's
	// arguments, wholly known. The answer is an object of the type's computed
	// attributes. Queries are asked side by side. The error says in lower case
	// what went wrong; that something does not exist is an answer where the type
	// has a way to say it.
	Query(ctx context.Context, args cty.Value) (cty.Value, error)
}
