package systemd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/host"
)

// mostExposed is what `systemd-analyze security` may find at most: 0 is a service
// that can do nothing, 10 one that can do everything. docs/operation.md says the
// figure.
const mostExposed = 2.0

func TestNames(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"/var/lib/mailform/mail": "mailform-var-lib-mailform-mail.service",
		"/srv/a-b/./c":           `mailform-srv-a\x2db-c.service`,
		"/srv/ü x":               `mailform-srv-\xc3\xbc\x20x.service`,
	} {
		if got := (Unit{DataDir: dir}).ServiceName(); got != want {
			t.Errorf("the unit of %s is %s, want %s", dir, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	u := Unit{
		DataDir: `/srv/100% "a" b`, Program: "/usr/bin/$x", Writable: []string{"/vol/mail", "-/vol/index"},
		Sockets: []Socket{{Address: ":25"}, {Address: "[::1]:993"}, {Address: "192.0.2.1:53", Packets: true}},
	}
	if err := u.Check(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`ExecStart="/usr/bin/$$x" serve -data "/srv/100%% \"a\" b"`, `ReadWritePaths="/srv/100%% \"a\" b" "/vol/mail" "-/vol/index"`, "server of /srv/100%% ", "Requires=" + u.SocketName()} {
		if !strings.Contains(u.Service(), want) {
			t.Errorf("%s is not in\n%s", want, u.Service())
		}
	}
	if want := "ListenStream=25\nListenStream=[::1]:993\nListenStream=192.0.2.1:53\nListenDatagram=192.0.2.1:53\n"; !strings.Contains(u.Socket(), want) {
		t.Errorf("%s is not in\n%s", want, u.Socket())
	}
	for name, bad := range map[string]Unit{
		"a line break in the directory": {DataDir: "/a\nb", Program: "/x"},
		"a relative program":            {DataDir: "/a", Program: "x"},
		"a NUL in a further directory":  {DataDir: "/a", Program: "/x", Writable: []string{"/\x00"}},
		"a name to listen at":           {DataDir: "/a", Program: "/x", Sockets: []Socket{{Address: "localhost:25"}}},
		"no port":                       {DataDir: "/a", Program: "/x", Sockets: []Socket{{Address: "127.0.0.1"}}},
	} {
		if bad.Check() == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// systemd itself has nothing to say against the units, and finds little that the
// service could do.
func TestSystemdItself(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: systemd-analyze is not installed")
	}
	for name, u := range map[string]Unit{
		"a service": {DataDir: "/var/lib/mailform/mail", Program: "/bin/true"},
		"a service with sockets, in an odd place": {
			DataDir: `/srv/100% "a" $b`, Program: "/bin/true", Writable: []string{"/vol/mail x", "-/vol/index y"},
			Sockets: []Socket{{Address: ":25"}, {Address: "[::1]:993"}, {Address: "192.0.2.1:53", Packets: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			service := filepath.Join(dir, u.ServiceName())
			files := []string{service}
			if err := os.WriteFile(service, []byte(u.Service()), 0o644); err != nil {
				t.Fatal(err)
			}
			if len(u.Sockets) > 0 {
				files = append(files, filepath.Join(dir, u.SocketName()))
				if err := os.WriteFile(files[1], []byte(u.Socket()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput(); err != nil || strings.Contains(string(out), "mailform-") {
				t.Errorf("verify: %v: %s", err, out)
			}
			out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", service).CombinedOutput()
			m := regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+)`).FindSubmatch(out)
			if err != nil || m == nil {
				t.Fatalf("security: %v: %s", err, out)
			}
			if got, err := strconv.ParseFloat(string(m[1]), 64); err != nil || got > mostExposed {
				t.Errorf("the exposure is %s, and may be %v: %s", m[1], mostExposed, out)
			}
		})
	}
}

// A machine that remembers what it was asked to run, and keeps files in a directory.
type machine struct {
	host.Host
	root  string
	calls []string
}

func (m *machine) Run(ctx context.Context, c host.Command) (host.Output, error) {
	if c.Args[0] == "systemctl" {
		m.calls = append(m.calls, strings.Join(c.Args[1:], " "))
		return host.Output{}, nil
	}
	for i, a := range c.Args {
		if strings.HasPrefix(a, "/") {
			c.Args[i] = m.root + a
		}
	}
	return m.Host.Run(ctx, c)
}

func (m *machine) Read(ctx context.Context, paths ...string) ([]host.File, error) {
	for i, p := range paths {
		paths[i] = m.root + p
	}
	return m.Host.Read(ctx, paths...)
}

// What systemd is asked to do, in its order.
func TestCalls(t *testing.T) {
	t.Parallel()
	m := &machine{Host: host.Local(), root: t.TempDir()}
	for _, dir := range []string{UnitDir, runDir} {
		if err := os.MkdirAll(m.root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	u := Unit{DataDir: "/srv/mail", Program: "/usr/local/bin/mailform"}
	s := u
	s.Sockets = []Socket{{Address: ":25"}}
	newer := u
	newer.Program = "/opt/mailform"
	if in, err := InCharge(ctx, m); err != nil || !in {
		t.Fatalf("systemd is not in charge: %v", err)
	}
	if has, err := u.Supervises(ctx, m); err != nil || has {
		t.Fatalf("there is a unit already: %v", err)
	}
	const service, socket = "mailform-srv-mail.service", "mailform-srv-mail.socket"
	for _, step := range []struct {
		name string
		do   func(context.Context, host.Host) error
		want []string
	}{
		{"write", u.Write, []string{"daemon-reload"}},
		{"write the same again", u.Write, nil},
		{"start", u.Start, []string{"enable --quiet -- " + service, "restart -- " + service}},
		{"stop", u.Stop, []string{"stop -- " + service}},
		{"write with sockets", s.Write, []string{"daemon-reload"}},
		{"start with sockets", s.Start, []string{"enable --quiet -- " + socket + " " + service, "stop -- " + service, "restart -- " + socket + " " + service}},
		{"write without having heard of the sockets", u.Write, nil},
		{"write for another program", newer.Write, []string{"daemon-reload"}},
		{"stop with sockets", u.Stop, []string{"stop -- " + socket + " " + service}},
		{"disable", u.Disable, []string{"disable --now --quiet -- " + socket + " " + service}},
	} {
		m.calls = nil
		if err := step.do(ctx, m); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if !slices.Equal(m.calls, step.want) {
			t.Errorf("%s: %s", step.name, cmp.Diff(step.want, m.calls))
		}
	}
	if has, err := u.Supervises(ctx, m); err != nil || !has {
		t.Errorf("there is no unit: %v", err)
	}
	text, err := os.ReadFile(m.root + UnitDir + "/" + service)
	if err != nil || !strings.Contains(string(text), "Requires="+socket) || !strings.Contains(string(text), `ExecStart="/opt/mailform"`) {
		t.Errorf("the service is %s, %v", text, err)
	}
}
