package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/seal"
	"github.com/zclconf/go-cty/cty"
)

// Keyring holds the keys that the module's block encryption names. It is nil
// where there is no such block.
func (w *Workspace) Keyring(module *config.Module, opts config.Options) (*seal.Keyring, hcl.Diagnostics) {
	e, diags := module.Encryption(opts)
	if e == nil || diags.HasErrors() {
		return nil, diags
	}
	keys, err := w.keyring(e, opts.Environ)
	if err != nil {
		return nil, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "The block encryption cannot be used",
			Detail:   fmt.Sprintf("It says with what to encrypt, and that cannot be done: %s.", err),
			Subject:  &e.Range,
		})
	}
	return keys, diags
}

func (w *Workspace) keyring(e *config.Encryption, environ []string) (*seal.Keyring, error) {
	main, err := w.keySource(e.Value)
	if err != nil {
		return nil, err
	}
	plain := backendBool(e.Value, "plain", false)
	if !plain {
		if err := main.environ(environ); err != nil {
			return nil, err
		}
	}
	keys := &seal.Keyring{Enforced: backendBool(e.Value, "enforced", false)}
	switch {
	case plain && (keys.Enforced || main.passphrase != "" || main.age()):
		return nil, errors.New("plain = true encrypts nothing, so that enforced and a key do not go with it; keys to read with stand in blocks fallback")
	case plain && len(e.Fallbacks) == 0:
		return nil, errors.New("plain = true needs a block fallback with the key that what is encrypted is read with")
	case plain:
	case main.passphrase != "" && main.age():
		return nil, errors.New("there are a passphrase and age keys, and one of them has to be what new states are encrypted with; the other can stand in a block fallback")
	case main.passphrase != "":
		if len(main.passphrase) < seal.MinPassphrase {
			return nil, fmt.Errorf("the passphrase has %d bytes, and needs at least %d", len(main.passphrase), seal.MinPassphrase)
		}
		keys.Key = seal.Passphrase(main.passphrase)
	case main.age():
		if len(main.identities) == 0 {
			return nil, errors.New("there are age recipients, and no identity to read with what is encrypted for them: set identities or identity_file, or MF_ENCRYPTION_IDENTITY in the environment")
		}
		if keys.Key, err = seal.Age(main.recipients, main.identities); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("it names no key: set passphrase, or recipients and identities, or MF_ENCRYPTION_PASSPHRASE in the environment")
	}
	for _, v := range e.Fallbacks {
		old, err := w.keySource(v)
		if err != nil {
			return nil, err
		}
		if old.passphrase == "" && !old.age() {
			return nil, errors.New("a block fallback names no key: set passphrase or identities in it")
		}
		if old.passphrase != "" {
			keys.Fallback = append(keys.Fallback, seal.Passphrase(old.passphrase))
		}
		if old.age() {
			key, err := seal.Age(nil, old.identities)
			if err != nil {
				return nil, err
			}
			keys.Fallback = append(keys.Fallback, key)
		}
	}
	return keys, nil
}

// A keySource is what a key is made of.
type keySource struct {
	passphrase             string
	recipients, identities []string // each may hold several lines
}

func (s *keySource) age() bool { return len(s.recipients)+len(s.identities) > 0 }

func (w *Workspace) keySource(v cty.Value) (keySource, error) {
	var s keySource
	var err error
	file := func(name string) (string, bool) {
		if err != nil || !v.Type().HasAttribute(name) {
			return "", false
		}
		path := backendText(v, name)
		if path == "" {
			return "", false
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.Dir, path)
		}
		data, rerr := os.ReadFile(path)
		if rerr != nil {
			err = fmt.Errorf("%s cannot be read: %w", name, rerr)
		}
		return string(data), rerr == nil
	}
	s.passphrase = backendText(v, "passphrase")
	if text, ok := file("passphrase_file"); ok {
		if s.passphrase != "" {
			return s, errors.New("passphrase and passphrase_file exclude each other")
		}
		s.passphrase = strings.TrimRight(text, "\r\n")
		if s.passphrase == "" {
			return s, errors.New("the file of passphrase_file is empty")
		}
	}
	s.recipients = texts(v, "recipients")
	if text, ok := file("recipients_file"); ok {
		s.recipients = append(s.recipients, text)
	}
	s.identities = texts(v, "identities")
	if text, ok := file("identity_file"); ok {
		s.identities = append(s.identities, text)
	}
	return s, err
}

// environ takes from the environment what is missing.
func (s *keySource) environ(environ []string) error {
	if s.passphrase != "" || len(s.identities) > 0 {
		return nil
	}
	if len(s.recipients) == 0 {
		if s.passphrase = fromEnviron(environ, "MF_ENCRYPTION_PASSPHRASE"); s.passphrase != "" {
			return nil
		}
	}
	identity := fromEnviron(environ, "MF_ENCRYPTION_IDENTITY")
	if path := fromEnviron(environ, "MF_ENCRYPTION_IDENTITY_FILE"); identity == "" && path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("MF_ENCRYPTION_IDENTITY_FILE cannot be read: %w", err)
		}
		identity = string(data)
	}
	if identity != "" {
		s.identities = []string{identity}
	}
	return nil
}

// texts is an argument that is a list of strings; nil where it is null.
func texts(obj cty.Value, name string) []string {
	if !obj.Type().HasAttribute(name) {
		return nil
	}
	v, _ := obj.GetAttr(name).UnmarkDeep()
	if v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out
}
