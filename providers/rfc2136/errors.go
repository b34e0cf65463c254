package rfc2136

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrKey: one side does not accept the signature of the other.
	ErrKey = errors.New("the signature is not accepted")
	// ErrRefused: the server does not let us.
	ErrRefused = errors.New("the server refuses it")
	// ErrGone: the server cannot be reached, or went away before it had answered.
	ErrGone = errors.New("the server cannot be reached")
	// ErrIgnored: the server reports as done what it has not done.
	ErrIgnored = errors.New("the server says that it is done, and has ignored it")
	// ErrAnswer: an answer makes no sense.
	ErrAnswer = errors.New("the answer of the server makes no sense")
	// errNoZone: the server does not have the zone, or not as its primary.
	errNoZone = errors.New("the server is not authoritative for the zone")
	errFailed = errors.New("the server failed (SERVFAIL); its log says why")
)

// rcode is the error of an answer's code; nil for NOERROR.
func rcode(code int) error {
	switch code {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeRefused:
		return fmt.Errorf("%w (REFUSED)", ErrRefused)
	case dns.RcodeNotAuth:
		return fmt.Errorf("%w (NOTAUTH)", errNoZone)
	case dns.RcodeNotImplemented:
		return fmt.Errorf("%w: it does not know how to (NOTIMP)", ErrRefused)
	case dns.RcodeServerFailure:
		return errFailed
	case dns.RcodeFormatError:
		return errors.New("the server does not understand the message (FORMERR)")
	case dns.RcodeNotZone:
		return errors.New("the server says that a name lies outside the zone (NOTZONE)")
	}
	name := dns.RcodeToString[code]
	if name == "" {
		name = fmt.Sprint(code)
	}
	return fmt.Errorf("the server answers %s", name)
}
