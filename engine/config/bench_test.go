package config

import (
	"fmt"
	"strings"
	"testing"
)

// manyUsers is a directory with n users out of a spreadsheet, with eight
// arguments each.
func manyUsers(t testing.TB, n int) string {
	var csv strings.Builder
	csv.WriteString("name,quota,protocols,alias\n")
	for i := range n {
		fmt.Fprintf(&csv, "u%06d,%dMiB,imap pop3,first.last%d\n", i, 100+i%900, i)
	}
	return write(t, "staff.csv", csv.String(), "main.mf.hcl", base+`
		locals {
		  staff = { for person in csvdecode(file("staff.csv")) : person.name => person }
		}
		user "staff" {
		  for_each      = local.staff
		  domain        = domain.example
		  name          = each.key
		  password_hash = "$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  quota         = each.value.quota
		  protocols     = split(" ", each.value.protocols)
		  aliases       = [each.value.alias]
		  server        = server.main
		  mail          = each.value.quota == "100MiB" ? "disabled" : "enabled"
		}
		alias "all" {
		  domain  = domain.example
		  name    = "all"
		  members = [for person in user.staff : person]
		}`)
}

func benchmarkUsers(b *testing.B, n int) {
	dir := manyUsers(b, n)
	b.ReportAllocs()
	for b.Loop() {
		m, diags := Load(dir)
		if diags.HasErrors() {
			b.Fatal(sentences(diags))
		}
		cfg, diags := m.Evaluate(Options{}, nil)
		if diags.HasErrors() {
			b.Fatal(sentences(diags))
		}
		if len(cfg.Instances) < n {
			b.Fatalf("%d instances", len(cfg.Instances))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
}

// The cost of a user must be the same in all three.
func BenchmarkUsers1k(b *testing.B)   { benchmarkUsers(b, 1_000) }
func BenchmarkUsers10k(b *testing.B)  { benchmarkUsers(b, 10_000) }
func BenchmarkUsers100k(b *testing.B) { benchmarkUsers(b, 100_000) }
