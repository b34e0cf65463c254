package sendmail_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// A host whose program is killed once, the one after some that change something: one
// that moves several files has moved the first.
type killing struct {
	host.Host
	left int
	// killed is the line of that program.
	killed string
}

func (k *killing) Run(ctx context.Context, c host.Command) (host.Output, error) {
	line := strings.Join(c.Args, " ")
	counts := slices.ContainsFunc([]string{"makemap -C", "sync --", "mv -f", "m4 -", " -bt", "kill -"}, func(s string) bool { return strings.Contains(line, s) }) && !strings.Contains(line, " -u ")
	if !counts || k.killed != "" {
		return k.Host.Run(ctx, c)
	}
	if k.left--; k.left >= 0 {
		return k.Host.Run(ctx, c)
	}
	k.killed = line
	if c.Args[0] == "mv" {
		c.Args = append(slices.Clone(c.Args[:4]), c.Args[len(c.Args)-1])
		if _, err := k.Host.Run(ctx, c); err != nil {
			return host.Output{}, err
		}
	}
	return host.Output{Code: -1}, nil
}

// Where one of Sendmail's programs, or one that mailform runs there, is killed, that is
// an error, whatever is there by then is known as ours, and the next apply does the rest.
func TestAProgramIsKilled(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", "authd"), service(), domain("example.com"), recipient("bob@example.com"))
	batches := [][]schema.Resource{
		{recipient("alice@example.com", quickstart), recipient("carol@example.com")},
		{route("sales@example.com", "alias", false, "bob@example.com")},
		{smarthost("192.0.2.7:2525", nil, []string{"far.test"})},
	}
	killed := map[string]bool{}
	for _, batch := range batches {
		for n := 0; ; n++ {
			on := &killing{Host: host.Local(), left: n}
			p := provider(t, s, "L")
			p.Through(on)
			var changes []providers.Change
			for _, r := range batch {
				changes = append(changes, providers.Change{Action: providers.Create, Resource: r})
			}
			failed := false
			err := p.Apply(t.Context(), changes, func(_ providers.Change, _ providers.Observed, err error) error {
				failed = failed || err != nil
				return nil
			})
			if on.killed == "" {
				if err != nil || failed {
					t.Errorf("without a kill: %v", err)
				}
				break
			}
			killed[strings.Fields(on.killed)[0]] = true
			if err == nil && !failed {
				t.Errorf("nothing is said of a program that was killed: %s", on.killed)
			}
			have := observed(t, s)
			for _, o := range have {
				if o.Owner == "" {
					t.Errorf("after a kill of %s a %s %s is a stranger's", on.killed, o.Kind, o.Key)
				}
			}
			for _, r := range batch {
				if o, there := have[r.Kind+" "+r.Key]; !there {
					apply(t, s, providers.Create, r)
				} else if !o.Attrs.RawEquals(r.Attrs) {
					apply(t, s, providers.Update, r)
				}
			}
			have = observed(t, s)
			for _, r := range batch {
				if o := have[r.Kind+" "+r.Key]; !o.Attrs.RawEquals(r.Attrs) {
					t.Errorf("after a kill of %s and another apply %s is %#v", on.killed, r.Key, o)
				}
			}
			apply(t, s, providers.Delete, batch...)
		}
	}
	if len(killed) < 5 {
		t.Errorf("the test shows little: killed were only %v", killed)
	}
}
