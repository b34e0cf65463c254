package queue

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// A scram is one log-in by SCRAM-SHA-256 (RFC 5802, RFC 7677), without a channel
// binding. It implements sasl.Client.
type scram struct {
	username, password string
	nonce              string
	first              string // client-first-message-bare
	signature          []byte // that the server must show
	done               bool
}

func newSCRAM(l *Login) sasl.Client {
	return &scram{username: l.Username, password: l.Password, nonce: rand.Text()}
}

const gs2 = "n,," // no channel binding, no other identity

// Start implements sasl.Client.
func (s *scram) Start() (string, []byte, error) {
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.username)
	s.first = "n=" + name + ",r=" + s.nonce
	return "SCRAM-SHA-256", []byte(gs2 + s.first), nil
}

// maxIterations bounds the work that a server can ask for.
const maxIterations = 1_000_000

// Next implements sasl.Client.
func (s *scram) Next(challenge []byte) ([]byte, error) {
	switch {
	case s.signature == nil:
		return s.prove(string(challenge))
	case s.done:
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	s.done = true
	v, ok := strings.CutPrefix(string(challenge), "v=")
	got, err := base64.StdEncoding.DecodeString(v)
	if !ok || err != nil || !hmac.Equal(got, s.signature) {
		return nil, errors.New("the server does not know the password")
	}
	return []byte{}, nil
}

// prove answers the server's first message.
func (s *scram) prove(challenge string) ([]byte, error) {
	var nonce string
	var salt []byte
	iterations := 0
	for f := range strings.SplitSeq(challenge, ",") {
		key, value, _ := strings.Cut(f, "=")
		var err error
		switch key {
		case "r":
			nonce = value
		case "s":
			salt, err = base64.StdEncoding.DecodeString(value)
		case "i":
			iterations, err = strconv.Atoi(value)
		case "m":
			err = errors.New("an extension that is not known is mandatory")
		}
		if err != nil {
			return nil, fmt.Errorf("SCRAM challenge: %w", err)
		}
	}
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) || len(salt) == 0 || iterations < 1 || iterations > maxIterations {
		return nil, errors.New("SCRAM challenge: it does not fit the question")
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	last := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2)) + ",r=" + nonce
	auth := s.first + "," + challenge + "," + last
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	proof := mac(stored[:], auth)
	for i := range proof {
		proof[i] ^= key[i]
	}
	s.signature = mac(mac(salted, "Server Key"), auth)
	return []byte(last + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// authenticate runs a log-in (RFC 4954 §4).
func (c *client) authenticate(m sasl.Client) error {
	name, response, err := m.Start()
	if err != nil {
		return &loginError{err}
	}
	line := "AUTH " + name
	if response != nil {
		line += " " + encode(response)
	}
	for {
		code, text, err := c.dialogue(line)
		if err != nil || code == 235 {
			if s, ok := m.(*scram); ok && err == nil && !s.done {
				// The server's proof may come with its consent, as text.
				return &loginError{errors.New(c.host + " does not prove that it knows the password")}
			}
			return err
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			response, err = m.Next(challenge)
		}
		if err != nil {
			c.dialogue("*")
			return &loginError{err}
		}
		line = encode(response)
	}
}

// dialogue sends a line of a log-in and takes 334 or 235 for an answer.
func (c *client) dialogue(line string) (code int, text string, err error) {
	verb := "AUTH"
	if err := c.text.PrintfLine("%s", line); err != nil {
		return 0, "", c.broken(fmt.Errorf("send %s to %s: %w", verb, c.host, err))
	}
	if text, err = c.read(verb, 334, c.times.Command); err == nil {
		return 334, text, nil
	}
	var re *replyError
	if errors.As(err, &re) && re.code == 235 {
		return 235, re.text, nil
	}
	return 0, "", err
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
