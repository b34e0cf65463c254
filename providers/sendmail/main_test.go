package sendmail_test

import (
	"os"
	"testing"

	"github.com/mailform/mailform/providers/mailtest"
)

// TestMain lets the binary of the tests be the daemon that judges passwords, as
// mailform itself is.
func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }
