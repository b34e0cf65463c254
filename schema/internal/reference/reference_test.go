package reference

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const dir = "../../../docs/reference"

// TestPages holds docs/reference to the schema. MAILFORM_UPDATE=1 writes it anew.
func TestPages(t *testing.T) {
	pages := Pages()
	if os.Getenv("MAILFORM_UPDATE") != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := pages[f.Name()]; !ok {
			t.Errorf("%s: a page of nothing", f.Name())
		}
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is not what the schema says; MAILFORM_UPDATE=1 go test ./schema/... writes it anew", name)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)#]+)(?:#([^)]+))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// Every link leads somewhere.
func TestLinks(t *testing.T) {
	pages := Pages()
	anchors := map[string]bool{}
	for name, text := range pages {
		for _, h := range heading.FindAllStringSubmatch(text, -1) {
			anchors[name+"#"+strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")] = true
		}
	}
	for name, text := range pages {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			l[1] = path.Join(path.Dir(name), l[1])
			if pages[l[1]] == "" { // written by hand
				page, err := os.ReadFile(filepath.Join(dir, l[1]))
				if err != nil {
					t.Errorf("%s: a link to %s: %v", name, l[1], err)
				}
				for _, h := range heading.FindAllSubmatch(page, -1) {
					anchors[l[1]+"#"+strings.ReplaceAll(strings.ToLower(string(h[1])), " ", "-")] = true
				}
			}
			if l[2] != "" && !anchors[l[1]+"#"+l[2]] {
				t.Errorf("%s: a link to %s#%s", name, l[1], l[2])
			}
		}
	}
}
