package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// importZone writes blocks for a zone that is in a file or at a name server.
func (a *app) importZone(ctx context.Context, args []string) int {
	var o operation
	var gen drafting
	fs := flag.NewFlagSet("import zone", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	o.commandsFlag(fs)
	fs.StringVar(&gen.out, "generate-config-out", "", "FILE: write the blocks to a new file, instead of printing them")
	server := fs.String("axfr", "", "HOST: ask this name server (or HOST:PORT) for the zone, by a zone transfer, instead of reading a file")
	keyFile := fs.String("tsig-file", "", "FILE: with -axfr, sign the question with the TSIG key in a file, as tsig-keygen prints it")
	rest, err := a.parse(fs, args, 2)
	if err != nil {
		return usageExit(err)
	}
	if err := gen.check(); err != nil {
		return a.fail(err)
	}
	if len(rest) == 0 || len(rest) == 1 && *server == "" || len(rest) == 2 && *server != "" {
		return a.fail(errors.New("mailform import zone needs the name of a zone, and either a zone file (- is standard input) or -axfr=HOST: mailform import zone example.org example.org.zone"))
	}
	if *keyFile != "" && *server == "" {
		return a.fail(errors.New("-tsig-file signs what is asked of a name server, and goes with -axfr=HOST"))
	}
	name, err := schema.ParseDomainName(rest[0])
	if err != nil {
		return a.fail(fmt.Errorf("%q is no name of a zone: %w", rest[0], err))
	}
	zone, err := a.readZone(ctx, rdata.Name(name+"."), rest[1:], *server, *keyFile)
	if err != nil {
		return a.fail(err)
	}
	return a.draftSource(&o, &gen, source{
		name: strings.Join(append(rest[1:], *server), ""), things: zone.Things, primary: zone.Primary,
		skipped: stringers(zone.Skipped), changed: stringers(zone.Changed),
	})
}

// readZone reads a zone from a file or a name server.
func (a *app) readZone(ctx context.Context, name rdata.Name, path []string, server, keyFile string) (*masterfile.Zone, error) {
	if server != "" {
		at, err := schema.ParseServer(server)
		if err != nil {
			return nil, fmt.Errorf("-axfr=%s: %w", server, err)
		}
		var key *rfc2136.TSIG
		who := "this machine"
		if keyFile != "" {
			if key, err = readKey(keyFile); err != nil {
				return nil, fmt.Errorf("-tsig-file=%s: %w", keyFile, err)
			}
			who = "the key " + key.String()
		}
		rrs, err := rfc2136.Transfer(ctx, at, name, key)
		if err != nil {
			return nil, fmt.Errorf("cannot read the zone %s: %w. The server has to allow %s the transfer", name.Host(), err, who)
		}
		return masterfile.FromRecords(rrs, name)
	}
	in, done, err := a.input(path[0])
	if err != nil {
		return nil, err
	}
	defer done()
	var opts masterfile.Options
	if path[0] != "-" {
		// What the file includes is looked for beside it, and not elsewhere.
		root, err := os.OpenRoot(filepath.Dir(path[0]))
		if err != nil {
			return nil, err
		}
		defer root.Close()
		opts.Include = root.FS()
	}
	zone, err := masterfile.Read(in, name, opts)
	if err != nil {
		return nil, fmt.Errorf("cannot read the zone %s: %s: %w", name.Host(), path[0], err)
	}
	return zone, nil
}

// maxKeyFile bounds a file with a key, in bytes.
const maxKeyFile = 64 << 10

// readKey reads a TSIG key.
func readKey(path string) (*rfc2136.TSIG, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := rfc2136.ParseTSIG(string(text))
	return &key, err
}

// input opens a file, or standard input for "-".
func (a *app) input(path string) (in io.Reader, done func() error, err error) {
	if path == "-" {
		return a.stdin, func() error { return nil }, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// A source is what blocks are written for that is not at a target.
type source struct {
	name             string // of the file or the server
	things           []providers.Observed
	primary          rdata.Name // a name server, for zones
	skipped, changed []fmt.Stringer
}

// stringers are notes of any sort.
func stringers[T fmt.Stringer](list []T) []fmt.Stringer {
	out := make([]fmt.Stringer, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// draftSource writes blocks for a source, or prints them. What is printed can be
// redirected: all else goes to the stream for errors.
func (a *app) draftSource(o *operation, gen *drafting, src source) int {
	o.bare = true
	ws, module, err := a.load(o)
	if err != nil {
		return exitError
	}
	opts := a.configOptions(o)
	if src.primary != "" && !engine.Declares(module, opts, "nameserver") {
		src.things = append(src.things, engine.NameServer(src.primary))
	}
	made, clashes, diags := ws.DraftThings(module, opts, src.things)
	if len(diags) > 0 {
		a.report(o, module, diags)
	}
	if diags.HasErrors() {
		return exitError
	}
	heading := []string{"Written by mailform import from " + src.name + ". Read it, then change and move", "the blocks as you like: plan shows what a change would do."}
	text := made.Config(draft.Options{Heading: heading, Group: true})
	switch {
	case made.Empty():
		fmt.Fprintln(a.stderr, "There is nothing to write: the files declare all of it, or none of it can be written.")
	case gen.out == "":
		if _, err := a.stdout.Write(text); err != nil {
			return a.fail(err)
		}
	default:
		if err := a.writeDraft(gen, made, draft.Options{Heading: heading, Group: true}); err != nil {
			return a.fail(err)
		}
	}
	lost := append(describeLeft(made.Left), describeLeft(clashes)...)
	for _, s := range src.skipped {
		lost = append(lost, s.String())
	}
	var changed []string
	for _, s := range src.changed {
		changed = append(changed, s.String())
	}
	all(a.stderr, "Could not be written:", lost)
	for _, l := range made.Differs {
		what := l.Why
		if l.ID.Kind == schema.KindZone {
			what = "the SOA record gets what the block says: " + what
		}
		changed = append(changed, fmt.Sprintf("%s %s: %s", l.ID.Kind, l.ID.Key, what))
	}
	all(a.stderr, "Not quite as it was:", changed)
	all(a.stderr, "Is new beside what was there:", describeLeft(made.Makes))
	if len(lost) > 0 {
		return exitError
	}
	return exitOK
}

// all writes a list with a heading, if there is anything in it.
func all(w io.Writer, heading string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, l := range list {
		fmt.Fprintf(w, "  %s\n", l)
	}
}
