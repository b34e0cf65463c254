package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// An ageHeader is an age file that holds the key, and whom it was made for.
type ageHeader struct {
	Recipients []string `json:"recipients"`
	File       []byte   `json:"file"`
}

// An ageKey seals for its recipients, and opens with its identities.
type ageKey struct {
	recipients []age.Recipient
	names      []string // of the recipients, sorted
	identities []age.Identity
}

// Age is a key that seals for recipients ("age1…") and opens with identities
// ("AGE-SECRET-KEY-…"). Each of the texts may hold several, a line each, with
// comments, as age's own files. Without recipients it seals for those whose the
// identities are. The error never repeats an identity.
func Age(recipients, identities []string) (Key, error) {
	k := &ageKey{}
	for _, text := range identities {
		ids, err := age.ParseIdentities(strings.NewReader(text))
		if err != nil {
			return nil, errors.New("an age identity is not one: it has lines that begin with AGE-SECRET-KEY-, as age-keygen writes them")
		}
		k.identities = append(k.identities, ids...)
	}
	for _, text := range recipients {
		if err := k.addRecipients(text); err != nil {
			return nil, err
		}
	}
	if len(k.recipients) == 0 {
		for _, id := range k.identities {
			k.addOwner(id)
		}
	}
	slices.Sort(k.names)
	k.names = slices.Compact(k.names)
	return k, nil
}

func (k *ageKey) addRecipients(text string) error {
	rs, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil {
		// A recipient is public; but what stands in its place may be an identity.
		if strings.Contains(strings.ToUpper(text), "AGE-SECRET-KEY-") {
			return errors.New("an age recipient is not one, but an identity, which is secret: recipients begin with age1")
		}
		return fmt.Errorf("an age recipient is not one: %.80q", text)
	}
	for _, r := range rs {
		k.recipients = append(k.recipients, r)
		k.names = append(k.names, fmt.Sprint(r))
	}
	return nil
}

// addOwner adds whose an identity is.
func (k *ageKey) addOwner(id age.Identity) {
	switch id := id.(type) {
	case *age.X25519Identity:
		k.recipients = append(k.recipients, id.Recipient())
		k.names = append(k.names, id.Recipient().String())
	case *age.HybridIdentity:
		k.recipients = append(k.recipients, id.Recipient())
		k.names = append(k.names, id.Recipient().String())
	}
}

func (k *ageKey) wrap(key []byte) (header, error) {
	var file bytes.Buffer
	w, err := age.Encrypt(&file, k.recipients...)
	if err == nil {
		_, err = w.Write(key)
	}
	if err == nil {
		err = w.Close()
	}
	return header{Age: &ageHeader{Recipients: k.names, File: file.Bytes()}}, err
}

func (k *ageKey) unwrap(h header) ([]byte, error) {
	if h.Age == nil || len(k.identities) == 0 {
		return nil, errNotMine
	}
	r, err := age.Decrypt(bytes.NewReader(h.Age.File), k.identities...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return nil, errNotMine
		}
		return nil, ErrDamaged
	}
	key, err := io.ReadAll(io.LimitReader(r, chacha20poly1305.KeySize+1))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, ErrDamaged
	}
	return key, nil
}

func (k *ageKey) current(h header) bool {
	return h.Age != nil && slices.Equal(h.Age.Recipients, k.names)
}
