package main

// The same files, and the same test of what comes of them, on the embedded
// server and on the servers that organisations run already.

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// A setup is what examples/real is applied to.
type setup struct {
	mail string // the variable
	// far has mailform reach the servers by SSH.
	far   bool
	start func(t *testing.T) []mailtest.System
}

func nobody(*testing.T) []mailtest.System { return nil }

func postfixDovecot(t *testing.T) []mailtest.System {
	return []mailtest.System{mailtest.Postfix(t), mailtest.Dovecot(t)}
}

func postfixCyrus(t *testing.T) []mailtest.System {
	return []mailtest.System{mailtest.Postfix(t), mailtest.Cyrus(t)}
}

func sendmailCyrus(t *testing.T) []mailtest.System {
	return []mailtest.System{mailtest.Sendmail(t), mailtest.Cyrus(t)}
}

// sendmailDovecot has Dovecot 2.4, whose settings are called otherwise.
func sendmailDovecot(t *testing.T) []mailtest.System {
	return []mailtest.System{mailtest.Sendmail(t), mailtest.Dovecot24(t)}
}

var setups = map[string]setup{
	"embedded":                {"embedded", false, nobody},
	"embedded by ssh":         {"embedded", true, nobody},
	"postfix-dovecot":         {"postfix-dovecot", false, postfixDovecot},
	"postfix-dovecot by ssh":  {"postfix-dovecot", true, postfixDovecot},
	"postfix-cyrus":           {"postfix-cyrus", false, postfixCyrus},
	"postfix-cyrus by ssh":    {"postfix-cyrus", true, postfixCyrus},
	"sendmail-cyrus":          {"sendmail-cyrus", false, sendmailCyrus},
	"sendmail-cyrus by ssh":   {"sendmail-cyrus", true, sendmailCyrus},
	"sendmail-dovecot":        {"sendmail-dovecot", false, sendmailDovecot},
	"sendmail-dovecot by ssh": {"sendmail-dovecot", true, sendmailDovecot},
}

// TestReal applies examples/real and asks of the mail service what everybody
// would: mail in, mail out, refusals, changes, and that nothing is left to do.
func TestReal(t *testing.T) {
	for name, s := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReal(t, s.mail, s.far, s.start(t), leadingToTheDisabled)
			r.mailArrives()
			r.refuses()
			relaysNothing(t, r.addr("smtp"))
			r.protocols()
			r.submission()
			r.verified()
			r.quota()
			r.ownScripts(strings.HasSuffix(s.mail, "cyrus"))
			before := r.open()
			if !s.far {
				r.catchesAll()
			}
			r.changes()
			before.alive(t)
			r.killedHalfWay()
			r.cannotWrite()
		})
	}
}

// A real is examples/real, applied.
type real struct {
	*world
	t           *testing.T
	parts       []mailtest.System
	far         bool
	sshd        *hosttest.Server // what they are reached by, where they are far
	smallDisks  bool             // all that mailform writes lies on ones
	noDisks     error            // why it does not, where that is not meant
	swaks, curl string
	count       int
}

// leadingToTheDisabled adds addresses that lead to a user who gets no mail.
func leadingToTheDisabled(text string) string {
	text = strings.Replace(text, "  mail          = \"disabled\"\n", "  mail          = \"disabled\"\n  aliases       = [\"o\"]\n", 1)
	return text + `
alias "mixed" {
  domain  = domain.example
  name    = "mixed"
  members = [user.off, user.ida]
}

alias "closed" {
  domain  = domain.example
  name    = "closed"
  members = ["o@example.com", user.gone]
}

user "gone" {
  domain        = domain.example
  name          = "gone"
  password_hash = var.password_hash
  mail          = "forward"
  forward_to    = [user.off]
}
`
}

// newReal applies it, as others have changed its text.
func newReal(t *testing.T, mail string, far bool, parts []mailtest.System, change ...func(string) string) *real {
	t.Helper()
	r := layReal(t, mail, far, parts, change...)
	out := r.apply()
	if !strings.Contains(out, "Apply complete!") {
		t.Fatalf("apply: %s", out)
	}
	r.noChanges()
	return r
}

// layReal lays it out to be applied.
func layReal(t *testing.T, mail string, far bool, parts []mailtest.System, change ...func(string) string) *real {
	t.Helper()
	r := &real{world: newWorld(t, nil), t: t, parts: parts, far: far, swaks: need(t, "swaks"), curl: need(t, "curl")}
	text := readFile(t, "../../examples/real/main.mf.hcl")
	for name, sample := range map[string]string{"smtps": "2465", "imaps": "2993", "pop3s": "2995", "managesieve": "24190"} {
		r.port[name] = porttest.Port(t)
		// With the quote: a port that was put in before may begin with a sample.
		text = strings.ReplaceAll(text, "127.0.0.1:"+sample+`"`, r.addr(name)+`"`)
	}
	inner := ""
	for _, name := range []string{"lmtp", "auth"} {
		r.port[name] = porttest.Port(t)
		inner += fmt.Sprintf("\n  %s { listen = [%q] }", name, r.addr(name))
	}
	text = strings.Replace(text, "\n  submission {", inner+"\n  submission {", 1)
	for _, c := range change {
		text = c(text)
	}
	r.write("main.mf.hcl", text)
	var blocks strings.Builder
	for _, p := range parts {
		blocks.WriteString(p.Block())
	}
	providers := blocks.String()
	if far {
		if r.sshd = hosttest.SSHD(t); mail == "embedded" {
			providers += fmt.Sprintf("provider \"embedded\" {\n  data_dir = %q\n  program = %q\n}\n", filepath.Join(r.dir, "mail"), r.program())
		}
		providers = strings.ReplaceAll(providers, "\n}\n", "\n  "+r.sshd.Block()+"\n}\n")
	}
	r.write("providers.mf.hcl", providers)
	r.onSmallDisks()
	r.env = append(r.env, "MF_VAR_mail="+mail)
	return r
}

// send hands in a message and returns its subject and how that ended.
func (r *real) send(to string, args ...string) (string, result) {
	r.t.Helper()
	r.count++
	subject := fmt.Sprintf("message-%d-of-the-test", r.count)
	args = append([]string{"--server", r.addr("smtp"), "--from", "a@remote.test", "--to", to, "--header", "Subject: " + subject}, args...)
	return subject, r.run(r.swaks, args...)
}

// delivered expects a message to be taken, and to be read by IMAP.
func (r *real) delivered(to string, readers ...string) {
	r.t.Helper()
	subject, res := r.send(to)
	if res.code != 0 {
		r.t.Errorf("mail for %s: %v", to, res)
		return
	}
	for _, reader := range readers {
		r.found(reader, subject)
	}
}

// found expects a message in the INBOX of a user.
func (r *real) found(user, subject string) {
	r.t.Helper()
	eventually(r.t, subject+" is in the mailbox of "+user, func() bool {
		out := r.run(r.curl, "-sS", "-u", user+"@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", "SEARCH SUBJECT "+subject)
		return out.code == 0 && strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out.stdout), "* SEARCH")) != ""
	})
}

func (r *real) mailArrives() {
	r.delivered("alice@example.com", "alice")
	r.delivered("al@example.com", "alice")
	r.delivered("ALICE@Example.COM", "alice")
	r.delivered("postmaster@example.com", "alice")
	r.delivered("sales@example.com", "alice", "bob")
	r.delivered("away@example.com", "bob")
	r.delivered("both@example.com", "both", "bob")
	if subject, res := r.send("alice@example.com", "-tls"); res.code != 0 || !strings.Contains(res.stdout, "TLS started") {
		r.t.Errorf("mail over TLS: %v", res)
	} else {
		r.found("alice", subject)
	}
}

func (r *real) refuses() {
	for to, want := range map[string]string{
		"nosuch@example.com": "<** 550 5.1.1 ", "off@example.com": "<** 550 5.", "b@other.test": " 5.7.1 ",
		"o@example.com": "<** 550 5.", "closed@example.com": "<** 550 5.", "gone@example.com": "<** 550 5.",
	} {
		// From an address that is not this machine's own, which Sendmail trusts.
		if _, res := r.send(to, "--quit-after", "RCPT", "--local-interface", "127.0.0.9"); !strings.Contains(res.stdout, want) {
			r.t.Errorf("mail for %s is not answered %q: %v", to, want, res)
		}
	}
}

func (r *real) protocols() {
	for _, tt := range []struct {
		user, url string
		ok        bool
	}{
		{"alice", "imap://" + r.addr("imap") + "/", true}, {"alice", "pop3://" + r.addr("pop3") + "/", true},
		{"alice", "imaps://" + r.addr("imaps") + "/", true}, {"alice", "pop3s://" + r.addr("pop3s") + "/", true},
		{"pia", "pop3://" + r.addr("pop3") + "/", true}, {"pia", "imap://" + r.addr("imap") + "/", false},
		{"ida", "imap://" + r.addr("imap") + "/", true}, {"ida", "pop3://" + r.addr("pop3") + "/", false},
		{"off", "imap://" + r.addr("imap") + "/", false}, {"off", "pop3://" + r.addr("pop3") + "/", false},
	} {
		if res := r.run(r.curl, "-sSk", "-u", tt.user+"@example.com:quickstart", tt.url); (res.code == 0) != tt.ok {
			r.t.Errorf("%s at %s: %v", tt.user, tt.url, res)
		}
	}
	if res := r.run(r.curl, "-sSk", "-u", "alice@example.com:wrong", "imap://"+r.addr("imap")+"/"); res.code == 0 {
		r.t.Error("alice logs in with a wrong password")
	}
}

func (r *real) submission() {
	auth := []string{"--auth", "PLAIN", "--auth-user", "bob@example.com", "--auth-password", "quickstart", "--from", "bob@example.com"}
	for name, tls := range map[string][]string{"submission": {"-tls"}, "smtps": {"-tlsc"}} {
		subject, res := r.send("alice@example.com", append(append([]string{"--server", r.addr(name)}, tls...), auth...)...)
		if res.code != 0 {
			r.t.Errorf("submission at %s: %v", name, res)
			continue
		}
		r.found("alice", subject)
	}
	for why, args := range map[string][]string{
		"without a log-in":       {"-tls", "--from", "bob@example.com"},
		"with a wrong password":  {"-tls", "--auth", "PLAIN", "--auth-user", "bob@example.com", "--auth-password", "wrong"},
		"of a disabled user":     {"-tls", "--auth", "PLAIN", "--auth-user", "off@example.com", "--auth-password", "quickstart"},
		"in another user's name": append([]string{"-tls"}, append(auth[:6:6], "--from", "alice@example.com")...),
		// From another address: whoever is on the same one, Dovecot believes to be safe.
		"without TLS": append(auth[:len(auth):len(auth)], "--local-interface", "127.0.0.9"),
	} {
		if _, res := r.send("alice@example.com", append([]string{"--server", r.addr("submission"), "--quit-after", "RCPT"}, args...)...); res.code == 0 {
			r.t.Errorf("mail is submitted %s: %v", why, res)
		}
	}
}

// quota fills a mailbox. What does not fit is refused while it comes in, or comes back
// to its sender, who is told why; with more room mail is taken again.
func (r *real) quota() {
	r.t.Helper()
	r.write("half.eml", "Subject: half of it\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 140))
	send := func() result {
		_, res := r.send("tiny@example.com", "--server", r.addr("submission"), "-tls", "--auth", "PLAIN", "--auth-user", "bob@example.com", "--auth-password", "quickstart",
			"--from", "bob@example.com", "--data", "@half.eml", "--suppress-data")
		return res
	}
	status := func(messages int) bool {
		out := r.run(r.curl, "-sS", "-u", "tiny@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", "STATUS INBOX (MESSAGES)")
		return strings.Contains(out.stdout, fmt.Sprintf("MESSAGES %d)", messages))
	}
	if res := send(); res.code != 0 {
		r.t.Errorf("mail that fits: %v", res)
	}
	eventually(r.t, "tiny has the message that fits", func() bool { return status(1) })
	if res := send(); res.code != 0 {
		contains(r.t, res.stdout, " 452 4.2.2 Mailbox is full") // there may be room before the sender gives up
	} else { // taken by the one server, refused by the other
		bounce := ""
		eventually(r.t, "the second message comes back to bob", func() bool {
			out := r.run(r.curl, "-sS", "-u", "bob@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", "SEARCH BODY tiny@example.com")
			numbers := strings.Fields(strings.TrimPrefix(strings.TrimSpace(out.stdout), "* SEARCH"))
			if len(numbers) > 0 {
				bounce = r.run(r.curl, "-sS", "-u", "bob@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX;MAILINDEX="+numbers[len(numbers)-1]).stdout
			}
			return bounce != ""
		})
		contains(r.t, bounce, "tiny@example.com", "5.2.2", "uota")
	}
	if !status(1) {
		r.t.Error("the mailbox of tiny has more than its quota")
	}

	r.edit("main.mf.hcl", "\"16KiB\"", "\"64KiB\"")
	r.apply()
	eventually(r.t, "tiny has more room", func() bool {
		out := r.run(r.curl, "-sS", "-u", "tiny@example.com:quickstart", "imap://"+r.addr("imap")+"/", "-X", "GETQUOTAROOT INBOX")
		return moreRoom.MatchString(out.stdout)
	})
	if res := send(); res.code != 0 {
		r.t.Errorf("with more room, mail is refused: %v", res)
	}
	eventually(r.t, "tiny has the message that fits now", func() bool { return status(2) })
}

var moreRoom = regexp.MustCompile(`STORAGE \d+ 64\b`)

// ownScripts has a user put a Sieve script there herself, by a client that people use
// for it, and expects her mail to be sorted by it. All her mailboxes may be below the
// inbox.
func (r *real) ownScripts(below bool) {
	box := "Lists"
	if below {
		box = "INBOX/Lists"
	}
	r.write("own.sieve", "require [\"fileinto\", \"mailbox\"];\nif address \"from\" \"list@remote.test\" {\n  fileinto :create \""+box+"\";\n}\n")
	client := mailtest.SieveClient{Addr: r.addr("managesieve")}
	if got := client.Must(r.t, "ida@example.com", "put "+filepath.Join(r.dir, "own.sieve")+" own", "activate own", "list"); !strings.Contains(got, `"own" ACTIVE`) {
		r.t.Errorf("ida has the scripts %s", got)
	}
	r.delivered("ida@example.com", "ida")
	subject, res := r.send("ida@example.com", "--h-From", "list@remote.test")
	if res.code != 0 {
		r.t.Errorf("mail of a list: %v", res)
	}
	eventually(r.t, subject+" is sorted", func() bool {
		out := r.run(r.curl, "-sS", "-u", "ida@example.com:quickstart", "imap://"+r.addr("imap")+"/"+box, "-X", "SEARCH SUBJECT "+subject)
		return out.code == 0 && strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out.stdout), "* SEARCH")) != ""
	})
	for _, user := range []string{"pia", "off"} {
		if out, err := client.Run(r.t, user+"@example.com", "list"); err == nil {
			r.t.Errorf("%s, who has no IMAP, looks after scripts: %s", user, out)
		}
	}
}

// lockedOut expects a user to be refused: Dovecot looks at its files once a second.
func (r *real) lockedOut(user, url string) {
	r.t.Helper()
	eventually(r.t, user+" is refused at "+url, func() bool {
		return r.run(r.curl, "-sS", "-u", user+"@example.com:quickstart", url).code != 0
	})
}

// catchesAll gives a catch-all the mail of all who are nobody, but not of somebody
// whose mail is to be refused.
func (r *real) catchesAll() {
	r.edit("main.mf.hcl", "  postmaster = user.alice\n", "  postmaster = user.alice\n  catch_all = user.ida\n")
	r.apply()
	r.noChanges()
	r.delivered("anybody@example.com", "ida")
	r.delivered("bob@example.com", "bob")
	own := []string{"--server", r.addr("submission"), "-tls", "--auth", "PLAIN", "--auth-user", "bob@example.com", "--auth-password", "quickstart", "--from", "bob@example.com"}
	for who, args := range map[string][]string{"others": {"--local-interface", "127.0.0.9"}, "bob": own} {
		if _, res := r.send("off@example.com", append(args, "--quit-after", "RCPT")...); !strings.Contains(res.stdout, "550 5.") {
			r.t.Errorf("mail of %s for off is not refused: %v", who, res)
		}
	}
	// Nothing has come to the mailbox of the disabled user by any way.
	r.delivered("mixed@example.com", "ida")
	r.edit("main.mf.hcl", "  catch_all = user.ida\n", "")
	r.edit("main.mf.hcl", "  mail          = \"disabled\"\n", "  mail          = \"enabled\"\n")
	r.apply()
	eventually(r.t, "off can log in", func() bool {
		return r.run(r.curl, "-sS", "-u", "off@example.com:quickstart", "imap://"+r.addr("imap")+"/").code == 0
	})
	if out := r.run(r.curl, "-sS", "-u", "off@example.com:quickstart", "imap://"+r.addr("imap")+"/INBOX", "-X", "STATUS INBOX (MESSAGES)"); !strings.Contains(out.stdout, "MESSAGES 0") {
		r.t.Errorf("the mailbox of the disabled user has mail: %v", out)
	}
	if strings.Contains(readFile(r.t, filepath.Join(r.dir, "main.mf.hcl")), `alias "closed"`) {
		r.delivered("closed@example.com", "off")
	}
	r.edit("main.mf.hcl", "  mail          = \"enabled\"\n", "  mail          = \"disabled\"\n")
	r.apply()
	if _, res := r.send("anybody@example.com", "--quit-after", "RCPT", "--local-interface", "127.0.0.9"); !strings.Contains(res.stdout, "<** 550 5.1.1 ") {
		r.t.Errorf("mail for anybody: %v", res)
	}
}

// changes adds, changes and takes away users, and looks at each.
func (r *real) changes() {
	r.write("more.mf.hcl", `
user "new" {
  domain        = domain.example
  name          = "new"
  password_hash = var.password_hash
}
`)
	if out := r.ok("plan"); !strings.Contains(out, "user.new.mailbox") {
		r.t.Errorf("the plan does not have the new user: %s", out)
	}
	r.apply()
	r.noChanges()
	r.delivered("new@example.com", "new")

	// Settings of both servers change with him, so that they read their configuration again.
	settings := readFile(r.t, filepath.Join(r.dir, "main.mf.hcl"))
	r.edit("main.mf.hcl", "  addresses = [", "  message_size_limit = \"20MiB\"\n  retention = \"10d\"\n  addresses = [")
	r.write("more.mf.hcl", strings.Replace(readFile(r.t, filepath.Join(r.dir, "more.mf.hcl")), "name          = \"new\"", "name          = \"new\"\n  protocols     = [\"pop3\"]", 1))
	r.apply()
	r.noChanges()
	r.lockedOut("new", "imap://"+r.addr("imap")+"/")
	if res := r.run(r.curl, "-sS", "-u", "new@example.com:quickstart", "pop3://"+r.addr("pop3")+"/"); res.code != 0 {
		r.t.Errorf("new does not read by POP3: %v", res)
	}

	r.write("main.mf.hcl", settings)
	r.write("more.mf.hcl", "\n")
	if out := r.ok("plan"); !strings.Contains(out, "1 message") {
		r.t.Errorf("the plan does not say how much mail goes: %s", out)
	}
	r.apply()
	r.noChanges()
	if _, res := r.send("new@example.com", "--quit-after", "RCPT"); res.code == 0 {
		r.t.Errorf("mail for a user that was taken away is accepted: %v", res)
	}
	r.lockedOut("new", "pop3://"+r.addr("pop3")+"/")
}
