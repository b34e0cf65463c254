package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
)

// live is what the running services look at for each connection.
type live struct {
	mu       sync.RWMutex
	settings map[string]store.Setting
	filters  map[[2]string][]milter.Filter // by server and service
}

// setting returns the settings of a server by the label of its block.
func (l *live) setting(owner string) store.Setting {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.settings[owner]
}

// all returns the settings of all servers.
func (l *live) all() []store.Setting {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []store.Setting
	for _, k := range sortedKeys(l.settings) {
		out = append(out, l.settings[k])
	}
	return out
}

func (l *live) set(settings []store.Setting) {
	byKey := make(map[string]store.Setting, len(settings))
	for _, s := range settings {
		byKey[s.Key] = s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settings = byKey
}

// Prepare implements admin.Hooks: it opens the sockets that a batch asks for
// before the batch is stored, so that a port that is taken refuses the batch.
func (d *daemon) Prepare(ctx context.Context, changes []admin.Change) (commit func(), rollback func(), err error) {
	if err := checkCertificates(changes); err != nil {
		return nil, nil, err
	}
	d.applying.Lock()
	wanted, touched, err := d.wantedListeners(ctx, changes)
	if err != nil {
		d.applying.Unlock()
		return nil, nil, err
	}
	fresh := map[socketID]*socket{}
	if len(touched) > 0 {
		fresh, err = d.sockets.prepare(ctx, wanted, touched)
	}
	if err != nil {
		d.applying.Unlock()
		var be *bindError
		if errors.As(err, &be) {
			return nil, nil, &admin.Error{Code: "invalid", Kind: schema.KindListener, Key: be.key, Message: be.Error()}
		}
		return nil, nil, err
	}
	commit = func() {
		defer d.applying.Unlock()
		// The batch is stored: what is left to do is not up to the caller's patience.
		d.follow(context.WithoutCancel(ctx), changes)
		if len(touched) > 0 {
			d.sockets.commit(wanted, fresh)
		}
	}
	rollback = func() {
		defer d.applying.Unlock()
		closeAll(fresh)
	}
	return commit, rollback, nil
}

// checkCertificates refuses settings with certificate files that cannot be used
// now. What becomes of them later does not stop the mail.
func checkCertificates(changes []admin.Change) error {
	for _, c := range changes {
		if c.Kind != schema.KindSetting && c.Kind != schema.KindWebsite || c.Action == "delete" {
			continue
		}
		var attrs struct {
			Certificate string `json:"tls_certificate"`
			Key         string `json:"tls_key"`
		}
		// What is no setting at all, or half a pair, the store refuses.
		if json.Unmarshal(c.Attrs, &attrs) != nil || attrs.Certificate == "" || attrs.Key == "" {
			continue
		}
		if _, err := tls.LoadX509KeyPair(attrs.Certificate, attrs.Key); err != nil {
			return &admin.Error{Code: "invalid", Kind: c.Kind, Key: c.Key, Message: fmt.Sprintf("tls_certificate and tls_key cannot be used: %v", err)}
		}
	}
	return nil
}

// wantedListeners are the declared listeners as they will be after a batch, by
// their key, and the keys of those that the batch speaks of.
func (d *daemon) wantedListeners(ctx context.Context, changes []admin.Change) (wanted []store.Listener, touched map[string]bool, err error) {
	touched = map[string]bool{}
	have, err := d.store.Listeners(ctx)
	if err != nil {
		return nil, nil, err
	}
	byKey := map[string]store.Listener{}
	for _, l := range have {
		byKey[listenerKey(l)] = l
	}
	for _, c := range changes {
		if c.Kind != schema.KindListener {
			continue
		}
		touched[c.Key] = true
		if c.Action == "delete" {
			delete(byKey, c.Key)
			continue
		}
		var attrs struct {
			Owner     string   `json:"owner"`
			Service   string   `json:"service"`
			Hostname  string   `json:"hostname"`
			Listen    []string `json:"listen"`
			ListenTLS []string `json:"listen_tls"`
		}
		if err := json.Unmarshal(c.Attrs, &attrs); err != nil {
			return nil, nil, &admin.Error{Code: "invalid", Kind: c.Kind, Key: c.Key, Message: fmt.Sprintf("decode attributes: %v", err)}
		}
		byKey[c.Key] = store.Listener(attrs)
	}
	for _, k := range sortedKeys(byKey) {
		wanted = append(wanted, byKey[k])
	}
	return wanted, touched, nil
}

// follow brings the running services in step with a batch that is stored.
func (d *daemon) follow(ctx context.Context, changes []admin.Change) {
	settings, lookups, filters, secondaries := false, false, false, false
	limits, clientLimits, proxies, clocks, bearers, inbound, smarthosts, sending, upkeep := false, false, false, false, false, false, false, false, false
	zones := map[string]bool{}
	for _, c := range changes {
		switch c.Kind {
		case schema.KindSetting, schema.KindListener, schema.KindWebsite, schema.KindWebDomain: // all need certificates
			settings = true
		case schema.KindLookup:
			lookups = true
		case schema.KindFilter:
			filters = true
		case schema.KindSecondary:
			secondaries = true
		case schema.KindRateLimit:
			limits = true
		case schema.KindLimit:
			clientLimits = true
		case schema.KindProxy:
			proxies = true
		case schema.KindTimeZone:
			clocks = true
		case schema.KindOAuth:
			bearers = true
		case schema.KindInbound, schema.KindResolver, schema.KindDNSBL, schema.KindGreylist:
			inbound = true
		case schema.KindSmarthost:
			smarthosts = true
		case schema.KindSending:
			sending = true
		case schema.KindUpkeep:
			upkeep = true
		case schema.KindZone, schema.KindDNSSEC:
			zones[c.Key] = true
		case schema.KindRRset:
			zones[store.ZoneOf(c.Key)] = true
		}
	}
	if settings {
		if err := d.loadSettings(ctx); err != nil {
			d.log.Error("load settings", "error", err)
		}
	}
	if settings {
		if err := d.loadWeb(ctx); err != nil {
			d.log.Error("load what the web servers tell", "error", err)
		}
	}
	if lookups {
		if err := d.loadLookups(ctx); err != nil {
			d.log.Error("load lookups", "error", err)
		}
	}
	if filters {
		if err := d.loadFilters(ctx); err != nil {
			d.log.Error("load filters", "error", err)
		}
	}
	if secondaries {
		if err := d.loadSecondaries(ctx); err != nil {
			d.log.Error("load secondaries", "error", err)
		}
	}
	if limits {
		if err := d.loadLimits(ctx); err != nil {
			d.log.Error("load rate limits", "error", err)
		}
	}
	if clientLimits {
		if err := d.loadClientLimits(ctx); err != nil {
			d.log.Error("load the limits of clients", "error", err)
		}
	}
	if proxies {
		if err := d.loadProxies(ctx); err != nil {
			d.log.Error("load the proxies", "error", err)
		}
	}
	if clocks || settings { // which server is the first
		if err := d.loadClocks(ctx); err != nil {
			d.log.Error("load the time zones", "error", err)
		}
	}
	if bearers {
		if err := d.loadBearers(ctx); err != nil {
			d.log.Error("load whose tokens are taken", "error", err)
		}
	}
	if smarthosts {
		if err := d.loadSmarthosts(ctx); err != nil {
			d.log.Error("load the smarthosts", "error", err)
		}
	}
	if sending {
		if err := d.loadSending(ctx); err != nil {
			d.log.Error("load how mail is handed on", "error", err)
		}
	}
	if upkeep || settings { // warnings have the name of the server
		if err := d.loadUpkeep(ctx); err != nil {
			d.log.Error("load how mailboxes are kept", "error", err)
		}
	}
	if inbound {
		if err := d.loadInbound(ctx); err != nil {
			d.log.Error("load how mail is treated", "error", err)
		}
	}
	for _, name := range sortedKeys(zones) {
		if err := d.primary.Load(ctx, name); err != nil {
			d.log.Error("load a zone", "zone", name, "error", err)
		}
	}
}

// Version implements admin.Hooks.
func (d *daemon) Version() string { return d.opts.Version }

// Stop implements admin.Hooks.
func (d *daemon) Stop() { d.stop() }

// Status implements admin.Hooks.
func (d *daemon) Status(ctx context.Context) (admin.Status, error) {
	st := admin.Status{
		Version: d.opts.Version, PID: os.Getpid(), DataDir: d.opts.DataDir,
		Started: d.started.UTC().Format(time.RFC3339), Listeners: d.sockets.status(),
	}
	t, err := d.store.Totals(ctx)
	if err != nil {
		return st, err
	}
	st.Accounts, st.Messages, st.Bytes, st.Queued, st.Zones = t.Accounts, t.Messages, t.Bytes, t.Queued, t.Zones
	if !t.Oldest.IsZero() {
		st.QueueOldest = int64(time.Since(t.Oldest).Seconds())
	}
	for _, u := range t.Full {
		st.Full = append(st.Full, admin.Usage{Address: u.Address, Bytes: u.Bytes, Quota: u.Quota})
	}
	st.Certificates = d.certs.Status()
	st.DiskFree, st.DiskSize, err = d.store.Disk()
	return st, err
}

// A shownStore is the store as the admin interface shows it: of a listener it
// lists what is really open, so that a plan sees a port that could not be had.
type shownStore struct {
	*store.Store
	sockets *sockets
}

func (s shownStore) Resources(ctx context.Context) ([]admin.Resource, error) {
	rs, err := s.Store.Resources(ctx)
	return s.shown(rs, err)
}

func (s shownStore) Find(ctx context.Context, ids []admin.ID) ([]admin.Resource, error) {
	rs, err := s.Store.Find(ctx, ids)
	return s.shown(rs, err)
}

func (s shownStore) shown(rs []admin.Resource, err error) ([]admin.Resource, error) {
	if err != nil {
		return nil, err
	}
	for i, r := range rs {
		if r.Kind != schema.KindListener {
			continue
		}
		var attrs map[string]json.RawMessage
		if err := json.Unmarshal(r.Attrs, &attrs); err != nil {
			return nil, fmt.Errorf("listener %s: %w", r.Key, err)
		}
		plain, encrypted := s.sockets.isOpen(r.Key)
		for name, list := range map[string][]string{"listen": plain, "listen_tls": encrypted} {
			if attrs[name], err = json.Marshal(append([]string{}, list...)); err != nil {
				return nil, err
			}
		}
		if rs[i].Attrs, err = json.Marshal(attrs); err != nil {
			return nil, err
		}
	}
	return rs, nil
}
