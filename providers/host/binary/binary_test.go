package binary

import (
	"debug/elf"
	"os"
	"strings"
	"testing"
)

func TestBinaryFitsTheMachine(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	own := machines[e.Machine][0]
	b := &Binary{Source: "mailform", Version: "1.2.3"}
	for name, tc := range map[string]struct {
		binary          []byte
		system, machine string
		want            string
	}{
		"this one":           {binary, "Linux", own, ""},
		"another processor":  {binary, "Linux", "mips", "its processor is mips"},
		"another system":     {binary, "FreeBSD", own, "it runs FreeBSD"},
		"what is no program": {[]byte("#!/bin/sh\n"), "Linux", own, "no program for Linux"},
	} {
		err := b.fits(tc.binary, tc.system, tc.machine)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
