package nametest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// BIND starts a BIND 9.
func BIND(t testing.TB, o Options) *Server {
	t.Helper()
	named, rndc := Need(t, "named"), Need(t, "rndc")
	port, control := porttest.Port(t), porttest.Port(t)
	s := &Server{Dir: t.TempDir(), Addr: fmt.Sprintf("127.0.0.1:%d", port), Control: fmt.Sprintf("127.0.0.1:%d", control), Program: rndc}
	key := func(name, secret string) string {
		return fmt.Sprintf("key %q { algorithm hmac-sha256; secret %q; };\n", strings.TrimSuffix(name, "."), secret)
	}
	put(t, s.RNDCKey(), key("rndc-key", WriteSecret))
	var b strings.Builder
	b.WriteString(key("rndc-key", WriteSecret) + key(WriteKey, WriteSecret) + key(ReadKey, ReadSecret))
	secure := ""
	if o.TLS {
		tlsPort := porttest.Port(t)
		s.TLSAddr = fmt.Sprintf("127.0.0.1:%d", tlsPort)
		s.certificate(t)
		fmt.Fprintf(&b, "tls own { cert-file %q; key-file %q; };\n", s.CAFile, filepath.Join(s.Dir, "key.pem"))
		secure = fmt.Sprintf("listen-on port %d tls own { 127.0.0.1; };", tlsPort)
	}
	transfer := o.Transfer
	if transfer == "" {
		transfer = "key mailform; key mailform-read;"
	}
	fmt.Fprintf(&b, `controls { inet 127.0.0.1 port %d allow { 127.0.0.1; } keys { "rndc-key"; }; };
options {
  directory %q; pid-file none; session-keyfile none; lock-file none;
  listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; %s
  recursion no; notify no; dnssec-validation no; minimal-responses yes; empty-zones-enable no;
  allow-new-zones yes; allow-transfer { %s }; allow-query { any; };
  %s
};
`, control, s.Dir, port, secure, transfer, o.Options)
	update := o.Update
	if update == "" {
		update = "grant mailform zonesub ANY;"
	}
	for name, text := range o.Zones {
		put(t, filepath.Join(s.Dir, name+".zone"), text)
		fmt.Fprintf(&b, "zone %q { type primary; file %q; update-policy { %s }; %s };\n", name, name+".zone", update, o.ZoneOptions)
	}
	conf := filepath.Join(s.Dir, "named.conf")
	put(t, conf, b.String())
	s.command = func() *exec.Cmd { return exec.Command(named, "-g", "-n", "2", "-c", conf) }
	s.ready = func() bool {
		_, err := s.Try("status")
		return err == nil && answers(s.Addr)
	}
	return s.begin(t)
}

// RNDCKey is the file with the key of BIND's control channel.
func (s *Server) RNDCKey() string { return filepath.Join(s.Dir, "rndc.key") }

// Try runs the program that controls the server.
func (s *Server) Try(args ...string) (string, error) {
	var all []string
	if host, port, ok := strings.Cut(s.Control, ":"); ok {
		all = []string{"-k", s.RNDCKey(), "-s", host, "-p", port}
	} else {
		all = []string{"-s", s.Control, "-b"}
	}
	out, err := exec.Command(s.Program, append(all, args...)...).CombinedOutput()
	return string(out), err
}
