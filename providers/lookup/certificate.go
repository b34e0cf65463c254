package lookup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Certificate looks at a certificate in a file or at a server.
type Certificate struct {
	// Dir is where relative paths start from.
	Dir string
	// Timeout of a connection as a whole; 0: ten seconds.
	Timeout time.Duration
}

// maxFile bounds a certificate file, in bytes.
const maxFile = 1 << 20

// Query implements providers.DataSource for data blocks of type "certificate".
func (c *Certificate) Query(ctx context.Context, args cty.Value) (cty.Value, error) {
	file, address := args.GetAttr("file"), args.GetAttr("address")
	var cert *x509.Certificate
	var err error
	switch {
	case file.IsNull() == address.IsNull():
		return cty.NilVal, errors.New("one of file and address is needed, and not both")
	case !file.IsNull():
		cert, err = c.fromFile(file.AsString())
	default:
		cert, err = c.fromServer(ctx, address.AsString(), text(args, "starttls"), text(args, "server_name"))
	}
	if err != nil {
		return cty.NilVal, err
	}
	whole, key := sha256.Sum256(cert.Raw), sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return cty.ObjectVal(map[string]cty.Value{
		"subject":     cty.StringVal(cert.Subject.String()),
		"issuer":      cty.StringVal(cert.Issuer.String()),
		"names":       schema.StringList(names(cert)),
		"not_before":  cty.StringVal(cert.NotBefore.UTC().Format(time.RFC3339)),
		"not_after":   cty.StringVal(cert.NotAfter.UTC().Format(time.RFC3339)),
		"sha256":      cty.StringVal(hex.EncodeToString(whole[:])),
		"spki_sha256": cty.StringVal(hex.EncodeToString(key[:])),
		"pem":         cty.StringVal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))),
	}), nil
}

func text(args cty.Value, name string) string {
	v := args.GetAttr(name)
	if v.IsNull() {
		return ""
	}
	return v.AsString()
}

// names are those that a certificate is good for, sorted.
func names(cert *x509.Certificate) []string {
	list := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *Certificate) fromFile(path string) (*x509.Certificate, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return cert, nil
	}
	return nil, fmt.Errorf("%s holds no PEM certificate", path)
}

// fromServer shakes hands, and keeps nothing of the connection but the
// certificate.
func (c *Certificate) fromServer(ctx context.Context, address, protocol, name string) (*x509.Certificate, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := startTLS(conn, protocol); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	if name == "" {
		if name, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	// The certificate is looked at, whoever signed it.
	t := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	certs := t.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s shows no certificate", address)
	}
	return certs[0], nil
}

// maxGreeting bounds what a server may say before TLS, in bytes.
const maxGreeting = 64 << 10

// A turn of the talk before TLS: what is said, if anything, and how the answer
// has to begin.
type turn struct {
	say, ok string
	// last tells the line that ends the answer from those before it.
	last func(line []byte) bool
}

func anyLine([]byte) bool          { return true }
func lastReply(line []byte) bool   { return len(line) < 4 || line[3] != '-' }
func taggedReply(line []byte) bool { return bytes.HasPrefix(line, []byte("a ")) }

// talks lead to TLS in each protocol: RFC 3207 §4, RFC 9051 §6.2.1, RFC 2595 §4.
var talks = map[string][]turn{
	"smtp": {{"", "220", lastReply}, {"EHLO localhost", "250", lastReply}, {"STARTTLS", "220", lastReply}},
	"imap": {{"", "* OK", anyLine}, {"a STARTTLS", "a OK", taggedReply}},
	"pop3": {{"", "+OK", anyLine}, {"STLS", "+OK", anyLine}},
}

// startTLS asks for TLS in a protocol; in none, it has begun.
func startTLS(conn io.ReadWriter, protocol string) error {
	left := maxGreeting
	for _, t := range talks[protocol] {
		if t.say != "" {
			if _, err := io.WriteString(conn, t.say+"\r\n"); err != nil {
				return fmt.Errorf("before TLS: %w", err)
			}
		}
		line, err := readLine(conn, &left)
		for err == nil && !t.last(line) {
			line, err = readLine(conn, &left)
		}
		if err != nil {
			return fmt.Errorf("before TLS: %w", err)
		}
		if !bytes.HasPrefix(line, []byte(t.ok)) {
			return fmt.Errorf("before TLS the server answers %.200q", line)
		}
	}
	return nil
}

// readLine reads octet by octet, so that nothing of a handshake that follows is
// taken away. left is how many octets there may be yet.
func readLine(r io.Reader, left *int) ([]byte, error) {
	var line []byte
	var b [1]byte
	for ; *left > 0; *left-- {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		line = append(line, b[0])
	}
	return nil, errors.New("the server says too much")
}
