package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
)

// A plan of servers on another machine is made with a key that can read everything and
// write nothing, and is the same as with the other one, which is not even there. An
// apply that may not write, or not even read, changes nothing and says who has to be
// let do what.
func TestPlanOfServersWithReadOnlyKey(t *testing.T) {
	for mail, start := range map[string]func(*testing.T) []mailtest.System{"postfix-dovecot": postfixDovecot, "postfix-cyrus": postfixCyrus, "sendmail-cyrus": sendmailCyrus} {
		t.Run(mail, func(t *testing.T) {
			t.Parallel()
			r := newReal(t, mail, true, start(t))
			r.delivered("bob@example.com", "bob")
			file, key := r.sshd.NewKey(t, "reader")
			options := hosttest.ReadsAlone
			if strings.HasPrefix(mail, "sendmail") { // which waits a minute where the machine's name has no dot
				options = strings.Replace(options, "exec ", `exec unshare --uts sh -c 'hostname box.internal; exec \"$@\"' sh `, 1)
			}
			r.sshd.Admit(t, key, options)
			block := strings.NewReplacer("connection {", "read_connection {", r.sshd.KeyFile, file).Replace(r.sshd.Block())
			alone := readFile(t, filepath.Join(r.dir, "providers.mf.hcl"))
			both := strings.ReplaceAll(alone, "\n}\n", "\n  "+block+"\n}\n")
			away := func() {
				if err := os.Rename(r.sshd.KeyFile, r.sshd.KeyFile+".away"); err != nil {
					t.Fatal(err)
				}
			}
			back := func() {
				if err := os.Rename(r.sshd.KeyFile+".away", r.sshd.KeyFile); err != nil {
					t.Fatal(err)
				}
			}

			r.write("providers.mf.hcl", both)
			away()
			r.noChanges()

			// Users and settings that change, a user with mail who goes, and a server that
			// somebody has stopped.
			files := readFile(t, filepath.Join(r.dir, "main.mf.hcl"))
			changed := strings.NewReplacer("16KiB", "64KiB", "\n  addresses = [\"127.0.0.1\"]\n", "\n  addresses = [\"127.0.0.1\"]\n  message_size_limit = \"20MiB\"\n",
				"  name          = \"bob\"\n", "  name          = \"robert\"\n").Replace(files)
			r.write("main.mf.hcl", changed)
			if p, ok := r.parts[0].(*mailtest.PostfixInstance); ok {
				p.Tool(t, "postfix", "stop")
			}
			back()
			r.write("providers.mf.hcl", alone)
			want := r.ok("plan")
			away()
			r.write("providers.mf.hcl", both)
			if got := r.ok("plan"); got != want {
				t.Errorf("with the key that reads the plan is\n%s\nand with the other one\n%s", got, want)
			}
			if !strings.Contains(want, "1 message") {
				t.Errorf("the plan does not say how much mail goes:\n%s", want)
			}

			before := r.lies()
			if res := r.mailform("apply", "-auto-approve", "-confirm=all"); res.code == 0 || !strings.Contains(res.stderr, r.sshd.KeyFile) {
				t.Errorf("apply without the key that writes: %v", res)
			}
			r.write("providers.mf.hcl", strings.ReplaceAll(alone, r.sshd.KeyFile, file))
			res := r.mailform("apply", "-auto-approve", "-confirm=all")
			if said := strings.Join(strings.Fields(res.stderr), " "); res.code == 0 || !strings.Contains(strings.ToLower(said), "permission denied") && !strings.Contains(strings.ToLower(said), "not permitted") {
				t.Errorf("apply with the key that reads: %v", res)
			}
			back()
			nobody, key := r.sshd.NewKey(t, "nobody")
			r.sshd.Admit(t, key, hosttest.MayNothing)
			r.write("providers.mf.hcl", strings.ReplaceAll(alone, r.sshd.KeyFile, nobody))
			for _, command := range [][]string{{"plan"}, {"apply", "-auto-approve", "-confirm=all"}} {
				res := r.mailform(command...)
				said := strings.Join(strings.Fields(res.stderr), " ")
				if res.code == 0 || !strings.Contains(said, "read "+r.parts[0].Own()+"/") && !strings.Contains(said, "read "+r.parts[1].Own()+"/") ||
					!strings.Contains(strings.ToLower(said), "permission denied: nobody may not do that, but root may: sudo = true in connection") {
					t.Errorf("%s as nobody, without sudo: %v", command[0], res)
				}
			}
			for path, now := range r.lies() {
				if now != before[path] {
					t.Errorf("%s is now\n%s\nwas\n%s", path, now, before[path])
				}
			}
			for _, p := range r.parts {
				if err := p.Check(); err != nil {
					t.Error(err)
				}
			}

			r.write("providers.mf.hcl", both)
			r.ok("apply", "-auto-approve", "-confirm=all")
			r.noChanges()
			if p, ok := r.parts[0].(*mailtest.PostfixInstance); ok && p.PID() == 0 {
				t.Fatal("Postfix does not run")
			}
			r.delivered("robert@example.com", "robert")
		})
	}
}

// lies is what mailform keeps at the servers, and their configuration beside it.
func (r *real) lies() map[string]string {
	r.t.Helper()
	files := map[string]string{}
	for _, p := range r.parts {
		config := filepath.Dir(p.Own())
		err := filepath.WalkDir(config, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != config && !strings.HasPrefix(path, p.Own()) {
				return fs.SkipDir // mail, and queues
			}
			if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "log") || strings.Contains(path, "/bin/") {
				return err
			}
			text, err := os.ReadFile(path)
			files[path] = string(text)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return files
}
