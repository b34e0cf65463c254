package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/schema/clients"
)

// clientFormats are those of "mailform clients".
var clientFormats = []string{"text", "json", "thunderbird", "outlook", "apple", "qr"}

// clients tells how mail programs are set up for a user, a domain, or all domains.
func (a *app) clients(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("clients", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	format := fs.String("format", "text", "text|json|thunderbird|outlook|apple|qr: for people, for programs, as autoconfig for Thunderbird and others, as an answer of Autodiscover, as a profile for iPhones and Macs (.mobileconfig), or as a QR code for Thunderbird on a telephone")
	out := fs.String("out", "", "FILE: write there, not to standard output; a QR code as an image (PNG)")
	var sign signing
	fs.BoolVar(&sign.server, "sign", false, "sign the profile for Apple with the certificate that the server has from files")
	fs.StringVar(&sign.cert, "sign-cert", "", "FILE: sign the profile for Apple with this certificate, in PEM, with its chain")
	fs.StringVar(&sign.key, "sign-key", "", "FILE: the key of that certificate, in PEM")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if !slices.Contains(clientFormats, *format) {
		return a.fail(unknownWord("format", *format, clientFormats))
	}
	if len(rest) == 0 && *format != "text" && *format != "json" {
		return a.fail(fmt.Errorf("mailform clients -format=%s is about one user or one domain: name an address, as alice@example.com, or a domain", *format))
	}
	if err := sign.check(*format); err != nil {
		return a.fail(err)
	}
	s, _, d, err := a.described(ctx, &o, "clients")
	if err != nil {
		return a.failed(err)
	}
	defer s.Close()
	setups, err := mailSetups(d, rest)
	if err != nil {
		return a.failed(err)
	}
	text, err := clientText(setups, *format, len(rest) == 0, *out != "")
	if err == nil && sign.wanted() {
		text, err = sign.sign(text, setups[0])
	}
	if err != nil {
		return a.failed(err)
	}
	if *out == "" {
		if _, err := a.stdout.Write(text); err != nil {
			return a.failed(err)
		}
	} else if err := os.WriteFile(*out, text, 0o644); err != nil {
		return a.failed(err)
	}
	for _, setup := range setups {
		for _, note := range setup.Notes {
			fmt.Fprintln(a.stderr, "Note: "+note)
		}
	}
	return exitOK
}

// mailSetups are the setups that arguments ask for.
func mailSetups(d *engine.Description, args []string) ([]*engine.MailSetup, error) {
	if len(args) == 0 {
		all, err := d.MailSetups()
		if err == nil && len(all) == 0 {
			err = errors.New("no domain of the files has its mail at a server of theirs")
		}
		return all, err
	}
	setup, err := d.MailSetup(args[0])
	if unknown := (*engine.UnknownAddressError)(nil); errors.As(err, &unknown) {
		hint := ""
		if s := suggest(unknown.Name, unknown.Known); s != "" {
			hint = fmt.Sprintf(". Did you mean %q?", s)
		}
		return nil, fmt.Errorf("%w%s", err, hint)
	}
	if err != nil {
		return nil, err
	}
	if setup.Authority, err = readAuthority(setup.AuthorityFile); err != nil {
		return nil, err
	}
	return []*engine.MailSetup{setup}, nil
}

// readAuthority is a certificate in DER; nil where there is none, as before the
// first apply and where the server is on another machine.
func readAuthority(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read %s: it holds no certificate", path)
	}
	return block.Bytes, nil
}

// clientText is what is printed of setups; all says that they are those of all domains,
// and file that it goes to a file.
func clientText(setups []*engine.MailSetup, format string, all, file bool) ([]byte, error) {
	switch format {
	case "json":
		if all {
			return indentedJSON(setups)
		}
		return indentedJSON(setups[0])
	case "thunderbird":
		return setups[0].Thunderbird()
	case "outlook":
		return setups[0].Outlook()
	case "apple":
		return setups[0].Apple()
	case "qr":
		code, err := setups[0].QR()
		switch {
		case err != nil:
			return nil, err
		case file:
			return code.PNG(), nil
		}
		return []byte(code.Text()), nil
	}
	var text []byte
	for i, s := range setups {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, s.Text()...)
	}
	return text, nil
}

// A signing is what signs a profile.
type signing struct {
	server    bool // the certificate of the server does
	cert, key string
}

func (s *signing) wanted() bool { return s.server || s.cert != "" || s.key != "" }

// check refuses options that do not go together.
func (s *signing) check(format string) error {
	switch {
	case !s.wanted():
		return nil
	case format != "apple":
		return fmt.Errorf("only the profile for Apple is signed: -format=apple, and not %s", format)
	case s.server && (s.cert != "" || s.key != ""):
		return errors.New("-sign takes the server's certificate, and -sign-cert another one: give one of them")
	case !s.server && (s.cert == "" || s.key == ""):
		return errors.New("-sign-cert and -sign-key belong together: a certificate and its key")
	}
	return nil
}

func (s *signing) sign(profile []byte, setup *engine.MailSetup) ([]byte, error) {
	certFile, keyFile := s.cert, s.key
	if s.server {
		if certFile, keyFile = setup.Certificate, setup.Key; certFile == "" {
			return nil, errors.New("the server has no certificate from files (a tls block), and nobody knows the one that it makes itself. Name one by -sign-cert and -sign-key")
		}
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate to sign with: %w", err)
	}
	return clients.Sign(profile, &cert)
}
