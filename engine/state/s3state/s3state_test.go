package s3state

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/engine/state/statetest"
)

func TestWhatOneRunnerWritesAnotherReads(t *testing.T) {
	s := shared.Get(t)
	b := open(t, s.Endpoint())
	if st := load(t, b); st.Lineage != "" || st.Serial != 0 || st.Resources == nil {
		t.Fatalf("before the first write: %+v", st)
	}
	if err := b.Append(t.Context(), []state.Entry{entry(1)}); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("without a lock: %v", err)
	}
	release := lock(t, b)
	add(t, b)
	add(t, b, entry(0), entry(1))
	id := entry(0).Put.ID
	add(t, b, state.Entry{Delete: &id}, state.Entry{Outputs: map[string]state.Output{"o": {Value: []byte(`"v"`), Type: []byte(`"string"`)}}})
	release()
	st := load(t, open(t, s.Endpoint()))
	if len(st.Resources) != 1 || st.Serial != 2 || len(st.Lineage) != 36 || string(st.Outputs["o"].Value) != `"v"` {
		t.Errorf("%+v", st)
	}
	if other := load(t, open(t, s.Endpoint(), func(o *Options) { o.Key += "-staging" })); other.Lineage != "" {
		t.Errorf("a state at another key is %+v", other)
	}
}

// parts lists the objects beside the head.
func parts(t *testing.T, s *statetest.S3, b *Backend) []string {
	t.Helper()
	found, err := filepath.Glob(s.Object(b.folder()) + "/*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAPhaseWritesItsEntriesAloneUntilTheJournalIsLong(t *testing.T) {
	s := shared.Get(t)
	b := open(t, s.Endpoint())
	release := lock(t, b)
	var many []state.Entry
	for i := range 1000 {
		many = append(many, entry(i))
	}
	add(t, b, many...)
	for i := range compactParts {
		add(t, b, entry(i))
	}
	sizes := map[bool]int{}
	for _, p := range b.held.seen().Journal {
		sizes[p.Size < 1000]++
	}
	if sizes[true] != compactParts || sizes[false] != 1 {
		t.Errorf("sizes of the parts: %v", b.held.seen().Journal)
	}
	release()
	if left := parts(t, s, b); len(left) != 1 || !strings.HasSuffix(left[0], kindSnapshot) {
		t.Errorf("after the lock was released there are %v", left)
	}
	defer lock(t, b)()
	add(t, b, entry(2000))
	if st := load(t, open(t, s.Endpoint())); len(st.Resources) != 1001 || st.Serial != compactParts+2 {
		t.Errorf("%d resources, serial %d", len(st.Resources), st.Serial)
	}
	next := load(t, b)
	next.Lineage, next.Serial = "11111111-2222-4333-8444-555555555555", 90
	clear(next.Resources)
	if err := b.Replace(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	add(t, b, entry(1))
	if st := load(t, open(t, s.Endpoint())); len(st.Resources) != 1 || st.Serial != 91 || st.Lineage != next.Lineage {
		t.Errorf("after it was replaced: %+v", st)
	}
}

func TestOfTwoRunnersOneWaitsOrSaysWhoHoldsTheLock(t *testing.T) {
	s := shared.Get(t)
	first, second := open(t, s.Endpoint()), open(t, s.Endpoint())
	release := lock(t, first)
	_, err := second.Lock(t.Context(), state.LockInfo{Who: "other"}, 0)
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Info.Who != "ci@runner" || locked.Info.ID != first.held.id || !strings.Contains(err.Error(), "the lock ends in") {
		t.Fatalf("%v", err)
	}
	got := make(chan error, 1)
	go func() {
		unlock, err := second.Lock(context.Background(), state.LockInfo{Who: "other"}, time.Minute)
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	release()
	if err := <-got; err != nil {
		t.Errorf("the one that waits: %v", err)
	}
}

func TestOfManyWhoTakeTheLockAtOnceOneHasIt(t *testing.T) {
	s := shared.Get(t)
	const runners = 8
	type result struct {
		b   *Backend
		err error
	}
	got := make(chan result, runners)
	for range runners {
		b := open(t, s.Endpoint())
		go func() {
			_, err := b.Lock(t.Context(), state.LockInfo{Who: "one of many"}, 0)
			got <- result{b, err}
		}()
	}
	holders := 0
	for range runners {
		r := <-got
		var locked *state.LockedError
		switch {
		case r.err == nil:
			holders++
			add(t, r.b, entry(1))
		case !errors.As(r.err, &locked):
			t.Error(r.err)
		}
	}
	if holders != 1 {
		t.Errorf("%d hold the lock", holders)
	}
}

func TestALateWriterIsFenced(t *testing.T) {
	s := shared.Get(t)
	late, next := open(t, s.Endpoint()), open(t, s.Endpoint())
	release := lock(t, late)
	add(t, late, entry(1))
	var locked *state.LockedError
	if err := next.ForceUnlock(t.Context(), "wrong"); !errors.As(err, &locked) || locked.Info.ID != late.held.id {
		t.Fatalf("with another lock's ID: %v", err)
	}
	if err := next.ForceUnlock(t.Context(), late.held.id); err != nil {
		t.Fatal(err)
	}
	if err := next.ForceUnlock(t.Context(), late.held.id); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("twice: %v", err)
	}
	if err := late.Append(t.Context(), []state.Entry{entry(2)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("nobody holds the lock: %v", err)
	}
	defer lock(t, next)()
	add(t, next, entry(3))
	if err := late.Append(t.Context(), []state.Entry{entry(4)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("another holds the lock: %v", err)
	}
	release() // does not take the other's
	add(t, next, entry(5))
	if st := load(t, next); len(st.Resources) != 3 || st.Resources[entry(4).Put.ID] != nil {
		t.Errorf("%+v", st)
	}
}

func TestALeaseIsKeptByItsHeartbeatAndPassesWithoutIt(t *testing.T) {
	s := shared.Get(t)
	var first, second *Backend
	var release func()
	// More than two leases long it is kept, if they are long enough for a heartbeat on
	// a busy machine.
	for lease := time.Second; ; lease *= 5 {
		o := func(o *Options) { o.Lease = lease }
		first, second = open(t, s.Endpoint(), o), open(t, s.Endpoint(), o)
		release = lock(t, first)
		unlock, err := second.Lock(t.Context(), state.LockInfo{}, 4*lease)
		if _, ok := errors.AsType[*state.LockedError](err); ok {
			break
		}
		if err != nil || lease > 10*time.Second {
			t.Fatalf("the lock of one that lives: %v", err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		release()
	}
	first.held.stop() // its process has stopped
	unlock, err := second.Lock(t.Context(), state.LockInfo{Who: "second"}, time.Minute)
	if err != nil {
		t.Fatalf("the lock of one that does not: %v", err)
	}
	if err := first.Append(t.Context(), []state.Entry{entry(1)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("when it comes back: %v", err)
	}
	release()
	add(t, second, entry(2))
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestAReaderIsNotHeldUpByASnapshotThatIsMade(t *testing.T) {
	s := shared.Get(t)
	b := open(t, s.Endpoint())
	defer lock(t, b)()
	add(t, b, entry(0))
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		reader := open(t, s.Endpoint())
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if st, err := reader.Load(context.Background()); err != nil || len(st.Resources) == 0 {
				done <- errors.Join(errors.New("a reader saw no state"), err)
				return
			}
		}
	}()
	for i := range 20 {
		add(t, b, entry(i))
		if _, err := b.rewrite(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	s := shared.Get(t)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"a wrong secret":      {func(o *Options) { o.SecretKey = "hunter2" }, "check access_key and secret_key"},
		"an unknown key":      {func(o *Options) { o.AccessKey = "nobody" }, "access key"},
		"no such bucket":      {func(o *Options) { o.Bucket = "elsewhere" }, `there is no bucket "elsewhere"`},
		"nobody listens":      {func(o *Options) { o.Endpoint = "http://127.0.0.1:1" }, "refused"},
		"a bucket in another": {func(o *Options) { o.Region = "mars-1" }, "mars-1"},
	} {
		_, err := open(t, s.Endpoint(), c.change).Lock(t.Context(), state.LockInfo{}, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Options){
		"the name of the bucket is missing": func(o *Options) { o.Bucket = "" },
		"key is the name of an object":      func(o *Options) { o.Key = "a/" },
		"go together":                       func(o *Options) { o.SecretKey = "" },
		"endpoint is no URL":                func(o *Options) { o.Endpoint = "s3.example.com" },
		"shorter than a second":             func(o *Options) { o.Lease = time.Millisecond },
	} {
		o := options("http://x", "k")
		change(&o)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerThatOverlooksConditionsIsRefused(t *testing.T) {
	var head []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"same"`)
		if r.Method == http.MethodGet && head == nil {
			w.WriteHeader(http.StatusNotFound)
		} else if r.Method == http.MethodPut {
			head = []byte("x")
		}
	}))
	defer server.Close()
	_, err := open(t, server.URL).Lock(t.Context(), state.LockInfo{}, 0)
	if err == nil || !strings.Contains(err.Error(), "overlooks the condition") {
		t.Errorf("%v", err)
	}
}

func TestADamagedObjectIsAClearError(t *testing.T) {
	s := shared.Get(t)
	b := open(t, s.Endpoint())
	release := lock(t, b)
	add(t, b, entry(1))
	release()
	file := parts(t, s, b)[0]
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"checksum":      func() error { return os.WriteFile(file, append(whole, 'x'), 0o600) },
		"is missing":    func() error { return os.Remove(file) },
		"not what mail": func() error { return os.WriteFile(s.Object(b.o.Key), []byte("{}"), 0o600) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, s.Endpoint()).Load(t.Context())
		var damage *state.DamageError
		if !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASealedStateIsReadWithItsKeyAlone(t *testing.T) {
	s := shared.Get(t)
	plain := open(t, s.Endpoint())
	release := lock(t, plain)
	add(t, plain, entry(1))
	release()
	keys := &seal.Keyring{Key: seal.Passphrase("correct horse battery")}
	sealed := func(o *Options) { o.Keys = keys }
	b := open(t, s.Endpoint(), sealed)
	release = lock(t, b)
	add(t, b) // begins by sealing what is there
	add(t, b, entry(2))
	release()
	for _, file := range parts(t, s, b) {
		data, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(data), "thing.t") {
			t.Errorf("%s is plain: %s, %v", file, data, err)
		}
	}
	if st := load(t, open(t, s.Endpoint(), sealed)); len(st.Resources) != 2 || st.Serial != 2 {
		t.Errorf("%+v", st)
	}
	if _, err := open(t, s.Endpoint()).Load(t.Context()); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	other := func(o *Options) { o.Keys = &seal.Keyring{Key: seal.Passphrase("another passphrase")} }
	if _, err := open(t, s.Endpoint(), other).Load(t.Context()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("with another: %v", err)
	}
}

func FuzzHead(f *testing.F) {
	f.Add([]byte(`{"mailform_s3":1,"lineage":"l","serial":3,"token":2,"snapshot":{"name":"a","serial":2},"journal":[{"name":"b","serial":3}],"write":"w","lock":{"ID":"x","Lease":"1m"}}`))
	f.Add([]byte(`{"mailform_s3":2,"write":"w"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := decodeHead("x", data)
		if err != nil {
			return
		}
		if h.Lock != nil && h.Lock.lease() <= 0 {
			t.Errorf("a lease of %v", h.Lock.lease())
		}
		_ = h.lockedError(sighting{})
	})
}
