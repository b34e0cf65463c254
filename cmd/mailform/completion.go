package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
)

// completeWord is the command that a shell asks for words: "mailform __complete
// plan -tar" prints a word a line. It is nobody's to type.
const completeWord = "__complete"

// What a shell is told beside words.
const (
	replyFiles       = ":files"       // files, as the shell finds them
	replyDirectories = ":directories" // folders
	replyNoSpace     = ":nospace"     // the word goes on
	replyQuote       = ":quote"       // the words have characters that a shell obeys
)

//go:embed shell/completion.bash
var completionBash string

//go:embed shell/completion.zsh
var completionZsh string

//go:embed shell/completion.fish
var completionFish string

// completion prints the script that teaches a shell.
func (a *app) completion(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("completion", flag.ContinueOnError)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	scripts := map[string]string{"bash": completionBash, "zsh": completionZsh, "fish": completionFish}
	names := slices.Sorted(maps.Keys(scripts))
	switch {
	case len(rest) == 0:
		return a.fail(errors.New("mailform completion needs the name of a shell: bash, fish or zsh. In bash: . <(mailform completion bash)"))
	case scripts[rest[0]] == "":
		hint := ""
		if s := suggest(rest[0], names); s != "" {
			hint = fmt.Sprintf(" Did you mean %q?", s)
		}
		return a.fail(fmt.Errorf("there is no completion for the shell %q.%s There is one for bash, fish and zsh", rest[0], hint))
	}
	fmt.Fprint(a.stdout, scripts[rest[0]])
	return exitOK
}

// complete prints what the last of some words can become. What goes wrong on
// the way only means that there is nothing to say.
func (a *app) complete(ctx context.Context, words []string) int {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	cur := strings.TrimLeft(words[last], "'\"")
	given := words[:last]
	c := completer{app: a, cur: cur}
	if last > 0 && strings.HasPrefix(given[last-1], "-") && !strings.Contains(given[last-1], "=") {
		c.before = strings.TrimLeft(given[last-1], "-")
	}
	c.chdirTo(&given)
	c.words(ctx, given)
	return exitOK
}

// A completer finds what a word can become.
type completer struct {
	*app
	cur    string
	before string // the flag before the word, without its dash; "" for none
}

// chdirTo does as -chdir says: files and addresses are those of that folder.
func (c *completer) chdirTo(given *[]string) {
	probe := &app{}
	rest, err := probe.globalFlags(*given)
	if err != nil {
		return // the word is the folder's name
	}
	*given = rest
	c.chdir = probe.chdir
}

func (c *completer) words(ctx context.Context, given []string) {
	if c.before == "chdir" {
		c.say(replyDirectories)
		return
	}
	if name, value, ok := strings.Cut(c.cur, "="); ok && strings.TrimLeft(name, "-") == "chdir" {
		c.cur = value
		c.say(replyDirectories)
		return
	}
	cmd, rest := find(given)
	if cmd == nil {
		if len(given) == 0 {
			c.commands(commands())
			c.flags(nil)
		}
		return
	}
	fs := c.flagsOf(ctx, cmd)
	if name, value, ok := strings.Cut(c.cur, "="); ok && strings.HasPrefix(name, "-") {
		c.cur = strings.TrimLeft(value, "'\"")
		c.value(fs, strings.TrimLeft(name, "-"))
		return
	}
	if c.before != "" && fs != nil {
		if f := fs.Lookup(c.before); f != nil && !isBool(f) {
			c.value(fs, c.before)
			return
		}
	}
	if strings.HasPrefix(c.cur, "-") {
		c.flags(fs)
		return
	}
	if list := subcommands(cmd.name); len(list) > 0 && len(rest) == 0 {
		c.commands(list)
		return
	}
	c.argument(cmd.args)
}

// flagsOf asks a command for its flags, which only it knows. It runs no further
// than to parse them.
func (c *completer) flagsOf(ctx context.Context, cmd *command) *flag.FlagSet {
	var fs *flag.FlagSet
	probe := &app{stdin: c.stdin, stdout: c.stdout, stderr: c.stderr, environ: c.environ, completing: &fs}
	cmd.run(probe, ctx, nil)
	return fs
}

func (c *completer) say(words ...string) {
	for _, w := range words {
		fmt.Fprintln(c.stdout, w)
	}
}

func (c *completer) offer(words ...string) {
	for _, w := range words {
		if strings.HasPrefix(w, c.cur) {
			c.say(w)
		}
	}
}

func (c *completer) commands(list []command) {
	for _, cmd := range list {
		c.offer(cmd.name)
	}
}

// flags offers options where one has been begun.
func (c *completer) flags(fs *flag.FlagSet) {
	if !strings.HasPrefix(c.cur, "-") {
		return
	}
	dash := "-"
	if strings.HasPrefix(c.cur, "--") {
		dash = "--"
	}
	names := []string{dash + "chdir=", dash + "help", dash + "no-color"}
	if fs != nil {
		fs.VisitAll(func(f *flag.Flag) {
			name := dash + f.Name
			if !isBool(f) {
				name += "="
			}
			names = append(names, name)
		})
	}
	slices.Sort(names)
	open := false
	for _, n := range names {
		open = open || strings.HasPrefix(n, c.cur) && strings.HasSuffix(n, "=")
	}
	if open {
		c.say(replyNoSpace)
	}
	c.offer(names...)
}

// value offers what a flag's value can be.
func (c *completer) value(fs *flag.FlagSet, name string) {
	if fs == nil {
		return
	}
	f := fs.Lookup(name)
	if f == nil {
		return
	}
	if isBool(f) {
		c.offer("false", "true")
		return
	}
	kind, _ := valueOf(f)
	c.argument(kind)
}

// argument offers what an argument can be, by what help calls it.
func (c *completer) argument(kind string) {
	kind = strings.Trim(kind, "[]")
	switch {
	case strings.HasPrefix(kind, "FILE"), kind == "PLAN":
		c.say(replyFiles)
	case kind == "DIR":
		c.say(replyDirectories)
	case kind == "NAME=VALUE":
		c.variables()
	case strings.HasPrefix(kind, "ADDRESS"):
		c.addresses()
	case kind == "USER or DOMAIN":
		c.mailboxes()
	case kind == "NAME":
		c.outputs()
	case strings.Contains(kind, "|"):
		c.offer(strings.Split(kind, "|")...)
	}
}

// enter loads the files of the folder; nil where there are none to be read.
func (c *completer) enter() *config.Module {
	if c.chdir == "" {
		c.chdir = "."
	}
	module, _ := config.Load(c.chdir)
	if module.Incomplete() {
		return nil
	}
	return module
}

// variables offers the variables that the files declare.
func (c *completer) variables() {
	if m := c.enter(); m != nil {
		c.say(replyNoSpace)
		for _, name := range m.VariableNames() {
			c.offer(name + "=")
		}
	}
}

// outputs offers the outputs that the files declare.
func (c *completer) outputs() {
	if m := c.enter(); m != nil {
		c.offer(m.OutputNames()...)
	}
}

// addresses offers the instances of the blocks that the files describe.
func (c *completer) addresses() {
	m := c.enter()
	if m == nil {
		return
	}
	cfg, _ := m.Evaluate(config.Options{Environ: c.environ, AllowUnset: true}, nil)
	if cfg == nil {
		return
	}
	c.say(replyQuote)
	for i := range cfg.Instances {
		c.offer(cfg.Instances[i].Ref.String())
	}
}

// mailboxes offers the domains and the users that the files describe.
func (c *completer) mailboxes() {
	m := c.enter()
	if m == nil {
		return
	}
	cfg, _ := m.Evaluate(config.Options{Environ: c.environ, AllowUnset: true}, nil)
	if cfg == nil {
		return
	}
	res, _ := expand.Expand(cfg, expand.Options{Partial: true})
	if res == nil {
		return
	}
	var words []string
	for _, d := range res.MailDomains {
		words = append(words, d.Host)
	}
	for i := range res.Resources {
		if res.Resources[i].Kind == schema.KindMailbox {
			words = append(words, res.Resources[i].Key)
		}
	}
	slices.Sort(words)
	c.offer(slices.Compact(words)...)
}
