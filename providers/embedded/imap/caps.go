package imap

import (
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// Capabilities, as the state of the connection makes them true. Whatever stands
// here works as its RFC says; what works only in part does not stand here.
var (
	capsAlways = []string{
		"IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE",
	}
	capsLoggedIn = []string{
		"IDLE", "NAMESPACE", "UNSELECT", "UIDPLUS", "MOVE", "CHILDREN",
		"LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "CREATE-SPECIAL-USE",
		"ESEARCH", "SEARCHRES", "SORT", "SORT=DISPLAY", "ESORT", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "BINARY", "STATUS=SIZE", "CONDSTORE", "QRESYNC", "UTF8=ACCEPT",
		"QUOTA", "QUOTA=RES-STORAGE", "METADATA", "LIST-METADATA", "ACL", "RIGHTS=kxte",
	}
)

// capabilities returns the list for CAPABILITY and for response codes.
func (c *conn) capabilities() string {
	caps := append([]string(nil), capsAlways...)
	if c.account != nil {
		caps = append(caps, capsLoggedIn...)
		caps = append(caps, "APPENDLIMIT="+strconv.FormatInt(c.srv.messageSize(), 10))
		return strings.Join(caps, " ")
	}
	if c.canStartTLS() {
		caps = append(caps, "STARTTLS")
	}
	if c.mayAuthenticate() {
		for _, m := range auth.Mechanisms(c.srv.group.Context(), c.srv.opt.Auth, c.peer()) {
			caps = append(caps, "AUTH="+m)
		}
	} else {
		caps = append(caps, "LOGINDISABLED")
	}
	return strings.Join(caps, " ")
}

func (c *conn) canStartTLS() bool {
	return c.srv.opt.TLS != nil && !c.tls && c.account == nil
}

// mayAuthenticate says whether a password may be sent over this connection.
func (c *conn) mayAuthenticate() bool {
	switch {
	case c.tls, c.srv.opt.InsecureAuth == InsecureAuthAlways:
		return true
	case c.srv.opt.InsecureAuth == InsecureAuthLoopback:
		return c.loopback
	}
	return false
}
