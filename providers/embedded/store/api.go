// Package store keeps everything that the embedded daemon must not lose:
// accounts, routes, messages, the outbound queue, zones, keys.
//
// It is one SQL database: SQLite in the data directory. All SQL of mailform is
// in this package, in a form that PostgreSQL takes as well.
//
// Every method that changes something returns when the change is on disk.
// Changes that come together share one commit (group commit), so that many
// connections at once cost little more than one.
//
// Start at [Open]; [Store.Accept] is the way of a message into the store.
package store

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/providers/embedded/dsn"
)

// Errors that callers test for with errors.Is.
var (
	// ErrNotFound: no such account, mailbox, message.
	ErrNotFound = errors.New("not found")
	// ErrExists: a mailbox of that name exists already.
	ErrExists = errors.New("exists already")
	// ErrUnknownDomain: the domain is not one of ours (relaying).
	ErrUnknownDomain = errors.New("not a local domain")
	// ErrUnknownUser: the domain is ours, the address is not known.
	ErrUnknownUser = errors.New("no such user")
	// ErrMailDisabled: the account exists and takes no mail.
	ErrMailDisabled = errors.New("mail is disabled for this account")
	// ErrOverQuota: the message does not fit into the account's quota.
	ErrOverQuota = errors.New("over quota")
	// ErrNeverFits: the message is larger than the whole quota. It is an
	// ErrOverQuota, too.
	ErrNeverFits = fmt.Errorf("larger than the whole quota: %w", ErrOverQuota)
	// ErrTooLarge: a draft grew beyond its limit.
	ErrTooLarge = errors.New("message too large")
	// ErrRejected: the scripts of all that a message is for want none of it. The
	// error is a [*RejectedError].
	ErrRejected = errors.New("rejected")
	// ErrConflict: something is no longer as the caller saw it.
	ErrConflict = errors.New("changed meanwhile")
	// ErrLocked: another process has the data directory.
	ErrLocked = errors.New("data directory is in use")
)

// An Account is an open account.
type Account struct {
	ID int64
	// Address is lower-case, the domain in A-label form.
	Address string
	// PasswordHashes are the verifiers, as declared. Never log them.
	PasswordHashes []string
	// Quota in bytes; 0 means no limit.
	Quota int64
	// IMAP and POP3 say which protocols may read the mail.
	IMAP, POP3 bool
	// Scripted: a script sorts the mail.
	Scripted bool
	// Mail is "enabled", "disabled" or "forward".
	Mail string
	// Via is the app password that its owner has logged in with; nil: none.
	Via *AppPassword
}

// A Resolution is what became of one recipient.
type Resolution struct {
	// Accounts that get a copy, without duplicates, in order.
	Accounts []int64
	// Forwards are addresses elsewhere that get a copy.
	Forwards []string
	// Scripted are those of the accounts whose mail is sorted by a script.
	Scripted []int64
	// Limited says that one of the accounts has a quota.
	Limited bool
}

// Usage is what an account holds.
type Usage struct{ Messages, Bytes int64 }

// An Envelope is a message on its way into the store.
type Envelope struct {
	// Draft is the message with its trace fields (Return-Path, Received) on top.
	Draft *Draft
	// From is the reverse path; empty for <>.
	From string
	// Accounts that get the message in INBOX (or in Mailbox, if set and there).
	Accounts []int64
	Mailbox  string
	// SpecialUse sends it to the mailbox with that attribute (RFC 6154), where an
	// account has one, and where Mailbox does not say otherwise.
	SpecialUse string
	// Remote recipients: the message goes into the outbound queue for each.
	Remote []string
	// Senders are the reverse paths for Remote recipients, by their address, where
	// they differ from From: those of forwarded mail lead back here.
	Senders map[string]string
	// Hold is why the message waits in the queue for somebody to release it; empty:
	// it does not. Remote is then everybody it is for, those with an account here too.
	Hold string
	// RemoteDraft is what goes out to Remote recipients where that differs from
	// Draft (no Return-Path, DKIM-signed); nil: Draft itself.
	RemoteDraft *Draft
	// ID is the transaction's id, as in the Received field and the 250 answer.
	ID       string
	Received time.Time
	// Wishes say how the message is to be sent on.
	Wishes
	// Asked is what the sender asked to be told about Remote recipients, by their
	// address; those that are not there, nothing in particular.
	Asked map[string]dsn.Asked
	// Scripted are accounts whose mail is sorted by a script, each with the
	// recipient that led to it. The sorter of the store looks at them.
	Scripted map[int64]string
	// Login is the address of the account that had logged in; empty: nobody had.
	Login string
	// Sending counts for its sender, and is refused where it is too much; nil: it
	// does not.
	Sending *Sending
	// Sorted are places that go before Mailbox and SpecialUse, by account. An
	// account without any place in it keeps nothing.
	Sorted map[int64][]Place
	// Further messages go on their way with this one, in the same transaction.
	Further []*Envelope
	// Seal seals the message where a script sends it elsewhere; nil: it goes as it is.
	Seal Seal
	// Once: the message is left out where the account has sent its like already.
	Once *Once
	// Reports are delivered together with the message, all or nothing; those whose
	// recipient is gone are left out.
	Reports []*Envelope
}

// A Place is a mailbox of an account, and how a message comes into it.
type Place struct {
	// Mailbox is its name; empty: where mail goes that nobody sorts.
	Mailbox string
	// SpecialUse goes before Mailbox where there is such a mailbox.
	SpecialUse string
	// Create: it is made where it is missing. Otherwise the inbox takes its mail.
	Create bool
	Flags  []string
}

// Once says that something is told once in an interval.
type Once struct {
	Account  int64
	What     string // and to whom
	Interval time.Duration
}

// Wishes are what the sender of a message asks of every server on its way.
type Wishes struct {
	// Return is RET (RFC 3461 §4.3): "FULL", "HDRS" or empty.
	Return string
	// EnvelopeID is ENVID (RFC 3461 §4.4), decoded.
	EnvelopeID string
	// RequireTLS: the message goes only to servers that are known by their
	// certificates and promise the same (RFC 8689).
	RequireTLS bool
}

// SpecialUse values (RFC 6154) as a mailbox has them: `\Sent`, `\Drafts`, …
// Each new account gets INBOX, Sent, Drafts, Trash and Junk.

// A Mailbox is one folder of an account. Names use "/" as delimiter, UTF-8.
type Mailbox struct {
	ID, Account   int64
	Name          string
	UIDValidity   uint32
	UIDNext       uint32
	HighestModSeq uint64
	SpecialUse    string // `\Sent` or empty
	Subscribed    bool
	// Counts, as STATUS needs them (RFC 9051 §6.3.11).
	Messages, Unseen, Deleted int64
	Size                      int64
}

// A Message is one message of a mailbox, without its body.
type Message struct {
	UID    uint32
	ModSeq uint64
	// Size in bytes, as RFC822.SIZE.
	Size int64
	// Flags are system flags (`\Seen`) and keywords, each once, without \Recent.
	Flags    []string
	Internal time.Time // INTERNALDATE
	Body     int64     // for OpenBody
}

// FlagOp is how StoreFlags combines.
type FlagOp int

// Ways to combine flags (RFC 9051 §6.4.6).
const (
	FlagsSet FlagOp = iota
	FlagsAdd
	FlagsRemove
)

// A Body reads a stored message. Reading needs bounded memory whatever its size.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// A Change is what happened in a mailbox after some MODSEQ.
type MailboxChanges struct {
	// Changed holds new messages and those with other flags, by rising UID.
	Changed []Message
	// Vanished holds expunged UIDs, rising.
	Vanished []uint32
	ModSeq   uint64 // HIGHESTMODSEQ of this view
	UIDNext  uint32
	// Gone: the mailbox was deleted.
	Gone bool
}

// A QueueEntry is one message for one remote recipient.
type QueueEntry struct {
	ID       int64
	Envelope string // transaction id
	From, To string
	Body     int64
	Size     int64
	Created  time.Time
	Next     time.Time // next attempt
	Attempts int
	LastErr  string
	Held     bool
	Wishes
	Asked dsn.Asked
	// Warned: the sender has been told that the message waits.
	Warned bool
}

// A QueueResult is the outcome of one attempt.
type QueueResult struct {
	ID int64
	// Done: delivered, or failed for good (then Bounce may hold the report).
	Done bool
	// Next attempt, when not Done.
	Next time.Time
	Err  string
	// Warned: Bounce tells the sender that the message waits.
	Warned bool
	// Into is the message, where it goes into a mailbox of ours, committed together
	// with the result, whatever the quota.
	Into *Envelope
	// Bounce is committed together with the result; nil for none.
	Bounce *Envelope
}

// A DKIMKey is a signing key with its private part.
type DKIMKey struct {
	Domain, Selector, Algorithm string
	PrivatePEM                  []byte // PKCS #8; never log it
}

// A Zone is a zone as the name server needs it.
type Zone struct {
	Name             string // with trailing dot
	Serial           uint32
	Primary, Contact string
	Refresh, Retry   uint32
	Expire           uint32
	NegativeTTL      uint32
	RRsets           []RRset
}

// An RRset is one record set; Values as in the kind rrset.
type RRset struct {
	Name, Type string
	TTL        uint32
	Values     []string
}

// A Listener is a declared listener, as in the kind listener.
type Listener struct {
	Owner, Service, Hostname string
	Listen, ListenTLS        []string
}

// Setting holds the settings of a server, as in the kind setting. Key is the
// label of its block.
type Setting struct {
	Key                    string
	Hostname               string
	Addresses              []string
	MessageSizeLimit       int64
	Retention              time.Duration
	TLSCertificate, TLSKey string
	RelayHost              string
	Retry                  []time.Duration
}
