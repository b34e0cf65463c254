package auth

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"

	"github.com/mailform/mailform/providers/embedded/store"
)

// SCRAMPrefix is how a verifier for SCRAM-SHA-256 begins.
const SCRAMPrefix = "{SCRAM-SHA-256}"

// scramIterations are those of the verifiers that are made here. Clients have to
// do them, telephones too, and some refuse more than 65,536.
const scramIterations = 32768

// VerifierLister is an ability of a [Directory]: it says whether SCRAM can be
// offered.
type VerifierLister interface {
	SCRAM(ctx context.Context) (store.SCRAM, error)
}

// HashSCRAM makes a verifier for SCRAM-SHA-256, in the form of RFC 5803 as Dovecot
// writes it. Whoever steals it cannot log in by SCRAM, and has to guess the password
// as from any other hash.
func HashSCRAM(password []byte) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return hashSCRAM(password, salt, scramIterations)
}

func hashSCRAM(password, salt []byte, iterations int) (string, error) {
	switch {
	case len(password) == 0:
		return "", errors.New("the password is empty")
	case len(password) > MaxPassword:
		return "", fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	prepared, err := stringprep.SASLprep.Prepare(string(password))
	if err != nil || prepared == "" {
		// Without the error: it may show the password.
		return "", errors.New("the password holds characters that SASL does not permit (RFC 4013)")
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s%d,%s,%s,%s", SCRAMPrefix, iterations, encode(salt), encode(stored[:]), encode(keyed(salted, "Server Key"))), nil
}

// parseSCRAM reads a verifier for SCRAM-SHA-256.
func parseSCRAM(verifier string) (scram.StoredCredentials, error) {
	var c scram.StoredCredentials
	rest, ok := strings.CutPrefix(verifier, SCRAMPrefix)
	f := strings.Split(rest, ",")
	if !ok || len(f) != 4 {
		return c, ErrMalformed
	}
	var err error
	if c.Iters, err = parseIterations(f[0]); err != nil {
		return c, err
	}
	salt, err := decodeBase64(f[1], 1, 1024)
	if err != nil {
		return c, err
	}
	c.Salt = string(salt)
	if c.StoredKey, err = decodeBase64(f[2], sha256.Size, sha256.Size); err != nil {
		return c, err
	}
	c.ServerKey, err = decodeBase64(f[3], sha256.Size, sha256.Size)
	return c, err
}

// scramOf finds the verifier of an account.
func scramOf(account *store.Account) (scram.StoredCredentials, bool) {
	if account == nil {
		return scram.StoredCredentials{}, false
	}
	return scramAmong(account.PasswordHashes)
}

// scramAmong finds the verifier for SCRAM among those of a password.
func scramAmong(hashes []string) (scram.StoredCredentials, bool) {
	for _, h := range hashes {
		if c, err := parseSCRAM(h); err == nil {
			return c, true
		}
	}
	return scram.StoredCredentials{}, false
}

// nobody makes up a verifier that looks like the one of somebody, and is always
// the same for an address: a salt that changed would tell that there is nobody.
func nobody(address string, like store.SCRAM) scram.StoredCredentials {
	c := scram.StoredCredentials{KeyFactors: scram.KeyFactors{Iters: scramIterations}}
	length := saltLength
	if sample, err := parseSCRAM(like.Sample); err == nil {
		c.Iters, length = sample.Iters, len(sample.Salt)
	}
	var salt []byte
	for i := uint32(0); len(salt) < length; i++ {
		salt = append(salt, keyed(like.Key, "salt"+string(binary.BigEndian.AppendUint32(nil, i))+strings.ToLower(address))...)
	}
	c.Salt = string(salt[:length])
	c.StoredKey, c.ServerKey = keyed(like.Key, "stored"+address), keyed(like.Key, "server"+address)
	return c
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// channels are what a connection can be bound to, by the names of their types:
// tls-exporter (RFC 9266) and, up to TLS 1.2, tls-unique (RFC 5929 §3). Both are
// there only where the handshake is bound to its secrets: TLS 1.3, or the extended
// master secret (RFC 7627).
func channels(state *tls.ConnectionState) map[string]scram.ChannelBinding {
	if state == nil {
		return nil
	}
	found := map[string]scram.ChannelBinding{}
	if b, err := scram.NewTLSExporterBinding(state); err == nil {
		found[string(b.Type)] = b
		if len(state.TLSUnique) > 0 {
			b := scram.NewTLSUniqueBinding(state.TLSUnique)
			found[string(b.Type)] = b
		}
	}
	return found
}

// scramLogins are those SCRAM mechanisms that can be offered. It is offered only
// where everybody who can log in at all has a verifier for it: a client takes it
// when it is offered, and would not try another one after it has failed.
func (a *Authenticator) scramLogins(ctx context.Context, p Peer) (names []string, like store.SCRAM) {
	lister, ok := a.dir.(VerifierLister)
	if !ok {
		return nil, like
	}
	like, err := lister.SCRAM(ctx)
	if err != nil {
		a.log.Error("auth: ask who has verifiers for SCRAM", "error", err)
		return nil, like
	}
	if !like.Everybody {
		return nil, like
	}
	if len(channels(p.TLS)) > 0 {
		names = append(names, SCRAMPlus)
	}
	return append(names, SCRAM), like
}

// SASLMechanisms implements [Mechanic].
func (a *Authenticator) SASLMechanisms(ctx context.Context, p Peer) []string {
	names, _ := a.scramLogins(ctx, p)
	return names
}

// SASL implements [Mechanic].
func (a *Authenticator) SASL(ctx context.Context, mechanism string, p Peer) Exchange {
	switch mechanism {
	case SCRAM, SCRAMPlus:
		_, like := a.scramLogins(ctx, p)
		return &scramLogin{ctx: ctx, a: a, peer: p, bound: mechanism == SCRAMPlus, like: like}
	}
	return nil
}

// A scramLogin is one login by SCRAM.
type scramLogin struct {
	who
	ctx   context.Context
	a     *Authenticator
	peer  Peer
	bound bool
	like  store.SCRAM

	step    int
	talk    *scram.ServerConversation
	talks   []appTalk // the same about each app password
	keys    throttleKeys
	claimed *store.Account // who they say they are; nil: nobody
	proved  bool           // they are
	own     bool           // the account has a password beside its app passwords
	via     *store.AppPassword
	apps    []appVerifier
	trouble error // of looking for them
}

// maxSCRAM bounds what a client says, in bytes.
const maxSCRAM = 2048

// Next implements [Exchange].
func (x *scramLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && x.step == 0 {
		return []byte{}, false, nil // the client speaks first
	}
	if len(response) > maxSCRAM {
		return nil, false, ErrResponse
	}
	x.step++
	switch x.step {
	case 1:
		challenge, err = x.first(string(response))
		return challenge, false, err
	case 2:
		challenge, err = x.final(string(response))
		x.proved = err == nil
		return challenge, false, err
	case 3: // the server's proof was the challenge: RFC 4422 §4, additional data
		if len(response) > 0 || !x.proved {
			return nil, false, ErrResponse
		}
		x.account = x.claimed
		return nil, true, nil
	}
	return nil, false, ErrResponse
}

// An appTalk is the exchange as it is where the password is an app password.
type appTalk struct {
	talk *scram.ServerConversation
	via  *store.AppPassword
}

// first takes the name and hands out the salt.
func (x *scramLogin) first(response string) ([]byte, error) {
	nonce := rand.Text() // of all talks
	flag, _, _ := strings.Cut(response, ",")
	kind, binds := strings.CutPrefix(flag, "p=")
	if binds != x.bound {
		// The name of the mechanism and the message say different things: RFC 5802 §6.
		return nil, ErrResponse
	}
	there := channels(x.peer.TLS)
	binding, ok := there[kind]
	if binds && !ok {
		return nil, ErrResponse // a type of binding that is not had here
	}
	if !binds {
		// "y" says: I could bind, and you do not offer it. Where we do, somebody in
		// between has taken it out of the list.
		for _, b := range there {
			binding = b
		}
	}
	begin := func(find scram.CredentialLookup) (*scram.ServerConversation, error) {
		server, err := scram.SHA256.NewServer(find)
		if err != nil {
			return nil, err
		}
		server.WithNonceGenerator(func() string { return nonce })
		if binds {
			return server.NewConversationWithChannelBindingRequired(binding), nil
		}
		return server.NewConversationWithChannelBinding(binding), nil
	}
	var err error
	if x.talk, err = begin(x.lookUp); err != nil {
		return nil, err
	}
	challenge, err := x.talk.Step(response)
	switch {
	case x.trouble != nil:
		return nil, x.trouble
	case err != nil && strings.HasPrefix(response, "y,") && binding.IsSupported():
		return nil, ErrInvalid
	case err != nil:
		return nil, ErrResponse
	}
	for i, p := range x.apps {
		other, err := begin(func(string) (scram.StoredCredentials, error) { return p.stored, nil })
		if err != nil {
			return nil, err
		}
		if same, err := other.Step(response); err == nil && same == challenge {
			x.talks = append(x.talks, appTalk{other, x.apps[i].password})
		}
	}
	return []byte(challenge), nil
}

// lookUp finds the verifier of a user, or makes one up. Those who guess have to
// wait here, as they do with a password.
func (x *scramLogin) lookUp(user string) (scram.StoredCredentials, error) {
	account, err := x.a.dir.Account(x.ctx, user)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		x.trouble = fmt.Errorf("find account: %w", err)
		return scram.StoredCredentials{}, x.trouble
	}
	x.keys = x.a.throttleKeys(user, x.peer.Remote)
	if x.trouble = x.a.takeTurn(x.ctx, x.keys); x.trouble != nil {
		return scram.StoredCredentials{}, x.trouble
	}
	if err != nil {
		account = nil
	}
	apps, err := x.a.appPasswords(x.ctx, account, user)
	if err != nil {
		x.trouble = err
		return scram.StoredCredentials{}, x.trouble
	}
	made := nobody(user, x.like)
	c, ok := scramOf(account)
	x.apps = verifiersOf(apps)
	switch {
	case ok:
		x.own = true
	case len(x.apps) > 0:
		c = x.apps[0].stored // somebody who has no other password
	default:
		return made, nil
	}
	x.claimed = account
	return c, nil
}

// final takes the proof, and gives that of the server.
func (x *scramLogin) final(response string) ([]byte, error) {
	challenge, err := x.talk.Step(response)
	valid := x.own && err == nil && x.talk.Valid()
	for _, t := range x.talks { // all of them, whichever it is
		if c, err := t.talk.Step(response); err == nil && t.talk.Valid() && !valid {
			challenge, valid, x.via = c, true, t.via
		}
	}
	identity := x.talk.AuthzID()
	if !valid || x.claimed == nil || identity != "" && !strings.EqualFold(identity, x.talk.Username()) {
		x.a.throttle.failed(x.keys, x.a.clock.Now())
		return nil, ErrInvalid
	}
	if x.claimed, err = x.a.enter(x.ctx, x.claimed, x.via, x.peer.Service); err != nil {
		return nil, err
	}
	return []byte(challenge), nil
}
