// Package daemon is the embedded mail and name server as a process: it opens the
// store of a data directory, runs the services that the store declares, and
// takes changes over the admin socket, live.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/certs"
	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/primary"
	"github.com/mailform/mailform/providers/embedded/queue"
	"github.com/mailform/mailform/providers/embedded/seek"
	"github.com/mailform/mailform/providers/embedded/sorting"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/providers/embedded/trace"
	"github.com/mailform/mailform/providers/embedded/transfer"
	"github.com/mailform/mailform/providers/embedded/tsig"
)

// Options say how to run.
type Options struct {
	DataDir string // absolute
	Version string
	Log     io.Writer
	// Service is where the service manager says what it wants and what it has
	// opened; the zero value: there is none.
	Service systemd.Environ
	// Reload has the daemon take its settings and certificates anew; nil: never.
	Reload <-chan os.Signal
}

// How often the daemon looks after what needs no hurry.
const (
	retryEvery = 2 * time.Second // sockets that could not be opened, files that are gone
	purgeEvery = time.Hour       // mail of closed accounts
)

// lockWait is how long a new daemon waits for the lock of the data directory.
const lockWait = 5 * time.Second

// A daemon holds the parts of a running server.
type daemon struct {
	opts    Options
	log     *slog.Logger
	started time.Time
	stop    context.CancelFunc

	store   *store.Store
	auth    countedAuth
	signer  *dkim.Signer
	certs   *certs.Manager
	dns     *dns.Server
	primary *primary.Primary
	// transfers hands zones out to secondaries.
	transfers  *transfer.Server
	queue      *queue.Queue
	smarthosts atomic.Pointer[[]queue.Relay]
	sending    atomic.Pointer[map[string]store.HandingOn]
	reporter   *tlsReporter
	metrics    *metrics
	// index narrows searches; nil where it cannot be kept.
	index    *fulltext.Index
	sockets  *sockets
	manager  *systemd.Notifier
	given    *systemd.Pool
	reported string // to the service manager
	live     live
	seeker   *seek.Directories // nil: the store has all users
	limiters limiters
	proxies  proxies
	clocks   clocks
	bearers  bearers
	websites websites
	inbound  inbound
	// clientLimits are those of all services but the name server.
	clientLimits clientLimits
	// applying is held from the preparation of a batch to its end.
	applying sync.Mutex
}

// Run runs the server of a data directory until ctx ends or a stop is asked for
// over the admin socket. It returns when all sessions have ended and everything
// is on disk.
func Run(ctx context.Context, o Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	st, err := openStore(ctx, o.DataDir)
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", o.DataDir, err)
	}
	manager, given, managed := underManager(o.Service)
	defer manager.Close() // there is nothing left to say
	transactions, err := trace.Open(o.DataDir)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	defer transactions.Close() // each line is written by then
	d := &daemon{opts: o, started: time.Now(), stop: stop, store: st, manager: manager, given: given}
	d.metrics = newMetrics(d)
	log := slog.New(transactions.Handler(zonedLog{slog.NewTextHandler(o.Log, nil), &d.clocks}, d.metrics.seen))
	d.log = log
	if managed != nil {
		// What can be done without it is done: the mail need not wait for that.
		log.Error("take over what the service manager hands over", "error", managed)
	}
	if err := d.setUp(ctx); err != nil {
		return errors.Join(err, d.closeIndex(), st.Close())
	}
	l, err := admin.Listen(o.DataDir)
	if err != nil {
		return errors.Join(fmt.Errorf("open the admin socket: %w", err), d.sockets.close(ctx), d.closeIndex(), st.Close())
	}
	closed := make(chan struct{})
	srv := &http.Server{Handler: untilClosed(ctx, closed, admin.NewServer(d, shownStore{st, d.sockets}, log)), ReadHeaderTimeout: 10 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serve the admin socket", "error", err)
			stop()
		}
	})
	var work sync.WaitGroup
	work.Go(func() {
		if err := d.queue.Run(ctx); err != nil && ctx.Err() == nil {
			log.Error("run the queue", "error", err)
			stop()
		}
	})
	work.Go(func() { d.lookAfter(ctx) })
	work.Go(func() { d.watchdog(ctx) })
	if d.index != nil {
		work.Go(func() { d.index.Follow(ctx, indexed{st}, log) })
	}
	work.Go(func() { d.primary.Run(ctx) })
	work.Go(func() { d.transfers.Run(ctx) })
	log.Info("started", "version", o.Version, "pid", os.Getpid(), "data", o.DataDir)
	d.tell("ready", d.manager.Ready(d.summary()))

	<-ctx.Done()
	log.Info("stopping")
	d.tell("stopping", d.manager.Stopping())
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	err = errors.Join(d.sockets.close(grace), d.dns.Shutdown(grace))
	work.Wait()
	// The admin socket goes last: who asks for a stop takes its absence as the
	// end, and may open the store at once.
	err = errors.Join(err, d.closeIndex(), st.Close())
	close(closed)
	err = errors.Join(err, srv.Shutdown(grace))
	wg.Wait()
	log.Info("stopped")
	return err
}

// indexed is the store as the search index sees it.
type indexed struct{ *store.Store }

func (s indexed) Text(ctx context.Context, body int64) (string, bool, error) {
	return imap.Text(ctx, s.Store, body)
}

func (d *daemon) closeIndex() error {
	if d.index == nil {
		return nil
	}
	return d.index.Close()
}

// openStore opens the store of a data directory, and waits a little for a
// predecessor whose end is under way: a process that was killed holds its lock
// until the kernel has cleared it away.
func openStore(ctx context.Context, dataDir string) (*store.Store, error) {
	for deadline := time.Now().Add(lockWait); ; {
		st, err := store.Open(ctx, dataDir, store.Options{})
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return st, err
		}
		if _, running := admin.NewClient(dataDir).Version(ctx); running == nil {
			return nil, err // that one is well, and may be for years
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// setUp starts what the store declares.
func (d *daemon) setUp(ctx context.Context) error {
	var err error
	if d.certs, err = certs.Open(d.opts.DataDir, d.log); err != nil {
		return fmt.Errorf("set up certificates: %w", err)
	}
	d.auth = countedAuth{auth.New(d.store, auth.Options{Log: d.log}), d.metrics.logins}
	if d.index, err = fulltext.Open(ctx, d.opts.DataDir, indexed{d.store}); err != nil {
		// Searches take longer without it; the mail need not wait for that.
		d.log.Error("open the search index", "error", err)
		d.index = nil
	}
	d.signer = dkim.New(d.store)
	d.store.SetSorter(sorting.New(sorting.Options{
		Store: d.store, Signer: d.signer, Log: d.log, Hostname: func() string { return d.queueSettings().Hostname },
	}).Sort)
	keys := &tsig.Ring{}
	d.transfers = transfer.New(transfer.Options{Keys: keys, Logger: d.log})
	d.dns = dns.New(dns.Options{Logger: d.log, Transfers: d.transfers, Keys: keys})
	d.makeQueue()
	d.sockets = newSockets(d.log, d.makeService)
	d.sockets.given = d.given
	if err := d.loadDeclared(ctx); err != nil {
		return err
	}
	d.primary = primary.New(primary.Options{Store: d.store, Server: d.dns, Transfers: d.transfers, Logger: d.log})
	if err := d.loadSecondaries(ctx); err != nil {
		return err
	}
	if err := d.primary.LoadAll(ctx); err != nil {
		return fmt.Errorf("load the zones: %w", err)
	}
	listeners, err := d.store.Listeners(ctx)
	if err != nil {
		return fmt.Errorf("load the listeners: %w", err)
	}
	d.sockets.commit(listeners, map[socketID]*socket{})
	for _, g := range d.given.Idle() {
		d.log.Warn("no listener is declared for a socket of the service manager: who connects there waits", "name", g.Name, "address", g.Addr.String())
	}
	return nil
}

// loadDeclared takes over all that the store declares for the services.
func (d *daemon) loadDeclared(ctx context.Context) error {
	return errors.Join(d.loadSettings(ctx), d.loadWeb(ctx), d.loadFilters(ctx), d.loadLookups(ctx), d.loadLimits(ctx), d.loadClientLimits(ctx), d.loadProxies(ctx), d.loadClocks(ctx), d.loadBearers(ctx), d.loadInbound(ctx), d.loadSmarthosts(ctx), d.loadSending(ctx), d.loadUpkeep(ctx))
}

// loadSettings takes over the servers' settings and certificates.
func (d *daemon) loadSettings(ctx context.Context) error {
	settings, err := d.store.Settings(ctx)
	if err != nil {
		return fmt.Errorf("load the settings: %w", err)
	}
	d.live.set(settings)
	names := make([]certs.Name, 0, len(settings))
	for _, s := range settings {
		names = append(names, certs.Name{Hostname: s.Hostname, Addresses: s.Addresses, CertificateFile: s.TLSCertificate, KeyFile: s.TLSKey})
	}
	more, err := d.webNames(ctx)
	if err != nil {
		return fmt.Errorf("load the names of web servers: %w", err)
	}
	if err := d.certs.Set(append(names, more...)); err != nil {
		// The servers go on with other certificates: a bad file must not stop the mail.
		d.log.Error("load the certificates", "error", err)
	}
	return nil
}

// loadSecondaries takes over who may copy the zones.
func (d *daemon) loadSecondaries(ctx context.Context) error {
	list, err := d.store.Secondaries(ctx)
	if err != nil {
		return fmt.Errorf("load the secondaries: %w", err)
	}
	d.transfers.SetSecondaries(list)
	return nil
}

// queueSettings are those of the first server: the queue belongs to all.
func (d *daemon) queueSettings() queue.Settings {
	var qs queue.Settings
	if relays := d.smarthosts.Load(); relays != nil {
		qs.Relays = *relays
	}
	for i, s := range d.live.all() {
		if i == 0 {
			qs.Hostname, qs.RelayHost, qs.Retry = s.Hostname, s.RelayHost, s.Retry
			d.sendAs(&qs, s.Key)
		}
		qs.Addresses = append(qs.Addresses, s.Addresses...)
	}
	return qs
}

// lookAfter does what comes up by time.
func (d *daemon) lookAfter(ctx context.Context) {
	retry, purge, report := time.NewTicker(retryEvery), time.NewTicker(purgeEvery), time.NewTicker(reportEvery)
	defer retry.Stop()
	defer purge.Stop()
	defer report.Stop()
	d.purge(ctx, time.Now()) // a daemon need not live until the first tick
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			if err := d.store.Intact(); err != nil {
				d.log.Error("end, so that no mail is accepted that nobody would find", "error", err)
				d.stop()
				return
			}
			d.sockets.retry()
			d.report()
		case <-d.opts.Reload:
			d.reload(ctx)
		case <-report.C:
			d.reporter.send(ctx)
		case now := <-purge.C:
			d.purge(ctx, now)
		}
	}
}

func (d *daemon) purge(ctx context.Context, now time.Time) {
	d.forgetSenders(ctx)
	if err := d.store.ForgetTold(ctx, now); err != nil && ctx.Err() == nil {
		d.log.Error("forget what was told", "error", err)
	}
	d.expire(ctx, now)
	switch n, err := d.store.PurgeRetained(ctx, now); {
	case err != nil && ctx.Err() == nil:
		d.log.Error("purge the mail of closed accounts", "error", err)
	case n > 0:
		d.log.Info("purged the mail of closed accounts", "accounts", n)
	}
}
