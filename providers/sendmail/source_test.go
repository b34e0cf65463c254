package sendmail_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/sendmail"
	"github.com/mailform/mailform/schema"
)

// bare is a machine without m4.
type bare struct{ host.Host }

func (b bare) Run(ctx context.Context, c host.Command) (host.Output, error) {
	c.Args = slices.Clone(c.Args)
	for i := range c.Args {
		c.Args[i] = strings.ReplaceAll(c.Args[i], "m4 ", "no-such-m4 ")
		if c.Args[i] == "m4" || c.Args[i] == "command -v m4" {
			c.Args[i] = strings.ReplaceAll(c.Args[i], "m4", "no-such-m4")
		}
	}
	return b.Host.Run(ctx, c)
}

func providerWithoutM4(t *testing.T, s *mailtest.SendmailInstance) *sendmail.Provider {
	t.Helper()
	p := provider(t, s, "L")
	p.Through(bare{host.Local()})
	return p
}

// Where m4 is missing, mail comes in by a section in sendmail.cf, and the source says the
// same to whoever makes it later; whether there is a source, and an m4, comes to the same
// configuration. Before its first change each file is kept as it was.
func TestWithAndWithoutM4(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ m4, source bool }{
		"m4 and a source": {true, true}, "a source and no m4": {false, true}, "m4 and no source": {true, false}, "neither": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, k := mailtest.Sendmail(t), newKeeper(t)
			mc, cf := filepath.Join(s.ConfigDir, "sendmail.mc"), filepath.Join(s.ConfigDir, "sendmail.cf")
			if !c.source {
				if err := os.Remove(mc); err != nil {
					t.Fatal(err)
				}
			}
			appendTo(t, cf, "# by hand, at the end") // and no end of the line
			if c.source && c.m4 {                    // whoever edits the source has it made
				appendTo(t, mc, "dnl by hand\n")
				younger(t, mc)
			}
			before := map[string]string{cf: content(t, cf)}
			if c.source {
				before[mc] = content(t, mc)
			}
			// A map of this name is somebody else's.
			addresses := filepath.Join(s.ConfigDir, "mailform", "addresses")
			if err := os.Mkdir(filepath.Dir(addresses), 0o755); err != nil {
				t.Fatal(err)
			}
			appendTo(t, addresses, "of somebody else\n")
			before[addresses] = content(t, addresses)

			p := provider(t, s, "L")
			if !c.m4 {
				p = providerWithoutM4(t, s)
			}
			smtp := porttest.Addr(t)
			rs := []schema.Resource{setting("mail.example.com"), delivery(k.addr, ""), service(), domain("example.com"), recipient("alice@example.com"), listener("smtp", []string{smtp}, nil)}
			applyBy(t, s, p, providers.Create, rs...)
			if out := swaks(t, smtp, "--from", "a@remote.test", "--to", "alice@example.com"); !strings.Contains(out, "Message accepted for delivery") {
				t.Errorf("mail for alice: %s", out)
			}
			k.takes(t, "alice@example.com")
			for path, text := range before {
				if content(t, host.BackupOf(path)) != text {
					t.Errorf("%s is not what was there before", host.BackupOf(path))
				}
			}
			made := content(t, cf)
			if by := c.m4 && c.source; strings.Contains(made, "# by hand, at the end\n") == by {
				t.Errorf("what stands in sendmail.cf alone is there: %t", !by)
			}
			if c.source && content(t, mc) != before[mc]+"include(`"+filepath.Join(s.ConfigDir, "mailform", "mailform.m4")+"')dnl\n" {
				t.Errorf("the source is now:\n%s", content(t, mc))
			}
			// Changed again, what was kept stays as it was first.
			bigger := setting("mx.example.com")
			applyBy(t, s, p, providers.Update, bigger)
			for path, text := range before {
				if content(t, host.BackupOf(path)) != text {
					t.Errorf("%s is of a later time", host.BackupOf(path))
				}
			}
			if c.source {
				// Whoever makes it himself has the same of ours.
				section := func(text string) string {
					_, rest, _ := strings.Cut(text, "##### mailform: the lines")
					ours, _, _ := strings.Cut(rest, "##### mailform: end")
					return ours
				}
				if ours := section(string(s.M4(t))); ours == "" || ours != section(content(t, cf)) {
					t.Errorf("made by hand it has %q, and by mailform %q", ours, section(content(t, cf)))
				}
			}
			have := observed(t, s)
			for _, r := range append(rs[1:], bigger) {
				if o := have[r.Kind+" "+r.Key]; o.Owner != r.Address || !o.Attrs.RawEquals(r.Attrs) {
					t.Errorf("%s is seen as %#v", r.Address, o)
				}
			}
			applyBy(t, s, p, providers.Delete, append(rs[1:], bigger)...)
			for path, text := range before {
				switch got := content(t, path); {
				case path == addresses, path == cf && c.m4 && c.source:
				case path == cf && strings.TrimSuffix(got, "\n") == text: // its last line has an end now
				case got != text:
					t.Errorf("%s is not as it was", path)
				}
			}
		})
	}
}

// What somebody has put into sendmail.cf after it was made stays there, byte for byte,
// until the source is the younger one.
func TestMadeAndEditedByHand(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	mc, cf := filepath.Join(s.ConfigDir, "sendmail.mc"), filepath.Join(s.ConfigDir, "sendmail.cf")
	apply(t, s, providers.Create, setting("mail.example.com"))
	edit(t, cf, "\nO HelpFile=", "\n# by hand,  with  blanks\nO HelpFile=")
	edited := content(t, cf)
	apply(t, s, providers.Update, setting("mx.example.com"))
	if want := strings.ReplaceAll(edited, "Djmail.example.com", "Djmx.example.com"); content(t, cf) != want {
		t.Error("sendmail.cf is another one than what was edited, with a new name")
	}
	if o := observed(t, s)["setting main"]; o.Attrs.GetAttr("hostname").AsString() != "mx.example.com" {
		t.Errorf("the setting is seen as %#v", o.Attrs)
	}
	younger(t, mc)
	apply(t, s, providers.Update, setting("mail.example.com"))
	if strings.Contains(content(t, cf), "# by hand") {
		t.Error("a younger source was not made")
	}
}

// younger has a file be changed a minute from now.
func younger(t *testing.T, path string) {
	t.Helper()
	at := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Where there is a source and nothing to make it with, that is said before anything is
// changed.
func TestSourceWithoutM4AndWithoutWhatItMakes(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	mc := filepath.Join(s.ConfigDir, "sendmail.mc")
	source := content(t, mc)
	if err := os.Remove(filepath.Join(s.ConfigDir, "sendmail.cf")); err != nil {
		t.Fatal(err)
	}
	var told error
	err := providerWithoutM4(t, s).Apply(t.Context(), []providers.Change{{Action: providers.Create, Resource: setting("mail.example.com")}},
		func(_ providers.Change, _ providers.Observed, err error) error {
			told = err
			return nil
		})
	if err != nil || told == nil || !strings.Contains(told.Error(), "neither m4 on") {
		t.Errorf("the errors are %v, %v", err, told)
	}
	if content(t, mc) != source {
		t.Error("the source was changed")
	}
}

// A source that no longer has our section is seen, and put right; what else is in it
// stays, byte for byte.
func TestSourceChangedByHand(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	mc, m4 := filepath.Join(s.ConfigDir, "sendmail.mc"), filepath.Join(s.ConfigDir, "mailform", "mailform.m4")
	rs := []schema.Resource{setting("mail.example.com"), domain("example.com")}
	apply(t, s, providers.Create, rs...)
	include := "include(`" + m4 + "')dnl\n"
	for about, change := range map[string]func(){
		"the line is gone":            func() { edit(t, mc, include, "dnl of the administrator\n") },
		"the section says otherwise":  func() { edit(t, m4, "O MaxMessageSize=1000000", "O MaxMessageSize=5") },
		"the section's file is empty": func() { edit(t, m4, content(t, m4), "") },
	} {
		change()
		others := strings.ReplaceAll(content(t, mc), include, "")
		if o, there := observed(t, s)["setting main"]; there {
			t.Errorf("%s: the setting is seen as %#v", about, o)
		}
		apply(t, s, providers.Create, rs[0])
		if got := content(t, mc); got != others+include {
			t.Errorf("%s: the source is now:\n%s", about, got)
		}
		if o := observed(t, s)["setting main"]; !o.Attrs.RawEquals(rs[0].Attrs) {
			t.Errorf("%s: put right it is %#v", about, o)
		}
	}
}
