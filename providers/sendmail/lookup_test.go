package sendmail_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
)

// An authd that knows nothing of maps yet is another one once there is a directory.
func TestAuthdOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	dir := filepath.Join(s.ConfigDir, "mailform/authd")
	apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", "authd"))
	was, err := authd.PID(dir)
	if err != nil || was == 0 {
		t.Fatalf("authd does not run: %d, %v", was, err)
	}
	if err := os.Remove(authd.MapSocket(dir)); err != nil {
		t.Fatal(err)
	}
	apply(t, s, providers.Create, providertest.Lookup(nil))
	if now, err := authd.PID(dir); err != nil || now == 0 || now == was {
		t.Errorf("authd is process %d, %v; before %d", now, err, was)
	}
	if got, err := authd.LookUp(t.Context(), authd.MapSocket(dir), authd.MapAddresses, "root"); err != nil || got != "NOTFOUND " {
		t.Errorf("it answers %q, %v", got, err)
	}
}
