package managesieve

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/providers/embedded/store"
)

// verbs are the commands, with how many arguments they take, and whether before or
// after the login.
var verbs = map[string]struct {
	min, max      int
	before, after bool
	run           func(c *conn, args []argument) error
}{
	"AUTHENTICATE":   {1, 2, true, false, (*conn).authenticate},
	"STARTTLS":       {0, 0, true, false, (*conn).starttls},
	"LOGOUT":         {0, 0, true, true, (*conn).logout},
	"CAPABILITY":     {0, 0, true, true, (*conn).capability},
	"NOOP":           {0, 1, true, true, (*conn).noop},
	"UNAUTHENTICATE": {0, 0, false, true, (*conn).unauthenticate},
	"HAVESPACE":      {2, 2, false, true, (*conn).haveSpace},
	"PUTSCRIPT":      {2, 2, false, true, (*conn).putScript},
	"CHECKSCRIPT":    {1, 1, false, true, (*conn).checkScript},
	"LISTSCRIPTS":    {0, 0, false, true, (*conn).listScripts},
	"SETACTIVE":      {1, 1, false, true, (*conn).setActive},
	"GETSCRIPT":      {1, 1, false, true, (*conn).getScript},
	"DELETESCRIPT":   {1, 1, false, true, (*conn).deleteScript},
	"RENAMESCRIPT":   {2, 2, false, true, (*conn).renameScript},
}

// command carries out one command. An error ends the connection.
func (c *conn) command(verb string, args []argument) error {
	v, known := verbs[verb]
	switch {
	case !known:
		return c.wrong("", "Unknown command")
	case c.account == nil && !v.before:
		return c.wrong("", "Log in first")
	case c.account != nil && !v.after:
		return c.wrong("", "Not after the login")
	case len(args) < v.min || len(args) > v.max:
		return c.wrong("", "Wrong number of arguments")
	}
	if c.account != nil {
		lasts, err := auth.Lasts(c.srv.group.Context(), c.srv.opt.Auth, c.account)
		if err != nil {
			return c.trouble("look after the login", err)
		}
		if !lasts {
			c.answer("BYE", "", "What you have logged in with is not good any more")
			return errLogout
		}
	}
	return v.run(c, args)
}

func (c *conn) logout([]argument) error {
	c.ok("Bye")
	return errLogout
}

func (c *conn) capability([]argument) error {
	c.capabilities()
	c.ok("That is all")
	return nil
}

func (c *conn) noop(args []argument) error {
	if len(args) == 0 {
		c.ok("Done")
		return nil
	}
	c.answer("OK", "TAG "+quote(args[0].text), "Done")
	return nil
}

func (c *conn) starttls([]argument) error {
	if !c.mayStartTLS() {
		return c.wrong("", "STARTTLS is not available")
	}
	c.ok("Begin TLS negotiation")
	if err := c.w.Flush(); err != nil {
		return err
	}
	// What the client sent in clear after the command is dropped with the old
	// reader (CVE-2011-0411).
	if err := c.startTLS(); err != nil {
		return err
	}
	c.capabilities() // RFC 5804 §2.2
	c.ok("TLS is active")
	return nil
}

func (c *conn) unauthenticate([]argument) error {
	c.account = nil
	c.log = c.srv.log.With("remote", c.raw.RemoteAddr().String())
	c.ok("Nobody is logged in")
	return nil
}

// authenticate is SASL (RFC 5804 §2.1).
func (c *conn) authenticate(args []argument) error {
	if !c.mayLogIn() {
		return c.wrong("ENCRYPT-NEEDED", "Use STARTTLS first")
	}
	exchange := auth.Start(c.srv.group.Context(), c.srv.opt.Auth, args[0].text, c.peer())
	if exchange == nil {
		return c.wrong("", "Unknown mechanism")
	}
	var response []byte // nil: none
	given := len(args) == 2
	line := ""
	if given {
		line = args[1].text
	}
	for {
		if given {
			if line == "*" {
				return c.wrong("", "Authentication cancelled")
			}
			var err error
			if response, err = base64.StdEncoding.DecodeString(line); err != nil {
				return c.wrong("", "The response is not base64")
			}
		}
		challenge, done, err := exchange.Next(response)
		if errors.Is(err, auth.ErrResponse) {
			return c.wrong("", "The response is not one of "+strings.ToUpper(args[0].text))
		}
		if done || err != nil {
			return c.loggedIn(exchange.Account(), err)
		}
		_, _ = c.w.WriteString(quote(base64.StdEncoding.EncodeToString(challenge)) + "\r\n") // an error comes back from the flush
		a, err := c.readResponse()
		var bad syntaxError
		if errors.As(err, &bad) {
			return c.wrong("", string(bad))
		}
		if err != nil {
			return err
		}
		line, given = a.text, true
	}
}

// readResponse reads what a client answers to a challenge.
func (c *conn) readResponse() (argument, error) {
	if err := c.w.Flush(); err != nil {
		return argument{}, err
	}
	if err := c.Allow(greeting); err != nil {
		return argument{}, err
	}
	a, err := readArgument(c.r)
	if err == nil {
		err = skipLine(c.r)
	}
	return a, err
}

// peer is the client as the authenticator wants to see it.
func (c *conn) peer() auth.Peer { return auth.PeerOn(c.raw, c.nc, auth.ServiceSieve) }

// loggedIn answers what has become of a login.
func (c *conn) loggedIn(account *store.Account, err error) error {
	switch {
	case errors.Is(err, auth.ErrInvalid):
		return c.loginFailed()
	case errors.Is(err, auth.ErrDisabled):
		// The password was right, so this tells nobody about foreign accounts.
		c.no("", "ManageSieve is not available for this account")
		return nil
	case errors.Is(err, auth.ErrBusy):
		c.no("TRYLATER", "Too many failed logins, try later")
		return nil
	case err != nil:
		return c.trouble("log in", err)
	}
	c.account, c.bad = account, 0
	c.log = c.log.With("account", account.Address)
	c.log.Info("managesieve: logged in", "tls", c.tls)
	c.ok("Logged in")
	return nil
}

// loginFailed answers a wrong login: the same for every reason.
func (c *conn) loginFailed() error {
	c.failed++
	c.log.Info("managesieve: wrong user or password", "failures", c.failed)
	c.no("", "Wrong user or password")
	if c.failed >= maxFailed {
		return errors.New("too many failed logins")
	}
	return nil
}

// done answers what the store has said.
func (c *conn) done(what string, err error) error {
	var full *store.ScriptLimitError
	switch {
	case err == nil:
		c.ok("Done")
	case errors.Is(err, store.ErrDeclared):
		c.no("", "The administrator has declared the script of this account, and it can only be changed there")
	case errors.Is(err, store.ErrNotFound):
		c.no("NONEXISTENT", "There is no such script")
	case errors.Is(err, store.ErrExists):
		c.no("ALREADYEXISTS", "There is a script of that name")
	case errors.Is(err, store.ErrScriptActive):
		c.no("ACTIVE", "The script is active")
	case errors.As(err, &full):
		c.no(full.Code, full.Error())
	case errors.Is(err, store.ErrScriptName):
		c.no("", "This is no name for a script")
	default:
		return c.trouble(what, err)
	}
	return nil
}

// trouble answers what is nobody's fault outside.
func (c *conn) trouble(what string, err error) error {
	c.log.Error("managesieve: "+what, "error", err)
	c.no("TRYLATER", "Temporary failure")
	return nil
}

func (c *conn) haveSpace(args []argument) error {
	n, err := strconv.ParseInt(args[1].text, 10, 64)
	if err != nil || args[1].quoted || n < 0 {
		return c.wrong("", "The size is no number")
	}
	return c.done("look for room", c.srv.opt.Store.ScriptRoom(c.srv.group.Context(), c.account.ID, args[0].text, n))
}

// check checks a script and answers what is wrong with it.
func (c *conn) check(text string) bool {
	if len(text) > sieve.MaxScript {
		c.no("QUOTA/MAXSIZE", "The script is too long")
		return false
	}
	if _, err := sieve.Parse(text); err != nil {
		c.no("", err.Error())
		return false
	}
	return true
}

func (c *conn) putScript(args []argument) error {
	if !c.check(args[1].text) {
		return nil
	}
	return c.done("store a script", c.srv.opt.Store.PutScript(c.srv.group.Context(), c.account.ID, args[0].text, args[1].text))
}

func (c *conn) checkScript(args []argument) error {
	if c.check(args[0].text) {
		c.ok("The script is in order")
	}
	return nil
}

func (c *conn) listScripts([]argument) error {
	list, err := c.srv.opt.Store.Scripts(c.srv.group.Context(), c.account.ID)
	if err != nil {
		return c.done("list the scripts", err)
	}
	for _, s := range list {
		active := ""
		if s.Active {
			active = " ACTIVE"
		}
		_, _ = c.w.WriteString(quote(s.Name) + active + "\r\n") // an error comes back from the flush
	}
	c.ok("That is all")
	return nil
}

func (c *conn) setActive(args []argument) error {
	return c.done("activate a script", c.srv.opt.Store.ActivateScript(c.srv.group.Context(), c.account.ID, args[0].text))
}

func (c *conn) getScript(args []argument) error {
	text, err := c.srv.opt.Store.ScriptText(c.srv.group.Context(), c.account.ID, args[0].text)
	if err == nil {
		_, _ = c.w.WriteString("{" + strconv.Itoa(len(text)) + "}\r\n" + text + "\r\n") // an error comes back from the flush
	}
	return c.done("read a script", err)
}

func (c *conn) deleteScript(args []argument) error {
	return c.done("delete a script", c.srv.opt.Store.DeleteScript(c.srv.group.Context(), c.account.ID, args[0].text))
}

func (c *conn) renameScript(args []argument) error {
	return c.done("rename a script", c.srv.opt.Store.RenameScript(c.srv.group.Context(), c.account.ID, args[0].text, args[1].text))
}
