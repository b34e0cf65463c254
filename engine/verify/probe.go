package verify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Probe is a user that a message is sent to, and who reads it.
type Probe struct {
	// Address of the user, also the login name.
	Address  string
	Password string
	// From is who the message is from; empty: mailform-verify@probe.invalid, which
	// has no policy that a server could hold it to.
	From string
	// Wait is how long the message may be on its way; 0: a minute.
	Wait time.Duration
}

const (
	probeFrom = "mailform-verify@probe.invalid"
	probeWait = time.Minute
	// cleanWait is how long is waited for what was sent to try the server's patience.
	cleanWait = 15 * time.Second
	// often is how often a mailbox is looked into.
	often = 250 * time.Millisecond
)

// errNotThere says that a message has not come yet.
var errNotThere = errors.New("the message is not there")

// probe sends a message to a user and reads it, by all ways that there are.
func (r *runner) probe(ctx context.Context, p *Probe) {
	u := r.world.users[p.Address]
	_, host, _ := cutLast(p.Address)
	var dom *domain
	for _, d := range r.world.domains {
		if d.name == host {
			dom = d
		}
	}
	if u == nil || dom == nil {
		r.fail(messageIn, thing{group: host}, p.Address, "name a user with a mailbox", "the files have no user of that address")
		return
	}
	t := thing{dom.group, u.thing.address, u.rng}
	if u.mail != "enabled" {
		r.fail(messageIn, t, p.Address, "name a user with a mailbox", "the user's mail is %q", u.mail)
		return
	}
	for _, d := range r.world.at(dom.target, "smtp") {
		subject := p.Address + " by " + d.addr
		token, err := r.deliver(ctx, d, p)
		if err != nil {
			r.fail(messageIn, t, subject, "see in the server's log why; \"mailform trace\" tells what became of a message", "%v", err)
			continue
		}
		r.pass(messageIn, t, subject, "accepted")
		r.readBack(ctx, u, t, p, token)
		r.clean(ctx, p, 1+r.smuggle(ctx, d, t, p))
	}
	for _, d := range r.world.at(dom.target, "submission") {
		subject := p.Address + " by " + d.addr
		if err := r.submit(ctx, d, p); err != nil {
			r.fail(submission, t, subject, "see in the server's log why", "%v", err)
			continue
		}
		r.pass(submission, t, subject, "the password is right, and a sender of one's own is accepted")
	}
}

// token is a word that is in no other message.
func token() string { return "mailform-verify-" + rand.Text() }

func (p *Probe) from() string {
	if p.From != "" {
		return p.From
	}
	return probeFrom
}

func (r *runner) message(p *Probe, token string) string {
	return strings.Join([]string{
		"From: " + p.from(), "To: " + p.Address, "Date: " + time.Now().Format(time.RFC1123Z),
		"Message-ID: <" + token + "@probe.invalid>", "Subject: " + token, "Auto-Submitted: auto-generated",
		"", "\"mailform verify\" has sent this to see whether mail comes through. It takes it away again.",
	}, "\r\n")
}

// hello opens a connection to a mail server and begins TLS where that is offered;
// with must also where it is not, which is an error then.
func (r *runner) hello(ctx context.Context, d *door, must bool) (*line, error) {
	l, err := r.dial(ctx, d)
	if err != nil {
		return nil, err
	}
	o, err := l.smtpOffer()
	if err == nil && !d.tls && (must || o.starttls) {
		if err = l.upgrade(ctx, d); err == nil {
			err = l.ehlo(&o)
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// begin opens a connection and comes to where the message is sent.
func (r *runner) begin(ctx context.Context, d *door, p *Probe) (*line, error) {
	l, err := r.hello(ctx, d, false)
	if err != nil {
		return nil, err
	}
	for _, c := range []string{"MAIL FROM:<" + p.from() + ">", "RCPT TO:<" + p.Address + ">", "DATA"} {
		if err != nil {
			break
		}
		var answer reply
		if answer, err = l.smtp("%s", c); err == nil && !answer.ok() && answer.code != 354 {
			err = fmt.Errorf("%s is answered by %s", c, answer)
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// deliver sends the message as another server does.
func (r *runner) deliver(ctx context.Context, d *door, p *Probe) (string, error) {
	l, err := r.begin(ctx, d, p)
	if err != nil {
		return "", err
	}
	defer l.close()
	token := token()
	answer, err := l.smtp("%s\r\n.", r.message(p, token))
	if err == nil && !answer.ok() {
		err = errors.New("the message is answered by " + answer.String())
	}
	return token, err
}

// smuggled are ends that are none.
var smuggled = []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\n\n.\n\n"}

// smuggle sends messages that seem to end early. Their content is refused or kept;
// no command in it is obeyed. It returns how many were accepted.
func (r *runner) smuggle(ctx context.Context, d *door, t thing, p *Probe) (accepted int) {
	subject := p.Address + " by " + d.addr
	for _, end := range smuggled {
		l, err := r.begin(ctx, d, p)
		if err != nil {
			r.skip(smuggling, t, subject, "a message could not be begun: %v", err)
			return accepted
		}
		first, more, err := l.answers(r.message(p, token()) + end + "NOOP mailform-verify-smuggled")
		l.close()
		if first.ok() {
			accepted++
		}
		switch {
		case err != nil:
			r.skip(smuggling, t, subject, "%q is not answered: %v", end, err)
			return accepted
		case more > 0:
			r.fail(smuggling, t, subject, "have the server refuse bare line ends (Postfix: smtpd_forbid_bare_newline)", "%q ends a message: what came behind it was taken for a command", end)
			return accepted
		}
	}
	r.pass(smuggling, t, subject, "%d ends that are none are not taken for one", len(smuggled))
	return accepted
}

// answers sends content to its true end, and returns the first answer and how many
// more there are than those that RSET and QUIT get.
func (l *line) answers(content string) (first reply, more int, err error) {
	first, err = l.smtp("%s\r\n.", content)
	if err != nil || first.code == 421 || l.send("RSET\r\nQUIT") != nil {
		return first, 0, err
	}
	for n := 0; ; n++ {
		switch p, err := l.reply(); {
		case err != nil:
			return first, 0, nil // it has hung up: nothing was obeyed
		case p.code == 221, p.code == 421:
			return first, max(0, n-1), nil
		}
	}
}

// submit hands in nothing: what is asked is whether it could be.
func (r *runner) submit(ctx context.Context, d *door, p *Probe) error {
	l, err := r.hello(ctx, d, true)
	if err != nil {
		return err
	}
	defer l.close()
	login := base64.StdEncoding.EncodeToString([]byte("\x00" + p.Address + "\x00" + p.Password))
	answer, err := l.smtp("AUTH PLAIN %s", login)
	if err == nil && answer.code != 235 {
		err = errors.New("the password is answered by " + answer.String())
	}
	for _, c := range []string{"MAIL FROM:<" + p.Address + ">", "RCPT TO:<" + p.Address + ">", "RSET"} {
		if err != nil {
			return err
		}
		if answer, err = l.smtp("%s", c); err == nil && !answer.ok() {
			err = fmt.Errorf("%s is answered by %s", c, answer)
		}
	}
	if err != nil {
		return err
	}
	_ = l.send("QUIT")
	return nil
}

// readBack reads a message by each protocol, and takes it away by the last.
func (r *runner) readBack(ctx context.Context, u *user, t thing, p *Probe, token string) {
	wait := p.Wait
	if wait == 0 {
		wait = probeWait
	}
	for _, protocol := range []string{"imap", "pop3"} {
		may := slices.Contains(u.protocols, protocol)
		for _, d := range r.world.at(u.target, protocol) {
			subject := fmt.Sprintf("%s by %s %s", p.Address, protocol, d.addr)
			_, err := r.find(ctx, d, p, token, false)
			for until := time.Now().Add(wait); may && errors.Is(err, errNotThere) && time.Now().Before(until) && ctx.Err() == nil; {
				time.Sleep(often)
				_, err = r.find(ctx, d, p, token, false)
			}
			switch {
			case may && err != nil:
				r.fail(messageOut, t, subject, "\"mailform trace "+token+"@probe.invalid\" tells what became of the message", "%v", err)
			case may:
				r.pass(messageOut, t, subject, "the message is there")
			case err == nil || errors.Is(err, errNotThere):
				r.fail(messageOut, t, subject, applying, "the user may not read mail by %s, and can log in", protocol)
			default:
				r.pass(messageOut, t, subject, "the user may not read mail by %s, and cannot", protocol)
			}
		}
	}
}

// clean takes messages of this sort away, as many as have been accepted: some may
// still be on their way.
func (r *runner) clean(ctx context.Context, p *Probe, accepted int) {
	u := r.world.users[p.Address]
	for _, protocol := range u.protocols {
		for _, d := range r.world.at(u.target, protocol) {
			for until := time.Now().Add(cleanWait); accepted > 0 && time.Now().Before(until) && ctx.Err() == nil; {
				n, err := r.find(ctx, d, p, "mailform-verify-", true)
				if err != nil && !errors.Is(err, errNotThere) {
					break
				}
				if accepted -= n; accepted > 0 {
					time.Sleep(often)
				}
			}
		}
	}
}

// find looks for messages with a word in their subject, and takes them away if that
// is asked for.
func (r *runner) find(ctx context.Context, d *door, p *Probe, token string, remove bool) (n int, err error) {
	l, err := r.dial(ctx, d)
	if err != nil {
		return 0, err
	}
	defer l.close()
	if d.service == "imap" {
		n, err = r.findIMAP(ctx, l, d, p, token, remove)
	} else {
		n, err = r.findPOP3(ctx, l, d, p, token, remove)
	}
	if err == nil && n == 0 {
		err = errNotThere
	}
	return n, err
}

// quoted is a quoted string of IMAP; what is in it has to be ASCII without line ends.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (r *runner) findIMAP(ctx context.Context, l *line, d *door, p *Probe, token string, remove bool) (int, error) {
	_, err := l.imapOffer()
	if err == nil && !d.tls {
		err = l.upgrade(ctx, d)
	}
	if err != nil {
		return 0, err
	}
	if _, err = l.imap("LOGIN %s %s", quoted(p.Address), quoted(p.Password)); err != nil {
		return 0, fmt.Errorf("LOGIN: %w", err)
	}
	if _, err = l.imap("SELECT INBOX"); err != nil {
		return 0, err
	}
	lines, err := l.imap("UID SEARCH SUBJECT %s", quoted(token))
	if err != nil {
		return 0, err
	}
	var uids []string
	for _, s := range lines {
		if rest, ok := strings.CutPrefix(s, "* SEARCH"); ok {
			uids = append(uids, strings.Fields(rest)...)
		}
	}
	if remove && len(uids) > 0 {
		if _, err = l.imap(`UID STORE %s +FLAGS.SILENT (\Deleted)`, strings.Join(uids, ",")); err == nil {
			_, err = l.imap("UID EXPUNGE %s", strings.Join(uids, ","))
		}
	}
	_ = l.send("bye LOGOUT")
	return len(uids), err
}

// lookedAt is how many of the newest messages are looked at by POP3, which cannot
// search.
const lookedAt = 100

func (r *runner) findPOP3(ctx context.Context, l *line, d *door, p *Probe, token string, remove bool) (int, error) {
	_, err := l.pop3Offer()
	if err == nil && !d.tls {
		err = l.upgrade(ctx, d)
	}
	if err == nil {
		_, err = l.pop3("USER %s", p.Address)
	}
	if err == nil {
		_, err = l.pop3("PASS %s", p.Password)
	}
	if err != nil {
		return 0, err
	}
	stat, err := l.pop3("STAT")
	var messages, size int
	if err == nil {
		_, err = fmt.Sscanf(stat, "+OK %d %d", &messages, &size)
	}
	if err != nil {
		return 0, err
	}
	found := 0
	for i := messages; i > max(0, messages-lookedAt) && (remove || found == 0); i-- {
		if _, err = l.pop3("TOP %d 0", i); err != nil {
			return 0, err
		}
		header, err := l.dotted()
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(header, func(h string) bool { return strings.HasPrefix(h, "Subject: "+token) }) {
			found++
			if remove {
				if _, err = l.pop3("DELE %d", i); err != nil {
					return 0, err
				}
			}
		}
	}
	_, err = l.pop3("QUIT")
	return found, err
}
