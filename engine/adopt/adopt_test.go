package adopt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/adopt"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const hash = "$6$salt$SECRET"

func mailbox(address string, quota int64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(address), "password_hash": cty.ListVal([]cty.Value{cty.StringVal(hash)}),
		"quota": cty.NumberIntVal(quota), "protocols": cty.ListVal([]cty.Value{cty.StringVal("imap")}), "mail": cty.StringVal("enabled"),
		"messages": cty.NumberIntVal(7), "bytes": cty.NumberIntVal(700),
	})
}

func route(address, member string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(address), "type": cty.StringVal("alias"),
		"members": cty.ListVal([]cty.Value{cty.StringVal(member)}), "keep_copy": cty.False,
	})
}

func dkim(bits int64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"domain": cty.StringVal("example.com"), "selector": cty.StringVal("s1"), "algorithm": cty.StringVal("rsa"),
		"bits": cty.NumberIntVal(bits), "txt": cty.StringVal("v=DKIM1"),
	})
}

// world is a configuration of which nearly all is there, and none is known to
// the state.
func world() adopt.Input {
	want := func(address, kind, key string, attrs cty.Value) schema.Resource {
		return schema.Resource{Address: address, Target: "embedded", Kind: kind, Key: key, Attrs: attrs}
	}
	have := func(kind, key string, attrs cty.Value) providers.Observed {
		return providers.Observed{Kind: kind, Key: key, Attrs: attrs}
	}
	gone := have(schema.KindMailbox, "gone@example.com", mailbox("gone@example.com", 0))
	gone.Retained = true
	left := gone
	left.Key = "left@example.com"
	return adopt.Input{
		Desired: []schema.Resource{
			want("user.alice.mailbox", schema.KindMailbox, "alice@example.com", mailbox("alice@example.com", 5)),
			want(`user.alice.alias["al"]`, schema.KindRoute, "al@example.com", route("al@example.com", "alice@example.com")),
			want(`user.alice.alias["ally"]`, schema.KindRoute, "ally@example.com", route("ally@example.com", "alice@example.com")),
			want(`user.staff["bob"].mailbox`, schema.KindMailbox, "bob@example.com", mailbox("bob@example.com", 5)),
			want(`user.staff["eve"].mailbox`, schema.KindMailbox, "eve@example.com", mailbox("eve@example.com", 5)),
			want("user.gone.mailbox", schema.KindMailbox, "gone@example.com", mailbox("gone@example.com", 0)),
			want(`domain.example.dkim["s1"]`, schema.KindDKIMKey, "example.com/s1", dkim(2048)),
		},
		Observed: map[string][]providers.Observed{"embedded": {
			have(schema.KindMailbox, "alice@example.com", mailbox("alice@example.com", 3)),
			have(schema.KindRoute, "al@example.com", route("al@example.com", "alice@example.com")),
			have(schema.KindMailbox, "bob@example.com", mailbox("bob@example.com", 5)),
			have(schema.KindDKIMKey, "example.com/s1", dkim(4096)),
			have(schema.KindMailbox, "carol@example.com", mailbox("carol@example.com", 0)),
			gone, left,
		}},
	}
}

func addresses(taken []adopt.Taken) string {
	var out []string
	for _, t := range taken {
		a := t.Address
		if len(t.Differs) > 0 {
			a += " (" + strings.Join(t.Differs, ",") + ")"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

func TestOne(t *testing.T) {
	managed := func(address string) *state.State {
		id := schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: "alice@example.com"}
		return &state.State{Resources: map[schema.ID]*state.Resource{id: {ID: id, Address: address}}}
	}
	for name, c := range map[string]struct {
		address, id string
		prior       *state.State
		taken       string
		fails       string
	}{
		"a block takes all of it that is there":  {"user.alice", "Alice@example.com", nil, `user.alice.alias["al"] user.alice.mailbox (quota)`, ""},
		"a resource takes itself":                {"user.alice.mailbox", "alice@example.com", nil, "user.alice.mailbox (quota)", ""},
		"an instance":                            {`user.staff["bob"]`, "bob@example.com", nil, `user.staff["bob"].mailbox`, ""},
		"a part of a block":                      {`user.alice.alias["al"]`, "al@example.com", nil, `user.alice.alias["al"]`, ""},
		"what is known already stays":            {"user.alice", "alice@example.com", managed("user.alice.mailbox"), `user.alice.alias["al"]`, ""},
		"all known already":                      {"user.alice.mailbox", "alice@example.com", managed("user.alice.mailbox"), "", "Already managed"},
		"known under another address":            {"user.alice", "alice@example.com", managed("user.ally.mailbox"), "", "mailform state mv 'user.ally.mailbox' 'user.alice.mailbox'"},
		"the ID of something else":               {"user.alice", "bob@example.com", nil, "", `does not describe "bob@example.com". What it describes is called alice@example.com.`},
		"the ID of a part is not that of it all": {"user.alice", "al@example.com", nil, "", "is called alice@example.com"},
		"not there":                              {`user.staff["eve"]`, "eve@example.com", nil, "", "Cannot import non-existent remote object"},
		"deleted, and kept":                      {"user.gone", "gone@example.com", nil, "", "the mail comes back with it"},
		"instances without a key":                {"user.staff", "bob@example.com", nil, "", `such as user.staff["bob"]`},
		"not in the files":                       {"user.alce", "alice@example.com", nil, "", "Did you mean user.alice?"},
		"nothing like it in the files":           {"domain.other", "example.org", nil, "", "to = domain.other\n  id = \"example.org\""},
		"what would have to be made anew":        {"domain.example", "s1._domainkey.example.com", nil, "", "differs in bits from what domain.example.dkim[\"s1\"] declares"},
	} {
		t.Run(name, func(t *testing.T) {
			in := world()
			in.Prior = c.prior
			res, err := adopt.One(in, c.address, c.id)
			if c.fails != "" {
				var refused *adopt.Error
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.taken, addresses(res.Taken)); d != "" {
				t.Error(d)
			}
			if len(res.Entries) != len(res.Taken) {
				t.Errorf("%d entries for %d taken", len(res.Entries), len(res.Taken))
			}
		})
	}
}

func TestAll(t *testing.T) {
	res := adopt.All(world(), "")
	if d := cmp.Diff(`user.alice.alias["al"] user.alice.mailbox (quota) user.staff["bob"].mailbox`, addresses(res.Taken)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{`user.alice.alias["ally"]`, "user.gone.mailbox", `user.staff["eve"].mailbox`}, res.Missing); d != "" {
		t.Error(d)
	}
	if len(res.Refused) != 1 || len(res.Foreign) != 1 || res.Foreign[0].Key != "carol@example.com" {
		t.Errorf("refused %v, foreign %v", res.Refused, res.Foreign)
	}
	if len(res.Retained) != 1 || res.Retained[0].Key != "left@example.com" {
		t.Errorf("retained: %v", res.Retained)
	}
	if other := adopt.All(world(), "embedded.second"); len(other.Taken)+len(other.Foreign)+len(other.Retained) > 0 {
		t.Errorf("of another target: %+v", other)
	}
	// What is remembered is what is there, without secrets and counts.
	for _, e := range res.Entries {
		raw, err := state.EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(raw); strings.Contains(s, "SECRET") || strings.Contains(s, "700") {
			t.Errorf("the entry holds what it must not: %s", s)
		}
		if e.Put.Address == "user.alice.mailbox" && !e.Put.Attrs.GetAttr("quota").RawEquals(cty.NumberIntVal(3)) {
			t.Errorf("quota is %#v, and 3 is there", e.Put.Attrs.GetAttr("quota"))
		}
	}
}
