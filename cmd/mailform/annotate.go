package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// annotate prints diagnostics as workflow commands where GitHub runs us, so that
// they show at the lines of a pull request.
func (a *app) annotate(diags hcl.Diagnostics) {
	if !slices.Contains(a.environ, "GITHUB_ACTIONS=true") {
		return
	}
	for _, d := range diags {
		level := "error"
		if d.Severity == hcl.DiagWarning {
			level = "warning"
		}
		title, message := d.Summary, d.Detail
		if message == "" {
			title, message = "mailform", d.Summary
		}
		props := "title=" + githubProperty.Replace(title)
		if d.Subject != nil {
			props = fmt.Sprintf("file=%s,line=%d,endLine=%d,", githubProperty.Replace(a.fromRoot(d.Subject.Filename)), d.Subject.Start.Line, d.Subject.End.Line) + props
		}
		fmt.Fprintf(a.stderr, "::%s %s::%s\n", level, props, githubMessage.Replace(message))
	}
}

// How values are written in workflow commands.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// fromRoot is the path of a file of the configuration as the repository has it.
func (a *app) fromRoot(file string) string {
	dir, err := a.dir()
	if err != nil || filepath.IsAbs(file) {
		return file
	}
	for _, e := range a.environ {
		root, ok := strings.CutPrefix(e, "GITHUB_WORKSPACE=")
		if !ok || root == "" {
			continue
		}
		if rel, err := filepath.Rel(root, filepath.Join(dir, file)); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return file
}
