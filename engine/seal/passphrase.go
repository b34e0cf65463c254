package seal

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// MinPassphrase is how many bytes a passphrase has to have that seals.
const MinPassphrase = 16

// The second recommended set of RFC 9106 §4.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonSalt    = 16
)

// What a header may ask for, so that a forged one cannot take the machine down.
const (
	mostTime   = 16
	mostMemory = 256 << 10 // KiB
)

type passphraseHeader struct {
	Salt    []byte `json:"salt"`
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"` // KiB
	Threads uint8  `json:"threads"`
	Wrapped []byte `json:"wrapped"`
}

// settings are all but what is wrapped.
func (h *passphraseHeader) settings() string {
	return fmt.Sprintf("%x %d %d %d", h.Salt, h.Time, h.Memory, h.Threads)
}

func (h *passphraseHeader) valid() bool {
	return len(h.Salt) >= 8 && len(h.Salt) <= 64 && h.Time >= 1 && h.Time <= mostTime &&
		h.Memory >= 8 && h.Memory <= mostMemory && h.Threads >= 1
}

// A passphrase is a Key. Making a key of it is slow on purpose, so what was made
// is kept, and what was opened with it lends its salt to what is sealed after.
type passphrase struct {
	text []byte

	mu   sync.Mutex
	made map[string][]byte // by settings
	salt []byte            // of the last header that it has opened
}

// Passphrase is a key that is made of a passphrase.
func Passphrase(text string) Key {
	return &passphrase{text: []byte(text), made: map[string][]byte{}}
}

func (p *passphrase) make(h *passphraseHeader) []byte {
	s := h.settings()
	if p.made[s] == nil {
		p.made[s] = argon2.IDKey(p.text, h.Salt, h.Time, h.Memory, h.Threads, chacha20poly1305.KeySize)
	}
	return p.made[s]
}

func (p *passphrase) wrap(key []byte) (header, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.salt == nil {
		p.salt = make([]byte, argonSalt)
		rand.Read(p.salt) // never fails
	}
	h := &passphraseHeader{Salt: bytes.Clone(p.salt), Time: argonTime, Memory: argonMemory, Threads: argonThreads}
	var err error
	h.Wrapped, err = encrypt(p.make(h), key, nil)
	return header{Passphrase: h}, err
}

func (p *passphrase) unwrap(h header) ([]byte, error) {
	ph := h.Passphrase
	if ph == nil {
		return nil, errNotMine
	}
	if !ph.valid() {
		return nil, ErrDamaged
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := decrypt(p.make(ph), ph.Wrapped, nil)
	if err == nil && len(key) != chacha20poly1305.KeySize {
		err = ErrDamaged
	}
	if err == nil && p.salt == nil && len(ph.Salt) >= argonSalt {
		p.salt = ph.Salt
	}
	return key, err
}

func (p *passphrase) current(h header) bool {
	ph := h.Passphrase
	return ph != nil && ph.Time >= argonTime && ph.Memory >= argonMemory
}
