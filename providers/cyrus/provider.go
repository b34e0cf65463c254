package cyrus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/zclconf/go-cty/cty"
)

// A Provider keeps mail in one Cyrus IMAP server.
type Provider struct {
	// Executable is mailform's own path, for authd.
	Executable string

	host      host.Host
	reads     host.Host // with the credentials for reading alone; nil: there are none
	reading   bool      // it acts with these
	dir       string    // of imapd.conf and cyrus.conf
	programs  string    // directory of Cyrus's programs; empty: not looked for yet
	pidFile   string
	unit      string
	partition string
	lineage   string
}

// Configure implements providers.Provider. It asks the server nothing.
func (p *Provider) Configure(ctx context.Context, cfg providers.Config) hcl.Diagnostics {
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() { // no block: where Debian has it
		cfg.Value = cty.EmptyObjectVal
	}
	value, _ := cfg.Value.UnmarkDeep()
	if p.host != nil {
		p.host.Close() // of a former Configure; nothing is on its way
	}
	if p.reads != nil {
		p.reads.Close()
	}
	*p = Provider{Executable: p.Executable, lineage: cfg.Lineage}
	var err error
	if p.host, err = host.Open(ctx, value, cfg.Dir); err != nil {
		return fault(err)
	}
	if p.reads, err = host.OpenReading(ctx, value, cfg.Dir); err != nil {
		return fault(err)
	}
	p.dir = cmp.Or(text(value, "config_dir"), "/etc")
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(cfg.Dir, p.dir)
	}
	p.programs = text(value, "program_dir")
	p.pidFile = cmp.Or(text(value, "pid_file"), "/run/cyrus-master.pid")
	p.unit, p.partition = text(value, "unit"), text(value, "partition")
	for name, path := range map[string]string{"config_dir": p.dir, "program_dir": p.programs, "pid_file": p.pidFile, "mailform's own path": p.Executable} {
		if strings.ContainsAny(path, "\"\n\r \t") {
			return fault(fmt.Errorf("%s: Cyrus takes no path with blanks or quotation marks", name))
		}
	}
	if strings.Trim(p.partition, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fault(errors.New("partition: names of partitions are lower-case letters and digits"))
	}
	return nil
}

func text(value cty.Value, name string) string {
	if !value.Type().HasAttribute(name) {
		return ""
	}
	v := value.GetAttr(name)
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func fault(err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration", Detail: "The provider cyrus cannot be set up: " + err.Error() + "."}}
}

// Where things lie.
func (p *Provider) optionsPath() string  { return filepath.Join(p.dir, "imapd.conf") }
func (p *Provider) servicesPath() string { return filepath.Join(p.dir, "cyrus.conf") }
func (p *Provider) ownDir() string       { return filepath.Join(p.dir, "mailform-cyrus") }
func (p *Provider) modelPath() string    { return filepath.Join(p.ownDir(), "marks.json") }
func (p *Provider) notePath() string     { return filepath.Join(p.ownDir(), "trial.json") }
func (p *Provider) secretPath() string   { return filepath.Join(p.ownDir(), "admin-password") }
func (p *Provider) authDir() string      { return filepath.Join(p.ownDir(), "authd") }
func (p *Provider) adminDir() string     { return filepath.Join(p.ownDir(), "admin") }
func (p *Provider) adminSocket() string  { return filepath.Join(p.adminDir(), "imap") }

// adminName is who makes mailboxes. It has no @, so it is no address of a user.
const adminName = "mailform-admin"

// programDirs are where packages put Cyrus's programs: Debian, Fedora, FreeBSD.
var programDirs = []string{"/usr/lib/cyrus/bin", "/usr/libexec/cyrus-imapd", "/usr/lib/cyrus-imapd", "/usr/local/cyrus/libexec", "/usr/cyrus/bin"}

// reader is the provider for what only looks, with the credentials of read_connection
// where there are any.
func (p *Provider) reader() *Provider {
	if p.reads == nil {
		return p
	}
	r := *p
	r.host, r.reading = p.reads, true
	return &r
}

// findPrograms looks for the directory of Cyrus's programs.
func (p *Provider) findPrograms(ctx context.Context) error {
	if p.programs != "" {
		return nil
	}
	for _, dir := range programDirs {
		list, err := p.host.List(ctx, dir)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Name == "master" || e.Name == "cyrus-master" {
				p.programs = dir
				return nil
			}
		}
	}
	return fmt.Errorf("Cyrus IMAP's programs are not on %s; say where they are with program_dir in the provider block", p.host)
}

func (p *Provider) program(name string) string { return filepath.Join(p.programs, name) }

// tool runs one of Cyrus's programs over its configuration.
func (p *Provider) tool(ctx context.Context, name string, args ...string) (host.Output, error) {
	c := host.Cmd(append([]string{p.program(name), "-C", p.optionsPath()}, args...)...)
	return host.Must(ctx, p.host, c)
}

// service starts and stops the server.
func (p *Provider) service() *service.Service {
	signal := func(sig string) host.Command {
		return host.Cmd("sh", "-c", `kill -"$1" "$(cat "$2")"`, "sh", sig, p.pidFile)
	}
	return &service.Service{
		Host: p.host, Unit: p.unit,
		Start:  host.Cmd(p.program("master"), "-C", p.optionsPath(), "-M", p.servicesPath(), "-p", p.pidFile, "-d"),
		Stop:   signal("TERM"),
		Reload: signal("HUP"),
		Alive:  p.alive,
	}
}

// alive reports whether the process that the pid file names is Cyrus's master.
func (p *Provider) alive(ctx context.Context) (bool, error) {
	return p.process(ctx, p.pidFile, func(args []string) bool { return strings.Contains(filepath.Base(args[0]), "master") })
}

// judges reports whether authd runs.
func (p *Provider) judges(ctx context.Context) (bool, error) {
	return p.process(ctx, authd.PIDFile(p.authDir()), func(args []string) bool { return slices.Contains(args, p.authDir()) })
}

// process reports whether the process that a file names runs, and is the one that
// is meant.
func (p *Provider) process(ctx context.Context, file string, meant func(args []string) bool) (bool, error) {
	files, err := p.host.Read(ctx, file)
	if err != nil {
		return false, err
	}
	pid := strings.TrimSpace(string(files[0].Content))
	if pid == "" || strings.Trim(pid, "0123456789") != "" {
		return false, nil
	}
	files, err = p.host.Read(ctx, filepath.Join("/proc", pid, "cmdline"))
	if err != nil {
		return false, nil //nolint:nilerr // it has ended just now
	}
	return len(files[0].Content) > 0 && meant(strings.Split(string(files[0].Content), "\x00")), nil
}

// control is the authd that Cyrus asks.
func (p *Provider) control(group string) *authd.Control {
	return &authd.Control{Host: p.host, Dir: p.authDir(), Executable: p.Executable, Group: group}
}

// dial connects to what listens on the host.
func (p *Provider) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return host.Dial(ctx, p.host, p.control("").Program(), network, address)
}

// dialTimeout is how long a listener may take to greet.
const dialTimeout = 10 * time.Second

// connect opens the administrator's session.
func (p *Provider) connect(ctx context.Context) (*session, error) {
	files, err := p.host.Read(ctx, p.secretPath())
	if err != nil {
		return nil, err
	}
	if !files[0].Exists {
		return nil, errors.New("Cyrus has no administrator for mailform yet, which the settings of its server bring along")
	}
	conn, err := p.dial(ctx, "unix", p.adminSocket())
	if err != nil {
		return nil, fmt.Errorf("connect to Cyrus as its administrator: %w", err)
	}
	return openSession(ctx, conn, adminName, strings.TrimSpace(string(files[0].Content)))
}
