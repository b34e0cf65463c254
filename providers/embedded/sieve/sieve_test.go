package sieve

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const sample = "Return-Path: <bob@example.net>\r\n" +
	"Received: from a by b; Wed, 25 Nov 2026 23:30:00 +0000\r\n" +
	"From: Bob <bob@example.net>\r\n" +
	"To: \"Alice, A.\" <Alice+News@Example.com>, carol@example.org\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= [list] 42 of\r\n 50\r\n" +
	"X-Score: 7.5\r\n" +
	"Message-ID: <1@example.net>\r\n" +
	"Date: Thu, 26 Nov 2026 01:30:00 +0200\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n" +
	"\r\n" +
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8sIHdvcmxk\r\n" +
	"--b\r\nContent-Type: application/pdf\r\n\r\nhidden\r\n--b--\r\n"

// show writes an outcome on one line.
func show(o *Outcome) string {
	var s []string
	for _, p := range o.Places {
		name := p.Mailbox
		if name == "" {
			name = "-"
		}
		if p.SpecialUse != "" {
			name += "(" + p.SpecialUse + ")"
		}
		if p.Create {
			name += "+"
		}
		if len(p.Flags) > 0 {
			name += fmt.Sprint(p.Flags)
		}
		s = append(s, name)
	}
	for _, r := range o.Redirects {
		s = append(s, "to "+r)
	}
	if o.Reject {
		s = append(s, "reject "+o.Reason)
	}
	if o.Reply != nil {
		s = append(s, fmt.Sprintf("reply to %s after %v: %s: %s", o.Reply.To, o.Reply.Interval, o.Reply.Subject, o.Reply.Reason))
	}
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, "; ")
}

func environment() *Envelope {
	return &Envelope{
		From: "bob@example.net", To: "alice+news@example.com", Addresses: []string{"alice@example.com"},
		Received:   time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC),
		Mailbox:    func(name string) bool { return name == "INBOX" || name == "Lists" },
		SpecialUse: func(use string) bool { return use == `\Junk` },
	}
}

func runOn(t *testing.T, script, message string) (*Outcome, error) {
	t.Helper()
	s, err := Parse(script)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMessage(strings.NewReader(message), int64(len(message)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(m, environment())
}

func TestWhatBecomesOfAMessage(t *testing.T) {
	all := `require ["` + strings.Join(Extensions(), `","`) + "\"];\n"
	for sentence, c := range map[string]struct{ script, want string }{
		"an empty script keeps":             {"", "-"},
		"keep goes to the inbox":            {"keep;", "INBOX"},
		"discard is nothing":                {"discard;", "nothing"},
		"discard does not undo a keep":      {"keep; discard;", "INBOX"},
		"stop ends it":                      {"discard; stop; keep;", "nothing"},
		"fileinto replaces the keep":        {`fileinto "Lists";`, "Lists"},
		"each mailbox once":                 {`fileinto "Lists"; fileinto "Lists"; keep; fileinto "inbox";`, "Lists; INBOX"},
		"copy leaves the keep":              {`fileinto :copy "Lists"; redirect :copy "x@example.org";`, "Lists; -; to x@example.org"},
		"create and special use":            {`fileinto :create :specialuse "\\Junk" "A/B";`, `A/B(\Junk)+`},
		"redirect":                          {`redirect "x@example.org"; redirect "x@example.org";`, "to x@example.org"},
		"reject":                            {`reject "no"; `, "reject no"},
		"elsif and else":                    {`if false { discard; } elsif true { fileinto "1"; } else { fileinto "2"; }`, "1"},
		"else":                              {`if false { discard; } elsif false { fileinto "1"; } else { fileinto "2"; }`, "2"},
		"two ifs do not know of each other": {`if true { fileinto "1"; } if true { fileinto "2"; }`, "1; 2"},
		"encoded words are read":            {`if header :contains "subject" "grüße" { discard; }`, "nothing"},
		"folded fields are one line":        {`if header :contains "subject" "Grüße [LIST] 42 of 50" { discard; }`, "nothing"},
		"octets are compared as they are":   {`if header :comparator "i;octet" :contains "subject" "[LIST]" { discard; }`, "-"},
		"addresses without their names":     {`if address :is "to" "alice+news@example.com" { discard; }`, "nothing"},
		"domains":                           {`if address :domain :is ["from","to"] "example.org" { discard; }`, "nothing"},
		"user and detail":                   {`if allof(address :user "to" "alice", address :detail "to" "news", envelope :detail "to" "news") { discard; }`, "nothing"},
		"no detail is not an empty one":     {`if address :detail "from" "" { discard; }`, "-"},
		"envelope":                          {`if envelope :localpart "from" "bob" { discard; }`, "nothing"},
		"nobody had logged in":              {`if envelope :matches "auth" "*" { discard; }`, "-"},
		"exists asks for all":               {`if exists ["subject", "x-none"] { discard; }`, "-"},
		"not":                               {`if not exists "x-none" { discard; }`, "nothing"},
		"anyof":                             {`if anyof(false, size :over 100, false) { discard; }`, "nothing"},
		"size":                              {`if size :under 1K { discard; }`, "nothing"},
		"count":                             {`if address :count "eq" "to" "2" { discard; }`, "nothing"},
		"value":                             {`if header :value "ge" :comparator "i;ascii-numeric" "x-score" "7" { discard; }`, "nothing"},
		"value is not text":                 {`if header :value "gt" :comparator "i;ascii-numeric" "x-score" "10" { discard; }`, "-"},
		"wildcards fill variables":          {`if header :matches "subject" "*[*] ?? of *" { fileinto "${2}-${3}${4}-${5}${9}"; }`, "list-42-50"},
		"the shortest fits":                 {`set "a" "a.b.c"; if string :matches "${a}" "*.*" { fileinto "${1}|${2}"; }`, "a|b.c"},
		"quoted wildcards":                  {`if string :matches "a*b" "a\\*b" { discard; }`, "nothing"},
		"variables":                         {`set "Name" "li"; set :upperfirst "n" "${name}sts"; fileinto "${N}";`, "Lists"},
		"modifiers by precedence":           {`set :length :upper "n" "grüß"; set :lower :upperfirst "m" "aBC"; fileinto "${n}${m}";`, "4Abc"},
		"what only looks like a variable":   {`set "a" "x"; fileinto "${a}${}${ a}$a${a";`, "x${}${ a}$a${a"},
		"flags":                             {`setflag "\\Seen $Work"; addflag "$work"; removeflag "\\seen"; keep;`, "INBOX[$Work]"},
		"flags of the implicit keep":        {`addflag ["\\flagged", "\\recent"];`, `-[\Flagged]`},
		"flags of one action":               {`setflag "a"; fileinto :flags "b" "Lists"; keep;`, "Lists[b]; INBOX[a]"},
		"flags in variables":                {`addflag "f" "a b"; if hasflag :is ["f"] "b" { keep :flags "${f}"; }`, "INBOX[a b]"},
		"mailboxexists":                     {`if mailboxexists ["Lists"] { fileinto "Lists"; } if mailboxexists "No" { discard; }`, "Lists"},
		"specialuse_exists":                 {`if specialuse_exists "\\Junk" { discard; }`, "nothing"},
		"body is decoded":                   {`if body :contains "hello, World" { discard; }`, "nothing"},
		"body looks at text alone":          {`if body :contains "hidden" { discard; }`, "-"},
		"body of a type":                    {`if body :content "application" :contains "hidden" { discard; }`, "nothing"},
		"the body as it came":               {`if body :raw :contains "SGVsbG8" { discard; }`, "nothing"},
		"encoded characters":                {`fileinto "${hex: 4c 69}s${unicode: 74 73}${hex}";`, "Lists"},
		"dates":                             {`if date :originalzone "date" "hour" "01" { discard; }`, "nothing"},
		"dates in another zone":             {`if allof(date :zone "+0000" "date" "date" "2026-11-25", date :zone "+0000" "received" "hour" "23") { discard; }`, "nothing"},
		"the date of today":                 {`if allof(currentdate :zone "+0000" :value "ge" "date" "2026-11-20", currentdate :zone "+0000" :value "le" "date" "2026-11-30", currentdate :zone "+0000" "weekday" "4") { discard; }`, "nothing"},
		"index":                             {`if header :index 1 :last :contains "received" "from a" { discard; }`, "nothing"},
		"multi-line text":                   {"reject text: # comment\r\nline 1\r\n..dot\r\n.\r\n;", "reject line 1\r\n.dot\r\n"},
		"comments":                          {"/* a */ # b\n discard /* c */ ;", "nothing"},
		"vacation":                          {`vacation "gone";`, "-; reply to bob@example.net after 168h0m0s: Auto: Grüße [list] 42 of 50: gone"},
		"vacation with all":                 {`vacation :days 3 :subject "Away" :handle "h" "gone";`, "-; reply to bob@example.net after 72h0m0s: Away: gone"},
		"vacation in seconds":               {`vacation :seconds 1 :subject "Away" "gone";`, "-; reply to bob@example.net after 1m0s: Away: gone"},
	} {
		t.Run(sentence, func(t *testing.T) {
			o, err := runOn(t, all+c.script, sample)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(o); got != c.want {
				t.Errorf("%s\nis: %s\nwant: %s", c.script, got, c.want)
			}
		})
	}
}

func TestNobodyIsAnsweredWhoIsNoPerson(t *testing.T) {
	const script = `require "vacation"; vacation :addresses "al@example.com" :subject "s" "gone";`
	for sentence, c := range map[string]struct {
		header, from string
		answered     bool
	}{
		"a person":                    {"To: alice@example.com\r\n", "bob@example.net", true},
		"a further address":           {"Cc: AL@example.com\r\n", "bob@example.net", true},
		"a sub-address":               {"To: alice+x@example.com\r\n", "bob@example.net", true},
		"said to be no machine":       {"To: alice@example.com\r\nAuto-Submitted: no\r\n", "bob@example.net", true},
		"not addressed":               {"To: all@example.com\r\n", "bob@example.net", false},
		"the null path":               {"To: alice@example.com\r\n", "", false},
		"an automatic reply":          {"To: alice@example.com\r\nAuto-Submitted: auto-replied (vacation)\r\n", "bob@example.net", false},
		"bulk mail":                   {"To: alice@example.com\r\nPrecedence: Bulk\r\n", "bob@example.net", false},
		"a list":                      {"To: alice@example.com\r\nList-Id: <x>\r\n", "bob@example.net", false},
		"oneself":                     {"To: alice@example.com\r\n", "Alice@example.com", false},
		"the daemon":                  {"To: alice@example.com\r\n", "MAILER-DAEMON@example.net", false},
		"a list's owner":              {"To: alice@example.com\r\n", "owner-x@example.net", false},
		"who wants no such reply":     {"To: alice@example.com\r\nX-Auto-Response-Suppress: DR, OOF\r\n", "bob@example.net", false},
		"junk that a filter marked":   {"To: alice@example.com\r\nX-Spam-Flag: YES\r\n", "bob@example.net", false},
		"an address that is not one":  {"To: alice@example.com\r\n", "bob", false},
		"who says not to be answered": {"To: alice@example.com\r\n", "noreply@example.net", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, err := Parse(script)
			if err != nil {
				t.Fatal(err)
			}
			text := c.header + "\r\nHi\r\n"
			m, err := NewMessage(strings.NewReader(text), int64(len(text)))
			if err != nil {
				t.Fatal(err)
			}
			e := environment()
			e.From = c.from
			o, err := s.Run(m, e)
			if err != nil {
				t.Fatal(err)
			}
			if (o.Reply != nil) != c.answered {
				t.Errorf("answered: %v", o.Reply != nil)
			}
		})
	}
}

func TestWhatIsWrongAndWhere(t *testing.T) {
	for script, want := range map[string]string{
		"keep":                      `line 1, column 5: the end of the script stands where the command "keep" was to end: a ";" may be missing before it`,
		"keep;\n  kepe;":            `line 2, column 3: there is no command "kepe". Did you mean "keep"?`,
		`fileinto "x";`:             `line 1, column 1: "fileinto" needs: require "fileinto";`,
		`require "filinto";`:        `line 1, column 9: the extension "filinto" is not known here. Did you mean "fileinto"?`,
		`keep; require "fileinto";`: `line 1, column 7: "require" stands before all other commands`,
		`if { keep; }`:              `line 1, column 1: "if" lacks its test`,
		`if true keep;`:             `line 1, column 1: "if" lacks its block: { … }`,
		`if true;`:                  `line 1, column 1: "if" lacks its block: { … }`,
		`if keep { stop; }`:         `line 1, column 4: "keep" is a command, and a test was expected`,
		`true;`:                     `line 1, column 1: "true" is a test, and a command was expected`,
		`else { keep; }`:            `line 1, column 1: "else" has no "if" right before it`,
		`keep true;`:                `line 1, column 6: "keep" takes no test. A ";" may be missing before it`,
		`keep { }`:                  `line 1, column 1: "keep" takes no block`,
		`if true { keep; `:          `line 1, column 17: the end of the script stands where a command or "}" was expected`,
		`redirect "ä`:               `line 1, column 10: this string has no end: a " is missing`,
		`redirect "nobody";`:        `line 1, column 10: "nobody" is no mail address`,
		`redirect ["a@b.c"];`:       `line 1, column 10: a string was expected as argument 1 of "redirect", and this is a list of strings`,
		`redirect;`:                 `line 1, column 1: "redirect" lacks a string`,
		`if header :is :contains "a" "b" { stop; }`:                `line 1, column 15: ":is" and ":contains" exclude each other`,
		`if header :contians "a" "b" { stop; }`:                    `line 1, column 11: "header" takes no ":contians". Did you mean ":contains"?`,
		`if header "a:" "b" { stop; }`:                             `line 1, column 11: "a:" is no name of a header field`,
		`if header "ö" "b" "c" { stop; }`:                          `line 1, column 19: "header" takes no further argument`,
		`if address "subject" "b" { stop; }`:                       `line 1, column 12: the field "subject" holds no addresses. The test for it is "header"`,
		`if header :comparator "i;none" "a" "b" { stop; }`:         `line 1, column 23: there is no comparator "i;none": expected i;octet, i;ascii-casemap or i;ascii-numeric`,
		`if size 100 { stop; }`:                                    `line 1, column 4: "size" lacks ":over" or ":under"`,
		`if size :over 99999999999G { stop; }`:                     `line 1, column 15: this number is too large`,
		`if allof(true { stop; }`:                                  `line 1, column 15: "{" stands where "," or ")" was expected`,
		"/* no end":                                                `line 1, column 1: this comment has no end`,
		"redirect text:\nx\n":                                      `line 1, column 10: this text has no end: a line with nothing but a dot is missing`,
		`require "variables"; set "a b" "c";`:                      `line 1, column 26: "a b" is no name of a variable`,
		`require "date"; if currentdate "yaer" "2026" { stop; }`:   `line 1, column 32: a date has no part "yaer". Did you mean "year"?`,
		`require "encoded-character"; redirect "${unicode:d800}";`: `line 1, column 39: there is no character d800 in Unicode`,
		strings.Repeat("if true {", 40):                            `line 1, column 292: this is nested deeper than 32 levels`,
		"keep; §":                                                  `line 1, column 7: '§' belongs to no word of the language`,
	} {
		_, err := Parse(script)
		var at *Error
		if err == nil || !errors.As(err, &at) || err.Error() != want {
			t.Errorf("%s\nis: %v\nwant: %s", script, err, want)
		}
	}
}

func TestWhatAScriptMayNotDo(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for sentence, c := range map[string]struct {
		script string
		want   error
	}{
		"redirects":           {many(5, `redirect "a%d@example.org";`), ErrLimit},
		"mailboxes":           {many(33, `fileinto "a%d";`), ErrLimit},
		"work":                {many(500, `if body :matches "*a*b*%d" { stop; }`), ErrLimit},
		"rejected and kept":   {`reject "a"; keep;`, ErrAction},
		"kept and rejected":   {`keep; reject "a";`, ErrAction},
		"answered twice":      {`vacation "a"; vacation "b";`, ErrAction},
		"a variable address":  {`set "a" "b"; redirect "${a}";`, ErrAction},
		"a variable mailbox":  {`set "a" ""; fileinto "${a}";`, ErrAction},
		"rejected, then sent": {`reject "a"; redirect "a@example.org";`, ErrAction},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := runOn(t, `require ["fileinto","body","variables","reject","vacation"]; `+c.script, sample+strings.Repeat("a", 1000))
			if !errors.Is(err, c.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func FuzzScript(f *testing.F) {
	f.Add(`require ["fileinto","variables"]; if header :matches "subject" "*a?" { fileinto "${1}"; } else { keep; }`, sample)
	f.Add("redirect text:\n.a\n.\n;", sample)
	f.Add(`require "encoded-character"; if anyof(true, not size :over 1K) { redirect "${hex: 40}"; }`, "a: b\n\n")
	f.Fuzz(func(t *testing.T, script, message string) {
		s, err := Parse(script)
		if err != nil {
			return
		}
		m, err := NewMessage(strings.NewReader(message), int64(len(message)))
		if err != nil {
			return
		}
		o, err := s.Run(m, environment())
		if err == nil && o.Reject && len(o.Places)+len(o.Redirects) > 0 {
			t.Error("rejected, and kept")
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("abcabc", "*b?*c")
	f.Fuzz(func(t *testing.T, s, pattern string) {
		spans, _, ok := glob(s, pattern)
		if !ok {
			return
		}
		end := 0
		for _, p := range spans {
			if p[0] < end || p[1] < p[0] || p[1] > len(s) {
				t.Fatalf("%q fits %q with %v", s, pattern, spans)
			}
			end = p[1]
		}
	})
}
