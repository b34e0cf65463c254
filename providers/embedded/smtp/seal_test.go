package smtp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/arc"
	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/sorting"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// keys are the DNS: a TXT record by its name.
type keys map[string]string

func (k keys) LookupTXT(_ context.Context, name string) ([]string, error) {
	if t, ok := k[strings.TrimSuffix(name, ".")]; ok {
		return []string{t}, nil
	}
	return nil, &net.DNSError{Err: "none", Name: name, IsNotFound: true}
}

// LookupNetIP answers for lists, which have nobody.
func (keys) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "none", Name: host, IsNotFound: true}
}

func (keys) LookupMX(context.Context, string) ([]*net.MX, error)        { return nil, nil }
func (keys) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) { return nil, nil }
func (keys) LookupAddr(context.Context, string) ([]string, error)       { return nil, nil }

// judged is what dkimpy, which is not ours, says of the ARC sets of a message. There are
// several Pythons on some machines; Debian's has it.
func judged(t *testing.T, records keys, message string) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import dkim").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim is missing")
		}
		t.Log("SKIPPED: python3-dkim is missing")
		return "pass"
	}
	in, err := json.Marshal(map[string]any{"message": message, "keys": records})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `import dkim, json, sys
d = json.load(sys.stdin)
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return d["keys"].get(name.rstrip("."), "").encode() or None
cv, results, why = dkim.arc_verify(d["message"].encode(), dnsfunc=txt)
print(cv.decode(), end="")`)
	cmd.Dir, cmd.Stdin = t.TempDir(), bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return string(out)
}

// onItsWay is what came into the queue last for somebody elsewhere.
func onItsWay(t *testing.T, s *store.Store, to string) string {
	t.Helper()
	list, err := s.QueueList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(list) {
		if e.To == to {
			body, err := s.ReadBody(t.Context(), e.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
	}
	t.Fatalf("nothing is on its way to %s", to)
	return ""
}

func TestForwardedMailIsSealed(t *testing.T) {
	t.Parallel()
	s, record := openStore(t)
	script, err := json.Marshal(map[string]any{"address": "sieve@d.test", "password_hash": []string{}, "quota": 0, "protocols": []string{"imap"},
		"mail": "enabled", "sieve": "redirect \"z@far.test\";"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ApplyChanges(t.Context(), []admin.Change{{Action: "create", Kind: "mailbox", Key: "sieve@d.test", Attrs: script}}); err != nil {
		t.Fatal(err)
	}
	s.SetSorter(sorting.New(sorting.Options{Store: s, Hostname: func() string { return "mx.d.test" }}).Sort)
	records := keys{"s1._domainkey.d.test": record, "remote.test": "v=spf1 ip4:127.0.0.1 -all"}
	var looks atomic.Bool
	looks.Store(true)
	addr := serve(t, smtp.Options{Mode: smtp.MTA, Store: s, Signer: dkim.New(s), Checker: &verify.Checker{Resolver: records},
		Settings: func() smtp.Settings {
			policy := verify.Policy{SPF: verify.Report, DKIM: true, ARC: looks.Load(), DMARC: verify.Report}
			return smtp.Settings{Hostname: "mx.d.test", Checks: policy}
		}})

	const text = "From: A <a@remote.test>\r\nTo: fwd@d.test\r\nSubject: seal me\r\n\r\n.body\r\n\r\n"
	for _, to := range []string{"fwd@d.test", "sales@d.test", "sieve@d.test"} {
		if err := send(t, addr, "a@remote.test", []string{to}, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []string{"y@far.test", "x@far.test", "z@far.test"} {
		message := onItsWay(t, s, to)
		chain, err := arc.Validate(t.Context(), strings.NewReader(message), records.LookupTXT)
		if err != nil || chain.Status != arc.Pass || len(chain.Sets) != 1 || chain.Sets[0].Domain != "d.test" ||
			!strings.Contains(chain.Sets[0].Results, "mx.d.test;") || !strings.Contains(chain.Sets[0].Results, "spf=pass smtp.mailfrom=a@remote.test") {
			t.Errorf("to %s: %+v (%v) of\n%s", to, chain, err, message)
		}
		if got := judged(t, records, message); got != "pass" {
			t.Errorf("to %s: dkimpy says %q of\n%s", to, got, message)
		}
	}
	for _, text := range inbox(t, s, "bob@d.test") {
		if strings.Contains(text, "ARC-Seal") {
			t.Errorf("what stays here is sealed:\n%s", text)
		}
	}

	// What comes sealed gets a second set, and what was changed on its way none.
	sealed := onItsWay(t, s, "y@far.test")
	for _, c := range []struct {
		name, message string
		sets          int
		status        string
	}{
		{"a chain that holds", sealed, 2, "pass"},
		{"a chain that does not hold", sealed + "more\r\n", 1, "fail"},
		{"a message without a chain", text, 1, "pass"},
	} {
		if err := send(t, addr, "a@remote.test", []string{"sales@d.test"}, c.message, nil); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		again := onItsWay(t, s, "x@far.test")
		if got := judged(t, records, again); got != c.status || strings.Count(again, "ARC-Seal:") != c.sets {
			t.Errorf("%s: dkimpy says %q of\n%s", c.name, got, again)
		}
	}

	looks.Store(false)
	if err := send(t, addr, "a@remote.test", []string{"sales@d.test"}, text, nil); err != nil {
		t.Fatal(err)
	}
	if again := onItsWay(t, s, "x@far.test"); strings.Contains(again, "ARC-Seal") {
		t.Errorf("it is sealed although nobody looks at ARC:\n%s", again)
	}
}
