package daemon

import (
	"context"
	"fmt"
	"sync"

	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/managesieve"
	"github.com/mailform/mailform/providers/embedded/pop3"
	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/store"
)

// clientLimits are how much the clients of services can have of them, by the labels of
// the servers and the names of the services.
type clientLimits struct {
	mu       sync.RWMutex
	declared map[[2]string]store.ClientLimit
}

// of are those of a service; zero where nothing is said of it.
func (c *clientLimits) of(owner, service string) store.ClientLimit {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.declared[[2]string{owner, service}]
}

// loadClientLimits takes them over from the store.
func (d *daemon) loadClientLimits(ctx context.Context) error {
	list, err := d.store.ClientLimits(ctx)
	if err != nil {
		return fmt.Errorf("load the limits of clients: %w", err)
	}
	c := &d.clientLimits
	c.mu.Lock()
	defer c.mu.Unlock()
	c.declared = map[[2]string]store.ClientLimit{}
	for _, one := range list {
		c.declared[[2]string{one.Owner, one.Service}] = one
	}
	return nil
}

// limit adds to the settings of a server how much its clients can have.
func (c *clientLimits) limit(owner, service string, s *smtp.Settings) {
	one := c.of(owner, service)
	s.Limits = smtp.Limits{
		Connections: one.Connections, ConnectionsPerClient: one.ConnectionsPerClient, ConnectionsPerMinute: one.ConnectionsPerMinute,
		MessagesPerConnection: one.MessagesPerConnection, MessagesPerHour: one.MessagesPerHour,
		RecipientsPerHour: one.RecipientsPerHour, Recipients: one.RecipientsPerMessage,
		HeaderSize: one.HeaderSize, Errors: one.Errors, Exempt: one.Exempt, User: one.User,
	}
	s.Timeouts = smtp.Timeouts{Command: one.Timeout, Block: one.DataTimeout}
}

func (c *clientLimits) imap(owner string) imap.Limits {
	one := c.of(owner, "imap")
	return imap.Limits{
		Connections: one.Connections, ConnectionsPerClient: one.ConnectionsPerClient, ConnectionsPerMinute: one.ConnectionsPerMinute,
		BadCommands: one.Errors, Idle: one.Timeout, Exempt: one.Exempt,
	}
}

func (c *clientLimits) pop3(owner string) pop3.Limits {
	one := c.of(owner, "pop3")
	return pop3.Limits{
		Connections: one.Connections, ConnectionsPerClient: one.ConnectionsPerClient, ConnectionsPerMinute: one.ConnectionsPerMinute,
		BadCommands: one.Errors, Idle: one.Timeout, Exempt: one.Exempt,
	}
}

func (c *clientLimits) managesieve(owner string) managesieve.Limits {
	one := c.of(owner, "managesieve")
	return managesieve.Limits{
		Limits: sessions.Limits{
			Connections: one.Connections, ConnectionsPerClient: one.ConnectionsPerClient,
			ConnectionsPerMinute: one.ConnectionsPerMinute, Exempt: one.Exempt,
		},
		BadCommands: one.Errors, Idle: one.Timeout,
	}
}
