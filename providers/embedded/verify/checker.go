package verify

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
)

// A Resolver asks the DNS; *resolve.Resolver is one. Its errors are *net.DNSError.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// Enforcement is what is done about the result of a check.
type Enforcement int

const (
	// Off: it is not made.
	Off Enforcement = iota
	// Report: the result is written into the message.
	Report
	// Enforce: what the sender's domain asks for is done, too.
	Enforce
)

// Policy says which checks are made.
type Policy struct {
	SPF, DMARC Enforcement
	DKIM, ARC  bool
	// TrustedSealers are the domains whose ARC seals are believed: what they saw
	// pass is not refused because it no longer does.
	TrustedSealers []string
}

// Any says whether any check is made.
func (p Policy) Any() bool { return p.SPF != Off || p.DMARC != Off || p.DKIM || p.ARC }

// A Checker makes the checks. It can be used by many goroutines.
type Checker struct {
	Resolver Resolver
	// Roll is a number of [0, 100), for the tag pct; nil: at random.
	Roll func() int
}

// maxSignatures is how many signatures of a message are looked at.
const maxSignatures = 10

// An SPF result, with the domain that it is about.
type SPF struct {
	Result Result // empty: not checked
	// Sender is the address of the envelope; empty where Helo was checked.
	Sender, Domain string
}

// SPF checks a client against the domain of the envelope's sender, or where that
// is empty (a bounce), against the name that the client gives itself.
func (c *Checker) SPF(ctx context.Context, client netip.Addr, helo, sender string) SPF {
	s := SPF{Result: None, Sender: sender, Domain: strings.ToLower(sender[strings.LastIndexByte(sender, '@')+1:])}
	if sender == "" {
		s.Domain = strings.ToLower(strings.TrimSuffix(helo, "."))
		sender = "postmaster@" + s.Domain // RFC 7208 §2.4
	}
	// An address literal or a single label has no policy (§4.3).
	if !strings.Contains(s.Domain, ".") || strings.ContainsAny(s.Domain, "[]:") || !client.IsValid() {
		return s
	}
	r, _ := spf.CheckHostWithSender(net.IP(client.Unmap().AsSlice()), helo, sender, spf.WithContext(ctx), spf.WithResolver(c.Resolver))
	s.Result = Result(r)
	return s
}

// A Message is what is checked.
type Message struct {
	Client netip.Addr
	SPF    SPF
	// Authors are the domains of the addresses in From, in lower case.
	Authors []string
	// Signed and Sealed say whether there is a DKIM-Signature, or ARC fields.
	Signed, Sealed bool
	// Content is the message. It is read by several goroutines at once.
	Content io.ReaderAt
	Size    int64
}

func (m *Message) reader() io.Reader { return io.NewSectionReader(m.Content, 0, m.Size) }

// Message makes the checks of a policy that need the message, side by side.
func (c *Checker) Message(ctx context.Context, p Policy, m Message) Verdict {
	v := Verdict{SPF: m.SPF, checkedDKIM: p.DKIM, checkedARC: p.ARC}
	var work sync.WaitGroup
	if p.DKIM && m.Signed {
		work.Go(func() { v.DKIM = c.dkim(ctx, &m) })
	}
	if p.ARC && m.Sealed {
		work.Go(func() { v.ARC = c.arc(ctx, &m) })
	}
	var records []record
	if p.DMARC != Off {
		records = make([]record, len(m.Authors))
		for i, domain := range m.Authors {
			work.Go(func() { records[i] = c.record(ctx, domain) })
		}
	}
	work.Wait()
	if p.SPF == Enforce && v.SPF.Result == Fail {
		v.Disposition, v.refusedBy = Refuse, "spf"
	}
	if p.DMARC != Off {
		c.dmarc(&v, p, records)
	}
	return v
}

// A Signature is one DKIM signature.
type Signature struct {
	Result Result
	Domain string // that has signed
	Reason string // why it does not hold
}

func (c *Checker) dkim(ctx context.Context, m *Message) []Signature {
	found, err := dkim.VerifyWithOptions(m.reader(), &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return c.Resolver.LookupTXT(ctx, name) },
		MaxVerifications: maxSignatures,
	})
	if len(found) == 0 && err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return []Signature{{Result: PermError}}
	}
	out := make([]Signature, 0, len(found))
	for _, f := range found {
		s := Signature{Domain: strings.ToLower(f.Domain), Result: Pass}
		if f.Err != nil {
			s.Reason = strings.TrimPrefix(f.Err.Error(), "dkim: ")
			switch {
			case dkim.IsTempFail(f.Err):
				// Not why: that would tell of our resolvers.
				s.Result, s.Reason = TempError, "the key cannot be looked up now"
			case dkim.IsPermFail(f.Err):
				s.Result = PermError
			default:
				s.Result = Fail
			}
		}
		out = append(out, s)
	}
	return out
}

func (c *Checker) roll() int {
	if c.Roll != nil {
		return c.Roll()
	}
	return rand.IntN(100)
}

// temporary says that nobody could answer.
func temporary(err error) bool {
	var de *net.DNSError
	return errors.As(err, &de) && !de.IsNotFound
}
