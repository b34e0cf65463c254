package embedded

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// A bridge answers for a directory where nothing runs, and one that only reads
// lets nothing through that changes anything.
func TestBridge(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "mail")
		b := &Bridge{DataDir: dir, Executable: "/bin/false", Version: "1.2.3", ReadOnly: readOnly}
		near, far := net.Pipe()
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- b.Run(ctx, far, far) }()
		greeting := make([]byte, len(admin.BridgeGreeting)+1)
		if _, err := near.Read(greeting[:len(greeting)]); err != nil || !strings.HasPrefix(string(greeting), admin.BridgeGreeting) {
			t.Fatalf("it begins with %q, %v", greeting, err)
		}
		api := admin.NewClientBy(func(context.Context) (net.Conn, error) { return near, nil })
		if at, err := api.Place(ctx); err != nil || at.Version != "1.2.3" || at.Workspace != "" {
			t.Errorf("%+v, %v", at, err)
		}
		if _, err := api.Version(ctx); err != admin.ErrNotRunning {
			t.Errorf("the error is: %v", err)
		}
		if _, err := api.Lying(ctx, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("the error is: %v", err)
		}
		for name, call := range map[string]func() error{
			"claim": func() error { return api.Claim(ctx, admin.ClaimRequest{Workspace: "other"}) },
			"start": func() error { return api.Start(ctx) },
			"apply": func() error {
				_, err := api.ApplyLying(ctx, admin.ApplyRequest{})
				return err
			},
			"apply at the daemon": func() error { _, err := api.Apply(ctx, admin.ApplyRequest{}); return err },
			"stop":                func() error { return api.Stop(ctx) },
			"roll keys":           func() error { return api.Sign(ctx, admin.SigningRequest{}) },
		} {
			err := call()
			if refused := err != nil && strings.Contains(err.Error(), "for reading alone"); refused != readOnly {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := os.Stat(dir); (err == nil) == readOnly {
			t.Errorf("the directory: %v", err)
		}
		_ = near.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}
