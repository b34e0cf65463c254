package daemon

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// untilClosed answers calls over the admin socket while the daemon runs. One that
// comes while it ends hears that no daemon runs once that is true, and the store is
// closed: whoever asks may open it then. The version is told until then, by which one
// who waits for the end sees that it has not come.
func untilClosed(ctx context.Context, closed <-chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() == nil {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/v1/version" {
			select {
			case <-closed:
			default:
				next.ServeHTTP(w, r)
				return
			}
		}
		<-closed
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(admin.Error{Code: admin.CodeNotRunning, Message: "the daemon has ended"}) // who asked may be gone
	})
}
