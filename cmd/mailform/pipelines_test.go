package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
)

// The examples for pipelines are YAML, and give mailform no flag that it does
// not have.
func TestPipelineExamplesAreSound(t *testing.T) {
	files, err := filepath.Glob("../../examples/pipelines/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	known := map[string]bool{"chdir": true, "no-color": true, "markdown": true, "detailed-exitcode": true, "out": true,
		"auto-approve": true, "refresh-only": true, "check": true}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var o operation
	o.flags(fs)
	(&app{}).uiFlag(fs)
	fs.VisitAll(func(f *flag.Flag) { known[f.Name] = true })
	run := regexp.MustCompile(`mailform (-chdir=\S+ )?(plan|apply|show|fmt|validate)\b[^|>$]*`)
	option := regexp.MustCompile(`\s-([a-z][a-z-]*)`)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := yaml.Standard.Unmarshal(data, cty.DynamicPseudoType)
		if err != nil || !v.Type().IsObjectType() {
			t.Errorf("%s is no YAML document: %v", file, err)
		}
		commands := 0
		for _, line := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, c := range run.FindAllString(line, -1) {
				commands++
				for _, m := range option.FindAllStringSubmatch(c, -1) {
					if !known[m[1]] {
						t.Errorf("%s: mailform has no -%s: %s", file, m[1], c)
					}
				}
			}
		}
		if commands == 0 {
			t.Errorf("%s does not run mailform", file)
		}
	}
}
