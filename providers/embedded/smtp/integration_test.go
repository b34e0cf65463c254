package smtp_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/dnsbl"
	"github.com/mailform/mailform/providers/embedded/queue"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// openStore makes a real store with alice and bob of d.test, the alias sales
// (bob and someone elsewhere), a forward, and a DKIM key. It returns the text of
// the key's record.
func openStore(t testing.TB) (*store.Store, string) {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var changes []admin.Change
	create := func(kind, key string, attrs map[string]any) {
		b, err := json.Marshal(attrs)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, admin.Change{Action: "create", Kind: kind, Key: key, Attrs: b})
	}
	create("dkimkey", "d.test/s1", map[string]any{"domain": "d.test", "selector": "s1", "algorithm": "rsa", "bits": 2048})
	create("maildomain", "d.test", map[string]any{"name": "d.test"})
	mailbox := func(name, mail string, quota int) {
		create("mailbox", name+"@d.test", map[string]any{"address": name + "@d.test", "password_hash": []string{},
			"quota": quota, "protocols": []string{"imap"}, "mail": mail})
	}
	mailbox("alice", "enabled", 0)
	mailbox("bob", "enabled", 0)
	mailbox("small", "enabled", 2000)
	mailbox("off", "disabled", 0)
	mailbox("fwd", "forward", 0)
	route := func(address, kind string, keep bool, members ...string) {
		create("route", address, map[string]any{"address": address, "type": kind, "members": members, "keep_copy": keep})
	}
	route("sales@d.test", "alias", false, "bob@d.test", "x@far.test")
	route("fwd@d.test", "forward", false, "y@far.test")
	resources, err := s.ApplyChanges(ctx, changes)
	if err != nil {
		t.Fatal(err)
	}
	var key struct {
		TXT string `json:"txt"`
	}
	if err := json.Unmarshal(resources[0].Attrs, &key); err != nil {
		t.Fatal(err)
	}
	return s, key.TXT
}

// inbox returns the texts in an account's INBOX.
func inbox(t testing.TB, s *store.Store, address string) []string {
	t.Helper()
	ctx := context.Background()
	a, err := s.Account(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	box, err := s.Mailbox(ctx, a.ID, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	messages, _, err := s.Messages(ctx, box.ID)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range messages {
		b, err := s.ReadBody(ctx, m.Body)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// anyone lets everyone in who says that the password is "secret".
type anyone struct{ s *store.Store }

func (a anyone) Login(ctx context.Context, address, password, _ string, _ net.Addr) (*store.Account, error) {
	if password != "secret" {
		return nil, errors.New("no")
	}
	return a.s.Account(ctx, address)
}

// serve runs a server and returns its address.
func serve(t testing.TB, o smtp.Options) string {
	t.Helper()
	srv := smtp.New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(srv.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func send(t testing.TB, addr, from string, to []string, text string, conf *tls.Config) error {
	t.Helper()
	var c *gosmtp.Client
	var err error
	if conf == nil {
		c, err = gosmtp.Dial(addr)
	} else {
		c, err = gosmtp.DialStartTLS(addr, conf)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if conf != nil {
		if err := c.Auth(sasl.NewPlainClient("", from, "secret")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SendMail(from, to, strings.NewReader(text)); err != nil {
		return err
	}
	return c.Quit()
}

func TestMailGoesThroughTheRealStore(t *testing.T) {
	s, _ := openStore(t)
	addr := serve(t, smtp.Options{Mode: smtp.MTA, Store: s, Settings: func() smtp.Settings { return smtp.Settings{Hostname: "mx.d.test"} }})
	text := "Subject: hi\r\n\r\nbody\r\n"
	if err := send(t, addr, "a@remote.test", []string{"Alice@d.test", "sales@D.test"}, text, nil); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"alice@d.test", "bob@d.test"} {
		got := inbox(t, s, who)
		if len(got) != 1 || !strings.HasPrefix(got[0], "Return-Path: <a@remote.test>\r\nReceived: from ") || !strings.HasSuffix(got[0], text) {
			t.Errorf("%s has %q", who, got)
		}
	}
	entries, err := s.QueueList(context.Background())
	if err != nil || len(entries) != 1 || entries[0].To != "x@far.test" || !strings.HasPrefix(entries[0].From, "SRS0=") || !strings.HasSuffix(entries[0].From, "=remote.test=a@d.test") {
		t.Errorf("queue %+v, %v", entries, err)
	}
	for rcpt, want := range map[string]int{"nosuch@d.test": 550, "off@d.test": 550, "b@other.test": 550} {
		var se *gosmtp.SMTPError
		if err := send(t, addr, "a@remote.test", []string{rcpt}, text, nil); !errors.As(err, &se) || se.Code != want {
			t.Errorf("%s: %v", rcpt, err)
		}
	}
	var se *gosmtp.SMTPError
	big := text + strings.Repeat("0123456789\r\n", 500)
	if err := send(t, addr, "a@remote.test", []string{"small@d.test"}, big, nil); !errors.As(err, &se) || se.Code != 552 {
		t.Errorf("over quota: %v", err)
	}
}

// oneHost is a DNS where all mail goes to one server.
type oneHost struct{ addr string }

func (oneHost) LookupMX(context.Context, string) ([]*net.MX, error) {
	return []*net.MX{{Host: "mx.far.test."}}, nil
}

func (oneHost) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

func (h oneHost) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, h.addr)
}

// farSide takes mail for ok@far.test alone.
type farSide struct{ got chan string }

func (f farSide) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return f, nil }
func (farSide) Mail(string, *gosmtp.MailOptions) error            { return nil }
func (farSide) Reset()                                            {}
func (farSide) Logout() error                                     { return nil }

func (farSide) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if to != "ok@far.test" {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "unknown"}
	}
	return nil
}

func (f farSide) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil {
		f.got <- string(b)
	}
	return err
}

// From a user to the other side of the world: signed, queued, delivered; and the
// way back for what is refused there.
func TestSubmissionGoesOutSignedAndBouncesComeBack(t *testing.T) {
	s, record := openStore(t)
	conf := certificate(t)
	addr := serve(t, smtp.Options{Mode: smtp.Submission, Store: s, Auth: anyone{s}, Signer: dkim.New(s),
		Settings: func() smtp.Settings { return smtp.Settings{Hostname: "mx.d.test", TLS: conf} }})

	far := farSide{make(chan string, 1)}
	farServer := gosmtp.NewServer(far)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go farServer.Serve(l)
	defer farServer.Close()

	h := oneHost{l.Addr().String()}
	q := queue.New(queue.Options{Store: s, Resolver: h, Dial: h.dial,
		Settings: func() queue.Settings { return queue.Settings{Hostname: "mx.d.test"} }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	err = send(t, addr, "alice@d.test", []string{"ok@far.test", "refused@far.test", "bob@d.test"},
		"From: alice@d.test\r\nSubject: hi\r\nBcc: bob@d.test\r\n\r\n.body\r\n", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	var copies []string
	select {
	case text := <-far.got:
		copies = append(copies, text)
	case <-time.After(time.Minute):
		t.Fatal("nothing arrived")
	}
	copies = append(copies, inbox(t, s, "bob@d.test")...)
	if len(copies) != 2 {
		t.Fatalf("bob has %d messages", len(copies)-1)
	}
	for _, text := range copies {
		vs, err := msgauth.VerifyWithOptions(strings.NewReader(text), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
			if name != "s1._domainkey.d.test" {
				return nil, fmt.Errorf("asked for %s", name)
			}
			return []string{record}, nil
		}})
		if err != nil || len(vs) != 1 || vs[0].Err != nil || vs[0].Domain != "d.test" {
			t.Errorf("signature: %v, %+v of %q", err, vs, text)
		}
		if strings.Contains(text, "Bcc") || !strings.Contains(text, "Message-ID: <") {
			t.Errorf("copy %q", text)
		}
	}
	for end := time.Now().Add(time.Minute); len(inbox(t, s, "alice@d.test")) == 0; {
		if time.Now().After(end) {
			t.Fatal("no report")
		}
		time.Sleep(time.Millisecond)
	}
	if got := inbox(t, s, "alice@d.test"); !strings.Contains(got[0], "Final-Recipient: rfc822; refused@far.test\r\n") {
		t.Errorf("report %q", got[0])
	}
	if es, err := s.QueueList(ctx); err != nil || len(es) > 0 {
		t.Errorf("queue %+v, %v", es, err)
	}
}

// Messages of 4 KiB over 20 connections, each waiting for its answers as
// smtp-source does. What is counted is on disk. With all checks the messages are
// signed, and a resolver that answers at once knows the sender and two lists, which do
// not have the client; the sender passes SPF, and so the greylist.
func BenchmarkReceive(b *testing.B) {
	content := "From: a@remote.test\r\nTo: alice@d.test\r\nSubject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 78)+"\r\n", 51)
	b.Run("without checks", func(b *testing.B) { benchmarkReceive(b, nil, content) })
	b.Run("with all checks", func(b *testing.B) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			b.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			b.Fatal(err)
		}
		records := keys{
			"k._domainkey.remote.test": "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public),
			"remote.test":              "v=spf1 ip4:127.0.0.1 -all",
			"_dmarc.remote.test":       "v=DMARC1; p=reject",
		}
		var signed strings.Builder
		err = msgauth.Sign(&signed, strings.NewReader(content), &msgauth.SignOptions{Domain: "remote.test", Selector: "k", Signer: key})
		if err != nil {
			b.Fatal(err)
		}
		checks := verify.Policy{SPF: verify.Enforce, DKIM: true, ARC: true, DMARC: verify.Enforce}
		benchmarkReceive(b, func(o *smtp.Options) {
			o.Checker, o.Lists, o.Greylist = &verify.Checker{Resolver: records}, records, o.Store.(*store.Store)
			o.Settings = func() smtp.Settings {
				return smtp.Settings{
					Hostname: "mx.d.test", Checks: checks,
					Lists: []dnsbl.List{
						{Zone: "one.test", Action: dnsbl.Reject, Weight: dnsbl.Enough}, {Zone: "two.test", Action: dnsbl.Reject, Weight: dnsbl.Enough},
					},
					Greylist: &smtp.Greylisting{PassSPF: true, Greylisting: store.Greylisting{Delay: time.Minute, RetryWithin: time.Hour, Keep: time.Hour}},
				}
			}
		}, signed.String())
	})
}

func benchmarkReceive(b *testing.B, change func(*smtp.Options), content string) {
	s, _ := openStore(b)
	o := smtp.Options{Mode: smtp.MTA, Store: s, Settings: func() smtp.Settings { return smtp.Settings{Hostname: "mx.d.test"} }}
	if change != nil {
		change(&o)
	}
	addr := serve(b, o)
	content += ".\r\n"
	const connections = 20
	work := make(chan struct{})
	var wg sync.WaitGroup
	failed := make(chan error, connections)
	b.SetBytes(int64(len(content)))
	b.ResetTimer()
	for range connections {
		wg.Go(func() {
			if err := source(addr, content, work); err != nil {
				failed <- err
				for range work {
				}
			}
		})
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.StopTimer()
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	if got := len(inboxSize(b, s)); got != b.N {
		b.Fatalf("%d of %d messages are there", got, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func inboxSize(b *testing.B, s *store.Store) []store.Message {
	b.Helper()
	a, err := s.Account(context.Background(), "alice@d.test")
	if err != nil {
		b.Fatal(err)
	}
	box, err := s.Mailbox(context.Background(), a.ID, "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	ms, _, err := s.Messages(context.Background(), box.ID)
	if err != nil {
		b.Fatal(err)
	}
	return ms
}

// source sends a message for each piece of work over one connection.
func source(addr, content string, work <-chan struct{}) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	say := func(line, want string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		for {
			got, err := br.ReadString('\n')
			if err != nil {
				return err
			}
			if !strings.HasPrefix(got, want) {
				return fmt.Errorf("%.30q: %s", line, got)
			}
			if got[3] == ' ' {
				return nil
			}
		}
	}
	if err := errors.Join(say("", "220"), say("EHLO x\r\n", "250")); err != nil {
		return err
	}
	for range work {
		for _, step := range [][2]string{{"MAIL FROM:<a@remote.test>\r\n", "250"}, {"RCPT TO:<alice@d.test>\r\n", "250"}, {"DATA\r\n", "354"}, {content, "250"}} {
			if err := say(step[0], step[1]); err != nil {
				return err
			}
		}
	}
	return say("QUIT\r\n", "221")
}
