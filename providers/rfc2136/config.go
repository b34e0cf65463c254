package rfc2136

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A Block is the value of a provider block, or of a block in one, that is read
// argument by argument. The zero value has none.
type Block struct {
	v   cty.Value
	dir string
}

// NewBlock takes the value of a block; relative paths in it start from dir. The
// value has to be known.
func NewBlock(v cty.Value, dir string) (Block, error) {
	if v == cty.NilVal || v.IsNull() {
		return Block{}, errors.New("there is no provider block for it, so that nobody knows where the server is. Leave the block in the files as long as the state has something there")
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return Block{}, errors.New("some of its arguments are known only after apply")
	}
	return Block{v, dir}, nil
}

// Given reports whether there is such a block at all.
func (b Block) Given() bool { return b.v != cty.NilVal && !b.v.IsNull() }

func (b Block) attr(name string) cty.Value {
	if !b.Given() || !b.v.Type().HasAttribute(name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return b.v.GetAttr(name)
}

// Text is an argument; empty where it is left out.
func (b Block) Text(name string) string {
	if !b.Given() {
		return ""
	}
	return zonedata.Text(b.v, name)
}

// Path is an argument that names a file.
func (b Block) Path(name string) string {
	p := b.Text(name)
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(b.dir, p)
}

// Nested is a block within the block.
func (b Block) Nested(name string) Block { return Block{b.attr(name), b.dir} }

// configure reads the arguments that all providers of the family have.
func (p *Provider) configure(b Block) error {
	var err error
	p.client = &client{timeout: 10 * time.Second}
	secure := b.Text("transport") == "tls"
	server := b.Text("server")
	if p.client.server, err = schema.ParseServer(server); err != nil {
		return fmt.Errorf("server %q: %w", server, err)
	}
	if addr, err := netip.ParseAddr(server); err == nil && secure {
		p.client.server = netip.AddrPortFrom(addr, 853).String()
	}
	if t := b.Text("timeout"); t != "" {
		if p.client.timeout, err = schema.ParseDuration(t); err != nil {
			return fmt.Errorf("timeout: %w", err)
		}
		p.client.timeout = max(p.client.timeout, time.Second)
	}
	if p.key, err = blockKey(b.Nested("tsig")); err != nil {
		return err
	}
	if p.readKey, err = blockKey(b.Nested("read_tsig")); err != nil {
		return err
	}
	if p.readKey == nil {
		p.readKey = p.key
	}
	if secure {
		if p.client.tls, err = secureBy(b.Nested("tls"), p.client.server); err != nil {
			return err
		}
	}
	p.also = nil
	for _, z := range zonedata.Texts(b.v, "zones") {
		host, err := schema.ParseDomainName(z)
		if err != nil {
			return fmt.Errorf("zones: %q: %w", z, err)
		}
		name, err := rdata.ParseName(host)
		if err != nil {
			return fmt.Errorf("zones: %q: %w", z, err)
		}
		p.also = append(p.also, name)
	}
	return nil
}

func blockKey(b Block) (*key, error) {
	if !b.Given() {
		return nil, nil
	}
	return newKey(b.Text("name"), b.Text("algorithm"), b.Text("secret"))
}

// secureBy says how the certificate of a server is judged.
func secureBy(b Block, server string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"dot"}} // RFC 9103 §7.1
	cfg.ServerName = b.Text("server_name")
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			return nil, err
		}
		cfg.ServerName = host
	}
	if path := b.Path("ca_file"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", path)
		}
	}
	return cfg, nil
}
