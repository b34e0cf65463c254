package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
)

// maxAnswer bounds what an authorization server may answer, in bytes.
const maxAnswer = 1 << 20

// A web asks an authorization server.
type web struct{ client *http.Client }

func newWeb(like *http.Client, timeout time.Duration) web {
	client := *like
	client.Timeout = timeout
	// A redirection could lead a secret, or a question, to somebody else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return web{&client}
}

// ask sends a request and decodes the answer, which has to be 200 and JSON.
func (w web) ask(req *http.Request, into any) error {
	req.Header.Set("Accept", "application/json")
	res, err := w.client.Do(req)
	if err != nil {
		return err // it names the URL, which has no secret
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %s", req.Method, req.URL, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	case len(text) > maxAnswer:
		return fmt.Errorf("%s %s: %w: it is longer than %d bytes", req.Method, req.URL, errAnswer, maxAnswer)
	case json.Unmarshal(text, into) != nil:
		return fmt.Errorf("%s %s: %w: it is not JSON of the kind", req.Method, req.URL, errAnswer)
	}
	return nil
}

// get is ask for what lies at a URL.
func (w web) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return w.ask(req, into)
}

// discoveryURL is where an issuer describes itself (OpenID Connect Discovery §4).
func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// discover finds where the keys of an issuer are.
func (w web) discover(ctx context.Context, issuer string) (keysURL string, err error) {
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := w.get(ctx, discoveryURL(issuer), &doc); err != nil {
		return "", err
	}
	switch {
	case doc.Issuer != issuer: // §4.3
		return "", fmt.Errorf("%w: the document of %s is that of %q", errAnswer, issuer, doc.Issuer)
	case doc.Keys == "":
		return "", errors.New("the issuer does not say where its keys are")
	}
	return schema.ParseServiceURL(doc.Keys)
}
