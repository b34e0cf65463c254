package sieve

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of how often somebody hears of an absence (RFC 5230 §4.1, RFC 6131 §2).
const (
	day             = 24 * time.Hour
	defaultInterval = 7 * day
	minInterval     = time.Minute
	maxInterval     = 90 * day
)

// A Reply tells a sender that the user is away. Who answers keeps in mind that it
// did, so that each sender hears it once in an interval.
type Reply struct {
	To string
	// From is what the script says it comes from; empty: the user's address.
	From     string
	Subject  string
	Reason   string
	MIME     bool // Reason has a header of its own
	Interval time.Duration
	// Handle is the same for replies that say the same.
	Handle string
	// MessageID and References are those of the message that is answered.
	MessageID, References string
}

func (r *run) vacation(c *command) error {
	if r.out.Reject {
		return fmt.Errorf("%w: a message that is rejected cannot be answered", ErrAction)
	}
	if r.out.Reply != nil {
		return fmt.Errorf("%w: it is answered already", ErrAction)
	}
	v := &Reply{To: r.envelope.From, Reason: r.expand(c.args[0].list[0]), MIME: c.has("mime"), Interval: defaultInterval}
	text := func(tag string) string {
		if a, ok := c.tags[tag]; ok {
			return r.expand(a.list[0])
		}
		return ""
	}
	v.From, v.Subject, v.Handle = text("from"), text("subject"), text("handle")
	if v.From != "" {
		if _, err := parseMailAddress(v.From); err != nil {
			return fmt.Errorf("%w: %q is no mail address", ErrAction, v.From)
		}
	}
	if a, ok := c.tags["days"]; ok {
		v.Interval = time.Duration(min(max(a.number, 1), 1000)) * day
	}
	if a, ok := c.tags["seconds"]; ok {
		v.Interval = max(time.Duration(min(a.number, uint64(maxInterval/time.Second)))*time.Second, minInterval)
	}
	v.Interval = min(v.Interval, maxInterval)
	if v.Handle == "" {
		v.Handle = digest(v.Subject, v.From, fmt.Sprint(v.MIME), v.Reason)
	}
	if !r.answerable() || !r.addressed(r.expandAll(c.tags["addresses"].list)) {
		return nil
	}
	if v.Subject == "" {
		v.Subject = "Auto: " + decoded(first(r.message.raw("Subject")))
	}
	v.MessageID, v.References = first(r.message.raw("Message-ID")), first(r.message.raw("References"))
	r.out.Reply = v
	return nil
}

// digest tells texts apart.
func digest(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// answerable reports whether a person seems to have sent the message (RFC 5230
// §4.6, RFC 3834 §2).
func (r *run) answerable() bool {
	from := strings.ToLower(r.envelope.From)
	local, _, ok := strings.Cut(from, "@")
	switch {
	case !ok || !isAddress(from):
		return false
	case local == "mailer-daemon", local == "listserv", local == "majordomo", strings.HasPrefix(local, "owner-"),
		strings.HasSuffix(local, "-request"), strings.HasSuffix(local, "-owner"), strings.Contains(local, "noreply"), strings.Contains(local, "no-reply"),
		strings.Contains(local, "-bounces"):
		return false
	case containsFold(r.envelope.Addresses, from): // answers to oneself lead nowhere
		return false
	}
	for _, v := range r.message.raw("Auto-Submitted") {
		word, _, _ := strings.Cut(v, ";")
		if !strings.EqualFold(strings.TrimSpace(word), "no") {
			return false
		}
	}
	for _, v := range r.message.raw("Precedence") {
		if slices.Contains([]string{"bulk", "junk", "list"}, strings.ToLower(v)) {
			return false
		}
	}
	for _, v := range r.message.raw("X-Spam-Flag") {
		if strings.EqualFold(v, "yes") {
			return false
		}
	}
	for _, v := range r.message.raw("X-Auto-Response-Suppress") {
		for word := range strings.SplitSeq(v, ",") {
			if w := strings.ToLower(strings.TrimSpace(word)); w == "all" || w == "oof" || w == "autoreply" {
				return false
			}
		}
	}
	return !slices.ContainsFunc(r.message.fields, func(f field) bool { return strings.HasPrefix(f.name, "list-") })
}

// addressed reports whether the header names the user, who would otherwise answer
// for a list or an alias (RFC 5230 §4.5).
func (r *run) addressed(also []string) bool {
	mine := append(slices.Clone(r.envelope.Addresses), also...)
	for _, name := range []string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"} {
		for _, v := range r.message.raw(name) {
			for _, a := range addresses(v) {
				if containsFold(mine, a) || containsFold(mine, withoutDetail(a)) {
					return true
				}
			}
		}
	}
	return false
}

// withoutDetail is alice@… for alice+news@….
func withoutDetail(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return address
	}
	user, _, _ := strings.Cut(address[:i], separator)
	return user + address[i:]
}
