package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/store"
)

func (c *conn) cmdStartTLS(cmd *command.Command) (result, error) {
	if c.tls {
		return result{}, bad("TLS is active already")
	}
	if !c.canStartTLS() {
		return result{}, bad("STARTTLS is not available")
	}
	c.status(cmd.Tag, "OK", "", "Begin TLS negotiation now")
	if err := c.w.Flush(); err != nil {
		return result{answered: true}, err
	}
	// What the client sent in clear after the command is dropped with the old
	// reader: somebody in between may have put it there (CVE-2011-0411).
	err := c.startTLS()
	if err != nil {
		c.log.Debug("imap: TLS handshake failed", "error", err)
	}
	return result{answered: true}, err
}

func (c *conn) cmdLogin(ctx context.Context, cmd *command.Login) (result, error) {
	if !c.mayAuthenticate() {
		return result{}, no(imap.ResponseCodePrivacyRequired, "Use STARTTLS first")
	}
	return c.login(ctx, cmd.User, cmd.Password)
}

// authenticate runs a SASL exchange.
func (c *conn) authenticate(ctx context.Context, cmd *command.Authenticate) (result, error) {
	if !c.mayAuthenticate() {
		return result{}, no(imap.ResponseCodePrivacyRequired, "Use STARTTLS first")
	}
	exchange := auth.Start(ctx, c.srv.opt.Auth, cmd.Mechanism, c.peer())
	if exchange == nil {
		return result{}, no(imap.ResponseCodeCannot, "Mechanism is not supported")
	}
	var response []byte // nil: none
	if cmd.HasInitial {
		var err error
		if response, err = decodeSASL(cmd.Initial); err != nil {
			return result{}, err
		}
	}
	for {
		challenge, done, err := exchange.Next(response)
		if errors.Is(err, auth.ErrResponse) {
			return result{}, bad("The response is not one of " + cmd.Mechanism)
		}
		if done || err != nil {
			return c.loggedIn(exchange.Account(), err)
		}
		if response, err = c.saslPrompt(challenge); err != nil {
			return result{}, err
		}
	}
}

// peer is the client as the authenticator wants to see it.
func (c *conn) peer() auth.Peer {
	p := auth.PeerOn(c.raw, c.nc, auth.ServiceIMAP)
	p.Old = true
	return p
}

// saslPrompt sends a challenge and reads the response.
func (c *conn) saslPrompt(challenge []byte) ([]byte, error) {
	c.w.Line("+ " + base64.StdEncoding.EncodeToString(challenge))
	if err := c.w.Flush(); err != nil {
		return nil, &fatalError{err}
	}
	c.r.NextLine()
	line := string(c.r.Rest())
	if err := c.r.Err(); err != nil {
		return nil, &fatalError{err}
	}
	if line == "*" {
		return nil, bad("Authentication cancelled")
	}
	return decodeSASL(line)
}

func decodeSASL(s string) ([]byte, error) {
	if s == "=" {
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, bad("Response is not base64")
	}
	return b, nil
}

func (c *conn) login(ctx context.Context, user, password string) (result, error) {
	account, err := c.srv.opt.Auth.Login(ctx, user, password, auth.ServiceIMAP, c.raw.RemoteAddr())
	return c.loggedIn(account, err)
}

// loggedIn answers what has become of a login.
func (c *conn) loggedIn(account *store.Account, err error) (result, error) {
	switch {
	case errors.Is(err, auth.ErrInvalid):
		return c.loginFailed()
	case errors.Is(err, auth.ErrDisabled), err == nil && !account.IMAP:
		// The password was right, so this tells nobody about foreign accounts.
		c.log.Info("imap: login refused, IMAP is not allowed")
		return result{}, no(imap.ResponseCodeAuthorizationFailed, "IMAP is not available for this account")
	case errors.Is(err, auth.ErrBusy):
		c.failedLogins++
		return result{}, no(imap.ResponseCodeUnavailable, "Too many failed logins, try again later")
	case err != nil:
		c.log.Error("imap: login failed", "error", err)
		return result{}, no(imap.ResponseCodeUnavailable, "Temporary authentication failure")
	}
	c.account, c.checked = account, time.Now()
	c.bad = 0
	c.log = c.log.With("account", account.Address)
	c.r.SetLimits(c.limits.wire(true))
	return result{code: "CAPABILITY " + c.capabilities(), text: "Logged in"}, nil
}

// loginFailed answers a wrong login: the same for every reason. Slowing down who
// guesses is the Authenticator's part.
func (c *conn) loginFailed() (result, error) {
	c.failedLogins++
	c.log.Info("imap: wrong user or password", "failures", c.failedLogins)
	if c.failedLogins >= c.limits.FailedLogins {
		c.bye = "[UNAVAILABLE] Too many failed logins"
	}
	return result{}, no(imap.ResponseCodeAuthenticationFailed, "Wrong user or password")
}

func (c *conn) id() (result, error) {
	c.w.Raw(`* ID ("name" "mailform"`)
	if c.account != nil && c.srv.opt.Version != "" {
		c.w.Raw(` "version" `).String(c.srv.opt.Version)
	}
	c.w.Line(")")
	return result{}, nil
}

func (c *conn) enable(cmd *command.Enable) (result, error) {
	c.w.Raw("* ENABLED")
	for _, ext := range cmd.Extensions {
		switch ext {
		case "CONDSTORE":
			c.condstore = true
		case "QRESYNC":
			c.condstore, c.qresync = true, true
		case "UTF8=ACCEPT":
			c.w.UTF8 = true
		case "IMAP4REV2":
			c.rev2, c.w.UTF8 = true, true
			ext = "IMAP4rev2"
		default:
			continue // unknown ones are left out of the answer (RFC 5161 §3.1)
		}
		c.w.Raw(" ").Raw(ext)
	}
	c.w.End()
	return result{}, nil
}
