package sendmail

import (
	"time"

	"github.com/mailform/mailform/providers/host"
)

// Through has a provider act on another host than its own.
func (p *Provider) Through(h host.Host) { p.on = h }

// Hurry has a provider wait for less time than usual.
func (p *Provider) Hurry(finishing, leaving time.Duration) {
	p.finishing, p.leaving = finishing, leaving
}
