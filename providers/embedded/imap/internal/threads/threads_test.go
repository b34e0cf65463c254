package threads_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/imap/internal/threads"
)

func TestBaseSubject(t *testing.T) {
	for subject, want := range map[string]string{
		"Lunch":                            "Lunch",
		"  Lunch \t at  noon ":             "Lunch at noon",
		"Re: Lunch":                        "Lunch (reply)",
		"RE: re:Fwd: Lunch (fwd) (FWD)":    "Lunch (reply)",
		"[staff] Re: [staff] Lunch":        "Lunch (reply)",
		"[staff] Lunch":                    "Lunch",
		"[staff]":                          "[staff]",
		"Re[2]: Lunch":                     "Lunch (reply)",
		"Re [2] : Lunch":                   "Lunch (reply)",
		"fw: Lunch":                        "Lunch (reply)",
		"[Fwd: Re: Lunch]":                 "Lunch (reply)",
		"[fwd: [staff] Lunch (fwd)] (fwd)": "Lunch (reply)",
		"Reply":                            "Reply",
		"Re:":                              " (reply)",
		"":                                 "",
		"[a[b] Lunch":                      "[a[b] Lunch",
		"(fwd)":                            " (reply)",
		"Re: [fwd:]":                       " (reply)",
	} {
		base, reply := threads.BaseSubject(subject)
		if reply {
			base += " (reply)"
		}
		if base != want {
			t.Errorf("%q: %q, want %q", subject, base, want)
		}
	}
}

func TestCollate(t *testing.T) {
	for _, pair := range [][2]string{{"lunch", "LUNCH"}, {"Ünder", "u\u0308NDER"}, {"x²", "X2"}} {
		if a, b := threads.Collate(pair[0]), threads.Collate(pair[1]); a != b {
			t.Errorf("%q and %q differ: %q, %q", pair[0], pair[1], a, b)
		}
	}
}

func TestIDs(t *testing.T) {
	for value, want := range map[string]string{
		"<a@x> <b@y>":            "a@x b@y",
		"<a@x><b@y>":             "a@x b@y",
		"Mail of Tue <a@x> (so)": "a@x",
		"<a@\t x>":               "a@x",
		"<no-at> <b@y":           "",
		"<<a@x>":                 "a@x",
		"":                       "",
	} {
		if got := strings.Join(threads.IDs(value), " "); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// messages reads a line for each: number, sent at, subject, ID, references.
func messages(lines ...string) []threads.Message {
	var out []threads.Message
	for _, line := range lines {
		f := strings.Split(line, "|")
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		var m threads.Message
		var at int64
		fmt.Sscan(f[0], &m.Number)
		fmt.Sscan(f[1], &at)
		m.Sent = time.Unix(at, 0)
		m.Subject, m.Reply = threads.BaseSubject(f[2])
		m.ID, m.References = f[3], strings.Fields(f[4])
		out = append(out, m)
	}
	return out
}

// show writes threads as (1 2 (3)(4)), a message that is not there as a dot.
func show(list []*threads.Thread) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteString("(" + showOne(t) + ")")
	}
	return b.String()
}

func showOne(t *threads.Thread) string {
	s := "."
	if t.Message != nil {
		s = fmt.Sprint(t.Message.Number)
	}
	switch len(t.Children) {
	case 0:
		return s
	case 1:
		return s + " " + showOne(t.Children[0])
	}
	return s + " " + show(t.Children)
}

func TestThreads(t *testing.T) {
	for name, tt := range map[string]struct {
		messages              []threads.Message
		references, bySubject string
	}{
		"answers to answers": {messages(
			"1 | 10 | Lunch     | a@x | ",
			"2 | 20 | Re: Lunch | b@x | a@x",
			"3 | 30 | Re: Lunch | c@x | a@x b@x",
			"4 | 40 | Re: Lunch | d@x | a@x",
		), "(1 (2 3)(4))", "(1 (2)(3)(4))"},
		"an answer before what it answers": {messages(
			"1 | 20 | Re: Lunch | b@x | a@x",
			"2 | 10 | Lunch     | a@x | ",
		), "(2 1)", "(2 1)"},
		"what all answer is not there": {messages(
			"1 | 10 | Re: Lunch | b@x | a@x",
			"2 | 20 | Re: Lunch | c@x | a@x",
		), "(. (1)(2))", "(1 2)"},
		"one answer alone to what is not there": {messages(
			"1 | 10 | Re: Lunch | b@x | a@x",
		), "(1)", "(1)"},
		"a message that is not there in the middle": {messages(
			"1 | 10 | Lunch     | a@x | ",
			"2 | 20 | Re: Lunch | c@x | a@x b@x",
		), "(1 2)", "(1 2)"},
		"no references, the same subject": {messages(
			"1 | 10 | Lunch     | a@x | ",
			"2 | 20 | Re: Lunch | b@x | ",
			"3 | 30 | Dinner    | c@x | ",
		), "(1 2)(3)", "(1 2)(3)"},
		"the same subject twice from the start": {messages(
			"1 | 10 | Lunch     | a@x | ",
			"2 | 20 | Lunch     | b@x | ",
		), "(. (1)(2))", "(1 2)"},
		"three of them": {messages(
			"1 | 10 | Lunch     | a@x | ",
			"2 | 20 | Lunch     | b@x | ",
			"3 | 30 | Lunch     | c@x | ",
		), "(. (1)(2)(3))", "(1 (2)(3))"},
		"two of one ID": {messages(
			"1 | 10 | One | a@x | ",
			"2 | 20 | Two | a@x | ",
		), "(1)(2)", "(1)(2)"},
		"each refers to the other": {messages(
			"1 | 10 | One | a@x | b@x",
			"2 | 20 | Two | b@x | a@x",
		), "(2 1)", "(1)(2)"},
		"one that refers to itself": {messages(
			"1 | 10 | One | a@x | a@x",
		), "(1)", "(1)"},
		"none has a subject": {messages(
			"1 | 10 |  | a@x | ",
			"2 | 20 |  | b@x | ",
		), "(1)(2)", "(1 2)"},
		"sent at the same time": {messages(
			"1 | 10 | b | a@x | ",
			"2 | 10 | a | b@x | ",
		), "(1)(2)", "(1)(2)"},
		"nothing": {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := show(threads.ByReferences(tt.messages)); got != tt.references {
				t.Errorf("REFERENCES: %s, want %s", got, tt.references)
			}
			if got := show(threads.BySubject(tt.messages)); got != tt.bySubject {
				t.Errorf("ORDEREDSUBJECT: %s, want %s", got, tt.bySubject)
			}
		})
	}
}

// Whatever messages say of each other, each is in exactly one thread, once.
func FuzzByReferences(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		var list []threads.Message
		for i := 0; i+4 <= len(b) && i < 400; i += 4 {
			id := func(n byte) string { return fmt.Sprintf("%d@x", n%16) }
			list = append(list, threads.Message{
				Number: uint32(i/4) + 1, Subject: []string{"", "A", "B"}[b[i]%3], Reply: b[i]%2 == 0, Sent: time.Unix(int64(b[i]%5), 0),
				ID: id(b[i+1]), References: []string{id(b[i+2]), id(b[i+3])},
			})
		}
		seen := map[uint32]int{}
		var walk func(*threads.Thread)
		walk = func(th *threads.Thread) {
			if th.Message != nil {
				seen[th.Message.Number]++
			} else if len(th.Children) < 2 {
				t.Error("a dummy that joins nothing")
			}
			for _, c := range th.Children {
				walk(c)
			}
		}
		for _, th := range threads.ByReferences(list) {
			walk(th)
		}
		for _, m := range list {
			if seen[m.Number] != 1 {
				t.Errorf("message %d is there %d times", m.Number, seen[m.Number])
			}
		}
	})
}
