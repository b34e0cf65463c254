package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/mailform/mailform/schema"
)

// OAuth is whose tokens the users of a server may log in with, as in the kind oauth.
type OAuth struct {
	Owner            string   `json:"owner"`
	Issuer           string   `json:"issuer"`
	Audience         []string `json:"audience"`
	Scopes           []string `json:"scopes"`
	UsernameClaim    string   `json:"username_claim"`
	IntrospectionURL string   `json:"introspection_url"`
	ClientID         string   `json:"client_id"`
	ClientSecret     string   `json:"client_secret"` // never log it
	KeysURL          string   `json:"jwks_url"`
	CAFile           string   `json:"ca_file"`
}

type oauthAttrs OAuth

func (a *oauthAttrs) key() string  { return a.Owner }
func (*oauthAttrs) parent() string { return "" }

func (a *oauthAttrs) check() error {
	a.Audience, a.Scopes = notNil(a.Audience), notNil(a.Scopes)
	switch {
	case a.Owner == "":
		return errors.New("owner is empty")
	case a.Issuer == "":
		return errors.New("issuer is empty")
	case a.UsernameClaim == "":
		return errors.New("username_claim is empty")
	case !slices.IsSorted(a.Audience), !slices.IsSorted(a.Scopes):
		return errors.New("audience or scopes is not sorted")
	case a.IntrospectionURL == "" && len(a.Audience) == 0:
		return errors.New("audience is empty: a token for anybody would be good")
	case (a.ClientID == "") != (a.ClientSecret == ""):
		return errors.New("client_id and client_secret belong together")
	case a.CAFile != "" && !filepath.IsAbs(a.CAFile):
		return fmt.Errorf("ca_file is %q: expected an absolute path", a.CAFile)
	}
	for field, u := range map[string]string{"issuer": a.Issuer, "introspection_url": a.IntrospectionURL, "jwks_url": a.KeysURL} {
		if u == "" {
			continue
		}
		if _, err := schema.ParseServiceURL(u); err != nil {
			return fmt.Errorf("%s is %q: %w", field, u, err)
		}
	}
	return nil
}

// OAuths are whose tokens users may log in with, at each server that takes some.
func (s *Store) OAuths(ctx context.Context) (list []OAuth, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindOAuth}, func(_ string, a oauthAttrs) { list = append(list, OAuth(a)) })
	if err != nil {
		return nil, fmt.Errorf("list whose tokens are taken: %w", err)
	}
	return list, nil
}
