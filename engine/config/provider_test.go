package config

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Blocks within a provider block are evaluated as the block is: with its keys,
// defaults and marks.
func TestBlocksOfAProvider(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", `
		variable "secret" {
		  type      = string
		  sensitive = true
		  default   = "c2VjcmV0"
		}
		provider "rfc2136" {
		  alias    = "at"
		  for_each = { a = "192.0.2.1", b = "192.0.2.2" }
		  server   = each.value
		  tsig {
		    name   = "key-${each.key}"
		    secret = var.secret
		  }
		}`)
	if len(cfg.Providers) != 2 {
		t.Fatalf("there are %d providers, want 2", len(cfg.Providers))
	}
	for i, want := range []string{"key-a", "key-b"} {
		tsig := cfg.Providers[i].Value.GetAttr("tsig")
		if got := tsig.GetAttr("name"); !got.RawEquals(cty.StringVal(want)) {
			t.Errorf("the name is %#v, want %q", got, want)
		}
		if got := tsig.GetAttr("algorithm"); !got.RawEquals(cty.StringVal("hmac-sha256")) {
			t.Errorf("the algorithm is %#v", got)
		}
		if !tsig.GetAttr("secret").IsMarked() {
			t.Error("the secret is not marked as one")
		}
		if read := cfg.Providers[i].Value.GetAttr("read_tsig"); !read.IsNull() || !read.Type().Equals(tsig.Type()) {
			t.Errorf("a block that was left out is %#v", read)
		}
	}
}

// A secret that will not do is not shown, nor is one in a file that cannot be
// read.
func TestSecretsOfProvidersAreNotShown(t *testing.T) {
	for _, text := range []string{
		"provider \"rfc2136\" {\n  server = \"192.0.2.1\"\n  tsig {\n    name = \"a\"\n    secret = \"hunter two!\"\n  }\n}",
		"provider \"rfc2136\" {\n  server = \"192.0.2.1\"\n  tsig {\n    name = \"a\"\n    secret = \"hunter two!\"\n  ",
	} {
		if out := diagnose(t, write(t, "main.mf.hcl", text), Options{}); !strings.Contains(out, "Error: ") || strings.Contains(out, "hunter") {
			t.Errorf("there is no error, or it shows the secret:\n%s", out)
		}
	}
}

// A condition says which providers a block has; what reads it may differ from
// instance to instance.
func TestProvidersByChoice(t *testing.T) {
	const text = `
		variable "mail" {
		  type    = string
		  default = "embedded"
		}
		server "main" {
		  provider = var.mail == "embedded" ? embedded : var.mail == "cyrus" ? [postfix, cyrus] : [postfix, dovecot]
		  hostname = "mail.example.com"
		}
		server "each" {
		  for_each = { a = true, b = false }
		  provider = (each.value ? [postfix, dovecot] : embedded)
		  hostname = "${each.key}.example.com"
		}`
	for mail, want := range map[string][]string{
		"embedded": {"embedded"}, "cyrus": {"postfix", "cyrus"}, "dovecot": {"postfix", "dovecot"},
	} {
		_, cfg := evaluate(t, Options{Environ: []string{"MF_VAR_mail=" + mail}}, "main.mf.hcl", text)
		all := map[string][]string{`server.main`: want, `server.each["a"]`: {"postfix", "dovecot"}, `server.each["b"]`: {"embedded"}}
		for i := range cfg.Instances {
			inst := &cfg.Instances[i]
			v, _ := inst.Body.Attr("provider")
			if want := all[inst.Ref.Block().String()]; !v.RawEquals(schema.StringList(want)) {
				t.Errorf("with %s, %s has %#v, want %q", mail, inst.Ref.Block(), v, want)
			}
		}
	}
}
