package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

// append is APPEND. The message is stored when exactly as many bytes have come
// as were announced, and the command has ended as it should; else nothing is.
func (c *conn) append(ctx context.Context, cmd *command.Append) (result, error) {
	flags, err := newFlags(cmd.Flags)
	if err != nil {
		return result{}, err
	}
	target, err := c.appendTarget(ctx, cmd)
	if err != nil {
		return result{}, err
	}

	st, size := c.srv.opt.Store, cmd.Literal.Size
	lit, err := c.r.OpenLiteral()
	if err != nil {
		return result{}, &fatalError{err}
	}
	draft := st.NewDraft(size)
	defer draft.Close()
	in := &source8{Reader: lit}
	if n, err := io.Copy(draft, in); err != nil {
		if in.err != nil {
			return result{}, &fatalError{in.err} // of the connection
		}
		return result{}, fmt.Errorf("write draft after %d bytes: %w", n, err)
	}
	if err := cmd.Rest(c.r); err != nil {
		return result{}, c.appendRest(err)
	}
	if in.nul {
		// RFC 3516 §4.4: NUL can be sent, but not kept.
		if cmd.Literal.Binary {
			return result{}, no(imap.ResponseCodeUnknownCTE, "Message holds NUL")
		}
		return result{}, bad("NUL in the message")
	}
	when := cmd.Time
	if when.IsZero() {
		when = time.Now()
	}
	done, err := target(draft, flags, when)
	if err != nil {
		return result{}, tryCreate(err)
	}
	if c.view != nil && c.view.mailbox.ID == done.Mailbox {
		// The client wants to see it before the OK.
		if err := c.refresh(ctx, true); err != nil {
			return result{}, err
		}
	}
	return result{code: fmt.Sprintf("APPENDUID %d %d", done.UIDValidity, done.UID)}, nil
}

// appendTarget returns what stores the message. Whoever asks before sending learns
// here that there is no sense in it. A message that comes without that (RFC 7888) goes
// to a mailbox of the client's own without one look before the transaction.
func (c *conn) appendTarget(ctx context.Context, cmd *command.Append) (func(*store.Draft, []string, time.Time) (store.Appended, error), error) {
	st, size := c.srv.opt.Store, cmd.Literal.Size
	switch {
	case size > c.srv.messageSize():
		return nil, no(imap.ResponseCodeTooBig, fmt.Sprintf("The limit is %d bytes", c.srv.messageSize()))
	case size == 0:
		return nil, no(imap.ResponseCodeCannot, "Message is empty")
	case cmd.Literal.NonSync && size <= appendUnasked && !store.Foreign(cmd.Mailbox):
		return func(d *store.Draft, flags []string, when time.Time) (store.Appended, error) {
			return st.AppendTo(ctx, c.account.ID, cmd.Mailbox, d, flags, when)
		}, nil
	}
	mb, err := c.mailbox(ctx, cmd.Mailbox, "i")
	if err != nil {
		return nil, tryCreate(err)
	}
	if err := st.CheckQuota(ctx, mb.Account, size); err != nil {
		return nil, err
	}
	return func(d *store.Draft, flags []string, when time.Time) (store.Appended, error) {
		validity, uid, err := st.Append(ctx, mb.ID, d, allowed(mb.Rights, flags), when)
		return store.Appended{Mailbox: mb.ID, UIDValidity: validity, UID: uid}, err
	}, nil
}

// appendUnasked is the size up to which a message that comes without asking is
// received before it is known whether it has a place.
const appendUnasked = 256 << 10

// appendRest words an error of what follows the message.
func (c *conn) appendRest(err error) error {
	if c.r.InStep() {
		c.countBad()
		return bad(sentence(err.Error()))
	}
	return &fatalError{err}
}

// source8 reads a message from the connection and looks for NUL. It remembers
// an error of the connection, as against one of where the bytes go.
type source8 struct {
	io.Reader
	nul bool
	err error
}

func (s *source8) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if !s.nul && bytes.IndexByte(p[:n], 0) >= 0 {
		s.nul = true
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
