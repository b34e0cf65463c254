package cyrus

import (
	"bufio"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsOfOthersComeBackByteForByte(t *testing.T) {
	for name, text := range map[string]string{
		"a fresh file":          "# comment\n\nvirtdomains: no\nadmins: cyrus\n\ttimeout : 30 \n",
		"no line break at last": "virtdomains: no\nadmins: cyrus",
		"lines that go on":      "admins: cyrus \\\n  eve\ntimeout: 30\n",
		"carriage returns":      "virtdomains: no\r\nadmins: cyrus\r\n",
		"an include":            "@include: /etc/more\nadmins: cyrus\n",
		"nonsense":              "::\n\\\n{\nadmins\n",
		"nothing":               "",
	} {
		f := parseOptions([]byte(text))
		f.set([]option{{"admins", "cyrus mailform-admin"}, {"virtdomains", "userid"}})
		with := f.bytes()
		again := parseOptions(with)
		if v, ok := again.get("virtdomains"); !ok || v != "userid" {
			t.Errorf("%s: virtdomains is %q, %v in\n%s", name, v, ok, with)
		}
		for _, l := range again.foreign {
			if !l.aside && (l.name == "admins" || l.name == "virtdomains") {
				t.Errorf("%s: %s is there twice in\n%s", name, l.name, with)
			}
		}
		if diff := cmp.Diff(string(with), string(again.bytes())); diff != "" {
			t.Errorf("%s: written again it is another: %s", name, diff)
		}
		again.set(nil)
		if got := strings.TrimSuffix(string(again.bytes()), "\n"); got != strings.TrimSuffix(text, "\n") {
			t.Errorf("%s: what is left is %q, was %q", name, got, text)
		}
	}
}

const someServices = `START {
	recover		cmd="ctl_cyrusdb -r"
}

SERVICES {
	imap		cmd="imapd -U 30" listen="imap" prefork=0 maxchild=100
	#imaps		cmd="imapd -s" listen="imaps"
	sieve		cmd="timsieved" listen="localhost:sieve"
	http		cmd="httpd" listen="8008"
	lmtpunix	cmd="lmtpd" listen="/run/cyrus/socket/lmtp"
}

EVENTS {
	checkpoint	cmd="ctl_cyrusdb -c" period=30
}
`

func TestServicesOfOthers(t *testing.T) {
	p := &Provider{dir: "/etc", programs: "/usr/lib/cyrus/bin"}
	l := aListener{owner: "main", service: "imap", listen: []string{"127.0.0.1:143", "[::1]:143"}, listenTLS: []string{":993"}}
	lines, options := p.listenerServices(&l)
	f := parseServices([]byte(someServices))
	f.set(map[string][]string{sectionServices: lines}, func(e entry) bool { return inTheWay(e, []aListener{l}) })
	with := string(f.bytes())
	for _, want := range []string{
		"#mailform-aside: \timap\t\tcmd=\"imapd -U 30\"",
		`  mailformimapat127x0x0x1p143 cmd="/usr/lib/cyrus/bin/imapd -C /etc/imapd.conf" listen="127.0.0.1:143" proto="tcp4" prefork=0 maxchild=1000`,
		`listen="[::1]:143" proto="tcp6"`, `/imapd -C /etc/imapd.conf -s" listen="993" proto="tcp"`,
	} {
		if !strings.Contains(with, want) {
			t.Errorf("there is no %s in\n%s", want, with)
		}
	}
	if diff := cmp.Diff([]option{{"mailformimapat127x0x0x1p143_allowplaintext", "yes"}, {"mailformimapatpp1p143_allowplaintext", "yes"}, {"mailformimapsatp993_allowplaintext", "yes"}},
		options, cmp.AllowUnexported(option{})); diff != "" {
		t.Error(diff)
	}
	again := parseServices([]byte(with))
	listen, listenTLS := readListener(again, "imap")
	if diff := cmp.Diff([][]string{l.listen, l.listenTLS}, [][]string{listen, listenTLS}); diff != "" {
		t.Error(diff)
	}
	again.set(nil, func(entry) bool { return false })
	if diff := cmp.Diff(someServices, string(again.bytes())); diff != "" {
		t.Errorf("what is left is another: %s", diff)
	}
	if same, conflict := meets(readEntry(` http cmd="/x/httpd" listen="143"`), []aListener{l}); !conflict || same {
		t.Errorf("another program at the port: %v, %v", same, conflict)
	}
}

func TestMailboxesAreRead(t *testing.T) {
	json := `{
"example.com!user.j^doe": {"name": "example.com!user.j^doe", "mbtype": "e", "partition": "default"},
"example.com!user.j^doe.Drafts": {"mbtype": "e"},
"example.com!user.gone": {"mbtype": "ed"},
"example.com!DELETED.user.gone.6B078259": {"mbtype": "e"},
"example.com!DELETED.user.gone.6B078200": {"mbtype": "e"},
"example.com!DELETED.user.gone.Sent^x.6B078259": {"mbtype": "e"},
"user.nodomain": {"mbtype": "e"}
}`
	lines := "example.com!user.j^doe\t0 default j^doe\tlrs\t\nexample.com!user.j^doe.Drafts\t0 default \t\n" +
		"example.com!user.gone\t16 default \t\nexample.com!DELETED.user.gone.6B078259\t0 default \t\n" +
		"example.com!DELETED.user.gone.Sent^x.6B078259\t0 default \t\nuser.nodomain\t0 default x\tlrs\t\n"
	for name, text := range map[string]string{"JSON": json, "lines": lines} {
		b, err := parseMailboxes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b.addLimits([]byte("   Quota   % Used     Used             Resource Root\n     100        0        0              STORAGE user/j.doe@example.com\n" +
			"                         0              MESSAGE user/j.doe@example.com\n"))
		if len(b) != 2 || !b["j.doe@example.com"].there || b["j.doe@example.com"].limit != 100 {
			t.Errorf("%s: %v", name, b)
		}
		gone := b["gone@example.com"]
		if gone.there || gone.stamp != "6B078259" || len(gone.deleted) != 2 {
			t.Fatalf("%s: %+v", name, gone)
		}
		for _, d := range gone.deleted {
			if got := former(d); got != "user/gone@example.com" && got != "user/gone/Sent.x@example.com" {
				t.Errorf("%s was %s", d, got)
			}
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add([]byte("admins: cyrus\n" + beginMark + "\nvirtdomains: userid\n" + endMark + "\n#mailform-aside: virtdomains: no\n"))
	f.Add([]byte("a: b\\\nc\r\n@include: x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := parseOptions(text)
		o.set([]option{{"admins", "x"}})
		once := o.bytes()
		if v, ok := parseOptions(once).own("admins"); !ok || v != "x" {
			t.Fatalf("admins is %q, %v in %q", v, ok, once)
		}
		if twice := parseOptions(once).bytes(); string(twice) != string(once) {
			t.Fatalf("%q, then %q", once, twice)
		}
	})
}

func FuzzServices(f *testing.F) {
	f.Add([]byte(someServices))
	f.Add([]byte("SERVICES {\n  " + beginMark + "\n  x cmd=\"y\"\n  " + endMark + "\n}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := parseServices(text)
		if got := string(s.bytes()); got != string(text) {
			t.Fatalf("%q became %q", text, got)
		}
		if s.unclosed != "" {
			return
		}
		s.set(map[string][]string{sectionServices: {`mailformx cmd="y" listen="z"`}}, func(entry) bool { return false })
		once := parseServices(s.bytes())
		if own := once.own(sectionServices); len(own) != 1 {
			t.Fatalf("ours are %q in %q", own, s.bytes())
		}
	})
}

func FuzzMailboxes(f *testing.F) {
	f.Add([]byte(`{"example.com!user.a": {"mbtype": "e"}}`))
	f.Add([]byte("example.com!DELETED.user.a.b.6B078259\t0 default \t\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parseMailboxes(text)
		if err != nil {
			return
		}
		b.addLimits(text)
		for address, m := range b {
			if checkAddress(address) != nil {
				t.Errorf("%q is no address", address)
			}
			for _, d := range m.deleted {
				if !strings.HasPrefix(former(d), "user/") {
					t.Errorf("%q was %q", d, former(d))
				}
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add("* LIST () \"/\" {3}\r\na\rb\r\nx0 OK done\r\n")
	f.Add("* STATUS a (MESSAGES 1 SIZE 2)\r\nx0 NO\r\n")
	f.Fuzz(func(_ *testing.T, text string) {
		a, err := readAnswer(bufio.NewReader(strings.NewReader(text)), "x0")
		if err == nil {
			for _, l := range a.data {
				parseStatus(l)
			}
		}
	})
}
