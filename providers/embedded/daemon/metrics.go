package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/store"
)

// metrics are what the daemon counts, for Prometheus.
type metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	logins   *prometheus.CounterVec
	limits   *prometheus.CounterVec
}

func newMetrics(d *daemon) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mailform_message_events_total", Help: "What happened to messages, by the words of the log of transactions.",
		}, []string{"event"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mailform_logins_total", Help: "Attempts to log in.",
		}, []string{"service", "result"}),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mailform_limits_met_total", Help: "How often clients met a limit, by the words of the block limits; dnsbl: a list had them, greylist: they were put off.",
		}, []string{"server", "service", "limit"}),
	}
	m.registry.MustRegister(m.events, m.logins, m.limits, gauges{d},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// seen counts an event of the log of transactions.
func (m *metrics) seen(event string) { m.events.WithLabelValues(event).Inc() }

// limited counts a limit that a client has met.
func (m *metrics) limited(server, service, limit string) {
	m.limits.WithLabelValues(server, service, limit).Inc()
}

// A countedAuth counts who logs in.
type countedAuth struct {
	*auth.Authenticator
	logins *prometheus.CounterVec
}

func (a countedAuth) Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error) {
	account, err := a.Authenticator.Login(ctx, address, password, service, remote)
	a.count(service, err)
	return account, err
}

// SASL implements auth.Mechanic.
func (a countedAuth) SASL(ctx context.Context, mechanism string, p auth.Peer) auth.Exchange {
	x := a.Authenticator.SASL(ctx, mechanism, p)
	if x == nil {
		return nil
	}
	return countedExchange{x, a, p.Service}
}

// A countedExchange counts how a login by SASL ends.
type countedExchange struct {
	auth.Exchange
	a       countedAuth
	service string
}

// Next implements auth.Exchange.
func (x countedExchange) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := x.Exchange.Next(response)
	if done || err != nil {
		x.a.count(x.service, err)
	}
	return challenge, done, err
}

func (a countedAuth) count(service string, err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, auth.ErrInvalid):
		result = "wrong"
	case errors.Is(err, auth.ErrDisabled):
		result = "not allowed"
	}
	a.logins.WithLabelValues(service, result).Inc()
}

// gauges are read when somebody asks.
type gauges struct{ d *daemon }

var (
	described = func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("mailform_"+name, help, labels, nil)
	}
	gaugeInfo        = described("info", "The version that runs.", "version")
	gaugeStarted     = described("start_time_seconds", "When the daemon was started, in seconds since 1970.")
	gaugeOpen        = described("listener_open", "Whether a declared socket is open.", "server", "service", "address")
	gaugeConnections = described("connections", "Sessions of a service.", "server", "service")
	gaugeAccounts    = described("accounts", "Users.")
	gaugeMessages    = described("messages", "Messages in all mailboxes.")
	gaugeBytes       = described("mail_bytes", "Size of all messages.")
	gaugeQueue       = described("queue_messages", "What is on its way elsewhere, by recipient.")
	gaugeOldest      = described("queue_oldest_seconds", "How long the oldest in the queue has waited.")
	gaugeZones       = described("zones", "Zones that are served.")
	gaugeExpiry      = described("certificate_expiry_seconds", "When the certificate of a host ends, in seconds since 1970.", "host")
	gaugeFree        = described("disk_free_bytes", "Free bytes where the store lies.")
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{gaugeInfo, gaugeStarted, gaugeOpen, gaugeConnections, gaugeAccounts, gaugeMessages, gaugeBytes,
		gaugeQueue, gaugeOldest, gaugeZones, gaugeExpiry, gaugeFree} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, err := g.d.Status(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(gaugeAccounts, err)
		return
	}
	put := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	put(gaugeInfo, 1, st.Version)
	put(gaugeStarted, float64(g.d.started.Unix()))
	for _, l := range st.Listeners {
		open := 1.0
		if l.Error != "" {
			open = 0
		}
		put(gaugeOpen, open, l.Owner, l.Service, l.Address)
	}
	for of, n := range g.d.sockets.connections() {
		put(gaugeConnections, float64(n), of.Owner, of.Service)
	}
	put(gaugeAccounts, float64(st.Accounts))
	put(gaugeMessages, float64(st.Messages))
	put(gaugeBytes, float64(st.Bytes))
	put(gaugeQueue, float64(st.Queued))
	put(gaugeOldest, float64(st.QueueOldest))
	put(gaugeZones, float64(st.Zones))
	for _, c := range st.Certificates {
		put(gaugeExpiry, float64(c.NotAfter.Unix()), c.Host)
	}
	put(gaugeFree, float64(st.DiskFree))
}

// A metricsService answers Prometheus, and whoever asks whether all is well. It is
// plain HTTP without a log-in, for a network of one's own.
type metricsService struct {
	*http.Server
}

func (d *daemon) newMetricsService(log *slog.Logger) *metricsService {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /health", d.health)
	return &metricsService{&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute}}
}

// health says 200 where every declared socket is open and the store answers, and
// otherwise 503 with what is wrong, a line each.
func (d *daemon) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var wrong []string
	st, err := d.Status(r.Context())
	if err == nil {
		err = d.store.Intact()
	}
	if err != nil {
		wrong = append(wrong, "store: "+err.Error())
	}
	for _, l := range st.Listeners {
		if l.Error != "" {
			wrong = append(wrong, fmt.Sprintf("%s of %s at %s: %s", l.Service, l.Owner, l.Address, l.Error))
		}
	}
	if len(wrong) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, line := range wrong {
			fmt.Fprintln(w, line)
		}
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *metricsService) serve(sock *socket) error {
	return unless(http.ErrServerClosed, s.Serve(sock.stream))
}
func (s *metricsService) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }
func (s *metricsService) connections() int                   { return 0 }
func (s *metricsService) connectionsOf(*socket) int          { return 0 }
