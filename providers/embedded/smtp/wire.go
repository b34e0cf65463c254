package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
)

// maxCommand is the longest command line taken, in bytes: RFC 5321 §4.5.3.1.4
// asks for 512 and what extensions add, RFC 4954 §4 for 12,288 for those of AUTH.
const maxCommand = 12 << 10

// maxDrain is how much more of a message is read and thrown away once it is
// beyond the size limit, so that the client gets its 552 in step. Who sends
// still more is cut off.
const maxDrain = 16 << 20

// A phase says what the client's bytes are.
type phase int

const (
	commands phase = iota
	response       // one line that answers a 334 of AUTH
	data           // up to CRLF . CRLF
	chunk          // BDAT, counted
)

// A wire is the connection as go-smtp sees it. Read hands over one command
// line, or the bytes of a message, never anything beyond; Write collects
// replies and sends them when there is nothing more to read, so that pipelined
// commands are answered together.
//
// All but the fields under mu belong to the goroutine that serves the
// connection.
type wire struct {
	srv     *Server
	raw     net.Conn // the TCP connection
	conn    net.Conn // raw, or TLS over it
	br      *bufio.Reader
	bw      *bufio.Writer
	limits  Limits   // as they were when it began
	times   Timeouts // as they were when it began
	loop    bool     // the client is on a loopback address that is not throttled
	listing *listing // what lists say of the client; nil: none are asked
	counted bool     // what the client does counts against its limits
	tlsConf *tls.Config
	// hostname is the server's in this conversation.
	hostname string
	tls      *tls.ConnectionState // nil before TLS

	phase   phase
	left    int64  // chunk: bytes to come
	taken   int64  // data, chunk: bytes of the message so far
	maxSize int64  // of a message, as announced
	pending []byte // read, not yet handed over; a window of br's buffer
	ends    lineEnds

	verb     string // of the command that is being answered
	esmtp    bool   // the last greeting was EHLO
	errors   int    // replies 4xx and 5xx
	logins   int    // failed
	messages int    // begun
	swallow  bool   // drop the next reply: the greeting of a new engine after STARTTLS
	instead  string // goes out in place of the next reply
	upgrade  bool   // STARTTLS was accepted
	dead     bool   // nothing is read or written any more
	leaving  bool   // the connection ends before the next command is read
	goodbye  string // reply to send then; empty: the client has got it
	ended    chan struct{}
	endOnce  *sync.Once

	transaction atomic.Bool // between MAIL and its end
	chunked     bool        // a BDAT of the transaction has been handed over
	// begun is closed when the session begins to take the content of the
	// transaction; nil while there are no recipients.
	begun chan struct{}

	mu       sync.Mutex
	idle     bool // waiting for a command
	draining bool
}

const (
	replyShutdown = "421 4.3.2 Service shutting down, closing the connection\r\n"
	replyTimeout  = "421 4.4.2 Timeout, closing the connection\r\n"
	replyTooBig   = "552 5.3.4 Message size limit exceeded, closing the connection\r\n"
	replyBareLF   = "500 5.5.2 Command lines end in CRLF, closing the connection\r\n"
	replyTooLong  = "500 5.5.2 Command line too long, closing the connection\r\n"
	replyChunk    = "501 5.5.4 Bad BDAT command, closing the connection\r\n"
	replyErrors   = "421 4.7.0 Too many errors, closing the connection\r\n"
	replyLogins   = "421 4.7.0 Too many failed logins, closing the connection\r\n"
)

func newWire(s *Server, raw net.Conn) *wire {
	settings := s.o.Settings()
	w := &wire{
		srv: s, raw: raw, conn: raw,
		limits: settings.Limits.or(s.o.Limits), times: settings.Timeouts.or(s.o.Timeouts),
	}
	w.loop = !w.limits.ThrottleLoopback && onMachine(raw.RemoteAddr())
	w.counted = !w.loop && !exempt(w.limits.Exempt, sessions.Peer(raw.RemoteAddr()))
	w.br = bufio.NewReaderSize(raw, maxCommand)
	w.bw = bufio.NewWriterSize(raw, 2048)
	w.begin()
	return w
}

// begin readies the wire for a (further) engine.
func (w *wire) begin() {
	w.ended = make(chan struct{})
	w.endOnce = new(sync.Once)
	w.phase, w.upgrade = commands, false
	w.transaction.Store(false)
	w.chunked, w.begun = false, nil
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(w.pending) == 0 {
			// Never wait once there is something to hand over.
			if n > 0 && (w.phase == commands || w.phase == response || w.br.Buffered() == 0) {
				break
			}
			if err := w.fill(); err != nil {
				if n > 0 {
					break // sticky: the next Read returns it
				}
				return 0, err
			}
			if len(w.pending) == 0 {
				continue
			}
		}
		m := copy(p[n:], w.pending)
		w.pending = w.pending[m:]
		n += m
		if w.phase == commands && len(w.pending) == 0 {
			break // the end of a command, of the data or of a chunk
		}
	}
	return n, nil
}

// fill makes something pending.
func (w *wire) fill() error {
	select {
	case <-w.ended:
		return io.EOF
	default:
	}
	if w.dead {
		return io.EOF
	}
	switch w.phase {
	case data:
		return w.fillData()
	case chunk:
		return w.fillChunk()
	default:
		return w.fillCommand()
	}
}

// fillData reads a line of a message, or a part of one.
func (w *wire) fillData() error {
	buffered, err := w.await()
	if err != nil {
		return err
	}
	part := buffered
	if i := bytes.IndexByte(buffered, '\n'); i >= 0 {
		part = buffered[:i+1]
	}
	if w.ends.next(part) {
		w.phase = commands
	}
	return w.take(part)
}

// fillChunk reads a part of a BDAT chunk.
func (w *wire) fillChunk() error {
	buffered, err := w.await()
	if err != nil {
		return err
	}
	part := buffered[:min(int64(len(buffered)), w.left)]
	if w.left -= int64(len(part)); w.left == 0 {
		w.phase = commands
	}
	return w.take(part)
}

// await returns what is buffered, at least a byte. Where it has to wait it sends
// the replies first and gives the client a new deadline.
func (w *wire) await() ([]byte, error) {
	if w.br.Buffered() == 0 {
		if err := w.flush(); err != nil {
			return nil, err
		}
		if err := w.raw.SetReadDeadline(time.Now().Add(w.times.Block)); err != nil {
			return nil, w.broken(err)
		}
		if _, err := w.br.Peek(1); err != nil {
			return nil, w.broken(err)
		}
	}
	return w.br.Peek(w.br.Buffered())
}

// take makes part pending; it stays in the buffer until the next read.
func (w *wire) take(part []byte) error {
	if _, err := w.br.Discard(len(part)); err != nil {
		return w.broken(err)
	}
	w.taken += int64(len(part))
	if w.taken > w.maxSize+maxDrain {
		w.end(replyTooBig)
		return io.ErrUnexpectedEOF
	}
	w.pending = part
	return nil
}

// broken ends the connection inside a message. A clean end of the stream is an
// error here, too: go-smtp would take a chunk cut short as complete.
func (w *wire) broken(err error) error {
	w.settle()
	reply := ""
	if isTimeout(err) {
		reply = replyTimeout
	}
	w.end(reply)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// settle waits until the session takes the content that a BDAT has begun.
// go-smtp starts that in a goroutine, which panics when the connection is closed
// before it has got hold of the session.
func (w *wire) settle() {
	if !w.chunked || w.begun == nil {
		return
	}
	w.chunked = false
	const patience = 10 * time.Second // it is under way; this is only never to hang
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-w.begun:
	case <-t.C:
	}
}

// fillCommand reads one command line, acts on those that are the wire's own
// matter, and hands over the others.
func (w *wire) fillCommand() error {
	w.settle()
	if w.leaving {
		w.end(w.goodbye)
		return io.EOF
	}
	line, err := w.readLine()
	if err != nil {
		return err
	}
	if w.phase == response {
		w.phase, w.pending = commands, line
		return nil
	}
	line, err = w.inspect(line)
	if err != nil {
		return err
	}
	w.pending = line
	return nil
}

// readLine waits for a whole line. The deadline is for the line, so that a
// client cannot hold the connection by a byte at a time.
func (w *wire) readLine() ([]byte, error) {
	if buffered, _ := w.br.Peek(w.br.Buffered()); bytes.IndexByte(buffered, '\n') < 0 {
		if err := w.flush(); err != nil {
			return nil, err
		}
		w.mu.Lock()
		if w.draining && !w.transaction.Load() {
			w.mu.Unlock()
			w.end(replyShutdown)
			return nil, io.EOF
		}
		w.raw.SetReadDeadline(time.Now().Add(w.times.Command))
		w.idle = !w.transaction.Load()
		w.mu.Unlock()
	}
	line, err := w.br.ReadSlice('\n')
	w.mu.Lock()
	w.idle = false
	draining := w.draining && !w.transaction.Load()
	w.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, bufio.ErrBufferFull):
		w.end(replyTooLong)
		return nil, io.EOF
	case isTimeout(err) && draining:
		w.end(replyShutdown)
		return nil, io.EOF
	case isTimeout(err):
		w.end(replyTimeout)
		return nil, io.EOF
	default:
		w.dead = true
		return nil, io.EOF
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		w.end(replyBareLF)
		return nil, io.EOF
	}
	return line, nil
}

// drain tells the client to go: at once when it is idle, else after the
// transaction that is under way.
func (w *wire) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	if w.idle {
		w.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// hangUp ends the connection with reply once the current command is answered.
func (w *wire) hangUp(reply string) { w.leaving, w.goodbye = true, reply }

// end sends reply as the last thing and stops both directions.
func (w *wire) end(reply string) {
	if w.dead {
		return
	}
	w.bw.WriteString(reply)
	w.flush()
	w.dead = true
}

func (w *wire) flush() error {
	if w.bw.Buffered() == 0 {
		return nil
	}
	if err := w.raw.SetWriteDeadline(time.Now().Add(w.times.Write)); err != nil {
		return err
	}
	if err := w.bw.Flush(); err != nil {
		w.dead = true
		return err
	}
	return nil
}

// startTLS answers STARTTLS and makes the handshake. What the client sent
// between the command and the handshake is dropped (CVE-2011-0411).
func (w *wire) startTLS(ctx context.Context) error {
	w.bw.WriteString("220 2.0.0 Ready to start TLS\r\n")
	if err := w.flush(); err != nil {
		return err
	}
	w.swallow = true
	return w.handshake(ctx)
}

// handshake puts TLS over the connection.
func (w *wire) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.times.Handshake)
	defer cancel()
	w.raw.SetDeadline(time.Now().Add(w.times.Handshake))
	c := tls.Server(w.raw, w.tlsConf)
	if err := c.HandshakeContext(ctx); err != nil {
		w.dead = true
		return err
	}
	state := c.ConnectionState()
	w.conn, w.tls = c, &state
	w.br.Reset(c)
	w.bw.Reset(c)
	w.pending = nil
	return nil
}

// Close implements net.Conn: it ends the conversation with go-smtp. The
// connection itself belongs to the server.
func (w *wire) Close() error {
	w.endOnce.Do(func() { close(w.ended) })
	return nil
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return w.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return w.raw.RemoteAddr() }

// SetDeadline implements net.Conn. The wire keeps the time itself.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn. The wire keeps the time itself.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn. The wire keeps the time itself.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// onMachine reports whether a peer is on this machine: by a loopback address, or
// by something that is no network address at all.
func onMachine(a net.Addr) bool {
	return !sessions.Peer(a).IsValid() || sessions.Loopback(a)
}
