package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDraft(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		reads bool
	}{
		{"empty", 0, false},
		{"in memory", 1000, false},
		{"as large as the memory", draftMemory, false},
		{"in a file", draftMemory + 1, false},
		{"far larger than the memory", 5 * draftMemory, false},
		{"read into memory", 1000, true},
		{"read, as large as the memory", draftMemory, true},
		{"read into a file", draftMemory + 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			d := NewDraft(dir, int64(c.size))
			defer d.Close()
			r := rand.New(rand.NewPCG(1, uint64(c.size)))
			want := make([]byte, c.size)
			for i := range want {
				want[i] = byte(r.Uint32())
			}
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(100_000))
				m, err := n, error(nil)
				if c.reads {
					var read int64
					read, err = d.ReadFrom(iotest.HalfReader(bytes.NewReader(rest[:n])))
					m = int(read)
				} else {
					m, err = d.Write(rest[:n])
				}
				if m != n || err != nil {
					t.Fatalf("%d bytes, %v; want %d", m, err, n)
				}
				rest = rest[n:]
			}
			d.Prepend([]byte("B: 2\r\n"))
			d.Prepend([]byte("A: 1\r\n"))
			want = append([]byte("A: 1\r\nB: 2\r\n"), want...)
			if d.Size() != int64(len(want)) {
				t.Errorf("size %d, want %d", d.Size(), len(want))
			}
			if err := iotest.TestReader(d.Reader(), want); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("files with names: %v, %v", left, err)
			}
		})
	}
	t.Run("a reader that fails is told of", func(t *testing.T) {
		for _, limit := range []int64{0, 3, 10, 2 * draftMemory} {
			d := NewDraft(t.TempDir(), limit)
			n, err := io.Copy(d, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
			if n != 3 || !errors.Is(err, io.ErrUnexpectedEOF) || d.Size() != 3 {
				t.Errorf("limit %d: %d bytes, %v", limit, n, err)
			}
			d.Close()
		}
	})
	t.Run("after the limit nothing more is taken", func(t *testing.T) {
		d := NewDraft(t.TempDir(), 10)
		defer d.Close()
		if _, err := io.Copy(d, bytes.NewReader(make([]byte, 11))); !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v, want ErrTooLarge", err)
		}
		if _, err := d.Write([]byte("x")); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a shorter write: %v, want ErrTooLarge", err)
		}
	})
}
