package rfc2136

// SetLimit bounds the updates of a provider, for tests outside of the package.
func (p *Provider) SetLimit(octets int) { p.maxSize = octets }
