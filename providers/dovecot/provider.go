package dovecot

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/dovecot/sqlusers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Provider reconciles one Dovecot.
type Provider struct {
	// Now is the clock; nil: that of the machine. Mail of closed accounts is kept
	// by it.
	Now func() time.Time

	host     host.Host
	reads    host.Host // with the credentials for reading alone; nil: there are none
	config   string    // the directory of dovecot.conf
	mailDir  string
	mailUser string
	unit     string
	programs string          // their directory; empty: that of the PATH
	table    *sqlusers.Table // has the users; nil: they are in files
	far      bool            // the host is another machine
	lineage  string
}

// Configure implements providers.Provider.
func (p *Provider) Configure(ctx context.Context, cfg providers.Config) hcl.Diagnostics {
	typ := schema.ProviderByName("dovecot")
	text := func(name string) string {
		v := cty.NullVal(cty.String)
		if !cfg.Value.IsNull() && cfg.Value.Type().HasAttribute(name) {
			v, _ = cfg.Value.GetAttr(name).Unmark()
		}
		if v.IsNull() {
			if v = typ.Attribute(name).Default; v == cty.NilVal {
				return ""
			}
		}
		if !v.IsKnown() {
			return ""
		}
		return v.AsString()
	}
	absolute := func(dir string) string {
		if path.IsAbs(dir) {
			return path.Clean(dir)
		}
		return filepath.Join(cfg.Dir, dir)
	}
	p.config, p.mailDir = absolute(text("config_dir")), absolute(text("mail_dir"))
	p.mailUser, p.unit = text("mail_user"), text("unit")
	if p.programs = text("program_dir"); p.programs != "" {
		p.programs = absolute(p.programs)
	}
	p.lineage = cfg.Lineage
	if p.Now == nil {
		p.Now = time.Now
	}
	if c := blockOf(cfg.Value, "connection"); !c.IsNull() && c.IsKnown() {
		v, _ := c.GetAttr("type").Unmark()
		p.far = !v.IsNull() && v.IsKnown() && v.AsString() != "local"
	}
	if err := p.configureTable(blockOf(cfg.Value, "sql"), absolute); err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Users in a table that cannot be", Detail: "sql of provider \"dovecot\": " + err.Error() + "."}}
	}
	if p.host != nil {
		return nil
	}
	h, err := host.Open(ctx, cfg.Value, cfg.Dir)
	if err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot reach the host of Dovecot", Detail: err.Error()}}
	}
	p.host = h
	if p.reads, err = host.OpenReading(ctx, cfg.Value, cfg.Dir); err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot reach the host of Dovecot", Detail: err.Error()}}
	}
	return nil
}

// reader is the provider for what only looks, with the credentials of read_connection
// where there are any.
func (p *Provider) reader() *Provider {
	if p.reads == nil {
		return p
	}
	r := *p
	r.host = p.reads
	return &r
}

// blockOf is a block of the provider's; null where there is none.
func blockOf(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.EmptyObject)
	}
	return v.GetAttr(name)
}

// program is where a program of Dovecot's is.
func (p *Provider) program(name string) string { return path.Join(p.programs, name) }

// Paths of what is there, and of what is ours.
func (p *Provider) mainFile() string       { return path.Join(p.config, "dovecot.conf") }
func (p *Provider) ours() string           { return path.Join(p.config, "mailform") }
func (p *Provider) settingsFile() string   { return path.Join(p.ours(), "mailform.conf") }
func (p *Provider) usersFile() string      { return path.Join(p.ours(), "users") }
func (p *Provider) denied(s string) string { return path.Join(p.ours(), "deny."+s) }

// include is the line of dovecot.conf that names our settings.
const include = "!include mailform/mailform.conf"

// logins are the services that somebody logs in with, as Dovecot calls them.
var logins = []string{"imap", "pop3", "smtp", "sieve"}

// pidFile has the number of the master process.
func (p *Provider) pidFile(t *tree) string { return path.Join(t.values["base_dir"], "master.pid") }

// service is Dovecot as something that runs.
func (p *Provider) service(t *tree) *service.Service {
	pidFile := p.pidFile(t)
	return &service.Service{
		Host: p.host, Unit: p.unit,
		Start:  host.Cmd(p.program("dovecot"), "-c", p.mainFile()),
		Stop:   host.Cmd("sh", "-c", stopScript, "sh", pidFile, p.program("doveadm"), p.mainFile()),
		Reload: host.Cmd(p.program("doveadm"), "-c", p.mainFile(), "reload"),
		Alive: func(ctx context.Context) (bool, error) {
			files, err := p.host.Read(ctx, pidFile)
			if err != nil || !files[0].Exists {
				return false, err
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(files[0].Content)))
			if err != nil {
				return false, nil
			}
			// A process of that number that is none of Dovecot's is another one.
			if files, err = p.host.Read(ctx, fmt.Sprintf("/proc/%d/comm", pid)); err != nil || !files[0].Exists {
				return false, nil //nolint:nilerr // it has ended meanwhile
			}
			return strings.TrimSpace(string(files[0].Content)) == "dovecot", nil
		},
	}
}

// stopScript stops Dovecot with all its processes. With shutdown_clients = no, which lets
// sessions go on when it reads its settings again, those that serve somebody would
// outlive it.
const stopScript = `pid=$(cat "$1") || exit 1
processes=$(grep -ls "^PPid:[[:space:]]*$pid\$" /proc/[0-9]*/status | cut -d / -f 3)
"$2" -c "$3" stop || exit 1
for p in $processes; do
  grep -aqs dovecot "/proc/$p/cmdline" && kill -TERM "$p"
done
exit 0`

// A state is all that there is.
type state struct {
	main, conf, users, sql, lookup host.File
	denyFiles                      map[string]host.File

	dialect  *dialect
	tree     *tree // what is in force
	settings *settings
	was      map[string]listener // the listeners in force
	list     *userFile
	denied   map[string]map[string]bool // by service and address
	running  bool
	rows     map[string]sqlusers.Row // of the table, by address
	// scripts of users, by their names, and whether Dovecot runs them.
	scripts map[string]string
	runs    bool
	// at is where the mail lies, and index where its indexes do; what is still being
	// moved is where it was.
	at, index string
	// outgrown: the settings were written for another version.
	outgrown bool
}

// load reads what there is. Without a dovecot.conf there is nothing.
func (p *Provider) load(ctx context.Context) (*state, error) {
	paths := []string{p.mainFile(), p.settingsFile(), p.usersFile(), p.sqlFile()}
	for _, s := range logins {
		paths = append(paths, p.denied(s))
	}
	paths = append(paths, p.lookupFile())
	files, err := p.host.Read(ctx, paths...)
	if err != nil {
		return nil, err
	}
	st := &state{main: files[0], conf: files[1], users: files[2], sql: files[3], lookup: files[len(files)-1], denyFiles: map[string]host.File{}, denied: map[string]map[string]bool{}, dialect: dialects[len(dialects)-1], tree: newTree(), settings: newSettings()}
	for i, s := range logins {
		st.denyFiles[s] = files[4+i]
		st.denied[s] = parseNames(files[4+i].Content)
	}
	if st.settings.marks, st.settings.gen, err = parseMarks(st.conf.Content); err != nil {
		return nil, fmt.Errorf("%s: %w", p.settingsFile(), err)
	}
	st.settings.place = parsePlace(st.conf.Content)
	st.at = p.mailDirOf(st.settings)
	if n, err := p.mover().Under(ctx); err != nil {
		return nil, err
	} else if n != nil && n.To == st.at {
		st.at = n.From // there is something left to do
	}
	st.settings.index = parseIndex(st.conf.Content)
	st.index = indexDirOf(st.settings, st.at)
	if n, err := p.indexMover(st.at).Under(ctx); err != nil {
		return nil, err
	} else if n != nil && n.To == st.index {
		st.index = n.From
	}
	if st.list, err = parseUsers(st.users.Content); err != nil {
		return nil, fmt.Errorf("%s: %w", p.usersFile(), err)
	}
	if p.table != nil {
		if err := p.loadTable(ctx, st); err != nil {
			return nil, err
		}
	}
	if !st.main.Exists {
		return st, nil
	}
	if st.list.wantsScripts() {
		if st.scripts, err = p.loadScripts(ctx); err != nil {
			return nil, err
		}
	}
	out, err := host.Must(ctx, p.host, host.Cmd(p.program("doveconf"), "-c", p.mainFile(), "-a", "-P"))
	if err != nil {
		if now := p.dialectOf(ctx); st.writtenFor() != now && now != nil && len(st.settings.marks) > 0 {
			st.dialect, st.outgrown = now, true
			return st, nil
		}
		// Where mailform was killed before it could put back what Dovecot refuses,
		// nothing is in force until the next apply does.
		open, oerr := p.trial(st).Unfinished(ctx)
		if oerr == nil && open {
			return st, nil
		}
		return nil, fmt.Errorf("ask what is in force: %w", err)
	}
	st.tree, st.dialect = parseTree(string(out.Stdout)), spoken(string(out.Stdout))
	store, listeners := inForce(st.tree, st.dialect, st.settings.marks, certificateFile(p.ours()))
	st.was, st.runs = maps.Clone(listeners), runsScripts(st.tree, st.dialect)
	st.settings.store = store
	for _, m := range st.settings.marks {
		if m.Kind == schema.KindSubmission {
			st.settings.relay = relayInForce(st.tree)
		}
		if m.Kind != schema.KindLookup {
			continue
		}
		if l, err := st.declaredLookup(m); err == nil {
			st.settings.lookup = &l
		}
	}
	for id := range st.settings.marks { // where Dovecot listens by itself is none of ours
		if _, service := splitListener(id.Key); id.Kind == schema.KindListener {
			st.settings.listeners[service] = listeners[service]
		}
	}
	st.running, err = p.service(st.tree).Running(ctx)
	return st, err
}

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	p = p.reader()
	st, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	return p.located(ctx, st, scope, p.observe(st, func(string, string) bool { return true }))
}

// Count implements providers.Counter.
func (p *Provider) Count(ctx context.Context, keys []string) (map[string]providers.Held, error) {
	if p.reads != nil {
		return p.reader().countFiles(ctx, keys)
	}
	// Its list of users has to be a file that it can read from several times.
	c := host.Cmd("sh", "-c", `list=$(mktemp) && trap 'rm -f "$list"' EXIT && cat >"$list" && "$2" -c "$1" -f tab mailbox status -F "$list" "messages vsize" "*"`, "sh", p.mainFile(), p.program("doveadm"))
	c.Stdin = []byte(strings.Join(keys, "\n") + "\n")
	out, err := p.host.Run(ctx, c)
	if err != nil {
		return nil, err
	}
	held := map[string]providers.Held{}
	lines := strings.Split(string(out.Stdout), "\n")
	columns := map[string]int{}
	for i, name := range strings.Split(lines[0], "\t") {
		columns[strings.ToLower(name)] = i
	}
	at := func(fields []string, name string) string {
		if i, ok := columns[name]; ok && i < len(fields) {
			return fields[i]
		}
		return ""
	}
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		user := at(fields, "username")
		if user == "" {
			continue
		}
		h := held[user]
		h.Messages += number(at(fields, "messages"))
		h.Bytes += number(at(fields, "vsize"))
		held[user] = h
	}
	if len(held) == 0 {
		return nil, out.Err(c)
	}
	return held, nil
}
