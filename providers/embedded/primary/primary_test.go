package primary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/admin"
	nameserver "github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/transfer"
	"github.com/mailform/mailform/providers/embedded/tsig"
	"github.com/mailform/mailform/providers/porttest"
)

// A world is a name server with a clock of its own, and a parent that has the DS
// records that it is told.
type world struct {
	*Primary
	t         *testing.T
	dir       string
	store     *store.Store
	server    *nameserver.Server
	transfers *transfer.Server
	addr      string
	now       time.Time
	parent    dnssec.Parent
	asked     int
	stop      func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), now: time.Now().Add(-8 * 24 * time.Hour)}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.store, err = store.Open(context.Background(), w.dir, store.Options{Now: func() time.Time { return w.now }}); err != nil {
		w.t.Fatal(err)
	}
	keys := &tsig.Ring{}
	w.transfers = transfer.New(transfer.Options{Keys: keys, Retry: []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}})
	w.server = nameserver.New(nameserver.Options{Transfers: w.transfers, Keys: keys})
	w.Primary = New(Options{
		Store: w.store, Server: w.server, Transfers: w.transfers, Now: func() time.Time { return w.now },
		AskParent: func(context.Context, string, []string) (dnssec.Parent, error) {
			w.asked++
			if !w.parent.Seen {
				return dnssec.Parent{}, errors.New("nobody answers")
			}
			return w.parent, nil
		},
	})
	if err := w.LoadAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", porttest.Addr(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	udp, err := nameserver.ListenUDP(w.t.Context(), tcp.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = tcp.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.server.Serve(udp, tcp, nil) })
	running, end := context.WithCancel(context.Background())
	wg.Go(func() { w.transfers.Run(running) })
	w.stop = func() {
		end()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(w.server.Shutdown(ctx), w.store.Close()); err != nil {
			w.t.Error(err)
		}
		wg.Wait()
	}
}

// restart ends the process and begins anew, with what is on disk.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

func (w *world) apply(changes ...admin.Change) []admin.Resource {
	w.t.Helper()
	rs, err := w.store.ApplyChanges(w.t.Context(), changes)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range changes {
		zone := c.Key
		if c.Kind == "secondary" {
			list, err := w.store.Secondaries(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			w.transfers.SetSecondaries(list)
			continue
		}
		if c.Kind == "rrset" {
			zone = store.ZoneOf(c.Key)
		}
		if err := w.Load(w.t.Context(), zone); err != nil {
			w.t.Fatal(err)
		}
	}
	return rs
}

func create(kind, key, attrs string) admin.Change {
	return admin.Change{Action: "create", Kind: kind, Key: key, Owner: key, Lineage: "L", Attrs: json.RawMessage(attrs)}
}

func zone(name string) admin.Change {
	return create("zone", name, fmt.Sprintf(`{"name":"%s.","primary":"ns1.%[1]s.","contact":"hostmaster.%[1]s.","refresh":7200,"retry":900,"expire":1209600,"negative_ttl":300}`, name))
}

func rrset(zone, name, rrtype string, values ...string) admin.Change {
	list, _ := json.Marshal(values)
	return create("rrset", zone+"/"+name+"/"+rrtype, fmt.Sprintf(`{"zone":"%s.","name":%q,"type":%q,"ttl":3600,"values":%s}`, zone, name, rrtype, list))
}

func signing(zone string) admin.Change {
	return create("dnssec", zone, fmt.Sprintf(`{"zone":"%s.","denial":"nsec3","signature_lifetime":1209600,"zsk_lifetime":2592000,"ksk_lifetime":0,"propagation":3600,"parental_agents":["127.0.0.1:53"],"withdraw":false}`, zone))
}

// exampleCom is a signed zone.
func exampleCom() []admin.Change {
	return []admin.Change{signing("example.com"), zone("example.com"), rrset("example.com", "example.com.", "NS", "ns1.example.com."),
		rrset("example.com", "ns1.example.com.", "A", "192.0.2.53"), rrset("example.com", "www.example.com.", "A", "192.0.2.80")}
}

func (w *world) ask(name string, rrtype uint16) *dns.Msg {
	w.t.Helper()
	q := new(dns.Msg).SetQuestion(name, rrtype)
	q.SetEdns0(1232, true)
	m, _, err := (&dns.Client{Timeout: time.Minute}).Exchange(q, w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) serial() uint32 {
	w.t.Helper()
	return w.ask("example.com.", dns.TypeSOA).Answer[0].(*dns.SOA).Serial
}

// text is what an answer has, signatures included.
func text(m *dns.Msg) string {
	var lines []string
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		lines = append(lines, rr.String())
	}
	return strings.Join(lines, "\n")
}

// run lets time go by.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	last := w.serial()
	for {
		next := w.Tick(w.t.Context())
		if s := w.serial(); int32(s-last) < 0 {
			w.t.Fatalf("the serial went from %d to %d", last, s)
		} else {
			last = s
		}
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		if !next.After(w.now) {
			w.t.Fatalf("at %s, the next round is at %s", w.now, next)
		}
		w.now = next
	}
}

func (w *world) keys() string {
	w.t.Helper()
	sts, err := w.Status(w.t.Context(), "example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, k := range sts[0].Keys {
		out = append(out, fmt.Sprintf("%s %s", k.Role, k.State))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// parentTakesOver gives the parent the DS records that it is to have.
func (w *world) parentTakesOver() {
	w.t.Helper()
	g, err := w.store.Signing(w.t.Context(), "example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	w.parent = dnssec.Parent{Seen: true, DS: dnssec.DS(g.Keys, g.Policy), TTL: 3600}
}

func TestASignedZoneOutlivesTheProcess(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	serial := w.serial()
	before := text(w.ask("www.example.com.", dns.TypeA)) + text(w.ask("example.com.", dns.TypeDNSKEY)) + text(w.ask("nosuch.example.com.", dns.TypeA))
	if strings.Count(before, "RRSIG") < 6 {
		t.Fatalf("it is not signed:\n%s", before)
	}
	w.restart()
	after := text(w.ask("www.example.com.", dns.TypeA)) + text(w.ask("example.com.", dns.TypeDNSKEY)) + text(w.ask("nosuch.example.com.", dns.TypeA))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the signatures are others after a restart\n%s", diff)
	}
	if s := w.serial(); s != serial {
		t.Errorf("the serial was %d, and is %d after a restart", serial, s)
	}
	w.apply(rrset("example.com", "new.example.com.", "A", "192.0.2.81"))
	if s := w.serial(); s != serial+1 {
		t.Errorf("the serial is %d after a change, want %d", s, serial+1)
	}
}

// A process that ends between the batch and its publication.
func TestWhatWasStoredAndNotYetPublished(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	serial := w.serial()
	if _, err := w.store.ApplyChanges(t.Context(), []admin.Change{rrset("example.com", "new.example.com.", "A", "192.0.2.81")}); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if s := w.serial(); s != serial+1 {
		t.Errorf("the serial was %d and is %d", serial, s)
	}
	if m := w.ask("new.example.com.", dns.TypeA); len(m.Answer) != 2 {
		t.Errorf("the new record set is served as %s", text(m))
	}
}

func TestKeysLeadTheirLives(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	if got := w.keys(); got != "ksk published, zsk active" {
		t.Fatal(got)
	}
	w.run(3 * time.Hour)
	if got := w.keys(); got != "ksk ready, zsk active" {
		t.Fatal(got)
	}
	w.parentTakesOver()
	w.run(time.Hour)
	if got := w.keys(); got != "ksk active, zsk active" {
		t.Fatal(got)
	}
	asked := w.asked
	w.run(24 * time.Hour)
	if w.asked != asked {
		t.Errorf("the parent was asked %d times for nothing", w.asked-asked)
	}
	// A roll, with a restart at each stage.
	if err := w.Roll(t.Context(), "example.com", dnssec.KSK); err != nil {
		t.Fatal(err)
	}
	if err := w.Roll(t.Context(), "example.com", dnssec.KSK); !errors.Is(err, ErrUnderWay) {
		t.Errorf("a second one: %v", err)
	}
	w.restart()
	if got := w.keys(); got != "ksk active, ksk published, zsk active" {
		t.Fatal(got)
	}
	if n := len(w.ask("example.com.", dns.TypeDNSKEY).Answer); n != 3+2 {
		t.Errorf("the DNSKEY set has %d records and signatures", n)
	}
	w.run(3 * time.Hour)
	w.restart()
	if got := w.keys(); got != "ksk active, ksk ready, zsk active" {
		t.Fatal(got)
	}
	w.parentTakesOver()
	w.run(time.Hour)
	if got := w.keys(); got != "ksk active, ksk retired, zsk active" {
		t.Fatal(got)
	}
	w.run(3 * time.Hour) // TTL of the DS, and propagation
	if got := w.keys(); got != "ksk active, zsk active" {
		t.Fatal(got)
	}
	w.run(30 * 24 * time.Hour)
	if got := w.keys(); got != "ksk active, zsk active, zsk retired" {
		t.Fatal(got)
	}
}

func TestAParentThatCannotBeAsked(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	if err := w.Confirm(t.Context(), "example.com"); !errors.Is(err, ErrNothingAwaited) {
		t.Errorf("too early: %v", err)
	}
	w.run(3 * time.Hour)
	if err := w.Confirm(t.Context(), "example.com"); err != nil {
		t.Fatal(err)
	}
	if got := w.keys(); got != "ksk active, zsk active" {
		t.Error(got)
	}
	if err := w.Confirm(t.Context(), "example.org"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a zone that is not signed: %v", err)
	}
}

func TestAParentThatDoesNotAnswerIsAskedLessOften(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	w.run(5 * 24 * time.Hour)
	if w.asked < 40 || w.asked > 80 { // every two hours, after some haste
		t.Errorf("it was asked %d times in five days", w.asked)
	}
	// When it does, what it says is heard within two hours.
	w.parentTakesOver()
	w.run(2*time.Hour + time.Minute)
	if got := w.keys(); got != "ksk active, zsk active" {
		t.Error(got)
	}
}

func TestAParentZoneOfOurOwn(t *testing.T) {
	w := newWorld(t)
	w.apply(append(exampleCom(), zone("com"), rrset("com", "example.com.", "NS", "ns1.example.com."))...)
	w.run(3 * time.Hour)
	sts, err := w.Status(t.Context(), "")
	if err != nil || len(sts) != 1 {
		t.Fatalf("%v (%v)", sts, err)
	}
	w.apply(rrset("com", "example.com.", "DS", sts[0].DS...))
	w.Tick(t.Context()) // without waiting for the next time that it would be asked
	if got := w.keys(); got != "ksk active, zsk active" || w.asked > 0 {
		t.Errorf("%s; somebody else was asked %d times", got, w.asked)
	}
}

func TestSignaturesAreRenewed(t *testing.T) {
	w := newWorld(t)
	w.apply(exampleCom()...)
	w.parentTakesOver()
	serial := w.serial()
	w.run(20 * 24 * time.Hour)
	for _, rr := range w.ask("www.example.com.", dns.TypeA).Answer {
		if sig, ok := rr.(*dns.RRSIG); ok && !sig.ValidityPeriod(w.now.Add(3*24*time.Hour)) {
			t.Errorf("it ends soon: %s", sig)
		}
	}
	if s := w.serial(); s == serial {
		t.Error("the serial is the same")
	}
}

func TestAZoneThatIsSignedNoMore(t *testing.T) {
	w := newWorld(t)
	rs := w.apply(exampleCom()...)
	serial := w.serial()
	w.apply(admin.Change{Action: "delete", Kind: "dnssec", Key: "example.com", Revision: rs[0].Revision})
	if m := w.ask("www.example.com.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("it is still signed: %s", text(m))
	}
	if s := w.serial(); s != serial+1 {
		t.Errorf("the serial was %d and is %d", serial, s)
	}
	w.apply(signing("example.com"))
	if m := w.ask("www.example.com.", dns.TypeA); len(m.Answer) != 2 {
		t.Errorf("it is not signed again: %s", text(m))
	}
	if s := w.serial(); s <= serial+1 {
		t.Errorf("the serial is %d", s)
	}
}
