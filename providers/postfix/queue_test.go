package postfix_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Another server takes the place of a Postfix that listened, before mailform came,
// where that one is to. What waits in the queue keeps it from being stopped.
func TestAnotherServerTakesItsPlace(t *testing.T) {
	i, sink := newInstance(t), newSink(t)
	mainBefore, masterBefore := i.read("main.cf"), i.read("master.cf")
	batch := i.everything("alice")
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindDelivery {
			batch[n].Resource = providertest.With(delivery(""), "lmtp", cty.StringVal(sink.addr))
		}
	}
	mx := listener("smtp", strs(i.Foreign), strs())
	i.apply(t, append(batch, create(mx)...)...)

	gone := func(r schema.Resource) providers.Change {
		have, ok := i.observed(t, r)[r.Kind+" "+r.Key]
		if !ok {
			t.Fatalf("there is no %s %s", r.Kind, r.Key)
		}
		return providers.Change{Action: providers.Delete, Resource: r, Prior: &have, HandedOver: true}
	}
	queued := func() int64 {
		n, err := i.provider("L").(providers.Queuer).Queued(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	i.Tool(t, "postconf", "-e", "defer_transports=lmtp")
	i.Tool(t, "postfix", "reload")
	send(t, i.Foreign, "alice@example.com")
	waitUntil(t, "the message waits", func() bool { return queued() == 1 })
	i.Tool(t, "postsuper", "-h", "ALL")
	i.Tool(t, "postconf", "-X", "defer_transports")
	i.Tool(t, "postfix", "reload")

	i.apply(t, gone(mx))
	if c, err := net.Dial("tcp", i.Foreign); err == nil {
		_ = c.Close()
		t.Errorf("it still listens at %s:\n%s", i.Foreign, i.read("master.cf"))
	}
	if i.PID() == 0 {
		t.Error("it does not run any more")
	}
	stop := gone(service())
	err := i.tried(t, stop)
	var left *providers.QueuedError
	if !errors.As(err, &left) || left.Messages != 1 || !strings.Contains(err.Error(), "1 message waits in the queue of Postfix") {
		t.Errorf("with a message that waits, to stop it ends with %v", err)
	}
	if i.PID() == 0 || queued() != 1 {
		t.Errorf("then it is process %d, with %d messages", i.PID(), queued())
	}
	i.Tool(t, "postsuper", "-H", "ALL")
	if err := i.tried(t, stop); err != nil {
		t.Error(err)
	}
	sink.took(t, "alice@example.com")
	waitUntil(t, "it has ended", func() bool { return i.PID() == 0 })
	if n := queued(); n != 0 {
		t.Errorf("in the end it has %d messages", n)
	}
	var rest []providers.Change
	for _, c := range batch {
		if c.Resource.Kind != schema.KindService {
			rest = append(rest, gone(c.Resource))
		}
	}
	if err := i.provider("L").Apply(t.Context(), rest, func(_ providers.Change, _ providers.Observed, err error) error { return err }); err != nil {
		t.Error(err)
	}
	if main, master := i.read("main.cf"), i.read("master.cf"); main != mainBefore || master != masterBefore {
		t.Errorf("main.cf and master.cf are not as they were:\n%s\n%s", main, master)
	}
}

// tried applies one change and returns what became of it.
func (i *instance) tried(t *testing.T, c providers.Change) error {
	t.Helper()
	var got error
	if err := i.provider("L").Apply(t.Context(), []providers.Change{c}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// waitUntil looks again and again until something is so.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 90 s", what)
		}
	}
}
