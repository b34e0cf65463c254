package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"github.com/mailform/mailform/providers/embedded/store"
)

// AppPasswords is an ability of a [Directory]: accounts have further passwords.
type AppPasswords interface {
	// AppPasswords lists those of an account, the ones that have expired, too.
	AppPasswords(ctx context.Context, account *store.Account) ([]store.AppPassword, error)
	// AppPasswordUsed notes that somebody has logged in with one.
	AppPasswordUsed(ctx context.Context, account int64, name string, when time.Time) error
}

// useResolution is how exactly it is known when an app password was last used: not
// each login is to write.
const useResolution = 5 * time.Minute

// secretAlphabet has no letters that are taken for others: 32 characters, 5 bits each.
const secretAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// NewAppPassword makes a password that nobody guesses, 120 bits, in groups of four
// as people copy it from a screen, and what is to be kept of it. A salted SHA-256 is
// enough: what takes a password that somebody has chosen a slow hash, takes this one
// its length.
//
// beside are the verifiers that the account has, of all its passwords. Where they are
// for SCRAM, or there are none, one for SCRAM comes with it. It has the salt of the
// others, which is handed out before it is known which password it will be.
func NewAppPassword(beside []string) (secret string, hashes []string, err error) {
	raw := make([]byte, 24)
	salt := make([]byte, saltLength)
	if _, err := rand.Read(raw); err != nil {
		return "", nil, err
	}
	if _, err := rand.Read(salt); err != nil {
		return "", nil, err
	}
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(secretAlphabet[c&31])
	}
	secret = b.String()
	digest := sha256.Sum256(append([]byte(secret), salt...))
	hashes = []string{"{SSHA256}" + base64.StdEncoding.EncodeToString(append(digest[:], salt...))}
	forSCRAM, ok := scramAmong(beside)
	switch {
	case ok:
		hash, err := hashSCRAM([]byte(secret), []byte(forSCRAM.Salt), forSCRAM.Iters)
		return secret, append(hashes, hash), err
	case len(beside) == 0:
		hash, err := HashSCRAM([]byte(secret))
		return secret, append(hashes, hash), err
	}
	return secret, hashes, nil
}

// An appVerifier is for SCRAM by an app password.
type appVerifier struct {
	stored   scram.StoredCredentials
	password *store.AppPassword
}

// verifiersOf are those that app passwords have.
func verifiersOf(apps []store.AppPassword) (list []appVerifier) {
	for i := range apps {
		if c, ok := scramAmong(apps[i].Hashes); ok {
			list = append(list, appVerifier{c, &apps[i]})
		}
	}
	return list
}

// appPasswords are those of an account that are good now. Nobody is asked about as
// somebody is.
func (a *Authenticator) appPasswords(ctx context.Context, account *store.Account, address string) ([]store.AppPassword, error) {
	dir, ok := a.dir.(AppPasswords)
	if !ok {
		return nil, nil
	}
	who := account
	if who == nil {
		who = &store.Account{Address: address} // no account has the ID 0
	}
	list, err := dir.AppPasswords(ctx, who)
	if err != nil {
		return nil, err
	}
	if account == nil {
		return nil, nil
	}
	now := a.clock.Now()
	return slices.DeleteFunc(list, func(p store.AppPassword) bool { return !p.Expires.IsZero() && !p.Expires.After(now) }), nil
}

// named finds an app password; nil for an empty name.
func named(apps []store.AppPassword, name string) *store.AppPassword {
	for i := range apps {
		if name != "" && apps[i].Name == name {
			return &apps[i]
		}
	}
	return nil
}

// verifyApp finds the app password that a password is; nil: it is none. They come
// before the account's own password: a directory that judges that one must not count
// theirs as wrong. All are compared, whichever it is.
func (a *Authenticator) verifyApp(ctx context.Context, account *store.Account, apps []store.AppPassword, password string) (*store.AppPassword, error) {
	if len(apps) == 0 || password == "" || len(password) > MaxPassword {
		return nil, nil
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var found *store.AppPassword
	for i := range apps {
		right, err := a.check(apps[i].Hashes, []byte(password))
		if err != nil {
			a.log.Error("auth: the hash of an app password cannot be used", "account", account.Address, "app_password", apps[i].Name, "error", err)
		}
		if right && found == nil {
			found = &apps[i]
		}
	}
	return found, nil
}

// enter lets the owner of an account in, where it and the app password may use the
// service, and notes the use.
func (a *Authenticator) enter(ctx context.Context, account *store.Account, via *store.AppPassword, service string) (*store.Account, error) {
	account, err := permit(account, service)
	if err != nil || via == nil {
		return account, err
	}
	if !slices.Contains(via.Services, service) {
		return nil, ErrDisabled
	}
	now := a.clock.Now()
	if dir, ok := a.dir.(AppPasswords); ok && now.Sub(via.Used) >= useResolution {
		// Who cannot be told of it can be let in.
		if err := dir.AppPasswordUsed(ctx, account.ID, via.Name, now); err != nil {
			a.log.Error("auth: note the use of an app password", "account", account.Address, "error", err)
		}
	}
	entered := *account
	entered.Via = via
	return &entered, nil
}

// Lasting is an ability of some [Logins]: they know what has become of a login.
type Lasting interface {
	Lasts(ctx context.Context, account *store.Account) (bool, error)
}

// Lasts reports whether what somebody has logged in with is still good. It does not
// say whether the account is still there.
func Lasts(ctx context.Context, l Logins, account *store.Account) (bool, error) {
	if m, ok := l.(Lasting); ok {
		return m.Lasts(ctx, account)
	}
	return true, nil
}

// Lasts implements [Lasting].
func (a *Authenticator) Lasts(ctx context.Context, account *store.Account) (bool, error) {
	if account.Via == nil {
		return true, nil
	}
	apps, err := a.appPasswords(ctx, account, account.Address)
	if err != nil {
		return false, err
	}
	p := named(apps, account.Via.Name)
	return p != nil && p.Is(account.Via), nil
}
