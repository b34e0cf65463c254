package s3state

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Options say where the state is.
type Options struct {
	Bucket, Key string
	// Workspace whose state it is; empty: the default one, which is at Key. Others
	// are at WorkspacePrefix/WORKSPACE/KEY.
	Workspace       string
	WorkspacePrefix string // empty: env:
	Region          string // empty: us-east-1
	// Endpoint is the URL of the server; empty: AWS.
	Endpoint string
	// PathStyle puts the bucket into the path of a URL and not into its host.
	PathStyle bool
	// AccessKey and SecretKey sign requests; SessionToken goes with temporary
	// ones. Empty: those of AWS's files, or of the machine that this runs on.
	AccessKey, SecretKey, SessionToken string
	// Lease is how long a lock stays without a heartbeat; 0: a minute. There are
	// three heartbeats to a lease. Times at the server have whole seconds.
	Lease time.Duration
	// Keys encrypt the state; nil: it is plain.
	Keys *seal.Keyring
}

// WithEnviron takes what is empty from AWS's variables in the environment.
func (o Options) WithEnviron(environ []string) Options {
	env := map[string]string{}
	for _, kv := range environ {
		if key, value, _ := strings.Cut(kv, "="); strings.HasPrefix(key, "AWS_") {
			env[key] = value
		}
	}
	if o.AccessKey == "" && o.SecretKey == "" {
		o.AccessKey, o.SecretKey, o.SessionToken = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]
	}
	for field, names := range map[*string][]string{
		&o.Region:   {"AWS_REGION", "AWS_DEFAULT_REGION"},
		&o.Endpoint: {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
	} {
		for _, name := range names {
			if *field == "" {
				*field = env[name]
			}
		}
	}
	return o
}

// A Backend is one state in a bucket. It may be used by one goroutine at a time.
type Backend struct {
	o      Options
	base   string // key of the default workspace's state
	client minio.Core

	held *lease // nil: not locked
	// What the server has, as is known under the lock.
	known bool
	stale bool // some of it is not sealed as it would be now
}

// Open checks the options. It sends nothing.
func Open(o Options) (*Backend, error) {
	switch {
	case o.Bucket == "":
		return nil, errors.New("the name of the bucket is missing: set bucket")
	case o.Key == "" || strings.HasPrefix(o.Key, "/") || strings.HasSuffix(o.Key, "/"):
		return nil, errors.New("key is the name of an object, such as mail/production.mfstate, without a / at its beginning or end")
	case (o.AccessKey == "") != (o.SecretKey == ""):
		return nil, errors.New("access_key and secret_key (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) go together, and one of them is missing")
	}
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return nil, fmt.Errorf("bucket is no name of one: %w", err)
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Lease == 0 {
		o.Lease = time.Minute
	}
	if o.Lease < time.Second {
		return nil, errors.New("the lease of the lock is shorter than a second, which is how exact the times of a server are")
	}
	if o.WorkspacePrefix == "" {
		o.WorkspacePrefix = "env:"
	}
	base := o.Key
	if o.Workspace != "" && o.Workspace != state.DefaultWorkspace {
		o.Key = o.WorkspacePrefix + "/" + o.Workspace + "/" + base
	}
	host, secure := "s3."+o.Region+".amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
			return nil, errors.New("endpoint is no URL of a server, such as https://s3.example.com")
		}
		host, secure = u.Host, u.Scheme == "https"
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	transport.ResponseHeaderTimeout = time.Minute
	client, err := minio.New(host, &minio.Options{
		Creds: o.credentials(), Secure: secure, Region: o.Region, BucketLookup: lookup, Transport: transport, MaxRetries: requestTries,
	})
	if err != nil {
		return nil, err
	}
	return &Backend{o: o, base: base, client: minio.Core{Client: client}}, nil
}

func (o Options) credentials() *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	}
	chain := []credentials.Provider{&credentials.FileAWSCredentials{}}
	if o.Endpoint == "" { // elsewhere nobody answers for the machine
		chain = append(chain, &credentials.IAM{})
	}
	return credentials.NewChainCredentials(chain)
}

// where names the state in errors.
func (b *Backend) where() string { return fmt.Sprintf("%s in the bucket %s", b.o.Key, b.o.Bucket) }

// Load implements [state.Backend].
func (b *Backend) Load(ctx context.Context) (*state.State, error) {
	for try := 1; ; try++ {
		h, _, err := b.head(ctx)
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		st, stale, err := b.assemble(ctx, h)
		switch {
		case err == nil:
			if b.held != nil {
				b.known, b.stale = true, stale
			}
			return st, nil
		case !errors.Is(err, errNoObject):
			return nil, fmt.Errorf("read state: %w", err)
		}
		// Another has put a snapshot in the place of what the head named.
		if now, _, herr := b.head(ctx); herr == nil && now.Write == h.Write || try == readTries {
			return nil, &state.DamageError{Path: b.where(), Reason: err.Error()}
		}
	}
}

// readTries is how often a reader begins anew whom writers overtake.
const readTries = 10

// Append implements [state.Backend]: an upload of the entries alone, and of the
// head.
func (b *Backend) Append(ctx context.Context, entries []state.Entry) error {
	h, err := b.ready(ctx)
	if err != nil {
		return fmt.Errorf("append to state: %w", err)
	}
	if b.stale {
		if h, err = b.rewrite(ctx); err != nil {
			return fmt.Errorf("append to state: %w", err)
		}
	}
	lineage, serial := h.Lineage, h.Serial
	if lineage == "" {
		lineage = state.NewLineage()
	} else if len(entries) == 0 {
		return nil
	}
	var parts []part
	if len(entries) > 0 {
		serial++
		data, err := state.EncodeWrite(b.o.Keys, lineage, serial, entries)
		if err != nil {
			return err
		}
		p, err := b.upload(ctx, kindJournal, h.Token, serial, data)
		if err != nil {
			return fmt.Errorf("append to state: %w", err)
		}
		parts = []part{p}
	}
	return b.write(ctx, h, func(next *head) {
		next.Lineage, next.Serial = lineage, serial
		next.Journal = append(next.Journal, parts...)
	})
}

// Replace implements [state.Backend].
func (b *Backend) Replace(ctx context.Context, next *state.State) error {
	h, err := b.ready(ctx)
	if err != nil {
		return fmt.Errorf("replace state: %w", err)
	}
	return b.replace(ctx, h, next)
}

// replace puts a snapshot in the place of all that the head names.
func (b *Backend) replace(ctx context.Context, h head, st *state.State) error {
	data, err := state.EncodeState(b.o.Keys, st)
	if err != nil {
		return err
	}
	p, err := b.upload(ctx, kindSnapshot, h.Token, st.Serial, data)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := b.write(ctx, h, func(next *head) {
		next.Lineage, next.Serial, next.Snapshot, next.Journal = st.Lineage, st.Serial, &p, nil
	}); err != nil {
		return err
	}
	b.stale = false
	b.sweep(ctx)
	return nil
}

// rewrite makes a snapshot of what there is, and says what the head is then.
func (b *Backend) rewrite(ctx context.Context) (head, error) {
	h := b.held.seen()
	st, _, err := b.assemble(ctx, h)
	if err == nil {
		err = b.replace(ctx, h, st)
	}
	if err != nil {
		return head{}, err
	}
	return b.held.seen(), nil
}

// ready checks the lock, and says what the head is.
func (b *Backend) ready(ctx context.Context) (head, error) {
	if b.held == nil {
		return head{}, state.ErrNotLocked
	}
	if !b.known {
		if _, err := b.Load(ctx); err != nil {
			return head{}, err
		}
	}
	if err := b.held.settle(ctx, b); err != nil {
		return head{}, err
	}
	return b.held.seen(), nil
}

// write changes the head, if the lock is still ours and nothing was written
// since base.
func (b *Backend) write(ctx context.Context, base head, change func(*head)) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	b.known = false // until it is known to be done
	err := b.held.commit(ctx, b, func(next *head) error {
		if next.Lineage != base.Lineage || next.Serial != base.Serial {
			return fmt.Errorf("a write that was given up has arrived after all: it is write %d", next.Serial)
		}
		change(next)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	b.known = true
	return nil
}

// refused reports whether the server says that a condition does not hold.
func refused(err error) bool {
	r := minio.ToErrorResponse(err)
	return r.StatusCode == http.StatusPreconditionFailed || r.StatusCode == http.StatusConflict || r.Code == minio.NoSuchKey
}
