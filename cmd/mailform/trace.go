package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/trace"
)

// trace tells what became of messages. Its exit code is 1 where there are none.
func (a *app) trace(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("trace", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	asJSON := fs.Bool("json", false, "print JSON")
	most := fs.Int("most", 20, "N: of more messages, the latest")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) != 1 || *most < 1 {
		return a.fail(errors.New("mailform trace needs a Message-ID, an address, or the ID that the server has given a message"))
	}
	all := []*trace.Transaction{}
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		found, damaged, err := trace.Find(dir, rest[0], *most)
		if err != nil {
			return err
		}
		if damaged > 0 {
			fmt.Fprintf(a.stderr, "Warning: %d lines of the log of transactions in %s cannot be read.\n", damaged, dir)
		}
		all = append(all, found...)
		return nil
	})
	if *asJSON {
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
	} else {
		for i, t := range all {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			a.printTransaction(t)
		}
	}
	if len(all) == 0 && code == exitOK {
		fmt.Fprintf(a.stderr, "There is no message of %s in the log of transactions.\n", printable([]byte(rest[0])))
		return exitError
	}
	return code
}

// printTransaction prints a message: what it is, and a line for each event.
func (a *app) printTransaction(t *trace.Transaction) {
	about := t.ID
	for _, e := range t.Events {
		if e.MessageID != "" {
			about += "  <" + printable([]byte(e.MessageID)) + ">"
			break
		}
	}
	fmt.Fprintln(a.stdout, about)
	for _, e := range t.Events {
		line := []string{"  " + e.Time.Local().Format(time.DateTime), e.What}
		if e.From != nil {
			line = append(line, "from <"+printable([]byte(*e.From))+">")
		}
		if len(e.To) > 0 {
			line = append(line, "to "+printable([]byte(strings.Join(e.To, ", "))))
		}
		for _, d := range e.Details {
			if d.Name != "service" && d.Name != "server" {
				line = append(line, d.Name+" "+printable([]byte(d.Value)))
			}
		}
		fmt.Fprintln(a.stdout, strings.Join(line, "  "))
	}
}
