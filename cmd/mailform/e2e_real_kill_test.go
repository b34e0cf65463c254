package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// realKills is how often an apply to each of the systems is killed, and how often
// one by SSH.
const realKills, farKills = 4, 2

// killedHalfWay kills applies at random instants, with the signal that nothing can
// catch. Each of them has users to add and to take away, and settings of every part
// to change. Whatever was done by then: the servers' own programs find nothing wrong
// with their configuration, mail is taken and not lost, and the next apply goes on.
func (r *real) killedHalfWay() {
	r.t.Helper()
	settings := readFile(r.t, r.dir+"/main.mf.hcl")
	round := 0
	declare := func() {
		round++
		r.write("main.mf.hcl", strings.Replace(settings, "\n  addresses = [\"127.0.0.1\"]\n",
			fmt.Sprintf("\n  addresses = [\"127.0.0.1\"]\n  message_size_limit = \"%dMiB\"\n  retention = \"%dd\"\n", 20+round, 40+round), 1))
		r.write("more.mf.hcl", fmt.Sprintf(`
user "round" {
  for_each      = toset([for i in range(10) : "r${%d + i}"])
  domain        = domain.example
  name          = each.key
  aliases       = ["al-${each.key}"]
  password_hash = var.password_hash
  protocols     = [%q]
}
`, 5*round, []string{"imap", "pop3"}[round%2]))
	}
	apply := []string{"apply", "-auto-approve", "-confirm=all"} // that many are rarely taken away
	declare()
	began := time.Now()
	r.ok(apply...)
	whole := time.Since(began)

	rng, kills := rand.New(rand.NewPCG(5, 6)), realKills
	if r.far {
		kills = farKills
	}
	interrupted := 0
	var sent []string
	for i := range kills {
		declare()
		cmd := r.command(context.Background(), binary, apply...)
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		_ = cmd.Process.Kill() // an error says that it has ended already
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() < 0 {
			interrupted++
		} else if err != nil {
			r.t.Errorf("apply %d ended by itself: %v", i+1, err)
		}
		for _, p := range r.parts {
			if err := p.Check(); err != nil {
				r.t.Errorf("after kill %d of %d: %v", i+1, kills, err)
			}
		}
		var res result
		r.t.Cleanup(func() {
			if res.code != 0 {
				r.t.Logf("after kill %d of %d mail is answered: %v", i+1, kills, res)
			}
		})
		eventually(r.t, "mail is taken after a kill", func() bool { // a server may be about to begin anew
			var subject string
			if subject, res = r.send("alice@example.com"); res.code == 0 {
				sent = append(sent, subject)
			}
			return res.code == 0
		})
		if res := r.mailform("plan", "-detailed-exitcode"); res.code != 0 && res.code != 2 {
			r.t.Fatalf("plan after kill %d of %d: %v", i+1, kills, res)
		}
	}
	r.t.Logf("%d of %d kills came before the end of the apply", interrupted, kills)
	r.ok(apply...)
	r.noChanges()
	for _, subject := range sent {
		r.found("alice", subject)
	}
	last := fmt.Sprintf("r%d@example.com", 5*round+9)
	r.delivered("al-" + last)
	if _, res := r.send(fmt.Sprintf("r%d@example.com", 5*round-1), "--quit-after", "RCPT"); res.code == 0 {
		r.t.Errorf("mail for one who was taken away is accepted: %v", res)
	}
}
