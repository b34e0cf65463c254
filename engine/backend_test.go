package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
)

func TestBackendIsWhatTheFilesSay(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		environ []string
		want    string // type, or part of the error after "error: "
	}{
		"no block":                  {`locals {}`, nil, "*state.Local"},
		"a path":                    {`backend "local" { path = "sub/x.mfstate" }`, nil, "*state.Local"},
		"http":                      {"backend \"http\" {\n address = \"http://x/s\"\n lock_address = \"http://x/l\"\n}", nil, "*httpstate.Backend"},
		"http from the environment": {`backend "http" {}`, []string{"TF_HTTP_ADDRESS=http://x/s", "TF_HTTP_LOCK_ADDRESS=http://x/l"}, "*httpstate.Backend"},
		"http without an address":   {`backend "http" {}`, nil, "error: the address of the state is missing"},
		"http without a lock":       {`backend "http" { address = "http://x/s" }`, nil, "error: the address of the lock is missing"},
		"pg":                        {`backend "pg" { conn_str = "postgres://x/y" }`, nil, "*pgstate.Backend"},
		"pg from the environment":   {`backend "pg" { lease = "30s" }`, []string{"PG_CONN_STR=host=x"}, "*pgstate.Backend"},
		"pg with a wrong address":   {`backend "pg" { conn_str = "mysql://u:hunter2@x/y" }`, nil, "error: conn_str is no URL"},
		"s3":                        {"backend \"s3\" {\n bucket = \"mail\"\n key = \"k\"\n}", []string{"AWS_REGION=eu-central-1"}, "*s3state.Backend"},
		"s3 with half a key":        {"backend \"s3\" {\n bucket = \"mail\"\n key = \"k\"\n secret_key = \"hunter2\"\n}", nil, "error: go together"},
		"s3 with no bucket's name":  {"backend \"s3\" {\n bucket = \"b\"\n key = \"k\"\n}", nil, "error: bucket is no name of one"},
		"s3 with no URL":            {"backend \"s3\" {\n bucket = \"mail\"\n key = \"k\"\n endpoint = \"s3.example\"\n}", nil, "error: endpoint is no URL"},
		"pg with a wrong lease":     {`backend "pg" { lease = "soon" }`, nil, "error: lease"},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.text
			if strings.HasPrefix(text, "backend") {
				text = "mailform {\n" + text + "\n}\n"
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			module, diags := config.Load(dir)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			b, diags := (&Workspace{Dir: dir}).Backend(module, config.Options{Environ: c.environ})
			if want, wrong := strings.CutPrefix(c.want, "error: "); wrong {
				if !diags.HasErrors() || !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), "hunter2") {
					t.Errorf("got %v, want %s", diags, want)
				}
				return
			}
			if got := fmt.Sprintf("%T", b); diags.HasErrors() || got != c.want {
				t.Errorf("got %s, %v", got, diags)
			}
		})
	}
}

func TestALocalBackendIsBesideTheFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte("mailform {\n backend \"local\" {\n path = \"other.mfstate\"\n }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	module, diags := config.Load(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	b, diags := (&Workspace{Dir: dir}).Backend(module, config.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	unlock, err := b.Lock(t.Context(), state.LockInfo{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Append(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "other.mfstate")); err != nil {
		t.Error(err)
	}
}
