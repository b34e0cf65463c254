package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
)

// version prints the version; with -json in the form that Terraform's has.
func (a *app) version(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	platform := runtime.GOOS + "_" + runtime.GOARCH
	if !*asJSON {
		fmt.Fprintf(a.stdout, "mailform v%s\non %s\n", version, platform)
		return exitOK
	}
	out, err := json.MarshalIndent(struct {
		Version  string `json:"mailform_version"`
		Platform string `json:"platform"`
		Go       string `json:"go_version"`
	}{version, platform, runtime.Version()}, "", "  ")
	if err != nil {
		return a.fail(err)
	}
	fmt.Fprintln(a.stdout, string(out))
	return exitOK
}
