package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whoever watches the server hears that its store is gone, and that it is there again.
func TestHealthKnowsTheStore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	st, err := openStore(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	d := &daemon{opts: Options{DataDir: dir}, started: time.Now(), stop: cancel, store: st, log: log}
	d.metrics = newMetrics(d)
	if err := d.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.sockets.close(context.Background()), d.closeIndex(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(d.newMetricsService(log).Handler)
	t.Cleanup(srv.Close)
	file := filepath.Join(dir, "mailform.db")
	for _, step := range []struct {
		name   string
		before func() error
		code   int
		says   string
	}{
		{"all is well", func() error { return nil }, http.StatusOK, "ok\n"},
		{"somebody has removed the store", func() error { return os.Rename(file, file+".away") }, http.StatusServiceUnavailable, "store: "},
		{"and put it back", func() error { return os.Rename(file+".away", file) }, http.StatusOK, "ok\n"},
	} {
		if err := step.before(); err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Get(srv.URL + "/health")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != step.code || !strings.HasPrefix(string(text), step.says) {
			t.Errorf("%s: %d %q, %v", step.name, resp.StatusCode, text, err)
		}
	}
}
