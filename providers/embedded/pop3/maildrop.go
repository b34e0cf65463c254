package pop3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/mailform/mailform/providers/embedded/store"
)

const inbox = "INBOX"

// A maildrop is the mailbox of a session, as it was at login.
type maildrop struct {
	mailbox     int64
	uidValidity uint32
	messages    []message
	unlock      func()
}

// A message of a maildrop. Its number is its place, counted from 1.
type message struct {
	uid     uint32
	size    int64
	body    int64
	deleted bool
}

// openMaildrop takes the list of messages. unlock is called by release.
func openMaildrop(ctx context.Context, st Store, account int64, unlock func()) (*maildrop, error) {
	mb, err := st.Mailbox(ctx, account, inbox)
	if err != nil {
		return nil, err
	}
	list, _, err := st.Messages(ctx, mb.ID)
	if err != nil {
		return nil, err
	}
	d := &maildrop{mailbox: mb.ID, uidValidity: mb.UIDValidity, messages: make([]message, len(list)), unlock: unlock}
	for i, m := range list {
		d.messages[i] = message{uid: m.UID, size: m.Size, body: m.Body}
	}
	return d, nil
}

// release lets another session have the mailbox. Only the first call does.
func (d *maildrop) release() {
	if d.unlock != nil {
		d.unlock()
		d.unlock = nil
	}
}

// total counts what is not marked as deleted.
func (d *maildrop) total() (n int, size int64) {
	for i := range d.messages {
		if m := &d.messages[i]; !m.deleted {
			n++
			size += m.size
		}
	}
	return n, size
}

// find returns the message of a number. It is nil where there is none, or where
// it is marked as deleted.
func (d *maildrop) find(number string) *message {
	n, ok := parseNumber(number)
	if !ok || n < 1 || n > len(d.messages) || d.messages[n-1].deleted {
		return nil
	}
	return &d.messages[n-1]
}

// uniqueID never changes for a message, and is never used again for another: 16
// characters of the 70 that RFC 1939 §7 allows.
func (d *maildrop) uniqueID(m *message) string {
	return fmt.Sprintf("%08x%08x", d.uidValidity, m.uid)
}

// parseNumber reads decimal digits alone.
func parseNumber(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

const noSuchMessage = "No such message"

func (c *conn) stat([]string) error {
	n, size := c.drop.total()
	c.ok("%d %d", n, size)
	return nil
}

func (c *conn) list(args []string) error {
	n, size := c.drop.total()
	return c.listing(args, fmt.Sprintf("%d messages (%d octets)", n, size), func(m *message) string {
		return strconv.FormatInt(m.size, 10)
	})
}

func (c *conn) uidl(args []string) error {
	return c.listing(args, "Unique ids follow", c.drop.uniqueID)
}

// listing answers with a value for one message or for all.
func (c *conn) listing(args []string, title string, value func(*message) string) error {
	if len(args) == 1 {
		m := c.drop.find(args[0])
		if m == nil {
			c.err(noSuchMessage)
			return nil
		}
		n, _ := parseNumber(args[0]) // find could read it
		c.ok("%d %s", n, value(m))
		return nil
	}
	c.ok("%s", title)
	for i := range c.drop.messages {
		if m := &c.drop.messages[i]; !m.deleted {
			// An error of writing comes back from the flush.
			_, _ = fmt.Fprintf(c.w, "%d %s\r\n", i+1, value(m))
		}
	}
	_, _ = c.w.WriteString(".\r\n")
	return nil
}

func (c *conn) retr(args []string) error {
	return c.send(args[0], func(w *textWriter, body io.Reader) error {
		_, err := io.Copy(w, body)
		return err
	})
}

func (c *conn) top(args []string) error {
	lines, ok := parseNumber(args[1])
	if !ok {
		return c.badCommand("The second argument is no number of lines")
	}
	return c.send(args[0], func(w *textWriter, body io.Reader) error {
		return copyTop(w, body, lines)
	})
}

// send answers with a message. When something fails within it, the connection
// ends: there is no other way to say so.
func (c *conn) send(number string, copyTo func(*textWriter, io.Reader) error) error {
	m := c.drop.find(number)
	if m == nil {
		c.err(noSuchMessage)
		return nil
	}
	body, err := c.srv.opt.Store.OpenBody(c.srv.group.Context(), m.body)
	if errors.Is(err, store.ErrNotFound) {
		// Expunged over IMAP after our login.
		c.err("The message is gone")
		return nil
	}
	if err != nil {
		c.log.Error("pop3: open a message", "uid", m.uid, "error", err)
		c.err("[SYS/TEMP] The message cannot be read now")
		return nil
	}
	c.ok("%d octets", m.size)
	w := &textWriter{w: c.w, lineStart: true}
	err = copyTo(w, io.NewSectionReader(body, 0, body.Size()))
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("send message %d: %w", m.uid, err)
	}
	return w.close()
}

// copyTop copies the header, the empty line, and some lines of what follows.
func copyTop(w io.Writer, body io.Reader, lines int) error {
	r := bufio.NewReader(body)
	header, lineStart := true, true
	for header || lines > 0 {
		// A line that does not fit into the buffer comes in parts.
		part, err := r.ReadSlice('\n')
		if _, err := w.Write(part); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			lineStart = false
			continue
		case err != nil:
			return err
		}
		if !header {
			lines--
		} else if lineStart && (len(part) == 1 || len(part) == 2 && part[0] == '\r') {
			header = false
		}
		lineStart = true
	}
	return nil
}

func (c *conn) dele(args []string) error {
	m := c.drop.find(args[0])
	if m == nil {
		c.err(noSuchMessage)
		return nil
	}
	m.deleted = true
	c.ok("Marked")
	return nil
}

func (c *conn) rset([]string) error {
	for i := range c.drop.messages {
		c.drop.messages[i].deleted = false
	}
	return c.stat(nil)
}

func (c *conn) noop([]string) error {
	c.ok("Here")
	return nil
}

// quit deletes what is marked, all or nothing, and ends the connection.
func (c *conn) quit([]string) error {
	if c.drop == nil {
		c.ok("Bye")
		return errQuit
	}
	var uids []uint32
	for i := range c.drop.messages {
		if m := &c.drop.messages[i]; m.deleted {
			uids = append(uids, m.uid)
		}
	}
	var err error
	if len(uids) > 0 {
		_, err = c.srv.opt.Store.Expunge(c.srv.group.Context(), c.drop.mailbox, uids)
	}
	// Before the answer: the client may come again as soon as it has read it.
	c.drop.release()
	if err != nil {
		c.log.Error("pop3: delete messages", "messages", len(uids), "error", err)
		c.err("[SYS/TEMP] The messages are not deleted")
		return errQuit
	}
	c.log.Info("pop3: logged out", "deleted", len(uids))
	c.ok("Bye, %d messages deleted", len(uids))
	return errQuit
}
