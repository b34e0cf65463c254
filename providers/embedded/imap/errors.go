package imap

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/store"
)

// no is a command that was understood and cannot be done.
func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// bad is a command that makes no sense here.
func bad(text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Text: text}
}

// fatalError is an error after which the connection is of no use: the stream is
// no longer at the boundary of a response or a command.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// storeError words what the store has refused; nil for an error that is not a
// refusal.
func storeError(err error) *imap.Error {
	refused := func(code imap.ResponseCode, text string) *imap.Error {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refused(imap.ResponseCodeNonExistent, "No such mailbox")
	case errors.Is(err, store.ErrExists):
		return refused(imap.ResponseCodeAlreadyExists, "Mailbox exists already")
	case errors.Is(err, store.ErrOverQuota):
		return refused(imap.ResponseCodeOverQuota, "Over quota")
	case errors.Is(err, store.ErrTooLarge):
		return refused(imap.ResponseCodeTooBig, "Message is too large")
	case errors.Is(err, store.ErrConflict):
		return refused(imap.ResponseCodeInUse, "Changed meanwhile, try again")
	case errors.Is(err, context.Canceled):
		return refused(imap.ResponseCodeUnavailable, "Server is shutting down")
	}
	return nil
}

// tryCreate turns "no such mailbox" into the hint that a target may be created.
func tryCreate(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return no(imap.ResponseCodeTryCreate, "No such mailbox")
	}
	return err
}

// sentence begins a message as a response does.
func sentence(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(string(r))
}
