package cyrus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/schema"
)

// keepFor is the annotation that says how many days a deleted mailbox is kept.
const keepFor = "/shared/vendor/cmu/cyrus-imapd/delete"

// A job is one change of a mailbox on its way.
type job struct {
	i        int // in the batch
	commands []string
	made     bool // the first command makes the mailbox
	after    func(*world)
}

// applyMailboxes makes, changes and takes away mailboxes. Who may log in is
// written first, with a mark that the mailboxes are being made; then all is done
// over one connection; then the marks say that it is done.
func (p *Provider) applyMailboxes(ctx context.Context, r *report) error {
	w, err := p.load(ctx, true)
	if err != nil {
		return err
	}
	var jobs []*job
	for i, c := range r.batch {
		v, err := w.judge(c)
		if err != nil || v.settled {
			r.settle(i, v.now, err)
			continue
		}
		j := w.plan(c, v)
		j.i = i
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 {
		return nil
	}
	if !w.running {
		r.fail(errors.New("Cyrus does not run, and mailboxes are made by it"))
		return nil
	}
	var s *session
	err = until(ctx, func() (err error) { // it may have been started just now
		s, err = p.connect(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := w.writeUsers(ctx); err != nil {
		return err
	}
	if err := w.writeModel(ctx); err != nil {
		return err
	}
	stopped := w.work(ctx, s, jobs, r)
	// What is done is marked as done also where the rest was given up.
	kept := context.WithoutCancel(ctx)
	err = errors.Join(w.writeUsers(kept), w.writeModel(kept))
	return errors.Join(stopped, err)
}

// plan says what to do for a change, and takes it into the world as being done.
func (w *world) plan(c providers.Change, v verdict) *job {
	address := c.Resource.Key
	name := quoted(mailboxName(address))
	b := w.boxes.at(address)
	j := &job{}
	if c.Action == providers.Delete {
		delete(w.users, address)
		if k := w.model.mark(schema.KindMailbox, address); k != nil {
			k.Pending = true
		}
		if w.lookup != nil { // the user has moved into the directory, with his mail
			j.after = func(w *world) { w.model.drop(schema.KindMailbox, address) }
			return j
		}
		j.commands = []string{
			"SETACL " + name + " " + adminName + " xc",
			"SETMETADATA " + name + " (" + keepFor + " " + quoted(strconv.FormatInt(w.retentionDays(), 10)) + ")",
			"DELETE " + name,
		}
		j.after = func(w *world) {
			b.there = false
			w.model.drop(schema.KindMailbox, address)
		}
		return j
	}
	want := v.wish.mailbox
	k := w.model.put(c.Resource, w.p.lineage, mark{Pending: true, Quota: want.quota, Protocols: want.protocols, Mail: want.mail})
	u := authd.User{Address: address, Protocols: want.protocols, Verifiers: want.hashes}
	if want.mail == disabled {
		u.Protocols = nil // and nobody else asks for this user
	}
	w.users[address] = u
	limit := int64(-1)
	if want.quota > 0 {
		limit = kib(want.quota)
	}
	switch {
	case b.there:
	case len(b.deleted) > 0:
		// The INBOX comes first, and says what the rest belongs to.
		inbox := mailboxName(address)
		slices.SortFunc(b.deleted, func(x, y string) int {
			if (former(x) == inbox) != (former(y) == inbox) {
				if former(x) == inbox {
					return -1
				}
				return 1
			}
			return strings.Compare(x, y)
		})
		for _, d := range b.deleted {
			j.commands = append(j.commands, "RENAME "+quoted(d)+" "+quoted(former(d)))
		}
		j.commands = append(j.commands, "SETMETADATA "+name+" ("+keepFor+" NIL)", "DELETEACL "+name+" "+adminName)
		j.made = true
	default:
		j.commands = []string{strings.TrimRight("CREATE "+name+" "+w.p.partition, " ")}
		j.made = true
	}
	if limit != b.limit {
		to := ""
		if limit >= 0 {
			to = "STORAGE " + strconv.FormatInt(limit, 10)
		}
		j.commands = append(j.commands, "SETQUOTA "+name+" ("+to+")")
	}
	j.after = func(*world) {
		b.there, b.limit, b.deleted = true, limit, nil
		k.Pending = false
	}
	return j
}

// retentionDays is how long what is deleted now is kept, in whole days.
func (w *world) retentionDays() int64 {
	const day = 86400
	var longest int64
	for _, key := range w.model.keys(schema.KindMailStore) {
		longest = max(longest, w.model.mark(schema.KindMailStore, key).Retention)
	}
	return (longest + day - 1) / day
}

// work carries out jobs and tells of them. A mailbox that is deleted twice within
// a second has no second name to be kept under, so that this one comes again.
func (w *world) work(ctx context.Context, s *session, jobs []*job, r *report) error {
	const rounds = 5
	stopped := false
	for round := 0; len(jobs) > 0; round++ {
		if round > 0 {
			select {
			case <-ctx.Done():
				r.fail(ctx.Err())
				return r.tell()
			case <-time.After(1100 * time.Millisecond):
			}
		}
		var commands []string
		var ends []int // of each job, among the commands
		for _, j := range jobs {
			commands = append(commands, j.commands...)
			ends = append(ends, len(commands))
		}
		var again []*job
		n := 0
		var failed error
		settle := func(upTo int) error {
			for n < len(jobs) && ends[n] <= upTo {
				j := jobs[n]
				n++
				var refused *errAnswer
				if errors.As(failed, &refused) && isDelete(j) && strings.Contains(refused.text, "already exists") && round < rounds {
					again = append(again, j)
				} else {
					w.finish(j, r, failed)
				}
				failed = nil
			}
			if stopped {
				return nil
			}
			err := r.tell()
			stopped = err != nil
			return err
		}
		told := settle(0) // those without commands
		if told != nil {
			return told
		}
		err := s.run(ctx, commands, func(i int, a answer) bool {
			first := 0
			if n > 0 {
				first = ends[n-1]
			}
			if e := a.err(); e != nil && failed == nil && !harmless(commands[i]) {
				failed = e
				if i == first && jobs[n].made {
					failed = fmt.Errorf("%w%w", e, errNotMade)
				}
			}
			if err := settle(i + 1); told == nil {
				told = err
			}
			return told == nil
		})
		if told != nil {
			return told
		}
		if err != nil {
			r.fail(fmt.Errorf("the administrator's session ended: %w", err))
			return r.tell()
		}
		jobs = again
	}
	return nil
}

// errNotMade is of a job whose mailbox there is not.
var errNotMade = errors.New("")

// harmless commands may fail: what they do is done by others too.
func harmless(command string) bool {
	return strings.HasSuffix(command, "("+keepFor+" NIL)") || strings.HasPrefix(command, "DELETEACL ")
}

func isDelete(j *job) bool {
	return len(j.commands) > 0 && strings.HasPrefix(j.commands[len(j.commands)-1], "DELETE ")
}

// finish settles a job.
func (w *world) finish(j *job, r *report, err error) {
	c := r.batch[j.i]
	if err != nil {
		if errors.Is(err, errNotMade) { // nobody logs in without a mailbox
			delete(w.users, c.Resource.Key)
			w.model.drop(schema.KindMailbox, c.Resource.Key)
		}
		r.settle(j.i, nil, fmt.Errorf("%s %s: %w", c.Action, c.Resource.Key, err))
		return
	}
	j.after(w)
	var o *providers.Observed
	if c.Action != providers.Delete {
		o = w.observe(c.Resource.Kind, c.Resource.Key)
	}
	r.settle(j.i, o, nil)
}

// writeUsers writes who may log in, if that is another than was read.
func (w *world) writeUsers(ctx context.Context) error {
	list := make([]authd.User, 0, len(w.users))
	for _, u := range w.users {
		list = append(list, u)
	}
	text, err := authd.Format(list)
	if err != nil || string(text) == string(w.usersFile.Content) {
		return err
	}
	f := w.usersFile.With(text)
	f.Mode = 0o600
	if err := w.p.host.Write(ctx, f); err != nil {
		return changed(err)
	}
	w.usersFile = f
	return nil
}

// Count implements providers.Counter, over one connection. Nothing is known of
// mailboxes of a server that does not run.
func (p *Provider) Count(ctx context.Context, keys []string) (map[string]providers.Held, error) {
	p = p.reader()
	running, err := p.service().Running(ctx)
	if err != nil || !running || len(keys) == 0 {
		return nil, err
	}
	s, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var commands, asked []string
	for _, key := range keys {
		local, domain, ok := strings.Cut(key, "@")
		if !ok || checkAddress(key) != nil {
			continue
		}
		asked = append(asked, key)
		commands = append(commands, fmt.Sprintf("LIST \"\" (%s %s) RETURN (STATUS (MESSAGES SIZE))", quoted("user/"+local+"@"+domain), quoted("user/"+local+"/*@"+domain)))
	}
	held := make(map[string]providers.Held, len(asked))
	err = s.run(ctx, commands, func(i int, a answer) bool {
		if !a.ok {
			return true
		}
		var sum providers.Held
		known := false
		for _, line := range a.data {
			if h, ok := parseStatus(line); ok {
				sum.Messages, sum.Bytes, known = sum.Messages+h.Messages, sum.Bytes+h.Bytes, true
			}
		}
		if known {
			held[asked[i]] = sum
		}
		return true
	})
	return held, err
}

// parseStatus reads "STATUS name (MESSAGES 1 SIZE 100)".
func parseStatus(line string) (providers.Held, bool) {
	var h providers.Held
	if !strings.HasPrefix(line, "STATUS ") || !strings.HasSuffix(line, ")") {
		return h, false
	}
	open := strings.LastIndexByte(line, '(')
	if open < 0 {
		return h, false
	}
	f := strings.Fields(line[open+1 : len(line)-1])
	for i := 0; i+1 < len(f); i += 2 {
		n, err := strconv.ParseInt(f[i+1], 10, 64)
		if err != nil {
			return h, false
		}
		switch f[i] {
		case "MESSAGES":
			h.Messages = n
		case "SIZE":
			h.Bytes = n
		}
	}
	return h, true
}
