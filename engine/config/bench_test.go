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

// A hundred thousand users in modules: in few that are large, and in many that
// are small.
func BenchmarkModules100x1000(b *testing.B) { benchmarkModules(b, 100, 1000) }
func BenchmarkModules10000x10(b *testing.B) { benchmarkModules(b, 10_000, 10) }

func benchmarkModules(b *testing.B, modules, users int) {
	var csv strings.Builder
	csv.WriteString("domain,name,quota\n")
	for i := range modules {
		for j := range users {
			fmt.Fprintf(&csv, "d%d,u%d,1GiB\n", i, j)
		}
	}
	dir := write(b, "users.csv", csv.String(), "main.mf.hcl", `
		locals { by = { for p in csvdecode(file("users.csv")) : p.domain => p... } }
		module "customer" {
		  source   = "./customer"
		  for_each = local.by
		  name     = each.key
		  users    = { for p in each.value : p.name => p }
		}`,
		"customer/main.mf.hcl", `
		variable "name" {}
		variable "users" {}
		domain "it" { name = "${var.name}.example.com" }
		user "staff" {
		  for_each = var.users
		  domain   = domain.it
		  name     = each.key
		  quota    = each.value.quota
		}`)
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
		if len(cfg.Instances) != modules*(users+1) {
			b.Fatal(len(cfg.Instances))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*modules*users), "µs/user")
}
