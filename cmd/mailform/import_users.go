package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/draft/userfile"
	"github.com/mailform/mailform/schema"
)

// importUsers writes blocks for the users or aliases in a file of another mail
// system.
func (a *app) importUsers(_ context.Context, args []string) int {
	var o operation
	var gen drafting
	fs := flag.NewFlagSet("import users", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	o.commandsFlag(fs)
	fs.StringVar(&gen.out, "generate-config-out", "", "FILE: write the blocks to a new file, instead of printing them")
	fs.StringVar(&gen.secrets, "secrets-out", "", "FILE: write the password hashes to another new file, which only its owner reads")
	gen.csvFlag(fs)
	format := fs.String("format", "", strings.Join(userfile.Formats(), "|")+": what the file is: passwd(5), shadow(5), a passwd-file of Dovecot, virtual aliases of Postfix, or aliases(5)")
	domain := fs.String("domain", "", "NAME: the domain of names that have none")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if err := gen.check(); err != nil {
		return a.fail(err)
	}
	if len(rest) == 0 || *format == "" {
		return a.fail(errors.New("mailform import users needs a file (- is standard input) and its format: mailform import users /etc/dovecot/users -format=dovecot"))
	}
	if *domain != "" {
		if *domain, err = schema.ParseDomainName(*domain); err != nil {
			return a.fail(fmt.Errorf("-domain: %w", err))
		}
	}
	in, done, err := a.input(rest[0])
	if err != nil {
		return a.fail(err)
	}
	defer done()
	read, err := userfile.Read(in, *format, *domain)
	if err != nil {
		return a.fail(fmt.Errorf("cannot read users: %s: %w", rest[0], err))
	}
	if err := a.haveDomains(&o, read.Domains); err != nil {
		return a.failed(err)
	}
	if read.System > 0 {
		fmt.Fprintf(a.stderr, "Left out %d lines that describe nobody: accounts of the system, or names of domains.\n", read.System)
	}
	return a.draftSource(&o, &gen, source{name: rest[0], things: read.Things, skipped: stringers(read.Skipped), changed: stringers(read.Changed)})
}

// haveDomains refuses users of domains that the files do not declare: what their
// mail is to be like cannot be told from a list of users.
func (a *app) haveDomains(o *operation, domains []string) error {
	o.bare = true
	ws, module, err := a.load(o)
	if err != nil {
		return err
	}
	have := engine.MailDomains(ws, module, a.configOptions(o))
	var missing []string
	for _, d := range domains {
		if !slices.Contains(have, d) {
			missing = append(missing, d)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the files declare no domain %s with a server that takes its mail. Write it first:\n\ndomain \"example\" {\n  name = %q\n  mx { server = server.main }\n}", schema.Or(missing), missing[0])
}
