package store

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/admin"
)

const (
	zoneJSON    = `{"name":"example.com.","primary":"ns1.example.com.","contact":"hostmaster.example.com.","refresh":7200,"retry":900,"expire":1209600,"negative_ttl":300}`
	rrsetJSON   = `{"zone":"example.com.","name":"www.example.com.","type":"A","ttl":3600,"values":["192.0.2.80"]}`
	rrsetKey    = "example.com/www.example.com./A"
	settingJSON = `{"hostname":"mail.example.com","addresses":["127.0.0.1"],"message_size_limit":50000000,"retention":%d,"tls_certificate":"","tls_key":"","relay_host":"","retry":[60,300]}`
	dnssecJSON  = `{"zone":"example.com.","denial":"nsec3","signature_lifetime":1209600,"zsk_lifetime":7776000,"ksk_lifetime":0,"propagation":3600,"parental_agents":[],"withdraw":false}`
	listenJSON  = `{"owner":"main","service":"smtp","hostname":"mail.example.com","listen":["127.0.0.1:2525"],"listen_tls":[]}`
)

func setting(retention time.Duration) admin.Change {
	return create("setting", "main", fmt.Sprintf(settingJSON, retention/time.Second))
}

const secondaryJSON = `{"owner":"ns1","address":"192.0.2.54:53","unsigned":false,"key_name":"ns2.example.com.","key_algorithm":"hmac-sha256","key_secret":"c2VjcmV0"}`

// oneOfEach makes one resource of each kind.
func oneOfEach() []admin.Change {
	return []admin.Change{
		create("dkimkey", "example.com/s1", `{"domain":"example.com","selector":"s1","algorithm":"ed25519","bits":0}`),
		setting(time.Hour),
		mailDomain("example.com"),
		mailbox("alice@example.com", ""),
		route("al@example.com", "alias", false, "alice@example.com"),
		create("listener", "main/smtp", listenJSON),
		create("secondary", "ns1/ns2", secondaryJSON),
		create("dnssec", "example.com", dnssecJSON),
		create("zone", "example.com", zoneJSON),
		create("rrset", rrsetKey, rrsetJSON),
	}
}

// changed gives attributes that differ from those of oneOfEach.
var changed = map[string]string{
	"setting":   strings.Replace(fmt.Sprintf(settingJSON, 60), "mail.", "mx.", 1),
	"mailbox":   `{"address":"alice@example.com","password_hash":[],"protocols":[],"mail":"enabled","quota":5}`,
	"route":     `{"address":"al@example.com","type":"alias","members":["x@elsewhere.net"],"keep_copy":false}`,
	"secondary": strings.Replace(secondaryJSON, "192.0.2.54", "192.0.2.55", 1),
	"dnssec":    strings.Replace(dnssecJSON, "7776000", "0", 1),
	"listener":  strings.Replace(listenJSON, "2525", "2526", 1),
	"zone":      strings.Replace(zoneJSON, "7200", "7201", 1),
	"rrset":     strings.Replace(rrsetJSON, "3600", "60", 1),
}

func codeOf(err error) string {
	var e *admin.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func list(t *testing.T, s *Store) []admin.Resource {
	t.Helper()
	rs, err := s.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestApplyEachKind(t *testing.T) {
	for i, c := range oneOfEach() {
		t.Run(c.Kind, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			if c.Kind == "rrset" {
				apply(t, s, oneOfEach()[i-1])
			}
			find := func() *admin.Resource {
				t.Helper()
				for _, r := range list(t, s) {
					if r.Kind == c.Kind && r.Key == c.Key {
						return &r
					}
				}
				return nil
			}
			refused := func(c admin.Change, why string) {
				t.Helper()
				before := list(t, s)
				// With something good on both sides: all or nothing.
				_, err := s.ApplyChanges(t.Context(), []admin.Change{mailDomain("one.example"), c, mailDomain("two.example")})
				if codeOf(err) != "conflict" {
					t.Errorf("%s: %v, want a conflict", why, err)
				} else if e := new(admin.Error); !errors.As(err, &e) || e.Kind != c.Kind || e.Key != c.Key {
					t.Errorf("%s: the error names %s %s", why, e.Kind, e.Key)
				}
				if d := cmp.Diff(before, list(t, s)); d != "" {
					t.Errorf("%s: something was written: %s", why, d)
				}
			}
			update := c
			update.Action = "update"
			update.Revision = "something"
			refused(update, "an update of what is not there")

			made := apply(t, s, c)[0]
			if made.Kind != c.Kind || made.Key != c.Key || made.Owner != c.Owner || made.Lineage != "L1" || made.Revision == "" || made.Retained {
				t.Errorf("made %+v", made)
			}
			if got := find(); got == nil {
				t.Fatal("it is not listed")
			} else if d := cmp.Diff(made, *got); d != "" {
				t.Errorf("it is not listed as it was answered: %s", d)
			}
			var declared, got map[string]any
			if err := errors.Join(json.Unmarshal(c.Attrs, &declared), json.Unmarshal(made.Attrs, &got)); err != nil {
				t.Fatal(err)
			}
			for name, want := range declared {
				if d := cmp.Diff(want, got[name]); d != "" {
					t.Errorf("%s is not as declared: %s", name, d)
				}
			}

			if again := apply(t, s, c)[0]; again.Revision != made.Revision {
				t.Error("making the same again gave another revision")
			}
			foreign := c
			foreign.Lineage = "L2"
			refused(foreign, "to make it for another state")

			update.Attrs, update.Revision = c.Attrs, "stale"
			if text, ok := changed[c.Kind]; ok {
				update.Attrs = json.RawMessage(text)
			} else {
				update.Owner = "test.other"
			}
			refused(update, "an update of another revision")
			update.Revision = ""
			refused(update, "an update that saw nothing")
			update.Revision = made.Revision
			now := apply(t, s, update)[0]
			if now.Revision == made.Revision || now.Owner != update.Owner {
				t.Errorf("after the update: %+v", now)
			}
			if _, ok := changed[c.Kind]; ok && string(now.Attrs) == string(made.Attrs) {
				t.Error("the update changed nothing")
			}

			del := admin.Change{Action: "delete", Kind: c.Kind, Key: c.Key, Revision: made.Revision}
			refused(del, "a deletion of an old revision")
			del.Revision = now.Revision
			gone := apply(t, s, del)[0]
			if d := cmp.Diff(admin.Resource{Kind: c.Kind, Key: c.Key}, gone); d != "" {
				t.Error(d)
			}
			if r := find(); r != nil && !r.Retained {
				t.Errorf("it is still there: %+v", r)
			}
			apply(t, s, del) // again: it is not there, as it should be
			if back := apply(t, s, c)[0]; back.Revision == made.Revision || back.Revision == now.Revision {
				t.Error("made again it has an old revision")
			}
		})
	}
}

func TestApplyRefusesNonsense(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, c := range []struct{ name, kind, key, attrs, want string }{
		{"an unknown kind", "process", "/x", `{}`, "keeps no"},
		{"no attributes", "maildomain", "example.com", ``, "decode"},
		{"null", "maildomain", "example.com", `null`, "name"},
		{"an unknown attribute", "maildomain", "example.com", `{"name":"example.com","color":"red"}`, "color"},
		{"a wrong type", "mailbox", "a@example.com", `{"address":"a@example.com","quota":"much"}`, "quota should be of type int64"},
		{"two objects", "maildomain", "example.com", `{"name":"example.com"}{}`, "more than one"},
		{"a key that belongs to other attributes", "maildomain", "example.net", `{"name":"example.com"}`, "key"},
		{"a name in capitals", "maildomain", "Example.com", `{"name":"Example.com"}`, "canonical"},
		{"a negative quota", "mailbox", "a@example.com", `{"address":"a@example.com","quota":-1}`, "negative"},
		{"an unknown protocol", "mailbox", "a@example.com", `{"address":"a@example.com","protocols":["smtp"]}`, "imap or pop3"},
		{"an unknown state of mail", "mailbox", "a@example.com", `{"address":"a@example.com","mail":"perhaps"}`, "perhaps"},
		{"no address", "mailbox", "a", `{"address":"a"}`, "not an address"},
		{"a password in clear text", "mailbox", "a@example.com", `{"address":"a@example.com","password_hash":["s3cret-word"]}`, "password_hash[0]"},
		{"an unknown sort of route", "route", "a@example.com", `{"address":"a@example.com","type":"maze","members":[]}`, "maze"},
		{"a catch-all of one address", "route", "a@example.com", `{"address":"a@example.com","type":"catch_all","members":[]}`, "catch_all"},
		{"an unknown service", "listener", "main/ftp", `{"owner":"main","service":"ftp","hostname":"x.example.com","listen":[]}`, "ftp"},
		{"a port that is none", "listener", "main/smtp", `{"owner":"main","service":"smtp","hostname":"x.example.com","listen":["127.0.0.1:99999"]}`, "99999"},
		{"a relative zone name", "zone", "example.com", strings.Replace(zoneJSON, "example.com.", "example.com", 1), "canonical"},
		{"a record outside its zone", "rrset", "example.com/www.example.net./A", strings.Replace(rrsetJSON, "www.example.com.", "www.example.net.", 1), "does not lie in"},
		{"a record set without records", "rrset", rrsetKey, strings.Replace(rrsetJSON, `"192.0.2.80"`, "", 1), "at least one"},
		{"a value that does not fit its type", "rrset", rrsetKey, strings.Replace(rrsetJSON, "192.0.2.80", "nowhere", 1), "nowhere"},
		{"a record set of no zone", "rrset", rrsetKey, rrsetJSON, "no zone"},
		{"a short key", "dkimkey", "example.com/s", `{"domain":"example.com","selector":"s","algorithm":"rsa","bits":512}`, "1024"},
		{"an unknown algorithm", "dkimkey", "example.com/s", `{"domain":"example.com","selector":"s","algorithm":"dsa","bits":0}`, "dsa"},
		{"a negative retention", "setting", "main", fmt.Sprintf(settingJSON, -1), "retention"},
		{"a certificate without its key", "setting", "main", strings.Replace(fmt.Sprintf(settingJSON, 1), `"tls_key":""`, `"tls_key":"/k"`, 1), "together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.ApplyChanges(t.Context(), []admin.Change{mailDomain("good.example"), create(c.kind, c.key, c.attrs)})
			if codeOf(err) != "invalid" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an invalid one with %q", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("the error holds the secret: %v", err)
			}
			if rs := list(t, s); len(rs) != 0 {
				t.Errorf("something was written: %v", rs)
			}
		})
	}
	if _, err := s.ApplyChanges(t.Context(), []admin.Change{{Action: "replace", Kind: "zone", Key: "x"}}); codeOf(err) != "invalid" {
		t.Errorf("an unknown action: %v", err)
	}
}

func TestAClosedAccountKeepsItsMail(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, setting(time.Hour))
	id := newAccount(t, s, "alice")
	in := inboxOf(t, s, id)
	fill(t, s, in.ID, 3)
	open := mailbox("alice@example.com", "")
	rev := apply(t, s, open)[0]
	if !strings.Contains(string(rev.Attrs), `"messages":3,"bytes":30`) {
		t.Errorf("counts are missing: %s", rev.Attrs)
	}
	closing := admin.Change{Action: "delete", Kind: "mailbox", Key: "alice@example.com", Revision: rev.Revision}
	apply(t, s, closing)

	if _, err := s.Account(t.Context(), "alice@example.com"); !errors.Is(err, ErrNotFound) {
		t.Errorf("login: %v, want ErrNotFound", err)
	}
	if _, err := s.Resolve(t.Context(), "alice@example.com"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("mail: %v, want ErrUnknownUser", err)
	}
	if err := accept(t.Context(), s, []byte("late"), id); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("mail under way: %v, want ErrUnknownUser", err)
	}
	var kept admin.Resource
	for _, r := range list(t, s) {
		if r.Kind == "mailbox" {
			kept = r
		}
	}
	if !kept.Retained || !strings.Contains(string(kept.Attrs), `"messages":3,"bytes":30`) || !strings.Contains(string(kept.Attrs), `"password_hash":["$argon2id$`) {
		t.Errorf("kept: %+v; want 3 messages and the password's verifier", kept)
	}
	if n, err := s.PurgeRetained(t.Context(), time.Now().Add(59*time.Minute)); n != 0 || err != nil {
		t.Errorf("purged %d, %v before its time", n, err)
	}

	apply(t, s, open)
	a, err := s.Account(t.Context(), "alice@example.com")
	if err != nil || a.ID != id || len(a.PasswordHashes) != 1 {
		t.Errorf("back again: %+v, %v", a, err)
	}
	if m := inboxOf(t, s, id); m.UIDValidity != in.UIDValidity || m.UIDNext != 4 || m.Messages != 3 {
		t.Errorf("back again with %+v", m)
	}

	closing.Revision = apply(t, s, open)[0].Revision
	apply(t, s, closing)
	if n, err := s.PurgeRetained(t.Context(), time.Now().Add(61*time.Minute)); n != 1 || err != nil {
		t.Errorf("purged %d, %v; want 1", n, err)
	}
	var bodies int
	if err := s.read.row(t.Context(), `SELECT COUNT(*) FROM body`, nil, &bodies); err != nil || bodies != 0 {
		t.Errorf("%d bodies are left, %v", bodies, err)
	}
	apply(t, s, open)
	if a, err := s.Account(t.Context(), "alice@example.com"); err != nil || a.ID == id {
		t.Errorf("a new account of the same name is %+v, %v", a, err)
	}
	checkStore(t, s)
}

func TestWithoutRetentionMailGoesAtOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, setting(0))
	id := newAccount(t, s, "alice")
	fill(t, s, inboxOf(t, s, id).ID, 2*purgeStep+1)
	rev := apply(t, s, mailbox("alice@example.com", ""))[0].Revision
	apply(t, s, admin.Change{Action: "delete", Kind: "mailbox", Key: "alice@example.com", Revision: rev})
	for _, r := range list(t, s) {
		if r.Kind == "mailbox" {
			t.Errorf("%+v is listed", r)
		}
	}
	if _, err := s.Usage(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Errorf("usage: %v, want ErrNotFound", err)
	}
	checkStore(t, s)

	// A crash between closing and purging: who comes back finds nothing.
	id = newAccount(t, s, "alice")
	fill(t, s, inboxOf(t, s, id).ID, 2)
	err := s.write(t.Context(), func(tx *tx) error {
		if err := tx.forgetAccount(id); err != nil {
			return err
		}
		_, err := tx.exec(`UPDATE account SET closed_at = 1, purge_at = 1 WHERE id = ?`, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	made := apply(t, s, mailbox("alice@example.com", ""))[0]
	if !strings.Contains(string(made.Attrs), `"messages":0,"bytes":0`) {
		t.Errorf("came back with %s", made.Attrs)
	}
	checkStore(t, s)
}

func TestTheSerialRisesOncePerBatch(t *testing.T) {
	s := openStore(t, t.TempDir())
	serial := func() uint32 {
		t.Helper()
		z, err := s.Zone(t.Context(), "Example.COM")
		if err != nil {
			t.Fatal(err)
		}
		return z.Serial
	}
	other := create("rrset", "example.com/example.com./TXT", `{"zone":"example.com.","name":"example.com.","type":"TXT","ttl":60,"values":["v=spf1 -all"]}`)
	apply(t, s, create("rrset", rrsetKey, rrsetJSON), create("zone", "example.com", zoneJSON), other)
	if serial() != 1 {
		t.Errorf("serial %d after the first batch", serial())
	}
	apply(t, s, other, mailDomain("example.com"))
	if serial() != 1 {
		t.Errorf("serial %d after a batch that changed nothing of it", serial())
	}
	other.Attrs = json.RawMessage(strings.Replace(string(other.Attrs), "60", "61", 1))
	other.Action, other.Revision = "update", list(t, s)[1].Revision
	apply(t, s, other)
	if serial() != 2 {
		t.Errorf("serial %d after a change", serial())
	}
	z, err := s.Zone(t.Context(), "example.com.")
	want := &Zone{Name: "example.com.", Serial: 2, Primary: "ns1.example.com.", Contact: "hostmaster.example.com.",
		Refresh: 7200, Retry: 900, Expire: 1209600, NegativeTTL: 300, RRsets: []RRset{
			{"example.com.", "TXT", 61, []string{"v=spf1 -all"}}, {"www.example.com.", "A", 3600, []string{"192.0.2.80"}}}}
	if d := cmp.Diff(want, z); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	if zs, err := s.Zones(t.Context()); err != nil || len(zs) != 1 || !cmp.Equal(zs[0], *want) {
		t.Errorf("Zones: %+v, %v", zs, err)
	}
	if err := s.write(t.Context(), func(t *tx) error {
		_, err := t.exec(`UPDATE zone_serial SET serial = 4294967295`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// The zone goes with its record sets, and not without them.
	var removal, sets []admin.Change
	for _, r := range list(t, s) {
		switch c := (admin.Change{Action: "delete", Kind: r.Kind, Key: r.Key, Revision: r.Revision}); r.Kind {
		case "zone":
			removal = append(removal, c)
		case "rrset":
			sets = append(sets, c)
		}
	}
	_, err = s.ApplyChanges(t.Context(), append(removal, sets[0]))
	if err == nil || !strings.Contains(err.Error(), "still has what mailform did not make: www.example.com. A.") {
		t.Errorf("a zone with a record set of somebody else's: %v", err)
	}
	if rs := list(t, s); len(rs) != 1+len(removal)+len(sets) {
		t.Errorf("something of it has gone: %v", rs)
	}
	apply(t, s, append(removal, sets...)...)
	if rs := list(t, s); len(rs) != 1 {
		t.Errorf("the zone left record sets behind: %v", rs)
	}
	if _, err := s.Zone(t.Context(), "example.com"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the zone is still there: %v", err)
	}
	apply(t, s, create("zone", "example.com", zoneJSON))
	if serial() != 1 {
		t.Errorf("serial %d after the largest one", serial())
	}
}

func TestDKIMKeysSign(t *testing.T) {
	s := openStore(t, t.TempDir())
	made := apply(t, s,
		create("dkimkey", "example.com/r", `{"domain":"example.com","selector":"r","algorithm":"rsa","bits":1024}`),
		create("dkimkey", "example.com/e", `{"domain":"example.com","selector":"e","algorithm":"ed25519"}`))
	keys, err := s.DKIMKeys(t.Context(), "Example.com")
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for i, k := range keys {
		p, _ := pem.Decode(k.PrivatePEM)
		if p == nil {
			t.Fatal("no PEM")
		}
		if _, err := x509.ParsePKCS8PrivateKey(p.Bytes); err != nil {
			t.Error(err)
		}
		answer := made[1-i] // keys are by selector
		if !strings.Contains(string(answer.Attrs), `"txt":"v=DKIM1; k=`+k.Algorithm) {
			t.Errorf("%s has attributes %s", k.Selector, answer.Attrs)
		}
	}
	for _, r := range list(t, s) {
		if strings.Contains(string(r.Attrs), "PRIVATE") {
			t.Error("the private key is listed")
		}
	}
	if keys, err := s.DKIMKeys(t.Context(), "example.net"); err != nil || len(keys) != 0 {
		t.Errorf("of another domain: %v, %v", keys, err)
	}
}

func TestDaemonReadsWhatIsDeclared(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, oneOfEach()...)
	ls, err := s.Listeners(t.Context())
	if d := cmp.Diff([]Listener{{Owner: "main", Service: "smtp", Hostname: "mail.example.com", Listen: []string{"127.0.0.1:2525"}, ListenTLS: []string{}}}, ls); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	sets, err := s.Settings(t.Context())
	want := []Setting{{Key: "main", Hostname: "mail.example.com", Addresses: []string{"127.0.0.1"}, MessageSizeLimit: 50000000,
		Retention: time.Hour, Retry: []time.Duration{time.Minute, 5 * time.Minute}}}
	if d := cmp.Diff(want, sets); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	if ok, err := s.LocalDomain(t.Context(), "EXAMPLE.com."); !ok || err != nil {
		t.Errorf("LocalDomain: %v, %v", ok, err)
	}
	totals, err := s.Totals(t.Context())
	if want := (Totals{Accounts: 1, Zones: 1}); !reflect.DeepEqual(totals, want) || err != nil {
		t.Errorf("totals %+v, %v", totals, err)
	}
	if keys, err := s.Resources(t.Context()); err != nil || !sortedByKey(keys) {
		t.Errorf("resources are not sorted: %v", err)
	}
}

func sortedByKey(rs []admin.Resource) bool {
	for i := 1; i < len(rs); i++ {
		if rs[i-1].Kind > rs[i].Kind || rs[i-1].Kind == rs[i].Kind && rs[i-1].Key >= rs[i].Key {
			return false
		}
	}
	return true
}
