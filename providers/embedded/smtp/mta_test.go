package smtp

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/store"
)

func TestGreetingOffersWhatThePortIsFor(t *testing.T) {
	c := newRig(t, MTA, nil).dial()
	c.expect("220 mx.d.test ESMTP")
	c.say("HELO client.test", "250 mx.d.test Hello client.test")
	plain := c.say("EHLO client.test", "250-mx.d.test Hello client.test")
	for _, want := range []string{"STARTTLS", "SIZE 10000", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "DSN"} {
		if !strings.Contains(plain, want+"\r\n") {
			t.Errorf("%s is missing in %q", want, plain)
		}
	}
	c.startTLS()
	secure := c.say("EHLO client.test", "250")
	if strings.Contains(plain, "REQUIRETLS") || !strings.Contains(secure, "\r\n250-REQUIRETLS\r\n") {
		t.Errorf("REQUIRETLS belongs within TLS: %q %q", plain, secure)
	}
	if strings.Contains(secure, "STARTTLS") {
		t.Errorf("STARTTLS is offered within TLS: %q", secure)
	}
	c.say("MAIL FROM:<a@remote.test> REQUIRETLS", "250")
	c.say("RSET", "250")
	if strings.Contains(plain+secure, "AUTH") {
		t.Errorf("AUTH is offered: %q %q", plain, secure)
	}
	c.say("AUTH PLAIN AAAA", "503 5.5.1")
	c.say("STARTTLS", "503 5.5.1")
	c.say("QUIT", "221")
	c.closed()
}

func TestRecipientsOfThePublicPort(t *testing.T) {
	r := newRig(t, MTA, func(o *Options) { o.Limits.Errors = 1000 })
	for name, tt := range map[string]struct{ rcpt, want string }{
		"a user":                                {"<alice@d.test>", "250"},
		"a user in other letters":               {"<ALICE@D.Test>", "250"},
		"a quoted user":                         {`<"alice"@d.test>`, "250"},
		"a user of an IDN domain":               {"<alice@bücher.test>", "250"},
		"a user of an IDN domain in A-labels":   {"<alice@xn--bcher-kva.test>", "250"},
		"an alias":                              {"<all@d.test>", "250"},
		"a forward":                             {"<fwd@d.test>", "250"},
		"a catch-all":                           {"<anyone@caught.test>", "250"},
		"the postmaster":                        {"<postmaster@d.test>", "250"},
		"the postmaster of no domain":           {"<postmaster>", "250"},
		"the postmaster in capitals":            {"<POSTMASTER>", "250"},
		"a source route that ends here":         {"<@relay.test:alice@d.test>", "250"},
		"an unknown user":                       {"<nosuch@d.test>", "550 5.1.1"},
		"a disabled user":                       {"<off@d.test>", "550 5.2.1"},
		"a store in trouble":                    {"<broken@d.test>", "451 4.3.0"},
		"another domain":                        {"<b@other.test>", "550 5.7.1"},
		"another domain with a dot at the end":  {"<b@other.test.>", "550 5.7.1"},
		"a domain below ours":                   {"<b@sub.d.test>", "550 5.7.1"},
		"a percent route":                       {"<b%other.test@d.test>", "550 5.7.1"},
		"a percent route into a catch-all":      {"<b%other.test@caught.test>", "550 5.7.1"},
		"a quoted address":                      {`<"b@other.test"@d.test>`, "550 5.7.1"},
		"a quoted address into a catch-all":     {`<"b@other.test"@caught.test>`, "550 5.7.1"},
		"a bang path":                           {"<other.test!b@d.test>", "550 5.7.1"},
		"a source route that ends elsewhere":    {"<@d.test:b@other.test>", "550 5.7.1"},
		"a source route of several":             {"<@d.test,@x.test:b@other.test>", "550 5.7.1"},
		"an address literal":                    {"<b@[192.0.2.1]>", "550 5.7.1"},
		"an address literal of this very host":  {"<alice@[127.0.0.1]>", "550 5.7.1"},
		"no domain after the sign":              {"<b@>", "501 5.5.2"},
		"no domain":                             {"<b>", "501 5.5.2"},
		"nobody":                                {"<>", "501 5.5.2"},
		"a route to nowhere":                    {"<@d.test:>", "501 5.5.2"},
		"a space in the domain":                 {"<b@other .test>", "501 5.5.2"},
		"a control character in the local part": {"<\"a\x01b\"@d.test>", "501 5.1.3"},
		"an unknown parameter":                  {"<alice@d.test> FOO=1", "555 5.5.4"},
		"a parameter that is not offered":       {"<alice@d.test> BY=120;R", "555 5.5.4"},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.hello()
			c.say("MAIL FROM:<a@remote.test>", "250")
			c.say("RCPT TO:"+tt.rcpt, tt.want)
			c.say("QUIT", "221")
		})
	}
}

func TestSendersOfThePublicPort(t *testing.T) {
	r := newRig(t, MTA, nil)
	for name, tt := range map[string]struct{ arg, want string }{
		"the null sender":             {"<>", "250"},
		"an address":                  {"<a@remote.test>", "250"},
		"an announced size":           {"<a@remote.test> SIZE=10000", "250"},
		"an announced size too large": {"<a@remote.test> SIZE=10001", "552 5.3.4"},
		"SMTPUTF8":                    {"<ä@remote.test> SMTPUTF8", "250"},
		"no brackets around nothing":  {"", "501 5.5.2"},
		"no domain":                   {"<a>", "501 5.5.2"},
		"two dots in the domain":      {"<a@b..c>", "501 5.1.7"},
		"a bracket too few":           {"<a@remote.test", "501 5.5.2"},
		"a bad size":                  {"<a@remote.test> SIZE=x", "501 5.5.4"},
		"an unknown parameter":        {"<a@remote.test> FOO=1", "555 5.5.4"},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.hello()
			c.say("MAIL FROM:"+tt.arg, tt.want)
		})
	}
}

func TestCommandsOutOfSequence(t *testing.T) {
	r := newRig(t, MTA, nil)
	for name, tt := range map[string]struct {
		before  []string
		command string
		want    string
	}{
		"MAIL before EHLO":            {nil, "MAIL FROM:<a@b.test>", "503 5.5.1"},
		"RCPT before MAIL":            {[]string{"EHLO x"}, "RCPT TO:<alice@d.test>", "503 5.5.1"},
		"DATA before MAIL":            {[]string{"EHLO x"}, "DATA", "503 5.5.1"},
		"DATA before RCPT":            {[]string{"EHLO x", "MAIL FROM:<a@b.test>"}, "DATA", "503 5.5.1"},
		"BDAT before MAIL":            {[]string{"EHLO x"}, "BDAT 6 LAST\r\nNOOP\r\n", "503 5.5.1"},
		"BDAT before EHLO":            {nil, "BDAT 6 LAST\r\nNOOP\r\n", "503 5.5.1"},
		"MAIL twice":                  {[]string{"EHLO x", "MAIL FROM:<a@b.test>"}, "MAIL FROM:<a@b.test>", "503 5.5.1"},
		"an unknown command":          {[]string{"EHLO x"}, "FOOO", "500 5.5.2"},
		"STARTTLS with an argument":   {[]string{"EHLO x"}, "STARTTLS now", "501 5.5.4"},
		"a longer word than STARTTLS": {[]string{"EHLO x"}, "STARTTLSX", "501 5.5.4"},
		"VRFY":                        {[]string{"EHLO x"}, "VRFY alice", "252"},
		"EXPN":                        {[]string{"EHLO x"}, "EXPN all", "502"},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			c.expect("220")
			for _, b := range tt.before {
				c.say(b, "250")
			}
			c.send(strings.TrimSuffix(tt.command, "\r\n") + "\r\n")
			c.expect(tt.want)
			// The next command is still in step, and no chunk was taken for one.
			c.say("NOOP", "250")
			c.say("QUIT", "221")
			c.closed()
		})
	}
}

func TestAMessageIsStoredWithItsTrace(t *testing.T) {
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			c.startTLS()
			c.say("EHLO client.test", "250")
			c.say("MAIL FROM:<Sender@Remote.Test>", "250")
			c.say("RCPT TO:<Alice@d.test>", "250")
			got := s.send(c, "Return-Path: <forged@x>\r\nSubject: hi\r\n\r\nbody")
			m := queuedAs.FindStringSubmatch(got)
			if m == nil {
				t.Fatalf("reply %q", got)
			}
			ds := r.store.deliveries()
			if len(ds) != 1 || ds[0].id != m[1] || ds[0].from != "Sender@remote.test" {
				t.Fatalf("deliveries %+v, id %s", ds, m[1])
			}
			head, body, _ := strings.Cut(ds[0].text, "Subject: hi\r\n\r\n")
			if body != "body\r\n" {
				t.Errorf("body %q", body)
			}
			lines := strings.Split(head, "\r\n")
			if lines[0] != "Return-Path: <Sender@remote.test>" ||
				lines[1] != "Received: from client.test ([127.0.0.1])" ||
				!strings.HasPrefix(lines[2], "\tby mx.d.test with ESMTPS (TLS1.3 TLS_") ||
				!strings.HasPrefix(lines[3], "\tid "+m[1]+" for <Alice@d.test>; ") {
				t.Errorf("trace %q", head)
			}
			if strings.Count(ds[0].text, "Return-Path") != 1 {
				t.Errorf("Return-Path stands more than once: %q", head)
			}
			// The connection serves on.
			c.say("MAIL FROM:<>", "250")
			c.say("RCPT TO:<bob@d.test>", "250")
			if got := s.send(c, "Subject: two\r\n\r\nbody"); !queuedAs.MatchString(got) {
				t.Fatalf("second message: %q", got)
			}
			if ds := r.store.deliveries(); len(ds) != 2 || ds[1].from != "" || ds[1].accounts[0] != 2 {
				t.Errorf("deliveries %+v", ds)
			}
		})
	}
}

func TestOneTransactionIsOneAccept(t *testing.T) {
	r := newRig(t, MTA, nil)
	c := r.hello()
	c.say("MAIL FROM:<a@remote.test>", "250")
	for _, rcpt := range []string{"alice", "all", "both", "fwd", "bob", "alice"} {
		c.say("RCPT TO:<"+rcpt+"@d.test>", "250")
	}
	c.say("RCPT TO:<nosuch@d.test>", "550")
	if got := senders[0].send(c, "Subject: x\r\n\r\ny"); !queuedAs.MatchString(got) {
		t.Fatal(got)
	}
	ds := r.store.deliveries()
	if len(ds) != 1 || len(ds[0].accounts) != 2 || len(ds[0].remote) != 1 {
		t.Fatalf("deliveries %+v", ds)
	}
	if !strings.HasPrefix(ds[0].text, "Return-Path: <a@remote.test>\r\nReceived: ") {
		t.Errorf("local copy %q", ds[0].text)
	}
	if !strings.HasPrefix(ds[0].remoteText, "Received: ") || strings.Contains(ds[0].remoteText, " for <") {
		t.Errorf("forwarded copy %q", ds[0].remoteText)
	}
}

func TestTroubleAfterTheContentIsTemporary(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"the disk is full":       {errors.New("no space left on device"), "451 4.3.0"},
		"the mailbox is full":    {store.ErrOverQuota, "452 4.2.2"},
		"the draft is too large": {store.ErrTooLarge, "552 5.3.4"},
	} {
		for _, s := range senders {
			t.Run(name+" "+s.name, func(t *testing.T) {
				r := newRig(t, MTA, nil)
				r.store.fail = tt.err
				c := r.hello()
				c.say("MAIL FROM:<a@remote.test>", "250")
				c.say("RCPT TO:<alice@d.test>", "250")
				if got := s.send(c, "Subject: x\r\n\r\ny"); !strings.HasPrefix(got, tt.want) {
					t.Errorf("got %q", got)
				}
				c.say("NOOP", "250")
			})
		}
	}
}

func TestFullMailboxes(t *testing.T) {
	for name, c := range map[string]struct {
		params   string
		to       []string
		rcpt     string // the answer to the last recipient
		data     string
		accounts []int64
		queued   []string
	}{
		"one that is full is told at RCPT":                  {"", []string{"full"}, "452 4.2.2", "", nil, nil},
		"one with too little room, where the size is known": {" SIZE=100", []string{"late"}, "452 4.2.2", "", nil, nil},
		"one that can never hold the message":               {" SIZE=6000", []string{"full"}, "552 5.2.2", "", nil, nil},
		"one that turns out to have too little room":        {"", []string{"late"}, "250", "452 4.2.2", nil, nil},
		"others get it where one is told at RCPT":           {"", []string{"alice", "full"}, "452 4.2.2", "250", []int64{1}, nil},
		"others get it where one turns out to be full":      {"", []string{"alice", "late"}, "250", "250", []int64{1}, []string{"late@d.test"}},
		"members of an alias get it where one is full":      {"", []string{"crowd"}, "250", "250", []int64{1}, []string{"full@d.test"}},
		"members of an alias where one turns out to be":     {"", []string{"latecrowd"}, "250", "250", []int64{1}, []string{"late@d.test"}},
		"two in two ways": {"", []string{"crowd", "latecrowd"}, "250", "250", []int64{1}, []string{"full@d.test", "late@d.test"}},
		"a forward and a mailbox that turns out to be full": {"", []string{"fwd", "late"}, "250", "250", nil, []string{"fwd@elsewhere.test", "late@d.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range senders {
				r := newRig(t, MTA, nil)
				cl := r.hello()
				cl.say("MAIL FROM:<a@remote.test>"+c.params, "250")
				for i, to := range c.to {
					want := "250"
					if i == len(c.to)-1 {
						want = c.rcpt
					}
					cl.say("RCPT TO:<"+to+"@d.test>", want)
				}
				if c.data == "" {
					continue
				}
				if got := s.send(cl, "Subject: x\r\n\r\ny"); !strings.HasPrefix(got, c.data) {
					t.Fatalf("%s: got %q, want %s", s.name, got, c.data)
				}
				ds := r.store.deliveries()
				if (len(ds) == 1) != (c.data == "250") {
					t.Fatalf("%s: %d deliveries", s.name, len(ds))
				}
				if len(ds) == 0 {
					continue
				}
				if !slices.Equal(ds[0].accounts, c.accounts) || !slices.Equal(ds[0].remote, c.queued) {
					t.Errorf("%s: %+v, want %v and %v", s.name, ds[0], c.accounts, c.queued)
				}
				if len(c.queued) > 0 && strings.Contains(ds[0].remoteText, "Return-Path") || len(c.accounts) > 0 && !strings.HasPrefix(ds[0].text, "Return-Path: ") || strings.Count(ds[0].remoteText, "Received:") != 1 {
					t.Errorf("%s: the queue has\n%s\nthe mailbox\n%s", s.name, ds[0].remoteText, ds[0].text)
				}
			}
		})
	}
}

func TestLoopsAreCut(t *testing.T) {
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			for hops, want := range map[int]string{49: "250", 50: "554 5.4.6"} {
				c.say("MAIL FROM:<a@remote.test>", "250")
				c.say("RCPT TO:<fwd@d.test>", "250")
				if got := s.send(c, strings.Repeat("Received: x\r\n", hops)+"\r\ny"); !strings.HasPrefix(got, want) {
					t.Errorf("%d hops: %q", hops, got)
				}
			}
			if n := len(r.store.deliveries()); n != 1 {
				t.Errorf("%d messages stored", n)
			}
		})
	}
}

func TestRecipientsAreLimited(t *testing.T) {
	r := newRig(t, MTA, func(o *Options) { o.Limits.Recipients = 3 })
	c := r.hello()
	c.say("MAIL FROM:<a@remote.test>", "250")
	for range 3 {
		c.say("RCPT TO:<alice@d.test>", "250")
	}
	c.say("RCPT TO:<bob@d.test>", "452 4.5.3")
	if got := senders[0].send(c, "Subject: x\r\n\r\ny"); !queuedAs.MatchString(got) {
		t.Errorf("got %q", got)
	}
}

func TestSettingsChangeLive(t *testing.T) {
	size := make(chan int64, 1)
	size <- 100
	r := newRig(t, MTA, func(o *Options) {
		o.Settings = func() Settings {
			n := <-size
			size <- n
			return Settings{Hostname: "mx.d.test", MaxSize: n}
		}
	})
	c := r.hello()
	c.say("MAIL FROM:<a@remote.test>", "250")
	c.say("RCPT TO:<alice@d.test>", "250")
	long := "Subject: x\r\n\r\n" + strings.Repeat("y", 200)
	if got := senders[0].send(c, long); !strings.HasPrefix(got, "552 5.3.4") {
		t.Fatalf("got %q", got)
	}
	<-size
	size <- 1000
	// The session goes on under the new limit.
	c.say("MAIL FROM:<a@remote.test>", "250")
	c.say("RCPT TO:<alice@d.test>", "250")
	if got := senders[0].send(c, long); !queuedAs.MatchString(got) {
		t.Fatalf("got %q", got)
	}
	c.say("STARTTLS", "502") // these settings have no certificate
}
