package sendmail

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/mailform/mailform/schema"
)

// draining is how long Sendmail may take to deliver what it has before it is stopped.
const draining = 10 * time.Second

// Queued implements providers.Queuer.
func (p *Provider) Queued(ctx context.Context) (int64, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return 0, err
	}
	return p.queued(ctx)
}

func (p *Provider) queued(ctx context.Context) (int64, error) {
	if err := p.connect(ctx); err != nil {
		return 0, err
	}
	out, err := host.Must(ctx, p.on, host.Cmd(p.program("sendmail"), "-C", p.cf, "-bp"))
	if err != nil {
		return 0, err
	}
	found := totalRequests.FindAllSubmatch(out.Stdout, -1)
	if found == nil {
		return 0, fmt.Errorf("\"sendmail -bp\" does not say how many messages there are: %q", out.Stdout)
	}
	return strconv.ParseInt(string(found[len(found)-1][1]), 10, 64)
}

// totalRequests is the end of what "sendmail -bp" says.
var totalRequests = regexp.MustCompile(`Total requests: (\d+)`)

// runner is Sendmail as a process that sees to its queue, and listens nowhere.
func (p *Provider) runner(pidFile string) *service.Service {
	s := p.daemon(pidFile)
	s.Unit, s.Start = "", host.Cmd(p.program("sendmail"), "-C", p.cf, "-q1m")
	s.Reload = p.renewing(pidFile, s.Start)
	return s
}

// runsQueueOnly reports whether the process that a pid file names is such a one.
// Sendmail writes into its command line what it does.
func (p *Provider) runsQueueOnly(ctx context.Context, pidFile string) (bool, error) {
	line, err := p.commandLine(ctx, pidFile)
	return strings.Contains(line, "Queue runner") || strings.Contains(line, "\x00-q1m") && !strings.Contains(line, "\x00-bd"), err
}

// drain has Sendmail deliver what is in its queue, and stops it. The error is
// a providers.QueuedError where messages are left; then a runner goes on with them.
func (p *Provider) drain(ctx context.Context, w *world) error {
	left, err := p.queued(ctx)
	if err != nil {
		return err
	}
	if left > 0 {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	// Only of one that stands still the count is true.
	if err := p.end(ctx, w); err != nil {
		return err
	}
	if left, err = p.queued(ctx); err != nil || left == 0 {
		return err
	}
	if err := p.runner(w.pidFile).Begin(ctx); err != nil {
		return err
	}
	return &providers.QueuedError{Server: "Sendmail", List: p.program("sendmail") + " -C " + p.cf + " -bp", Messages: left}
}

// end stops Sendmail, however it was started.
func (p *Provider) end(ctx context.Context, w *world) error {
	if p.unit != "" {
		if err := p.daemon(w.pidFile).End(ctx); err != nil {
			return err
		}
	}
	return p.runner(w.pidFile).End(ctx)
}

// flush tries everything in the queue, also what was tried a moment ago, and waits
// until that is done or takes too long.
func (p *Provider) flush(ctx context.Context) error {
	if _, err := host.Must(ctx, p.on, host.Cmd(p.program("sendmail"), "-C", p.cf, "-OMinQueueAge=0", "-q")); err != nil {
		return err
	}
	for begun := time.Now(); time.Since(begun) < draining; {
		if left, err := p.queued(ctx); err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// leaves reports whether a batch stops Sendmail because another server takes its
// place; yields, whether that one takes addresses at which Sendmail listens.
func leaves(batch []providers.Change) bool { return handsOver(batch, schema.KindService) }
func yields(batch []providers.Change) bool { return handsOver(batch, schema.KindListener) }

func handsOver(batch []providers.Change, kind string) bool {
	return slices.ContainsFunc(batch, func(c providers.Change) bool {
		return c.HandedOver && c.Action == providers.Delete && c.Resource.Kind == kind
	})
}
