package postfix

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestMainIsEditedInPlace(t *testing.T) {
	const text = "# first\na = 1\n\nb =\n  x,\n# within\n\ty\na = 2\n  # behind\nc=3"
	for name, tt := range map[string]struct{ key, line, want string }{
		"the last of two holds":          {"a", "a = 9\n", strings.Replace(text, "a = 2\n", "a = 9\n", 1)},
		"comments within stay":           {"b", "b = z\n", strings.Replace(text, "b =\n  x,\n# within\n\ty\n", "b = z\n# within\n", 1)},
		"a last line without a line end": {"c", "c = 4\n", strings.Replace(text, "c=3", "c = 4\n", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			c := parseMain([]byte(text))
			was := c.set(tt.key, tt.line)
			if got := string(c.text()); got != tt.want {
				t.Errorf("it is now %q, want %q", got, tt.want)
			}
			c.restore(tt.key, was)
			if got := string(c.text()); got != text {
				t.Errorf("given back it is %q", got)
			}
		})
	}
	c := parseMain([]byte(text))
	for name, want := range map[string]string{"a": "2", "b": "x,\ty", "c": "3"} {
		if got, ok := c.parameter(name); !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if c.set("d", "d = 5\n") != "" || !bytes.HasSuffix(c.text(), []byte("c=3\nd = 5\n")) {
		t.Errorf("a new one is not at the end: %q", c.text())
	}
}

func TestEntries(t *testing.T) {
	e, err := parseEntry("127.0.0.1:25 inet n - y - 10 smtpd -v -o a=b -o { c = d e } -of=g -o h=")
	if err != nil {
		t.Fatal(err)
	}
	want := []option{{"a", "b"}, {"c", "d e"}, {"f", "g"}, {"h", ""}}
	if e.key() != "127.0.0.1:25/inet" || e.columns[2] != "y" || !slices.Equal(e.options, want) || !slices.Equal(e.other, []string{"-v"}) {
		t.Errorf("read as %+v", e)
	}
	for _, o := range []option{{"a", "x\ny"}, {"a b", "c"}, {"a", "x } -o mynetworks=0.0.0.0/0 { y"}} {
		e.options = []option{o}
		if text, err := e.text(); err == nil {
			t.Errorf("%q was written as %q", o, text)
		}
	}
}

func TestOpenRelay(t *testing.T) {
	for name, tt := range map[string]struct {
		params map[string]string
		open   bool
	}{
		"the default":                    {map[string]string{"smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination", "mynetworks": "127.0.0.0/8 [::1]/128"}, false},
		"nothing said":                   {map[string]string{}, true},
		"closed by the recipients alone": {map[string]string{"smtpd_recipient_restrictions": "permit_mynetworks reject_unauth_destination", "mynetworks": "10.0.0.0/8"}, false},
		"everybody is trusted":           {map[string]string{"smtpd_relay_restrictions": "permit_mynetworks, reject", "mynetworks": "0.0.0.0/0"}, true},
		"half of everybody":              {map[string]string{"smtpd_relay_restrictions": "permit_mynetworks, reject", "mynetworks": "127.0.0.0/8, 128.0.0.0/1"}, true},
		"everybody by IPv6":              {map[string]string{"smtpd_relay_restrictions": "permit_mynetworks, reject", "mynetworks": "[::]/0"}, true},
		"trusted, but not asked":         {map[string]string{"smtpd_relay_restrictions": "reject_unauth_destination", "mynetworks": "0.0.0.0/0"}, false},
		"let in first":                   {map[string]string{"smtpd_relay_restrictions": "permit, reject"}, true},
		"every domain is ours":           {map[string]string{"smtpd_relay_restrictions": "reject_unauth_destination", "relay_domains": "static:all"}, true},
	} {
		if why := openRelay(func(name string) string { return tt.params[name] }); (why != "") != tt.open {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// FuzzConfig edits any text: what is not edited stays, and what is given back is as
// before.
func FuzzConfig(f *testing.F) {
	f.Add("a = 1\n  b\n# c\n\td\n", "a", "x")
	f.Add(" begins = with\nwhite space", "x", "$y")
	f.Add("a=1\r\n\r\nb\x00", "b", "{ }")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		c := parseMain([]byte(text))
		if string(c.text()) != text {
			t.Fatalf("read and written it is %q", c.text())
		}
		l, err := parameterLine(name, value)
		if err != nil {
			return
		}
		was := c.set(name, l)
		if got, ok := c.parameter(name); !ok || got != value {
			t.Fatalf("it holds %q, want %q", got, value)
		}
		c.restore(name, was)
		if got := string(c.text()); got != text && got != text+"\n" {
			t.Fatalf("given back it is %q, was %q", got, text)
		}
	})
}

// FuzzEntry reads what it writes.
func FuzzEntry(f *testing.F) {
	f.Add("smtp inet n - y - - smtpd -o a=b -o { c = d }")
	f.Add("a b - - - - - pipe flags=R argv={ x } {{}}")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseEntry(text)
		if err != nil {
			return
		}
		written, err := e.text()
		if err != nil {
			return
		}
		c := parseMaster([]byte(written))
		l, ok := c.logical(e.key())
		if !ok || len(c.keys()) != 1 {
			t.Fatalf("%q is not one entry", written)
		}
		again, err := parseEntry(l)
		if err != nil || again.key() != e.key() || again.command != e.command || !slices.Equal(again.options, e.options) || !slices.Equal(again.other, e.other) {
			t.Fatalf("%q is read again as %+v, %v; was %+v", written, again, err, e)
		}
	})
}

// FuzzTable reads what it writes, whatever is in it.
func FuzzTable(f *testing.F) {
	f.Add([]byte("# mailform {\"owner\":\"a\"}\nA@b c, d\n  e\n# x\nf g\n"), "a", "b")
	f.Fuzz(func(t *testing.T, text []byte, key, value string) {
		table := parseTable(text)
		if checkRow(key, value) == nil {
			table.put(row{key, value, &mark{Owner: value, Revision: key}})
		}
		written, err := table.text()
		if err != nil {
			return
		}
		again := parseTable(written)
		if len(again.at) != len(table.at) {
			t.Fatalf("%d rows are read as %d: %q", len(table.at), len(again.at), written)
		}
		for k, i := range table.at {
			r, ok := again.get(k)
			if !ok || r.value != table.rows[i].value || (r.mark == nil) != (table.rows[i].mark == nil) {
				t.Fatalf("%q is read again as %+v, was %+v", k, r, table.rows[i])
			}
		}
	})
}
