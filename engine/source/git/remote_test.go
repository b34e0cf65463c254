package git

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mailform/mailform/engine/source"
	"golang.org/x/crypto/ssh"
)

// Repositories of others come by https and ssh: git's own server behind TLS, and
// a server that OpenSSH's client logs in to with a key.
func TestFetchFromAServer(t *testing.T) {
	url, commits := repositoryOf(t)
	bare := strings.TrimPrefix(url, "file://")
	for name, serve := range map[string]func(t *testing.T, bare string) string{"https": serveHTTPS, "ssh": serveSSH} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, bare)
			dir := filepath.Join(t.TempDir(), "mail")
			got, err := Fetch(t.Context(), source.Repository{URL: url, Ref: "v1"}, source.Locked{}, dir)
			if err != nil || got.Commit != commits[0] {
				t.Fatalf("%v, %v", got, err)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "main.mf.hcl")); err != nil || string(text) != "# one\n" {
				t.Errorf("fetched %q, %v", text, err)
			}
			// The lock is held to, whatever the branch says by now.
			if again, err := Fetch(t.Context(), source.Repository{URL: url}, got, dir); err != nil || again != got {
				t.Errorf("%v, %v", again, err)
			}
			if _, err := Fetch(t.Context(), source.Repository{URL: strings.Replace(url, "mail.git", "nothing.git", 1)}, source.Locked{}, dir); err == nil {
				t.Error("a repository that is not there was fetched")
			}
		})
	}
}

// serveHTTPS serves the directory of a repository by git's http-backend, with a
// certificate that git is told to trust.
func serveHTTPS(t *testing.T, bare string) string {
	backend := filepath.Join(program(t, "", "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skipf("git has no http-backend here: %v", err)
	}
	srv := httptest.NewTLSServer(&cgi.Handler{
		Path: backend, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	// Not trusted yet.
	url := srv.URL + "/" + filepath.Base(bare)
	if _, err := Fetch(t.Context(), source.Repository{URL: url}, source.Locked{}, filepath.Join(t.TempDir(), "mail")); err == nil {
		t.Error("a certificate of nobody was taken")
	}
	t.Setenv("GIT_SSL_CAINFO", ca)
	return url
}

// serveSSH takes OpenSSH's client with one key in, and runs git for it.
func serveSSH(t *testing.T, bare string) string {
	if _, err := exec.LookPath("ssh"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is not installed")
		}
		t.Skip("ssh is not installed")
	}
	host, _ := newKey(t)
	user, private := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "git" || string(key.Marshal()) != string(user.PublicKey().Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveConn(t.Context(), conn, config) })
		}
	})
	dir := t.TempDir()
	addr := l.Addr().(*net.TCPAddr)
	known := filepath.Join(dir, "known_hosts")
	line := "[127.0.0.1]:" + port(addr) + " " + string(ssh.MarshalAuthorizedKey(host.PublicKey()))
	identity := filepath.Join(dir, "id")
	for path, text := range map[string]string{known: line, identity: private} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GIT_SSH_COMMAND", "ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="+known+" -i "+identity)
	return "ssh://git@127.0.0.1:" + port(addr) + bare
}

func port(a *net.TCPAddr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

// serveConn runs git-upload-pack for each session of a connection, and nothing
// else.
func serveConn(ctx context.Context, conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		ch, reqs, err := c.Accept()
		if err != nil {
			return
		}
		for r := range reqs {
			var exec struct{ Command string }
			name, path := "", ""
			if r.Type == "exec" && ssh.Unmarshal(r.Payload, &exec) == nil {
				name, path, _ = strings.Cut(exec.Command, " ")
			}
			ok := name == "git-upload-pack"
			if r.WantReply {
				r.Reply(ok, nil)
			}
			if ok {
				ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{upload(ctx, ch, strings.Trim(path, "'"))}))
				ch.Close()
			}
		}
	}
}

func upload(ctx context.Context, ch ssh.Channel, path string) uint32 {
	cmd := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "upload-pack", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	if cmd.Start() != nil {
		return 1
	}
	go func() { io.Copy(in, ch); in.Close() }()
	if cmd.Wait() != nil {
		return 1
	}
	return 0
}
