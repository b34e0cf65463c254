package trace

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	seen := map[string]int{}
	log := slog.New(l.Handler(slog.NewTextHandler(&text, nil), func(event string) { seen[event]++ }))
	smtp := log.With("service", "smtp")
	smtp.Info("checks", "id", "1", "results", "spf=pass")
	smtp.Info("message accepted", "id", "1", "from", "A@remote.test", "to", []string{"alice@example.com", "bob@example.net"}, "message_id", "x@y", "size", 12)
	log.Info("started") // no transaction
	smtp.Info("message refused", "id", "2", "from", "", "to", []string{"alice@example.com"}, "code", 550)
	log.With("id", "1", "to", "bob@example.net").Info("delivered", "host", "mx.example.net", "next", time.Unix(0, 0))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"x@y":               "1: checks, message accepted, delivered",
		"<x@y>":             "1: checks, message accepted, delivered",
		"1":                 "1: checks, message accepted, delivered",
		"alice@EXAMPLE.com": "1: checks, message accepted, delivered; 2: message refused",
		"a@remote.test":     "1: checks, message accepted, delivered",
		"bob@example.net":   "1: checks, message accepted, delivered",
		"nobody":            "",
		"":                  "",
	} {
		found, damaged, err := Find(dir, query, 10)
		if err != nil || damaged != 0 {
			t.Fatalf("%d lines damaged, %v", damaged, err)
		}
		var all []string
		for _, tr := range found {
			var events []string
			for _, e := range tr.Events {
				events = append(events, e.What)
			}
			all = append(all, tr.ID+": "+strings.Join(events, ", "))
		}
		if got := strings.Join(all, "; "); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	if found, _, _ := Find(dir, "alice@example.com", 1); len(found) != 1 || found[0].ID != "2" {
		t.Errorf("the latest is not found: %v", found)
	}
	if seen["message accepted"] != 1 || seen["started"] != 0 || !strings.Contains(text.String(), "started") {
		t.Errorf("seen %v; handed on: %s", seen, text.String())
	}
	e := func() Event { found, _, _ := Find(dir, "1", 1); return found[0].Events[2] }()
	if got := fmt.Sprint(e.Details); got != "[{host mx.example.net} {next 1970-01-01T00:00:00Z}]" {
		t.Errorf("details: %s", got)
	}
}

// A log that has grown is put aside, and the oldest goes.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.most = 300
	log := slog.New(l.Handler(slog.NewTextHandler(io.Discard, nil), nil))
	for i := range 60 {
		log.Info("message accepted", "id", fmt.Sprint(i), "to", []string{"alice@example.com"})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != mostFiles+1 {
		t.Errorf("%v, %v", files, err)
	}
	found, _, err := Find(dir, "alice@example.com", 1000)
	if err != nil || len(found) == 0 || len(found) == 60 || found[len(found)-1].ID != "59" {
		t.Errorf("%d found, %v", len(found), err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 300 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Find(dir, "x", 1); err == nil {
		t.Error("there is no log")
	}
	text := "{\"id\":\"1\",\"what\":\"x\"}\nhalf a li\n\n{}\n{\"id\":\"1\",\"what\":\"y\"}\n{\"id\":\"1\",\"wh"
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, damaged, err := Find(dir, "1", 1)
	if err != nil || damaged != 4 || len(found) != 1 || len(found[0].Events) != 2 {
		t.Errorf("%v, %d, %v", found, damaged, err)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"id":"1","what":"x","details":[["a","b"]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Find(dir, "1", 5); err != nil {
			t.Error(err)
		}
	})
}
