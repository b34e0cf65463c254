package seal

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Keyring seals with one key and opens with several. A nil Keyring, and one
// without Key, seals nothing: what it is given comes back as it is.
type Keyring struct {
	// Key seals, and opens what it has sealed.
	Key Key
	// Fallback are keys that open what was sealed before. Nothing new is sealed
	// with them.
	Fallback []Key
	// Enforced refuses what is not sealed.
	Enforced bool
}

// A Key wraps the keys of pieces. Passphrase and age keys are such.
type Key interface {
	// wrap puts the key of a piece into its header.
	wrap(key []byte) (header, error)
	// unwrap takes it out again. errNotMine: another key has wrapped it.
	unwrap(h header) ([]byte, error)
	// current reports whether wrapping for h would be for the same readers.
	current(h header) bool
}

var errNotMine = errors.New("another key has sealed it")

// What a piece is.
const (
	State = "state" // a whole state
	Write = "write" // one write to a journal
	Plan  = "plan"  // a saved plan
)

// A Place is what a piece is bound to.
type Place struct {
	What    string
	Lineage string
	Serial  uint64
}

// Errors that can be tested for.
var (
	// ErrNoKey is the error for a sealed piece where there are no keys at all.
	ErrNoKey = errors.New("it is encrypted, and no block encryption says with what key")
	// ErrWrongKey is the error where none of the keys opens a piece.
	ErrWrongKey = errors.New("it is encrypted with another key than those of the block encryption")
	// ErrPlain is the error for what is not sealed where that is enforced.
	ErrPlain = errors.New("it is not encrypted, and the block encryption has enforced = true")
	// ErrDamaged is the error for a piece that is not as it was sealed.
	ErrDamaged = errors.New("its encrypted content is damaged, or was changed by someone without the key")
	// ErrVersion is the error for a piece that a later version has sealed.
	ErrVersion = errors.New("it was encrypted by a later version of mailform")
)

const format = 1

// A piece as it is kept.
type piece struct {
	Format  int    `json:"mailform_sealed"`
	What    string `json:"what"`
	Lineage string `json:"lineage"`
	Serial  uint64 `json:"serial"`
	Key     header `json:"key"`
	Data    []byte `json:"data"`
}

// A header says what wraps the key of a piece; one of its fields is set.
type header struct {
	Passphrase *passphraseHeader `json:"passphrase,omitempty"`
	Age        *ageHeader        `json:"age,omitempty"`
}

// start is how each sealed piece begins.
var start = []byte(`{"mailform_sealed":`)

// Sealed reports whether data is a sealed piece, as far as its beginning tells.
func Sealed(data []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), start) }

// Seals reports whether what the keyring is given becomes unreadable.
func (k *Keyring) Seals() bool { return k != nil && k.Key != nil }

// Seal encrypts for a place. The same content never makes the same bytes.
func (k *Keyring) Seal(at Place, plain []byte) ([]byte, error) {
	if !k.Seals() {
		return plain, nil
	}
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key) // never fails
	h, err := k.Key.wrap(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err == nil {
		_, err = z.Write(plain)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	data, err := encrypt(key, packed.Bytes(), at.bytes())
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return json.Marshal(piece{format, at.What, at.Lineage, at.Serial, h, data})
}

// Open decrypts a piece and says what place it was sealed for; the caller has
// to compare that with where it was found. What is not sealed comes back as it
// is, for no place. Current is false where sealing it now would be another way:
// with another key, for other recipients, or not at all.
func (k *Keyring) Open(data []byte) (plain []byte, at Place, current bool, err error) {
	if !Sealed(data) {
		if k != nil && k.Enforced {
			return nil, Place{}, false, ErrPlain
		}
		return data, Place{}, !k.Seals(), nil
	}
	var p piece
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, Place{}, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if p.Format > format {
		return nil, Place{}, false, ErrVersion
	}
	if k == nil || k.Key == nil && len(k.Fallback) == 0 {
		return nil, Place{}, false, ErrNoKey
	}
	key, current, err := k.unwrap(p.Key)
	if err != nil {
		return nil, Place{}, false, err
	}
	at = Place{p.What, p.Lineage, p.Serial}
	packed, err := decrypt(key, p.Data, at.bytes())
	if err != nil {
		return nil, Place{}, false, ErrDamaged
	}
	plain, err = io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		return nil, Place{}, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return plain, at, current, nil
}

// unwrap finds the key that opens a header.
func (k *Keyring) unwrap(h header) (key []byte, current bool, err error) {
	if k.Key != nil {
		key, err = k.Key.unwrap(h)
		if err == nil {
			return key, k.Key.current(h), nil
		}
		if !errors.Is(err, errNotMine) {
			return nil, false, err
		}
	}
	for _, old := range k.Fallback {
		key, err := old.unwrap(h)
		if err == nil {
			return key, false, nil
		}
		if !errors.Is(err, errNotMine) {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("%w%s", ErrWrongKey, h.hint())
}

// hint says what would open a header.
func (h header) hint() string {
	switch {
	case h.Passphrase != nil:
		return ": it wants the passphrase that it was encrypted with"
	case h.Age != nil && len(h.Age.Recipients) > 0:
		return fmt.Sprintf(": it wants an age identity of %s", orList(h.Age.Recipients))
	default:
		return ""
	}
}

func orList(names []string) string {
	const most = 3
	out := ""
	for i, n := range names {
		switch {
		case i == most:
			return fmt.Sprintf("%s or %d more", out, len(names)-most)
		case i > 0:
			out += " or "
		}
		out += n
	}
	return out
}

// bytes are what is authenticated with a piece. No part can hold a NUL in what
// mailform writes, so no two places have the same.
func (p Place) bytes() []byte {
	return fmt.Appendf(nil, "mailform sealed %d\x00%s\x00%s\x00%d", format, p.What, p.Lineage, p.Serial)
}

// encrypt puts the nonce before the ciphertext.
func encrypt(key, plain, bound []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(out) // never fails
	return aead.Seal(out, out, plain, bound), nil
}

func decrypt(key, data, bound []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	if len(data) < aead.NonceSize() {
		return nil, errNotMine
	}
	plain, err := aead.Open(nil, data[:aead.NonceSize()], data[aead.NonceSize():], bound)
	if err != nil {
		return nil, errNotMine
	}
	return plain, nil
}
