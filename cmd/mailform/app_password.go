package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// appPasswordCommands are the commands under "mailform app-password".
func appPasswordCommands() []command {
	return []command{
		{"add", "USER NAME", "Make an app password, and print it this once", (*app).appPasswordAdd},
		{"list", "[USER]", "List app passwords: what they are good for, and when they were used", (*app).appPasswordList},
		{"remove", "USER NAME", "Take an app password away; sessions that it has opened end", (*app).appPasswordRemove},
	}
}

// appPassword looks after the app passwords of users.
func (a *app) appPassword(ctx context.Context, args []string) int {
	return a.group(ctx, "app-password", args)
}

// userAndName are the arguments of a command about one app password; nil: there is
// nothing more to do.
func (a *app) userAndName(fs *flag.FlagSet, args []string) (of []string, code int) {
	rest, err := a.parse(fs, args, 2)
	if err != nil {
		return nil, usageExit(err)
	}
	if len(rest) < 2 {
		return nil, a.fail(fmt.Errorf("mailform %s needs a user, as alice@example.com, and the name of an app password, as phone", fs.Name()))
	}
	return rest, exitOK
}

// changeAppPassword asks the daemons that are meant; one of them has the user.
func (a *app) changeAppPassword(ctx context.Context, data string, r admin.AppPasswordRequest) (done *admin.AppPassword, code int) {
	code = a.eachDataDir(ctx, data, func(dir string) error {
		if done != nil {
			return nil
		}
		p, err := admin.NewClient(dir).ChangeAppPassword(ctx, r)
		var refusal *admin.Error
		if errors.As(err, &refusal) && refusal.Code == admin.CodeNoUser {
			return nil
		}
		if err == nil {
			done = p
		}
		return notRunning(dir, err)
	})
	if code == exitOK && done == nil {
		code = a.fail(fmt.Errorf("there is no user %s", r.User))
	}
	return done, code
}

func (a *app) appPasswordAdd(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("app-password add", flag.ContinueOnError)
	data := dataFlag(fs)
	services := fs.String("services", "", "LIST: what it is good for, of imap, pop3, submission and managesieve, with commas; left out: all")
	expires := fs.String("expires", "", "DURATION: after which it is not good any more, as 90d; left out: never")
	asJSON := fs.Bool("json", false, "print JSON")
	of, code := a.userAndName(fs, args)
	if of == nil {
		return code
	}
	r := admin.AppPasswordRequest{Action: "add", User: of[0], Name: of[1]}
	if *services != "" {
		for s := range strings.SplitSeq(*services, ",") {
			r.Services = append(r.Services, strings.TrimSpace(s))
		}
	}
	if *expires != "" {
		d, err := schema.ParseDuration(*expires)
		if err != nil {
			return a.fail(fmt.Errorf("-expires is no duration as 90d: %w", err))
		}
		r.Expires = a.now().Add(d).UTC().Format(time.RFC3339)
	}
	made, code := a.changeAppPassword(ctx, *data, r)
	switch {
	case made == nil:
		return code
	case *asJSON:
		if c := a.printJSON(made); c != exitOK {
			return c
		}
		return code
	}
	fmt.Fprintln(a.stdout, made.Secret)
	until := ""
	if made.Expires != "" {
		until = ", until " + minutes(made.Expires)
	}
	fmt.Fprintf(a.stderr, "This is the app password %q of %s, for %s%s. It is not shown again.\n", made.Name, made.User, andWords(made.Services), until)
	return code
}

func (a *app) appPasswordRemove(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("app-password remove", flag.ContinueOnError)
	data := dataFlag(fs)
	of, code := a.userAndName(fs, args)
	if of == nil {
		return code
	}
	gone, code := a.changeAppPassword(ctx, *data, admin.AppPasswordRequest{Action: "remove", User: of[0], Name: of[1]})
	if gone != nil {
		fmt.Fprintf(a.stdout, "The app password %q of %s is gone.\n", gone.Name, gone.User)
	}
	return code
}

// A listed app password is one that a daemon has.
type listedAppPassword struct {
	DataDir string `json:"data_dir"`
	admin.AppPassword
}

func (a *app) appPasswordList(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("app-password list", flag.ContinueOnError)
	data := dataFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	user := strings.Join(rest, "")
	list, known := []listedAppPassword{}, user == ""
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		some, err := admin.NewClient(dir).AppPasswords(ctx, user)
		var refusal *admin.Error
		if errors.As(err, &refusal) && refusal.Code == admin.CodeNoUser {
			return nil
		}
		known = known || err == nil
		for _, p := range some {
			list = append(list, listedAppPassword{dir, p})
		}
		return notRunning(dir, err)
	})
	switch {
	case code != exitOK:
		return code
	case !known:
		return a.fail(fmt.Errorf("there is no user %s", user))
	case *asJSON:
		return a.printJSON(list)
	case len(list) == 0:
		fmt.Fprintln(a.stdout, "There are no app passwords.")
		return exitOK
	}
	or := func(stamp, word string) string {
		if stamp == "" {
			return word
		}
		return minutes(stamp)
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "USER\tNAME\tSERVICES\tMADE\tUSED\tEXPIRES")
	for _, p := range list {
		made := or(p.Created, "-")
		if p.Declared {
			made = "declared"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", p.User, printableName(p.Name), strings.Join(p.Services, " "), made, or(p.Used, "never"), or(p.Expires, "never"))
	}
	tw.Flush()
	return exitOK
}

// printJSON prints a value for programs.
func (a *app) printJSON(v any) int {
	out, err := indentedJSON(v)
	if err != nil {
		return a.fail(err)
	}
	a.stdout.Write(out)
	return exitOK
}

// indentedJSON is a value for programs, with a line end.
func indentedJSON(v any) ([]byte, error) {
	out, err := json.MarshalIndent(v, "", "  ")
	return append(out, '\n'), err
}
