package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/document"
)

// A versionDocument has the keys that Terraform's has, and ours beside them.
type versionDocument struct {
	// Terraform is the version whose forms mailform speaks; tools refuse a
	// document without one.
	Terraform string `json:"terraform_version"`
	Version   string `json:"mailform_version"`
	Platform  string `json:"platform"`
	// Selections are the versions of the providers, which are mailform's own.
	Selections map[string]string `json:"provider_selections"`
	Outdated   bool              `json:"terraform_outdated"`
	Go         string            `json:"go_version"`
	// Revision of the source, where the build knows it.
	Revision string `json:"revision,omitempty"`
}

// version prints the version; with -json in the form that Terraform's has.
func (a *app) version(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON, in the form of Terraform's")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	platform := runtime.GOOS + "_" + runtime.GOARCH
	if !*asJSON {
		fmt.Fprintf(a.stdout, "mailform v%s\non %s\n", version, platform)
		return exitOK
	}
	doc := versionDocument{
		Terraform: planjson.TerraformVersion, Version: version, Platform: platform,
		Selections: map[string]string{}, Go: runtime.Version(), Revision: revision(),
	}
	for _, name := range schema.Providers() {
		doc.Selections[document.ProviderName(name)] = version
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return a.fail(err)
	}
	fmt.Fprintln(a.stdout, string(out))
	return exitOK
}

// revision is the commit that the binary was built from, as Go notes it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
