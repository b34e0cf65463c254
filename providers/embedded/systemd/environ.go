package systemd

import "os"

// An Environ is the environment of a service. What is read is taken out of it, so that
// no program that the daemon starts takes it for its own. The zero value is empty.
type Environ struct {
	Lookup func(string) (string, bool)
	Unset  func(string) error
}

// OS is the environment of the process.
var OS = Environ{os.LookupEnv, os.Unsetenv}

func (e Environ) take(name string) (string, bool) {
	if e.Lookup == nil {
		return "", false
	}
	v, ok := e.Lookup(name)
	if ok {
		_ = e.Unset(name) // fails for impossible names alone
	}
	return v, ok
}
