package store

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

var errStub = errors.New("store: not built yet")

// Options say how a store is opened.
type Options struct {
	// ReadOnly opens the store where it lies, without the lock of its owner; it
	// may be one that a daemon is using. Nothing is created or changed.
	ReadOnly bool
}

// A Store is an open database. Its methods may be called from any goroutine.
type Store struct{}

// Open opens the store in a data directory.
func Open(ctx context.Context, dir string, o Options) (*Store, error) { return nil, errStub }

// Close waits for the writer and closes the database.
func (s *Store) Close() error { return errStub }

func (s *Store) Account(ctx context.Context, address string) (*Account, error) { return nil, errStub }
func (s *Store) AccountByID(ctx context.Context, id int64) (*Account, error)   { return nil, errStub }
func (s *Store) Resolve(ctx context.Context, rcpt string) (Resolution, error) {
	return Resolution{}, errStub
}
func (s *Store) LocalDomain(ctx context.Context, name string) (bool, error) { return false, errStub }
func (s *Store) AddressesOf(ctx context.Context, account int64) ([]string, error) {
	return nil, errStub
}
func (s *Store) Usage(ctx context.Context, account int64) (Usage, error)   { return Usage{}, errStub }
func (s *Store) CheckQuota(ctx context.Context, account, size int64) error { return errStub }

// A Draft is a message on its way into the store.
type Draft struct{}

// NewDraft makes an empty draft that spills to an unlinked file in dir.
func NewDraft(dir string, limit int64) *Draft { return &Draft{} }

// NewDraft makes an empty draft that spills into the store's own tmp folder.
func (s *Store) NewDraft(limit int64) *Draft { return &Draft{} }

func (d *Draft) Write(p []byte) (int, error)             { return 0, errStub }
func (d *Draft) Prepend(b []byte)                        {}
func (d *Draft) Size() int64                             { return 0 }
func (d *Draft) ReadAt(p []byte, off int64) (int, error) { return 0, errStub }
func (d *Draft) Reader() *io.SectionReader               { return io.NewSectionReader(d, 0, d.Size()) }
func (d *Draft) Close() error                            { return nil }

func (s *Store) Accept(ctx context.Context, e *Envelope) error { return errStub }
func (s *Store) Append(ctx context.Context, mailbox int64, d *Draft, flags []string, internal time.Time) (uidValidity, uid uint32, err error) {
	return 0, 0, errStub
}

func (s *Store) Mailboxes(ctx context.Context, account int64) ([]Mailbox, error) {
	return nil, errStub
}
func (s *Store) Mailbox(ctx context.Context, account int64, name string) (*Mailbox, error) {
	return nil, errStub
}
func (s *Store) CreateMailbox(ctx context.Context, account int64, name, specialUse string) (*Mailbox, error) {
	return nil, errStub
}
func (s *Store) DeleteMailbox(ctx context.Context, id int64) error              { return errStub }
func (s *Store) RenameMailbox(ctx context.Context, id int64, name string) error { return errStub }
func (s *Store) Subscribe(ctx context.Context, account int64, name string, on bool) error {
	return errStub
}
func (s *Store) Subscriptions(ctx context.Context, account int64) ([]string, error) {
	return nil, errStub
}

func (s *Store) Messages(ctx context.Context, mailbox int64) (msgs []Message, modSeq uint64, err error) {
	return nil, 0, errStub
}
func (s *Store) Changes(ctx context.Context, mailbox int64, since uint64) (MailboxChanges, error) {
	return MailboxChanges{}, errStub
}

// A Watch tells of commits that touched a mailbox.
type Watch struct {
	// C receives after such commits; several are told as one.
	C <-chan struct{}
}

// Close ends the watch.
func (w *Watch) Close() {}

func (s *Store) Watch(mailbox int64) *Watch                               { return &Watch{} }
func (s *Store) OpenBody(ctx context.Context, body int64) (Body, error)   { return nil, errStub }
func (s *Store) ReadBody(ctx context.Context, body int64) ([]byte, error) { return nil, errStub }
func (s *Store) StoreFlags(ctx context.Context, mailbox int64, uids []uint32, op FlagOp, flags []string, unchangedSince uint64) (changed []Message, modified []uint32, err error) {
	return nil, nil, errStub
}
func (s *Store) Expunge(ctx context.Context, mailbox int64, uids []uint32) (expunged []uint32, err error) {
	return nil, errStub
}
func (s *Store) Copy(ctx context.Context, from int64, uids []uint32, to int64) (validity uint32, src, dst []uint32, err error) {
	return 0, nil, nil, errStub
}
func (s *Store) Move(ctx context.Context, from int64, uids []uint32, to int64) (validity uint32, src, dst []uint32, err error) {
	return 0, nil, nil, errStub
}
func (s *Store) LockMaildrop(account int64) (release func(), ok bool) { return nil, false }

func (s *Store) QueueDue(ctx context.Context, now time.Time, limit int) ([]QueueEntry, error) {
	return nil, errStub
}
func (s *Store) QueueFinish(ctx context.Context, results []QueueResult) error { return errStub }
func (s *Store) QueueList(ctx context.Context) ([]QueueEntry, error)          { return nil, errStub }
func (s *Store) QueueWake() <-chan struct{}                                   { return nil }
func (s *Store) NextDue(ctx context.Context) (time.Time, bool, error) {
	return time.Time{}, false, errStub
}

func (s *Store) Resources(ctx context.Context) ([]admin.Resource, error) { return nil, errStub }
func (s *Store) ApplyChanges(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	return nil, errStub
}
func (s *Store) Zones(ctx context.Context) ([]Zone, error)            { return nil, errStub }
func (s *Store) Zone(ctx context.Context, name string) (*Zone, error) { return nil, errStub }
func (s *Store) Listeners(ctx context.Context) ([]Listener, error)    { return nil, errStub }
func (s *Store) Settings(ctx context.Context) ([]Setting, error)      { return nil, errStub }
func (s *Store) DKIMKeys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return nil, errStub
}
func (s *Store) Totals(ctx context.Context) (accounts int, messages, bytes int64, queued, zones int, err error) {
	return 0, 0, 0, 0, 0, errStub
}
func (s *Store) PurgeRetained(ctx context.Context, now time.Time) (int, error) { return 0, errStub }
