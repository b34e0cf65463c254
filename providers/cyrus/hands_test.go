package cyrus_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// administrator sends commands of IMAP as cyradm does, each of which has to be
// carried out, and returns what the server said.
func administrator(t *testing.T, c *mailtest.CyrusInstance, commands ...string) string {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(c.ConfigDir, "mailform-cyrus/admin/imap"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	var said strings.Builder
	login := "LOGIN mailform-admin " + strings.TrimSpace(read(t, filepath.Join(c.ConfigDir, "mailform-cyrus/admin-password")))
	for _, command := range append([]string{login}, commands...) {
		fmt.Fprintf(conn, "a %s\r\n", command)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			said.WriteString(line)
			if strings.HasPrefix(line, "a ") {
				if !strings.HasPrefix(line, "a OK") {
					t.Fatalf("%s: %s", command, line)
				}
				break
			}
		}
	}
	return said.String()
}

// refused carries out a change that somebody else has been quicker than.
func refused(t *testing.T, p providers.Provider, c providers.Change) {
	t.Helper()
	var told error
	err := p.Apply(t.Context(), []providers.Change{c}, func(_ providers.Change, _ providers.Observed, err error) error {
		told = err
		return nil
	})
	if err != nil || !errors.Is(told, providers.ErrConflict) {
		t.Errorf("%s %s: %v, %v; want a conflict", c.Action, c.Resource.Key, err, told)
	}
}

// What an administrator does by IMAP, as with cyradm, is seen as what it is, is not
// overwritten unseen, and is put right where that is asked for.
func TestDriftByHand(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	alice, bob := mailbox("alice@example.com", attrs{"quota": num(1 << 30)}), mailbox("bob@example.com", nil)
	begin(t, p, alice, bob)
	was := find(t, p, schema.KindMailbox, alice.Key)

	administrator(t, c, "SETQUOTA user/alice@example.com (STORAGE 2048)")
	now := find(t, p, schema.KindMailbox, alice.Key)
	if now == nil || now.Owner != alice.Address || !now.Attrs.GetAttr("quota").RawEquals(num(2048<<10)) || now.Revision == was.Revision {
		t.Fatalf("with another quota it is %+v", now)
	}
	refused(t, p, providers.Change{Action: providers.Update, Resource: mailbox("alice@example.com", attrs{"quota": num(3 << 30)}), Prior: was})
	change(t, p, providers.Change{Action: providers.Update, Resource: alice, Prior: now})
	if said := administrator(t, c, "GETQUOTA user/alice@example.com"); !strings.Contains(said, "STORAGE 0 1048576)") {
		t.Errorf("the quota was not put right: %s", said)
	}

	administrator(t, c, "CREATE user/byhand@example.com", "SETQUOTA user/byhand@example.com (STORAGE 4096)")
	foreign := find(t, p, schema.KindMailbox, "byhand@example.com")
	if foreign == nil || foreign.Owner != "" || !foreign.Attrs.GetAttr("quota").RawEquals(num(4096<<10)) {
		t.Fatalf("a mailbox made by hand is %+v", foreign)
	}
	refused(t, p, creates(mailbox("byhand@example.com", nil))[0])
	if said := administrator(t, c, "GETQUOTA user/byhand@example.com"); !strings.Contains(said, "STORAGE 0 4096)") {
		t.Errorf("the mailbox made by hand is another: %s", said)
	}

	prior := find(t, p, schema.KindMailbox, bob.Key)
	administrator(t, c, "SETACL user/bob@example.com mailform-admin lrswipkxtecda", "DELETE user/bob@example.com")
	if gone := find(t, p, schema.KindMailbox, bob.Key); gone != nil && !gone.Retained {
		t.Fatalf("a mailbox deleted by hand is %+v", gone)
	}
	refused(t, p, providers.Change{Action: providers.Update, Resource: mailbox("bob@example.com", attrs{"quota": num(1 << 30)}), Prior: prior})
	change(t, p, creates(bob)...)
	if again := find(t, p, schema.KindMailbox, bob.Key); again == nil || again.Retained || again.Owner != bob.Address {
		t.Errorf("made again it is %+v", again)
	}
}
