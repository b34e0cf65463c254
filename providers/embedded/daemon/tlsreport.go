package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

const (
	// reportEvery is how often it is looked whether a day is over.
	reportEvery = time.Hour
	// reportFor is how long it is tried to hand a report over by HTTPS.
	reportFor = 48 * time.Hour
	// maxTLSReport bounds a report that goes by mail, in bytes.
	maxTLSReport = 10 << 20
)

// A tlsReporter sends reports of how connections to others were protected.
type tlsReporter struct {
	store     *store.Store
	signer    *dkim.Signer
	resolver  mtasts.Resolver
	transport http.RoundTripper
	hostname  func() string
	now       func() time.Time
	log       *slog.Logger
}

// Note implements queue.Results: it counts the connections to domains that want to
// know.
func (t *tlsReporter) Note(ctx context.Context, r tlsrpt.Result) {
	if len(t.wanted(ctx, r.Domain)) == 0 {
		return
	}
	if err := t.store.AddTLSResult(ctx, r, t.now()); err != nil && ctx.Err() == nil {
		t.log.Error("count how connections are protected", "domain", r.Domain, "error", err)
	}
}

// wanted is where reports about connections to a domain go; none: nowhere.
func (t *tlsReporter) wanted(ctx context.Context, domain string) []string {
	texts, err := t.resolver.LookupTXT(ctx, "_smtp._tls."+domain+".")
	if err != nil {
		return nil
	}
	return tlsrpt.ParseRecord(texts)
}

// send sends the reports of days that are over (RFC 8460).
func (t *tlsReporter) send(ctx context.Context) {
	days, err := t.store.TLSDays(ctx, t.now())
	if err != nil {
		t.log.Error("report how connections were protected", "error", err)
		return
	}
	for _, day := range days {
		if err := t.report(ctx, day); err != nil && ctx.Err() == nil {
			t.log.Warn("report how connections were protected", "domain", day.Domain, "day", day.Day.Format(time.DateOnly), "error", err)
		}
	}
}

// report sends one report to all who want it. What nobody wants any more is
// forgotten, and so is what nobody takes for two days.
func (t *tlsReporter) report(ctx context.Context, day store.TLSDay) error {
	wanted := t.wanted(ctx, day.Domain)
	late := t.now().Sub(day.Day) > 24*time.Hour+reportFor
	if len(wanted) == 0 {
		// Perhaps nobody could say: the record may be back in an hour.
		if late {
			return t.store.FinishTLSDay(ctx, day, nil)
		}
		return nil
	}
	counts, err := t.store.TLSCounts(ctx, day)
	if err != nil {
		return err
	}
	hostname := t.hostname()
	domain := t.signingDomain(ctx, hostname)
	id := fmt.Sprintf("%s.%s@%s", day.Day.Format("20060102"), rand.Text()[:16], hostname)
	report := tlsrpt.New(domain, "postmaster@"+domain, id, day.Day, counts)
	var to []string
	var failed error
	posted := false
	for _, uri := range wanted {
		u, err := url.Parse(uri)
		if err != nil {
			continue
		}
		if u.Scheme == "mailto" {
			addr, err := url.PathUnescape(u.Opaque)
			if err == nil && !strings.ContainsAny(addr, "\r\n<> ") {
				to = append(to, addr)
			}
			continue
		}
		if err := t.post(ctx, uri, report); err != nil {
			failed = errors.Join(failed, err)
		} else {
			posted = true
		}
	}
	if len(to) == 0 {
		// One of several is enough for a report not to be sent again (RFC 8460 §3).
		if posted || late {
			return errors.Join(failed, t.store.FinishTLSDay(ctx, day, nil))
		}
		return failed
	}
	e := &store.Envelope{ID: rand.Text()[:16], Received: t.now(), Remote: to, Draft: t.store.NewDraft(maxTLSReport)}
	defer e.Draft.Close()
	m := tlsrpt.Mail{From: "postmaster@" + domain, To: to, Domain: day.Domain, Submitter: domain, Date: e.Received}
	if err := report.WriteMail(e.Draft, m); err != nil {
		return err
	}
	fields, err := t.signer.Sign(ctx, domain, e.Draft.Reader())
	if err != nil {
		return err
	}
	e.Draft.Prepend(fields)
	return errors.Join(failed, t.store.FinishTLSDay(ctx, day, e))
}

// signingDomain is the domain nearest to a host that mail is signed for; none: the
// host itself.
func (t *tlsReporter) signingDomain(ctx context.Context, hostname string) string {
	for name := hostname; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		if keys, err := t.store.DKIMKeys(ctx, name); err == nil && len(keys) > 0 {
			return name
		}
	}
	return hostname
}

// post hands a report over by HTTPS (RFC 8460 §5.4).
func (t *tlsReporter) post(ctx context.Context, uri string, r *tlsrpt.Report) error {
	data, err := r.Gzip()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", tlsrpt.ContentType)
	resp, err := t.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", uri, resp.Status)
	}
	return nil
}
