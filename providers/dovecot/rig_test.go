package dovecot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// quickstart is a hash of the password "quickstart".
const quickstart = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"

// A rig is an instance with a server in it, and where that listens.
type rig struct {
	*mailtest.DovecotInstance
	t                              *testing.T
	imap, imaps, pop3, pop3s, lmtp string
	now                            time.Time // zero: that of the machine
	sql                            cty.Value // the block of the provider, where the users are in a database
}

// newRig makes an instance, and has the provider set up a server in it with some
// users. It does not listen for those who ask whether a password is right.
func newRig(t *testing.T, users ...schema.Resource) *rig {
	t.Helper()
	return newRigOf(t, mailtest.Dovecot(t), users...)
}

func newRigOf(t *testing.T, d *mailtest.DovecotInstance, users ...schema.Resource) *rig {
	t.Helper()
	return newRigWith(t, d, cty.NilVal, users...)
}

func newRigWith(t *testing.T, d *mailtest.DovecotInstance, sql cty.Value, users ...schema.Resource) *rig {
	t.Helper()
	r := &rig{DovecotInstance: d, t: t, sql: sql}
	for _, at := range []*string{&r.imap, &r.imaps, &r.pop3, &r.pop3s, &r.lmtp} {
		*at = porttest.Addr(t)
	}
	r.apply(creates(append([]schema.Resource{
		store(), listener(t, "imap", []string{r.imap}, []string{r.imaps}), listener(t, "pop3", []string{r.pop3}, []string{r.pop3s}),
		listener(t, "lmtp", []string{r.lmtp}, nil), service(),
	}, users...)...)...)
	return r
}

func service() schema.Resource {
	return providertest.Resource(schema.KindService, "dovecot", attrs{"name": str("dovecot"), "running": cty.True})
}

// user is somebody with the password "quickstart".
func user(name string, change attrs) schema.Resource {
	all := attrs{"password_hash": list(quickstart)}
	for k, v := range change {
		all[k] = v
	}
	return mailbox(name+"@example.com", all)
}

func creates(rs ...schema.Resource) []providers.Change {
	batch := make([]providers.Change, len(rs))
	for i, r := range rs {
		batch[i] = providers.Change{Action: providers.Create, Resource: r}
	}
	return batch
}

func (r *rig) provider() providers.Provider {
	sql := r.sql
	if sql == cty.NilVal {
		sql = cty.NullVal(cty.EmptyObject)
	}
	p := configuredWith(r.t, r.DovecotInstance, "L", sql)
	if !r.now.IsZero() {
		p.Now = func() time.Time { return r.now }
	}
	return p
}

// observed reads everything, by kind and key.
func (r *rig) observed() map[string]providers.Observed {
	r.t.Helper()
	all, err := r.provider().Read(r.t.Context(), providers.Scope{})
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]providers.Observed{}
	for _, o := range all {
		out[o.Kind+" "+o.Key] = o
	}
	return out
}

// update is what a plan made now would do.
func (r *rig) update(res schema.Resource) providers.Change {
	r.t.Helper()
	o := r.observed()[res.Kind+" "+res.Key]
	return providers.Change{Action: providers.Update, Resource: res, Prior: &o}
}

func (r *rig) removal(res schema.Resource) providers.Change {
	c := r.update(res)
	c.Action = providers.Delete
	return c
}

func (r *rig) apply(batch ...providers.Change) {
	r.t.Helper()
	if err := r.try(batch...); err != nil {
		r.t.Fatal(err)
	}
}

// try carries out changes, one phase after the other as their ranks say.
func (r *rig) try(batch ...providers.Change) error {
	r.t.Helper()
	slices.SortStableFunc(batch, func(a, b providers.Change) int {
		return schema.KindByName(a.Resource.Kind).Rank - schema.KindByName(b.Resource.Kind).Rank
	})
	p := r.provider()
	var errs []error
	for len(batch) > 0 {
		n := 1
		for n < len(batch) && batch[n].Resource.Kind == batch[0].Resource.Kind {
			n++
		}
		errs = append(errs, p.Apply(r.t.Context(), batch[:n], func(c providers.Change, _ providers.Observed, err error) error {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", c.Action, c.Resource.Address, err))
			}
			return nil
		}))
		batch = batch[n:]
	}
	return errors.Join(errs...)
}

func (r *rig) path(name string) string { return filepath.Join(r.ConfigDir, name) }

func (r *rig) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// edit changes a file where it lies, as an editor does.
func (r *rig) edit(name string, old, with string) {
	r.t.Helper()
	text := r.read(name)
	if !strings.Contains(text, old) {
		r.t.Fatalf("%s does not have %q", name, old)
	}
	if err := os.WriteFile(r.path(name), []byte(strings.Replace(text, old, with, 1)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a program, and returns what it says and whether it ended well.
func (r *rig) run(args ...string) (string, bool) {
	r.t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + args[0])
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			r.t.Fatalf("%v; .ci/peers installs it", err)
		}
		r.t.Skipf("SKIPPED: %v", err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args[1:]...).CombinedOutput()
	return string(out), err == nil
}

// doveadm asks Dovecot itself.
func (r *rig) doveadm(args ...string) string {
	r.t.Helper()
	out, ok := r.run(append([]string{r.Program("doveadm"), "-c", r.path("dovecot.conf")}, args...)...)
	if !ok {
		r.t.Fatalf("doveadm %v: %s", args, out)
	}
	return out
}

// deliver hands in a message by LMTP.
func (r *rig) deliver(to, subject string, args ...string) (string, bool) {
	r.t.Helper()
	return r.run(append([]string{"swaks", "--timeout", "180", "--protocol", "LMTP", "--server", r.lmtp, "--from", "a@remote.test", "--to", to, "--header", "Subject: " + subject}, args...)...)
}

// logsIn reports whether a user may read his mail at a URL.
func (r *rig) logsIn(name, url string, args ...string) bool {
	r.t.Helper()
	_, ok := r.run(append([]string{"curl", "-sSk", "--max-time", "100", "-u", name + "@example.com:quickstart", url}, args...)...)
	return ok
}

// messages is how many messages a user has in his INBOX.
func (r *rig) messages(name string) string {
	r.t.Helper()
	out, _ := r.run("curl", "-sSk", "-u", name+"@example.com:quickstart", "imap://"+r.imap+"/", "-X", "STATUS INBOX (MESSAGES)")
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out), "* STATUS INBOX"))
}

// eventually asks again until cond holds: Dovecot looks once a second at its files.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}
