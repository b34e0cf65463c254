package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/bearer"
	"github.com/mailform/mailform/providers/embedded/store"
)

// bearers let in who has a token, by the label of the server.
type bearers struct {
	byOwner atomic.Pointer[map[string]*auth.Bearer]
}

// of is that of a server; nil: it takes no tokens.
func (b *bearers) of(owner string) *auth.Bearer {
	if all := b.byOwner.Load(); all != nil {
		return (*all)[owner]
	}
	return nil
}

// loadBearers takes them out of the store. One that cannot be made lets nobody in,
// and is not offered.
func (d *daemon) loadBearers(ctx context.Context) error {
	list, err := d.store.OAuths(ctx)
	if err != nil {
		return err
	}
	all := map[string]*auth.Bearer{}
	for _, o := range list {
		client, err := clientOf(o)
		if err != nil {
			d.log.Error("nobody can log in by a token", "server", o.Owner, "error", err)
			continue
		}
		all[o.Owner] = auth.NewBearer(bearer.New(bearer.Options{
			Issuer: o.Issuer, Audience: o.Audience, Scopes: o.Scopes, Claim: o.UsernameClaim,
			Introspection: o.IntrospectionURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, KeysURL: o.KeysURL, Client: client,
		}))
	}
	d.bearers.byOwner.Store(&all)
	return nil
}

// clientOf asks an authorization server.
func clientOf(o store.OAuth) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // what the environment of a daemon says is none of the configuration's
	transport.MaxConnsPerHost = 16
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate", o.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport}, nil
}

// A serverAuth is the authenticator of one server, which may take tokens.
type serverAuth struct {
	countedAuth
	bearer func() *auth.Bearer
}

// authOf is the authenticator of a server.
func (d *daemon) authOf(owner string) serverAuth {
	return serverAuth{d.auth, func() *auth.Bearer { return d.bearers.of(owner) }}
}

// SASLMechanisms implements auth.Mechanic.
func (a serverAuth) SASLMechanisms(ctx context.Context, p auth.Peer) []string {
	names := a.countedAuth.SASLMechanisms(ctx, p)
	if a.bearer() != nil {
		names = slices.Concat(names, []string{auth.OAuthBearer, auth.XOAuth2})
	}
	return names
}

// SASL implements auth.Mechanic.
func (a serverAuth) SASL(ctx context.Context, mechanism string, p auth.Peer) auth.Exchange {
	if mechanism != auth.OAuthBearer && mechanism != auth.XOAuth2 {
		return a.countedAuth.SASL(ctx, mechanism, p)
	}
	b := a.bearer()
	if b == nil {
		return nil // taken away since it was offered
	}
	return countedExchange{b.Begin(ctx, a.Authenticator, mechanism, p), a.countedAuth, p.Service}
}
