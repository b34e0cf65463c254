package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestImports(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", base+`
		user "staff" {
		  for_each = toset(["bob", "carol"])
		  domain   = domain.example
		  name     = each.key
		}
		import {
		  to = user.alice
		  id = user.alice.address
		}
		import {
		  for_each = user.staff
		  to       = user.staff[each.key]
		  id       = "${each.key}@example.com"
		}`)
	var got []string
	for _, i := range cfg.Imports {
		got = append(got, fmt.Sprintf("%s %s", i.To, i.ID))
	}
	want := []string{"user.alice alice@example.com", `user.staff["bob"] bob@example.com`, `user.staff["carol"] carol@example.com`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMoved(t *testing.T) {
	_, cfg := evaluate(t, Options{}, "main.mf.hcl", base+`
		moved {
		  from = user.al
		  to   = user.alicia
		}
		moved {
		  from = user.alicia
		  to   = user.alice
		}
		moved {
		  from = user.alice["x"]
		  to   = user.alice
		}`)
	var got []string
	for _, m := range cfg.Moved {
		got = append(got, fmt.Sprintf("%s %s", m.From, m.To))
	}
	want := []string{"user.al user.alicia", "user.alicia user.alice", `user.alice["x"] user.alice`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCheck(t *testing.T) {
	m, diags := Load(write(t, "main.mf.hcl", base+`
		check "quotas" {
		  assert {
		    condition     = user.alice.quota == "2GiB"
		    error_message = "not said"
		  }
		  assert {
		    condition     = user.alice.quota == "1GiB"
		    error_message = "Alice has ${user.alice.quota}."
		  }
		  assert {
		    condition     = tonumber(user.alice.name) > 0
		    error_message = "not said"
		  }
		  assert {
		    condition     = domain.example.dkim_txt["s"] != ""
		    error_message = "not said, as it is not known yet"
		  }
		}`))
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	_, diags = m.Evaluate(Options{}, nil)
	if len(diags) != 2 || diags[0].Severity != hcl.DiagWarning || diags[1].Severity != hcl.DiagWarning {
		t.Fatalf("not two warnings: %s", sentences(diags))
	}
	if got := sentences(diags); !strings.Contains(got, "Check failed: Alice has 2GiB.") || strings.Contains(got, "not said") {
		t.Error(got)
	}
}
