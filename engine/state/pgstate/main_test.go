package pgstate

import (
	"fmt"
	"os"
	"testing"

	"github.com/mailform/mailform/engine/state/statetest"
)

// The tests of this package share one server, each with a schema of its own.
var shared = statetest.Share(statetest.StartPostgres)

// database gives a connection string for the tests' server.
func database(t testing.TB) string {
	t.Helper()
	return shared.Get(t).ConnStr()
}

func TestMain(m *testing.M) {
	if conn := os.Getenv(crashConn); conn != "" {
		fmt.Fprintln(os.Stderr, writeForEver(conn))
		os.Exit(1)
	}
	os.Exit(shared.Exit(m.Run()))
}
