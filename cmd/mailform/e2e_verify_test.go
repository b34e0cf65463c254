package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// A verification is what "mailform verify -json" prints.
type verification struct {
	Passed, Warned, Failed, Skipped int
	Results                         []struct {
		Check, Subject, Status, Detail, Fix, Address, File string
		Line                                               int
	}
}

// with are the results of a status: check and subject, and what was found.
func (v verification) with(status string) (out []string) {
	for _, r := range v.Results {
		if r.Status == status {
			out = append(out, r.Check+" "+r.Subject+": "+r.Detail)
		}
	}
	return out
}

func (v verification) checks(status string) (out []string) {
	for _, r := range v.Results {
		if r.Status == status && !slices.Contains(out, r.Check) {
			out = append(out, r.Check)
		}
	}
	slices.Sort(out)
	return out
}

// verify runs "mailform verify -json", which is to end with a code.
func (w *world) verify(code int, args ...string) (v verification) {
	w.t.Helper()
	res := w.mailform(append([]string{"verify", "-json", "-timeout=1m"}, args...)...)
	if res.code != code {
		w.t.Fatalf("%v", res)
	}
	if err := json.Unmarshal([]byte(res.stdout), &v); err != nil {
		w.t.Fatalf("%v: %v", err, res)
	}
	return v
}

// probed are the options that have a message sent to a user.
func (w *world) probed(user string) []string {
	w.write("password", "quickstart\n")
	return []string{"-probe", user, "-probe-password-file", filepath.Join(w.dir, "password")}
}

// verified proves from outside what all the other steps prove with other programs.
func (r *real) verified() {
	r.t.Helper()
	// The world's own example.com is none of ours: there is nobody to ask for it.
	v := r.verify(exitOK, append(r.probed("alice@example.com"), "-resolver", porttest.Addr(r.t))...)
	for _, check := range []string{"greeting", "tls", "clear-auth", "relay", "postmaster", "recipients", "smuggling", "message-in", "message-out", "submission"} {
		if !slices.Contains(v.checks("pass"), check) {
			r.t.Errorf("the check %s did not pass: skipped are %q, warnings are %q", check, v.with("skip"), v.with("warn"))
		}
	}
}

// What an administrator breaks behind mailform's back, and what in the files is not
// applied yet, is found, and its place named.
func TestVerifyFindsWhatIsNotAsTheFilesSay(t *testing.T) {
	w := newWorld(t, nil)
	w.port["none"] = porttest.Port(t)
	text := strings.Replace(w.withPorts(quickstart(t)), "  dkim {", "  autoconfig {}\n  dkim {", 1)
	w.write("main.mf.hcl", text)
	if out := w.ok("apply", "-auto-approve", "-verify"); !strings.Contains(out, "Apply complete!") || !strings.Contains(out, "\nVerify: ") {
		t.Errorf("apply -verify prints\n%s", out)
	}
	v := w.verify(exitOK, w.probed("alice@example.com")...)
	if want := []string{"certificate"}; !slices.Equal(v.checks("warn"), want) { // the server has made it itself
		t.Errorf("warnings: %q", v.with("warn"))
	}
	for _, check := range []string{"zone-answers", "zone-serial", "record-served", "spf", "dkim", "dmarc", "message-in", "message-out", "smuggling", "relay"} {
		if !slices.Contains(v.checks("pass"), check) {
			t.Errorf("the check %s did not pass", check)
		}
	}
	// Mail programs are led to the ports that there are, and told of those that are not
	// (RFC 6186 §3.4).
	for service, want := range map[string]string{"imap": fmt.Sprintf("10 1 %d mail.example.com.", w.port["imap"]), "imaps": "0 0 0 .", "pop3s": "0 0 0 .", "submissions": "0 0 0 ."} {
		out := w.run(need(t, "dig"), "@127.0.0.1", "-p", fmt.Sprint(w.port["dns"]), "+short", "SRV", "_"+service+"._tcp.example.com")
		if strings.TrimSpace(out.stdout) != want {
			t.Errorf("SRV of %s: %v, want %s", service, out, want)
		}
	}
	out := w.run(need(t, "curl"), "-sS", "-u", "alice@example.com:quickstart", "imap://"+w.addr("imap")+"/INBOX", "-X", "SEARCH SUBJECT mailform-verify")
	if strings.TrimSpace(out.stdout) != "* SEARCH" {
		t.Errorf("messages of verify are left in the mailbox: %v", out)
	}

	for fault, c := range map[string]struct {
		old, new string // in the files, which are not applied
		check    string
		says     string
		line     string // what is at the place that is named
	}{
		"a record that is another":        {"192.0.2.80", "192.0.2.81", "record-served", "it is 192.0.2.80; declared: 192.0.2.81", `record "www"`},
		"a record that is not there":      {`name   = "www"`, `name   = "web"`, "record-served", "there is none; declared: 192.0.2.80", `record "www"`},
		"a user who is not there":         {`user "bob" {`, "user \"carol\" {\n  domain = domain.example\n  name = \"carol\"\n}\n\nuser \"bob\" {", "recipients", "mail is not accepted: 550", `user "carol"`},
		"a user who is still there":       {"  quota         = \"1GiB\"", "  mail = \"disabled\"\n  quota         = \"1GiB\"", "recipients", "is accepted", `user "bob"`},
		"a server of another name":        {`hostname  = "mail.example.com"`, `hostname  = "mx.example.com"`, "greeting", `it calls itself "mail.example.com", and the server is "mx.example.com"`, `server "main"`},
		"a service at another port":       {w.addr("pop3"), w.addr("none"), "greeting", "connection refused", `server "main"`},
		"a key that is not published":     {`dkim { selector = "s1" }`, `dkim { selector = "s2" }`, "dkim", "the key is not published", `domain "example"`},
		"a name server that is not there": {w.addr("dns"), w.addr("none"), "zone-answers", "no answer for example.com.", `domain "example"`},
	} {
		t.Run(fault, func(t *testing.T) {
			if !strings.Contains(text, c.old) {
				t.Fatalf("%q is not in the files", c.old)
			}
			changed := strings.Replace(text, c.old, c.new, 1)
			w.write("main.mf.hcl", changed)
			v := w.verify(exitFailed)
			for _, r := range v.Results {
				if r.Check == c.check && r.Status == "fail" && strings.Contains(r.Detail, c.says) {
					if at := strings.Split(changed, "\n")[r.Line-1]; !strings.Contains(at, c.line) {
						t.Errorf("line %d is named: %s", r.Line, at)
					}
					if r.Fix == "" {
						t.Error("nothing is said of what to do")
					}
					return
				}
			}
			t.Errorf("it is not found; found are %q", v.with("fail"))
		})
	}
	w.write("main.mf.hcl", strings.Replace(text, "192.0.2.80", "192.0.2.81", 1))
	res := w.mailform("verify", "-junit-xml", filepath.Join(w.dir, "verify.xml"))
	if res.code != exitFailed || !strings.Contains(res.stdout, "to mend it: ") || !strings.Contains(res.stdout, ", 1 failed, ") {
		t.Errorf("as text: %v", res)
	}
	var report struct {
		Suites []struct {
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	failures := 0
	b, err := os.ReadFile(filepath.Join(w.dir, "verify.xml"))
	if err == nil {
		err = xml.Unmarshal(b, &report)
	}
	for _, s := range report.Suites {
		failures += s.Failures
	}
	if err != nil || failures != 1 {
		t.Errorf("in JUnit's XML: %d failures, %v", failures, err)
	}
}
