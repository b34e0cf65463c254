package embedded

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
	"net"
)

func TestUnit(t *testing.T) {
	for dir, want := range map[string]string{
		"/var/lib/mailform/mail": "mailform-var-lib-mailform-mail.service",
		"/srv/a-b/./c":           `mailform-srv-a\x2db-c.service`,
		"/srv/ü x":               `mailform-srv-\xc3\xbc\x20x.service`,
	} {
		if got := unitName(dir); got != want {
			t.Errorf("the unit of %s is %s, want %s", dir, got, want)
		}
	}
	f := &far{dataDir: `/srv/100% "a" b`, program: "/usr/bin/$x"}
	for _, want := range []string{`ExecStart="/usr/bin/$$x" serve -data "/srv/100%% \"a\" b"`, `ReadWritePaths="/srv/100%% \"a\" b"`, "server of /srv/100%% "} {
		if !strings.Contains(f.unit(), want) {
			t.Errorf("%s is not in\n%s", want, f.unit())
		}
	}
	// systemd itself has nothing to say against it.
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not there")
	}
	f = &far{dataDir: "/var/lib/mailform/mail", program: "/bin/true"}
	unit := filepath.Join(t.TempDir(), "mailform-test.service")
	if err := os.WriteFile(unit, []byte(f.unit()), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if strings.Contains(string(out), "mailform-test.service") {
		t.Errorf("%v: %s", err, out)
	}
}

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
