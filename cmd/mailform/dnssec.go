package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// dnssecCommands are the commands under "mailform dnssec".
func dnssecCommands() []command {
	return []command{
		{"status", "[ZONE]", "Tell how far signed zones and their keys have come", (*app).dnssecStatus},
		{"roll", "ZONE", "Let another key follow the one of a signed zone", (*app).dnssecRoll},
		{"confirm", "ZONE", "Say that the parent has the new DS records, where it cannot be asked", (*app).dnssecConfirm},
	}
}

// dnssec looks after the keys of the zones that the embedded name servers sign.
func (a *app) dnssec(ctx context.Context, args []string) int { return a.group(ctx, "dnssec", args) }

func (a *app) dnssecStatus(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("dnssec status", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	asJSON := fs.Bool("json", false, "print JSON")
	names, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	zone := ""
	if len(names) > 0 {
		if zone, err = schema.ParseDomainName(names[0]); err != nil {
			return a.fail(fmt.Errorf("%q is not a zone: %w", names[0], err))
		}
	}
	all := []admin.SignedZone{}
	var missing error
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		zones, err := admin.NewClient(dir).SignedZones(ctx, zone)
		var refusal *admin.Error
		switch {
		case errors.Is(err, admin.ErrNotRunning):
			return fmt.Errorf("%s: %w: \"mailform start\" starts it", dir, err)
		case errors.As(err, &refusal) && refusal.Code == "invalid":
			missing = err // another daemon may have it
			return nil
		}
		all = append(all, zones...)
		return err
	})
	switch {
	case code != exitOK:
		return code
	case zone != "" && len(all) == 0 && missing != nil:
		return a.fail(missing)
	case *asJSON:
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
	case len(all) == 0:
		fmt.Fprintln(a.stdout, "No zone is signed.")
	default:
		for i := range all {
			a.printSignedZone(&all[i])
		}
	}
	return exitOK
}

func (a *app) printSignedZone(z *admin.SignedZone) {
	fmt.Fprintf(a.stdout, "%s, serial %d\n", z.Zone, z.Serial)
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, k := range z.Keys {
		waits := ""
		if k.Waits != "" {
			waits = "waits " + k.Waits
			if k.Until != "" {
				waits += ": " + minutes(k.Until)
			}
		}
		fmt.Fprintf(tw, "  %s %d\t%s\tsince %s\t%s\n", k.Role, k.Tag, k.State, minutes(k.Since), waits)
	}
	tw.Flush()
	for _, ds := range z.DS {
		fmt.Fprintf(a.stdout, "  DS %s\n", ds)
	}
}

// minutes is a time of the daemon's for people.
func minutes(stamp string) string {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return stamp
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (a *app) dnssecRoll(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("dnssec roll", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	key := fs.String("key", "ksk", "KEY: ksk, which the parent has to know, or zsk, which rolls by itself in time")
	names, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if *key != "ksk" && *key != "zsk" {
		return a.fail(fmt.Errorf("-key=%s: it is ksk or zsk", *key))
	}
	return a.sign(ctx, *data, names, admin.SigningRequest{Action: "roll", Role: *key}, "a successor to the "+strings.ToUpper(*key)+" is published")
}

func (a *app) dnssecConfirm(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("dnssec confirm", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	names, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	return a.sign(ctx, *data, names, admin.SigningRequest{Action: "confirm"}, "the parent is taken to have the new DS records")
}

// sign asks the daemon that has a zone for a change of its keys.
func (a *app) sign(ctx context.Context, data string, names []string, r admin.SigningRequest, done string) int {
	if len(names) == 0 {
		return a.fail(fmt.Errorf("mailform dnssec %s needs the name of a zone", r.Action))
	}
	zone, err := schema.ParseDomainName(names[0])
	if err != nil {
		return a.fail(fmt.Errorf("%q is not a zone: %w", names[0], err))
	}
	r.Zone = zone
	dirs := []string{data}
	if data == "" {
		if dirs, err = a.dataDirs(ctx); err != nil {
			if errors.Is(err, errReported) {
				return exitError
			}
			return a.fail(err)
		}
	}
	err = admin.ErrNotRunning
	for _, dir := range dirs {
		if dir, err = filepath.Abs(dir); err != nil {
			return a.fail(err)
		}
		client := admin.NewClient(dir)
		zones, serr := client.SignedZones(ctx, zone)
		if serr != nil || len(zones) == 0 {
			err = fmt.Errorf("%s: %w", dir, serr)
			continue
		}
		if err := client.Sign(ctx, r); err != nil {
			return a.fail(err)
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", zone, done)
		return exitOK
	}
	return a.fail(err)
}
