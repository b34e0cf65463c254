package host_test

import (
	"testing"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
)

// What a call costs by SSH, whatever it is: a session of sshd and a shell.
func BenchmarkCall(b *testing.B) {
	s := hosttest.SSHD(b)
	h, err := host.Open(b.Context(), s.Value(nil), "/")
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for b.Loop() {
		if _, err := host.Must(b.Context(), h, host.Cmd("true")); err != nil {
			b.Fatal(err)
		}
	}
}
