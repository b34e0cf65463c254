package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"slices"
	"strings"
	"testing"

	gomilter "github.com/d--j/go-milter"
	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/mailform/mailform/providers/embedded/dkim"
	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/store"
)

// An endFilter decides at the end of a message, by what it holds.
type endFilter struct {
	gomilter.NoOpMilter
	decide func(body string, m gomilter.Modifier) (*gomilter.Response, error)
	body   bytes.Buffer
}

func (f *endFilter) BodyChunk(b []byte, _ gomilter.Modifier) (*gomilter.Response, error) {
	f.body.Write(b)
	return gomilter.RespContinue, nil
}

func (f *endFilter) EndOfMessage(m gomilter.Modifier) (*gomilter.Response, error) {
	body := f.body.String()
	f.body.Reset()
	return f.decide(body, m)
}

func startFilter(t *testing.T, decide func(body string, m gomilter.Modifier) (*gomilter.Response, error)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := gomilter.NewServer(gomilter.WithMilter(func() gomilter.Milter { return &endFilter{decide: decide} }),
		gomilter.WithActions(gomilter.AllClientSupportedActionMasks&^gomilter.OptSetMacros))
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// startFiltered runs a server that has its messages judged.
func startFiltered(t *testing.T, s *store.Store, filters ...milter.Filter) string {
	t.Helper()
	srv := smtp.New(smtp.Options{
		Store: s, Logger: slog.New(slog.DiscardHandler), Filters: func() []milter.Filter { return filters },
		Settings: func() smtp.Settings { return smtp.Settings{Hostname: "mail.d.test"} },
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

// mailboxOf are the texts in a mailbox.
func mailboxOf(t *testing.T, s *store.Store, address, name string) []string {
	t.Helper()
	ctx := context.Background()
	r, err := s.Resolve(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Mailbox(ctx, r.Accounts[0], name)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := s.Messages(ctx, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, msg := range list {
		texts = append(texts, bodyOf(t, s, msg.Body))
	}
	return texts
}

func bodyOf(t *testing.T, s *store.Store, id int64) string {
	t.Helper()
	b, err := s.OpenBody(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const filtered = "Subject: s\r\n\r\n"

func TestFiltersDecideWhatBecomesOfAMessage(t *testing.T) {
	t.Parallel()
	s, _ := openStore(t)
	judge := startFilter(t, func(body string, m gomilter.Modifier) (*gomilter.Response, error) {
		switch word, _, _ := strings.Cut(body, "\r\n"); word {
		case "spam":
			return gomilter.RespAccept, m.AddHeader("X-Spam", "Yes")
		case "virus":
			return gomilter.RejectWithCodeAndReason(554, "5.7.1 virus found")
		case "nothing":
			return gomilter.RespDiscard, nil
		case "odd":
			return gomilter.RespAccept, m.Quarantine("odd")
		case "wrong":
			if err := m.ChangeFrom("<new@far.test>", ""); err != nil {
				return nil, err
			}
			if err := m.DeleteRecipient("<alice@d.test>"); err != nil {
				return nil, err
			}
			if err := m.AddRecipient("<bob@d.test>", ""); err != nil {
				return nil, err
			}
			return gomilter.RespAccept, m.ReplaceBody(strings.NewReader("mended\n"))
		}
		return gomilter.RespAccept, nil
	})
	mark := startFilter(t, func(body string, m gomilter.Modifier) (*gomilter.Response, error) {
		return gomilter.RespAccept, m.InsertHeader(0, "X-Last", strings.TrimSpace(body))
	})
	addr := startFiltered(t, s, milter.Filter{Name: "judge", Address: judge, Junk: []string{"X-Spam: Yes"}}, milter.Filter{Name: "mark", Address: mark})
	for _, body := range []string{"fine", "spam", "virus", "nothing", "odd", "wrong"} {
		err := netsmtp.SendMail(addr, nil, "a@far.test", []string{"alice@d.test"}, []byte(filtered+body+"\r\n"))
		if (err != nil) != (body == "virus") || err != nil && err.Error() != `554 "5.7.1 virus found"` {
			t.Errorf("%s: %v", body, err)
		}
	}
	contents := func(address, name string) (list []string) {
		for _, text := range mailboxOf(t, s, address, name) {
			head, body, _ := strings.Cut(text, "\r\n\r\n")
			if !strings.HasPrefix(head, "Return-Path: <") || !strings.Contains(head, "\r\nReceived: ") {
				t.Errorf("no trace on top of %q", text)
			}
			if !strings.Contains(head, "\r\nX-Last: "+strings.TrimSpace(body)+"\r\n") {
				t.Errorf("the last filter has not marked %q", text)
			}
			list = append(list, strings.TrimSpace(body))
		}
		return list
	}
	for at, want := range map[[2]string][]string{
		{"alice@d.test", "INBOX"}: {"fine"}, {"alice@d.test", "Junk"}: {"spam"}, {"bob@d.test", "INBOX"}: {"mended"},
	} {
		if got := contents(at[0], at[1]); !slices.Equal(got, want) {
			t.Errorf("%s has %q in %s, want %q", at[0], got, at[1], want)
		}
	}
	if got := mailboxOf(t, s, "bob@d.test", "INBOX")[0]; !strings.HasPrefix(got, "Return-Path: <new@far.test>\r\n") {
		t.Errorf("the sender is not the filter's: %q", got)
	}
	// What is in quarantine waits for somebody to look at it.
	ctx := context.Background()
	held, err := s.QueueList(ctx)
	if err != nil || len(held) != 1 || !held[0].Held || held[0].To != "alice@d.test" || held[0].LastErr != "judge: odd" {
		t.Fatalf("queue: %+v, %v", held, err)
	}
	if n, err := s.QueueHold(ctx, []int64{held[0].ID}, false); n != 1 || err != nil {
		t.Fatalf("release: %d, %v", n, err)
	}
	if got := contents("alice@d.test", "INBOX"); !slices.Equal(got, []string{"fine", "odd"}) {
		t.Errorf("after the release alice has %q", got)
	}
	if left, err := s.QueueList(ctx); err != nil || len(left) != 0 {
		t.Errorf("left in the queue: %+v, %v", left, err)
	}
	if problems, err := s.Check(ctx); err != nil || len(problems) > 0 {
		t.Errorf("the store is not sound: %v, %v", problems, err)
	}
}

func TestFilterWithChunkedMessages(t *testing.T) {
	t.Parallel()
	s, _ := openStore(t)
	at := startFilter(t, func(body string, m gomilter.Modifier) (*gomilter.Response, error) {
		return gomilter.RespAccept, m.AddHeader("X-Seen", strings.TrimSpace(body))
	})
	addr := startFiltered(t, s, milter.Filter{Name: "f", Address: at})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "EHLO c.test\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<alice@d.test>\r\nBDAT 12\r\nSubject: x\r\nRSET\r\n"+
		"MAIL FROM:<a@far.test>\r\nRCPT TO:<alice@d.test>\r\nBDAT 14\r\nSubject: s\r\n\r\nBDAT 7 LAST\r\nhello\r\nQUIT\r\n")
	answers, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(answers), "queued as") {
		t.Fatalf("%s, %v", answers, err)
	}
	got := mailboxOf(t, s, "alice@d.test", "INBOX")
	if len(got) != 1 || !strings.Contains(got[0], "\r\nX-Seen: hello\r\n\r\nhello\r\n") {
		t.Errorf("mailbox: %q", got)
	}
}

func TestFilterThatIsDown(t *testing.T) {
	t.Parallel()
	s, _ := openStore(t)
	for choice, want := range map[milter.Failure]string{
		milter.Accept: "", milter.TempFail: `451 "4.7.1 Service unavailable, try again later"`, milter.Reject: `550 "5.7.1 Message cannot be judged here"`,
	} {
		addr := startFiltered(t, s, milter.Filter{Name: "f", Address: "unix:/nowhere/filter.sock", OnFailure: choice})
		got := ""
		if err := netsmtp.SendMail(addr, nil, "a@far.test", []string{"alice@d.test"}, []byte(filtered+"x\r\n")); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", choice, got, want)
		}
	}
	if got := mailboxOf(t, s, "alice@d.test", "INBOX"); len(got) != 1 {
		t.Errorf("%d messages, want the one of accept", len(got))
	}
}

// What users send is judged before it is signed: the signature is of what goes out.
func TestSubmissionIsFilteredBeforeItIsSigned(t *testing.T) {
	t.Parallel()
	s, record := openStore(t)
	logins := make(chan string, 1)
	at := startFilter(t, func(_ string, m gomilter.Modifier) (*gomilter.Response, error) {
		logins <- m.Get("{auth_authen}")
		if err := m.AddHeader("X-Seen", "yes"); err != nil {
			return nil, err
		}
		return gomilter.RespAccept, m.ReplaceBody(strings.NewReader("mended\n"))
	})
	conf := certificate(t)
	addr := serve(t, smtp.Options{Mode: smtp.Submission, Store: s, Auth: anyone{s}, Signer: dkim.New(s),
		Filters:  func() []milter.Filter { return []milter.Filter{{Name: "f", Address: at}} },
		Settings: func() smtp.Settings { return smtp.Settings{Hostname: "mail.d.test", TLS: conf} }})
	err := send(t, addr, "alice@d.test", []string{"x@far.test"}, "From: alice@d.test\r\nTo: x@far.test\r\nSubject: s\r\n\r\nhello\r\n", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-logins; got != "alice@d.test" {
		t.Errorf("the filter heard that %q has logged in", got)
	}
	queued, err := s.QueueList(context.Background())
	if err != nil || len(queued) != 1 {
		t.Fatalf("queue: %+v, %v", queued, err)
	}
	text := bodyOf(t, s, queued[0].Body)
	if !strings.Contains(text, "\r\nX-Seen: yes\r\n") || !strings.HasSuffix(text, "\r\n\r\nmended\r\n") {
		t.Errorf("what goes out is %q", text)
	}
	verified, err := msgauth.VerifyWithOptions(strings.NewReader(text), &msgauth.VerifyOptions{LookupTXT: func(string) ([]string, error) { return []string{record}, nil }})
	if err != nil || len(verified) != 1 || verified[0].Err != nil {
		t.Errorf("the signature: %+v, %v", verified, err)
	}
}
