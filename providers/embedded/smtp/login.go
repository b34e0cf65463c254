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
	errAuthInTx  = reply(503, 5, 5, 1, "AUTH is not allowed in a transaction")
)

// AuthMechanisms implements gosmtp.AuthSession. Nothing is offered before TLS
// (RFC 8314 §3, RFC 4954 §9).
func (s *session) AuthMechanisms() []string {
	if s.srv.o.Mode != Submission || s.w.tls == nil {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
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
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return s.failed()
			}
			return s.login(user, password)
		}), nil
	case sasl.Login:
		return &loginServer{check: s.login}, nil
	}
	return nil, errMechanism
}

// login checks a password. An unknown user, a wrong password and a closed
// account look the same from outside. The authenticator slows down those who
// guess; here a connection has only so many tries.
func (s *session) login(user, password string) error {
	account, err := s.srv.o.Auth.Login(s.srv.group.Context(), user, password, "submission", s.w.RemoteAddr())
	switch {
	case err == nil:
		s.account = account
		return nil
	case errors.Is(err, auth.ErrInvalid), errors.Is(err, auth.ErrDisabled):
		s.srv.o.Logger.Info("login failed", "service", "submission", "remote", s.w.RemoteAddr().String())
		return s.failed()
	case errors.Is(err, auth.ErrBusy):
		s.w.hangUp(replyLogins)
		return errAuthLater
	}
	s.srv.o.Logger.Error("smtp: login", "remote", s.w.RemoteAddr().String(), "error", err)
	return errAuthLater
}

// failed counts a failed login, and in the end hangs up.
func (s *session) failed() error {
	if s.w.logins++; s.w.logins >= s.w.limits.LoginAttempts {
		s.w.hangUp(replyLogins)
	}
	return errRejected
}

// loginServer is the server side of LOGIN (draft-murchison-sasl-login), which
// old clients still use. The user name may come with the command.
type loginServer struct {
	check  func(user, password string) error
	user   string
	asking int // 0: nothing yet, 1: the user, 2: the password
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch l.asking {
	case 0:
		if response == nil {
			l.asking = 1
			return []byte("Username:"), false, nil
		}
		fallthrough
	case 1:
		l.user, l.asking = string(response), 2
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(l.user, string(response))
	}
}
