package sendmail

import (
	"strings"
	"testing"
)

func FuzzSection(f *testing.F) {
	f.Add("O A=1\n", "O B=2")
	f.Add("O DaemonPortOptions=Name=MTA\n"+sectionBegin+"\nx\n"+sectionEnd+"\nrest", "y")
	f.Add("DSold\nSparse=0\nDS", "DSmailform-relay:[192.0.2.1]")
	f.Fuzz(func(t *testing.T, text, line string) {
		if strings.Contains(text, sectionBegin) || strings.Contains(text, asideMark) || strings.Contains(text, relayMark) || strings.ContainsAny(line, "#\n\r") {
			return
		}
		ports := map[string]bool{"25": true}
		section := sectionBegin + "\n" + line + "\n" + sectionEnd + "\n"
		with := putSection(text, section, ports)
		_, got, _, ok := cutSection(with)
		if !ok || got != section {
			t.Fatalf("the section of %q is %q", with, got)
		}
		if again := putSection(with, section, ports); again != with {
			t.Fatalf("a second time %q becomes %q", with, again)
		}
		if out := putSection(with, "", nil); out != text && out != text+"\n" {
			t.Fatalf("%q has become %q", text, out)
		}
	})
}

func FuzzInclude(f *testing.F) {
	f.Add("MAILER(`smtp')dnl\n")
	f.Fuzz(func(t *testing.T, mc string) {
		const path = "/etc/mail/mailform/mailform.m4"
		if strings.Contains(mc, path) {
			return
		}
		with := withInclude(mc, path, true)
		if !strings.HasPrefix(with, mc) || withInclude(with, path, true) != with {
			t.Fatalf("%q has become %q", mc, with)
		}
		if out := withInclude(with, path, false); out != mc && out != mc+"\n" {
			t.Fatalf("%q has become %q", mc, out)
		}
	})
}

func FuzzMap(f *testing.F) {
	f.Add("a@b.c", "d@e.f, g@h.i")
	f.Fuzz(func(t *testing.T, key, value string) {
		if key == "" || key[0] == '#' || strings.ContainsAny(key+value, "\t\n") {
			return
		}
		if got := parseMap(mapText(map[string]string{key: value})); got[key] != value || len(got) != 1 {
			t.Fatalf("%q, %q is read as %q", key, value, got)
		}
	})
}
