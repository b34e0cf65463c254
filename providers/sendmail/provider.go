package sendmail

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/zclconf/go-cty/cty"
)

// A Provider is one instance of Sendmail: a directory with sendmail.cf.
type Provider struct {
	// Executable is mailform's own path, for the daemon that judges passwords.
	Executable string

	value    cty.Value
	base     string // that relative paths start from
	dir      string
	mc, cf   string
	programs string // directory of sendmail and makemap; empty: they are looked for
	unit     string
	lineage  string
	on       host.Host
	// How long processes of a Sendmail that is stopped may take to finish what they are
	// at, and how long after that those may take that a move of the queue waits for.
	finishing, leaving time.Duration
	reads              *Provider // with the credentials for reading alone; nil: not looked for yet
}

// Configure implements providers.Provider. It asks Sendmail nothing.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() {
		cfg.Value = cty.EmptyObjectVal
	}
	value, _ := cfg.Value.UnmarkDeep()
	absolute := func(path, from string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(from, path)
	}
	*p = Provider{Executable: p.Executable, value: value, base: cfg.Dir, lineage: cfg.Lineage, on: p.on, unit: text(value, "unit"), finishing: finishing, leaving: leaving}
	p.dir = filepath.Clean(absolute(cmp.Or(text(value, "config_dir"), "/etc/mail"), cfg.Dir))
	p.mc = absolute(cmp.Or(text(value, "mc"), filepath.Join(p.dir, "sendmail.mc")), cfg.Dir)
	p.cf = absolute(cmp.Or(text(value, "cf"), filepath.Join(p.dir, "sendmail.cf")), cfg.Dir)
	p.programs = absolute(text(value, "program_dir"), cfg.Dir)
	for name, path := range map[string]string{"config_dir": p.dir, "mc": p.mc, "cf": p.cf} {
		if err := checkPath(path); err != nil {
			return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration",
				Detail: fmt.Sprintf("The provider sendmail cannot be set up: %s: %s.", name, err)}}
		}
	}
	return nil
}

// text is an attribute of the block; empty: it is not there.
func text(v cty.Value, name string) string {
	if !v.Type().HasAttribute(name) {
		return ""
	}
	a := v.GetAttr(name)
	if a.IsNull() || !a.IsKnown() {
		return ""
	}
	return a.AsString()
}

// connect opens the way to the machine, once.
func (p *Provider) connect(ctx context.Context) error {
	if p.on != nil {
		return nil
	}
	h, err := host.Open(ctx, p.value, p.base)
	if err != nil {
		return err
	}
	p.on = h
	return nil
}

// file is a path in our directory.
func (p *Provider) file(names ...string) string {
	return filepath.Join(append([]string{p.dir, "mailform"}, names...)...)
}

// reader is the provider for what only looks, with the credentials of read_connection
// where there are any.
func (p *Provider) reader(ctx context.Context) (*Provider, error) {
	if p.reads != nil {
		return p.reads, nil
	}
	h, err := host.OpenReading(ctx, p.value, p.base)
	if err != nil {
		return nil, err
	}
	if p.reads = p; h != nil {
		r := *p
		r.on, r.reads = h, &r
		p.reads = &r
	}
	return p.reads, nil
}

// program is the path of one of Sendmail's programs.
func (p *Provider) program(name string) string {
	if p.programs != "" {
		return filepath.Join(p.programs, name)
	}
	return name
}

// daemon is Sendmail as a service.
func (p *Provider) daemon(pidFile string) *service.Service {
	start := host.Cmd(p.program("sendmail"), "-C", p.cf, "-bd", "-q1m")
	return &service.Service{
		Host: p.on, Unit: p.unit, Start: start, Stop: p.stopping(pidFile), Reload: p.renewing(pidFile, start),
		Alive: func(ctx context.Context) (bool, error) { return p.alive(ctx, pidFile) },
	}
}

// alive reports whether the process that a pid file names is a Sendmail.
func (p *Provider) alive(ctx context.Context, pidFile string) (bool, error) {
	line, err := p.commandLine(ctx, pidFile)
	return strings.Contains(line, "sendmail"), err
}

// commandLine is that of the process that a pid file names; empty: there is none.
func (p *Provider) commandLine(ctx context.Context, pidFile string) (string, error) {
	files, err := p.on.Read(ctx, pidFile)
	if err != nil || !files[0].Exists {
		return "", err
	}
	pid, _, _ := strings.Cut(strings.TrimSpace(string(files[0].Content)), "\n")
	if pid == "" || strings.Trim(pid, "0123456789") != "" {
		return "", nil
	}
	// The file outlives its process: another may have the number by now.
	if files, err = p.on.Read(ctx, "/proc/"+pid+"/cmdline"); err != nil || !files[0].Exists {
		return "", nil
	}
	return string(files[0].Content), nil
}

// judge is the daemon that says whether users who submit mail are who they say they
// are. Sendmail asks it as root.
func (p *Provider) judge() *authd.Control {
	return &authd.Control{Host: p.on, Dir: p.file("authd"), Executable: p.Executable, Group: "0"}
}
