package s3state

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/engine/state/statetest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The tests of this package share one server, each with a key of its own.
var shared = statetest.Share(statetest.StartS3)

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(crashEndpoint); endpoint != "" {
		fmt.Fprintln(os.Stderr, writeForEver(endpoint))
		os.Exit(1)
	}
	os.Exit(shared.Exit(m.Run()))
}

func options(endpoint, key string) Options {
	return Options{
		Bucket: statetest.S3Bucket, Key: key, Endpoint: endpoint, PathStyle: true,
		AccessKey: statetest.S3AccessKey, SecretKey: statetest.S3SecretKey,
	}
}

// open is the backend of another runner: it shares nothing with the others.
func open(t testing.TB, endpoint string, change ...func(*Options)) *Backend {
	t.Helper()
	o := options(endpoint, "of/"+t.Name())
	for _, c := range change {
		c(&o)
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func short(o *Options) { o.Lease = time.Second }

func entry(i int) state.Entry {
	return state.Entry{Put: &state.Resource{
		ID:      schema.ID{Target: "t", Kind: "thing", Key: fmt.Sprint(i)},
		Address: fmt.Sprintf("thing.t%d", i),
		Attrs:   cty.ObjectVal(map[string]cty.Value{"n": cty.StringVal(fmt.Sprint(i))}),
	}}
}

func lock(t testing.TB, b *Backend) (release func()) {
	t.Helper()
	unlock, err := b.Lock(t.Context(), state.LockInfo{Operation: "apply", Who: "ci@runner", PID: os.Getpid()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}

func add(t testing.TB, b *Backend, entries ...state.Entry) {
	t.Helper()
	if err := b.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, b *Backend) *state.State {
	t.Helper()
	st, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}
