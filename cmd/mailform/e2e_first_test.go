package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/mailtest"
)

// The first apply is killed as soon as it has started a server, and the next one as
// soon as it has started another. Whoever comes then finds what runs, and starts the
// rest: there is one of each in the end, and it takes mail.
func TestKilledAtTheFirstStart(t *testing.T) {
	for _, mail := range []string{"embedded", "postfix-cyrus", "sendmail-dovecot"} {
		t.Run(mail, func(t *testing.T) {
			t.Parallel()
			r := layReal(t, mail, false, setups[mail].start(t))
			dirs := []string{r.dir}
			if len(r.parts) > 0 {
				dirs = nil
			}
			for _, p := range r.parts {
				if d, ok := p.(*mailtest.DovecotInstance); ok {
					dirs = append(dirs, d.ConfigDir)
				} else {
					dirs = append(dirs, filepath.Dir(filepath.Dir(p.Own())))
				}
			}
			started := func() (n int, each []int) {
				for _, dir := range dirs {
					one := masters(t, dir)
					each = append(each, one)
					n += min(one, 1)
				}
				return n, each
			}
			killed := 0
			for round := range dirs {
				cmd := r.command(context.Background(), binary, "apply", "-auto-approve", "-lock-timeout=3m")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
			watch:
				for {
					if n, _ := started(); n > round {
						_ = cmd.Process.Kill() // it may have come to its end
						<-ended
						break
					}
					select {
					case <-ended:
						break watch
					case <-time.After(time.Millisecond):
					}
				}
				if cmd.ProcessState.ExitCode() < 0 {
					killed++
				}
			}
			t.Logf("%d of %d applies were killed", killed, len(dirs))
			r.ok("apply", "-auto-approve", "-lock-timeout=3m")
			r.noChanges()
			if n, each := started(); n != len(dirs) || fmt.Sprint(each) != strings.Replace(fmt.Sprint(make([]int, len(dirs))), "0", "1", -1) {
				t.Errorf("of each server there run %v", each)
			}
			r.delivered("alice@example.com", "alice")
		})
	}
}

// masterLine is the command line of a server's first process.
var masterLine = regexp.MustCompile(`(^|/)master\x00|(^|/)dovecot\x00-c|^sendmail: accepting|^mailform\x00serve`)

// masters counts the servers of an instance that run, whoever started them.
func masters(t *testing.T, dir string) int {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range list {
		line, err := os.ReadFile(filepath.Join(p, "cmdline"))
		if err != nil || !masterLine.Match(line) {
			continue // it has ended
		}
		at, err := os.Readlink(filepath.Join(p, "cwd"))
		if strings.Contains(string(line), dir+"/") || err == nil && strings.HasPrefix(at+"/", dir+"/") {
			n++
		}
	}
	return n
}
