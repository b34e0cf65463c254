package milter

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gomilter "github.com/d--j/go-milter"
	"github.com/google/go-cmp/cmp"
)

// A script is a filter of which a test says what it answers, and that tells what
// it has heard.
type script struct {
	gomilter.NoOpMilter
	connect, helo, mail, data, header, chunk func(m gomilter.Modifier) *gomilter.Response
	rcpt                                     func(to string) *gomilter.Response
	end                                      func(m gomilter.Modifier) (*gomilter.Response, error)

	mu    sync.Mutex
	heard []string
	body  strings.Builder
}

func (s *script) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, line)
}

func (s *script) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

func answer(f func(gomilter.Modifier) *gomilter.Response, m gomilter.Modifier) (*gomilter.Response, error) {
	if f != nil {
		return f(m), nil
	}
	return gomilter.RespContinue, nil
}

func (s *script) Connect(host, family string, _ uint16, addr string, m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("connect " + host + " " + family + " " + addr + " to " + m.Get("j") + " " + m.Get("{daemon_name}"))
	return answer(s.connect, m)
}

func (s *script) Helo(name string, m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("helo " + name)
	return answer(s.helo, m)
}

func (s *script) MailFrom(from, args string, m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("mail " + from + " " + args + " id " + m.Get("i"))
	return answer(s.mail, m)
}

func (s *script) RcptTo(to, _ string, m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("rcpt " + to + " host " + m.Get("{rcpt_host}"))
	if s.rcpt != nil {
		return s.rcpt(to), nil
	}
	return gomilter.RespContinue, nil
}

func (s *script) Data(m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("data")
	return answer(s.data, m)
}

func (s *script) Header(name, value string, m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("header " + name + "=" + value)
	return answer(s.header, m)
}

func (s *script) BodyChunk(b []byte, m gomilter.Modifier) (*gomilter.Response, error) {
	s.body.Write(b)
	return answer(s.chunk, m)
}

func (s *script) EndOfMessage(m gomilter.Modifier) (*gomilter.Response, error) {
	s.say("end " + s.body.String())
	s.body.Reset()
	if s.end != nil {
		return s.end(m)
	}
	return gomilter.RespContinue, nil
}

func (s *script) Abort(gomilter.Modifier) error {
	s.say("abort")
	s.body.Reset()
	return nil
}

// serve runs a filter, and says where.
func serve(t *testing.T, s *script) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := gomilter.NewServer(gomilter.WithMilter(func() gomilter.Milter { return s }),
		gomilter.WithActions(gomilter.AllClientSupportedActionMasks&^gomilter.OptSetMacros))
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

var client = &Connection{
	Hostname: "mail.d.test", Helo: "client.test",
	Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}, Local: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25},
}

const sample = "Received: from a\r\n\tby b\r\nSubject: one\r\nX-Spam: No\r\nSubject: two\r\n\r\nHello\r\n"

func sampleMessage() *Message {
	head, body, _ := strings.Cut(sample, "\r\n\r\n")
	m := &Message{From: "a@far.test", Recipients: []string{"alice@d.test", "bob@d.test"}, Body: io.NewSectionReader(strings.NewReader(body), 0, int64(len(body)))}
	for _, l := range strings.Split(strings.ReplaceAll(head, "\r\n\t", "\x00"), "\r\n") {
		l = strings.ReplaceAll(l, "\x00", "\r\n\t") + "\r\n"
		name, _, _ := strings.Cut(l, ":")
		m.Fields = append(m.Fields, Field{name, []byte(l)})
	}
	return m
}

func text(m *Message) string {
	var b strings.Builder
	for _, f := range m.Fields {
		b.Write(f.Raw)
	}
	b.WriteString("\r\n")
	io.Copy(&b, io.NewSectionReader(m.Body, 0, m.Body.Size()))
	return b.String()
}

// transact takes the sample through a chain. The reply says at which command.
func transact(c *Chain, m *Message) string {
	ctx := context.Background()
	if r := c.Mail(ctx, client, "ID1", m.From, []string{"SIZE=7"}); r != nil {
		return "MAIL: " + r.Error()
	}
	var taken []string
	said := ""
	for _, to := range m.Recipients {
		if r := c.Rcpt(ctx, to, nil); r != nil {
			said += "RCPT " + to + ": " + r.Error() + "\n"
			continue
		}
		taken = append(taken, to)
	}
	m.Recipients = taken
	if r := c.Message(ctx, m); r != nil {
		return said + "DATA: " + r.Error()
	}
	return said + "taken"
}

func always(r *gomilter.Response) func(gomilter.Modifier) *gomilter.Response {
	return func(gomilter.Modifier) *gomilter.Response { return r }
}

func reject(code uint16, text string) *gomilter.Response {
	r, err := gomilter.RejectWithCodeAndReason(code, text)
	if err != nil {
		panic(err)
	}
	return r
}

func TestFilterHearsWhatTheClientSays(t *testing.T) {
	t.Parallel()
	s := &script{}
	c := New([]Filter{{Name: "f", Address: serve(t, s)}}, 1<<20, nil)
	defer c.Close()
	for range 2 {
		if got := transact(c, sampleMessage()); got != "taken" {
			t.Fatal(got)
		}
	}
	message := []string{"mail a@far.test SIZE=7 id ID1", "rcpt alice@d.test host d.test", "rcpt bob@d.test host d.test", "data",
		"header Received=from a\n\tby b", "header Subject=one", "header X-Spam=No", "header Subject=two", "end Hello\r\n"}
	want := slices.Concat([]string{"connect [192.0.2.7] tcp4 192.0.2.7 to mail.d.test smtpd", "helo client.test"}, message, message)
	// The library of this filter takes a second MAIL for the end of the first message.
	got := slices.DeleteFunc(s.lines(), func(l string) bool { return l == "abort" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestFilterAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		s    *script
		want string
	}{
		"refuses the connection":  {&script{connect: always(gomilter.RespReject)}, "MAIL: 550 5.7.1 Message refused"},
		"puts the greeting off":   {&script{helo: always(gomilter.RespTempFail)}, "MAIL: 451 4.7.1 Service unavailable, try again later"},
		"refuses in its own word": {&script{mail: always(reject(554, "5.1.8 Bad sender\nof two lines"))}, "MAIL: 554 5.1.8 Bad sender of two lines"},
		"says that the line ends": {&script{mail: always(reject(421, "4.3.2 Closing"))}, "MAIL: 451 4.3.2 Closing"},
		"refuses one recipient": {&script{rcpt: func(to string) *gomilter.Response {
			if strings.HasPrefix(to, "bob") {
				return gomilter.RespReject
			}
			return gomilter.RespAccept
		}}, "RCPT bob@d.test: 550 5.7.1 Message refused\ntaken"},
		"refuses at DATA":     {&script{data: always(reject(550, "No"))}, "DATA: 550 5.7.1 No"},
		"refuses a header":    {&script{header: always(gomilter.RespReject)}, "DATA: 550 5.7.1 Message refused"},
		"refuses within body": {&script{chunk: always(gomilter.RespTempFail)}, "DATA: 451 4.7.1 Service unavailable, try again later"},
		"refuses at the end": {&script{end: func(gomilter.Modifier) (*gomilter.Response, error) { return reject(554, "5.7.1 Spam"), nil }},
			"DATA: 554 5.7.1 Spam"},
		"trusts the connection": {&script{connect: always(gomilter.RespAccept), mail: always(gomilter.RespReject)}, "taken"},
		"trusts the sender":     {&script{mail: always(gomilter.RespAccept), data: always(gomilter.RespReject)}, "taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New([]Filter{{Name: "f", Address: serve(t, test.s)}}, 1<<20, nil)
			defer c.Close()
			for range 2 { // what it says of one message is not said of the next
				if got := transact(c, sampleMessage()); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			}
		})
	}
}

func TestFilterChangesTheMessage(t *testing.T) {
	t.Parallel()
	head, body, _ := strings.Cut(sample, "\r\n\r\n")
	with := func(head, body string) string { return head + "\r\n\r\n" + body }
	for name, test := range map[string]struct {
		do   func(m gomilter.Modifier) error
		want string
		more func(m *Message) // of the expected one
	}{
		"nothing":               {func(gomilter.Modifier) error { return nil }, sample, nil},
		"adds a field":          {func(m gomilter.Modifier) error { return m.AddHeader("X-A", "b") }, with(head+"\r\nX-A: b", body), nil},
		"adds a folded field":   {func(m gomilter.Modifier) error { return m.AddHeader("X-A", "b\n c\nd") }, with(head+"\r\nX-A: b\r\n c\r\n\td", body), nil},
		"puts a field on top":   {func(m gomilter.Modifier) error { return m.InsertHeader(0, "X-A", "b") }, with("X-A: b\r\n"+head, body), nil},
		"puts a field between":  {func(m gomilter.Modifier) error { return m.InsertHeader(2, "X-A", "b") }, with(strings.Replace(head, "X-Spam", "X-A: b\r\nX-Spam", 1), body), nil},
		"puts a field far down": {func(m gomilter.Modifier) error { return m.InsertHeader(99, "X-A", "b") }, with(head+"\r\nX-A: b", body), nil},
		"changes the second of a name": {func(m gomilter.Modifier) error { return m.ChangeHeader(2, "subject", "three") },
			with(strings.Replace(head, "two", "three", 1), body), nil},
		"takes a field away":        {func(m gomilter.Modifier) error { return m.ChangeHeader(1, "X-Spam", "") }, with(strings.Replace(head, "X-Spam: No\r\n", "", 1), body), nil},
		"changes what is not there": {func(m gomilter.Modifier) error { return m.ChangeHeader(9, "Subject", "new") }, with(head+"\r\nSubject: new", body), nil},
		"replaces the body":         {func(m gomilter.Modifier) error { return m.ReplaceBody(strings.NewReader("one\ntwo\r\nthree")) }, with(head, "one\r\ntwo\r\nthree\r\n"), nil},
		"changes the envelope": {func(m gomilter.Modifier) error {
			return firstError(m.ChangeFrom("x@far.test", ""), m.AddRecipient("<carol@d.test>", ""), m.DeleteRecipient("alice@d.test"))
		}, sample, func(m *Message) { m.From, m.Recipients = "x@far.test", []string{"bob@d.test", "carol@d.test"} }},
		"says that it is spam":     {func(m gomilter.Modifier) error { return m.AddHeader("x-spam", "yes, 12.3") }, with(head+"\r\nx-spam: yes, 12.3", body), func(m *Message) { m.Junk = true }},
		"says that it is no spam":  {func(m gomilter.Modifier) error { return m.AddHeader("X-Spam", "Yesterday") }, with(head+"\r\nX-Spam: Yesterday", body), nil},
		"has it put in quarantine": {func(m gomilter.Modifier) error { return m.Quarantine("odd\x01 thing") }, sample, func(m *Message) { m.Quarantine = "f: odd thing" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{end: func(m gomilter.Modifier) (*gomilter.Response, error) { return gomilter.RespAccept, test.do(m) }}
			second := &script{}
			c := New([]Filter{{Name: "f", Address: serve(t, s), Junk: []string{"X-Spam: Yes"}}, {Name: "g", Address: serve(t, second)}}, 1<<20, nil)
			defer c.Close()
			m := sampleMessage()
			if got := transact(c, m); got != "taken" {
				t.Fatal(got)
			}
			want := &Message{From: "a@far.test", Recipients: []string{"alice@d.test", "bob@d.test"}}
			if test.more != nil {
				test.more(want)
			}
			if got := text(m); got != test.want {
				t.Errorf("message %q, want %q", got, test.want)
			}
			if got := (&Message{From: m.From, Recipients: m.Recipients, Junk: m.Junk, Quarantine: m.Quarantine}); !cmp.Equal(want, got, cmp.Comparer(func(a, b *io.SectionReader) bool { return true })) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			// The second one sees what the first has made.
			lines := second.lines()
			_, wantBody, _ := strings.Cut(test.want, "\r\n\r\n")
			if last := lines[len(lines)-1]; last != "end "+wantBody {
				t.Errorf("the second filter heard %q, want the body %q", last, wantBody)
			}
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestClamavsQuarantineIsARefusal(t *testing.T) {
	t.Parallel()
	s := &script{end: func(m gomilter.Modifier) (*gomilter.Response, error) {
		return gomilter.RespAccept, m.Quarantine("Eicar-Test-Signature")
	}}
	c := New([]Filter{{Name: "f", Address: serve(t, s), RefusesQuarantine: true}}, 1<<20, nil)
	defer c.Close()
	if got := transact(c, sampleMessage()); got != "DATA: 554 5.7.1 Message refused: it holds what may do harm" {
		t.Error(got)
	}
}

func TestDiscardedMessageGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*script{
		"at the sender":  {mail: always(gomilter.RespDiscard)},
		"at a recipient": {rcpt: func(string) *gomilter.Response { return gomilter.RespDiscard }},
		"at the end":     {end: func(gomilter.Modifier) (*gomilter.Response, error) { return gomilter.RespDiscard, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			second := &script{}
			c := New([]Filter{{Name: "f", Address: serve(t, s)}, {Name: "g", Address: serve(t, second)}}, 1<<20, nil)
			defer c.Close()
			m := sampleMessage()
			if got := transact(c, m); got != "taken" || !m.Discard {
				t.Errorf("%s, discard %v", got, m.Discard)
			}
			for _, l := range second.lines() {
				if strings.HasPrefix(l, "end ") {
					t.Errorf("the second filter heard %q", l)
				}
			}
		})
	}
}

func TestTransactionThatIsBrokenOffIsAborted(t *testing.T) {
	t.Parallel()
	s := &script{}
	c := New([]Filter{{Name: "f", Address: serve(t, s)}}, 1<<20, nil)
	defer c.Close()
	if r := c.Mail(context.Background(), client, "ID1", "a@far.test", nil); r != nil {
		t.Fatal(r)
	}
	c.Reset()
	if got := transact(c, sampleMessage()); got != "taken" {
		t.Fatal(got)
	}
	if n := len(slices.DeleteFunc(s.lines(), func(l string) bool { return l != "abort" })); n != 1 {
		t.Errorf("%d aborts, want 1: %q", n, s.lines())
	}
}

// broken is a filter that does what handle says with each connection.
func broken(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { defer c.Close(); handle(c) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return l.Addr().String()
}

// negotiated answers the first packet as libmilter does, and then goes on.
func negotiated(then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		if readPacket(c) == nil {
			return
		}
		c.Write(packet('O', append(binary.BigEndian.AppendUint32(nil, 6), make([]byte, 8)...)))
		then(c)
	}
}

func packet(code byte, data []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1)), code), data...)
}

func readPacket(c net.Conn) []byte {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil
	}
	return b
}

// untilEnd reads all that comes: the other side closes.
func untilEnd(c net.Conn) { io.Copy(io.Discard, c) }

func TestFilterThatFails(t *testing.T) {
	t.Parallel()
	nobody := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		return l.Addr().String()
	}
	endsWith := func(b []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			return broken(t, negotiated(func(c net.Conn) {
				for p := readPacket(c); p != nil; p = readPacket(c) {
					switch {
					case p[0] == 'E':
						c.Write(b)
						untilEnd(c)
						return
					case !slices.Contains([]byte("DAQ"), p[0]):
						c.Write(packet('c', nil))
					}
				}
			}))
		}
	}
	field := func(name, value string) []byte { return []byte(name + "\x00" + value + "\x00") }
	kinds := map[string]func(*testing.T) string{
		"is not there":  nobody,
		"has no socket": func(t *testing.T) string { return "unix:" + filepath.Join(t.TempDir(), "none") },
		"says nothing":  func(t *testing.T) string { return broken(t, untilEnd) },
		"ends at once":  func(t *testing.T) string { return broken(t, func(net.Conn) {}) },
		"speaks another": func(t *testing.T) string {
			return broken(t, func(c net.Conn) { io.WriteString(c, "220 mail ESMTP\r\n"); untilEnd(c) })
		},
		"sends empty packet": func(t *testing.T) string {
			return broken(t, func(c net.Conn) { c.Write(make([]byte, 4)); untilEnd(c) })
		},
		"wants much memory": func(t *testing.T) string {
			return broken(t, func(c net.Conn) { c.Write([]byte{0x1f, 0, 0, 0, 'O'}); untilEnd(c) })
		},
		"hangs after hello": func(t *testing.T) string { return broken(t, negotiated(untilEnd)) },
		"hangs at the end":  endsWith(nil),
		"answers nonsense":  endsWith(packet('?', []byte("what"))),
		"ends half way":     endsWith(packet('h', field("X-A", "b"))[:6]),
		"makes bad field":   endsWith(slices.Concat(packet('h', field("X A", "b")), packet('c', nil))),
		"makes empty line":  endsWith(slices.Concat(packet('h', field("X-A", "b\n\nbody")), packet('c', nil))),
		"never stops": func(t *testing.T) string {
			return broken(t, negotiated(func(c net.Conn) {
				go untilEnd(c)
				for {
					if _, err := c.Write(packet('p', nil)); err != nil {
						return
					}
				}
			}))
		},
		"makes endless body": func(t *testing.T) string {
			return broken(t, negotiated(func(c net.Conn) {
				for p := readPacket(c); p != nil; p = readPacket(c) {
					if p[0] == 'E' {
						go untilEnd(c)
						for big := packet('b', make([]byte, 1<<19)); ; {
							if _, err := c.Write(big); err != nil {
								return
							}
						}
					}
					if !slices.Contains([]byte("DAQ"), p[0]) {
						c.Write(packet('c', nil))
					}
				}
			}))
		},
	}
	for name, address := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := address(t)
			for choice, want := range map[Failure]string{
				Accept: "taken", TempFail: "451 4.7.1 Service unavailable, try again later", Reject: "550 5.7.1 Message cannot be judged here", "": "451 4.7.1 Service unavailable, try again later",
			} {
				after := &script{}
				c := New([]Filter{{Name: "f", Address: at, OnFailure: choice, Timeout: 300 * time.Millisecond}, {Name: "g", Address: serve(t, after)}}, 1<<20, slog.New(slog.DiscardHandler))
				m := sampleMessage()
				got := transact(c, m)
				c.Close()
				if !strings.HasSuffix(got, want) {
					t.Errorf("%q: got %q, want %q", choice, got, want)
				}
				if choice == Accept && text(m) != sample {
					t.Errorf("a filter that failed has left its mark: %q", text(m))
				}
			}
		})
	}
}

func TestServerThatEndsDoesNotWaitForAFilter(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{}, 1)
	at := broken(t, func(c net.Conn) { heard <- struct{}{}; untilEnd(c) })
	ctx, cancel := context.WithCancel(context.Background())
	c := New([]Filter{{Name: "f", Address: at, Timeout: time.Hour}}, 1<<20, nil)
	done := make(chan *Reply)
	go func() { done <- c.Mail(ctx, client, "ID1", "a@far.test", nil) }()
	<-heard
	cancel()
	select {
	case r := <-done:
		if r == nil || r.Code != 451 {
			t.Errorf("got %v, want a 451", r)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
	c.Close()
}

// FuzzAnswers has a filter answer with anything, at the negotiation and to the end
// of a message. Whatever it is, the chain ends the step, and what it makes of the
// message is one.
func FuzzAnswers(f *testing.F) {
	hello := packet('O', append(binary.BigEndian.AppendUint32(nil, 6), make([]byte, 8)...))
	c := packet('c', nil)
	f.Add(slices.Concat(hello, slices.Repeat(c, 12)))
	f.Add(slices.Concat(hello, slices.Repeat(c, 10), packet('h', []byte("X-A\x00b\x00")), packet('m', []byte("\x00\x00\x00\x01Subject\x00\x00")),
		packet('i', []byte("\x00\x00\x00\x00X\x00y\x00")), packet('b', []byte("body\n")), packet('e', []byte("<x@y>\x00")), packet('+', []byte("<x@y>\x00")),
		packet('-', []byte("<bob@d.test>\x00")), packet('q', []byte("why\x00")), c))
	f.Add(slices.Concat(hello, packet('y', []byte("550-5.7.1 a\r\n550 5.7.1 b\x00"))))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 'O'})
	f.Fuzz(func(t *testing.T, answers []byte) {
		here, there := net.Pipe()
		go func() {
			go untilEnd(there)
			there.Write(answers)
			there.Close()
		}()
		g := &guard{Conn: here}
		g.allow(time.Now().Add(time.Minute), 1<<20)
		p := &peer{filter: &Filter{Name: "f", OnFailure: Reject}, limit: 1 << 16, log: slog.New(slog.DiscardHandler)}
		p.macros(client, "ID1", "a@far.test")
		s, err := gomilter.NewClient("tcp", "", gomilter.WithDialer(given{g})).Session(p.bag)
		if err != nil {
			return
		}
		defer g.Close()
		p.session, p.conn = s, g
		if _, err := s.Conn("x", gomilter.FamilyUnknown, 0, ""); err != nil {
			return
		}
		if _, err := s.Helo("x"); err != nil {
			return
		}
		if _, err := p.mail(context.Background(), client, "a@far.test", ""); err != nil {
			return
		}
		if _, err := p.rcpt("alice@d.test", ""); err != nil {
			return
		}
		m := sampleMessage()
		if r, err := p.message(m); err != nil || r != nil {
			if text(m) != sample {
				t.Errorf("changed by a filter that failed or refused: %q", text(m))
			}
			return
		}
		head, _, ok := strings.Cut(text(m), "\r\n\r\n")
		if !ok || len(m.Fields) > 0 && strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\n") || strings.Contains(text(m), "\x00") {
			t.Errorf("no message: %q", text(m))
		}
	})
}

// given is a dialer of one connection.
type given struct{ c net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.c, nil }
