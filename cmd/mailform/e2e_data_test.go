package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A second directory is made of what the first one serves: its records, its
// certificate, its mailboxes.
func TestDataBlocksSeeWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	seen := `
provider "embedded" {
  data_dir = "./mail"
}

locals {
  ns = "127.0.0.1:2053"
}

data "dns" "mx" {
  name   = "Example.com"
  type   = "mx"
  server = local.ns
}

data "dns" "exchange" {
  for_each = toset([for mx in data.dns.mx.values : split(" ", mx)[1]])
  name     = each.key
  server   = local.ns
}

data "dns" "nothing" {
  name   = "nothing.example.com"
  server = local.ns
}

data "certificate" "smtp" {
  address     = "127.0.0.1:2525"
  starttls    = "smtp"
  server_name = "mail.example.com"
}

data "certificate" "submission" {
  address     = "127.0.0.1:2587"
  starttls    = "smtp"
  server_name = "mail.example.com"
}

data "mailboxes" "all" {}

data "records" "example" {
  zone = "example.com"
}

output "seen" {
  value = {
    mx        = data.dns.mx.values
    addresses = flatten([for d in data.dns.exchange : d.values])
    nothing   = data.dns.nothing.exists
    same      = data.certificate.smtp.spki_sha256 == data.certificate.submission.spki_sha256
    names     = contains(data.certificate.smtp.names, "mail.example.com")
    mailboxes = { for a, m in data.mailboxes.all.mailboxes : a => m.quota }
    www       = one([for r in data.records.example.records : r.values if r.name == "www.example.com." && r.type == "A"])
  }
}
`
	other := filepath.Join(w.dir, "other")
	w.write("other/main.mf.hcl", seen)
	if err := os.Symlink(filepath.Join(w.dir, "mail"), filepath.Join(other, "mail")); err != nil {
		t.Fatal(err)
	}
	w.ok("-chdir=other", "validate")
	w.ok("-chdir=other", "apply", "-auto-approve")
	var got map[string]any
	if err := json.Unmarshal([]byte(w.ok("-chdir=other", "output", "-json", "seen")), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"mx": []any{"10 mail.example.com."}, "addresses": []any{"127.0.0.1"}, "nothing": false, "same": true, "names": true,
		"mailboxes": map[string]any{"alice@example.com": float64(2 << 30), "bob@example.com": float64(1 << 30)},
		"www":       []any{"192.0.2.80"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("seen: %v\nwant: %v", got, want)
	}
	if r := w.mailform("-chdir=other", "plan", "-detailed-exitcode"); r.code != 0 {
		t.Errorf("the second plan is not empty: %v", r)
	}

	w.write("other/wrong.mf.hcl", `
data "certificate" "dns" {
  address = "127.0.0.1:2053"
}
`)
	r := w.mailform("-chdir=other", "plan")
	if r.code != 1 || !strings.Contains(r.stderr, "Cannot read data") || !strings.Contains(r.stderr, "wrong.mf.hcl line 2") {
		t.Errorf("a certificate where there is none: %v", r)
	}
}
