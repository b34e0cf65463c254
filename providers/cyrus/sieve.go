package cyrus

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A user of Cyrus has Sieve scripts by their names, one of them active. The one of the
// files is called as at the embedded server, and is the active one: another that the
// user makes active is drift. It is put there by ManageSieve, in the user's name, since
// where Cyrus has scripts differs from version to version.

// scriptOf is what the script of the files is called.
const scriptOf = "mailform"

// longestScript bounds scripts, below what is read of an answer.
const longestScript = 512 << 10

// scriptsService is ManageSieve for the administrator, on a socket that nobody else
// gets at. It is there from the first script on.
const scriptsService = servicePrefix + "scripts"

func (p *Provider) scriptsSocket() string { return filepath.Join(p.adminDir(), "sieve") }

// plaintextThere lets him log in there, where nothing goes over a network.
var plaintextThere = option{scriptsService + "_allowplaintext", "yes"}

// checkScript refuses what is none, as far as that can be said without Cyrus.
func checkScript(text string) error {
	switch {
	case text == "":
		return lack("sieve", "it is empty: leave it out")
	case len(text) > longestScript || strings.ContainsRune(text, 0):
		return lack("sieve", "it is longer than 512 KiB, or holds a zero byte")
	}
	return nil
}

// digestOf is what a mark has of a script.
func digestOf(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// connectSieve opens the administrator's ManageSieve session.
func (p *Provider) connectSieve(ctx context.Context) (*sieveSession, error) {
	files, err := p.host.Read(ctx, p.secretPath())
	if err != nil {
		return nil, err
	}
	conn, err := p.dial(ctx, "unix", p.scriptsSocket())
	if err != nil {
		return nil, fmt.Errorf("connect to ManageSieve of Cyrus: %w", err)
	}
	return openSieve(conn, strings.TrimSpace(string(files[0].Content)))
}

// loadScripts reads what users have who are to have a script, over one connection.
// Of a server that does not run, or not with that service, nothing is known.
func (w *world) loadScripts(ctx context.Context) error {
	w.scripts = map[string]string{}
	var users []string
	for _, address := range w.model.keys(schema.KindMailbox) {
		if b := w.boxes[address]; b != nil && b.there && w.model.mark(schema.KindMailbox, address).Script != "" {
			users = append(users, address)
		}
	}
	if !w.running || len(users) == 0 || !w.offersScripts() {
		return nil
	}
	var s *sieveSession
	err := until(ctx, func() (err error) {
		s, err = w.p.connectSieve(ctx)
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	for _, user := range users {
		answers, err := s.as(ctx, user, "LISTSCRIPTS", "GETSCRIPT "+quoted(scriptOf))
		if err != nil {
			return err
		}
		if isActive(answers[0]) && answers[1].ok && len(answers[1].data) > 0 {
			w.scripts[user] = sieveString(answers[1].data[0])
		}
	}
	return nil
}

// isActive reports whether the script of the files is the active one of a list.
func isActive(list sieveAnswer) bool { return slices.Contains(list.data, quoted(scriptOf)+" ACTIVE") }

// script is the script of a user that is in force; null: there is none. Ends of
// lines are no difference.
func (w *world) script(address string, k *mark) cty.Value {
	if k == nil || k.Script == "" {
		return cty.NullVal(cty.String)
	}
	declared := cty.StringVal(w.model.Scripts[k.Script])
	if !w.running {
		return declared
	}
	have, there := w.scripts[address]
	switch {
	case !there:
		return cty.NullVal(cty.String)
	case ends.Replace(cty.StringVal(have).AsString()) == ends.Replace(declared.AsString()):
		return declared
	}
	return cty.StringVal(have)
}

var ends = strings.NewReplacer("\r\n", "\n")

// offersScripts reports whether cyrus.conf has ManageSieve for the administrator.
func (w *world) offersScripts() bool {
	return slices.ContainsFunc(w.services.own(sectionServices), func(l string) bool { return readEntry(l).name == scriptsService })
}

// offerScripts has it, before the first script.
func (w *world) offerScripts(ctx context.Context) error {
	if w.offersScripts() {
		return nil
	}
	lines := map[string][]string{}
	for _, section := range sections {
		lines[section] = w.services.own(section)
	}
	lines[sectionServices] = append(lines[sectionServices], fmt.Sprintf(`%s cmd="%s -C %s" listen="%s" prefork=0 maxchild=8`,
		scriptsService, w.p.program(programsOf["managesieve"]), w.p.optionsPath(), w.p.scriptsSocket()))
	declared := listenersIn(lines[sectionServices])
	w.services.set(lines, func(e entry) bool { return inTheWay(e, declared) })
	w.options.set(append(slices.DeleteFunc(slices.Clone(w.options.ours), func(o option) bool { return o.name == plaintextThere.name }), plaintextThere))
	options, services := w.optionsFile.With(w.options.bytes()), w.servicesFile.With(w.services.bytes())
	options.Backup, services.Backup = true, true
	trial := &host.Trial{Host: w.p.host, Note: w.p.notePath(), Accept: w.p.accept}
	if err := trial.Run(ctx, options, services); err != nil {
		return changed(err)
	}
	w.optionsFile, w.servicesFile = options, services
	return nil
}

// work on scripts of mailboxes that are there by now, over one connection, and tell
// of each.
func (w *world) putScripts(ctx context.Context, r *report) error {
	jobs := slices.DeleteFunc(w.scripted, func(j *job) bool { return r.results[j.i].told })
	if len(jobs) == 0 {
		return nil
	}
	var s *sieveSession
	err := w.offerScripts(ctx)
	if err == nil {
		err = until(ctx, func() (err error) {
			s, err = w.p.connectSieve(ctx)
			return err
		})
	}
	if err != nil {
		r.fail(err)
		return r.tell()
	}
	defer s.close()
	for _, j := range jobs {
		address := r.batch[j.i].Resource.Key
		refused, err := s.put(ctx, address, j.script)
		if err != nil {
			r.fail(fmt.Errorf("the administrator's session ended: %w", err))
			return r.tell()
		}
		if refused == nil && j.script != "" {
			w.scripts[address] = j.script
		}
		w.settleJob(j, r, refused)
		if err := r.tell(); err != nil {
			return err
		}
	}
	return nil
}

// put makes a text the script of a user that is in force; empty: he has none of the
// files any more. refused is what the server says no to.
func (s *sieveSession) put(ctx context.Context, user, text string) (refused, err error) {
	commands := []string{"PUTSCRIPT " + quoted(scriptOf) + " " + sieveLiteral(text), "SETACTIVE " + quoted(scriptOf)}
	if text == "" {
		list, err := s.as(ctx, user, "LISTSCRIPTS")
		if err != nil {
			return nil, err
		}
		commands = nil
		if isActive(list[0]) {
			commands = append(commands, `SETACTIVE ""`)
		}
		if len(commands) > 0 || slices.Contains(list[0].data, quoted(scriptOf)) {
			commands = append(commands, "DELETESCRIPT "+quoted(scriptOf))
		}
		if len(commands) == 0 {
			return nil, list[0].err()
		}
	}
	answers, err := s.as(ctx, user, commands...)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		if e := answers[i].err(); e != nil {
			return fmt.Errorf("sieve: %w", e), nil
		}
	}
	return nil, nil
}

// judgeScripts is run with sievec and imapd.conf, and an archive of scripts: what is
// wrong with each, below a line with its name.
const judgeScripts = `set -eu
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
tar -xf - -C "$d"
command -v "$1" >"$d/.said" || exit 0
for f in "$d"/*; do
	"$1" -C "$2" "$f" "$d/made" >"$d/said" 2>&1 || { echo "script ${f##*/}"; cat "$d/said"; }
done`

// validateScripts has Cyrus's own compiler judge scripts that are not there yet.
func (w *world) validateScripts(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	texts, of := map[string]string{}, map[string][]string{}
	for _, r := range wanted {
		if r.Kind != schema.KindMailbox || r.Attrs == cty.NilVal || r.Attrs.IsNull() || !r.Attrs.IsKnown() {
			continue
		}
		v, _ := r.Attrs.GetAttr("sieve").Unmark()
		if !v.IsKnown() || v.IsNull() || checkScript(v.AsString()) != nil {
			continue
		}
		d := digestOf(v.AsString())
		if _, there := w.model.Scripts[d]; !there {
			texts[d] = v.AsString()
			of[d] = append(of[d], r.Address)
		}
	}
	if len(texts) == 0 || !w.optionsFile.Exists {
		return nil, nil
	}
	if err := w.p.findPrograms(ctx); err != nil {
		return nil, err
	}
	wrong, err := w.p.tryScripts(ctx, texts)
	if err != nil {
		return nil, err
	}
	var problems []providers.Problem
	for _, d := range slices.Sorted(maps.Keys(wrong)) {
		for _, address := range of[d] {
			problems = append(problems, providers.Problem{Address: address, Attribute: "sieve", Detail: "The Sieve script is refused: " + wrong[d] + "."})
		}
	}
	return problems, nil
}

// tryScripts is what the compiler says of scripts, by their names, in one process of
// the host's.
func (p *Provider) tryScripts(ctx context.Context, scripts map[string]string) (map[string]string, error) {
	var archive bytes.Buffer
	t := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(scripts[name]))})
		if err == nil {
			_, err = t.Write([]byte(scripts[name]))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	c := host.Cmd("sh", "-c", judgeScripts, "sh", p.program("sievec"), p.optionsPath())
	c.Stdin = archive.Bytes()
	out, err := host.Must(ctx, p.host, c)
	if err != nil {
		return nil, err
	}
	wrong := map[string]string{}
	for _, part := range strings.Split("\n"+string(out.Stdout), "\nscript ")[1:] {
		name, said, _ := strings.Cut(part, "\n")
		if scripts[name] == "" {
			return nil, errors.New("sievec says something that cannot be read")
		}
		wrong[name] = strings.TrimSuffix(strings.Join(strings.Fields(said), " "), ".")
	}
	return wrong, nil
}
