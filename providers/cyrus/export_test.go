package cyrus

import "github.com/mailform/mailform/providers/host"

// Through has a provider act on another host than its own.
func (p *Provider) Through(h host.Host) { p.host = h }
