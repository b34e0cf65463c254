package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// helpWidth is how wide help is; few terminals are narrower.
const helpWidth = 80

// help lists the commands.
func (a *app) help(w io.Writer) {
	fmt.Fprint(w, `Usage: mailform [-chdir=DIR] COMMAND [OPTIONS]

mailform reads the *.mf.hcl files of a directory, which describe domains, users
and servers, and reconciles mail services and DNS zones with them.

`)
	listCommands(w, commands(), "")
	fmt.Fprint(w, `
Options of all commands:
  -chdir=DIR  work in another directory
  -no-color   no colours (also: the environment variable NO_COLOR)

"mailform COMMAND -help" lists the options of a command. Options may be written
with one dash or with two.
`)
}

func listCommands(w io.Writer, list []command, prefix string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range list {
		fmt.Fprintf(tw, "  %s\t%s\n", strings.TrimSpace(prefix+c.name+" "+c.args), c.summary)
	}
	tw.Flush()
}

// subcommands are the commands below a command; none for most.
func subcommands(name string) []command {
	switch name {
	case "state":
		return stateCommands()
	case "workspace":
		return workspaceCommands()
	case "providers":
		return providersCommands()
	case "metadata":
		return metadataCommands()
	case "import":
		return importCommands()
	case "queue":
		return queueCommands()
	case "app-password":
		return appPasswordCommands()
	case "dnssec":
		return dnssecCommands()
	default:
		return nil
	}
}

// find finds a command, or the one below it that a second word names, and the
// words that are left for it. It returns nil for a command that is none.
func find(words []string) (*command, []string) {
	if len(words) == 0 {
		return nil, nil
	}
	for _, c := range commands() {
		if c.name != words[0] {
			continue
		}
		for _, sub := range subcommands(c.name) {
			if len(words) > 1 && sub.name == words[1] {
				sub.name = c.name + " " + sub.name
				return &sub, words[2:]
			}
		}
		return &c, words[1:]
	}
	return nil, nil
}

// group runs one of the commands below a command. What names none of them is an
// error, and so is no name.
func (a *app) group(ctx context.Context, name string, args []string) int {
	list := subcommands(name)
	var names []string
	for _, c := range list {
		if len(args) > 0 && c.name == args[0] {
			return c.run(a, ctx, args[1:])
		}
		names = append(names, c.name)
	}
	switch {
	case a.completing != nil:
		return exitOK
	case len(args) == 0:
		return a.fail(fmt.Errorf("mailform %s needs to know what to do: %s", name, orWords(names)))
	case slices.Contains([]string{"-h", "-help", "--help"}, args[0]):
		c, _ := find([]string{name})
		fmt.Fprintf(a.stdout, "Usage: mailform %s COMMAND [OPTIONS]\n\n%s.\n\n", name, c.summary)
		listCommands(a.stdout, list, name+" ")
		fmt.Fprintf(a.stdout, "\n\"mailform %s COMMAND -help\" lists the options of a command.\n", name)
		return exitOK
	}
	hint := ""
	if s := suggest(args[0], names); s != "" {
		hint = fmt.Sprintf(" Did you mean %q?", s)
	}
	return a.fail(fmt.Errorf("there is no command %q under mailform %s.%s It has %s", args[0], name, hint, andWords(names)))
}

func orWords(words []string) string  { return joinWords(words, " or ") }
func andWords(words []string) string { return joinWords(words, " and ") }

func joinWords(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + last + words[n]
}

// commandHelp describes a command and its options.
func (a *app) commandHelp(fs *flag.FlagSet) {
	if c, _ := find(strings.Fields(fs.Name())); c != nil {
		usage := fmt.Sprintf("Usage: mailform %s [OPTIONS] %s", fs.Name(), c.args)
		fmt.Fprintf(a.stdout, "%s\n\n%s.\n", strings.TrimSpace(usage), c.summary)
		if list := subcommands(c.name); len(list) > 0 {
			fmt.Fprint(a.stdout, "\nCommands below it:\n")
			listCommands(a.stdout, list, c.name+" ")
		}
	}
	fmt.Fprint(a.stdout, "\nOptions:\n")
	none := true
	fs.VisitAll(func(f *flag.Flag) {
		none = false
		flagHelp(a.stdout, f)
	})
	if none {
		fmt.Fprintln(a.stdout, "  none but those of all commands")
	}
}

// placeholder is what stands at the beginning of a flag's usage for its value:
// "FILE: save the plan".
var placeholder = regexp.MustCompile(`^([A-Z]+(?:=[A-Z]+)?|[a-z-]+(?:\|[a-z-]+)*): `)

// valueOf says what a flag's value stands for, "" for a flag without one, and
// what the flag does.
func valueOf(f *flag.Flag) (value, text string) {
	if m := placeholder.FindStringSubmatch(f.Usage); m != nil {
		return m[1], f.Usage[len(m[0]):]
	}
	if isBool(f) {
		return "", f.Usage
	}
	if g, ok := f.Value.(flag.Getter); ok {
		switch g.Get().(type) {
		case int:
			return "N", f.Usage
		case time.Duration:
			return "DURATION", f.Usage
		}
	}
	return "VALUE", f.Usage
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// flagHelp writes what a flag does, in a column of its own.
func flagHelp(w io.Writer, f *flag.Flag) {
	const column = 24
	value, text := valueOf(f)
	name := "  -" + f.Name
	switch {
	case value != "":
		name += "=" + value
	case f.DefValue == "true":
		name += "=true"
		text += "; the default"
	}
	lead := fmt.Sprintf("%-*s", column, name)
	if utf8.RuneCountInString(name) > column-2 {
		fmt.Fprintln(w, name)
		lead = strings.Repeat(" ", column)
	}
	for _, line := range wrap(text, helpWidth-column) {
		fmt.Fprintln(w, lead+line)
		lead = strings.Repeat(" ", column)
	}
}

// wrap breaks text into lines at its spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// usageError words an error of package flag.
func usageError(fs *flag.FlagSet, err error) error {
	if strings.HasSuffix(err.Error(), errVar.Error()) {
		return errVar // package flag puts the value before it
	}
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if s := suggest(strings.TrimLeft(name, "-"), names); s != "" {
		return fmt.Errorf("there is no option -%s. Did you mean -%s?", name, s)
	}
	return errors.New("there is no option -" + name)
}
