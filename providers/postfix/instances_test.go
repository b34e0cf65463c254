package postfix

import "testing"

func TestDisabledServices(t *testing.T) {
	for name, tt := range map[string]struct {
		list string
		want bool
	}{
		"nothing is":                             {"", false},
		"its type is":                            {"unix, inet", true},
		"it is itself":                           {"127.0.0.1:25/inet", true},
		"another one is":                         {"127.0.0.1:26/inet unix", false},
		"it is an exception of its type":         {"!127.0.0.1:25/inet, inet", false},
		"the first that speaks of it holds":      {"inet, !127.0.0.1:25/inet", true},
		"it is disabled, and its type is not":    {"127.0.0.1:25/inet, !inet", true},
		"an exception of another one is nothing": {"!smtp/inet, inet", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := disables(splitList(tt.list), "127.0.0.1:25/inet"); got != tt.want {
				t.Errorf("disabled: %v", got)
			}
		})
	}
}
