package smtp

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// inspect looks at a command line before go-smtp gets it. It returns the line to
// hand over.
func (w *wire) inspect(line []byte) ([]byte, error) {
	text := bytes.TrimRight(line, "\r\n")
	verb, arg, _ := bytes.Cut(text, []byte(" "))
	w.verb = ""
	if len(verb) <= len("STARTTLS") {
		w.verb = strings.ToUpper(string(verb))
	}
	// go-smtp takes anything that begins with STARTTLS, and it must not put a
	// TLS of its own between itself and the wire.
	if len(text) >= len("STARTTLS") && strings.EqualFold(string(text[:len("STARTTLS")]), "STARTTLS") {
		return w.starttls(len(text) == len("STARTTLS"))
	}
	switch w.verb {
	case "EHLO", "HELO":
		w.esmtp = w.verb == "EHLO"
	case "MAIL":
		w.taken, w.maxSize = 0, w.srv.o.Settings().maxSize()
	case "RCPT":
		return w.postmaster(line), nil
	case "BDAT":
		return line, w.startChunk(string(arg))
	}
	return line, nil
}

// starttls ends the engine before TLS, so that a new one begins after it; or it
// lets the engine answer something harmless and puts the refusal in its place.
func (w *wire) starttls(exact bool) ([]byte, error) {
	switch {
	case !exact:
		w.instead = "501 5.5.4 STARTTLS takes no argument\r\n"
	case w.tls != nil:
		w.instead = "503 5.5.1 TLS is active already\r\n"
	case w.tlsConf == nil:
		w.instead = "502 5.5.1 TLS is not available\r\n"
	default:
		w.upgrade = true
		return nil, io.EOF
	}
	return []byte("NOOP\r\n"), nil
}

// startChunk reads the argument of BDAT (RFC 3030 §2) just as go-smtp does: the
// bytes after the line belong to the chunk whatever the answer will be. Where
// the size cannot be told, nothing after it makes sense.
func (w *wire) startChunk(arg string) error {
	args := strings.Fields(arg)
	ok := len(args) == 1 || len(args) == 2 && strings.EqualFold(args[1], "LAST")
	var size uint64
	if ok {
		var err error
		size, err = strconv.ParseUint(args[0], 10, 32)
		ok = err == nil
	}
	if !ok {
		w.end(replyChunk)
		return io.EOF
	}
	if w.maxSize == 0 {
		w.maxSize = w.srv.o.Settings().maxSize()
	}
	if int64(size) > w.maxSize+maxDrain {
		w.end(replyTooBig)
		return io.EOF
	}
	w.chunked = true
	if size > 0 {
		w.phase, w.left = chunk, int64(size)
	}
	return nil
}

// postmaster gives a bare <postmaster> (RFC 5321 §4.5.1) a domain, which
// go-smtp's parser asks for.
func (w *wire) postmaster(line []byte) []byte {
	const bare = "<postmaster>"
	i := bytes.IndexByte(line, '<')
	if i < 0 || len(line) < i+len(bare) || !strings.EqualFold(string(line[i:i+len(bare)]), bare) {
		return line
	}
	domain := w.srv.postmasterDomain()
	if domain == "" {
		return line
	}
	head, tail := string(line[:i]), string(line[i+len(bare):])
	return []byte(head + "<postmaster@" + domain + ">" + tail)
}

// Write implements net.Conn. go-smtp writes one line of a reply at a time.
func (w *wire) Write(p []byte) (int, error) {
	if w.dead {
		return 0, io.ErrClosedPipe
	}
	line, more := w.reply(p)
	if !more && w.swallow {
		w.swallow = false
		return len(p), nil
	}
	if !more && w.instead != "" {
		line, w.instead = w.instead, ""
	}
	if !more && len(line) > 0 {
		switch {
		case w.verb == "DATA" && strings.HasPrefix(line, "354"):
			w.phase, w.ends = data, lineEnds{}
		case strings.HasPrefix(line, "334"):
			w.phase = response
		case line[0] == '4' || line[0] == '5':
			if w.errors++; w.errors >= w.limits.Errors && !w.leaving {
				w.srv.o.Limited("errors")
				w.hangUp(replyErrors)
			}
		}
	}
	if _, err := w.bw.WriteString(line); err != nil {
		w.dead = true
		return 0, err
	}
	return len(p), nil
}

// reply corrects a line of a reply of go-smtp: its codes for commands out of
// sequence and unknown parameters are not those of RFC 5321 §4.2.4 and RFC 4954
// §4, and it greets without the server's name. It says whether further lines of
// the reply follow.
func (w *wire) reply(p []byte) (line string, more bool) {
	line = string(p)
	if w.verb == "EHLO" || w.verb == "HELO" {
		line = w.greeting(line)
	}
	if len(line) < 4 || line[3] == '-' {
		return line, true
	}
	for _, c := range corrections {
		rest, ok := strings.CutPrefix(line, c.from)
		if ok && (c.verbs == "" || strings.Contains(c.verbs, " "+w.verb+" ")) {
			return c.to + rest, false
		}
	}
	return line, false
}

// greeting puts the server's name first in the answer to EHLO or HELO (RFC 5321
// §4.1.1.1), which has no enhanced code (RFC 2034 §4), and adds what go-smtp does
// not announce.
func (w *wire) greeting(line string) string {
	for _, from := range []string{"250-Hello ", "250 2.0.0 Hello "} {
		if client, ok := strings.CutPrefix(line, from); ok {
			line = from[:len("250-")] + w.hostname + " Hello " + client
			if w.tls != nil && from[len("250")] == '-' {
				line += "250-REQUIRETLS\r\n" // RFC 8689 §3; go-smtp cannot see the TLS
			}
			return line
		}
	}
	return line
}

var corrections = []struct{ verbs, from, to string }{
	{" MAIL RCPT DATA BDAT AUTH ", "502 5.5.1 ", "503 5.5.1 "},
	{" MAIL RCPT ", "500 5.5.4 Unknown", "555 5.5.4 Unknown"},
	{" MAIL RCPT ", "504 5.5.4 ", "555 5.5.4 "},
	{" AUTH ", "454 4.7.0 Invalid base64", "501 5.5.2 Invalid base64"},
	{" AUTH ", "454 4.7.0 sasl: ", "501 5.5.2 "},
	{" AUTH ", "502 5.5.4 ", "501 5.5.4 "},
	{"", "500 5.5.1 Too many errors", "421 4.7.0 Too many errors"},
}
