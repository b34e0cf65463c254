package postfix

import "github.com/mailform/mailform/providers/host"

// Through has a provider reach its machine by another way.
func (p *Provider) Through(h host.Host) { p.on = h }
