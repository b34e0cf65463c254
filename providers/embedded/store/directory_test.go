package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/admin"
)

func route(address, kind string, keepCopy bool, members ...string) admin.Change {
	return create("route", address, fmt.Sprintf(`{"address":%q,"type":%q,"members":["%s"],"keep_copy":%v}`, address, kind, strings.Join(members, `","`), keepCopy))
}

func TestResolve(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, mailDomain("example.com"), mailDomain("xn--bcher-kva.example"),
		mailbox("alice@example.com", ""), mailbox("bob@example.com", ""),
		mailbox("off@example.com", `,"mail":"disabled"`),
		mailbox("off@xn--bcher-kva.example", `,"mail":"disabled"`),
		mailbox("away@example.com", `,"mail":"forward"`),
		mailbox("both@example.com", `,"mail":"forward"`),
		mailbox("soon@example.com", `,"mail":"forward"`),
		mailbox("oe@xn--bcher-kva.example", ""),
		route("away@example.com", "forward", false, "x@elsewhere.net"),
		route("both@example.com", "forward", true, "bob@example.com", "x@elsewhere.net"),
		route("al@example.com", "alias", false, "alice@example.com"),
		route("all@example.com", "alias", false, "al@example.com", "alice@example.com", "bob@example.com", "nobody@example.com", "off@example.com", "p@elsewhere.net"),
		route("ring@example.com", "alias", false, "gnir@example.com"),
		route("gnir@example.com", "alias", false, "ring@example.com", "bob@example.com"),
		route("loop@example.com", "alias", false, "loop@example.com"),
		route("bob@example.com", "alias", false, "bob@example.com", "alice@example.com"),
		route("dead@example.com", "alias", false, "off@example.com"),
		route("@xn--bcher-kva.example", "catch_all", false, "alice@example.com"),
	)
	ids := map[int64]string{}
	for _, name := range []string{"alice", "bob", "off", "away", "both", "soon"} {
		a, err := s.Account(t.Context(), name+"@example.com")
		if err != nil {
			t.Fatal(err)
		}
		ids[a.ID] = name
	}
	a, err := s.Account(t.Context(), "OE@BÜCHER.example")
	if err != nil {
		t.Fatal(err)
	}
	ids[a.ID] = "oe"
	for _, c := range []struct {
		name, rcpt string
		accounts   []string
		forwards   []string
		err        error
	}{
		{name: "an account", rcpt: "alice@example.com", accounts: []string{"alice"}},
		{name: "in any letter case", rcpt: "ALICE@Example.COM", accounts: []string{"alice"}},
		{name: "an alias", rcpt: "al@example.com", accounts: []string{"alice"}},
		{name: "an alias of aliases names each once and leaves out who takes no mail", rcpt: "all@example.com", accounts: []string{"alice", "bob"}, forwards: []string{"p@elsewhere.net"}},
		{name: "a ring of aliases ends", rcpt: "ring@example.com", accounts: []string{"alice", "bob"}},
		{name: "an alias of itself alone is nobody", rcpt: "loop@example.com", err: ErrUnknownUser},
		{name: "an alias over an account that is its member", rcpt: "bob@example.com", accounts: []string{"alice", "bob"}},
		{name: "a forward without a copy", rcpt: "away@example.com", forwards: []string{"x@elsewhere.net"}},
		{name: "a forward with a copy", rcpt: "both@example.com", accounts: []string{"alice", "bob", "both"}, forwards: []string{"x@elsewhere.net"}},
		{name: "a forward whose route is not there yet keeps its mail", rcpt: "soon@example.com", accounts: []string{"soon"}},
		{name: "a disabled account", rcpt: "off@example.com", err: ErrMailDisabled},
		{name: "a disabled account beside a catch-all", rcpt: "off@bücher.example", err: ErrMailDisabled},
		{name: "an alias of a disabled account", rcpt: "dead@example.com", err: ErrMailDisabled},
		{name: "an unknown user", rcpt: "nobody@example.com", err: ErrUnknownUser},
		{name: "what stands behind a plus is the account's", rcpt: "Bob+Lists@example.com", accounts: []string{"alice", "bob"}},
		{name: "and an alias's", rcpt: "al+x+y@example.com", accounts: []string{"alice"}},
		{name: "and a disabled account's", rcpt: "off+x@example.com", err: ErrMailDisabled},
		{name: "a plus behind nobody", rcpt: "nobody+x@example.com", err: ErrUnknownUser},
		{name: "a plus before everything", rcpt: "+alice@example.com", err: ErrUnknownUser},
		{name: "a plus before the catch-all", rcpt: "oe+x@bücher.example", accounts: []string{"oe"}},
		{name: "a foreign domain", rcpt: "alice@example.net", err: ErrUnknownDomain},
		{name: "a subdomain is foreign", rcpt: "alice@sub.example.com", err: ErrUnknownDomain},
		{name: "no address", rcpt: "alice", err: ErrUnknownDomain},
		{name: "catch-all", rcpt: "anyone@bücher.example", accounts: []string{"alice"}},
		{name: "an account before the catch-all, in U-labels", rcpt: "oe@bücher.example", accounts: []string{"oe"}},
		{name: "the catch-all's own key is no recipient", rcpt: "@example.com", err: ErrUnknownUser},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, how := range []string{"from the tables", "from memory"} {
				r, err := s.Resolve(t.Context(), c.rcpt)
				if !errors.Is(err, c.err) {
					t.Fatalf("%s: %v, want %v", how, err, c.err)
				}
				var accounts []string
				for _, id := range r.Accounts {
					accounts = append(accounts, ids[id])
				}
				slices.Sort(accounts)
				if d := cmp.Diff(c.accounts, accounts); d != "" {
					t.Errorf("%s: accounts: %s", how, d)
				}
				if d := cmp.Diff(c.forwards, r.Forwards); d != "" {
					t.Errorf("%s: forwards: %s", how, d)
				}
			}
		})
	}
	t.Run("a change of the directory is seen at once", func(t *testing.T) {
		apply(t, s, mailbox("nobody@example.com", ""))
		if r, err := s.Resolve(t.Context(), "nobody@example.com"); err != nil || len(r.Accounts) != 1 {
			t.Errorf("%v, %v; want the new account", r, err)
		}
		if r, err := s.Resolve(t.Context(), "all@example.com"); err != nil || len(r.Accounts) != 3 {
			t.Errorf("%v, %v; want three accounts now", r, err)
		}
	})
	t.Run("the addresses of an account", func(t *testing.T) {
		a, err := s.Account(t.Context(), "alice@example.com")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AddressesOf(t.Context(), a.ID)
		want := []string{"alice@example.com", "al@example.com", "all@example.com", "bob@example.com"}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v, %s", err, d)
		}
	})
}
