package wire_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

// script is a connection on which everything has been sent already.
type script struct{ *strings.Reader }

func (script) SetReadDeadline(time.Time) error { return nil }

// newReader counts continuations in *asked.
func newReader(input string, asked *int) *wire.Reader {
	limits := wire.Limits{Command: 64, Depth: 4, Drain: 128, Line: time.Second, Block: time.Second}
	return wire.NewReader(script{strings.NewReader(input)}, limits, func() error {
		*asked++
		return nil
	})
}

// TestStep reads "TAG STRING" commands and notes what came of each: a refused
// command must not have its literal taken for the next command.
func TestStep(t *testing.T) {
	long := strings.Repeat("x", 100)
	tests := map[string]struct {
		input string
		want  []string
		asked int
	}{
		"one command after the other":                   {"a one\r\nb two\r\n", []string{"a one", "b two"}, 0},
		"a line feed alone ends a line":                 {"a one\nb two\n", []string{"a one", "b two"}, 0},
		"a synchronising literal is asked for":          {"a {3}\r\none\r\nb two\r\n", []string{"a one", "b two"}, 1},
		"a literal that comes unasked is not asked for": {"a {3+}\r\none\r\nb two\r\n", []string{"a one", "b two"}, 0},
		"a literal may be empty":                        {"a {0+}\r\n\r\nb two\r\n", []string{"a ", "b two"}, 0},
		"a bad command ends with its line":              {"a (\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a bad command takes its literal along":         {"a ( {7+}\r\nx evil\n\r\nb two\r\n", []string{"error", "b two"}, 0},
		"and the next one":                              {"a ( {3+}\r\nabc {7+}\r\nx evil\n\r\nb two\r\n", []string{"error", "b two"}, 0},
		"what is not asked for is not waited for":       {"a ( {7}\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a literal too big is refused unread":           {"a {100}\r\nb two\r\n", []string{"error", "b two"}, 0},
		"and drained where it comes unasked":            {"a {100+}\r\n" + long + "\r\nb two\r\n", []string{"error", "b two"}, 0},
		"what is far too big ends the connection":       {"a {1000+}\r\n" + long + "\r\nb two\r\n", []string{"error", "end"}, 0},
		"a line too long is skipped":                    {"a " + long + "\r\nb two\r\n", []string{"error", "b two"}, 0},
		"with its literal":                              {"a " + long + " {7+}\r\nx evil\n\r\nb two\r\n", []string{"error", "b two"}, 0},
		"NUL in a literal is an error":                  {"a {3+}\r\na\x00b\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a number that overflows is no literal":         {"a {99999999999999999999+}\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a literal in the middle of a line is none":     {"a {3} x\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a literal8 is not a string":                    {"a ~{3+}\r\none\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a quoted string has escapes":                   {`a "x\"\\y"` + "\r\n", []string{`a x"\y`}, 0},
		"and no others":                                 {`a "x\ny"` + "\r\nb two\r\n", []string{"error", "b two"}, 0},
		"and an end":                                    {"a \"x\r\nb two\r\n", []string{"error", "b two"}, 0},
		"and is UTF-8":                                  {"a \"\xff\"\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a tag has an end":                              {strings.Repeat("t", 60) + "\r\nb two\r\n", []string{"error", "b two"}, 0},
		"a tag has no plus":                             {"a+b one\r\nb two\r\n", []string{"error", "b two"}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			asked := 0
			r := newReader(tt.input, &asked)
			for {
				if err := r.Next(time.Second); err != nil {
					if !errors.Is(err, io.EOF) {
						t.Errorf("Next: %v", err)
					}
					break
				}
				tag := r.Tag()
				r.Space()
				s := r.AString()
				r.End()
				if r.Err() != nil {
					got = append(got, "error")
				} else {
					got = append(got, tag+" "+s)
				}
				if err := r.Finish(); err != nil {
					got = append(got, "end")
					break
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if asked != tt.asked {
				t.Errorf("asked for %d literals, want %d", asked, tt.asked)
			}
		})
	}
}

func TestOpenLiteralIsWholeOrAnError(t *testing.T) {
	tests := map[string]struct {
		input, want string
		wantErr     error
	}{
		"whole": {"a {5+}\r\nhello\r\n", "hello", nil},
		"short": {"a {5+}\r\nhel", "hel", io.ErrUnexpectedEOF},
		"none":  {"a {5+}\r\n", "", io.ErrUnexpectedEOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			r := newReader(tt.input, &asked)
			if err := r.Next(time.Second); err != nil {
				t.Fatal(err)
			}
			r.Tag()
			r.Space()
			if lit := r.Announce(); lit.Size != 5 || !lit.NonSync {
				t.Fatalf("announced %+v, error %v", lit, r.Err())
			}
			in, err := r.OpenLiteral()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			if string(got) != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("read %q, %v; want %q, %v", got, err, tt.want, tt.wantErr)
			}
			r.NextLine()
			r.End()
			if (r.Err() == nil) != (tt.wantErr == nil) {
				t.Errorf("after the literal: %v", r.Err())
			}
		})
	}
}

func TestNestingIsBounded(t *testing.T) {
	for depth, ok := range map[int]bool{4: true, 5: false} {
		asked := 0
		r := newReader(strings.Repeat("(", depth)+"x"+strings.Repeat(")", depth)+"\r\n", &asked)
		if err := r.Next(time.Second); err != nil {
			t.Fatal(err)
		}
		var list func()
		list = func() {
			if r.Peek() == '(' {
				r.List(list)
				return
			}
			r.Atom()
		}
		list()
		if r.End(); (r.Err() == nil) != ok {
			t.Errorf("depth %d: %v", depth, r.Err())
		}
	}
}
