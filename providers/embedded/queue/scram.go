package queue

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	xscram "github.com/xdg-go/scram"
)

// A scram is one log-in by SCRAM-SHA-256 (RFC 5802, RFC 7677), without a channel
// binding. It implements sasl.Client.
type scram struct {
	talk  *xscram.ClientConversation
	nonce string
	step  int
}

func newSCRAM(l *Login) sasl.Client { return scramWith(l.Username, l.Password, rand.Text()) }

func scramWith(username, password, nonce string) *scram {
	client, err := xscram.SHA256.NewClient(username, password, "")
	if err != nil { // no SASLprep (RFC 4013) for what it forbids: as it stands
		client, _ = xscram.SHA256.NewClientUnprepped(username, password, "") // it has no error
	}
	return &scram{talk: client.WithNonceGenerator(func() string { return nonce }).NewConversation(), nonce: nonce}
}

// Start implements sasl.Client.
func (s *scram) Start() (string, []byte, error) {
	first, err := s.talk.Step("")
	return "SCRAM-SHA-256", []byte(first), err
}

// maxIterations bounds the work that a server can ask for.
const maxIterations = 1_000_000

// Next implements sasl.Client.
func (s *scram) Next(challenge []byte) ([]byte, error) {
	s.step++
	switch s.step {
	case 1:
		if err := s.bounded(string(challenge)); err != nil {
			return nil, err
		}
		last, err := s.talk.Step(string(challenge))
		if err != nil {
			return nil, fmt.Errorf("SCRAM challenge: %w", err)
		}
		return []byte(last), nil
	case 2:
		if _, err := s.talk.Step(string(challenge)); err != nil {
			return nil, errors.New("the server does not know the password")
		}
		return []byte{}, nil
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// proved reports whether the server has shown that it knows the password.
func (s *scram) proved() bool { return s.talk.Valid() }

// bounded looks at what the library leaves open: how much work a server asks for, and
// that it has added something of its own.
func (s *scram) bounded(challenge string) error {
	for f := range strings.SplitSeq(challenge, ",") {
		key, value, _ := strings.Cut(f, "=")
		iterations, err := strconv.Atoi(value)
		switch {
		case key == "i" && (err != nil || iterations < 1 || iterations > maxIterations):
			return errors.New("SCRAM challenge: it asks for more work than anybody does")
		case key == "r" && value == s.nonce, key == "s" && value == "":
			return errors.New("SCRAM challenge: it does not fit the question")
		}
	}
	return nil
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
			if s, ok := m.(*scram); ok && err == nil && !s.proved() {
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
