package arc

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Results of a validation (RFC 8617 §4.4).
const (
	None = "none"
	Pass = "pass"
	Fail = "fail"
)

// ErrTemporary says that a key could not be looked up now.
var ErrTemporary = errors.New("a key cannot be looked up now")

// A Chain is what the sets of a message say.
type Chain struct {
	Status string // None, Pass or Fail
	Reason string // why it fails
	// Sets by their number, the oldest first. Only those of a chain that passes
	// can be relied on.
	Sets []Set

	fields []setFields
}

// A Set is what one server says.
type Set struct {
	// Domain has sealed it.
	Domain string
	// Results is the value of ARC-Authentication-Results, without its number.
	Results string
}

// setFields are the three fields of a set.
type setFields struct{ results, message, seal field }

// maxSets is the largest number of a set (RFC 8617 §4.2.1).
const maxSets = 50

// Lookup returns the texts at a name; net.Resolver and *resolve.Resolver have
// one.
type Lookup func(ctx context.Context, name string) ([]string, error)

// Validate checks the sets of a message (RFC 8617 §5.2). The error is
// [ErrTemporary], or that of reading the message.
func Validate(ctx context.Context, message io.Reader, lookup Lookup) (*Chain, error) {
	br := bufio.NewReader(message)
	header, err := readHeader(br)
	if err != nil {
		return nil, err
	}
	c, err := collect(header)
	if err != nil {
		return &Chain{Status: Fail, Reason: err.Error()}, nil
	}
	if len(c.fields) == 0 {
		c.Status = None
		return c, nil
	}
	err = c.verify(ctx, header, br, lookup)
	var bad badChain
	switch {
	case err == nil:
		c.Status = Pass
	case errors.As(err, &bad):
		c.Status, c.Reason = Fail, string(bad)
	default:
		return nil, err
	}
	return c, nil
}

// A badChain says why a chain does not hold.
type badChain string

func (b badChain) Error() string { return string(b) }

// collect finds the sets and checks that they are whole.
func collect(header []field) (*Chain, error) {
	c := &Chain{}
	place := func(i int) *setFields {
		for len(c.fields) < i {
			c.fields = append(c.fields, setFields{})
		}
		return &c.fields[i-1]
	}
	for _, f := range header {
		var at func(*setFields) *field
		switch f.name {
		case "arc-authentication-results":
			at = func(s *setFields) *field { return &s.results }
		case "arc-message-signature":
			at = func(s *setFields) *field { return &s.message }
		case "arc-seal":
			at = func(s *setFields) *field { return &s.seal }
		default:
			continue
		}
		i, err := instance(f)
		if err != nil {
			return nil, err
		}
		p := at(place(i))
		if p.raw != "" {
			return nil, fmt.Errorf("set %d has a field twice", i)
		}
		*p = f
	}
	for i, s := range c.fields {
		if s.results.raw == "" || s.message.raw == "" || s.seal.raw == "" {
			return nil, fmt.Errorf("set %d is not whole", i+1)
		}
		seal, err := tags(s.seal.value())
		if err != nil {
			return nil, fmt.Errorf("seal %d: %w", i+1, err)
		}
		_, results, _ := strings.Cut(s.results.value(), ";")
		c.Sets = append(c.Sets, Set{Domain: strings.ToLower(seal["d"]), Results: strings.TrimFunc(results, isSpace)})
	}
	return c, nil
}

// instance is the number of a field's set. In results it has to come first.
func instance(f field) (int, error) {
	text := f.value()
	if f.name == "arc-authentication-results" {
		text, _, _ = strings.Cut(text, ";")
	}
	t, err := tags(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.name, err)
	}
	i, err := strconv.Atoi(t["i"])
	if err != nil || i < 1 || i > maxSets {
		return 0, fmt.Errorf("%s has no number", f.name)
	}
	return i, nil
}

// verify checks the seals, and the newest signature over the message: older ones
// need not hold any more.
func (c *Chain) verify(ctx context.Context, header []field, body *bufio.Reader, lookup Lookup) error {
	for i := range c.fields {
		seal, err := tags(c.fields[i].seal.value())
		if err != nil {
			return badChain(fmt.Sprintf("seal %d: %v", i+1, err))
		}
		want := Pass
		if i == 0 {
			want = None
		}
		if strings.ToLower(seal["cv"]) != want {
			return badChain(fmt.Sprintf("seal %d says cv=%.10s", i+1, seal["cv"]))
		}
		if seal["h"] != "" {
			return badChain(fmt.Sprintf("seal %d has a tag h", i+1))
		}
	}
	newest := len(c.fields)
	if err := verifyMessage(ctx, c.fields[newest-1].message, header, body, lookup); err != nil {
		return of(fmt.Sprintf("signature %d", newest), err)
	}
	for i := newest; i > 0; i-- {
		seal := c.fields[i-1].seal
		t, _ := tags(seal.value())
		if err := check(ctx, t, c.sealed(i), lookup); err != nil {
			return of(fmt.Sprintf("seal %d", i), err)
		}
	}
	return nil
}

func of(what string, err error) error {
	var bad badChain
	if errors.As(err, &bad) {
		return badChain(what + ": " + string(bad))
	}
	return err
}

// sealed is what the seal of a set is made over: all sets up to this one
// (RFC 8617 §5.1.1).
func (c *Chain) sealed(i int) string {
	var b strings.Builder
	for _, s := range c.fields[:i-1] {
		b.WriteString(relaxed(s.results.raw) + relaxed(s.message.raw) + relaxed(s.seal.raw))
	}
	s := c.fields[i-1]
	b.WriteString(relaxed(s.results.raw) + relaxed(s.message.raw))
	b.WriteString(strings.TrimSuffix(relaxed(withoutSignature(s.seal.raw)), "\r\n"))
	return b.String()
}

// verifyMessage checks an ARC-Message-Signature.
func verifyMessage(ctx context.Context, signature field, header []field, body *bufio.Reader, lookup Lookup) error {
	t, err := tags(signature.value())
	if err != nil {
		return badChain(err.Error())
	}
	headForm, bodyForm, _ := strings.Cut(t["c"], "/")
	for _, form := range []string{headForm, bodyForm} {
		if form != "" && form != "simple" && form != "relaxed" {
			return badChain("unknown canonical form")
		}
	}
	if t["l"] != "" {
		return badChain("it signs a part of the body only")
	}
	h := sha256.New()
	if err := hashBody(h, body, bodyForm != "relaxed"); err != nil {
		return err
	}
	bh, err := base64.StdEncoding.DecodeString(t["bh"])
	if err != nil || subtle.ConstantTimeCompare(bh, h.Sum(nil)) != 1 {
		return badChain("the body is another one")
	}
	names := strings.Split(strings.ToLower(t["h"]), ":")
	if !slices.Contains(names, "from") || slices.Contains(names, "arc-seal") {
		return badChain("it does not sign what it has to")
	}
	return check(ctx, t, signedHeader(signature, header, names, headForm != "relaxed"), lookup)
}

// signedHeader is what a signature over a header is made over (RFC 6376 §3.7).
func signedHeader(signature field, header []field, names []string, simple bool) string {
	var b strings.Builder
	left := map[string][]string{}
	for _, f := range header {
		left[f.name] = append(left[f.name], f.raw)
	}
	for _, n := range names {
		if l := left[n]; len(l) > 0 {
			b.WriteString(canonicalField(l[len(l)-1], simple))
			left[n] = l[:len(l)-1]
		}
	}
	b.WriteString(strings.TrimSuffix(canonicalField(withoutSignature(signature.raw), simple), "\r\n"))
	return b.String()
}

// check checks the signature in tags over a text.
func check(ctx context.Context, t map[string]string, text string, lookup Lookup) error {
	sig, err := base64.StdEncoding.DecodeString(t["b"])
	if err != nil || len(sig) == 0 {
		return badChain("there is no signature")
	}
	algorithm, digest, _ := strings.Cut(t["a"], "-")
	if digest != "sha256" {
		return badChain("unknown algorithm")
	}
	key, err := keyOf(ctx, t["s"], t["d"], algorithm, lookup)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	switch k := key.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil {
			return nil
		}
	case ed25519.PublicKey:
		if ed25519.Verify(k, sum[:], sig) {
			return nil
		}
	}
	return badChain("the signature does not hold")
}

// minRSA is the shortest RSA key that is believed, in bits (RFC 8301 §3.2).
const minRSA = 1024

// keyOf looks up a key (RFC 6376 §3.6.1).
func keyOf(ctx context.Context, selector, domain, algorithm string, lookup Lookup) (crypto.PublicKey, error) {
	if selector == "" || domain == "" {
		return nil, badChain("it names no key")
	}
	texts, err := lookup(ctx, selector+"._domainkey."+domain)
	var de *net.DNSError
	switch {
	case errors.As(err, &de) && de.IsNotFound:
		return nil, badChain("there is no key")
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrTemporary, err)
	case len(texts) != 1:
		return nil, badChain("there is not one key")
	}
	t, err := tags(texts[0])
	if err != nil || t["v"] != "" && t["v"] != "DKIM1" || t["p"] == "" {
		return nil, badChain("the key cannot be used")
	}
	if h := t["h"]; h != "" && !slices.Contains(strings.Split(h, ":"), "sha256") {
		return nil, badChain("the key is for other algorithms")
	}
	kind := t["k"]
	if kind == "" {
		kind = "rsa"
	}
	raw, err := base64.StdEncoding.DecodeString(t["p"])
	if err != nil || kind != algorithm {
		return nil, badChain("the key cannot be used")
	}
	switch kind {
	case "ed25519":
		if len(raw) == ed25519.PublicKeySize {
			return ed25519.PublicKey(raw), nil
		}
	case "rsa":
		pub, err := x509.ParsePKIXPublicKey(raw)
		if err != nil { // the older form
			pub, err = x509.ParsePKCS1PublicKey(raw)
		}
		if k, ok := pub.(*rsa.PublicKey); ok && err == nil && k.N.BitLen() >= minRSA {
			return k, nil
		}
	}
	return nil, badChain("the key cannot be used")
}
