package clients

import (
	"encoding/json"
	"fmt"
	"strings"

	"rsc.io/qr"
)

// What Thunderbird's "Export for Mobile" calls things (format version 1).
const (
	mobileIMAP, mobilePOP3, mobileSMTP = 0, 1, 0
	mobileSTARTTLS, mobileTLS          = 2, 3
	mobilePassword                     = 1
)

// Mobile is the setup of a user as Thunderbird for Android and for iOS take an account
// over from a desktop: what it reads out of a QR code. The error may be an
// [IncompleteError].
func (s *Setup) Mobile() (string, error) {
	if err := s.complete(); err != nil {
		return "", err
	}
	if s.Address == "" {
		return "", fmt.Errorf("a QR code is for one user, and %s is a domain", s.Domain)
	}
	for _, r := range s.Address {
		if r > '~' {
			return "", fmt.Errorf("what a QR code says to Thunderbird can only be in ASCII, and %s is not", s.Address)
		}
	}
	server := func(protocol int, d Door) []any {
		security := mobileSTARTTLS
		if d.TLS {
			security = mobileTLS
		}
		return []any{protocol, d.Host, d.Port, security, mobilePassword, s.Address}
	}
	in, out := s.Incoming()[0], s.Outgoing()[0]
	protocol := mobileIMAP
	if in.Service == "pop3" {
		protocol = mobilePOP3
	}
	text, err := json.Marshal([]any{
		1, []int{1, 1}, // the first code of one
		server(protocol, in),
		[]any{[]any{server(mobileSMTP, out), []string{s.Address, s.Address}}},
	})
	return string(text), err
}

// A Code is a QR code.
type Code struct{ code *qr.Code }

// QR is the code that says [Setup.Mobile] to a telephone.
func (s *Setup) QR() (*Code, error) {
	text, err := s.Mobile()
	if err != nil {
		return nil, err
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("make a QR code of %d bytes: %w", len(text), err)
	}
	return &Code{code}, nil
}

// PNG is the code as an image.
func (c *Code) PNG() []byte { return c.code.PNG() }

// margin is how many light modules have to be around a code (ISO/IEC 18004 §9.1).
const margin = 4

// Text is the code as blocks, two modules in a character: what is light has a block,
// so that it is right where letters are lighter than what is behind them, as on
// most terminals.
func (c *Code) Text() string {
	light := func(x, y int) bool {
		inside := x >= 0 && y >= 0 && x < c.code.Size && y < c.code.Size
		return !inside || !c.code.Black(x, y)
	}
	var b strings.Builder
	for y := -margin; y < c.code.Size+margin; y += 2 {
		for x := -margin; x < c.code.Size+margin; x++ {
			above, below := light(x, y), y+1 < c.code.Size+margin && light(x, y+1)
			switch {
			case above && below:
				b.WriteRune('█')
			case above:
				b.WriteRune('▀')
			case below:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
