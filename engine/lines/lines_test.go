package lines

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func TestPiecesKeepTheirOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 511, 512, 513, atOnce - 1, atOnce, atOnce + 1, 3*atOnce + 700} {
		var got, want bytes.Buffer
		err := Write(n, func(dst []byte, i int) ([]byte, error) { return fmt.Appendln(dst, i), nil },
			func(b []byte) error { got.Write(b); return nil })
		for i := range n {
			fmt.Fprintln(&want, i)
		}
		if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d lines: %v, or another order", n, err)
		}
	}
	wrong := errors.New("wrong")
	err := Write(9000, func(dst []byte, i int) ([]byte, error) {
		if i == 8500 {
			return dst, wrong
		}
		return dst, nil
	}, func([]byte) error { return nil })
	if err != wrong {
		t.Errorf("an error of one line: %v", err)
	}
}
