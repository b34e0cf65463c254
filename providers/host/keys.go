package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// ownKeys are the files in ~/.ssh that ssh looks for.
var ownKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// credentials are the keys by which we say who we are.
type credentials struct {
	signers []ssh.Signer
	tried   []string // what they are, for messages
	agent   net.Conn // nil without one
}

func (c *credentials) close() {
	if c.agent != nil {
		_ = c.agent.Close()
	}
}

func (c *credentials) add(from string, s ssh.Signer) {
	for _, have := range c.signers {
		if slices.Equal(have.PublicKey().Marshal(), s.PublicKey().Marshal()) {
			return
		}
	}
	c.signers = append(c.signers, s)
	c.tried = append(c.tried, from+" ("+fingerprint(s.PublicKey())+")")
}

// credentials finds the keys. One that is named comes alone, or with what the
// agent holds of it.
func (s *settings) credentials() (*credentials, error) {
	c := &credentials{}
	held, err := s.held(c)
	if err != nil {
		return nil, err
	}
	switch {
	case s.privateKey != "":
		err = c.parse("private_key", []byte(s.privateKey), held)
	case s.keyFile != "":
		text, rerr := os.ReadFile(s.keyFile)
		if err = rerr; err == nil {
			err = c.parse(s.keyFile, text, held)
		}
	default:
		for _, h := range held {
			c.add("the agent", h)
		}
		err = s.own(c, held)
	}
	if err == nil && len(c.signers) == 0 {
		err = errors.New("there is no key to log in with: private_key_file, an agent (SSH_AUTH_SOCK), or a key in ~/.ssh")
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// own adds the keys of ~/.ssh. Those with a passphrase are left to the agent.
func (s *settings) own(c *credentials, held []ssh.Signer) error {
	if s.home == "" {
		return nil
	}
	for _, name := range ownKeys {
		path := filepath.Join(s.home, ".ssh", name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = c.parse(path, text, held)
		}
		var locked *ssh.PassphraseMissingError
		if err != nil && !errors.As(err, &locked) {
			return err
		}
	}
	return nil
}

// held are the keys of the agent.
func (s *settings) held(c *credentials) ([]ssh.Signer, error) {
	if !s.agent || s.agentSocket == "" {
		return nil, nil
	}
	conn, err := net.Dial("unix", s.agentSocket)
	if err != nil {
		return nil, nil // one that has ended; what is missing then is said
	}
	c.agent = conn
	held, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, fmt.Errorf("ask the agent for its keys: %w", err)
	}
	return held, nil
}

// parse adds a key. The error of one with a passphrase that the agent does not
// hold is a *ssh.PassphraseMissingError.
func (c *credentials) parse(from string, text []byte, held []ssh.Signer) error {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		public := locked.PublicKey
		if public == nil { // an old form of keys, which has it beside it
			if line, err := os.ReadFile(from + ".pub"); err == nil {
				public, _, _, _, _ = ssh.ParseAuthorizedKey(line)
			}
		}
		for _, h := range held {
			if public != nil && slices.Equal(h.PublicKey().Marshal(), public.Marshal()) {
				c.add("the agent", h)
				return nil
			}
		}
		return fmt.Errorf("the key %s has a passphrase, which mailform does not ask for. Have an agent hold it (ssh-add %[1]s), or use a key without one: %w", from, err)
	}
	if err != nil {
		return fmt.Errorf("%s is no private key that can be read: %s", from, strings.TrimPrefix(err.Error(), "ssh: "))
	}
	c.add(from, signer)
	return nil
}
