package arc

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A Key seals for a domain.
type Key struct {
	Domain, Selector string
	Private          crypto.Signer // RSA or Ed25519
}

// signed are the fields that a signature over a message is made over, where they
// are there.
var signed = []string{
	"from", "to", "cc", "subject", "date", "message-id", "reply-to", "sender", "in-reply-to", "references",
	"mime-version", "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "dkim-signature",
}

// Seal makes the fields of a further set, each with its CRLF, for the top of the
// message as it goes on. chain is what Validate said of it when it came, results
// what was found, as "mx.example.com; spf=pass …". It makes nothing on top of a
// chain that does not hold: nobody would believe it (RFC 8617 §5.1.2 asks only
// for the failure to be said once).
func Seal(message io.Reader, chain *Chain, results string, key Key, now time.Time) ([]byte, error) {
	if chain.Status == Fail || len(chain.fields) >= maxSets {
		return nil, nil
	}
	algorithm, err := algorithmOf(key.Private)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReader(message)
	header, err := readHeader(br)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	h := sha256.New()
	if err := hashBody(h, br, false); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	i := len(chain.fields) + 1
	cv := Pass
	if i == 1 {
		cv = None
	}
	var names []string
	for _, n := range signed {
		for _, f := range header {
			if f.name == n {
				names = append(names, n)
			}
		}
	}
	common := fmt.Sprintf("i=%d; a=%s-sha256; d=%s; s=%s; t=%d;\r\n\t", i, algorithm, key.Domain, key.Selector, now.Unix())
	set := setFields{
		results: field{raw: "ARC-Authentication-Results: i=" + strconv.Itoa(i) + "; " + results + "\r\n"},
		message: field{raw: "ARC-Message-Signature: " + common + "c=relaxed/relaxed; h=" + strings.Join(names, ":\r\n\t ") +
			";\r\n\tbh=" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ";\r\n\tb=\r\n"},
		seal: field{raw: "ARC-Seal: " + common + "cv=" + cv + "; b=\r\n"},
	}
	if err := sign(&set.message, key.Private, signedHeader(set.message, header, names, false)); err != nil {
		return nil, err
	}
	next := Chain{fields: append(chain.fields[:i-1:i-1], set)}
	if err := sign(&set.seal, key.Private, next.sealed(i)); err != nil {
		return nil, err
	}
	return []byte(set.seal.raw + set.message.raw + set.results.raw), nil
}

func algorithmOf(key crypto.Signer) (string, error) {
	switch key.(type) {
	case *rsa.PrivateKey:
		return "rsa", nil
	case ed25519.PrivateKey:
		return "ed25519", nil
	}
	return "", errors.New("seal: unknown kind of key")
}

// lineOfSignature is how much of a signature goes on a line.
const lineOfSignature = 68

// sign puts the signature over a text at the end of a field.
func sign(f *field, key crypto.Signer, text string) error {
	sum := sha256.Sum256([]byte(text))
	options := crypto.SignerOpts(crypto.SHA256)
	if _, ok := key.(ed25519.PrivateKey); ok {
		options = crypto.Hash(0) // Ed25519 signs the digest as if it were the message (RFC 8463 §3)
	}
	sig, err := key.Sign(rand.Reader, sum[:], options)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	b64 := base64.StdEncoding.EncodeToString(sig)
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(f.raw, "\r\n"))
	for len(b64) > 0 {
		n := min(len(b64), lineOfSignature)
		b.WriteString("\r\n\t " + b64[:n])
		b64 = b64[n:]
	}
	f.raw = b.String() + "\r\n"
	return nil
}
