package host

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// settings are those of a connection by SSH.
type settings struct {
	address     string // host:port
	name        string // for messages
	user        string
	privateKey  string // the text of a key
	keyFile     string // empty: those that ssh looks for
	agent       bool
	knownHosts  string // empty: those that ssh looks into
	hostKey     string
	sudo        bool
	timeout     time.Duration
	home        string // "" where there is none
	agentSocket string
}

// defaultTimeout is how long a machine may say nothing.
const defaultTimeout = 30 * time.Second

// readSettings reads a connection block, whose value has no marks.
func readSettings(v cty.Value, dir string) (*settings, error) {
	if !v.IsWhollyKnown() {
		return nil, errors.New("some of its arguments are known only after apply")
	}
	s := &settings{
		user: text(v, "user"), privateKey: text(v, "private_key"), hostKey: text(v, "host_key"),
		agent: !isFalse(v, "agent"), sudo: isTrue(v, "sudo"),
		timeout: defaultTimeout, agentSocket: os.Getenv("SSH_AUTH_SOCK"),
	}
	s.home, _ = os.UserHomeDir()
	s.keyFile, s.knownHosts = s.path(v, "private_key_file", dir), s.path(v, "known_hosts_file", dir)
	host, port := text(v, "host"), 22
	if host == "" {
		return nil, errors.New("host is missing: which machine is it? For the one that mailform runs on, leave the block out")
	}
	if p := attr(v, "port"); !p.IsNull() {
		n, _ := p.AsBigFloat().Int64()
		port = int(n)
	}
	s.address = net.JoinHostPort(host, strconv.Itoa(port))
	if s.name = host; port != 22 {
		s.name = s.address
	}
	if s.privateKey != "" && s.keyFile != "" {
		return nil, errors.New("private_key and private_key_file are both given; one of them is the key")
	}
	if s.hostKey != "" && s.knownHosts != "" {
		return nil, errors.New("host_key and known_hosts_file are both given; one of them says what the machine's key is")
	}
	if t := text(v, "timeout"); t != "" {
		d, err := schema.ParseDuration(t)
		if err != nil {
			return nil, fmt.Errorf("timeout: %w", err)
		}
		s.timeout = max(d, time.Second)
	}
	if s.user == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("user is missing, and who runs mailform is not to be found out: %w", err)
		}
		s.user = u.Username
	}
	if s.user == "root" {
		s.sudo = false // needless, and there may be none
	}
	return s, nil
}

// path is an argument that names a file; "~/" is the home directory.
func (s *settings) path(v cty.Value, name, dir string) string {
	p := text(v, name)
	if rest, ok := strings.CutPrefix(p, "~/"); ok && s.home != "" {
		return filepath.Join(s.home, rest)
	}
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

func attr(v cty.Value, name string) cty.Value {
	if !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v.GetAttr(name)
}

func text(v cty.Value, name string) string {
	if a := attr(v, name); !a.IsNull() && a.Type() == cty.String {
		return a.AsString()
	}
	return ""
}

func isTrue(v cty.Value, name string) bool {
	a := attr(v, name)
	return !a.IsNull() && a.Type() == cty.Bool && a.True()
}

func isFalse(v cty.Value, name string) bool {
	a := attr(v, name)
	return !a.IsNull() && a.Type() == cty.Bool && a.False()
}
