// Package ldapconn opens connections to directory servers: in clear text, with TLS
// from the first byte or begun by STARTTLS, or by a socket. It logs nobody in.
package ldapconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/schema"
)

// Options say how to get to a server.
type Options struct {
	Server   schema.LDAPServer
	StartTLS bool
	// CAFile is a PEM file with the authorities that are believed; empty: those of
	// the machine.
	CAFile string
	// Timeout of opening the connection, and of each answer on it.
	Timeout time.Duration
}

// ErrAuthorities: the file with the authorities that are believed is not good.
var ErrAuthorities = errors.New("the file with certificate authorities cannot be used")

// A TLSError is that TLS did not begin.
type TLSError struct{ Err error }

func (e *TLSError) Error() string { return "TLS: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// Open opens a connection. The context is for that alone. The error is a
// [TLSError], [ErrAuthorities], or what the operating system says.
func Open(ctx context.Context, o Options) (*goldap.Conn, error) { return open(ctx, o, nil) }

// open puts what takes entries, if there is such, between the network and the library.
func open(ctx context.Context, o Options, between *taker) (*goldap.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conf, err := o.tls()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthorities, err)
	}
	network := "tcp"
	if o.Server.Scheme == "ldapi" {
		network = "unix"
	}
	raw, err := new(net.Dialer).DialContext(ctx, network, o.Server.Address)
	if err != nil {
		return nil, err
	}
	if o.Server.Scheme == "ldaps" {
		secure := tls.Client(raw, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, &TLSError{err}
		}
		raw = secure
	}
	if between != nil {
		between.Conn, between.in = raw, bufio.NewReaderSize(raw, 64<<10)
		raw = between
	}
	conn := goldap.NewConn(raw, o.Server.Scheme == "ldaps")
	conn.Start()
	conn.SetTimeout(o.Timeout)
	if o.StartTLS {
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		if err := conn.StartTLS(conf); err != nil {
			_ = conn.Close()
			return nil, &TLSError{err}
		}
	}
	return conn, nil
}

// tls is the configuration of TLS; nil where there is none.
func (o Options) tls() (*tls.Config, error) {
	if o.Server.Scheme != "ldaps" && !o.StartTLS {
		return nil, nil
	}
	conf := &tls.Config{ServerName: o.Server.Host, MinVersion: tls.VersionTLS12}
	if o.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", o.CAFile)
	}
	return conf, nil
}
