package smtp

import (
	"errors"

	"github.com/emersion/go-sasl"

	"github.com/mailform/mailform/providers/embedded/auth"
)

var (
	errNoAuth    = reply(503, 5, 5, 1, "Authentication is not offered here")
	errEncrypt   = reply(538, 5, 7, 11, "Encryption required for authentication")
	errMechanism = reply(504, 5, 5, 4, "Unknown authentication mechanism")
	errRejected  = reply(535, 5, 7, 8, "Authentication credentials invalid")
	errAuthLater = reply(454, 4, 7, 0, "Temporary authentication failure")
	errResponse  = reply(501, 5, 5, 2, "Malformed authentication response")
	errAuthInTx  = reply(503, 5, 5, 1, "AUTH is not allowed in a transaction")
)

// AuthMechanisms implements gosmtp.AuthSession. Nothing is offered before TLS
// (RFC 8314 §3, RFC 4954 §9).
func (s *session) AuthMechanisms() []string {
	if s.srv.o.Mode != Submission || s.w.tls == nil {
		return nil
	}
	return auth.Mechanisms(s.srv.group.Context(), s.srv.o.Auth, s.peer())
}

// Auth implements gosmtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case s.srv.o.Mode != Submission:
		return nil, errNoAuth
	case s.w.tls == nil:
		return nil, errEncrypt
	case s.current() != nil:
		return nil, errAuthInTx
	}
	exchange := auth.Start(s.srv.group.Context(), s.srv.o.Auth, mechanism, s.peer())
	if exchange == nil {
		return nil, errMechanism
	}
	return &login{Exchange: exchange, s: s}, nil
}

// peer is the client as the authenticator wants to see it.
func (s *session) peer() auth.Peer {
	return auth.Peer{Service: auth.ServiceSubmission, Remote: s.w.RemoteAddr(), TLS: s.w.tls, Old: true}
}

// A login is one exchange of a session.
type login struct {
	auth.Exchange
	s *session
}

// Next implements sasl.Server. An unknown user, a wrong password and a closed
// account look the same from outside. The authenticator slows down those who
// guess; here a connection has only so many tries.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	s := l.s
	challenge, done, err = l.Exchange.Next(response)
	switch {
	case err == nil:
		if done {
			s.account = l.Account()
		}
		return challenge, done, nil
	case errors.Is(err, auth.ErrResponse):
		return nil, false, errResponse
	case errors.Is(err, auth.ErrInvalid), errors.Is(err, auth.ErrDisabled):
		s.srv.o.Logger.Info("login failed", "service", "submission", "remote", s.w.RemoteAddr().String())
		return nil, false, s.failed()
	case errors.Is(err, auth.ErrBusy):
		s.w.hangUp(replyLogins)
		return nil, false, errAuthLater
	}
	s.srv.o.Logger.Error("smtp: login", "remote", s.w.RemoteAddr().String(), "error", err)
	return nil, false, errAuthLater
}

// failed counts a failed login, and in the end hangs up.
func (s *session) failed() error {
	if s.w.logins++; s.w.logins >= s.w.limits.LoginAttempts {
		s.w.hangUp(replyLogins)
	}
	return errRejected
}

// lookAfterLogin forgets a login whose app password was taken away.
func (s *session) lookAfterLogin() error {
	if s.account == nil {
		return nil
	}
	lasts, err := auth.Lasts(s.srv.group.Context(), s.srv.o.Auth, s.account)
	if err != nil {
		return s.internal("look after the login", err)
	}
	if !lasts {
		s.account = nil
	}
	return nil
}
