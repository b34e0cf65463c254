package host

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// A hostCheck judges the key by which a machine shows that it is the one that is
// meant.
type hostCheck struct {
	callback ssh.HostKeyCallback
	// algorithms are those of the keys that are known, so that the machine shows
	// one of them; nil: any.
	algorithms []string
}

// checkHost makes the check that the settings ask for. There is none that
// believes everything.
func (s *settings) checkHost() (*hostCheck, error) {
	if s.hostKey != "" {
		return s.checkGiven()
	}
	files := []string{s.knownHosts}
	if s.knownHosts == "" {
		files = nil
		for _, f := range []string{filepath.Join(s.home, ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"} {
			if _, err := os.Stat(f); err == nil {
				files = append(files, f)
			}
		}
	}
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("read the keys of machines: %w", err)
	}
	where := strings.Join(files, " and ")
	if where == "" {
		where = "~/.ssh/known_hosts"
	}
	c := &hostCheck{algorithms: s.knownAlgorithms(known)}
	c.callback = func(address string, remote net.Addr, key ssh.PublicKey) error {
		err := known(address, remote, key)
		var wrong *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &revoked):
			return fmt.Errorf("%w: %s:%d says that its key %s is no longer to be trusted", ErrHostKey, revoked.Revoked.Filename, revoked.Revoked.Line, fingerprint(key))
		case errors.As(err, &wrong) && len(wrong.Want) > 0:
			w := wrong.Want[0]
			for _, k := range wrong.Want {
				if k.Key.Type() == key.Type() {
					w = k
				}
			}
			return fmt.Errorf("%w: its key is %s, and by %s:%d it is %s. Either the machine was set up anew, or somebody stands between it and us. "+
				"Find out which; then take that line out and put the new key there", ErrHostKey, fingerprint(key), w.Filename, w.Line, fingerprint(w.Key))
		case errors.As(err, &wrong):
			return fmt.Errorf("%w: its key %s is not in %s. Compare it with what the machine says (ssh-keygen -l -f /etc/ssh/ssh_host_%s_key.pub there), "+
				"then add the line that \"ssh-keyscan\" prints, or put the key into host_key", ErrHostKey, fingerprint(key), where, keyName(key))
		}
		return fmt.Errorf("%w: %w", ErrHostKey, err)
	}
	return c, nil
}

// checkGiven takes one key alone.
func (s *settings) checkGiven() (*hostCheck, error) {
	want, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(s.hostKey))
	if err != nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("host_key is not a public key: it is one line, as in /etc/ssh/ssh_host_ed25519_key.pub of the machine")
	}
	return &hostCheck{
		algorithms: algorithmsOf(want.Type()),
		callback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if slices.Equal(key.Marshal(), want.Marshal()) {
				return nil
			}
			return fmt.Errorf("%w: its key is %s, and by host_key it is %s", ErrHostKey, fingerprint(key), fingerprint(want))
		},
	}, nil
}

// knownAlgorithms asks what keys are known for the machine.
func (s *settings) knownAlgorithms(known ssh.HostKeyCallback) []string {
	var wrong *knownhosts.KeyError
	if err := known(s.address, &net.TCPAddr{}, noKey{}); !errors.As(err, &wrong) {
		return nil
	}
	var list []string
	for _, k := range wrong.Want {
		if isAuthority(k) {
			return nil // it may show a certificate of any sort
		}
		list = append(list, algorithmsOf(k.Key.Type())...)
	}
	return list
}

// isAuthority reports whether a line of known_hosts is that of a certificate
// authority.
func isAuthority(k knownhosts.KnownKey) bool {
	f, err := os.Open(k.Filename)
	if err != nil {
		return false
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		if n == k.Line {
			return strings.HasPrefix(strings.TrimSpace(sc.Text()), "@cert-authority")
		}
	}
	return false
}

func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// noKey is a key that no file has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("it is no key") }

func fingerprint(key ssh.PublicKey) string {
	return strings.ToUpper(keyName(key)) + " " + ssh.FingerprintSHA256(key)
}

// keyName is the word for the sort of a key in the names of files.
func keyName(key ssh.PublicKey) string {
	switch t := key.Type(); {
	case strings.Contains(t, "ed25519"):
		return "ed25519"
	case strings.Contains(t, "ecdsa"):
		return "ecdsa"
	default:
		return "rsa"
	}
}
