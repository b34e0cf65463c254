package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// MaxSize bounds what a file of values is once it is open, in bytes.
const MaxSize = 64 << 20

// Errors that can be tested for.
var (
	// ErrNoKey is the error where none of the keys opens a file.
	ErrNoKey = errors.New("there is no age key here that opens it")
	// ErrDamaged is the error for a file that is not as it was encrypted.
	ErrDamaged = errors.New("it is damaged, or was changed by someone without the key")
)

// Sources are the variables of the environment that keys come from. Those that
// end in _FILE name a file.
var Sources = []string{"MF_AGE_KEY", "MF_AGE_KEY_FILE", "SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"}

// Identities are the keys that an environment gives, as os.Environ has it: those
// of Sources, and the file where SOPS looks for them by itself. An error names
// the variable, and never holds what it is set to.
func Identities(environ []string) ([]age.Identity, error) {
	env := map[string]string{}
	for _, kv := range environ {
		if key, value, ok := strings.Cut(kv, "="); ok {
			env[key] = value
		}
	}
	var all []age.Identity
	for _, name := range Sources {
		text := env[name]
		if text == "" {
			continue
		}
		if strings.HasSuffix(name, "_FILE") {
			b, err := os.ReadFile(text)
			if err != nil {
				return nil, fmt.Errorf("the file that %s names cannot be read: %w", name, withoutPath(err))
			}
			text = string(b)
		}
		ids, err := age.ParseIdentities(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s gives no age key: one is a line that begins with AGE-SECRET-KEY-, as age-keygen writes it", name)
		}
		all = append(all, ids...)
	}
	ids, err := ownIdentities(env)
	return append(all, ids...), err
}

// ownIdentities are those that the sops program keeps for a user.
func ownIdentities(env map[string]string) ([]age.Identity, error) {
	dir := env["XDG_CONFIG_HOME"]
	if dir == "" && env["HOME"] != "" {
		dir = filepath.Join(env["HOME"], ".config")
	}
	if dir == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "sops", "age", "keys.txt"))
	if err != nil { // nobody has asked for this file
		return nil, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return nil, errors.New("the file sops/age/keys.txt among your settings holds something else than age keys")
	}
	return ids, nil
}

func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// Age opens what age has encrypted, armored or not. Errors: ErrNoKey, ErrDamaged,
// or one that says what the file is instead.
func Age(src []byte, ids []age.Identity) ([]byte, error) {
	var r io.Reader = bytes.NewReader(src)
	switch trimmed := bytes.TrimLeft(src, " \t\r\n"); {
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		r = armor.NewReader(r)
	case !bytes.HasPrefix(src, []byte("age-encryption.org/")):
		return nil, errors.New("it is not encrypted by age, which its name says")
	}
	if len(ids) == 0 {
		return nil, ErrNoKey
	}
	plain, err := age.Decrypt(r, ids...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return nil, ErrNoKey
		}
		return nil, ErrDamaged
	}
	out, err := io.ReadAll(io.LimitReader(plain, MaxSize+1))
	switch {
	case err != nil:
		return nil, ErrDamaged
	case len(out) > MaxSize:
		return nil, fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
	}
	return out, nil
}
