package authd

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxField bounds what is read of a request, in bytes: saslauthd's own clients
// send no more than 256, or 1024 of a password.
const maxField = 1024

// A request is what a client asks: four strings, each after its length in two
// bytes (saslauthd(8) of Cyrus SASL).
type request struct{ login, password, service, realm string }

func readRequest(r io.Reader) (request, error) {
	var q request
	for _, to := range []*string{&q.login, &q.password, &q.service, &q.realm} {
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return q, err
		}
		n := binary.BigEndian.Uint16(length[:])
		if n > maxField {
			return q, fmt.Errorf("a string of %d bytes", n)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return q, err
		}
		*to = string(text)
	}
	return q, nil
}

// writeRequest is readRequest the other way.
func writeRequest(w io.Writer, q request) error {
	var b []byte
	for _, s := range []string{q.login, q.password, q.service, q.realm} {
		if len(s) > maxField {
			return fmt.Errorf("a string of %d bytes", len(s))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	_, err := w.Write(b)
	return err
}

// Answers. What follows the first two letters is for people.
const (
	answerYes = "OK"
	answerNo  = "NO authentication failed"
)

func writeAnswer(w io.Writer, text string) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
	return err
}

func readAnswer(r io.Reader) (string, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, text)
	return string(text), err
}
