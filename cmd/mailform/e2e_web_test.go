package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

const webOfTheHouse = `
web "main" {
  hostname   = "web.example.com"
  addresses  = ["127.0.0.1"]
  listen     = ["WEB"]
  listen_tls = ["WEBS"]
}
`

// One block makes a web server that Thunderbird, Outlook, Apple's systems and other mail
// servers get their answers from, under names that its certificate has. curl asks here.
func TestTheWebServerTellsWhatTheFilesSay(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	curl := need(t, "curl")
	for _, name := range []string{"web", "webs"} {
		w.port[name] = porttest.Port(t)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "main.mf.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.mf.hcl", string(text)+strings.NewReplacer("WEBS", w.addr("webs"), "WEB", w.addr("web")).Replace(webOfTheHouse))
	w.edit("main.mf.hcl", `  dkim { selector = "s1" }`, "  web = web.main\n  autoconfig {}\n  mta_sts { mode = \"enforce\" }\n  dkim { selector = \"s1\" }")
	w.apply()
	w.noChanges()

	ca := filepath.Join(w.dir, "mail", "tls", "ca.pem")
	get := func(url string, args ...string) result {
		return w.run(curl, slices.Concat([]string{"-sS", "--max-time", "60", "--cacert", ca, "--connect-to", "::127.0.0.1:" + strconv.Itoa(w.port["webs"])}, args, []string{url})...)
	}
	for what, c := range map[string]struct {
		url  string
		args []string
		want string
	}{
		"the policy, for other mail servers": {"https://mta-sts.example.com/.well-known/mta-sts.txt", nil, "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 1209600\r\n"},
		"the settings, for Thunderbird":      {"https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=alice@example.com", nil, "<port>" + strconv.Itoa(w.port["imaps"]) + "</port>"},
		"the settings, for Outlook": {"https://autodiscover.example.com/autodiscover/autodiscover.xml", []string{"-H", "Content-Type: text/xml", "--data",
			"<Autodiscover><Request><EMailAddress>alice@example.com</EMailAddress></Request></Autodiscover>"}, "<Server>mail.example.com</Server>"},
		"the settings, for people": {"https://web.example.com/?address=alice@example.com", nil, "Settings for alice@example.com"},
	} {
		if r := get(c.url, c.args...); r.code != 0 || !strings.Contains(r.stdout, c.want) {
			t.Errorf("%s: %v; want %q", what, r, c.want)
		}
	}
	if r := w.run(curl, "-sS", "--max-time", "60", "-o", os.DevNull, "-w", "%{http_code} %{redirect_url}", "-H", "Host: autoconfig.example.com", "http://"+w.addr("web")+"/mail/config-v1.1.xml"); r.stdout != "308 https://autoconfig.example.com:"+strconv.Itoa(w.port["webs"])+"/mail/config-v1.1.xml" {
		t.Errorf("without TLS: %v", r)
	}
	w.profileIsSigned(get("https://web.example.com/mailform.mobileconfig?address=alice@example.com").stdout, ca)

	// The records lead there.
	for name, want := range map[string]string{
		"mta-sts.example.com CNAME":      "web.example.com.",
		"autoconfig.example.com CNAME":   "web.example.com.",
		"autodiscover.example.com CNAME": "web.example.com.",
		"web.example.com A":              "127.0.0.1",
	} {
		if got := strings.TrimSpace(w.dig(append([]string{"+short"}, strings.Fields(name)...)...)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	said := w.dig("+short", "_mta-sts.example.com", "TXT")
	if !strings.HasPrefix(said, `"v=STSv1; id=`) {
		t.Errorf("_mta-sts.example.com: %s", said)
	}
	if v := w.verify(exitOK, "-ca-file", ca); !slices.Contains(v.checks("pass"), "mta-sts") {
		t.Errorf("verify does not see the policy: %v %v", v.with("fail"), v.with("skip"))
	}

	// Another policy has another version, and is served before the record says so.
	w.edit("main.mf.hcl", `mode = "enforce"`, `mode = "testing"`)
	plan := w.ok("plan", "-no-color")
	if a, b := strings.Index(plan, "domain.example.web"), strings.Index(plan, "domain.example.mta_sts"); a < 0 || b < 0 {
		t.Errorf("the plan is\n%s", plan)
	}
	w.apply()
	w.noChanges()
	if again := w.dig("+short", "_mta-sts.example.com", "TXT"); again == said {
		t.Errorf("the version of the policy is still %s", said)
	}
	if r := get("https://mta-sts.example.com/.well-known/mta-sts.txt"); !strings.Contains(r.stdout, "mode: testing") {
		t.Errorf("the policy is still %v", r)
	}
}

// profileIsSigned holds a profile to openssl's judgement, and finds the authority of the
// mail server in it.
func (w *world) profileIsSigned(profile, ca string) {
	w.t.Helper()
	file, out := filepath.Join(w.dir, "p.mobileconfig"), filepath.Join(w.dir, "p.plist")
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if r := w.run(need(w.t, "openssl"), "smime", "-verify", "-inform", "der", "-in", file, "-CAfile", ca, "-purpose", "any", "-out", out); r.code != 0 {
		w.t.Fatalf("the profile: %v", r)
	}
	plain, err := os.ReadFile(out)
	if err != nil {
		w.t.Fatal(err)
	}
	var plist struct {
		Data []string `xml:"dict>array>dict>data"`
	}
	if err := xml.Unmarshal(plain, &plist); err != nil || len(plist.Data) != 1 {
		w.t.Fatalf("the profile: %v\n%s", err, plain)
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		w.t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(plist.Data[0]), ""); got != base64.StdEncoding.EncodeToString(block.Bytes) {
		w.t.Errorf("the profile has another authority: %s", got)
	}
}
