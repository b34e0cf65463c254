package dovecot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const intoSpam = `require ["fileinto", "mailbox"];
if header :contains "subject" "lottery" {
  fileinto :create "Spam";
}
`

func TestSieve(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sieve(t, newRigOf(t, instance(t), user("alice", attrs{"sieve": str(intoSpam)}), user("bob", nil), user("carol", attrs{"sieve": str(intoSpam)})))
		})
	}
}

// in is how many messages a user has in a mailbox.
func (r *rig) in(name, box string) string {
	r.t.Helper()
	out, _ := r.run("curl", "-sSk", "-u", name+"@example.com:quickstart", "imap://"+r.imap+"/", "-X", "STATUS "+box+" (MESSAGES)")
	_, out, _ = strings.Cut(strings.TrimSpace(out), "(MESSAGES ")
	return strings.TrimSuffix(out, ")")
}

func sieve(t *testing.T, r *rig) {
	deliver := func(name, subject string) {
		t.Helper()
		if out, ok := r.deliver(name+"@example.com", subject); !ok {
			t.Errorf("%s is not delivered to %s: %s", subject, name, out)
		}
	}
	expect := func(when, name, box, want string) {
		t.Helper()
		if got := r.in(name, box); got != want {
			t.Errorf("%s, %s has %q messages in %s, want %q", when, name, got, box, want)
		}
	}
	for _, name := range []string{"alice", "bob"} {
		deliver(name, "the lottery")
		deliver(name, "dinner")
	}
	expect("with a script", "alice", "INBOX", "1")
	expect("with a script", "alice", "Spam", "1")
	expect("without one", "bob", "INBOX", "2")
	if files, err := filepath.Glob(r.path("mailform/sieve/*")); err != nil || len(files) != 2 {
		t.Errorf("two users of one script have %v, %v", files, err)
	}

	// Another script, and none.
	r.apply(r.update(user("alice", attrs{"sieve": str("require \"fileinto\"; if header :contains \"subject\" \"dinner\" { discard; }")})), r.update(user("carol", nil)))
	eventually(t, "alice has another script", func() bool {
		before := r.in("alice", "INBOX")
		deliver("alice", "dinner")
		return r.in("alice", "INBOX") == before
	})
	if files, err := filepath.Glob(r.path("mailform/sieve/*")); err != nil || len(files) != 2 {
		t.Errorf("the script that nobody has any more is there: %v, %v", files, err)
	}
	many := make([]schema.Resource, 30)
	for i := range many {
		many[i] = user(fmt.Sprintf("many%d", i), attrs{"sieve": str(fmt.Sprintf("# %d\ndiscard;\n", i))})
	}
	r.apply(creates(many...)...)
	deliver("many29", "anything")
	expect("with the script of another", "many29", "INBOX", "0")
	if log := r.read("log"); strings.Contains(log, "sieve: binary") || strings.Contains(log, "sieve: The LDA") {
		t.Error("Dovecot compiles the scripts anew")
	}

	// What is none is refused with its line, and nothing is written.
	before := r.read("mailform/users")
	wrong := user("alice", attrs{"sieve": str("keep;\n\nfileinto \"x\"\n")})
	problems, err := r.provider().(providers.Validator).Validate(t.Context(), []schema.Resource{wrong, user("bob", attrs{"sieve": str("keep;")})})
	if err != nil || len(problems) != 1 || problems[0].Attribute != "sieve" || problems[0].Address != wrong.Address || !strings.Contains(problems[0].Detail, "line 3") && !strings.Contains(problems[0].Detail, "line 4") {
		t.Errorf("the problems are %+v, %v", problems, err)
	}
	if err := r.try(r.update(wrong), r.update(user("bob", attrs{"quota": num(5 << 20)}))); err == nil || !strings.Contains(err.Error(), "sieve: line ") {
		t.Errorf("apply: %v", err)
	}
	if now := r.read("mailform/users"); now != before {
		t.Errorf("the file of users has changed: %s", now)
	}

	// What others do to a script is seen.
	files, err := filepath.Glob(r.path("mailform/sieve/*.sieve"))
	if err != nil || len(files) != 31 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("stop;"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.observed()["mailbox alice@example.com"].Attrs.GetAttr("sieve"); !got.RawEquals(str("stop;")) {
		t.Errorf("the script that somebody has written is seen as %#v", got)
	}
	r.edit("mailform/mailform.conf", "sieve", "seive")
	if _, ok := r.run(r.Program("doveconf"), "-c", r.path("dovecot.conf"), "-n"); !ok {
		r.edit("mailform/mailform.conf", "seive", "sieve") // 2.4 looks closer
	} else if got := r.observed()["mailbox alice@example.com"].Attrs.GetAttr("sieve"); !got.RawEquals(cty.NullVal(cty.String)) {
		t.Errorf("a script that nobody runs is seen as %#v", got)
	}
	alice := user("alice", attrs{"sieve": str(intoSpam)})
	r.apply(r.update(alice))
	if got := r.observed()["mailbox alice@example.com"].Attrs.GetAttr("sieve"); !got.RawEquals(str(intoSpam)) {
		t.Errorf("put back, it is %#v", got)
	}
}
