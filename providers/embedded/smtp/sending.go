package smtp

import (
	"context"
	"errors"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/store"
)

// sending is what counts of a transaction for the user who has logged in; nil: nothing.
func (s *session) sending(recipients int) *store.Sending {
	if s.srv.o.Mode != Submission || s.account == nil || s.w.limits.User == (store.SendLimits{}) {
		return nil
	}
	return &store.Sending{Account: s.account.ID, Recipients: recipients, Limits: s.w.limits.User}
}

// limitSending puts off what a user sends beyond his limits: nil where there is room
// for a message with so many recipients. The store decides when it takes the message;
// here a client hears of it before it has sent it.
func (s *session) limitSending(ctx context.Context, recipients int) error {
	m := s.sending(recipients)
	if m == nil {
		return nil
	}
	err := s.srv.o.Store.MaySend(ctx, *m)
	if err == nil {
		return nil
	}
	return s.storeError("count what is sent", err)
}

// tooMuch is the answer where a user has sent as much as he may; nil: it is about
// something else. It says when that ends, for the people who see it.
func (s *session) tooMuch(err error) *gosmtp.SMTPError {
	var limit *store.SendLimitError
	if !errors.As(err, &limit) {
		return nil
	}
	s.srv.o.Limited(limit.Limit)
	what := map[string]string{
		"user_messages_per_hour":   "messages within an hour",
		"user_messages_per_day":    "messages within a day",
		"user_recipients_per_hour": "messages to recipients within an hour",
		"user_recipients_per_day":  "messages to recipients within a day",
	}[limit.Limit]
	return reply(450, 4, 7, 1, "You have sent as many "+what+" as you may, try again after "+limit.Again.UTC().Format("2006-01-02 15:04 MST"))
}
