package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// Errors of [Authenticator.Login] that callers test for with errors.Is. Any other
// error means that the question could not be answered now.
var (
	// ErrInvalid: no such user, wrong password, or no password set. Which one is
	// not told, also not by the time that the answer takes.
	ErrInvalid = errors.New("wrong user or password")
	// ErrDisabled: the password is right, and the account may not use the service.
	ErrDisabled = errors.New("the account may not use this service")
	// ErrBusy: so many logins from the peer's address have failed that this one
	// was not looked at. The client may try again later.
	ErrBusy = errors.New("too many failed logins from this address")
)

// Services that Login knows.
const (
	ServiceIMAP       = "imap"
	ServicePOP3       = "pop3"
	ServiceSubmission = "submission"
	// ServiceSieve is for those who may use IMAP, too.
	ServiceSieve = "managesieve"
)

// A Directory finds accounts. [store.Store] is one.
type Directory interface {
	// Account finds an account by its address in any letter case. The error is
	// store.ErrNotFound where there is none.
	Account(ctx context.Context, address string) (*store.Account, error)
}

// A Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until ctx ends, and returns the error of ctx then.
	Sleep(ctx context.Context, d time.Duration) error
}

// Options of an authenticator. The zero value is what a server wants.
type Options struct {
	// Clock replaces the time of the system.
	Clock Clock
	// Concurrency is how many passwords are hashed at once; 0: as many as there
	// are processors. Each may take some tens of MiB.
	Concurrency int
	// CacheSize is how many successful logins are remembered; 0: 16384. Remembered
	// ones need no hashing for CacheTTL; 0: 5 minutes. Below 0 nothing is
	// remembered.
	CacheSize int
	CacheTTL  time.Duration
	// ThrottleLoopback slows down peers on a loopback address as well.
	ThrottleLoopback bool
	// Log is told about accounts with hashes that cannot be read; nil: nobody is.
	Log *slog.Logger
}

const (
	defaultCacheSize = 16384
	defaultCacheTTL  = 5 * time.Minute
	// ldapCacheTTL is how long what a directory has said is remembered: it may have
	// another password by then.
	ldapCacheTTL = 30 * time.Second
)

// An Authenticator checks logins. It is safe for concurrent use.
type Authenticator struct {
	dir      Directory
	clock    Clock
	log      *slog.Logger
	loopback bool // throttle it
	slots    chan struct{}
	cacheTTL time.Duration
	recent   *expiring[cacheKey, string] // the name of the app password; empty: none
	throttle *throttle
	key      [32]byte
	// dummy is a hash that nobody knows the password of.
	dummy argon2Hash
	// check compares a password with verifiers: [Verify], but in tests.
	check func(hashes []string, password []byte) (bool, error)
}

// Sampler is an ability of a [Directory]: it has verifiers that somebody has.
type Sampler interface {
	// Sample returns the verifiers of one account, the same one for a number; nil
	// where nobody has any.
	Sample(ctx context.Context, n uint64) ([]string, error)
}

// New makes an authenticator over the accounts of dir.
func New(dir Directory, o Options) *Authenticator {
	a := &Authenticator{
		dir: dir, clock: o.Clock, log: o.Log,
		loopback: o.ThrottleLoopback,
		cacheTTL: o.CacheTTL,
		check:    Verify,
		dummy:    argon2Hash{argon2Params: defaultArgon2, salt: make([]byte, saltLength)},
	}
	if a.clock == nil {
		a.clock = systemClock{}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.NumCPU()
	}
	a.slots = make(chan struct{}, o.Concurrency)
	if o.CacheSize == 0 {
		o.CacheSize = defaultCacheSize
	}
	if a.cacheTTL <= 0 {
		a.cacheTTL = defaultCacheTTL
	}
	a.recent = newExpiring[cacheKey, string](o.CacheSize)
	a.throttle = newThrottle()
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(a.key[:])
	_, _ = rand.Read(a.dummy.salt)
	return a
}

// Login checks a password, or an app password, and returns the account. The service
// is "imap", "pop3", "managesieve" or "submission": the first two have to be among
// the protocols of the account, the third asks for IMAP, the last is for every
// account whose mail is not disabled.
//
// After some failures from one address, or for one account, each further try
// has to wait, for longer and longer; that is part of this call. remote may be
// nil; then only failures for the account count.
//
// Errors are [ErrInvalid], [ErrDisabled], [ErrBusy], those of the directory, and
// those of ctx.
func (a *Authenticator) Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error) {
	account, err := a.dir.Account(ctx, address)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find account: %w", err)
	}
	if err != nil {
		account = nil
	}
	apps, err := a.appPasswords(ctx, account, address)
	if err != nil {
		return nil, err
	}
	var key cacheKey
	if account != nil {
		key = a.cacheKey(account, apps, password)
		if name, ok := a.recent.get(key, a.clock.Now()); ok {
			return a.enter(ctx, account, named(apps, name), service)
		}
	}
	who := a.throttleKeys(address, remote)
	if err := a.takeTurn(ctx, who); err != nil {
		return nil, err
	}
	via, err := a.verifyApp(ctx, account, apps, password)
	right := via != nil
	if err == nil && !right {
		right, err = a.verify(ctx, account, address, password)
	}
	if err != nil {
		return nil, err
	}
	if !right {
		a.throttle.failed(who, a.clock.Now())
		return nil, ErrInvalid
	}
	now, ttl, name := a.clock.Now(), a.cacheTTL, ""
	switch {
	case via != nil:
		name = via.Name
	case slices.ContainsFunc(account.PasswordHashes, isLDAP):
		ttl = min(ttl, ldapCacheTTL)
	}
	a.recent.put(key, name, now.Add(ttl), now)
	return a.enter(ctx, account, via, service)
}

// takeTurn waits for as long as those have to who have guessed. Errors are
// [ErrBusy] and those of ctx.
func (a *Authenticator) takeTurn(ctx context.Context, who throttleKeys) error {
	wait, ok := a.throttle.wait(who, a.clock.Now())
	switch {
	case !ok:
		return ErrBusy
	case wait > 0:
		return a.clock.Sleep(ctx, wait)
	}
	return nil
}

// permit says whether an account whose owner is known may use a service.
func permit(account *store.Account, service string) (*store.Account, error) {
	allowed := false
	switch service {
	case ServiceIMAP, ServiceSieve:
		allowed = account.IMAP
	case ServicePOP3:
		allowed = account.POP3
	case ServiceSubmission:
		allowed = true
	default:
		return nil, fmt.Errorf("log in to %q: unknown service", service)
	}
	if !allowed || account.Mail == "disabled" {
		return nil, ErrDisabled
	}
	return account, nil
}

// verify checks the password of an account. For none, or one without a password, it
// does the work that somebody's password would take: verifiers of all schemes and
// costs are taken over from other servers, and how long it takes must not tell who
// has one. Where a directory judges, that comes on top, and holds up nobody else's.
func (a *Authenticator) verify(ctx context.Context, account *store.Account, address, password string) (bool, error) {
	if account == nil || len(account.PasswordHashes) == 0 {
		_, err := a.verifyHere(ctx, &store.Account{Address: address, PasswordHashes: a.somebodys(ctx, address)}, password)
		return false, err
	}
	if !slices.ContainsFunc(account.PasswordHashes, isLDAP) {
		return a.verifyHere(ctx, account, password)
	}
	here, there := *account, []string{}
	here.PasswordHashes = nil
	for _, h := range account.PasswordHashes {
		if isLDAP(h) {
			there = append(there, h)
		} else {
			here.PasswordHashes = append(here.PasswordHashes, h)
		}
	}
	if right, err := a.verifyHere(ctx, &here, password); right || err != nil {
		return right, err
	}
	right, err := Verify(there, []byte(password))
	switch {
	case right:
		return true, nil
	case errors.Is(err, ErrUnavailable):
		a.log.Error("auth: a directory does not judge a password", "account", account.Address, "error", err)
		return false, err
	case err != nil:
		a.log.Error("auth: a password hash cannot be used", "account", account.Address, "error", err)
	}
	return false, nil
}

// somebodys are verifiers of an account that is chosen by an address.
func (a *Authenticator) somebodys(ctx context.Context, address string) []string {
	s, ok := a.dir.(Sampler)
	if !ok {
		return nil
	}
	hashes, err := s.Sample(ctx, binary.BigEndian.Uint64(keyed(a.key[:], "sample"+strings.ToLower(address))))
	if err != nil {
		a.log.Error("auth: find the verifiers of anybody", "error", err)
	}
	return slices.DeleteFunc(hashes, isLDAP)
}

// verifyHere checks the password of an account by the hashes that it has.
func (a *Authenticator) verifyHere(ctx context.Context, account *store.Account, password string) (bool, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if len(account.PasswordHashes) == 0 || password == "" || len(password) > MaxPassword {
		a.dummy.derive(nil, digestLength)
		return false, nil
	}
	right, err := a.check(account.PasswordHashes, []byte(password))
	if err != nil {
		// To the outside this is a wrong password: another answer would tell that
		// the account exists.
		a.log.Error("auth: a password hash cannot be used", "account", account.Address, "error", err)
		a.dummy.derive([]byte(password), digestLength)
	}
	return right, nil
}

// A cacheKey stands for a successful login with these hashes and this password;
// with other hashes it is another key.
type cacheKey [sha256.Size]byte

func (a *Authenticator) cacheKey(account *store.Account, apps []store.AppPassword, password string) cacheKey {
	mac := hmac.New(sha256.New, a.key[:])
	write := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		mac.Write(n[:])
		mac.Write([]byte(s))
	}
	write(account.Address)
	write(password)
	for _, h := range account.PasswordHashes {
		write(h)
	}
	for _, p := range apps {
		write("app password")
		write(p.Name)
		for _, h := range p.Hashes {
			write(h)
		}
	}
	return cacheKey(mac.Sum(nil))
}

// throttleKeys says under whose name failures are counted.
func (a *Authenticator) throttleKeys(address string, remote net.Addr) throttleKeys {
	ip := sessions.Peer(remote)
	if ip.IsLoopback() && !a.loopback {
		return throttleKeys{}
	}
	k := throttleKeys{account: strings.ToLower(address)}
	if ip.IsValid() {
		k.peer = network(ip)
	}
	return k
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
