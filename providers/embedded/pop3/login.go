package pop3

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/store"
)

// mayStartTLS reports whether STLS is permitted now (RFC 2595 §4).
func (c *conn) mayStartTLS() bool {
	return c.srv.opt.TLS != nil && !c.tls && c.drop == nil
}

// mayLogIn reports whether a password may come over this connection.
func (c *conn) mayLogIn() bool {
	switch c.srv.opt.InsecureAuth {
	case InsecureAuthAlways:
		return true
	case InsecureAuthLoopback:
		return c.tls || c.loopback
	default:
		return c.tls
	}
}

const needsTLS = "Use STLS first"

func (c *conn) stls([]string) error {
	if c.tls {
		return c.badCommand("TLS is active already")
	}
	if !c.mayStartTLS() {
		return c.badCommand("STLS is not available")
	}
	c.ok("Begin TLS negotiation")
	if err := c.w.Flush(); err != nil {
		return err
	}
	// What the client sent in clear after the command is dropped with the old
	// reader: somebody in between may have put it there (CVE-2011-0411). So is
	// what was said before (RFC 2595 §4).
	c.user = ""
	return c.startTLS()
}

// userCommand takes any name: whether it is known is told to nobody.
func (c *conn) userCommand(args []string) error {
	if !c.mayLogIn() {
		return c.badCommand(needsTLS)
	}
	c.user = strings.TrimSpace(args[0])
	c.ok("Send the password")
	return nil
}

func (c *conn) pass(args []string) error {
	if !c.mayLogIn() {
		return c.badCommand(needsTLS)
	}
	if c.user == "" {
		return c.badCommand("Send USER first")
	}
	user := c.user
	c.user = ""
	return c.login(user, args[0])
}

// auth is SASL (RFC 5034).
func (c *conn) auth(args []string) error {
	if !c.mayLogIn() {
		return c.badCommand(needsTLS)
	}
	exchange := auth.Start(c.srv.group.Context(), c.srv.opt.Auth, args[0], c.peer())
	if exchange == nil {
		return c.badCommand("Unknown mechanism")
	}
	var response []byte // nil: none
	given := len(args) == 2
	line := ""
	if given {
		line = args[1]
		if line == "=" { // an empty initial response
			line = ""
		}
	}
	for {
		if given {
			if line == "*" {
				return c.badCommand("Authentication cancelled")
			}
			var err error
			if response, err = base64.StdEncoding.DecodeString(line); err != nil {
				return c.badCommand("The response is not base64")
			}
		}
		challenge, done, err := exchange.Next(response)
		if errors.Is(err, auth.ErrResponse) {
			return c.badCommand("The response is not one of " + strings.ToUpper(args[0]))
		}
		if done || err != nil {
			return c.loggedIn(exchange.Account(), err)
		}
		// An error of writing comes back from the flush.
		_, _ = c.w.WriteString("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
		line, err = c.readLine()
		if errors.Is(err, errLineTooLong) {
			return c.badCommand("Line too long")
		}
		if err != nil {
			return err
		}
		given = true
	}
}

// peer is the client as the authenticator wants to see it.
func (c *conn) peer() auth.Peer { return auth.PeerOn(c.raw, c.nc, auth.ServicePOP3) }

// login checks a password.
func (c *conn) login(user, password string) error {
	account, err := c.srv.opt.Auth.Login(c.srv.group.Context(), user, password, auth.ServicePOP3, c.raw.RemoteAddr())
	return c.loggedIn(account, err)
}

// loggedIn answers what has become of a login, and opens the mailbox.
func (c *conn) loggedIn(account *store.Account, err error) error {
	ctx := c.srv.group.Context()
	switch {
	case errors.Is(err, auth.ErrInvalid):
		return c.loginFailed()
	case errors.Is(err, auth.ErrDisabled):
		// The password was right, so this tells nobody about foreign accounts.
		c.log.Info("pop3: login refused, POP3 is not allowed")
		c.err("[AUTH] POP3 is not available for this account")
		return nil
	case errors.Is(err, auth.ErrBusy):
		c.log.Info("pop3: login refused", "error", err)
		c.err("[SYS/TEMP] Too many failed logins, try later")
		return nil
	case err != nil:
		c.log.Error("pop3: login failed", "error", err)
		c.err("[SYS/TEMP] Temporary failure")
		return nil
	}
	release, ok := c.srv.opt.Store.LockMaildrop(account.ID)
	if !ok {
		c.err("[IN-USE] Another POP3 session has this mailbox")
		return nil
	}
	drop, err := openMaildrop(ctx, c.srv.opt.Store, account.ID, release)
	if err != nil {
		release()
		c.log.Error("pop3: open the mailbox", "account", account.Address, "error", err)
		c.err("[SYS/TEMP] The mailbox cannot be opened now")
		return nil
	}
	c.drop = drop
	c.bad = 0
	c.log = c.log.With("account", account.Address)
	c.log.Info("pop3: logged in", "tls", c.tls)
	n, size := drop.total()
	c.ok("%d messages (%d octets)", n, size)
	return nil
}

// loginFailed answers a wrong login: the same for every reason.
func (c *conn) loginFailed() error {
	c.failedLogins++
	c.log.Info("pop3: wrong user or password", "failures", c.failedLogins)
	c.err("[AUTH] Wrong user or password")
	if c.failedLogins >= c.limits.FailedLogins {
		return errors.New("too many failed logins")
	}
	return nil
}
