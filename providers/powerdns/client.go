package powerdns

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mailform/mailform/schema/rdata"
)

// Limits of what is read from the server.
const (
	maxAnswer = 512 << 20
	maxError  = 64 << 10
	shown     = 500 // of the text of an error
)

// A client asks the API of one server.
type client struct {
	base   string // https://host:port/api/v1/servers/localhost
	origin string // https://host:port, for errors
	server string
	key    string
	http   *http.Client
}

// newClient makes a client. caFile may be empty.
func newClient(at *url.URL, server, key, caFile string, timeout time.Duration) (*client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the key is for the server alone
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &client{
		base: at.String() + "/api/v1/servers/" + url.PathEscape(server), origin: at.String(), server: server, key: key,
		http: &http.Client{
			Transport: transport, Timeout: timeout,
			// Whoever answers with a redirect would get the key.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// A statusError is an answer that is none of what was asked for.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// isStatus reports whether an error is an answer of that status.
func isStatus(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// do asks the server. out is what the answer is read into; it may be nil.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", c.key)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreached(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refused(resp)
	}
	if out == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.unreached(err)
	}
	if len(data) > maxAnswer {
		return fmt.Errorf("the answer of %s is larger than %d MiB", c.origin, maxAnswer>>20)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the answer of %s is not that of PowerDNS's API: %s", c.origin, c.quiet(err.Error()))
	}
	return nil
}

// unreached words an error of the connection.
func (c *client) unreached(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		if ue.Timeout() {
			return fmt.Errorf("PowerDNS at %s did not answer within %s", c.origin, c.http.Timeout)
		}
		err = ue.Err
	}
	return fmt.Errorf("PowerDNS at %s cannot be reached: %w", c.origin, err)
}

// refused words an answer that says no.
func (c *client) refused(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	said := c.said(data)
	e := &statusError{status: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		e.text = fmt.Sprintf("PowerDNS at %s does not take the api_key (%s), or not from this address (its setting webserver-allow-from)", c.origin, resp.Status)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.text = fmt.Sprintf("%s answers with a redirect (%s), which is not followed, so that nobody else gets the api_key. Give the address of PowerDNS itself as url", c.origin, resp.Status)
	case resp.StatusCode >= 500:
		e.text = fmt.Sprintf("PowerDNS at %s failed (%s)%s", c.origin, resp.Status, said)
	default:
		e.text = fmt.Sprintf("PowerDNS at %s refuses it (%s)%s", c.origin, resp.Status, said)
	}
	return e
}

// said is what the body of an answer says, as the end of a sentence.
func (c *client) said(data []byte) string {
	var body struct {
		Error  string
		Errors []string
	}
	text := ""
	if json.Unmarshal(data, &body) == nil {
		text = strings.Join(append([]string{body.Error}, body.Errors...), ", ")
	} else {
		text = string(data)
	}
	text = c.quiet(strings.TrimSuffix(strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " "), "."))
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	if text == "" || text == "," {
		return ""
	}
	return ": " + strings.Trim(text, ", ")
}

// quiet takes the key out of a text, should a server have put it there.
func (c *client) quiet(s string) string {
	if c.key == "" {
		return s
	}
	return strings.ReplaceAll(s, c.key, "(sensitive value)")
}

// zoneID is a zone's name in paths of the API.
func zoneID(zone rdata.Name) string {
	var b strings.Builder
	for _, ch := range []byte(zone) {
		switch {
		case ch >= 'a' && ch <= 'z', ch >= '0' && ch <= '9', ch == '-', ch == '_', ch == '.' && zone != rdata.Root:
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "=%02X", ch)
		}
	}
	return b.String()
}

// A remoteZone is a zone as the API has it.
type remoteZone struct {
	Name   string        `json:"name"`
	Kind   string        `json:"kind,omitempty"`
	DNSSEC *bool         `json:"dnssec,omitempty"`
	RRsets []remoteRRset `json:"rrsets,omitempty"`
	// Nameservers has to be there for a new zone.
	Nameservers *[]string `json:"nameservers,omitempty"`
}

type remoteRRset struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	TTL        uint32         `json:"ttl"`
	ChangeType string         `json:"changetype,omitempty"`
	Records    []remoteRecord `json:"records,omitempty"`
}

type remoteRecord struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

// errNoServer is the error where nothing of the API is found.
func (c *client) errNoServer() error {
	return fmt.Errorf("PowerDNS at %s has no server %q in its API. Correct url and server_id, and see that its setting api is yes", c.origin, c.server)
}

// zone reads a zone; nil: it is not there.
func (c *client) zone(ctx context.Context, name rdata.Name) (*remoteZone, error) {
	var z remoteZone
	err := c.do(ctx, http.MethodGet, "/zones/"+zoneID(name), nil, &z)
	switch {
	case isStatus(err, http.StatusNotFound):
		// Or there is no such API.
		if err := c.do(ctx, http.MethodGet, "", nil, nil); isStatus(err, http.StatusNotFound) {
			return nil, c.errNoServer()
		} else if err != nil {
			return nil, err
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &z, nil
}

// list names all zones.
func (c *client) list(ctx context.Context) ([]rdata.Name, error) {
	var zones []remoteZone
	err := c.do(ctx, http.MethodGet, "/zones", nil, &zones)
	if isStatus(err, http.StatusNotFound) {
		return nil, c.errNoServer()
	}
	if err != nil {
		return nil, err
	}
	names := make([]rdata.Name, 0, len(zones))
	for _, z := range zones {
		name, err := rdata.ParseName(z.Name)
		if err != nil {
			return nil, fmt.Errorf("PowerDNS at %s has a zone %q: %w", c.origin, z.Name, err)
		}
		names = append(names, name)
	}
	return names, nil
}
