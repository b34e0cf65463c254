package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/checks.md names no test that there is not.
func TestChecksNameTestsThatThereAre(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(readFile(t, "../../docs/checks.md"), -1)
	if len(named) == 0 {
		t.Fatal("docs/checks.md names no test")
	}
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("docs/checks.md names %s, which is no test", m[1])
		}
	}
}
