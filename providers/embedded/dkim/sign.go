package dkim

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailform/mailform/providers/embedded/store"
)

// ErrKey says that a signing key cannot be used. The key itself is never part
// of the error.
var ErrKey = errors.New("unusable DKIM key")

// Keys is where signing keys come from; *store.Store is one.
type Keys interface {
	DKIMKeys(ctx context.Context, domain string) ([]store.DKIMKey, error)
}

// A Signer signs messages with the keys of their domain. It can be used by
// many goroutines.
type Signer struct {
	keys Keys

	mu     sync.Mutex
	parsed map[[sha256.Size]byte]crypto.Signer
}

// New makes a signer.
func New(keys Keys) *Signer {
	return &Signer{keys: keys, parsed: map[[sha256.Size]byte]crypto.Signer{}}
}

// signedFields are signed as often as they occur (RFC 6376 §5.4.1). What is in
// sealedFields is signed once more than it occurs, so that nobody can add
// another one (§8.15); Reply-To and the list fields are left open for mailing
// lists.
var (
	signedFields = []string{
		"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "Sender",
		"In-Reply-To", "References", "MIME-Version", "Content-Type",
		"Content-Transfer-Encoding", "Resent-From", "Resent-To", "Resent-Cc",
		"Resent-Date", "Resent-Message-ID", "List-Id", "List-Post",
		"List-Unsubscribe", "List-Unsubscribe-Post",
	}
	sealedFields = map[string]bool{
		"From": true, "To": true, "Cc": true, "Subject": true, "Date": true,
		"Message-ID": true, "MIME-Version": true, "Content-Type": true,
		"Content-Transfer-Encoding": true,
	}
)

// Sign returns a DKIM-Signature field, with its CRLF, for each key that domain
// has: none where it has no key, and then the message is not read. The message
// must be in its final form, with CRLF line ends.
func (s *Signer) Sign(ctx context.Context, domain string, message io.Reader) ([]byte, error) {
	keys, err := s.keys.DKIMKeys(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("DKIM keys of %s: %w", domain, err)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	br := bufio.NewReader(message)
	head, err := readHeader(br)
	if err != nil {
		return nil, fmt.Errorf("sign for %s: read header: %w", domain, err)
	}
	fields := fieldsToSign(head)

	var signers []*dkim.Signer
	var writers []io.Writer
	defer func() {
		for _, sg := range signers {
			sg.Close() // ends its goroutine; harmless after the first time
		}
	}()
	for _, k := range keys {
		private, err := s.private(k)
		if err != nil {
			return nil, fmt.Errorf("sign for %s with selector %s: %w", domain, k.Selector, err)
		}
		sg, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: k.Domain, Selector: k.Selector, Signer: private, Hash: crypto.SHA256,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed,
			BodyCanonicalization:   dkim.CanonicalizationRelaxed,
			HeaderKeys:             fields,
		})
		if err != nil {
			return nil, fmt.Errorf("sign for %s with selector %s: %w", domain, k.Selector, err)
		}
		signers, writers = append(signers, sg), append(writers, sg)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), io.MultiReader(bytes.NewReader(head), br)); err != nil {
		return nil, fmt.Errorf("sign for %s: %w", domain, err)
	}
	var out []byte
	for len(signers) > 0 {
		sg := signers[0]
		signers = signers[1:]
		if err := sg.Close(); err != nil {
			return nil, fmt.Errorf("sign for %s: %w", domain, err)
		}
		out = append(out, sg.Signature()...)
	}
	return out, nil
}

// private returns the parsed key, which is kept for the next time.
func (s *Signer) private(k store.DKIMKey) (crypto.Signer, error) {
	sum := sha256.Sum256(k.PrivatePEM)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parsed[sum]; p != nil {
		return p, nil
	}
	block, _ := pem.Decode(k.PrivatePEM)
	if block == nil {
		return nil, fmt.Errorf("%w: not PEM", ErrKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The parser's error may quote what it read.
		return nil, fmt.Errorf("%w: not PKCS #8", ErrKey)
	}
	switch p := key.(type) {
	case *rsa.PrivateKey:
		s.parsed[sum] = p
		return p, nil
	case ed25519.PrivateKey:
		s.parsed[sum] = p
		return p, nil
	}
	return nil, fmt.Errorf("%w: algorithm %T", ErrKey, key)
}

// readHeader reads up to and with the empty line.
func readHeader(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := br.ReadSlice('\n')
		start := len(head) == 0 || head[len(head)-1] == '\n'
		head = append(head, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return nil, err
		case start && string(line) == "\r\n":
			return head, nil
		}
	}
}

// fieldsToSign is the h= tag for a header.
func fieldsToSign(head []byte) []string {
	present := map[string]int{}
	for line := range bytes.Lines(head) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok && line[0] != ' ' && line[0] != '\t' {
			present[strings.ToLower(string(bytes.TrimRight(name, " \t")))]++
		}
	}
	var names []string
	for _, name := range signedFields {
		n := present[strings.ToLower(name)]
		if sealedFields[name] {
			n++
		}
		for range n {
			names = append(names, name)
		}
	}
	return names
}
