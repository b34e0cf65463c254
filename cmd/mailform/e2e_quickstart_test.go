package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"strconv"
)

// Mail goes the whole way: in by SMTP, out by IMAP and POP3, from one user to
// another by submission, with the zone that leads there.
func TestQuickstartCarriesMail(t *testing.T) {
	swaks, curl, dig := need(t, "swaks"), need(t, "curl"), need(t, "dig")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()

	r := w.run(swaks, "--server", w.addr("smtp"), "--to", "alice@example.com", "--from", "you@example.net", "--header", "Subject: by smtp")
	if r.code != 0 || !strings.Contains(r.stdout, "<-  250 2.0.0") {
		t.Fatalf("swaks to alice: %v", r)
	}
	r = w.run(curl, "-sS", "-u", "alice@example.com:quickstart", "imap://"+w.addr("imap")+"/INBOX;MAILINDEX=1")
	if r.code != 0 || !strings.Contains(r.stdout, "Subject: by smtp") {
		t.Fatalf("curl imap: %v", r)
	}
	r = w.run(curl, "-sS", "-u", "alice@example.com:quickstart", "pop3://"+w.addr("pop3")+"/1")
	if r.code != 0 || !strings.Contains(r.stdout, "Subject: by smtp") {
		t.Fatalf("curl pop3: %v", r)
	}
	if first := strings.SplitN(r.stdout, "\n", 2)[0]; !strings.HasPrefix(first, "Return-Path: <you@example.net>") {
		t.Errorf("the message begins with %q, want its Return-Path", first)
	}

	port := w.port["dns"]
	r = w.run(dig, "@127.0.0.1", "-p", strconv.Itoa(port), "example.com", "MX", "+norecurse")
	if !regexp.MustCompile(`(?m)^;; flags: qr aa[; ]`).MatchString(r.stdout) ||
		!regexp.MustCompile(`(?m)^example\.com\.\s+3600\s+IN\s+MX\s+10 mail\.example\.com\.$`).MatchString(r.stdout) {
		t.Errorf("dig MX: %v", r)
	}
	for query, want := range map[string]string{
		"mail.example.com A":               "127.0.0.1",
		"ns1.example.com A":                "127.0.0.1",
		"www.example.com A":                "192.0.2.80",
		"example.com NS":                   "ns1.example.com.",
		"example.com TXT":                  `"v=spf1 mx -all"`,
		"_dmarc.example.com TXT":           `"v=DMARC1; p=reject`,
		"s1._domainkey.example.com TXT":    `"v=DKIM1; k=rsa; p=`,
		"example.com SOA":                  "ns1.example.com. hostmaster.example.com.",
		"nobody-has-this.example.com AAAA": "",
	} {
		name, typ, _ := strings.Cut(query, " ")
		r := w.run(dig, "+short", "@127.0.0.1", "-p", strconv.Itoa(port), name, typ)
		if got := strings.TrimSpace(r.stdout); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("dig %s: got %q, want %q", query, got, want)
		}
	}
	if r := w.run(dig, "@127.0.0.1", "-p", strconv.Itoa(port), "debian.org", "A"); !strings.Contains(r.stdout, "status: REFUSED") {
		t.Errorf("a foreign name is not refused: %v", r)
	}

	r = w.run(swaks, "--server", w.addr("submission"), "-tls", "--auth-user", "alice@example.com", "--auth-password", "quickstart",
		"--from", "alice@example.com", "--to", "bob@example.com", "--header", "Subject: by submission")
	if r.code != 0 {
		t.Fatalf("submission: %v", r)
	}
	r = w.run(curl, "-sS", "-u", "bob@example.com:quickstart", "imap://"+w.addr("imap")+"/INBOX;MAILINDEX=1")
	if !strings.Contains(r.stdout, "Subject: by submission") || !strings.Contains(r.stdout, "DKIM-Signature:") {
		t.Errorf("what bob reads of a submitted message: %v", r)
	}
	for _, to := range []string{"al@example.com", "sales@example.com", "postmaster@example.com", "ALICE@EXAMPLE.COM"} {
		if r := w.run(swaks, "--server", w.addr("smtp"), "--to", to, "--from", "you@example.net"); r.code != 0 {
			t.Errorf("mail to %s: %v", to, r)
		}
	}
	w.noChanges()
}

func TestNobodyRelaysWithoutAuthentication(t *testing.T) {
	swaks := need(t, "swaks")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	for _, to := range []string{"b@other.test", "b%other.test@example.com", `"b@other.test"@example.com`, "@example.com:b@other.test", "b@[192.0.2.1]", "b@other.test@example.com", "other.test!b@example.com"} {
		r := w.run(swaks, "--server", w.addr("smtp"), "--from", "a@remote.test", "--to", to, "--quit-after", "RCPT")
		if r.code == 0 || !regexp.MustCompile(`(?m)^<\*\* +5\d\d 5\.\d\.\d `).MatchString(r.stdout) {
			t.Errorf("RCPT TO:<%s> from outside: %v", to, r)
		}
	}
	if r := w.run(swaks, "--server", w.addr("smtp"), "--from", "a@remote.test", "--to", "b@other.test", "--quit-after", "RCPT"); !strings.Contains(r.stdout, " 5.7.1 ") {
		t.Errorf("relaying is refused without 5.7.1: %v", r)
	}
	if r := w.run(swaks, "--server", w.addr("smtp"), "--from", "a@remote.test", "--to", "nosuch@example.com", "--quit-after", "RCPT"); !strings.Contains(r.stdout, "<** 550 5.1.1 ") {
		t.Errorf("unknown user: %v", r)
	}
	for name, args := range map[string][]string{
		"submission without TLS and login":  {"--from", "alice@example.com", "--to", "b@other.test"},
		"submission with TLS without login": {"-tls", "--from", "alice@example.com", "--to", "b@other.test"},
		"submission with a wrong password":  {"-tls", "--auth-user", "alice@example.com", "--auth-password", "wrong", "--from", "alice@example.com", "--to", "b@other.test"},
		"submission in another's name":      {"-tls", "--auth-user", "alice@example.com", "--auth-password", "quickstart", "--from", "bob@example.com", "--to", "b@other.test"},
	} {
		r := w.run(swaks, append([]string{"--server", w.addr("submission")}, args...)...)
		if r.code == 0 || !regexp.MustCompile(`<(\*\*|~\*) +5\d\d`).MatchString(r.stdout) {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestMailClientsOfOthersRead(t *testing.T) {
	mbsync, fetchmail := need(t, "mbsync"), need(t, "fetchmail")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	w.deliver("alice@example.com", "one")
	w.deliver("alice@example.com", "two")

	w.write("mbsyncrc", strings.NewReplacer("IMAPPORT", strconv.Itoa(w.port["imap"]), "DIR", w.dir).Replace(`IMAPAccount a
Host localhost
Port IMAPPORT
User alice@example.com
Pass quickstart
SSLType STARTTLS
CertificateFile DIR/mail/tls/ca.pem

IMAPStore far
Account a

MaildirStore near
SubFolders Verbatim
Path DIR/maildir/
Inbox DIR/maildir/INBOX

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`))
	if err := os.MkdirAll(filepath.Join(w.dir, "maildir"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := w.run(mbsync, "-c", "mbsyncrc", "c")
	if r.code != 0 {
		t.Fatalf("mbsync: %v", r)
	}
	got, err := filepath.Glob(filepath.Join(w.dir, "maildir", "INBOX", "*", "*U=*"))
	if err != nil || len(got) != 2 {
		t.Fatalf("mbsync fetched %v, want 2 messages (%v)", got, r)
	}
	if r := w.run(mbsync, "-c", "mbsyncrc", "c"); r.code != 0 {
		t.Fatalf("mbsync again: %v", r)
	}

	w.write("fetchmailrc", "poll 127.0.0.1 service "+strconv.Itoa(w.port["pop3"])+" protocol POP3 uidl username \"alice@example.com\" password \"quickstart\" sslproto '' mda \"cat >> "+w.dir+"/fetched\"\n")
	if err := os.Chmod(filepath.Join(w.dir, "fetchmailrc"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = w.run(fetchmail, "-f", filepath.Join(w.dir, "fetchmailrc"), "--keep", "--nodetach", "-v", "--idfile", filepath.Join(w.dir, "ids"), "--pidfile", filepath.Join(w.dir, "pid"))
	if r.code != 0 || strings.Count(readFile(t, filepath.Join(w.dir, "fetched")), "Subject: ") != 2 {
		t.Fatalf("fetchmail: %v", r)
	}
	if r := w.run(fetchmail, "-f", filepath.Join(w.dir, "fetchmailrc"), "--keep", "--nodetach", "--idfile", filepath.Join(w.dir, "ids"), "--pidfile", filepath.Join(w.dir, "pid")); r.code != 1 {
		t.Errorf("fetchmail again: want exit code 1 (no new mail), got %v", r)
	}
}

// Every command of the README works as it stands there, on a copy of the tree
// with free ports.
func TestReadmeCommandsWork(t *testing.T) {
	for _, program := range []string{"swaks", "curl", "dig", "make"} {
		need(t, program)
	}
	tree := copyOfTree(t)
	w := newWorld(t, nil)
	w.dir = tree
	example := filepath.Join("examples", "quickstart", "main.mf.hcl")
	w.write(example, readFile(t, filepath.Join(tree, example)))
	t.Cleanup(func() {
		w.run(binary, "stop", "-data", filepath.Join(tree, "examples", "quickstart", "mail"))
	})
	var script strings.Builder
	script.WriteString("set -e\nexport PATH=\"$PWD/bin:$PATH\"\n")
	var skipped []string
	for _, cmd := range shellBlocks(readFile(t, "../../README.md")) {
		switch cmd {
		case "make test": // is what runs this test
			skipped = append(skipped, cmd)
			continue
		case "mailform passwd":
			cmd = "echo secret | " + cmd
		}
		script.WriteString("echo '+ " + strings.ReplaceAll(cmd, "'", "") + "'\n" + w.withPorts(cmd) + "\n")
	}
	if len(skipped) != 1 {
		t.Errorf("the README is expected to name \"make test\" once: %v", skipped)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script.String())
	cmd.Dir = tree
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"Apply complete!", "250 2.0.0", "10 mail.example.com.", "preference", "No changes.", "running, version", "$argon2id$"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the README's commands printed no %q:\n%s", want, out.String())
		}
	}
}

// shellBlocks returns the lines of the ```sh blocks of a Markdown text.
func shellBlocks(text string) []string {
	var cmds []string
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```sh"
		case in && line != "":
			cmds = append(cmds, line)
		}
	}
	return cmds
}

// copyOfTree copies what git knows of the project, as a fresh clone has it.
func copyOfTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$1"`, "sh", dir)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the tree: %v\n%s", err, out)
	}
	return dir
}
