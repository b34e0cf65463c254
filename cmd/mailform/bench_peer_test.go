package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
)

// comparePeer measures Terraform or OpenTofu on as many objects of the size of a
// user, which exist in the state alone: no provider, no network.
func comparePeer(b *testing.B, program string, sizes []int) {
	path, err := exec.LookPath(program)
	if err != nil {
		fmt.Printf("\n%s is not on the PATH, so it was not measured.\n", program)
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	for _, shape := range []string{"for_each", "blocks"} {
		for _, n := range sizes {
			if n > *enginePeers {
				continue
			}
			dir := b.TempDir()
			for name, text := range peerFiles(shape, n) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			measure(b, true, dir, path, "init", "-input=false")
			fmt.Fprintf(out, "\n%s, %s, %d objects\n", program, shape, n)
			for _, step := range []struct {
				name string
				args []string
			}{
				{"validate", []string{"validate"}},
				{"plan, all new", []string{"plan", "-input=false"}},
				{"first apply", []string{"apply", "-input=false", "-auto-approve"}},
				{"plan, nothing changed", []string{"plan", "-input=false"}},
			} {
				u := measure(b, false, dir, path, step.args...)
				fmt.Fprintf(out, "%s\t%s\n", step.name, u)
				if u.failed != "" {
					break // and so would the rest
				}
			}
		}
	}
}

func peerFiles(shape string, n int) map[string]string {
	object := func(i int) string {
		return fmt.Sprintf("{ name = \"user%d\", quota = \"2GiB\", domain = \"example.com\", groups = \"staff\" }", i)
	}
	files := map[string]string{}
	if shape == "for_each" {
		var text strings.Builder
		text.WriteString("locals {\n  users = {\n")
		for i := range n {
			fmt.Fprintf(&text, "    user%d = %s\n", i, object(i))
		}
		text.WriteString("  }\n}\nresource \"terraform_data\" \"user\" {\n  for_each = local.users\n  input    = each.value\n}\n")
		files["main.tf"] = text.String()
		return files
	}
	for from := 0; from < n; from += perFile {
		var text strings.Builder
		for i := from; i < min(n, from+perFile); i++ {
			fmt.Fprintf(&text, "resource \"terraform_data\" \"u%d\" {\n  input = %s\n}\n", i, object(i))
		}
		files[fmt.Sprintf("u%06d.tf", from)] = text.String()
	}
	return files
}
