package daemon

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// An issuer is an authorization server that is asked about tokens. Alice has one of
// the size that tokens have, and "secret" is the password of mailform.
type issuer struct {
	*httptest.Server
	down atomic.Bool
}

var alicesToken = "alices." + strings.Repeat("long-token_", 300) // 3.3 KB

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	s := &issuer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		if s.down.Load() || secret != "secret" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		said := map[string]any{"active": false}
		if r.PostFormValue("token") == alicesToken {
			said = map[string]any{"active": true, "email": "alice@example.com"}
		}
		_ = json.NewEncoder(w).Encode(said)
	}))
	t.Cleanup(s.Close)
	return s
}

// trust has the server take the tokens of an issuer.
func (f front) trust(action string, s *issuer) {
	f.t.Helper()
	f.must(change(action, "oauth", "main", fmt.Sprintf(`{"owner":"main","issuer":%q,"audience":[],"scopes":[],"username_claim":"email",
		"introspection_url":%q,"client_id":"mailform","client_secret":"secret","jwks_url":"","ca_file":""}`, s.URL, s.URL+"/introspect")))
}

// bear logs in by a token and returns the last line, and what was said before it.
func (c *caller) bear(mechanism, said string) (last, challenge string) {
	c.t.Helper()
	c.send(fmt.Sprintf(c.login, mechanism, base64.StdEncoding.EncodeToString([]byte(said))))
	l := c.line()
	if rest, ok := strings.CutPrefix(l, c.ask[0]); ok && !strings.HasPrefix(l, c.in) && !strings.HasPrefix(l, c.out) {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, c.ask[1]))
		if err != nil {
			c.t.Fatalf("%q: %v", l, err)
		}
		c.send(c.say[0] + "AQ==" + c.say[1])
		return c.line(), string(raw)
	}
	return l, ""
}

func TestTokensAtEveryService(t *testing.T) {
	t.Parallel()
	f := newFront(t, map[string][]string{"alice@example.com": nil, "pia@example.com": nil})
	s := newIssuer(t)
	secure := func(service string) *caller {
		c := f.call(t, service)
		c.startTLS(&tls.Config{})
		return c
	}
	if c := secure("imap"); strings.Contains(c.said, "OAUTH") {
		t.Errorf("tokens are taken, and of nobody:\n%s", c.said)
	}
	f.trust("create", s)
	later := map[string]string{"submission": "454 4.7.0 ", "imap": "a NO [UNAVAILABLE] ", "pop3": "-ERR [SYS/TEMP] ", "managesieve": "NO "}
	for service, d := range dialects {
		t.Run(service, func(t *testing.T) {
			// The others take passwords and tokens on loopback.
			if c := f.call(t, service); service == "submission" && strings.Contains(c.said, "XOAUTH2") {
				t.Errorf("tokens are taken without TLS:\n%s", c.said)
			}
			for mechanism, said := range map[string]string{
				auth.OAuthBearer: "n,a=%s,\x01host=mail.example.com\x01auth=Bearer %s\x01\x01",
				auth.XOAuth2:     "user=%s\x01auth=Bearer %s\x01\x01",
			} {
				c := secure(service)
				if !strings.Contains(c.said, mechanism) {
					t.Errorf("%s is not offered:\n%s", mechanism, c.said)
				}
				status := map[string]string{auth.OAuthBearer: `{"status":"invalid_token","openid-configuration":"` + s.URL + `/.well-known/openid-configuration"}`, auth.XOAuth2: `{"status":"401","schemes":"bearer"}`}[mechanism]
				for name, token := range map[string]string{"alice@example.com": "guess", "pia@example.com": alicesToken, "nobody@example.com": "guess"} {
					if got, challenge := c.bear(mechanism, fmt.Sprintf(said, name, token)); !strings.HasPrefix(got, d.out) || challenge != status {
						t.Errorf("%s: the token of somebody else for %s: %q, %s", mechanism, name, got, challenge)
					}
				}
				if got, _ := c.bear(mechanism, fmt.Sprintf(said, "alice@example.com", alicesToken)); !strings.HasPrefix(got, d.in) {
					t.Errorf("%s: %q", mechanism, got)
				}
				c.conn.Close()
				if service == "pop3" {
					f.released(t)
				}
			}
			s.down.Store(true)
			defer s.down.Store(false)
			if got, _ := secure(service).bear(auth.OAuthBearer, "n,,\x01auth=Bearer unheard-of\x01\x01"); !strings.HasPrefix(got, later[service]) || strings.HasPrefix(got, d.in) {
				t.Errorf("the authorization server is away: %q", got)
			}
		})
	}
	f.must(change("delete", "oauth", "main", ""))
	c := secure("imap")
	if got, _ := c.bear(auth.OAuthBearer, "n,,\x01auth=Bearer "+alicesToken+"\x01\x01"); strings.Contains(c.said, "OAUTH") || !strings.HasPrefix(got, "a NO ") {
		t.Errorf("tokens are still taken: %q", got)
	}
	if log := f.log.String(); strings.Contains(log, "long-token") || strings.Contains(log, "guess") {
		t.Error("the log has a token")
	}
}

// released waits until no POP3 session has alice's mailbox.
func (f front) released(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c := f.call(t, "pop3")
		c.startTLS(&tls.Config{})
		got, _ := c.bear(auth.OAuthBearer, "n,,\x01auth=Bearer "+alicesToken+"\x01\x01")
		c.send("QUIT")
		c.until("+OK")
		c.conn.Close()
		if strings.HasPrefix(got, c.in) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mailbox does not become free: %q", got)
		}
	}
}

func TestCurlLogsInByToken(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("curl is not there: .ci/peers installs it")
		}
		t.Skip("curl is not there: .ci/peers installs it")
	}
	f := newFront(t, map[string][]string{"alice@example.com": nil})
	f.trust("create", newIssuer(t))
	message := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(message, []byte("Subject: by token\r\n\r\nhello\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"IMAP":       {"imap://" + f.at["imap"] + "/", "--request", "NOOP"},
		"POP3":       {"pop3://" + f.at["pop3"] + "/", "--request", "NOOP", "--head"},
		"submission": {"smtp://" + f.at["submission"] + "/client.example.net", "--mail-from", "alice@example.com", "--mail-rcpt", "alice@example.com", "--upload-file", message},
	} {
		for _, mechanism := range []string{auth.OAuthBearer, auth.XOAuth2} {
			for token, code := range map[string]int{alicesToken: 0, "wrong": 67} {
				t.Run(fmt.Sprintf("%s by %s, %.6s", name, mechanism, token), func(t *testing.T) {
					all := append([]string{"-sS", "--ssl-reqd", "--cacert", filepath.Join(f.dir, "tls", "ca.pem"), "-k", "--max-time", "100",
						"--login-options", "AUTH=" + mechanism, "--user", "alice@example.com:", "--oauth2-bearer", token}, args...)
					out, err := exec.Command(curl, all...).CombinedOutput()
					got := 0
					var exit *exec.ExitError
					if errors.As(err, &exit) {
						got = exit.ExitCode()
					} else if err != nil {
						t.Fatal(err)
					}
					if got != code {
						t.Errorf("curl ended with %d, want %d: %s", got, code, out)
					}
				})
			}
		}
	}
}
