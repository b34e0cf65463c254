package host

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

const socketTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17
   1: 0100007F:1F91 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 18
   2: 00000000000000000000000001000000:008F 00000000000000000000000000000000:0000 0A 0 0 0
`

func TestListeningPorts(t *testing.T) {
	for name, tt := range map[string]struct {
		table string
		want  map[string][]string
	}{
		"two that listen, one that is connected": {socketTable, map[string][]string{"143": nil, "8080": {"17"}}},
		"few columns": {`  sl  local_address rem_address   st tx_queue
   0: 0100007F:0A1B 00000000:0000 0A 00000000:00000000
   1: 0100007F:0019 0100007F:8F3A 01 00000000:00000000
   2: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0
`, map[string][]string{"2587": nil, "25": nil}},
	} {
		ports := map[string][]string{}
		addListening(ports, tt.table)
		if !reflect.DeepEqual(ports, tt.want) {
			t.Errorf("%s: it listens at %q, %v", name, slices.Sorted(maps.Keys(ports)), ports)
		}
	}
}

func FuzzListening(f *testing.F) {
	f.Add(socketTable)
	f.Add("a : b 0A")
	f.Fuzz(func(t *testing.T, table string) { addListening(map[string][]string{}, table) })
}
