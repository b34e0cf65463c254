package smtp

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/embedded/verify"
)

// A header is the header of a message, as fields that keep their bytes.
type header struct {
	fields []field
	// added goes on top of the fields.
	added []byte
	// length of the header in bytes, without the empty line.
	length int
	// hops is the number of Received fields.
	hops int
	// authors are the domains in From, signed and sealed say whether there are
	// DKIM signatures and ARC sets. They outlive the bytes of the fields.
	authors        []string
	signed, sealed bool
}

// A field is one field with its folded lines and CRLF.
type field struct {
	name string // in lower case
	raw  []byte
}

// parseHeader splits b, which holds header lines only. A line that cannot be one
// of a header ends it: what follows is body.
func parseHeader(b []byte) *header {
	h := &header{fields: make([]field, 0, 16)}
	for h.length < len(b) {
		rest := b[h.length:]
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		if n := len(h.fields); n > 0 && (line[0] == ' ' || line[0] == '\t') {
			f := &h.fields[n-1]
			f.raw = b[h.length-len(f.raw) : h.length+len(line)]
			h.length += len(line)
			continue
		}
		name, ok := fieldName(line)
		if !ok {
			break
		}
		if name == "received" {
			h.hops++
		}
		h.fields = append(h.fields, field{name, line})
		h.length += len(line)
	}
	h.authors = authorDomains(h.all("from"))
	h.signed = h.has("dkim-signature")
	h.sealed = h.has("arc-seal", "arc-message-signature", "arc-authentication-results")
	return h
}

// fieldName is the name before the colon (RFC 5322 §2.2, with the white space
// before the colon of its obsolete syntax).
func fieldName(line []byte) (string, bool) {
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || len(name) == 0 {
		return "", false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return "", false
		}
	}
	return strings.ToLower(string(name)), true
}

// value is the text after the colon, unfolded.
func (f field) value() string {
	_, v, _ := strings.Cut(string(f.raw), ":")
	return strings.TrimSpace(strings.ReplaceAll(v, "\r\n", ""))
}

// all returns the fields of a name.
func (h *header) all(name string) []field {
	var fs []field
	for _, f := range h.fields {
		if f.name == name {
			fs = append(fs, f)
		}
	}
	return fs
}

// has says whether there is a field of one of some names.
func (h *header) has(names ...string) bool {
	return slices.ContainsFunc(h.fields, func(f field) bool { return slices.Contains(names, f.name) })
}

// messageID is that of the message, without brackets; empty where it has none.
func (h *header) messageID() string {
	const added = "Message-ID: "
	value := ""
	if fields := h.all("message-id"); len(fields) > 0 {
		value = fields[0].value()
	} else if _, after, ok := strings.Cut(string(h.added), added); ok {
		value, _, _ = strings.Cut(after, "\r\n")
	}
	return strings.Trim(strings.TrimSpace(value), "<>")
}

// remove takes away the fields of a name.
func (h *header) remove(name string) {
	h.removeIf(func(f field) bool { return f.name == name })
}

func (h *header) removeIf(drop func(field) bool) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !drop(f) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

// clean removes what only this server may say: the Return-Path (RFC 5321 §4.4)
// and results of checks in its name (RFC 8601 §5).
func (h *header) clean(hostname string) {
	h.removeIf(func(f field) bool {
		switch f.name {
		case "return-path":
			return true
		case "authentication-results":
			return verify.ClaimedBy(f.value(), hostname)
		}
		return false
	})
}

// add puts a field on top.
func (h *header) add(name, value string) {
	h.added = append(h.added, name+": "+value+"\r\n"...)
}

// write writes the header without the empty line.
func (h *header) write(w io.Writer) error {
	if len(h.added) > 0 {
		if _, err := w.Write(h.added); err != nil {
			return err
		}
	}
	for i := 0; i < len(h.fields); {
		// Fields that lie side by side go out in one write.
		run := h.fields[i].raw
		for i++; i < len(h.fields) && adjacent(run, h.fields[i].raw); i++ {
			run = run[:len(run)+len(h.fields[i].raw)]
		}
		if _, err := w.Write(run); err != nil {
			return err
		}
	}
	if n := len(h.fields); n > 0 && !bytes.HasSuffix(h.fields[n-1].raw, crlf) {
		// A chunked message can end inside its header.
		_, err := w.Write(crlf)
		return err
	}
	return nil
}

// adjacent says whether b follows a in the same array.
func adjacent(a, b []byte) bool {
	return len(b) > 0 && cap(a) > len(a) && &a[:len(a)+1][len(a)] == &b[0]
}
