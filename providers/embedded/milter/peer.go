package milter

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	gomilter "github.com/d--j/go-milter"
)

// What an answer may hold, in bytes: to an envelope, and beyond a message.
const (
	small = 1 << 20
	large = 8 << 20
)

// macros are what filters are told at each step where they do not ask for others:
// what Postfix tells.
var macros = map[gomilter.MacroStage][]gomilter.MacroName{
	gomilter.StageConnect: {"j", "{daemon_name}", "{daemon_addr}", "{daemon_port}", "v", "{client_name}", "{client_addr}", "{client_port}", "_"},
	gomilter.StageHelo:    {"{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}"},
	gomilter.StageMail:    {"i", "{auth_type}", "{auth_authen}", "{mail_addr}", "{mail_host}", "{mail_mailer}"},
	gomilter.StageRcpt:    {"i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"},
	gomilter.StageData:    {"i"},
	gomilter.StageEOH:     {"i"},
	gomilter.StageEOM:     {"i", "{auth_type}", "{auth_authen}"},
}

// A verdict is an answer of a filter: nil, a reply for the client, or what the
// peer has noted of itself.
type verdict = *Reply

// A peer is a filter in a chain.
type peer struct {
	filter *Filter
	limit  int64
	log    *slog.Logger

	bag     *gomilter.MacroBag
	session *gomilter.ClientSession // nil: not connected
	conn    *guard
	// refusal is what the filter has against the connection as such.
	refusal *Reply
	trusted bool // it has nothing against any mail of this connection

	open      bool // a transaction has begun that the filter has not ended
	done      bool // it has no more to say to this transaction
	discarded bool
}

// ask takes a step: by its deadline, whatever ctx or the filter do. It returns what
// refuses the step.
func (p *peer) ask(ctx context.Context, budget int64, step func() (verdict, error)) *Reply {
	if p.done || p.trusted {
		return nil
	}
	if p.conn != nil {
		if err := p.conn.allow(time.Now().Add(p.filter.timeout()), budget); err != nil {
			return p.fail(err)
		}
		defer context.AfterFunc(ctx, p.conn.cut)()
	}
	r, err := step()
	if err != nil {
		return p.fail(err)
	}
	return r
}

// fail gives up on the filter in this transaction.
func (p *peer) fail(err error) *Reply {
	p.done, p.open = true, false
	p.drop()
	choice := p.filter.OnFailure
	if choice == "" {
		choice = TempFail
	}
	p.log.Warn("filter failed", "address", p.filter.Address, "error", err, "on_failure", string(choice))
	switch choice {
	case Accept:
		return nil
	case Reject:
		r := unjudged
		return &r
	}
	r := deferred
	return &r
}

// drop ends the connection without a word.
func (p *peer) drop() {
	if p.conn != nil {
		p.conn.Conn.Close()
	}
	p.conn, p.session = nil, nil
}

// reset readies the peer for another transaction.
func (p *peer) reset() {
	if p.open && p.session != nil {
		p.conn.allow(time.Now().Add(p.filter.timeout()), small)
		if err := p.session.Abort(nil); err != nil {
			p.drop()
		}
	}
	p.open, p.done, p.discarded = false, false, false
}

func (p *peer) close() {
	if p.session != nil {
		p.conn.allow(time.Now().Add(p.filter.timeout()), small)
		p.session.Close()
	}
	p.drop()
}

// connect reaches the filter and tells it who is there.
func (p *peer) connect(ctx context.Context, on *Connection) (verdict, error) {
	network, address := p.filter.network()
	d := &dialer{ctx: ctx, timeout: p.filter.timeout(), budget: small}
	defer d.end()
	options := []gomilter.Option{gomilter.WithDialer(d), gomilter.WithoutDefaultMacros()}
	for stage, names := range macros {
		options = append(options, gomilter.WithMacroRequest(stage, names))
	}
	s, err := gomilter.NewClient(network, address, options...).Session(p.bag)
	if err != nil {
		if d.made != nil {
			d.made.Conn.Close()
		}
		return nil, err
	}
	p.session, p.conn = s, d.made
	p.refusal, p.trusted = nil, false
	name, family, port, addr := clientOf(on.Remote)
	act, err := s.Conn(name, family, port, addr)
	if err != nil {
		return nil, err
	}
	if r := p.judged(act); r != nil || p.trusted || p.done {
		return p.ofConnection(r), nil
	}
	if act, err = s.Helo(on.Helo); err != nil {
		return nil, err
	}
	return p.ofConnection(p.judged(act)), nil
}

// ofConnection notes what a filter has said of a connection.
func (p *peer) ofConnection(r *Reply) *Reply {
	p.refusal, p.trusted = r, p.done
	return r
}

// judged makes of an answer what it means: done where there is no more to say.
func (p *peer) judged(act *gomilter.Action) *Reply {
	switch act.Type {
	case gomilter.ActionAccept:
		p.done = true
	case gomilter.ActionDiscard:
		p.done, p.discarded = true, true
	case gomilter.ActionReject:
		r := refused
		return &r
	case gomilter.ActionTempFail:
		r := deferred
		return &r
	case gomilter.ActionRejectWithCode:
		return parseReply(int(act.SMTPCode), act.SMTPReply)
	}
	return nil
}

func (p *peer) mail(ctx context.Context, on *Connection, from, args string) (verdict, error) {
	if p.session == nil {
		if r, err := p.connect(ctx, on); err != nil || r != nil || p.done {
			return r, err
		}
	}
	if p.refusal != nil {
		return p.refusal, nil
	}
	p.open = true
	act, err := p.session.Mail(from, args)
	if err != nil {
		return nil, err
	}
	return p.judged(act), nil
}

// rcpt asks of a recipient. To accept one is no more than to have nothing against
// it; a filter that does not want the message discards it as a whole.
func (p *peer) rcpt(to, args string) (verdict, error) {
	p.bag.Set("{rcpt_addr}", to)
	p.bag.Set("{rcpt_host}", domainOf(to))
	act, err := p.session.Rcpt(to, args)
	if err != nil {
		return nil, err
	}
	if act.Type == gomilter.ActionAccept {
		return nil, nil
	}
	return p.judged(act), nil
}

// message hands the filter a message, and makes of it what it wants.
func (p *peer) message(m *Message) (verdict, error) {
	s := p.session
	act, err := s.DataStart()
	if r, over, err := p.over(act, err); over {
		return r, err
	}
	space := s.ProtocolOption(gomilter.OptHeaderLeadingSpace)
	for i := range m.Fields {
		act, err := s.HeaderField(m.Fields[i].Name, m.Fields[i].value(space), nil)
		if r, over, err := p.over(act, err); over {
			return r, err
		}
	}
	act, err = s.HeaderEnd()
	if r, over, err := p.over(act, err); over {
		return r, err
	}
	chunk := make([]byte, min(m.Body.Size(), int64(gomilter.DataSize64K)))
	for at := int64(0); at < m.Body.Size() && !s.Skip(); {
		n := min(m.Body.Size()-at, int64(len(chunk)))
		if _, err := m.Body.ReadAt(chunk[:n], at); err != nil && err != io.EOF {
			return nil, err
		}
		at += n
		act, err := s.BodyChunk(chunk[:n])
		if r, over, err := p.over(act, err); over {
			return r, err
		}
	}
	if m.Body.Size() == 0 {
		// The library does not let a message end that had no body at all.
		if act, err := s.BodyChunk(nil); err != nil || act.Type != gomilter.ActionContinue {
			r, _, err := p.over(act, err)
			return r, err
		}
	}
	changes, act, err := s.End()
	if err != nil {
		return nil, err
	}
	p.open = false
	r := p.judged(act)
	if r != nil || p.discarded {
		return r, nil
	}
	quarantine, err := m.apply(p.filter, changes, space, p.limit+large)
	switch {
	case err != nil:
		return nil, err
	case quarantine == "":
	case p.filter.RefusesQuarantine:
		p.log.Info("message refused", "reason", printable(quarantine))
		r := infected
		return &r, nil
	default:
		m.Quarantine = p.filter.Name + ": " + printable(quarantine)
	}
	return nil, nil
}

// over reports whether an answer within a message ends it for this filter.
func (p *peer) over(act *gomilter.Action, err error) (*Reply, bool, error) {
	if err != nil {
		return nil, true, err
	}
	r := p.judged(act)
	return r, r != nil || p.done, nil
}

// macros sets what the filter is told of a transaction.
func (p *peer) macros(on *Connection, id, from string) {
	if p.bag == nil {
		p.bag = gomilter.NewMacroBag()
	}
	name, _, port, addr := clientOf(on.Remote)
	daemon := "smtpd"
	if on.Submission {
		daemon = "ORIGINATING"
	}
	set := map[gomilter.MacroName]string{
		"j": on.Hostname, "v": "mailform", "{daemon_name}": daemon, "i": id, "_": name,
		"{client_name}": name, "{client_addr}": addr, "{client_port}": strconv.Itoa(int(port)),
		"{mail_addr}": from, "{mail_host}": domainOf(from), "{mail_mailer}": "smtp", "{rcpt_mailer}": "local",
	}
	if _, _, port, addr := clientOf(on.Local); addr != "" {
		set["{daemon_addr}"], set["{daemon_port}"] = addr, strconv.Itoa(int(port))
	}
	if on.TLS != nil {
		set["{tls_version}"] = strings.Replace(tls.VersionName(on.TLS.Version), "TLS ", "TLSv", 1)
		set["{cipher}"] = tls.CipherSuiteName(on.TLS.CipherSuite)
	}
	if on.Login != "" {
		set["{auth_authen}"], set["{auth_type}"] = on.Login, "PLAIN"
	}
	for name, value := range set {
		p.bag.Set(name, strings.ReplaceAll(value, "\x00", ""))
	}
}

// clientOf says who is at an address, in the words of the protocol. Nobody has
// looked its name up: it is its address in brackets.
func clientOf(a net.Addr) (name string, family gomilter.ProtoFamily, port uint16, addr string) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "unknown", gomilter.FamilyUnknown, 0, ""
	}
	ip := t.AddrPort().Addr().Unmap()
	if ip.Is4() {
		return "[" + ip.String() + "]", gomilter.FamilyInet, uint16(t.Port), ip.String()
	}
	return "[IPv6:" + ip.String() + "]", gomilter.FamilyInet6, uint16(t.Port), ip.String()
}

func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}
