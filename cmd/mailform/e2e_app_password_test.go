package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// App passwords are made and taken away at run time: they are the user's own, and no
// plan knows of them.
func TestAppPasswordCommand(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	w := newHouse(t, "1MiB")
	if out := w.ok("app-password", "list"); out != "There are no app passwords.\n" {
		t.Errorf("%q", out)
	}
	made := w.mailform("app-password", "add", "-services=imap,submission", "-expires=90d", "alice@example.com", "Alice's phone")
	secret, _ := strings.CutSuffix(made.stdout, "\n")
	if made.code != 0 || !regexp.MustCompile(`^([a-z2-9]{4}-){5}[a-z2-9]{4}$`).MatchString(secret) {
		t.Fatalf("%v", made)
	}
	if want := `This is the app password "Alice's phone" of alice@example.com, for imap and submission, until 20`; !strings.HasPrefix(made.stderr, want) {
		t.Errorf("%q", made.stderr)
	}
	for name, tc := range map[string]struct {
		url, password string
		code          int
	}{
		"IMAP":             {"imap://" + w.addr("imap") + "/INBOX?ALL", secret, 0},
		"POP3":             {"pop3://" + w.addr("pop3") + "/", secret, 67},
		"another password": {"imap://" + w.addr("imap") + "/INBOX?ALL", secret + "x", 67},
	} {
		r := w.run(curl, "-sS", "--ssl-reqd", "--cacert", filepath.Join(w.dir, "mail", "tls", "ca.pem"), "-k", "-u", "alice@example.com:"+tc.password, tc.url)
		if r.code != tc.code {
			t.Errorf("curl over %s: %v", name, r)
		}
	}
	w.noChanges()
	if out := w.ok("app-password", "list", "alice@example.com"); !regexp.MustCompile(`(?m)^alice@example.com  Alice's phone  imap submission  20[0-9: -]+  20[0-9: -]+  20[0-9: -]+$`).MatchString(out) || strings.Contains(out, secret) {
		t.Errorf("%s", out)
	}
	var list []listedAppPassword
	if err := json.Unmarshal([]byte(w.ok("app-password", "list", "-json")), &list); err != nil || len(list) != 1 || list[0].Secret != "" || list[0].Used == "" {
		t.Errorf("%+v, %v", list, err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"the same again":             {[]string{"add", "alice@example.com", "Alice's phone"}, "has an app password"},
		"nobody":                     {[]string{"add", "nobody@example.com", "phone"}, "There is no user nobody@example.com"},
		"the list of nobody":         {[]string{"list", "nobody@example.com"}, "There is no user nobody@example.com"},
		"a service that there isn't": {[]string{"add", "-services=smtp", "alice@example.com", "x"}, `There is no service "smtp"`},
		"no name":                    {[]string{"add", "alice@example.com"}, "needs a user, as alice@example.com, and the name of an app password"},
		"one that is not there":      {[]string{"remove", "alice@example.com", "tablet"}, `has no app password "tablet"`},
		"no duration":                {[]string{"add", "-expires=soon", "alice@example.com", "x"}, "-expires is no duration as 90d"},
	} {
		if r := w.mailform(append([]string{"app-password"}, tc.args...)...); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, tc.want) {
			t.Errorf("%s: %v", name, r)
		}
	}
	if out := w.ok("app-password", "remove", "alice@example.com", "Alice's phone"); out != "The app password \"Alice's phone\" of alice@example.com is gone.\n" {
		t.Errorf("%q", out)
	}
	if r := w.run(curl, "-sS", "--ssl-reqd", "-k", "-u", "alice@example.com:"+secret, "imap://"+w.addr("imap")+"/INBOX?ALL"); r.code != 67 {
		t.Errorf("it still logs in: %v", r)
	}

	// One that is declared is the plan's.
	hash := hashInQuickstart(t)
	w.write("phone.mf.hcl", "app_password \"phone\" {\n  user = user.alice\n  name = \"phone\"\n  password_hash = \""+hash+"\"\n  services = [\"imap\"]\n}\n")
	plan := w.ok("plan")
	if !strings.Contains(plan, "app_password.phone") || strings.Contains(plan, hash[len(hash)-20:]) {
		t.Errorf("%s", plan)
	}
	w.apply()
	w.noChanges()
	if out := w.ok("app-password", "list"); !strings.Contains(out, "alice@example.com  phone  imap      declared  never  never") {
		t.Errorf("%q", out)
	}
	if r := w.mailform("app-password", "remove", "alice@example.com", "phone"); r.code != 1 || !strings.Contains(r.stderr, "is declared") {
		t.Errorf("%v", r)
	}
	w.write("phone.mf.hcl", "")
	w.apply()
	if out := w.ok("app-password", "list"); out != "There are no app passwords.\n" {
		t.Errorf("%q", out)
	}
	if log := readFile(t, filepath.Join(w.dir, "mail", "mailform.log")); strings.Contains(log, secret) {
		t.Error("the log has the secret")
	}
}
