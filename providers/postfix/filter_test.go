package postfix_test

import (
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// answersBody tells how a message is answered; 0: it is taken. What is refused
// before its content counts the same.
func answersBody(t *testing.T, addr, to, line string) int {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		return code(err) // Postfix refuses the connection as a whole
	}
	defer c.Close()
	if err := c.Mail("someone@remote.example"); err != nil {
		return code(err)
	}
	if err := c.Rcpt(to); err != nil {
		return code(err)
	}
	w, err := c.Data()
	if err != nil {
		return code(err)
	}
	fmt.Fprintf(w, "From: someone@remote.example\r\nTo: %s\r\nSubject: a\r\n\r\n%s\r\n", to, line)
	return code(w.Close())
}

// Postfix asks the real rspamd and clamav-milter, in the order declared; services
// of others do not, and what somebody changes by hand is seen.
func TestFilters(t *testing.T) {
	t.Parallel()
	i, sink := newInstance(t), newSink(t)
	t.Cleanup(func() { i.endAuthd(t) })
	mx := porttest.Addr(t)
	batch := i.everything("alice")
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindDelivery {
			batch[n].Resource = providertest.With(delivery(""), "lmtp", cty.StringVal(sink.addr))
		}
	}
	listen := listener("smtp", strs(mx), strs())
	i.apply(t, append(batch, create(listen)...)...)
	bare := [2]string{i.read("main.cf"), i.read("master.cf")}

	spam, viruses := filter("smtp", "spam", 1, mailtest.Rspamd(t)), filter("smtp", "viruses", 2, mailtest.Clamav(t, "Reject"))
	i.apply(t, create(spam, viruses)...)
	have := func(r schema.Resource) *providers.Observed {
		o, ok := i.observed(t, r)["filter "+r.Key]
		if !ok {
			return nil
		}
		return &o
	}
	for _, r := range []schema.Resource{spam, viruses} {
		if o := have(r); o == nil || !o.Attrs.RawEquals(r.Attrs) {
			t.Errorf("%s is %v", r.Key, o)
		}
	}
	for line, want := range map[string]int{"Hello.": 0, mailtest.GtubeReject: 554, mailtest.GtubeAddHeader: 0, mailtest.Eicar: 550} {
		if got := answersBody(t, mx, "alice@example.com", line); got != want {
			t.Errorf("%.20s is answered %d, want %d", line, got, want)
		}
	}
	sink.took(t, "alice@example.com", "alice@example.com")
	if text := i.Tool(t, "postconf", "-P", mx+"/inet/smtpd_milters"); !strings.Contains(text, "$mailform_smtp_milters") {
		t.Errorf("the service has %q", text)
	}
	if text := i.read("master.cf"); strings.Count(text, "smtpd_milters") != 1 {
		t.Errorf("services of others have filters: %s", text)
	}

	// By hand.
	i.Tool(t, "postconf", "-Pe", mx+"/inet/smtpd_milters=")
	if have(spam) != nil || have(viruses) != nil {
		t.Error("a service without its filters is not seen")
	}
	i.apply(t, create(spam, viruses)...)
	i.Tool(t, "postconf", "-e", "mailform_smtp_milters="+strings.Replace(strings.TrimSpace(i.Tool(t, "postconf", "-h", "mailform_smtp_milters")), "default_action=tempfail", "default_action=accept", 1))
	if o := have(spam); o == nil || o.Attrs.GetAttr("on_failure").AsString() != "accept" {
		t.Errorf("another default action is seen as %v", o)
	}

	// A filter that is down.
	gone := providertest.With(spam, "address", cty.StringVal("unix:/nowhere/rspamd.sock"))
	for choice, want := range map[string]int{"tempfail": 4, "accept": 0, "reject": 5} {
		r := providertest.With(gone, "on_failure", cty.StringVal(choice))
		i.apply(t, providers.Change{Action: providers.Update, Resource: r, Prior: have(r)})
		if got := answersBody(t, mx, "alice@example.com", "Hello."); got/100 != want {
			t.Errorf("with %s it is answered %d, want %dxx", choice, got, want)
		}
	}
	sink.took(t, "alice@example.com")

	// Milters of the administrator's own would be taken away.
	i.Tool(t, "postconf", "-e", "smtpd_milters=inet:127.0.0.1:8891")
	problems, err := i.provider("L").(providers.Validator).Validate(t.Context(), []schema.Resource{listen, spam})
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Detail, "inet:127.0.0.1:8891") {
		t.Errorf("%v, %v", problems, err)
	}
	problems, err = i.provider("L").(providers.Validator).Validate(t.Context(), []schema.Resource{listen, spam, filter("smtp", "dkim", 3, "localhost:8891")})
	if err != nil || len(problems) != 0 {
		t.Errorf("with it as a filter: %v, %v", problems, err)
	}
	i.Tool(t, "postconf", "-X", "smtpd_milters")
	// Nor would a service find a socket that sees nothing but its queue.
	i.Tool(t, "postconf", "-Fe", mx+"/inet/chroot=y")
	problems, err = i.provider("L").(providers.Validator).Validate(t.Context(), []schema.Resource{listen, spam, filter("smtp", "dkim", 3, "localhost:8891")})
	if err != nil || len(problems) != 1 || problems[0].Attribute != "address" || !strings.Contains(problems[0].Detail, "chroot") {
		t.Errorf("in a chroot: %v, %v", problems, err)
	}
	i.Tool(t, "postconf", "-Fe", mx+"/inet/chroot=n")

	// What is taken away leaves nothing.
	removals := slices.DeleteFunc(i.removals(t), func(c providers.Change) bool { return c.Resource.Kind != schema.KindFilter })
	i.apply(t, removals...)
	if now := [2]string{i.read("main.cf"), i.read("master.cf")}; now != bare {
		t.Errorf("left are\n%s\n%s\nof\n%s\n%s", now[0], now[1], bare[0], bare[1])
	}
	if got := answersBody(t, mx, "alice@example.com", mailtest.Eicar); got != 0 {
		t.Errorf("without filters it is answered %d", got)
	}
}
