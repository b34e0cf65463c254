package postfix

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
)

// The directories of the queue that hold messages, and those of them that hold what
// is to be tried at once.
var (
	queueDirs  = []string{"maildrop", "incoming", "active", "deferred", "hold"}
	activeDirs = queueDirs[:3]
)

// How long Postfix may take to deliver what it has before it is stopped, and how
// long it is given to take up what it has put off.
const (
	draining = 20 * time.Second
	takingUp = 2 * time.Second
)

// Queued implements providers.Queuer.
func (p *Provider) Queued(ctx context.Context) (int64, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.connect(ctx); err != nil {
		return 0, err
	}
	dir, err := p.queueDir(ctx)
	if err != nil {
		return 0, err
	}
	return p.countQueue(ctx, dir, queueDirs)
}

// queueDir is where the queue lies.
func (p *Provider) queueDir(ctx context.Context) (string, error) {
	out, err := host.Must(ctx, p.on, p.program("postconf", "-x", "-h", "queue_directory"))
	return strings.TrimSpace(string(out.Stdout)), err
}

// countQueue counts the messages in some directories of a queue. While Postfix runs,
// one that moves from one to another may be missed.
func (p *Provider) countQueue(ctx context.Context, queue string, dirs []string) (int64, error) {
	c := []string{"find"}
	for _, d := range dirs {
		c = append(c, filepath.Join(queue, d))
	}
	// A message may go while it is looked at, and a queue that was never used has no
	// directories: then find says so, and has counted the rest.
	out, err := p.on.Run(ctx, host.Cmd(append(c, "-type", "f", "-printf", ".")...))
	return int64(len(out.Stdout)), err
}

// drain has Postfix deliver what is in its queue, without taking mail any more, and
// stops it. The error is a providers.QueuedError where messages are left; then it runs on.
func (p *Provider) drain(ctx context.Context) error {
	dir, err := p.queueDir(ctx)
	if err != nil {
		return err
	}
	running, err := p.daemon().Running(ctx)
	if err != nil {
		return err
	}
	left, err := p.countQueue(ctx, dir, queueDirs)
	if err != nil {
		return err
	}
	if !running {
		if left == 0 {
			return nil
		}
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if left > 0 {
		if err := p.flush(ctx, dir); err != nil {
			return err
		}
	}
	// Only of one that stands still the count is true.
	if err := p.daemon().End(ctx); err != nil {
		return err
	}
	if left, err = p.countQueue(ctx, dir, queueDirs); err != nil || left == 0 {
		return err
	}
	if err := p.begin(ctx); err != nil {
		return err
	}
	return &providers.QueuedError{Server: "Postfix", List: "postqueue -c " + p.dir + " -p", Messages: left}
}

// flush tries everything in the queue, and waits until that is done or takes too long.
func (p *Provider) flush(ctx context.Context, dir string) error {
	if _, err := host.Must(ctx, p.on, p.program("postqueue", "-f")); err != nil {
		return err
	}
	begun := time.Now()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		left, err := p.countQueue(ctx, dir, queueDirs)
		if err != nil || left == 0 {
			return err
		}
		busy, err := p.countQueue(ctx, dir, activeDirs)
		if err != nil {
			return err
		}
		if since := time.Since(begun); since > draining || busy == 0 && since > takingUp {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// leaves reports whether a batch stops Postfix because another server takes its place.
func leaves(batch []providers.Change) bool {
	return slices.ContainsFunc(batch, func(c providers.Change) bool {
		return c.HandedOver && c.Action == providers.Delete && c.Resource.Kind == schema.KindService
	})
}
