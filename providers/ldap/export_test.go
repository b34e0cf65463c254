package ldap

import "context"

// WithoutAssertions makes a provider take its server for one that knows no
// assertions (RFC 4528), as some others than OpenLDAP.
func (p *Provider) WithoutAssertions(ctx context.Context) error {
	c, err := p.server.connect(ctx, p.reads, 1)
	if err != nil {
		return err
	}
	defer c.close()
	if p.known, err = c.facts(ctx); err != nil {
		return err
	}
	p.known.asserts = false
	return nil
}
