package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// elsewhere is a domain that no server takes mail for: reserved by RFC 2606, so
// that nobody is bothered. No message is ever sent: each attempt ends after RCPT.
const elsewhere = "mailform-verify.example.net"

// relayTricks are ways to ask a server for mail to elsewhere; {own} stands for a
// domain of its own. Those that end with that domain may be the address of a
// catch-all.
var relayTricks = []string{
	"<user@" + elsewhere + ">",
	"<user@" + elsewhere + ".>",
	"<USER@" + elsewhere + ">",
	"user@" + elsewhere,
	"<@{own}:user@" + elsewhere + ">",
	"<@" + elsewhere + ":user@{own}>",
	"<user%" + elsewhere + "@{own}>",
	"<\"user@" + elsewhere + "\"@{own}>",
	"<\"user@" + elsewhere + "\">",
	"<\"user%" + elsewhere + "\"@{own}>",
	"<" + elsewhere + "!user@{own}>",
	"<" + elsewhere + "!user>",
	"<user@" + elsewhere + "@{own}>",
	"<user%" + elsewhere + "@localhost>",
	"<user%" + elsewhere + "@[127.0.0.1]>",
	"<user@[" + elsewhere + "]>",
}

// perConnection is how many refusals one connection is made to give: servers end
// those that get many.
const perConnection = 4

// relays tries to have mail sent elsewhere.
func (r *runner) relays(ctx context.Context, d *door, subject string) {
	const fix = "close it at once: see which networks and domains the server relays for, by \"mailform plan\" and its own tools"
	own := r.own(d)
	tried := 0
	for _, from := range []string{"", "verify@" + own.name, "verify@" + elsewhere} {
		for tricks := range slices.Chunk(relayTricks, perConnection) {
			err := r.talk(ctx, d, from, func(l *line) error {
				for _, t := range tricks {
					to := strings.ReplaceAll(t, "{own}", own.name)
					local := strings.HasSuffix(to, "@"+own.name+">") || strings.Contains(to, ":user@"+own.name)
					p, err := l.smtp("RCPT TO:%s", to)
					if err != nil {
						return err
					}
					tried++
					if p.ok() && !(local && own.catchAll) {
						r.fail(relay, d.thing, subject, fix, "from <%s> to %s: %s", from, to, p)
						return errOpen
					}
					if p.code == 421 {
						return nil // it has had enough of us
					}
				}
				return nil
			})
			if errors.Is(err, errOpen) {
				return
			}
			if err != nil && !errors.Is(err, errRefused) {
				r.skip(relay, d.thing, subject, "the attempts ended: %v", err)
				return
			}
		}
	}
	r.pass(relay, d.thing, subject, "%d attempts to have mail sent elsewhere are refused", tried)
}

var (
	errOpen = errors.New("open")
	// errRefused says that a sender was refused.
	errRefused = errors.New("refused")
)

// own is a domain that the server at a door takes mail for.
func (r *runner) own(d *door) *domain {
	for _, dom := range r.world.domains {
		if dom.target == d.target {
			return dom
		}
	}
	return &domain{name: d.hostname}
}

// talk opens a connection, begins a message from somebody, and leaves it unfinished.
func (r *runner) talk(ctx context.Context, d *door, from string, f func(*line) error) error {
	l, err := r.dial(ctx, d)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err = l.smtpOffer(); err != nil {
		return err
	}
	p, err := l.smtp("MAIL FROM:<%s>", from)
	if err != nil {
		return err
	}
	if !p.ok() {
		return fmt.Errorf("MAIL FROM:<%s> is answered by %s: %w", from, p, errRefused)
	}
	if err = f(l); err != nil {
		return err
	}
	_ = l.send("QUIT")
	return nil
}

// atMost is how many recipients of a domain are tried; of more, some of each part of
// the alphabet.
const atMost = 500

// inOneMessage is how many recipients every server takes at once (RFC 5321
// §4.5.3.1.8).
const inOneMessage = 100

// recipients asks the server at a door for those that the files say there are.
func (r *runner) recipients(ctx context.Context, d *door, subject string) {
	for _, dom := range r.world.domains {
		if dom.target != d.target {
			continue
		}
		at := dom.name + " at " + d.addr
		who := "postmaster@" + dom.name
		p, err := r.recipient(ctx, d, who)
		switch {
		case err != nil:
			r.fail(postmaster, dom.thing, at, "see in the server's log why", "%v", err)
			continue
		case p.ok():
			r.pass(postmaster, dom.thing, at, "mail for %s is accepted", who)
		default:
			r.add(postmaster, dom.thing, at, refusal(p), "name a postmaster in the domain block", "mail for %s is not accepted: %s", who, p)
		}
		r.each(ctx, d, dom, at)
	}
}

// refusal is Warn for a refusal that is only for now.
func refusal(p reply) Status {
	if p.code/100 == 4 {
		return Warn
	}
	return Fail
}

func (r *runner) recipient(ctx context.Context, d *door, who string) (p reply, err error) {
	err = r.rcpts(ctx, d, []string{who}, 1, func(_ string, said reply) bool {
		p = said
		return false
	})
	return p, err
}

// rcpts asks for recipients, so many in one message, and tells of each what is
// answered, until that is of no more use.
func (r *runner) rcpts(ctx context.Context, d *door, who []string, inOne int, tell func(who string, p reply) (more bool)) error {
	for part := range slices.Chunk(who, inOne) {
		err := r.talk(ctx, d, "", func(l *line) error {
			for _, who := range part {
				p, err := l.smtp("RCPT TO:<%s>", who)
				if err != nil || !tell(who, p) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each tries the recipients of a domain.
func (r *runner) each(ctx context.Context, d *door, dom *domain, subject string) {
	some := sample(dom.accepts, atMost)
	good, odd := 0, 0
	err := r.rcpts(ctx, d, some, inOneMessage, func(who string, p reply) bool {
		if p.ok() {
			good++
			return true
		}
		odd++
		r.add(recipients, r.whose(who, dom), who+" at "+d.addr, refusal(p), applying, "mail is not accepted: %s", p)
		return p.code != 421
	})
	refused := slices.Clone(sample(dom.refuses, inOneMessage))
	if !dom.catchAll {
		refused = append(refused, "mailform-verify-nobody@"+dom.name)
	}
	if err == nil {
		err = r.rcpts(ctx, d, refused, perConnection, func(who string, p reply) bool {
			if p.ok() {
				odd++
				r.fail(recipients, r.whose(who, dom), who+" at "+d.addr, applying, "mail for whom there is nobody is accepted: %s", p)
			} else {
				good++
			}
			return true
		})
	}
	if err != nil {
		r.fail(recipients, dom.thing, subject, "see in the server's log why", "%v", err)
		return
	}
	if good > 0 {
		of := ""
		if len(some) < len(dom.accepts) {
			of = fmt.Sprintf("; %d of %d users and aliases were tried", len(some), len(dom.accepts))
		}
		r.pass(recipients, dom.thing, subject, "%d of %d answers are as the files say%s", good, good+odd, of)
	}
}

// whose is the block of a user, or else the domain's.
func (r *runner) whose(who string, dom *domain) thing {
	if u := r.world.users[who]; u != nil {
		return thing{dom.group, u.thing.address, u.rng}
	}
	return dom.thing
}

// sample is at most n of a list, evenly spread.
func sample(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	out := make([]string, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// submits tries to hand in mail without a password.
func (r *runner) submits(ctx context.Context, d *door, subject string) {
	own := r.own(d)
	open := func(from, to string) (bool, reply, error) {
		l, err := r.hello(ctx, d, false)
		if err != nil {
			return false, reply{}, err
		}
		defer l.close()
		p, err := l.smtp("MAIL FROM:<%s>", from)
		if err != nil || !p.ok() {
			return false, p, err
		}
		p, err = l.smtp("RCPT TO:<%s>", to)
		return p.ok(), p, err
	}
	for _, c := range [][2]string{{"verify@" + own.name, "user@" + elsewhere}, {"", "user@" + elsewhere}, {"verify@" + elsewhere, "postmaster@" + own.name}} {
		taken, p, err := open(c[0], c[1])
		switch {
		case err != nil:
			r.fail(relay, d.thing, subject, "see in the service's log why", "%v", err)
			return
		case taken:
			r.fail(relay, d.thing, subject, "let the service take mail from those alone that have said who they are", "without a password, from <%s> to <%s>: %s", c[0], c[1], p)
			return
		}
	}
	r.pass(relay, d.thing, subject, "nothing is taken without a password")
}
