package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
)

func TestDraft(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
	}{
		{"empty", 0},
		{"in memory", 1000},
		{"as large as the memory", draftMemory},
		{"in a file", draftMemory + 1},
		{"far larger than the memory", 5 * draftMemory},
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
				if m, err := d.Write(rest[:n]); m != n || err != nil {
					t.Fatalf("Write: %d, %v; want %d", m, err, n)
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
