package engine

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/providers"
	"github.com/zclconf/go-cty/cty"
)

// A counter answers every question with how often it was asked.
type counter struct{ asked atomic.Int64 }

func (c *counter) Query(context.Context, cty.Value) (cty.Value, error) {
	return cty.NumberIntVal(c.asked.Add(1)), nil
}

func TestASessionAsksEachQuestionOnce(t *testing.T) {
	c := &counter{}
	ws := &Workspace{NewDataSource: func(string, string) providers.DataSource { return c }}
	l := newLookup(t.Context(), ws, "")
	args := cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("example.com")})
	round := make([]config.DataQuery, 20) // all in one round, side by side
	for i := range round {
		round[i] = config.DataQuery{Source: "dns", Args: args}
	}
	for range 2 {
		for i, a := range l.ask(round) {
			if a.Err != nil || !a.Value.RawEquals(cty.NumberIntVal(1)) {
				t.Fatalf("question %d: %#v, %v", i, a.Value, a.Err)
			}
		}
	}
}
