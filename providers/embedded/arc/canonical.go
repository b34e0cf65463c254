package arc

import (
	"bufio"
	"bytes"
	"errors"
	"hash"
	"io"
	"strings"
)

// A field is a header field as it stands in the message, with its CRLF.
type field struct {
	name string // in lower case
	raw  string
}

func (f field) value() string {
	_, v, _ := strings.Cut(f.raw, ":")
	return v
}

// maxHeader is how much of a message may be header, in bytes.
const maxHeader = 4 << 20

var errHeader = errors.New("the header is not one")

// readHeader reads the fields of a message, up to the empty line.
func readHeader(br *bufio.Reader) ([]field, error) {
	var fs []field
	size := 0
	for {
		line, err := br.ReadString('\n')
		if size += len(line); size > maxHeader {
			return nil, errHeader
		}
		switch {
		case strings.TrimRight(line, "\r\n") == "" && err == nil:
			return fs, nil
		case line == "" && err == io.EOF:
			return fs, nil
		case err != nil && err != io.EOF:
			return nil, err
		case line[0] == ' ' || line[0] == '\t':
			if len(fs) == 0 {
				return nil, errHeader
			}
			fs[len(fs)-1].raw += line
		default:
			name, _, ok := strings.Cut(line, ":")
			if !ok {
				return nil, errHeader
			}
			fs = append(fs, field{strings.ToLower(strings.TrimRight(name, " \t")), line})
		}
		if err == io.EOF {
			return fs, nil
		}
	}
}

// relaxed is the canonical form of a field by RFC 6376 §3.4.2, with its CRLF.
func relaxed(raw string) string {
	name, value, _ := strings.Cut(raw, ":")
	return strings.ToLower(strings.TrimSpace(name)) + ":" + strings.Join(strings.FieldsFunc(value, isSpace), " ") + "\r\n"
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// canonicalField is a field in one of the two forms.
func canonicalField(raw string, simple bool) string {
	if !simple {
		return relaxed(raw)
	}
	return strings.TrimRight(raw, "\r\n") + "\r\n"
}

// hashBody feeds a body in canonical form (RFC 6376 §3.4.3 and §3.4.4). Lines end
// in CRLF.
func hashBody(h hash.Hash, body *bufio.Reader, simple bool) error {
	empty, any := 0, false
	var line []byte
	for {
		part, err := body.ReadSlice('\n')
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && err != io.EOF {
			return err
		}
		if len(line) > 0 {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if !simple {
				line = squeeze(line)
			}
			if len(line) == 0 {
				empty++
			} else {
				for ; empty > 0; empty-- {
					h.Write([]byte("\r\n"))
				}
				h.Write(line)
				h.Write([]byte("\r\n"))
				any = true
			}
			line = line[:0]
		}
		if err == io.EOF {
			break
		}
	}
	if simple && !any {
		h.Write([]byte("\r\n"))
	}
	return nil
}

// squeeze makes one blank of each run of them, and none at the end, in place.
func squeeze(line []byte) []byte {
	out := line[:0]
	for _, c := range line {
		if c == '\t' {
			c = ' '
		}
		if c == ' ' && len(out) > 0 && out[len(out)-1] == ' ' {
			continue
		}
		out = append(out, c)
	}
	return bytes.TrimRight(out, " ")
}

// tags reads a list of tags (RFC 6376 §3.2). White space in values is dropped:
// none of the tags that matter here keeps any.
func tags(s string) (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimFunc(name, isSpace)
		if !ok {
			if name == "" {
				continue
			}
			return nil, errors.New("a tag has no value")
		}
		if _, twice := out[name]; twice || name == "" {
			return nil, errors.New("a tag is there twice, or has no name")
		}
		out[name] = strings.Map(func(r rune) rune {
			if isSpace(r) {
				return -1
			}
			return r
		}, value)
	}
	return out, nil
}

// withoutSignature empties the tag b of a field and leaves the rest as it is.
func withoutSignature(raw string) string {
	head, value, _ := strings.Cut(raw, ":")
	parts := strings.Split(value, ";")
	for i, part := range parts {
		name, rest, ok := strings.Cut(part, "=")
		if ok && strings.TrimFunc(name, isSpace) == "b" {
			// What ends the field is not part of the value.
			end := ""
			if i == len(parts)-1 && strings.HasSuffix(rest, "\r\n") {
				end = "\r\n"
			}
			parts[i] = name + "=" + end
		}
	}
	return head + ":" + strings.Join(parts, ";")
}
