package srs

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	day    = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	ours   = New([]byte("a key of ours"))
	theirs = New([]byte("a key of others"))
)

func TestBouncesComeBack(t *testing.T) {
	for _, sender := range []string{"bob@remote.test", "Bob.B+x=y@Remote.test", "a-b=c@xn--bcher-kva.test", "SRS2=x@remote.test", "srs0@remote.test"} {
		t.Run(sender, func(t *testing.T) {
			one, ok := ours.Forward(sender, "example.com", day)
			if !ok || !strings.HasPrefix(one, "SRS0=") || !strings.HasSuffix(one, "@example.com") {
				t.Fatalf("forwarded as %q, %v", one, ok)
			}
			two, ok := theirs.Forward(one, "example.net", day)
			if !ok || !strings.HasPrefix(two, "SRS1=") {
				t.Fatalf("forwarded again as %q, %v", two, ok)
			}
			three, ok := New([]byte("third")).Forward(two, "example.org", day)
			if !ok || !strings.HasPrefix(three, "SRS1=") || len(three) > len(two)+len("example.org") {
				t.Fatalf("and again as %q, %v", three, ok)
			}
			local := func(a string) string { return a[:strings.LastIndexByte(a, '@')] }
			// The third's bounce goes to the first at once.
			back, err := New([]byte("third")).Reverse(local(three), day)
			if err != nil || back != one {
				t.Fatalf("back from the third: %q, %v; want %q", back, err, one)
			}
			if back, err := theirs.Reverse(strings.ToLower(local(two)), day); err != nil || !strings.EqualFold(back, one) {
				t.Fatalf("back from the second, in lower case: %q, %v; want %q", back, err, one)
			}
			if back, err := ours.Reverse(local(one), day); err != nil || back != sender {
				t.Fatalf("back: %q, %v; want %q", back, err, sender)
			}
		})
	}
}

func TestWhatDoesNotGoBack(t *testing.T) {
	one, _ := ours.Forward("bob@remote.test", "example.com", day)
	local, _, _ := strings.Cut(one, "@")
	for name, c := range map[string]struct {
		local string
		at    time.Time
		want  error
	}{
		"another address":          {"alice", day, ErrForeign},
		"one that begins alike":    {"srs0", day, ErrForeign},
		"another sender":           {strings.Replace(local, "bob", "eve", 1), day, ErrForged},
		"another domain":           {strings.Replace(local, "remote", "victim", 1), day, ErrForged},
		"another day":              {local, day.Add(22 * 24 * time.Hour), ErrExpired},
		"no code":                  {"SRS0==" + local[14:], day, ErrForged},
		"the first alone":          {"SRS0=", day, ErrForged},
		"a second hop of nobody's": {"SRS1=aaaaaaaa=example.com==x=y=remote.test=bob", day, ErrForged},
	} {
		if got, err := ours.Reverse(c.local, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v; want %v", name, got, err, c.want)
		}
	}
	if _, err := ours.Reverse(local, day.Add(21*24*time.Hour)); err != nil {
		t.Errorf("on the last day: %v", err)
	}
	if _, err := ours.Reverse(local, day.Add(-24*time.Hour)); err != nil {
		t.Errorf("where the clock was ahead: %v", err)
	}
	if _, err := theirs.Reverse(local, day); !errors.Is(err, ErrForged) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := (Scheme{}).Reverse(local, day); !errors.Is(err, ErrForged) {
		t.Errorf("without a key: %v", err)
	}
	for _, sender := range []string{"", "@remote.test", `"a b"@remote.test`, strings.Repeat("x", 50) + "@remote.test"} {
		if got, ok := ours.Forward(sender, "example.com", day); ok {
			t.Errorf("%q is rewritten as %q", sender, got)
		}
	}
}

func FuzzReverse(f *testing.F) {
	one, _ := ours.Forward("bob@remote.test", "example.com", day)
	f.Add(one)
	f.Add("SRS1=aaaaaaaa=example.com==x=y=remote.test=bob@example.net")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := theirs.Reverse(s, day); err == nil {
			t.Errorf("%q goes back to %q", s, got)
		}
		again, ok := ours.Forward(s, "example.net", day)
		if !ok {
			return
		}
		at := strings.LastIndexByte(again, '@')
		back, err := ours.Reverse(again[:at], day)
		if err != nil || !strings.EqualFold(back, s) && !strings.HasPrefix(strings.ToLower(s), "srs") {
			t.Errorf("%q is forwarded as %q and comes back as %q (%v)", s, again, back, err)
		}
	})
}
