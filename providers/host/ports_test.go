package host

import (
	"slices"
	"testing"
)

func TestListeningPorts(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue
   0: 0100007F:0A1B 00000000:0000 0A 00000000:00000000
   1: 0100007F:0019 0100007F:8F3A 01 00000000:00000000
   2: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0
`
	if got := listeningPorts(table); !slices.Equal(got, []string{"2587", "25"}) {
		t.Errorf("it listens at %q", got)
	}
}
