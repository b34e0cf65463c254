package dovecot

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// scriptField begins the field of a user's entry that names his Sieve script.
const scriptField = "userdb_mailform_sieve="

// scripts is the directory of Sieve scripts. Each is named after its text, so that
// one which is in use never changes, and is there once for all who have it. Beside
// it lies what sievec makes of it.
func (p *Provider) scripts() string { return path.Join(p.ours(), "sieve") }

// scriptName is what a script is called.
func scriptName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// plainScript reports whether somebody's script can be one of ours.
func plainScript(name string) bool {
	return name != "" && strings.Trim(name, "0123456789abcdef") == ""
}

// loadScripts reads the scripts that there are, by their names.
func (p *Provider) loadScripts(ctx context.Context) (map[string]string, error) {
	entries, err := p.host.List(ctx, p.scripts())
	if err != nil {
		return nil, err
	}
	var names, paths []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name, ".sieve"); ok && e.Mode.IsRegular() {
			names, paths = append(names, name), append(paths, path.Join(p.scripts(), e.Name))
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := p.host.Read(ctx, paths...)
	if err != nil {
		return nil, err
	}
	scripts := make(map[string]string, len(names))
	for i, name := range names {
		scripts[name] = string(files[i].Content)
	}
	return scripts, nil
}

// runsScripts reports whether Dovecot runs the scripts of users, as far as its
// settings go.
func runsScripts(t *tree, d *dialect) bool {
	plugins, _ := t.get("protocol lmtp/mail_plugins")
	on, _ := t.get("protocol lmtp/mail_plugins/sieve")
	if on != "yes" && !slices.Contains(strings.Fields(plugins), "sieve") {
		return false
	}
	return d.ourScripts(t) != ""
}

// scriptSettings23 has Dovecot run the script of a user before those that he keeps
// himself, in the dialect of 2.3: sieve_before, sieve_before2 and so on are run one
// after the other, and there may be some of the administrator's.
func scriptSettings23(b *strings.Builder, e environment) {
	fmt.Fprintf(b, "protocol lmtp {\n  mail_plugins = $mail_plugins sieve\n}\nplugin {\n  %s = %s\n}\n\n", e.scriptSetting, path.Join(e.dir, "sieve", scriptVariable+".sieve"))
}

// scriptVariable stands for the name of a user's script.
const scriptVariable = "%{userdb:mailform_sieve}"

// ourScripts23 is the setting that names our scripts; empty: there is none.
func ourScripts23(t *tree) string {
	for name, value := range t.block("plugin").values {
		if strings.HasPrefix(name, "sieve_before") && strings.Contains(value, scriptVariable) {
			return name
		}
	}
	return ""
}

// freeScripts23 is the first such setting that nobody has, or that we have.
func freeScripts23(t *tree) string {
	if name := ourScripts23(t); name != "" {
		return name
	}
	plugin := t.block("plugin").values
	name := "sieve_before"
	for n := 2; plugin[name] != ""; n++ {
		name = "sieve_before" + strconv.Itoa(n)
	}
	return name
}

// scriptSettings24 is the same from 2.4 on, where scripts that users keep themselves
// have no place unless it is named.
func scriptSettings24(b *strings.Builder, e environment) {
	if e.personal {
		fmt.Fprintf(b, "%s {\n  type = personal\n  path = ~/sieve\n  active_path = ~/.dovecot.sieve\n}\n", ownScripts)
	}
	fmt.Fprintf(b, "protocol lmtp {\n  mail_plugins {\n    sieve = yes\n  }\n}\nsieve_script mailform {\n  type = before\n  path = %s\n}\n\n",
		path.Join(e.dir, "sieve", "%{userdb:mailform_sieve | default('none')}.sieve"))
}

func ourScripts24(t *tree) string {
	name := "sieve_script mailform"
	if len(t.blocks[name]) == 0 {
		return ""
	}
	return name
}

// wantsScripts reports whether any user has one.
func (f *userFile) wantsScripts() bool {
	return slices.ContainsFunc(f.users, func(u user) bool { return u.script != "" })
}

// script is the Sieve script of a user, null where he has none that is in force.
func (st *state) script(u *user) cty.Value {
	text, there := st.scripts[u.script]
	if u.script == "" || !there || !st.runs {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(text)
}

// compile is run with the directory of the scripts, sievec, dovecot.conf and the group that reads
// them, and an archive of scripts. It leaves nothing behind of those that do not
// compile. Without a directory they are only tried. sievec is asked for all
// together, and one by one only where that fails, to know of each what is wrong.
// What it makes of a script is for the place where that lies, so it is asked again
// there: of all where many are new.
const compile = `set -eu
umask 027
d=$(mktemp -d "${1:-/tmp}/new.XXXXXX")
trap 'rm -rf "$d"' EXIT
tar -xf - -C "$d"
if ! "$2" -c "$3" "$d" >"$d/said" 2>&1; then
	for f in "$d"/*.sieve; do
		"$2" -c "$3" "$f" >"$d/said" 2>&1 || { echo "script ${f##*/}"; cat "$d/said"; }
	done
	exit 9
fi
[ -n "$1" ] || exit 0
chgrp "$4" "$d"/*.sieve
chmod 640 "$d"/*.sieve
cd "$d"
set -- "$1" "$2" "$3" "$4" *.sieve
mv -f *.sieve "$1"
cd "$1"
rm -rf "$d"
if [ $# -gt 24 ]; then
	"$2" -c "$3" "$1"
	chgrp "$4" *.svbin
	chmod 640 *.svbin
	exit
fi
p=$2 c=$3 g=$4
shift 4
for f; do
	"$p" -c "$c" "$PWD/$f"
	chgrp "$g" "${f%.sieve}.svbin"
	chmod 640 "${f%.sieve}.svbin"
done
`

// refused is the exit status of compile where a script is none.
const refused = 9

// A scriptError says what is wrong with scripts, by their names.
type scriptError map[string]string

// of is what is wrong with the script of a resource; nil: nothing is.
func (e scriptError) of(r *schema.Resource) error {
	if r.Kind != schema.KindMailbox || r.Attrs == cty.NilVal || r.Attrs.IsNull() {
		return nil
	}
	v, _ := r.Attrs.GetAttr("sieve").Unmark()
	if v.IsNull() {
		return nil
	}
	if what := e[scriptName(v.AsString())]; what != "" {
		return errors.New("sieve: " + what)
	}
	return nil
}

func (e scriptError) Error() string {
	name := slices.Min(slices.Collect(maps.Keys(e)))
	return "sieve: " + e[name]
}

// compileScripts has sievec read scripts, and puts them into a directory, unless
// that is empty. The error is a scriptError where one of them is none.
func (p *Provider) compileScripts(ctx context.Context, scripts map[string]string, dir, gid string) error {
	// What sievec makes of a script has to be younger by a second to be believed.
	old := p.Now().Add(-5 * time.Second)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		text := scripts[name]
		err := w.WriteHeader(&tar.Header{Name: name + ".sieve", Mode: 0o640, Size: int64(len(text)), ModTime: old})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	c := host.Cmd("sh", "-c", compile, "sh", dir, p.program("sievec"), p.mainFile(), gid)
	c.Stdin = archive.Bytes()
	out, err := p.host.Run(ctx, c)
	switch {
	case err != nil:
		return err
	case out.Code == refused:
		return complaints(string(out.Stdout))
	}
	return out.Err(c)
}

// complaints are what sievec says of scripts, each below a line with its name.
func complaints(said string) error {
	wrong := scriptError{}
	for _, part := range strings.Split("\n"+said, "\nscript ")[1:] {
		file, said, _ := strings.Cut(part, "\n")
		name := strings.TrimSuffix(file, ".sieve")
		var lines []string
		for line := range strings.Lines(said) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok && strings.HasPrefix(rest, "line ") {
				lines = append(lines, strings.TrimSuffix(rest, "."))
			}
		}
		if len(lines) == 0 {
			lines = append(lines, "sievec says: "+strings.Join(strings.Fields(said), " "))
		}
		wrong[name] = strings.Join(lines, "; ")
	}
	if len(wrong) == 0 {
		return errors.New("sievec takes the scripts one by one, and not together")
	}
	return wrong
}

// putScripts writes the scripts of users that are not there yet, before anybody's
// entry names them. The error is a scriptError where one of them is none.
func (e *edit) putScripts(ctx context.Context) error {
	fresh := map[string]string{}
	for name, text := range e.scripts {
		if have, there := e.st.scripts[name]; !there || have != text {
			fresh[name] = text
		}
	}
	if e.st.outgrown { // and so are those that were compiled by another version
		for i := range e.st.list.users {
			if name := e.st.list.users[i].script; name != "" {
				if text, there := e.st.scripts[name]; there {
					fresh[name] = text
				}
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	_, gid, err := e.p.mailOwner(ctx)
	if err != nil {
		return err
	}
	if err := e.p.host.Mkdir(ctx, host.Dir{Path: e.p.ours(), Mode: 0o755}, host.Dir{Path: e.p.scripts(), Mode: 0o750, Owner: "root:" + gid}); err != nil {
		return err
	}
	return e.p.compileScripts(ctx, fresh, e.p.scripts(), gid)
}

// dropScripts removes the scripts that nobody has any more.
func (e *edit) dropScripts(ctx context.Context) error {
	used := map[string]bool{}
	for i := range e.st.list.users {
		used[e.st.list.users[i].script] = true
	}
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(e.st.scripts)) {
		if !used[name] {
			paths = append(paths, path.Join(e.p.scripts(), name+".sieve"), path.Join(e.p.scripts(), name+".svbin"))
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return e.p.host.Remove(ctx, paths...)
}

// validateScripts has sievec judge the scripts that are not there yet.
func (p *Provider) validateScripts(ctx context.Context, resources []schema.Resource) ([]providers.Problem, error) {
	wanted, of := map[string]string{}, map[string][]string{}
	for i := range resources {
		r := &resources[i]
		if r.Kind != schema.KindMailbox {
			continue
		}
		if v, _ := r.Attrs.GetAttr("sieve").Unmark(); v.IsKnown() && !v.IsNull() {
			name := scriptName(v.AsString())
			wanted[name] = v.AsString()
			of[name] = append(of[name], r.Address)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	main, err := p.host.Read(ctx, p.mainFile())
	if err != nil || !main[0].Exists {
		return nil, err
	}
	have, err := p.loadScripts(ctx)
	if err != nil {
		return nil, err
	}
	for name, text := range have {
		if wanted[name] == text {
			delete(wanted, name)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	out, err := p.host.Run(ctx, host.Cmd("sh", "-c", `command -v "$1"`, "sh", p.program("sievec")))
	if err != nil {
		return nil, err
	}
	if out.Code != 0 {
		return nil, fmt.Errorf("users have Sieve scripts, and %s has no sievec: install Pigeonhole (dovecot-sieve) there", p.host)
	}
	var wrong scriptError
	if err := p.compileScripts(ctx, wanted, "", ""); !errors.As(err, &wrong) {
		return nil, err
	}
	var problems []providers.Problem
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		for _, address := range of[name] {
			problems = append(problems, providers.Problem{Address: address, Attribute: "sieve", Detail: "The Sieve script is refused: " + wrong[name] + "."})
		}
	}
	return problems, nil
}
