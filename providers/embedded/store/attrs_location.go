package store

import (
	"fmt"
	"path/filepath"
)

type locationAttrs struct {
	Content string `json:"content"`
	Path    string `json:"path"`
}

func (a *locationAttrs) key() string  { return a.Content }
func (*locationAttrs) parent() string { return "" }

func (a *locationAttrs) check() error {
	if a.Content != "storage" && a.Content != "index" {
		return fmt.Errorf("content is %q: expected storage or index", a.Content)
	}
	if !filepath.IsAbs(a.Path) || filepath.Clean(a.Path) != a.Path {
		return fmt.Errorf("path is %q: expected an absolute one", a.Path)
	}
	return nil
}
