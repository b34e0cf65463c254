package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whoever asks a daemon that ends waits for the end, and is told that none runs.
func TestADaemonThatEndsIsNoneOnceItHasEnded(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	closed := make(chan struct{})
	h := untilClosed(ctx, closed, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("it runs")) }))
	ask := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Body.String()
	}
	if got := ask("/v1/resources"); got != "it runs" {
		t.Errorf("while it runs: %q", got)
	}
	stop()
	if got := ask("/v1/version"); got != "it runs" {
		t.Errorf("its version, while it ends: %q", got)
	}
	answered := make(chan string)
	go func() { answered <- ask("/v1/resources") }()
	select {
	case got := <-answered:
		t.Fatalf("while it ends: %q", got)
	case <-time.After(20 * time.Millisecond):
	}
	close(closed)
	for _, got := range []string{<-answered, ask("/v1/version")} {
		if !strings.Contains(got, "not-running") {
			t.Errorf("once it has ended: %q", got)
		}
	}
}
