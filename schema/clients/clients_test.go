package clients

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDoorsAreThoseThatOthersReach(t *testing.T) {
	for name, c := range map[string]struct {
		service           string
		listen, listenTLS []string
		want              []Door
	}{
		"TLS from the first byte comes before STARTTLS": {"imap", []string{":143"}, []string{":993"},
			[]Door{{"imap", "mail.example.com", 993, true, false}, {"imap", "mail.example.com", 143, false, false}}},
		"a port that others reach comes before the standard one of this machine": {"imap", nil, []string{"127.0.0.1:993", "[::1]:993", "192.0.2.1:1993"},
			[]Door{{"imap", "mail.example.com", 1993, true, false}}},
		"the standard port comes before a lower one": {"pop3", nil, []string{":99", "[2001:db8::1]:995"},
			[]Door{{"pop3", "mail.example.com", 995, true, false}}},
		"of other ports it is the lowest": {"submission", []string{":2588", ":2587"}, nil,
			[]Door{{"submission", "mail.example.com", 2587, false, false}}},
		"a server on loopback is said to be there alone": {"imap", []string{"127.0.0.1:2143"}, nil,
			[]Door{{"imap", "mail.example.com", 2143, false, true}}},
		"what listens nowhere is no door": {"imap", nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Doors(c.service, "mail.example.com", c.listen, c.listenTLS)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// samples are setups of every sort.
func samples() map[string]*Setup {
	all := append(Doors("imap", "mail.example.com", []string{":143"}, []string{":993"}),
		append(Doors("pop3", "mail.example.com", []string{":110"}, []string{":995"}),
			Doors("submission", "mail.example.com", []string{":587"}, []string{":465"})...)...)
	odd := &Setup{Domain: "xn--bcher-kva.example", Address: "a&b<'\"%}ü@xn--bcher-kva.example", Doors: all}
	user := &Setup{Domain: "example.com", Address: "alice@example.com", Doors: all}
	authority := *user
	authority.Authority = []byte{0x30, 0x03, 0x02, 0x01, 0x00}
	return map[string]*Setup{
		"user": user, "domain": {Domain: "example.com", Doors: all}, "odd": odd, "authority": &authority,
		"imap-only": user.Of([]string{"imap"}), "pop3-only": user.Of([]string{"pop3"}),
		"starttls": {Domain: "example.com", Address: "bob@example.com", Doors: append(Doors("imap", "mail.example.com", []string{":143"}, nil), Doors("submission", "out.example.com", []string{":587"}, nil)...)},
	}
}

// formats are those that are made of every sample.
var formats = map[string]func(*Setup) ([]byte, error){
	"txt":  func(s *Setup) ([]byte, error) { return []byte(s.Text()), nil },
	"json": func(s *Setup) ([]byte, error) { return json.MarshalIndent(s, "", "  ") },
	"xml":  (*Setup).Thunderbird, "mobileconfig": (*Setup).Apple, "outlook.xml": (*Setup).Outlook,
}

// Each format of each sample is as in testdata. MAILFORM_UPDATE=1 writes it anew.
func TestFormats(t *testing.T) {
	for name, s := range samples() {
		for ext, make := range formats {
			t.Run(name+"."+ext, func(t *testing.T) {
				got, err := make(s)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", name+"."+ext)
				if os.Getenv("MAILFORM_UPDATE") != "" {
					if err := os.WriteFile(file, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s is another one now; MAILFORM_UPDATE=1 writes it anew\n%s", file, diff)
				}
			})
		}
	}
}

func TestSetupsWithoutAWayAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		setup   *Setup
		reading bool
	}{
		"nothing to read by": {&Setup{Address: "a@example.com", Doors: Doors("submission", "h", []string{":587"}, nil)}, true},
		"nothing to send by": {&Setup{Address: "a@example.com", Doors: Doors("imap", "h", []string{":143"}, nil)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, make := range []func(*Setup) ([]byte, error){(*Setup).Thunderbird, (*Setup).Apple} {
				_, err := make(c.setup)
				if e, ok := err.(*IncompleteError); !ok || e.Reading != c.reading {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// Thunderbird refuses a document that does not hold to the rules of its parser:
// a provider that is a host name, at least one server of each sort, and each
// with a host, a port, a sort of TLS and an authentication that it knows.
func TestThunderbirdsParserTakesIt(t *testing.T) {
	type server struct {
		Type           string   `xml:"type,attr"`
		Host           []string `xml:"hostname"`
		Port           []int    `xml:"port"`
		Socket         []string `xml:"socketType"`
		User           []string `xml:"username"`
		Authentication []string `xml:"authentication"`
	}
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			text, err := s.Thunderbird()
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				XMLName   xml.Name `xml:"clientConfig"`
				Version   string   `xml:"version,attr"`
				Providers []struct {
					ID       string   `xml:"id,attr"`
					Domains  []string `xml:"domain"`
					Display  []string `xml:"displayName"`
					Incoming []server `xml:"incomingServer"`
					Outgoing []server `xml:"outgoingServer"`
				} `xml:"emailProvider"`
			}
			if err := xml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Version != "1.1" || len(doc.Providers) != 1 {
				t.Fatalf("%+v", doc)
			}
			p := doc.Providers[0]
			if p.ID != s.Domain || len(p.Domains) != 1 || len(p.Display) != 1 || len(p.Incoming) == 0 || len(p.Outgoing) == 0 {
				t.Errorf("%+v", p)
			}
			check := func(of server, types ...string) {
				known := strings.Contains(" "+strings.Join(types, " ")+" ", " "+of.Type+" ")
				single := len(of.Host) == 1 && len(of.Port) == 1 && len(of.Socket) == 1 && len(of.User) == 1 && len(of.Authentication) == 1
				if !known || !single {
					t.Fatalf("%+v", of)
				}
				if of.Port[0] < 1 || of.Port[0] > 65535 || of.Socket[0] != "SSL" && of.Socket[0] != "STARTTLS" || of.Authentication[0] != "password-cleartext" {
					t.Errorf("%+v", of)
				}
				if of.Host[0] == "" || strings.Trim(of.Host[0], "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
					t.Errorf("host %q", of.Host[0])
				}
				if want := s.Address; want != "" && of.User[0] != want || want == "" && of.User[0] != "%EMAILADDRESS%" {
					t.Errorf("user %q", of.User[0])
				}
			}
			for _, in := range p.Incoming {
				check(in, "imap", "pop3")
			}
			for _, out := range p.Outgoing {
				check(out, "smtp")
			}
		})
	}
}

// Python's reader of property lists gets out what went in.
func TestAppleProfilesAreRead(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: python3 is not installed")
	}
	texts := map[string]string{}
	for name, s := range samples() {
		text, err := s.Apple()
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `import plistlib, json, sys, uuid
out = {}
for name, text in json.load(sys.stdin).items():
    p = plistlib.loads(text.encode(), fmt=plistlib.FMT_XML)
    every = [p] + p["PayloadContent"]
    for q in every:
        assert q["PayloadVersion"] == 1 and uuid.UUID(q["PayloadUUID"]) and q["PayloadIdentifier"] and q["PayloadType"]
    assert len({q["PayloadUUID"] for q in every}) == len(every)
    out[name] = [{k: v.hex() if isinstance(v, bytes) else v for k, v in q.items()} for q in p["PayloadContent"]]
json.dump(out, sys.stdout)`)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var read map[string][]map[string]any
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			payloads := read[name]
			mail, in, send := payloads[0], s.Incoming()[0], s.Outgoing()[0]
			want := map[string]any{
				"IncomingMailServerHostName": in.Host, "IncomingMailServerPortNumber": float64(in.Port), "IncomingMailServerUseSSL": true,
				"OutgoingMailServerHostName": send.Host, "OutgoingMailServerPortNumber": float64(send.Port), "OutgoingMailServerUseSSL": true,
				"EmailAccountType": map[string]string{"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}[in.Service],
			}
			if s.Address != "" {
				want["EmailAddress"], want["IncomingMailServerUsername"], want["OutgoingMailServerUsername"] = s.Address, s.Address, s.Address
			}
			for key, v := range want {
				if mail[key] != v {
					t.Errorf("%s is %v, not %v", key, mail[key], v)
				}
			}
			if s.Authority != nil && (len(payloads) != 2 || payloads[1]["PayloadContent"] != "3003020100") {
				t.Errorf("%v", payloads)
			}
		})
	}
}
