package authd

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

func FuzzNetstring(f *testing.F) {
	for _, text := range []string{"", "0:,", "3:a b,", "3:a b,2:xy,", "4097:", "03:abc,", ":,", "3:abcd", "-1:,", "999999999999999999999:x,", "2:a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(strings.NewReader(text))
		for {
			got, err := readNetstring(r)
			if err != nil {
				if text == "" && err != io.EOF {
					t.Errorf("the end is %v", err)
				}
				return
			}
			if len(got) > maxNetstring || !strings.Contains(text, ":"+got+",") {
				t.Fatalf("%q holds %q", text, got)
			}
			again, err := readNetstring(bufio.NewReader(strings.NewReader(netstring(got))))
			if err != nil || again != got {
				t.Fatalf("%q comes back as %q, %v", got, again, err)
			}
		}
	})
}
