package postfix

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/zclconf/go-cty/cty"
)

// A Provider is one instance of Postfix: a directory with main.cf and master.cf.
type Provider struct {
	// Executable is mailform's own path, for the daemon that judges passwords
	// where no other server does.
	Executable string

	value    cty.Value
	base     string // that relative paths start from
	dir      string // with main.cf and master.cf
	commands string // directory of the programs; empty: they are looked for
	unit     string
	lineage  string
	on       host.Host
	reads    *Provider // with the credentials for reading alone; nil: not looked for yet
	mapType  string    // of our maps: hash, lmdb, cdb, texthash
	daemons  string    // directory of the daemons
	ldap     bool      // it can ask directories
}

// Configure implements providers.Provider. It asks Postfix nothing.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() {
		cfg.Value = cty.EmptyObjectVal
	}
	value, _ := cfg.Value.UnmarkDeep()
	*p = Provider{Executable: p.Executable, value: value, base: cfg.Dir, lineage: cfg.Lineage, on: p.on,
		dir: text(value, "config_dir"), commands: text(value, "command_dir"), unit: text(value, "unit")}
	if p.dir == "" {
		p.dir = "/etc/postfix"
	}
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(cfg.Dir, p.dir)
	}
	p.dir = filepath.Clean(p.dir)
	if err := checkPath(p.dir); err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration",
			Detail: fmt.Sprintf("The provider postfix cannot be set up: config_dir: %s.", err)}}
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

// own is our directory.
func (p *Provider) own() string { return p.file() }

// file is a path in our directory.
func (p *Provider) file(names ...string) string {
	return filepath.Join(append([]string{p.dir, "mailform"}, names...)...)
}

func (p *Provider) mainFile() string   { return filepath.Join(p.dir, "main.cf") }
func (p *Provider) masterFile() string { return filepath.Join(p.dir, "master.cf") }
func (p *Provider) ledgerFile() string { return p.file("ledger.json") }

// saslName is what Cyrus SASL knows our servers by: saslName.conf says whom it asks.
const saslName = "mailform"

// saslDir is where Cyrus SASL looks for that file. Debian's Postfix looks nowhere
// else, whatever cyrus_sasl_config_path says.
func (p *Provider) saslDir() string { return filepath.Join(p.dir, "sasl") }

// Our maps.
const (
	domains = iota
	recipients
	aliases
	// Those from here on are made of other things, and there once there is something in
	// them.
	refused         // of rows of aliases
	transport       // of smarthosts by their recipients
	senderTransport // by their senders
	passwords       // of smarthosts
)

var tableNames = [...]string{domains: "domains", recipients: "recipients", aliases: "aliases", refused: "refused",
	transport: "transport", senderTransport: "sender-transport", passwords: "passwords"}

// mapOf is a map of ours as main.cf names it.
func (p *Provider) mapOf(table int) string { return p.mapType + ":" + p.file(tableNames[table]) }

// textType is the type of maps that are not built: each process of Postfix reads the
// text when it begins, and a change is one for those that begin after a reload.
const textType = "texthash"

// builtSuffixes are the ends of the names of files that postmap makes. All other
// types of maps that it can build are no files of one name.
var builtSuffixes = map[string]string{"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", textType: ""}

// program is a command of Postfix for this instance.
func (p *Provider) program(name string, args ...string) host.Command {
	if p.commands != "" {
		name = filepath.Join(p.commands, name)
	}
	return host.Cmd(append([]string{name, "-c", p.dir}, args...)...)
}

// survey asks what does not change: where the programs are, and which type of map
// the installation has, the one that it prefers or the first of those that we know.
func (p *Provider) survey(ctx context.Context) error {
	if p.mapType != "" {
		return nil
	}
	out, err := host.Must(ctx, p.on, p.program("postconf", "-h", "default_database_type", "daemon_directory"))
	if err != nil {
		return err
	}
	values := strings.Split(string(out.Stdout), "\n")
	if len(values) < 2 {
		return errors.New("postconf does not say where the programs of Postfix are")
	}
	p.daemons = strings.TrimSpace(values[1])
	if out, err = host.Must(ctx, p.on, p.program("postconf", "-m")); err != nil {
		return err
	}
	has := strings.Fields(string(out.Stdout))
	p.ldap = slices.Contains(has, "ldap")
	for _, t := range []string{strings.TrimSpace(values[0]), "lmdb", "hash", "cdb", "btree", textType} {
		if _, known := builtSuffixes[t]; known && slices.Contains(has, t) {
			p.mapType = t
			return nil
		}
	}
	return errors.New("this Postfix has none of the maps lmdb, hash, cdb, btree and texthash")
}

// daemon is Postfix as a service.
func (p *Provider) daemon() *service.Service {
	return &service.Service{
		Host: p.on, Unit: p.unit,
		Start: p.program("postfix", "start"), Stop: p.program("postfix", "stop"), Reload: p.program("postfix", "reload"),
		Alive: func(ctx context.Context) (bool, error) {
			if err := p.survey(ctx); err != nil {
				return false, err
			}
			c := host.Cmd(append([]string{"sh", "-c", alive, filepath.Join(p.daemons, "master"), p.dir}, p.program("postconf", "-x", "-h", "queue_directory").Args...)...)
			out, err := p.on.Run(ctx, c)
			if err == nil && out.Code == unseen {
				err = fmt.Errorf("whether Postfix runs is not to be seen on %s: %w", p.on, out.Err(c))
			}
			return err == nil && out.Code != 0, err
		},
	}
}

// alive ends with another exit status than 0 where Postfix runs. Whether it could be
// started is what "postfix status" asks too; the shell is there to make it a process
// that can begin a session, without which it ends. Only root may ask that: who is not
// looks for the process.
const alive = `if [ "$(id -u)" = 0 ]; then "$0" -t -c "$1"; exit $?; fi
shift
at=$("$@") || exit 77
[ -d "$at/pid" ] && [ -x "$at/pid" ] || { echo "$at/pid: Permission denied" >&2; exit 77; }
[ -e "$at/pid/master.pid" ] || exit 0
pid=$(tr -d ' ' <"$at/pid/master.pid") || exit 77
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = master ] || exit 0
grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" && exit 0 # it has ended, and nobody has taken note
exit 1`

// unseen is the exit status where that is not to be told.
const unseen = 77

// judge is the daemon that says whether users who submit mail are who they say they
// are.
func (p *Provider) judge(group string) *authd.Control {
	return &authd.Control{Host: p.on, Dir: p.file("authd"), Executable: p.Executable, Group: group}
}

// trial changes main.cf, master.cf and the ledger.
func (p *Provider) trial(accept func(context.Context) error) *host.Trial {
	return &host.Trial{Host: p.on, Note: p.file("unfinished.json"), Accept: accept}
}
